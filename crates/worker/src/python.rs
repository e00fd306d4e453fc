//! Python 2's way of showing and reading values: texts of vxsandbox contain it, and its users may search their logs for them.
//!
//! What is shown came as JSON: every string is a `unicode` there.

mod json;
mod number;
#[cfg(test)]
mod tests;

use std::fmt::Write as _;

use serde_json::Value;

pub use json::{decode_error, json_error};
pub use number::{float, repr_float};

/// `repr` of what came as JSON: every string is a `unicode` there. Members of objects are in the order of their names (Python's is
/// arbitrary).
#[must_use]
pub fn repr(value: &Value) -> String {
    match value {
        Value::Null => "None".to_owned(),
        Value::Bool(true) => "True".to_owned(),
        Value::Bool(false) => "False".to_owned(),
        Value::Number(number) => match number.as_f64() {
            Some(float) if number.is_f64() => repr_float(float),
            _ if number.as_i64().is_none() => format!("{number}L"),
            _ => number.to_string(),
        },
        Value::String(text) => repr_unicode(text),
        Value::Array(items) => {
            let items: Vec<_> = items.iter().map(repr).collect();
            format!("[{}]", items.join(", "))
        }
        Value::Object(members) => {
            let members: Vec<_> =
                members.iter().map(|(name, value)| format!("{}: {}", repr_unicode(name), repr(value))).collect();
            format!("{{{}}}", members.join(", "))
        }
    }
}

/// `repr` of a `unicode`: `u'...'`.
#[must_use]
pub fn repr_unicode(text: &str) -> String {
    // The other kind of quotes only where that saves escaping.
    let quote = if text.contains('\'') && !text.contains('"') { '"' } else { '\'' };
    let mut shown = format!("u{quote}");
    for sign in text.chars() {
        // Writing into a string does not fail.
        let _ = match sign {
            '\\' => shown.write_str("\\\\"),
            '\n' => shown.write_str("\\n"),
            '\r' => shown.write_str("\\r"),
            '\t' => shown.write_str("\\t"),
            _ if sign == quote => write!(shown, "\\{sign}"),
            ' '..='~' => shown.write_char(sign),
            '\0'..='\u{ff}' => write!(shown, "\\x{:02x}", u32::from(sign)),
            '\u{100}'..='\u{ffff}' => write!(shown, "\\u{:04x}", u32::from(sign)),
            _ => write!(shown, "\\U{:08x}", u32::from(sign)),
        };
    }
    shown.push(quote);
    shown
}

/// `unicode(value)`: a text is itself, a number has fewer digits than in [`repr`].
#[must_use]
pub fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Number(number) => match number.as_f64() {
            Some(float) if number.is_f64() => number::text_float(float),
            _ => number.to_string(),
        },
        _ => repr(value),
    }
}

/// The name of a value's type.
#[must_use]
pub fn type_name(value: &Value) -> &'static str {
    match value {
        Value::Null => "NoneType",
        Value::Bool(_) => "bool",
        Value::Number(number) if number.is_f64() => "float",
        Value::Number(number) if number.as_i64().is_none() => "long",
        Value::Number(_) => "int",
        Value::String(_) => "unicode",
        Value::Array(_) => "list",
        Value::Object(_) => "dict",
    }
}

/// Whether `value == number` holds in Python, where true is 1 and false is 0.
#[must_use]
pub fn equals(value: &Value, number: i64) -> bool {
    match value {
        Value::Bool(truth) => i64::from(*truth) == number,
        Value::Number(own) => own.as_i64() == Some(number) || own.as_f64().is_some_and(|own| is_float(own, number)),
        _ => false,
    }
}

#[expect(clippy::float_cmp, reason = "the question is whether they are the same number")]
fn is_float(float: f64, number: i64) -> bool {
    // Only small numbers are asked for: the conversion is exact.
    i32::try_from(number).is_ok_and(|number| float == f64::from(number))
}
