//! Bodies of answers: decoded while they come, and never more than the limit.

use std::io::{self, Write};

use http::HeaderMap;
use http::header::{CONTENT_ENCODING, CONTENT_LENGTH};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;

use super::exchange::problem;
use super::problem::Problem;

/// Reads a body to its end, unless it is longer than `limit` bytes, decoded.
pub(super) async fn read(headers: &HeaderMap, mut body: Incoming, limit: u64) -> Result<Vec<u8>, Problem> {
    let length = headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
    // Also when it is compressed: vxsandbox looks no further either.
    if let Some(received) = length.filter(|length| *length > limit) {
        return Err(Problem::OverLimit { received, limit });
    }
    let mut decoder = Decoder::new(headers, limit);
    while let Some(frame) = body.frame().await {
        if let Ok(data) = frame.map_err(|error| problem(&error))?.into_data() {
            decoder.take(&data)?;
        }
    }
    decoder.end()
}

/// What has been read, decoded.
#[derive(Debug)]
struct Body {
    bytes: Vec<u8>,
    limit: u64,
    /// Of the decoded body, those beyond the limit included.
    received: u64,
}

impl Body {
    fn is_over(&self) -> bool {
        self.received > self.limit
    }
}

impl Write for Body {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.received = self.received.saturating_add(bytes.len() as u64);
        if self.is_over() {
            return Err(io::Error::other("over the limit"));
        }
        self.bytes.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[derive(Debug)]
enum Decoder {
    Plain(Body),
    /// Gzip of which nothing has come yet: an empty body is an empty body.
    Awaited(Body),
    Gzip(Box<flate2::write::GzDecoder<Body>>),
}

impl Decoder {
    fn new(headers: &HeaderMap, limit: u64) -> Self {
        let body = Body { bytes: Vec::new(), limit, received: 0 };
        let encoding = headers.get(CONTENT_ENCODING).and_then(|encoding| encoding.to_str().ok()).unwrap_or_default();
        let encoding = encoding.trim();
        if encoding.eq_ignore_ascii_case("gzip") || encoding.eq_ignore_ascii_case("x-gzip") {
            Self::Awaited(body)
        } else {
            Self::Plain(body)
        }
    }

    fn body(&self) -> &Body {
        match self {
            Self::Plain(body) | Self::Awaited(body) => body,
            Self::Gzip(decoder) => decoder.get_ref(),
        }
    }

    fn take(&mut self, mut bytes: &[u8]) -> Result<(), Problem> {
        if bytes.is_empty() {
            return Ok(());
        }
        if let Self::Awaited(body) = self {
            let body = Body { bytes: Vec::new(), ..*body };
            *self = Self::Gzip(Box::new(flate2::write::GzDecoder::new(body)));
        }
        let written = match self {
            Self::Plain(body) | Self::Awaited(body) => body.write_all(bytes),
            Self::Gzip(decoder) => loop {
                match decoder.write(bytes) {
                    // What comes after the end of the stream is nobody's.
                    Ok(0) => break Ok(()),
                    Ok(count) => bytes = bytes.get(count..).unwrap_or_default(),
                    Err(error) => break Err(error),
                }
                if bytes.is_empty() {
                    break Ok(());
                }
            },
        };
        written.map_err(|error| self.problem(&error))
    }

    fn problem(&self, error: &io::Error) -> Problem {
        let Body { limit, received, .. } = *self.body();
        if self.body().is_over() {
            return Problem::OverLimit { received, limit };
        }
        Problem::Gzip(error.to_string())
    }

    fn end(mut self) -> Result<Vec<u8>, Problem> {
        if let Self::Gzip(decoder) = &mut self
            && let Err(error) = decoder.try_finish()
        {
            return Err(self.problem(&error));
        }
        Ok(match self {
            Self::Plain(body) | Self::Awaited(body) => body.bytes,
            // It has been finished just now.
            Self::Gzip(decoder) => decoder.finish().map_err(|error| Problem::Gzip(error.to_string()))?.bytes,
        })
    }
}
