//! Answers as the protocol has them.

use http::header::{ALLOW, CONTENT_DISPOSITION, CONTENT_LENGTH, CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderName, HeaderValue, StatusCode};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::pyjson::{self, Value};
use crate::body::{AnswerBody, full};

/// An answer.
pub(crate) type Answer = http::Response<AnswerBody>;

const HTML: HeaderValue = HeaderValue::from_static("text/html");
const EMPTY_TYPE: HeaderValue = HeaderValue::from_static("text/html; charset=utf-8");
const TEXT: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");
const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// An answer with this body.
pub(crate) fn with_body(status: StatusCode, content_type: HeaderValue, body: AnswerBody) -> Answer {
    let mut answer = Answer::new(body);
    *answer.status_mut() = status;
    answer.headers_mut().insert(CONTENT_TYPE, content_type);
    answer
}

/// 200 with JSON.
pub(super) fn json(value: &Value) -> Answer {
    with_body(StatusCode::OK, JSON, full(pyjson::write(value)))
}

/// A line of text. The other server labels it HTML without escaping what it quotes; as plain text no browser runs it.
pub(crate) fn text(status: StatusCode, text: impl Into<String>) -> Answer {
    with_body(status, TEXT, full(text.into()))
}

/// A small page with this title and a sentence.
fn page(status: StatusCode, title: &str, sentence: &str) -> Answer {
    let html = format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n  <title>{title}</title>\n</head>\n<body>\n  <h1>{title}</h1>\
         <p>{sentence}</p>\n</body>\n</html>\n"
    );
    with_body(status, HTML, full(html))
}

/// 404 for a path that names nothing.
pub(crate) fn not_found_page() -> Answer {
    page(StatusCode::NOT_FOUND, "Not Found", "The requested resource was not found on this server.")
}

/// 400 for a body that is not a form.
pub(super) fn bad_request_page() -> Answer {
    page(StatusCode::BAD_REQUEST, "Bad Request (400)", "The form that was sent could not be read.")
}

/// 500, without any detail: that is in the log.
pub(crate) fn server_error_page() -> Answer {
    page(StatusCode::INTERNAL_SERVER_ERROR, "Server Error (500)", "The request failed through no fault of yours.")
}

/// 405, without a body.
pub(super) fn method_not_allowed(allow: &'static str) -> Answer {
    let mut answer = with_body(StatusCode::METHOD_NOT_ALLOWED, EMPTY_TYPE, full(""));
    answer.headers_mut().insert(ALLOW, HeaderValue::from_static(allow));
    answer
}

/// The answer to `OPTIONS`.
pub(super) fn options(allow: &'static str) -> Answer {
    let mut answer = with_body(StatusCode::OK, EMPTY_TYPE, full(""));
    answer.headers_mut().insert(ALLOW, HeaderValue::from_static(allow));
    answer
}

/// 503, and when to come back.
pub(super) fn overloaded(retry_after: std::time::Duration) -> Answer {
    let mut answer = text(StatusCode::SERVICE_UNAVAILABLE, "Sandbox overloaded, retry after a few seconds.");
    // Whole seconds, rounded up: the header has no others.
    let seconds = retry_after.as_millis().div_ceil(1000).max(1);
    insert(&mut answer, RETRY_AFTER, &seconds.to_string());
    answer
}

/// 200 with a file to be kept under this name.
pub(super) fn attachment(content_type: &'static str, name: &str, body: AnswerBody) -> Answer {
    let mut answer = with_body(StatusCode::OK, HeaderValue::from_static(content_type), body);
    if let Ok(value) = HeaderValue::from_bytes(&disposition(name)) {
        answer.headers_mut().insert(CONTENT_DISPOSITION, value);
    }
    answer
}

/// The same answer as to `HEAD`: it tells the size of a body that it does not have.
pub(crate) fn without_body(answer: Answer) -> Answer {
    let size = hyper::body::Body::size_hint(answer.body()).exact();
    let mut answer = answer.map(|_| full(""));
    if let Some(size) = size {
        insert(&mut answer, CONTENT_LENGTH, &size.to_string());
    }
    answer
}

fn insert(answer: &mut Answer, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        answer.headers_mut().insert(name, value);
    }
}

/// What RFC 5987 lets stand in an extended parameter.
const EXTENDED: AsciiSet = NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// The value of `Content-Disposition`: the name as it is, in Latin-1, which is how clients of the protocol know it. A name that
/// has other characters goes as RFC 6266 has it, which browsers understand, unlike the encoded word of the other server.
fn disposition(name: &str) -> Vec<u8> {
    let latin1: Option<Vec<u8>> =
        name.chars().map(|character| u8::try_from(character).ok().filter(|byte| !byte.is_ascii_control())).collect();
    match latin1 {
        Some(name) => [b"attachment; filename=".as_slice(), &name].concat(),
        None => format!("attachment; filename*=UTF-8''{}", utf8_percent_encode(name, &EXTENDED)).into_bytes(),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn names_of_files_are_told() {
        for (name, expected) in [
            ("file1.txt", &b"attachment; filename=file1.txt"[..]),
            ("a;b\"c.txt", b"attachment; filename=a;b\"c.txt"),
            ("\u{e9}", b"attachment; filename=\xe9"),
            ("", b"attachment; filename="),
            ("日.txt", b"attachment; filename*=UTF-8''%E6%97%A5.txt"),
            ("a\tb", b"attachment; filename*=UTF-8''a%09b"),
        ] {
            let answer = attachment("application/gzip", name, full(""));
            assert_eq!(answer.headers()[CONTENT_DISPOSITION].as_bytes(), expected);
        }
    }

    #[test]
    fn answers_to_head_tell_the_size_of_the_body() {
        let answer = without_body(text(StatusCode::NOT_FOUND, "1234"));
        assert_eq!(answer.headers()[CONTENT_LENGTH], "4");
        assert_eq!(hyper::body::Body::size_hint(answer.body()).exact(), Some(0));
    }

    #[test]
    fn waiting_times_are_rounded_up() {
        for (wait, expected) in [(0, "1"), (1000, "1"), (1001, "2"), (2000, "2")] {
            assert_eq!(overloaded(Duration::from_millis(wait)).headers()[RETRY_AFTER], expected);
        }
    }
}
