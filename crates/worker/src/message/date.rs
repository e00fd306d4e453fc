//! Moments as Vumi writes them.

use jiff::Timestamp;
use jiff::civil::DateTime;

/// A moment as messages have it: `YYYY-MM-DD HH:MM:SS.ffffff`, UTC.
#[must_use]
pub fn timestamp(moment: Timestamp) -> String {
    moment.strftime("%Y-%m-%d %H:%M:%S%.6f").to_string()
}

/// The same moment with six decimals and without a zone, when the text is one of Vumi's dates: with a fraction or without, with a `Z`
/// or without. Decimals after the sixth are cut.
pub(super) fn normalized(text: &str) -> Option<String> {
    let text = text.strip_suffix('Z').unwrap_or(text);
    let (seconds, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let shape = b"0000-00-00 00:00:00";
    let fits = |(byte, shape): (&u8, &u8)| if *shape == b'0' { byte.is_ascii_digit() } else { byte == shape };
    if seconds.len() != shape.len() || !seconds.as_bytes().iter().zip(shape).all(fits) {
        return None;
    }
    if fraction.is_empty() || fraction.len() > 9 || !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    // There may be no such day: the shape is right, the date is not.
    let _: DateTime = DateTime::strptime("%Y-%m-%d %H:%M:%S", seconds).ok()?;
    let micros: String = fraction.chars().chain(std::iter::repeat('0')).take(6).collect();
    Some(format!("{seconds}.{micros}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_have_six_decimals_always() {
        for (moment, text) in [
            ("2026-11-20T16:01:35.766753Z", "2026-11-20 16:01:35.766753"),
            ("2026-11-20T16:01:35Z", "2026-11-20 16:01:35.000000"),
            ("2026-11-20T16:01:35.7667539+02:00", "2026-11-20 14:01:35.766753"),
        ] {
            assert_eq!(timestamp(moment.parse().expect("a moment")), text);
        }
    }

    #[test]
    fn dates_of_all_senders_are_read() {
        for (text, normal) in [
            ("2026-11-20 16:01:35.766753", Some("2026-11-20 16:01:35.766753")),
            ("2026-11-20 16:01:35", Some("2026-11-20 16:01:35.000000")),
            ("2026-11-20 16:01:35.5Z", Some("2026-11-20 16:01:35.500000")),
            ("2026-11-20 16:01:35Z", Some("2026-11-20 16:01:35.000000")),
            ("2026-11-20 16:01:35.123456789", Some("2026-11-20 16:01:35.123456")),
            ("2026-11-20T16:01:35", None),
            ("2026-02-30 16:01:35", None),
            ("2026-11-20 25:01:35", None),
            ("2026-11-20 16:01:35.", None),
            ("2026-11-20 16:01:35.5x", None),
            ("2026-11-20 16:01:35+02:00", None),
            ("２026-11-20 16:01:35", None),
            ("", None),
        ] {
            assert_eq!(normalized(text).as_deref(), normal, "{text}");
        }
    }
}
