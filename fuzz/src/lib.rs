//! What the targets share.

use std::io::Write;

use belljar_sandbox::agent::ArchiveLimits;
use flate2::{Compression, write::GzEncoder};

/// Small, so that one input takes milliseconds.
pub const LIMITS: ArchiveLimits = ArchiveLimits { max_entries: 64, max_bytes: 1 << 20 };

/// Where the checksum is in a header, and where its last digit ends.
const CHECKSUM: std::ops::Range<usize> = 148..156;

/// An archive from a fuzzer's bytes: the first one chooses how much of a valid archive they are made into, since a fuzzer
/// finds neither the checksum of a gzip stream nor that of a header.
pub fn archive(input: &[u8]) -> Vec<u8> {
    let Some((&mode, bytes)) = input.split_first() else {
        return Vec::new();
    };
    if mode & 1 == 1 {
        return bytes.to_vec();
    }
    let mut tar = bytes.to_vec();
    if mode & 2 == 0 {
        for block in tar.chunks_exact_mut(512) {
            // Marked as a header by its magic, which costs the fuzzer five bytes that it knows from the comparison.
            if &block[257..262] == b"ustar" {
                block[CHECKSUM].fill(b' ');
                let sum: u32 = block.iter().map(|&byte| u32::from(byte)).sum();
                block[CHECKSUM].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
            }
        }
    }
    let mut encoder = GzEncoder::new(Vec::new(), Compression::none());
    encoder.write_all(&tar).and_then(|()| encoder.finish()).expect("memory does not fail")
}
