//! Single values: what is taken for what.

use std::ops::RangeInclusive;
use std::path::PathBuf;

use super::problem::Place;
use super::section::{Dialect, Report};
use super::toml::parse_value;
use super::tree::{Node, Value};

/// Text of a variable or a flag as the list or table that it may be.
pub(super) fn typed(node: Node) -> Node {
    match &node.value {
        Value::Untyped(text) => parse_value(text, &node.place).unwrap_or(node),
        _ => node,
    }
}

/// Text.
pub(super) fn as_text(node: Node, key: &str, report: &mut Report) -> Option<String> {
    match node.value {
        Value::Text(text) | Value::Untyped(text) => Some(text),
        _ => {
            let hint = match node.value {
                Value::Bool(_) | Value::Integer(_) | Value::Float(_) => Some("put it in quotes".to_owned()),
                _ => None,
            };
            report.error(&node.place, key, format!("found {}, expected text", node.shown()), hint);
            None
        }
    }
}

/// Text, or the digits of a number.
pub(super) fn as_scalar_text(node: Node, key: &str, report: &mut Report) -> Option<String> {
    match node.value {
        Value::Integer(number) => Some(number.to_string()),
        _ => as_text(node, key, report),
    }
}

/// A whole number within a range. vxsandbox takes what Python's `int(str(value))` takes.
pub(super) fn as_integer(
    node: &Node,
    key: &str,
    range: RangeInclusive<i64>,
    dialect: Dialect,
    report: &mut Report,
) -> Option<i64> {
    let number = match &node.value {
        Value::Integer(number) => Some(*number),
        Value::Text(text) if dialect == Dialect::Vumi => python_integer(text),
        Value::Untyped(text) => python_integer(text),
        _ => None,
    };
    let number = number.and_then(|number| i64::try_from(number).ok()).filter(|number| range.contains(number));
    if number.is_none() {
        let expected = match (*range.start(), *range.end()) {
            (i64::MIN, i64::MAX) => "a whole number".to_owned(),
            (least, i64::MAX) => format!("a whole number, {least} or above"),
            (least, most) => format!("a whole number from {least} to {most}"),
        };
        report.error(&node.place, key, format!("found {}, expected {expected}", node.shown()), None);
    }
    number
}

/// What Python's `int` makes of a text.
pub(super) fn python_integer(text: &str) -> Option<i128> {
    let text = text.trim();
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    text.parse().ok()
}

/// A path as it was written, to be resolved.
pub(super) fn path(node: Node, key: &str, report: &mut Report) -> Option<(PathBuf, Place)> {
    let place = node.place.clone();
    let text = as_text(node, key, report)?;
    if text.is_empty() || text.contains('\0') {
        report.error(&place, key, "found an empty path", None);
        return None;
    }
    Some((PathBuf::from(text), place))
}
