//! JSON as Python's `json` reads and writes it.

use std::borrow::Cow;

use serde_json::Value;

use super::Fields;
use crate::python;

/// How deep arrays and objects may be nested in what is read. It is the reader's own limit: the depth of its stack.
pub const MAX_DEPTH: usize = 127;

/// Reads JSON. Other than the standard's readers it takes `\ud800` without its other half, which Python and JavaScript write and read:
/// it becomes U+FFFD, as wherever such a text becomes UTF-8.
///
/// # Errors
/// It is not JSON, not UTF-8, or nested deeper than [`MAX_DEPTH`].
pub fn read_json(text: &[u8]) -> Result<Value, serde_json::Error> {
    serde_json::from_slice(text).or_else(|error| match mended(text) {
        // Only what has such halves is read a second time, so that others do not pay for them.
        Cow::Owned(mended) => serde_json::from_slice(&mended),
        Cow::Borrowed(_) => Err(error),
    })
}

/// The text with U+FFFD for each escaped half of a surrogate pair that is alone.
fn mended(text: &[u8]) -> Cow<'_, [u8]> {
    let mut mended = Vec::new();
    let (mut copied, mut at) = (0, 0);
    while let Some(backslash) = text[at..].iter().position(|byte| *byte == b'\\').map(|offset| at + offset) {
        at = match (unit(text, backslash), unit(text, backslash + 6)) {
            (Some(0xd800..=0xdbff), Some(0xdc00..=0xdfff)) => backslash + 12,
            (Some(0xd800..=0xdfff), _) => {
                mended.extend_from_slice(&text[copied..backslash]);
                mended.extend_from_slice(b"\\ufffd");
                copied = backslash + 6;
                copied
            }
            (Some(_), _) => backslash + 6,
            (None, _) => (backslash + 2).min(text.len()),
        };
    }
    if copied == 0 {
        return Cow::Borrowed(text);
    }
    mended.extend_from_slice(&text[copied..]);
    Cow::Owned(mended)
}

/// The UTF-16 unit of the escape that begins at this place, if one does.
fn unit(text: &[u8], at: usize) -> Option<u16> {
    let digits = text.get(at..at + 6)?.strip_prefix(b"\\u")?;
    if !digits.iter().all(u8::is_ascii_hexdigit) {
        return None;
    }
    u16::from_str_radix(str::from_utf8(digits).ok()?, 16).ok()
}

/// JSON as Python's `json.dumps` writes it: `", "` and `": "` between, everything but ASCII escaped, in pairs of surrogates where
/// needed. Lines to processes, messages on the bus and values in Redis all have this form.
#[must_use]
pub fn to_ascii(value: &Value) -> String {
    let mut text = String::new();
    write_ascii(value, &mut text);
    text
}

/// [`to_ascii`] of an object.
#[must_use]
pub fn object_to_ascii(members: &Fields) -> String {
    let mut text = String::new();
    write_object(members, &mut text);
    text
}

fn write_ascii(value: &Value, text: &mut String) {
    match value {
        Value::Null => text.push_str("null"),
        Value::Bool(true) => text.push_str("true"),
        Value::Bool(false) => text.push_str("false"),
        Value::Number(number) => match number.as_f64() {
            // `1e+22`, where others write `1e22`.
            Some(float) if number.is_f64() => text.push_str(&python::repr_float(float)),
            _ => text.push_str(&number.to_string()),
        },
        Value::String(string) => write_string(string, text),
        Value::Array(items) => {
            text.push('[');
            for (index, item) in items.iter().enumerate() {
                text.push_str(if index == 0 { "" } else { ", " });
                write_ascii(item, text);
            }
            text.push(']');
        }
        Value::Object(members) => write_object(members, text),
    }
}

fn write_object(members: &Fields, text: &mut String) {
    text.push('{');
    for (index, (name, member)) in members.iter().enumerate() {
        text.push_str(if index == 0 { "" } else { ", " });
        write_string(name, text);
        text.push_str(": ");
        write_ascii(member, text);
    }
    text.push('}');
}

fn write_string(string: &str, text: &mut String) {
    use std::fmt::Write as _;

    text.push('"');
    for sign in string.chars() {
        match sign {
            '"' => text.push_str("\\\""),
            '\\' => text.push_str("\\\\"),
            '\n' => text.push_str("\\n"),
            '\r' => text.push_str("\\r"),
            '\t' => text.push_str("\\t"),
            '\u{8}' => text.push_str("\\b"),
            '\u{c}' => text.push_str("\\f"),
            ' '..='~' => text.push(sign),
            _ => {
                for unit in sign.encode_utf16(&mut [0; 2]) {
                    // Writing into a string does not fail.
                    let _ = write!(text, "\\u{unit:04x}");
                }
            }
        }
    }
    text.push('"');
}
