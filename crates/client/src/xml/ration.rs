//! Bytes that are given out up to a limit, for a parser that would buffer any number of them.

use std::io::{self, BufRead, Read};

use super::{Limits, XmlError};

/// Gives out no more of `inner` than the limits allow.
#[derive(Debug)]
pub(super) struct Ration<R> {
    inner: R,
    limits: Limits,
    /// Bytes so far.
    all: u64,
    /// Bytes since the last piece.
    piece: u64,
}

impl<R> Ration<R> {
    pub(super) const fn new(inner: R, limits: Limits) -> Self {
        Self { inner, limits, all: 0, piece: 0 }
    }

    /// A piece is complete.
    pub(super) const fn next_piece(&mut self) {
        self.piece = 0;
    }

    /// The limit that is reached.
    pub(super) const fn reached(&self) -> Option<XmlError> {
        if self.all >= self.limits.bytes {
            return Some(XmlError::TooMuch { what: "bytes", limit: self.limits.bytes });
        }
        if self.piece >= self.limits.piece {
            return Some(XmlError::TooMuch { what: "bytes in one piece", limit: self.limits.piece });
        }
        None
    }

    fn left(&self) -> usize {
        let left = (self.limits.bytes - self.all).min(self.limits.piece - self.piece);
        usize::try_from(left).unwrap_or(usize::MAX)
    }
}

impl<R: BufRead> BufRead for Ration<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        let left = self.left();
        let buffer = self.inner.fill_buf()?;
        if left == 0 && !buffer.is_empty() {
            return Err(io::Error::from(io::ErrorKind::FileTooLarge));
        }
        Ok(&buffer[..buffer.len().min(left)])
    }

    fn consume(&mut self, count: usize) {
        self.inner.consume(count);
        self.all += count as u64;
        self.piece += count as u64;
    }
}

impl<R: BufRead> Read for Ration<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.fill_buf()?.read(buffer)?;
        self.consume(count);
        Ok(count)
    }
}
