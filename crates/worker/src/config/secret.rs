//! Texts that are not shown, and where they come from.

use super::Secret;
use super::load::Context;
use super::section::{Dialect, Report, Section};
use super::tree::{Node, Value};
use super::yaml::read_text;

/// Bytes of a file with a secret.
const MAX_BYTES: u64 = 4096;

/// Text, `{ env = "NAME" }` or `{ file = "PATH" }`. No message repeats it.
pub(super) fn read(node: Node, key: &str, context: &Context<'_>, report: &mut Report) -> Option<Secret> {
    let place = node.place.clone();
    match node.value {
        Value::Text(text) | Value::Untyped(text) => return Some(Secret::new(text)),
        // A password of digits that was not put in quotes.
        Value::Integer(number) => return Some(Secret::new(number.to_string())),
        Value::Table(_) => {}
        _ => {
            let text =
                format!("found {}, expected text, {{ env = \"NAME\" }} or {{ file = \"PATH\" }}", node.value.kind());
            report.error(&place, key, text, None);
            return None;
        }
    }
    let mut section = Section::new(node, key, Dialect::Belljar, report)?;
    let variable = section.text("env", report);
    let file = section.take("file", report).and_then(|node| super::clean::path(node, key, report));
    section.finish(report);
    match (variable, file) {
        (Some(variable), None) => match context.variable(&variable) {
            Some(text) => Some(Secret::new(text)),
            None => {
                report.error(&place, key, format!("the environment variable {variable} is not set"), None);
                None
            }
        },
        (None, Some((path, written))) => {
            let path = context.resolve(&path, &written);
            match read_text(&path, MAX_BYTES) {
                Ok(text) => Some(Secret::new(text.trim_end_matches(['\r', '\n']).to_owned())),
                Err(reason) => {
                    report.error(&place, key, format!("cannot read {}: {reason}", path.display()), None);
                    None
                }
            }
        }
        _ => {
            report.error(&place, key, "one of `env` and `file` is needed", None);
            None
        }
    }
}
