//! Floating-point numbers.

use serde_json::Value;

/// Digits of `str` of a float. [`repr_float`] has as many as it takes to read the same number again.
const TEXT_DIGITS: usize = 12;

/// `float(value)`: numbers, truth values, and texts that hold a number, with white space around it, `inf` and `nan` included.
///
/// Other than Python's it reads ASCII digits only.
#[must_use]
pub fn float(value: &Value) -> Option<f64> {
    match value {
        Value::Bool(truth) => Some(f64::from(u8::from(*truth))),
        Value::Number(number) => number.as_f64(),
        // Both read the same, but for the separators of ASCII that are white space to Python.
        Value::String(text) => {
            text.trim_matches(|sign: char| sign.is_whitespace() || ('\x1c'..='\x1f').contains(&sign)).parse().ok()
        }
        _ => None,
    }
}

/// `repr(float)`, which is also how `json.dumps` writes it, apart from what is no finite number.
#[must_use]
pub fn repr_float(float: f64) -> String {
    laid_out(float, &format!("{float:e}"), 16)
}

/// `str(float)`.
pub(super) fn text_float(float: f64) -> String {
    laid_out(float, &format!("{float:.*e}", TEXT_DIGITS - 1), TEXT_DIGITS - 1)
}

/// From digits and exponent as Rust writes them (`-1.5e-7`); with an exponent from this one on, and below -4.
fn laid_out(float: f64, scientific: &str, largest: usize) -> String {
    if float.is_nan() {
        return "nan".to_owned();
    }
    if float.is_infinite() {
        return if float > 0.0 { "inf" } else { "-inf" }.to_owned();
    }
    let sign = if float.is_sign_negative() { "-" } else { "" };
    let (mantissa, exponent) = scientific.trim_start_matches('-').split_once('e').unwrap_or((scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    let digits: String = mantissa.chars().filter(char::is_ascii_digit).collect();
    let digits = match digits.trim_end_matches('0') {
        "" => "0",
        digits => digits,
    };
    match usize::try_from(exponent) {
        Ok(exponent) if exponent < largest => {
            let whole = exponent + 1;
            let padded = format!("{digits:0<whole$}");
            let (whole, fraction) = padded.split_at(whole);
            format!("{sign}{whole}.{}", if fraction.is_empty() { "0" } else { fraction })
        }
        Err(_) if exponent >= -4 => {
            let zeros = usize::try_from(-exponent - 1).unwrap_or(0);
            format!("{sign}0.{}{digits}", "0".repeat(zeros))
        }
        _ => {
            let (first, rest) = digits.split_at(1);
            let point = if rest.is_empty() { "" } else { "." };
            let direction = if exponent < 0 { '-' } else { '+' };
            format!("{sign}{first}{point}{rest}e{direction}{:02}", exponent.unsigned_abs())
        }
    }
}
