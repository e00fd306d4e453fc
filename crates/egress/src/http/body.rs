//! Where the body of a request ends.

use std::io::Write;

use crate::record::Refusal;

/// How the end of a body is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Framing {
    /// There is none.
    None,
    /// By its length in bytes.
    Length(u64),
    /// In chunks.
    Chunked,
}

/// Reads chunks and writes them anew. Extensions and trailers are refused: what they mean depends on who reads them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chunks {
    state: State,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// In the digits of a size, so many of them read.
    Size {
        size: u64,
        digits: u8,
    },
    /// Before the LF after a size.
    SizeEnd {
        size: u64,
    },
    /// In the data of a chunk, so many bytes before its end.
    Data {
        left: u64,
    },
    /// Before the CR and the LF after data.
    DataCr,
    DataLf,
    /// Before the CR and the LF after the last chunk.
    LastCr,
    LastLf,
    End,
}

/// Digits of a size: more than a u64 has are an attack on somebody.
const MOST_DIGITS: u8 = 15;

impl Default for Chunks {
    fn default() -> Self {
        Self { state: State::Size { size: 0, digits: 0 } }
    }
}

impl Chunks {
    /// Whether the last chunk has been read.
    #[must_use]
    pub fn ended(&self) -> bool {
        self.state == State::End
    }

    /// Reads on, and writes what was read to `into`. Returns how many bytes belong to this body: less than all only at its end.
    ///
    /// # Errors
    /// The bytes are no chunks.
    pub fn read(&mut self, bytes: &[u8], into: &mut Vec<u8>) -> Result<usize, Refusal> {
        let mut at = 0;
        while let Some(&byte) = bytes.get(at)
            && self.state != State::End
        {
            if let State::Data { left } = &mut self.state {
                let rest = bytes.get(at..).unwrap_or_default();
                let here = usize::try_from(*left).unwrap_or(usize::MAX).min(rest.len());
                let data = rest.get(..here).unwrap_or_default();
                // Writing to memory cannot fail.
                let _ = write!(into, "{here:x}\r\n");
                into.extend_from_slice(data);
                into.extend_from_slice(b"\r\n");
                *left -= u64::try_from(here).unwrap_or(0);
                if *left == 0 {
                    self.state = State::DataCr;
                }
                at += here;
                continue;
            }
            self.state = self.next(byte).ok_or(Refusal::Request("its chunks are not well formed"))?;
            at += 1;
            if self.state == State::End {
                into.extend_from_slice(b"0\r\n\r\n");
            }
        }
        Ok(at)
    }

    fn next(&self, byte: u8) -> Option<State> {
        Some(match (self.state, byte) {
            (State::Size { size, digits }, _) if byte.is_ascii_hexdigit() && digits < MOST_DIGITS => {
                let digit = char::from(byte).to_digit(16)?;
                State::Size { size: size * 16 + u64::from(digit), digits: digits + 1 }
            }
            (State::Size { size, digits: 1.. }, b'\r') => State::SizeEnd { size },
            (State::SizeEnd { size: 0 }, b'\n') => State::LastCr,
            (State::SizeEnd { size }, b'\n') => State::Data { left: size },
            (State::DataCr, b'\r') => State::DataLf,
            (State::DataLf, b'\n') => State::Size { size: 0, digits: 0 },
            (State::LastCr, b'\r') => State::LastLf,
            (State::LastLf, b'\n') => State::End,
            _ => return None,
        })
    }
}
