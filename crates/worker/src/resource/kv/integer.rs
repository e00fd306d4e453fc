//! Integers as Redis reads them.

/// A number of 64 bits, written as it would be printed: no sign but `-`, no zeros or spaces before it.
pub(super) fn parse(text: &[u8]) -> Option<i64> {
    let number: i64 = str::from_utf8(text).ok()?.parse().ok()?;
    (number.to_string().as_bytes() == text).then_some(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_would_be_printed_is_read() {
        for (text, number) in [
            ("0", Some(0)),
            ("5", Some(5)),
            ("-5", Some(-5)),
            ("9223372036854775807", Some(i64::MAX)),
            ("-9223372036854775808", Some(i64::MIN)),
            ("9223372036854775808", None),
            ("-0", None),
            ("+5", None),
            ("05", None),
            (" 5", None),
            ("5 ", None),
            ("5.0", None),
            ("1e3", None),
            ("", None),
            ("-", None),
            ("true", None),
        ] {
            assert_eq!(parse(text.as_bytes()), number, "{text:?}");
        }
    }
}
