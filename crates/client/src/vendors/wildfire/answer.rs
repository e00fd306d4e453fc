//! Answers that are no reports: ids, and errors.

use std::time::Duration;

use serde_json::Value;

use super::LINK;
use crate::error::ErrorKind;
use crate::sandbox::Submission;
use crate::xml::{Limits, XmlError, to_json};

/// Letters of an answer that is no XML which an error shows.
const SHOWN: usize = 300;

/// Reads an answer of a few elements.
pub(super) fn small(body: &[u8]) -> Result<Value, String> {
    to_json(body, &Limits { depth: 16, ..Limits::default() }).map_err(|error| match error {
        error @ XmlError::Malformed { .. } => format!("{error}, in: {}", start(body)),
        error => error.to_string(),
    })
}

/// The beginning of an answer, on one line.
fn start(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(&body[..body.len().min(SHOWN * 4)]);
    text.split_whitespace().collect::<Vec<_>>().join(" ").chars().take(SHOWN).collect()
}

/// Whether an answer's first bytes are those of an error: errors come also with status 200, and instead of a PDF.
pub(super) fn is_error(start: &[u8]) -> bool {
    let text = String::from_utf8_lossy(start);
    let mut rest = text.trim_start_matches('\u{feff}').trim_start();
    if let Some((_, after)) = rest.strip_prefix("<?xml").and_then(|declaration| declaration.split_once("?>")) {
        rest = after.trim_start();
    }
    rest.strip_prefix("<error").is_some_and(|after| after.starts_with(['>', ' ', '/', '\n', '\r', '\t']))
}

/// What an answer other than 200, or one that holds an error, means.
pub(super) fn error_kind(status: u16, body: &[u8], retry_after: Option<Duration>) -> ErrorKind {
    let said = small(body).ok().and_then(|answer| {
        let message = text(&answer["error"], "error-message").or_else(|| answer["error"].as_str().map(str::to_owned));
        message.map(|message| message.trim_matches(['\'', ' ']).to_owned())
    });
    let message = said.unwrap_or_else(|| start(body));
    let or = |meaning: &str| if message.is_empty() { meaning.to_owned() } else { message.clone() };
    match status {
        413 => ErrorKind::Refused(or("the file is too large")),
        418 => ErrorKind::Refused(or("files of this type are not analysed")),
        419 => ErrorKind::Quota { message: or("the quota of the day is used up"), retry_after },
        420 => ErrorKind::Invalid(or("an argument is missing")),
        421 => ErrorKind::Invalid(or("an argument is wrong")),
        422 => ErrorKind::Refused(or("the address cannot be fetched")),
        456 => ErrorKind::Invalid(or("the request is wrong")),
        513 => ErrorKind::Status { status, message: or("the upload failed"), retry_after },
        200 => ErrorKind::Status { status, message: or("an error without a text"), retry_after },
        status => ErrorKind::of_status(status, or("no text"), retry_after),
    }
}

/// The text of a child, without attributes.
pub(super) fn text(element: &Value, name: &str) -> Option<String> {
    let child = &element[name];
    child.as_str().or_else(|| child["#text"].as_str()).map(str::to_owned)
}

/// An element that comes once or several times.
pub(super) fn each<'a>(parent: &'a Value, name: &str) -> &'a [Value] {
    match &parent[name] {
        Value::Null => &[],
        Value::Array(all) => all,
        one => std::slice::from_ref(one),
    }
}

/// Everything that was taken.
pub(super) fn submissions(answer: &Value) -> Result<Vec<Submission>, String> {
    let root = &answer["wildfire"];
    let of = |info: &Value, link: bool| {
        let mut submission = Submission::new(text(info, "sha256").ok_or("no `sha256`")?);
        for name in ["url", "filename", "md5", "size", "filetype"] {
            let known_as = if link && name == "url" { LINK } else { name };
            submission.others.extend(text(info, name).map(|value| (known_as.to_owned(), value)));
        }
        submission.others.insert("sha256".to_owned(), submission.id.clone());
        Ok(submission)
    };
    let files = each(root, "upload-file-info").iter().map(|info| of(info, false));
    let links = each(root, "submit-link-info").iter().map(|info| of(info, true));
    let found = files.chain(links).collect::<Result<Vec<_>, &str>>()?;
    if found.is_empty() {
        return Err("neither `upload-file-info` nor `submit-link-info`".to_owned());
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_is_known_by_its_start() {
        for (start, error) in [
            ("<error><error-message>'x'</error-message></error>", true),
            ("\u{feff}<?xml version=\"1.0\"?>\n <error>", true),
            ("<error/>", true),
            ("<error code='1'>", true),
            ("<errors>", false),
            ("<wildfire><error>", false),
            ("%PDF-1.4 <error>", false),
            ("<?xml <error>", false),
            ("", false),
        ] {
            assert_eq!(is_error(start.as_bytes()), error, "{start}");
        }
    }
}
