//! `json.dumps`: ASCII only, `, ` and `: ` between items, floats always with a point or an exponent.

use std::fmt::Write as _;

use super::{Text, Value};
use crate::premierlangage::pyrepr;

/// The value as JSON text, as Python's `json.dumps` writes it.
pub(crate) fn write(value: &Value) -> String {
    let mut json = String::new();
    write_value(value, &mut json);
    json
}

fn write_value(value: &Value, json: &mut String) {
    match value {
        Value::Null => json.push_str("null"),
        Value::Boolean(true) => json.push_str("true"),
        Value::Boolean(false) => json.push_str("false"),
        Value::Integer(digits) => json.push_str(digits),
        Value::Float(number) if number.is_nan() => json.push_str("NaN"),
        Value::Float(number) if number.is_infinite() => {
            json.push_str(if *number > 0.0 { "Infinity" } else { "-Infinity" });
        }
        Value::Float(number) => json.push_str(&pyrepr::float(*number)),
        Value::String(text) => write_string(text, json),
        Value::Array(items) => {
            json.push('[');
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    json.push_str(", ");
                }
                write_value(item, json);
            }
            json.push(']');
        }
        Value::Object(members) => {
            json.push('{');
            for (index, (name, member)) in members.iter().enumerate() {
                if index > 0 {
                    json.push_str(", ");
                }
                write_string(name, json);
                json.push_str(": ");
                write_value(member, json);
            }
            json.push('}');
        }
    }
}

fn write_string(text: &Text, json: &mut String) {
    json.push('"');
    for point in text.code_points() {
        match point {
            Ok('"') => json.push_str("\\\""),
            Ok('\\') => json.push_str("\\\\"),
            Ok('\n') => json.push_str("\\n"),
            Ok('\r') => json.push_str("\\r"),
            Ok('\t') => json.push_str("\\t"),
            Ok('\u{8}') => json.push_str("\\b"),
            Ok('\u{c}') => json.push_str("\\f"),
            Ok(character @ ' '..='~') => json.push(character),
            Ok(character) => {
                for unit in character.encode_utf16(&mut [0; 2]) {
                    push_escape(json, u32::from(*unit));
                }
            }
            Err(surrogate) => push_escape(json, surrogate),
        }
    }
    json.push('"');
}

fn push_escape(json: &mut String, unit: u32) {
    // Writing to a string cannot fail.
    let _ = write!(json, "\\u{unit:04x}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_like_python() {
        let value = Value::object([
            ("status", Value::from(-1)),
            ("time", Value::from(1.0)),
            ("text", Value::from("é\"\\\n\u{7f}😀\u{1b}")),
            ("list", Value::Array(vec![Value::Null, Value::Boolean(true), Value::from(1e-7)])),
        ]);
        assert_eq!(
            write(&value),
            r#"{"status": -1, "time": 1.0, "text": "\u00e9\"\\\n\u007f\ud83d\ude00\u001b", "list": [null, true, 1e-07]}"#
        );
    }
}
