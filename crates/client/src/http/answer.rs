//! What a server answered.

use std::time::Duration;

use bytes::Bytes;
use futures_util::stream::{self, BoxStream, StreamExt as _};
use http::{HeaderMap, StatusCode, header};
use serde::de::DeserializeOwned;

use super::context::Context;
use crate::error::{ErrorKind, Result};
use crate::execution::{HttpError, Response};
use crate::sandbox::Download;
use crate::spool::Spooled;

/// Bytes of a body that are parsed where they came, without a thread for it: a millisecond's work.
const AT_ONCE: u64 = 256 << 10;
/// Bytes of an answer that are shown in an error.
const SHOWN: usize = 300;
/// Bytes of an answer that is an error, at most.
const MAX_ERROR_BYTES: usize = 64 << 10;

/// The head of an answer, with its body to come.
#[derive(Debug)]
pub struct Answer {
    pub(super) response: reqwest::Response,
    /// What has been read of the body ahead.
    pub(super) ahead: Bytes,
    pub(super) context: Context,
}

impl Answer {
    /// Its status.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        self.response.status()
    }

    /// Its headers.
    #[must_use]
    pub fn headers(&self) -> &HeaderMap {
        self.response.headers()
    }

    /// What `Retry-After` says, in seconds; dates are not read, because clocks differ.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        let text = self.headers().get(header::RETRY_AFTER)?.to_str().ok()?;
        text.trim().parse().ok().map(Duration::from_secs)
    }

    /// The body, whole.
    ///
    /// # Errors
    /// It is larger than the settings' `max_answer_bytes`, or the connection broke.
    pub async fn bytes(self) -> Result<Bytes> {
        let limit = self.context.max_answer_bytes();
        self.bytes_within(limit).await
    }

    /// The body's first bytes, which stay in it: this many, or all where there are fewer.
    ///
    /// # Errors
    /// The connection broke.
    pub async fn peek(&mut self, least: usize) -> Result<&[u8]> {
        let Self { response, ahead, context } = self;
        let reading = async {
            while ahead.len() < least {
                let piece = context.heard(response.chunk()).await?.map_err(|error| context.transport(&error, true))?;
                let Some(piece) = piece else { break };
                *ahead = if ahead.is_empty() { piece } else { [&ahead[..], &piece].concat().into() };
            }
            Ok(())
        };
        context.in_time(reading).await?;
        Ok(&self.ahead)
    }

    /// The body from its start, and what its errors need.
    fn pieces(self) -> (BoxStream<'static, Result<Bytes>>, Context) {
        let Self { response, ahead, context } = self;
        let pieces = response.bytes_stream().boxed();
        // Nothing comes after an error.
        let rest = stream::unfold(Some((pieces, context.clone())), async |state| {
            let (mut pieces, context) = state?;
            match context.heard(pieces.next()).await {
                Ok(None) => None,
                Ok(Some(Ok(piece))) => Some((Ok(piece), Some((pieces, context)))),
                Ok(Some(Err(error))) => Some((Err(context.transport(&error, true)), None)),
                Err(silent) => Some((Err(silent), None)),
            }
        });
        let ahead = stream::iter((!ahead.is_empty()).then_some(Ok(ahead)));
        (ahead.chain(rest).boxed(), context)
    }

    /// The body, whole, if it has no more than `limit` bytes.
    ///
    /// # Errors
    /// As [`Answer::bytes`], with this limit.
    pub async fn bytes_within(self, limit: u64) -> Result<Bytes> {
        let (mut pieces, context) = self.pieces();
        let reading = async {
            let mut body = Vec::new();
            while let Some(piece) = pieces.next().await {
                let piece = piece?;
                if body.len() as u64 + piece.len() as u64 > limit {
                    return Err(context.error(ErrorKind::TooLarge { what: "the answer", limit }));
                }
                body.extend_from_slice(&piece);
            }
            Ok(body.into())
        };
        context.in_time(reading).await
    }

    /// The body as text; what is no UTF-8 is replaced.
    ///
    /// # Errors
    /// As [`Answer::bytes`].
    pub async fn text(self) -> Result<String> {
        Ok(String::from_utf8_lossy(&self.bytes().await?).into_owned())
    }

    /// The body as JSON of some type.
    ///
    /// # Errors
    /// As [`Answer::bytes`]; [`ErrorKind::Malformed`] when it is something else, with its beginning: a page of a proxy, for example.
    pub async fn json<T: DeserializeOwned + Send + 'static>(self) -> Result<T> {
        Ok(self.report().await?.1)
    }

    /// The body as JSON of some type, if it has no more than `limit` bytes: for answers that are held in memory as values, which are much larger
    /// than their text.
    ///
    /// # Errors
    /// As [`Answer::json`], with this limit.
    pub async fn json_within<T: DeserializeOwned + Send + 'static>(self, limit: u64) -> Result<T> {
        let context = self.context.clone();
        Ok(read(self.spool_within(limit).await?, context).await?.1)
    }

    /// The body, whole, wherever there is room for it.
    ///
    /// # Errors
    /// As [`Answer::bytes`]; [`ErrorKind::Sink`] when there is no room on the disk.
    pub async fn spool(self) -> Result<Spooled> {
        let limit = self.context.max_answer_bytes();
        self.spool_within(limit).await
    }

    async fn spool_within(self, limit: u64) -> Result<Spooled> {
        let (mut pieces, context) = self.pieces();
        let reading = async {
            let mut spooled = Spooled::default();
            while let Some(piece) = pieces.next().await {
                let piece = piece?;
                if spooled.length() + piece.len() as u64 > limit {
                    return Err(context.error(ErrorKind::TooLarge { what: "the answer", limit }));
                }
                spooled.push(&piece).map_err(|error| context.error(ErrorKind::Sink(error)))?;
            }
            Ok(spooled)
        };
        context.in_time(reading).await
    }

    /// The body as a report, and what of it a type wants.
    ///
    /// # Errors
    /// As [`Answer::spool`]; [`ErrorKind::Malformed`] when it is something else.
    pub async fn report<T: DeserializeOwned + Send + 'static>(self) -> Result<(Spooled, T)> {
        let context = self.context.clone();
        read(self.spool().await?, context).await
    }

    /// The body as it comes, for something large.
    #[must_use]
    pub fn download(self) -> Download {
        let text = |name| self.headers().get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
        let name = text(header::CONTENT_DISPOSITION).and_then(|value| file_name(&value));
        let content_type = text(header::CONTENT_TYPE);
        // Not of the decoder, which counts down as the body is read, but of the head.
        let length = text(header::CONTENT_LENGTH).and_then(|length| length.parse().ok());
        Download { name, content_type, length, password: None, bytes: self.pieces().0 }
    }

    /// The error that this answer is, with the answer in it.
    pub async fn into_http_error(self) -> crate::Error {
        let mut url = self.response.url().clone();
        // There is nothing in an HTTP address that refuses this.
        let _ = url.set_username("").and_then(|()| url.set_password(None));
        let (status, mut headers) = (self.status(), self.headers().clone());
        let (mut pieces, context) = self.pieces();
        for value in headers.values_mut() {
            *value =
                context.hide_bytes(value.as_bytes()).and_then(|hidden| hidden.try_into().ok()).unwrap_or(value.clone());
        }
        let reading = async {
            let (mut body, mut cut) = (Vec::new(), false);
            while let Some(piece) = pieces.next().await {
                let Ok(piece) = piece else { return Ok((body, true)) };
                let room = MAX_ERROR_BYTES - body.len();
                cut = piece.len() > room;
                body.extend_from_slice(&piece[..piece.len().min(room)]);
                if cut {
                    break;
                }
            }
            Ok((body, cut))
        };
        let (body, cut) = context.in_time(reading).await.unwrap_or((Vec::new(), true));
        let body = context.hide_bytes(&body).unwrap_or(body).into();
        let response = Response { url: context.hide(url.as_str()), status, headers, body, cut };
        context.error(ErrorKind::Http(Box::new(HttpError { response })))
    }

    /// The error that this answer is, in its own words where `words` finds some in its JSON.
    pub async fn into_error(self, words: impl Fn(&serde_json::Value) -> Option<String>) -> crate::Error {
        self.into_error_as(words, |_, kind| kind).await
    }

    /// As [`Answer::into_error`], where the JSON says better than the status what has happened: `kind` is given it (null where it is none), and
    /// what the status alone would mean.
    pub async fn into_error_as(
        self,
        words: impl Fn(&serde_json::Value) -> Option<String>,
        kind: impl FnOnce(&serde_json::Value, ErrorKind) -> ErrorKind,
    ) -> crate::Error {
        let (status, retry_after, context) = (self.status(), self.retry_after(), self.context.clone());
        let body = match self.bytes_within(MAX_ERROR_BYTES as u64).await {
            Ok(body) => body,
            Err(_) => Bytes::new(),
        };
        let value = serde_json::from_slice(&body).unwrap_or_default();
        let message = words(&value).unwrap_or_else(|| context.shown(&body, SHOWN));
        let message =
            if message.is_empty() { status.canonical_reason().unwrap_or("no text").to_owned() } else { message };
        context.error(kind(&value, ErrorKind::of_status(status.as_u16(), message, retry_after)))
    }
}

/// What a type wants of a body.
async fn read<T: DeserializeOwned + Send + 'static>(spooled: Spooled, context: Context) -> Result<(Spooled, T)> {
    let length = spooled.length();
    let parse = move || {
        let read = spooled.json();
        (spooled, read)
    };
    // Minutes of a processor, where a report is large.
    let (spooled, read) = if length <= AT_ONCE {
        parse()
    } else {
        let parsing = tokio::task::spawn_blocking(parse).await;
        parsing.map_err(|_| context.error(ErrorKind::Malformed("it cannot be read".to_owned())))?
    };
    match read {
        Ok(read) => Ok((spooled, read)),
        Err(error) => {
            let start = context.shown(&spooled.start(SHOWN * 4), SHOWN);
            Err(context.error(ErrorKind::Malformed(format!("{error}, in: {start}"))))
        }
    }
}

/// The name in a `Content-Disposition`, without directories: a server must not say where a file goes.
fn file_name(disposition: &str) -> Option<String> {
    let parameter = |name: &str| {
        disposition.split(';').skip(1).find_map(|parameter| {
            let (found, value) = parameter.split_once('=')?;
            found.trim().eq_ignore_ascii_case(name).then(|| value.trim().trim_matches('"').to_owned())
        })
    };
    let extended = parameter("filename*").and_then(|value| {
        let encoded = value.rsplit('\'').next()?.to_owned();
        Some(percent_encoding::percent_decode_str(&encoded).decode_utf8_lossy().into_owned())
    });
    plain_name(&extended.or_else(|| parameter("filename"))?)
}

/// A file's name without directories.
pub(crate) fn plain_name(name: &str) -> Option<String> {
    let last = name.rsplit(['/', '\\']).next()?.trim();
    let plain: String = last.chars().filter(|sign| !sign.is_control()).collect();
    (!plain.is_empty() && plain != "." && plain != "..").then_some(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_names_files_but_not_directories() {
        for (disposition, name) in [
            ("attachment; filename=report.pdf", Some("report.pdf")),
            ("attachment; FileName=\"a b.zip\"", Some("a b.zip")),
            ("attachment; filename=\"../../etc/passwd\"", Some("passwd")),
            ("attachment; filename=\"C:\\x\\y.bin\"", Some("y.bin")),
            ("attachment; filename=x; filename*=UTF-8''n%C3%A9%2Fm.txt", Some("m.txt")),
            ("attachment; filename=\"..\"", None),
            ("attachment; filename=\"\"", None),
            ("attachment", None),
        ] {
            assert_eq!(file_name(disposition).as_deref(), name, "{disposition}");
        }
    }
}
