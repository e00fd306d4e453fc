//! Decompression as a job of its own: whoever asked sees the bytes, and can count and hash them, before anything reads an archive in
//! them.

use std::io::{self, BufRead, BufReader, Read, Write};

use super::gzip::{BUFFER_BYTES, Gunzip};
use super::problem::Step;
use super::{Problem, Refusal};

/// Largest window of a zstd frame, as a power of two: 128 MiB, which is what `zstd --long` makes and the most that the program reads
/// without being told to.
const MAX_ZSTD_WINDOW_LOG: u32 = 27;

/// Writes what a stream held before it was compressed with gzip or zstd, and how many bytes that were. What is neither is passed on
/// as it is.
///
/// # Errors
///
/// [`Refusal::NotAnArchive`] for damage and for other ways of compression, [`Refusal::TooManyBytes`] above `max_bytes`,
/// [`Problem::Failed`] for the system's errors.
pub fn decompress(input: impl Read, output: &mut impl Write, max_bytes: u64) -> Result<u64, Problem> {
    let mut input = BufReader::with_capacity(BUFFER_BYTES, input);
    match start(&mut input).step(|| READING)? {
        Kind::Gzip => match Gunzip::new(input).step(|| READING)? {
            Ok(stream) => pass_on(stream, output, max_bytes),
            Err(why) => Err(Problem::not_an_archive(why)),
        },
        Kind::Zstd => {
            let mut stream = zstd::stream::read::Decoder::with_buffer(input).step(|| READING)?;
            stream.window_log_max(MAX_ZSTD_WINDOW_LOG).step(|| READING)?;
            pass_on(stream, output, max_bytes)
        }
        Kind::Unknown(name) => Err(Problem::not_an_archive(format!("it is compressed with {name}, not gzip or zstd"))),
        Kind::Plain => pass_on(input, output, max_bytes),
    }
}

const READING: &str = "reading the archive";

enum Kind {
    Gzip,
    Zstd,
    Plain,
    Unknown(&'static str),
}

/// What the first bytes say. A tar begins with a name, and none of these is one.
fn start(input: &mut impl BufRead) -> io::Result<Kind> {
    let start = loop {
        match input.fill_buf() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            result => break result?,
        }
    };
    Ok(match start {
        [0x1f, 0x8b, ..] => Kind::Gzip,
        [0x28, 0xb5, 0x2f, 0xfd, ..] => Kind::Zstd,
        [b'B', b'Z', b'h', ..] => Kind::Unknown("bzip2"),
        [0xfd, b'7', b'z', b'X', b'Z', ..] => Kind::Unknown("xz"),
        _ => Kind::Plain,
    })
}

fn pass_on(mut stream: impl Read, output: &mut impl Write, max_bytes: u64) -> Result<u64, Problem> {
    let mut buffer = vec![0; BUFFER_BYTES];
    let mut total = 0_u64;
    loop {
        let count = match stream.read(&mut buffer) {
            Ok(0) => return Ok(total),
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) if error.raw_os_error().is_some() => return Err(error).step(|| READING),
            Err(error) => return Err(Problem::not_an_archive(format!("its compressed stream is damaged: {error}"))),
        };
        total = total.saturating_add(count as u64);
        if total > max_bytes {
            return Err(Refusal::TooManyBytes(max_bytes).into());
        }
        output.write_all(&buffer[..count]).step(|| super::content::WRITING)?;
    }
}

#[cfg(test)]
mod tests {
    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;

    const TEXT: &[u8] = b"a text that is long enough to be compressed, compressed, compressed";

    fn decompressed(bytes: &[u8], max_bytes: u64) -> Result<Vec<u8>, Problem> {
        let mut output = Vec::new();
        decompress(bytes, &mut output, max_bytes).map(|count| {
            assert_eq!(count, output.len() as u64);
            output
        })
    }

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn each_kind_comes_out_as_it_went_in() {
        let frames = [zstd::encode_all(TEXT, 3).unwrap(), zstd::encode_all(TEXT, 3).unwrap()].concat();
        for (bytes, expected) in [
            (TEXT.to_vec(), TEXT.to_vec()),
            (gzip(TEXT), TEXT.to_vec()),
            (zstd::encode_all(TEXT, 3).unwrap(), TEXT.to_vec()),
            (frames, [TEXT, TEXT].concat()),
            (Vec::new(), Vec::new()),
        ] {
            assert_eq!(decompressed(&bytes, 1000), Ok(expected));
        }
    }

    #[test]
    fn bombs_damage_and_other_kinds_are_refused() {
        let zeros = vec![0; 1 << 20];
        for bomb in [gzip(&zeros), zstd::encode_all(zeros.as_slice(), 3).unwrap(), zeros] {
            assert_eq!(decompressed(&bomb, 1000), Err(Refusal::TooManyBytes(1000).into()));
        }
        for whole in [gzip(TEXT), zstd::encode_all(TEXT, 3).unwrap()] {
            let result = decompressed(&whole[..whole.len() - 2], 1000);
            assert!(matches!(result, Err(Problem::Refused(Refusal::NotAnArchive(_)))), "{result:?}");
        }
        for (bytes, name) in [(&b"BZh91AY"[..], "bzip2"), (b"\xfd7zXZ\0", "xz")] {
            let Err(Problem::Refused(Refusal::NotAnArchive(why))) = decompressed(bytes, 1000) else {
                panic!("{name} is not read");
            };
            assert!(why.contains(name), "{why}");
        }
    }

    #[test]
    fn a_window_that_takes_too_much_memory_is_refused() {
        // A frame header with a window of 2^31 bytes (RFC 8878, 3.1.1.1.2), and a block that repeats a byte.
        let frame = [0x28, 0xb5, 0x2f, 0xfd, 0x00, 21 << 3, 0x0b, 0x00, 0x00, b'x'];
        let result = decompressed(&frame, 1000);
        assert!(matches!(result, Err(Problem::Refused(Refusal::NotAnArchive(_)))), "{result:?}");
    }
}
