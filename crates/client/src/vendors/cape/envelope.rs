//! How CAPE says that something went wrong: mostly with status 200, and always in English.

use http::header;
use serde_json::Value;

use super::{CONTROL_BYTES, Cape};
use crate::error::{Error, ErrorKind, Result, Step};
use crate::http::{Answer, Call};

/// What the text of an error begins with where an endpoint is off in the server's `api.conf`.
pub(super) const SWITCHED_OFF: &str = "this server has it switched off";
/// An answer that is larger is no error.
const LARGEST_ERROR: usize = 64 << 10;

impl Cape {
    /// Sends; any status but 2xx is an error, in the server's words. What is said with 200 has yet to be looked at.
    pub(super) async fn send(&self, call: Call) -> Result<Answer> {
        let call = match &self.token {
            Some(token) => call.header(header::AUTHORIZATION, &format!("Token {}", token.reveal())),
            None => call,
        };
        let answer = self.transport.send(call).await?;
        if answer.status().is_success() {
            return Ok(answer);
        }
        let mut error = answer.into_error(words).await;
        if let ErrorKind::Status { status: 400, message, .. } = &error.kind
            && let Some(kind) = kind(error.step, message)
        {
            error.kind = kind;
        }
        Err(error)
    }

    /// Sends, and gives the answer's JSON where it is no error.
    pub(super) async fn ask(&self, step: Step, call: Call) -> Result<Value> {
        let body = self.send(call).await?.json_within(CONTROL_BYTES).await?;
        match failure(&body) {
            Some(message) => Err(self.wrong(step, &message)),
            None => Ok(body),
        }
    }

    /// Sends, and gives the answer, of which only so much is read as tells whether it is a file or an error.
    pub(super) async fn file(&self, step: Step, call: Call) -> Result<Answer> {
        let mut answer = self.send(call).await?;
        let header = |name| answer.headers().get(name).and_then(|value| value.to_str().ok());
        let content_type = header(header::CONTENT_TYPE).unwrap_or_default().to_ascii_lowercase();
        let attached = answer.headers().contains_key(header::CONTENT_DISPOSITION);
        // What is a file says so; its pages for people, and its errors, do not.
        if !attached && content_type.starts_with("text/html") {
            let page = text_of(answer.peek(LARGEST_ERROR).await?);
            let said = self.transport.said(&page);
            let kind = match page.to_lowercase() {
                page if page.contains("permission") => ErrorKind::Forbidden(said),
                page if page.contains("not found") => ErrorKind::NotFound(said),
                _ => ErrorKind::Malformed(format!("a page instead of a file: {said}")),
            };
            return Err(self.transport.error(step, kind));
        }
        if !attached && content_type.starts_with("application/json") {
            let start = answer.peek(LARGEST_ERROR).await?;
            if let Some(message) = serde_json::from_slice(start).ok().as_ref().and_then(failure) {
                return Err(self.wrong(step, &message));
            }
        }
        Ok(answer)
    }

    /// The error that a message is.
    pub(super) fn wrong(&self, step: Step, message: &str) -> Error {
        let message = self.transport.said(message);
        let kind = kind(step, &message);
        self.transport.error(step, kind.unwrap_or(ErrorKind::Status { status: 200, message, retry_after: None }))
    }
}

/// What an answer says went wrong, if it says so: `error` is `true`, or itself the message; `[]` and `false` are none.
pub(super) fn failure(body: &Value) -> Option<String> {
    let error = match &body["error"] {
        // Of statistics.
        Value::Null => &body["Error"],
        error => error,
    };
    let failed = match error {
        Value::Bool(failed) => *failed,
        Value::String(text) => !text.is_empty(),
        Value::Array(several) => !several.is_empty(),
        Value::Object(several) => !several.is_empty(),
        Value::Null | Value::Number(_) => body["error_value"].is_string(),
    };
    failed.then(|| words(body).unwrap_or_else(|| "the server gives no reason".to_owned()))
}

/// The words of an error.
pub(in crate::vendors) fn words(body: &Value) -> Option<String> {
    const NAMES: [&str; 7] = ["error_value", "detail", "message", "failed", "orphaned", "error", "non_field_errors"];
    let said = NAMES.into_iter().flat_map(|name| texts(&body[name])).chain(texts(&body["errors"]));
    let said: Vec<String> = said.take(10).collect();
    (!said.is_empty()).then(|| said.join(": "))
}

/// Texts, or what names of files map to.
pub(in crate::vendors) fn texts(value: &Value) -> Vec<String> {
    match value {
        Value::String(text) if !text.is_empty() => vec![text.clone()],
        Value::Array(several) => several.iter().flat_map(texts).collect(),
        Value::Object(named) => {
            let of = |(name, value): (&String, &Value)| {
                let prefix = if name == "error" { String::new() } else { format!("{name}: ") };
                texts(value).into_iter().map(move |text| format!("{prefix}{text}")).collect::<Vec<_>>()
            };
            named.iter().flat_map(of).collect()
        }
        _ => Vec::new(),
    }
}

/// Of what was asked.
const INVALID: [&str; 18] = [
    "bigger than max size",
    "filepath",
    "greater than the configured",
    "invalid option",
    "invalid visibility",
    "machine=all",
    "malformed task",
    "multitenancy is not enabled",
    "no argument",
    "no file was submitted",
    "no option",
    "not all values",
    "path traversal",
    "report format not found",
    "start task id",
    "tags help",
    "unknown ",
    "value is empty",
];
/// Of what is asked of a submission and is not there.
const INVALID_IN_SUBMISSIONS: [&str; 2] = ["does not exist", "doesn't exist"];

/// What a message means; nothing where that is not known. The first that fits counts.
fn kind(step: Step, message: &str) -> Option<ErrorKind> {
    let lower = message.to_lowercase();
    let says = |texts: &[&str]| texts.iter().any(|text| lower.contains(text));
    let text = message.to_owned();
    let submitting = step == Step::Submit;
    Some(if says(&["duplicated file", "not unique"]) {
        ErrorKind::Duplicate(text)
    } else if says(&["throttled", "quota exceeded", "rate limit", "too many requests"]) {
        ErrorKind::Quota { message: text, retry_after: None }
    } else if says(&INVALID) || (submitting && says(&INVALID_IN_SUBMISSIONS)) {
        ErrorKind::Invalid(text)
    } else if says(&["is disabled", "not enabled", "isn't enabled"]) && !says(&["linux binaries"]) {
        ErrorKind::Forbidden(format!("{SWITCHED_OFF}: {text}"))
    } else if says(&["access denied", "tlp of red", "permission"]) {
        ErrorKind::Forbidden(text)
    } else if says(&["still being analyzed", "cannot be reprocessed in status", "machine is not running"]) {
        ErrorKind::NotReady(text)
    } else if says(&["task failed"]) {
        ErrorKind::AnalysisFailed(text)
    } else if submitting {
        ErrorKind::Refused(text)
    } else if says(&["does not exist", "not found", "not exists"]) || lower.starts_with("no ") {
        ErrorKind::NotFound(text)
    } else {
        return None;
    })
}

/// The text of a page.
fn text_of(page: &[u8]) -> String {
    let page = String::from_utf8_lossy(page);
    let pieces = page.split('<').map(|piece| piece.split_once('>').map_or(piece, |(_, text)| text));
    pieces.collect::<Vec<_>>().join(" ").split_whitespace().collect::<Vec<_>>().join(" ")
}
