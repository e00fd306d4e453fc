//! What a plain scalar of YAML means, as PyYAML decides it: the rules of YAML 1.1, with its truth values, its octal numbers and its
//! numbers to the base of 60. (<https://yaml.org/type/>; where PyYAML is stricter than those pages, as PyYAML.)

use super::super::tree::Value;

/// The value of a scalar without quotes and without a tag.
pub(super) fn resolve(text: &str) -> Value {
    null(text)
        .or_else(|| boolean(text).map(Value::Bool))
        .or_else(|| integer(text))
        .or_else(|| float(text))
        .unwrap_or_else(|| Value::Text(text.to_owned()))
}

/// Nothing.
pub(super) fn null(text: &str) -> Option<Value> {
    matches!(text, "" | "~" | "null" | "Null" | "NULL").then_some(Value::Null)
}

/// A truth value.
pub(super) fn boolean(text: &str) -> Option<bool> {
    match text {
        "yes" | "Yes" | "YES" | "true" | "True" | "TRUE" | "on" | "On" | "ON" => Some(true),
        "no" | "No" | "NO" | "false" | "False" | "FALSE" | "off" | "Off" | "OFF" => Some(false),
        _ => None,
    }
}

/// A whole number; one that is too large to be one of any setting is a number all the same.
pub(super) fn integer(text: &str) -> Option<Value> {
    let (negative, digits) = signed(text);
    let plain = digits.replace('_', "");
    let (radix, digits) = match digits.as_bytes() {
        [b'0', b'b', rest @ ..] if !rest.is_empty() => (2, &plain[2..]),
        [b'0', b'x', rest @ ..] if !rest.is_empty() => (16, &plain[2..]),
        [b'0'] => (10, plain.as_str()),
        [b'0', rest @ ..] if rest.iter().all(|byte| matches!(byte, b'0'..=b'7' | b'_')) => (8, &plain[1..]),
        [b'1'..=b'9', ..] if digits.contains(':') => return sixties(&plain).map(|number| exact(number, negative)),
        [b'1'..=b'9', ..] => (10, plain.as_str()),
        _ => return None,
    };
    if digits.is_empty() {
        // `0_`, of which only the zero counts.
        return (radix == 8).then_some(Value::Integer(0));
    }
    if !digits.chars().all(|digit| digit.is_digit(radix)) {
        return None;
    }
    Some(match i128::from_str_radix(digits, radix) {
        Ok(number) => exact(number, negative),
        Err(_) => Value::Float(if negative { f64::NEG_INFINITY } else { f64::INFINITY }),
    })
}

const fn exact(number: i128, negative: bool) -> Value {
    Value::Integer(if negative { -number } else { number })
}

/// `1:30` is 90.
fn sixties(text: &str) -> Option<i128> {
    let mut parts = text.split(':');
    let mut number: i128 = decimal(parts.next()?)?;
    for part in parts {
        if part.len() > 2 {
            return None;
        }
        let digit = decimal(part).filter(|digit| *digit < 60)?;
        number = number.checked_mul(60)?.checked_add(digit)?;
    }
    Some(number)
}

fn decimal(text: &str) -> Option<i128> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten()
}

/// Any other number. There has to be a point: `1e3` is text.
pub(super) fn float(text: &str) -> Option<Value> {
    let (negative, digits) = signed(text);
    match digits {
        ".inf" | ".Inf" | ".INF" => {
            return Some(Value::Float(if negative { f64::NEG_INFINITY } else { f64::INFINITY }));
        }
        ".nan" | ".NaN" | ".NAN" if digits.len() == text.len() => return Some(Value::Float(f64::NAN)),
        _ => {}
    }
    let (mantissa, exponent) = match digits.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (digits, None),
    };
    let (whole, fraction) = mantissa.split_once('.')?;
    let is_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'_');
    let exponent_is_right = exponent.is_none_or(|exponent| {
        exponent
            .strip_prefix(['+', '-'])
            .is_some_and(|digits| !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()))
    });
    let starts_right = whole.starts_with(|sign: char| sign.is_ascii_digit())
        || (whole.is_empty() && !fraction.is_empty() && digits.len() == text.len());
    if !starts_right || !exponent_is_right || !is_digits(whole) || !is_digits(fraction) {
        return None;
    }
    let number: f64 = digits.replace('_', "").parse().ok()?;
    Some(Value::Float(if negative { -number } else { number }))
}

fn signed(text: &str) -> (bool, &str) {
    match text.as_bytes().first() {
        Some(b'-') => (true, &text[1..]),
        Some(b'+') => (false, &text[1..]),
        _ => (false, text),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn plain_scalars_mean_what_pyyaml_makes_of_them() {
        use Value::{Bool, Float, Integer, Null, Text};
        let text = |text: &str| Text(text.to_owned());
        // As printed by yaml.safe_load of PyYAML 6.
        let cases = [
            ("", Null),
            ("~", Null),
            ("NULL", Null),
            ("nUll", text("nUll")),
            ("yes", Bool(true)),
            ("On", Bool(true)),
            ("off", Bool(false)),
            ("FALSE", Bool(false)),
            ("y", text("y")),
            ("tRue", text("tRue")),
            ("0", Integer(0)),
            ("-12", Integer(-12)),
            ("+12", Integer(12)),
            ("1_000", Integer(1000)),
            ("0777", Integer(511)),
            ("0899", text("0899")),
            ("0x1F", Integer(31)),
            ("-0x1F", Integer(-31)),
            ("0b101", Integer(5)),
            ("0o17", text("0o17")),
            ("1:30", Integer(90)),
            ("190:20:30", Integer(685_230)),
            ("1:60", text("1:60")),
            ("1:", text("1:")),
            ("-", text("-")),
            ("0x", text("0x")),
            ("1.5", Float(1.5)),
            ("-1.5", Float(-1.5)),
            ("1.", Float(1.0)),
            (".5", Float(0.5)),
            ("-.5", text("-.5")),
            (".", text(".")),
            ("1e3", text("1e3")),
            ("1.0e3", text("1.0e3")),
            ("1.0e+3", Float(1000.0)),
            ("-.inf", Float(f64::NEG_INFINITY)),
            ("inf", text("inf")),
            ("1.2.3", text("1.2.3")),
            ("127.0.0.1", text("127.0.0.1")),
            ("12abc", text("12abc")),
            ("340282366920938463463374607431768211456", Float(f64::INFINITY)),
        ];
        for (written, expected) in cases {
            let found = resolve(written);
            // Debug does not show values.
            assert!(found == expected, "{written}: {}", found.kind());
        }
        assert!(matches!(resolve(".nan"), Float(number) if number.is_nan()));
        assert_eq!(resolve("-.nan").kind(), "text");
    }

    proptest! {
        #[test]
        fn no_scalar_panics(text in "\\PC*") {
            resolve(&text);
        }

        #[test]
        fn nearly_numbers_do_not_panic(text in "[-+0-9._:xbeEaf]{0,12}") {
            resolve(&text);
        }
    }
}
