//! Decompression of gzip (RFC 1952), any number of members one after the other.

use std::io::{self, BufRead, BufReader, Read};

use flate2::bufread::GzDecoder;

/// Bytes read, inflated and written at a time: large enough that system calls do not count, small enough for a cache.
pub(super) const BUFFER_BYTES: usize = 128 << 10;

/// The decompressed bytes of a gzip stream.
///
/// Behind the last member zeros may follow, and what is no gzip is ignored, as the `gzip` program does.
#[derive(Debug)]
pub(super) struct Gunzip<R: Read> {
    /// Absent after the end.
    member: Option<GzDecoder<BufReader<R>>>,
}

impl<R: Read> Gunzip<R> {
    /// Looks at the first bytes.
    ///
    /// # Errors
    ///
    /// Those of reading; `Ok(Err(why))` when it is no gzip stream, with what it is instead.
    pub(super) fn new(reader: R) -> io::Result<Result<Self, String>> {
        let mut reader = BufReader::with_capacity(BUFFER_BYTES, reader);
        let start = fill(&mut reader)?;
        if start.starts_with(b"\x1f\x8b") {
            return Ok(Ok(Self { member: Some(GzDecoder::new(reader)) }));
        }
        Ok(Err(match start {
            [] => "it is empty".to_owned(),
            [0x1f] => "it ends too early".to_owned(),
            [b'B', b'Z', b'h', ..] => "it is compressed with bzip2, not gzip".to_owned(),
            [0xfd, b'7', b'z', b'X', b'Z', ..] => "it is compressed with xz, not gzip".to_owned(),
            [0x28, 0xb5, 0x2f, 0xfd, ..] => "it is compressed with zstd, not gzip".to_owned(),
            [b'P', b'K', ..] => "it is a zip archive".to_owned(),
            start if start.get(257..262) == Some(b"ustar") => "it is not compressed".to_owned(),
            _ => "it does not start like a gzip stream".to_owned(),
        }))
    }
}

impl<R: Read> Read for Gunzip<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while let Some(member) = &mut self.member {
            let read = member.read(buffer)?;
            if read > 0 || buffer.is_empty() {
                return Ok(read);
            }
            let Some(member) = self.member.take() else {
                break;
            };
            let mut reader = member.into_inner();
            loop {
                let rest = fill(&mut reader)?;
                let zeros = rest.iter().take_while(|&&byte| byte == 0).count();
                match rest.get(zeros) {
                    Some(0x1f) if zeros == 0 => {
                        self.member = Some(GzDecoder::new(reader));
                        break;
                    }
                    None if zeros > 0 => reader.consume(zeros),
                    _ => break,
                }
            }
        }
        Ok(0)
    }
}

/// What is buffered, or the next bytes; a signal does not interrupt.
fn fill<R: Read>(reader: &mut BufReader<R>) -> io::Result<&[u8]> {
    while let Err(error) = reader.fill_buf() {
        if error.kind() != io::ErrorKind::Interrupted {
            return Err(error);
        }
    }
    Ok(reader.buffer())
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;

    fn compress(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    fn decompress(bytes: &[u8]) -> io::Result<Vec<u8>> {
        let mut all = Vec::new();
        let mut stream = Gunzip::new(bytes)?.expect("a gzip stream");
        stream.read_to_end(&mut all)?;
        Ok(all)
    }

    #[test]
    fn members_are_joined_and_the_rest_is_ignored() {
        let two = [compress(b"one "), compress(b""), compress(b"two")].concat();
        for rest in [&b""[..], b"\0", &[0; 300_000], b"garbage", b"\0\0garbage"] {
            let all = [&two, rest].concat();
            assert_eq!(decompress(&all).unwrap(), b"one two", "{}", rest.len());
        }
    }

    #[test]
    fn damage_is_an_error() {
        let whole = compress(&[b"some text to be compressed".repeat(50)].concat());
        for cut in 2..whole.len() {
            assert!(decompress(&whole[..cut]).is_err(), "cut at {cut}");
        }
        for place in [whole.len() - 1, whole.len() - 6, 20] {
            let mut bytes = whole.clone();
            bytes[place] ^= 0x55;
            assert!(decompress(&bytes).is_err(), "changed at {place}");
        }
    }

    #[test]
    fn what_else_it_is_gets_named() {
        for (bytes, why) in [
            (&b""[..], "it is empty"),
            (b"BZh91AY", "it is compressed with bzip2, not gzip"),
            (b"PK\x03\x04", "it is a zip archive"),
            (b"hello", "it does not start like a gzip stream"),
        ] {
            assert_eq!(Gunzip::new(bytes).unwrap().err().as_deref(), Some(why));
        }
    }
}
