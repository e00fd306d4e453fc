//! What an execution server answers when it does not do what was asked, kept as it came.

use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, StatusCode, header};

use crate::error::Fault;

/// Bytes of a text that are shown in an error.
const SHOWN: usize = 300;

/// An answer that has been read. Keys that a server repeats are not in it.
#[derive(Debug, Clone)]
pub struct Response {
    /// What was asked for, without credentials.
    pub url: String,
    /// The status.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    /// The body: its first 64 KiB.
    pub body: Bytes,
    /// There was more, or the connection broke.
    pub cut: bool,
}

impl Response {
    /// The body as text; what is no UTF-8 is replaced.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// When to come again, if it says so, in seconds.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        let text = self.headers.get(header::RETRY_AFTER)?.to_str().ok()?;
        text.trim().parse().ok().map(Duration::from_secs)
    }
}

/// A status other than 200, which alone is success in this protocol.
#[derive(Debug, Clone)]
pub struct HttpError {
    /// The answer.
    pub response: Response,
}

impl std::error::Error for HttpError {}

/// What a status means in this protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Reason {
    /// 2xx other than 200: something else than an execution server answers.
    NotThisProtocol,
    /// 3xx. Redirects are not followed: a redirected upload is an upload to somebody else.
    Redirected,
    /// 400: the configuration, the form or, with belljar's server, the archive is wrong; the text says what.
    Invalid,
    /// 401: a key is wanted, or another.
    Unauthenticated,
    /// 403.
    Forbidden,
    /// 404: no such environment, file or route.
    NotFound,
    /// 405: the route is there for something else.
    MethodNotAllowed,
    /// 408: the request came too slowly.
    TooSlow,
    /// 413: the request, or what is to be saved, is larger than the server takes.
    TooLarge,
    /// 429.
    TooMany,
    /// 500: the server failed, or could not read the archive.
    Broken,
    /// 502 and 504: something before the server could not reach it, or lost it.
    Gateway,
    /// 503: no sandbox has become free in time.
    Overloaded,
    /// Any other.
    Other,
}

impl fmt::Display for Reason {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::NotThisProtocol => "not an answer of this protocol: is the address right?",
            Self::Redirected => "redirected, which is not followed: is the address right?",
            Self::Invalid => "the request is wrong",
            Self::Unauthenticated => "not authenticated",
            Self::Forbidden => "not allowed",
            Self::NotFound => "not found",
            Self::MethodNotAllowed => "not offered there",
            Self::TooSlow => "the request came too slowly",
            Self::TooLarge => "too large",
            Self::TooMany => "too many requests",
            Self::Broken => "the server failed",
            Self::Gateway => "the server was not reached",
            Self::Overloaded => "all sandboxes are busy",
            Self::Other => "no success",
        })
    }
}

impl HttpError {
    /// What the status means.
    #[must_use]
    pub fn reason(&self) -> Reason {
        match self.response.status.as_u16() {
            ..300 => Reason::NotThisProtocol,
            300..400 => Reason::Redirected,
            400 => Reason::Invalid,
            401 => Reason::Unauthenticated,
            403 => Reason::Forbidden,
            404 | 410 => Reason::NotFound,
            405 => Reason::MethodNotAllowed,
            408 => Reason::TooSlow,
            413 => Reason::TooLarge,
            429 => Reason::TooMany,
            500 => Reason::Broken,
            502 | 504 => Reason::Gateway,
            503 => Reason::Overloaded,
            _ => Reason::Other,
        }
    }

    /// Whose fault it is.
    #[must_use]
    pub fn fault(&self) -> Fault {
        match self.reason() {
            Reason::NotThisProtocol | Reason::Broken | Reason::Overloaded => Fault::Sandbox,
            Reason::TooSlow | Reason::Gateway => Fault::Network,
            Reason::Other if self.response.status.is_server_error() => Fault::Sandbox,
            _ => Fault::Caller,
        }
    }

    /// Whether the same call may succeed later. Of an execution only [`Reason::Overloaded`] and [`Reason::TooMany`] say, besides, that nothing has been
    /// executed.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        matches!(self.reason(), Reason::TooSlow | Reason::TooMany | Reason::Gateway | Reason::Overloaded)
    }

    /// What the server says, on one line: its text, or the text of its page.
    #[must_use]
    pub fn message(&self) -> String {
        let text = self.response.text();
        let words = without_tags(&text).split_whitespace().collect::<Vec<_>>().join(" ");
        match words.char_indices().nth(SHOWN) {
            Some((end, _)) => format!("{}…", &words[..end]),
            None => words,
        }
    }
}

/// The text of a page: servers answer some errors with one, and label plain texts as one.
fn without_tags(text: &str) -> String {
    if !text.trim_start().starts_with('<') {
        return text.to_owned();
    }
    let mut inside = false;
    let keep = |sign: char| {
        match sign {
            '<' => inside = true,
            '>' if inside => {
                inside = false;
                return Some(' ');
            }
            _ => {}
        }
        (!inside).then_some(sign)
    };
    text.chars().filter_map(keep).collect()
}

impl fmt::Display for HttpError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "status {}, {}", self.response.status.as_u16(), self.reason())?;
        if let Some(place) = self.response.headers.get(header::LOCATION) {
            write!(formatter, " (to {})", String::from_utf8_lossy(place.as_bytes()))?;
        }
        match self.message() {
            message if message.is_empty() => Ok(()),
            message => write!(formatter, ": {message}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(status: u16, body: &'static str) -> HttpError {
        let status = StatusCode::from_u16(status).expect("a status");
        let (url, body) = ("http://127.0.0.1/execute/".to_owned(), Bytes::from_static(body.as_bytes()));
        HttpError { response: Response { url, status, headers: HeaderMap::new(), body, cut: false } }
    }

    /// 84, 85, mended: every status is an error of a kind, also those that the original fails over (201, 204, 306, 418, 425, 499, 520).
    #[test]
    fn every_status_is_an_error_of_a_kind() {
        for (status, reason, fault, again) in [
            (201, Reason::NotThisProtocol, Fault::Sandbox, false),
            (204, Reason::NotThisProtocol, Fault::Sandbox, false),
            (301, Reason::Redirected, Fault::Caller, false),
            (306, Reason::Redirected, Fault::Caller, false),
            (400, Reason::Invalid, Fault::Caller, false),
            (401, Reason::Unauthenticated, Fault::Caller, false),
            (403, Reason::Forbidden, Fault::Caller, false),
            (404, Reason::NotFound, Fault::Caller, false),
            (405, Reason::MethodNotAllowed, Fault::Caller, false),
            (408, Reason::TooSlow, Fault::Network, true),
            (413, Reason::TooLarge, Fault::Caller, false),
            (418, Reason::Other, Fault::Caller, false),
            (425, Reason::Other, Fault::Caller, false),
            (429, Reason::TooMany, Fault::Caller, true),
            (499, Reason::Other, Fault::Caller, false),
            (500, Reason::Broken, Fault::Sandbox, false),
            (502, Reason::Gateway, Fault::Network, true),
            (503, Reason::Overloaded, Fault::Sandbox, true),
            (520, Reason::Other, Fault::Sandbox, false),
        ] {
            let error = error(status, "why");
            assert_eq!((error.reason(), error.fault(), error.is_retryable()), (reason, fault, again), "{status}");
            assert_eq!(error.to_string(), format!("status {status}, {reason}: why"));
        }
    }

    #[test]
    fn a_page_is_told_as_text() {
        let page = "\n<!doctype html>\n<html><head><title>Server Error (500)</title></head>\n<body></body></html>";
        assert_eq!(error(500, page).message(), "Server Error (500)");
        assert_eq!(error(404, "The file '<x>' could not be found").message(), "The file '<x>' could not be found");
        assert_eq!(error(405, "").to_string(), "status 405, not offered there");
    }
}
