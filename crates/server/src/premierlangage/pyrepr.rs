//! Python's `str()` and `repr()` of the values that JSON can hold.

use super::pyjson::{Text, Value};

/// `str(value)`: a string as it is, anything else as [`repr`].
pub(crate) fn str(value: &Value) -> Text {
    match value {
        Value::String(text) => text.clone(),
        other => Text::from(repr(other)),
    }
}

/// `repr(value)`.
pub(crate) fn repr(value: &Value) -> String {
    let mut printed = String::new();
    push(value, &mut printed);
    printed
}

fn push(value: &Value, printed: &mut String) {
    match value {
        Value::Null => printed.push_str("None"),
        Value::Boolean(true) => printed.push_str("True"),
        Value::Boolean(false) => printed.push_str("False"),
        Value::Integer(digits) => printed.push_str(digits),
        Value::Float(number) => printed.push_str(&float(*number)),
        Value::String(text) => push_string(text, printed),
        Value::Array(items) => {
            printed.push('[');
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    printed.push_str(", ");
                }
                push(item, printed);
            }
            printed.push(']');
        }
        Value::Object(members) => {
            printed.push('{');
            for (index, (name, member)) in members.iter().enumerate() {
                if index > 0 {
                    printed.push_str(", ");
                }
                push_string(name, printed);
                printed.push_str(": ");
                push(member, printed);
            }
            printed.push('}');
        }
    }
}

/// `repr(number)`: the shortest digits that read back as the same number, with an exponent below 1e-4 and from 1e16 on,
/// and with a point where there is none otherwise.
pub(crate) fn float(number: f64) -> String {
    if number.is_nan() {
        return "nan".to_owned();
    }
    if number.is_infinite() {
        return if number > 0.0 { "inf" } else { "-inf" }.to_owned();
    }
    let (mantissa, exponent) = shortest(number);
    if !(-4..16).contains(&exponent) {
        let sign = if exponent < 0 { '-' } else { '+' };
        return format!("{mantissa}e{sign}{:02}", exponent.unsigned_abs());
    }
    let sign = if number.is_sign_negative() { "-" } else { "" };
    let mut digits = mantissa.replace(['-', '.'], "");
    if exponent < 0 {
        let zeros = "0".repeat(exponent.unsigned_abs() as usize - 1);
        return format!("{sign}0.{zeros}{digits}");
    }
    let whole = exponent.unsigned_abs() as usize + 1;
    if digits.len() <= whole {
        return format!("{sign}{digits:0<whole$}.0");
    }
    digits.insert(whole, '.');
    format!("{sign}{digits}")
}

/// The shortest mantissa (of one digit before its point, if it has one) and exponent that read back as the number.
///
/// Rust and Python agree on how many digits that takes. Where two are equally near, Rust rounds up and Python to even, as
/// Rust does when asked for a number of digits; next to a power of two that may be another number.
fn shortest(number: f64) -> (String, i32) {
    let shortest = format!("{number:e}");
    let mantissa = shortest.split('e').next().unwrap_or_default();
    let decimals = mantissa.split_once('.').map_or(0, |(_, decimals)| decimals.len());
    let even = format!("{number:.decimals$e}");
    let printed = if even.parse() == Ok(number) { even } else { shortest };
    match printed.split_once('e') {
        Some((mantissa, exponent)) => (mantissa.to_owned(), exponent.parse().unwrap_or_default()),
        None => (printed, 0),
    }
}

fn push_string(text: &Text, printed: &mut String) {
    let holds = |wanted| text.code_points().any(|point| point == Ok(wanted));
    let quote = if holds('\'') && !holds('"') { '"' } else { '\'' };
    printed.push(quote);
    for point in text.code_points() {
        match point {
            Ok(character) if character == quote || character == '\\' => {
                printed.push('\\');
                printed.push(character);
            }
            Ok('\n') => printed.push_str("\\n"),
            Ok('\r') => printed.push_str("\\r"),
            Ok('\t') => printed.push_str("\\t"),
            Ok(character @ ' '..='~') => printed.push(character),
            Ok(character) if is_printable(character) => printed.push(character),
            Ok(character) => push_escape(u32::from(character), printed),
            Err(surrogate) => push_escape(surrogate, printed),
        }
    }
    printed.push(quote);
}

fn push_escape(point: u32, printed: &mut String) {
    printed.push_str(&match point {
        0..0x100 => format!("\\x{point:02x}"),
        0x100..0x1_0000 => format!("\\u{point:04x}"),
        _ => format!("\\U{point:08x}"),
    });
}

/// Python's `str.isprintable` for a character that is not ASCII.
///
/// The standard library has the same table (all but the categories C and Z), and shows it only through `escape_debug`;
/// the letter in front keeps that from also escaping characters that combine with what is before them.
fn is_printable(character: char) -> bool {
    let mut buffer = [b'a', 0, 0, 0, 0];
    let length = 1 + character.encode_utf8(&mut buffer[1..]).len();
    std::str::from_utf8(&buffer[..length]).is_ok_and(|text| text.escape_debug().nth(1) == Some(character))
}

/// Whether `str.strip` removes the character: Unicode's whitespace, and four separators that Rust leaves alone.
pub(crate) fn is_whitespace(character: char) -> bool {
    character.is_whitespace() || matches!(character, '\u{1c}'..='\u{1f}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn floats_print_as_in_python() {
        for (number, expected) in [
            (1.0, "1.0"),
            (0.2, "0.2"),
            (-0.0, "-0.0"),
            (1e16, "1e+16"),
            (9_999_999_999_999_998.0, "9999999999999998.0"),
            (1e-5, "1e-05"),
            (0.0001, "0.0001"),
            (1.5e300, "1.5e+300"),
            (f64::NAN, "nan"),
            (f64::NEG_INFINITY, "-inf"),
            (8.973_445_653_915_405, "8.973445653915405"),
        ] {
            assert_eq!(float(number), expected);
        }
    }

    #[test]
    fn values_print_as_in_python() {
        let list = |text: &str| Value::Array(vec![Value::from(text)]);
        for (value, expected) in [
            (Value::Null, "None"),
            (Value::Boolean(true), "True"),
            (list("a"), "['a']"),
            (list("it's"), "[\"it's\"]"),
            (list("it's \"so\""), "['it\\'s \"so\"']"),
            (
                list("a\\b\n\u{1}\u{7f}\u{a0}é\u{300}\u{200b}\u{e000}\u{10ffff}"),
                "['a\\\\b\\n\\x01\\x7f\\xa0é\u{300}\\u200b\\ue000\\U0010ffff']",
            ),
            (
                Value::object([("command", Value::from("true")), ("timeout", Value::from("1"))]),
                "{'command': 'true', 'timeout': '1'}",
            ),
        ] {
            assert_eq!(repr(&value), expected);
        }
        assert_eq!(str(&Value::from("it's")), Text::from("it's"));
    }
}
