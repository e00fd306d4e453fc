//! Bytes on their way, as they are read.

use std::fmt;
use std::io::{self, Read};

use bytes::{Buf as _, Bytes};
use futures_util::StreamExt as _;
use futures_util::stream::BoxStream;

use super::runtime::Runtime;
use crate::error::{Error, ErrorKind};

/// Bytes on their way. [`Read`] waits for them; it fails when the connection breaks, and then each time it is called, so that a part is never taken
/// for the whole. The [`Error`] is inside of the [`io::Error`].
pub struct Download {
    /// The name that the server gives it, without directories.
    pub name: Option<String>,
    /// Its type.
    pub content_type: Option<String>,
    /// Its length, if it is told.
    pub length: Option<u64>,
    /// The password, where it is an archive that the vendor protects.
    pub password: Option<&'static str>,
    state: State,
    runtime: Runtime,
}

enum State {
    Open(Bytes, BoxStream<'static, Result<Bytes, Error>>),
    Ended,
    Broken,
}

impl Download {
    pub(super) fn new(download: crate::Download, runtime: Runtime) -> Self {
        let crate::Download { name, content_type, length, password, bytes } = download;
        Self { name, content_type, length, password, state: State::Open(Bytes::new(), bytes), runtime }
    }
}

impl fmt::Debug for Download {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Download")
            .field("name", &self.name)
            .field("length", &self.length)
            .finish_non_exhaustive()
    }
}

impl Read for Download {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        // Whatever leaves early leaves it broken.
        match std::mem::replace(&mut self.state, State::Broken) {
            State::Broken => Err(io::Error::other("the download has been broken off")),
            State::Ended => {
                self.state = State::Ended;
                Ok(0)
            }
            State::Open(mut piece, mut rest) => {
                while piece.is_empty() {
                    let (next, left) = self
                        .runtime
                        .run(async move { (rest.next().await, rest) })
                        .map_err(|problem| io::Error::other(problem.to_string()))?;
                    rest = left;
                    match next {
                        None => {
                            self.state = State::Ended;
                            return Ok(0);
                        }
                        Some(Err(error)) => return Err(into_io(error)),
                        Some(Ok(next)) => piece = next,
                    }
                }
                let count = piece.len().min(buffer.len());
                piece.copy_to_slice(&mut buffer[..count]);
                self.state = State::Open(piece, rest);
                Ok(count)
            }
        }
    }
}

fn into_io(error: Error) -> io::Error {
    let kind = match error.kind {
        ErrorKind::TimedOut { .. } => io::ErrorKind::TimedOut,
        ErrorKind::Transport { .. } => io::ErrorKind::ConnectionAborted,
        _ => io::ErrorKind::Other,
    };
    io::Error::new(kind, error)
}
