//! Bodies of requests and answers.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Full};
use hyper::body::{Body, Frame, SizeHint};
use tokio::io::{AsyncRead, ReadBuf};
use tokio::time::{Instant, timeout_at};

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// The body of a request, read in pieces that must keep coming.
pub(crate) struct RequestBody {
    inner: UnsyncBoxBody<Bytes, BoxError>,
    pace: Pace,
    deadline: Instant,
    begun: bool,
}

/// How fast the body of a request must come.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pace {
    /// Longest wait for the next piece.
    pub(crate) idle: Duration,
    /// Longest time for all of it.
    pub(crate) total: Duration,
}

/// Why a body could not be read to its end.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BodyError {
    /// It came too slowly.
    #[error("the request body came too slowly")]
    TooSlow,
    /// The connection broke, or the client broke the protocol.
    #[error("the request body broke off")]
    Broken(#[source] BoxError),
}

impl RequestBody {
    /// The body of a request that is being read from now on.
    pub(crate) fn new<B>(body: B, pace: Pace) -> Self
    where
        B: Body<Data = Bytes> + Send + 'static,
        B::Error: Into<BoxError>,
    {
        let inner = body.map_err(Into::into).boxed_unsync();
        Self { inner, pace, deadline: Instant::now() + pace.total, begun: false }
    }

    /// The next bytes; `None` at the end.
    pub(crate) async fn chunk(&mut self) -> Result<Option<Bytes>, BodyError> {
        self.begun = true;
        let until = self.deadline.min(Instant::now() + self.pace.idle);
        loop {
            match timeout_at(until, self.inner.frame()).await {
                Err(_) => return Err(BodyError::TooSlow),
                Ok(None) => return Ok(None),
                Ok(Some(Err(error))) => return Err(BodyError::Broken(error)),
                // Trailers say nothing to us.
                Ok(Some(Ok(frame))) => match frame.into_data() {
                    Ok(data) if !data.is_empty() => return Ok(Some(data)),
                    _ => {}
                },
            }
        }
    }

    /// Whether any of it was asked for. That also tells a client that waits for `100 Continue` to send it.
    pub(crate) const fn is_begun(&self) -> bool {
        self.begun
    }

    /// Size of the rest, if the client has told it.
    pub(crate) fn announced(&self) -> Option<u64> {
        self.inner.size_hint().exact()
    }

    /// Reads and drops what is left, up to `limit` bytes and for no longer than `patience`.
    ///
    /// A client that is still sending when the connection closes often loses the answer: the kernel tells it with a reset
    /// that bytes were left unread, and the reset overtakes the answer.
    pub(crate) async fn drain(mut self, limit: u64, patience: Duration) {
        self.deadline = self.deadline.min(Instant::now() + patience);
        let mut left = limit;
        while let Ok(Some(data)) = self.chunk().await {
            match left.checked_sub(data.len() as u64) {
                Some(rest) => left = rest,
                None => return,
            }
        }
    }
}

impl std::fmt::Debug for RequestBody {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RequestBody").field("pace", &self.pace).finish_non_exhaustive()
    }
}

/// The body of an answer.
pub(crate) type AnswerBody = UnsyncBoxBody<Bytes, io::Error>;

/// A body of these bytes.
pub(crate) fn full(bytes: impl Into<Bytes>) -> AnswerBody {
    Full::new(bytes.into()).map_err(|never| match never {}).boxed_unsync()
}

/// A body of the `size` bytes that `reader` gives.
pub(crate) fn streamed(reader: impl AsyncRead + Send + 'static, size: u64) -> AnswerBody {
    Streamed { reader: Box::pin(reader), left: size, buffer: BytesMut::new() }.boxed_unsync()
}

/// Size of the pieces in which files are sent, in bytes.
const PIECE: usize = 64 * 1024;

/// A body whose size was announced before it is read.
struct Streamed {
    reader: Pin<Box<dyn AsyncRead + Send>>,
    left: u64,
    buffer: BytesMut,
}

impl Body for Streamed {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        let this = &mut *self;
        if this.left == 0 {
            return Poll::Ready(None);
        }
        // Never more than announced: bytes behind it would be taken for the next answer.
        let piece = usize::try_from(this.left).unwrap_or(PIECE).min(PIECE);
        this.buffer.resize(piece, 0);
        let mut buffer = ReadBuf::new(&mut this.buffer);
        let outcome = ready!(this.reader.as_mut().poll_read(context, &mut buffer));
        let read = buffer.filled().len();
        Poll::Ready(Some(match outcome {
            Err(error) => Err(error),
            // An error, so that the connection is cut and the client sees that bytes are missing.
            Ok(()) if read == 0 => Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(()) => {
                this.left -= read as u64;
                this.buffer.truncate(read);
                Ok(Frame::data(this.buffer.split().freeze()))
            }
        }))
    }

    fn is_end_stream(&self) -> bool {
        self.left == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}

/// A body that comes in these pieces.
#[cfg(test)]
pub(crate) fn test_body(chunks: Vec<Vec<u8>>) -> RequestBody {
    use http_body_util::StreamBody;
    let frames = chunks.into_iter().map(|chunk| Ok::<_, io::Error>(Frame::data(Bytes::from(chunk))));
    let stream = StreamBody::new(futures_util::stream::iter(frames));
    RequestBody::new(stream, Pace { idle: Duration::from_secs(10), total: Duration::from_secs(10) })
}
