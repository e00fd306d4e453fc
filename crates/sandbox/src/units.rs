//! Sizes and times as people write them in configuration files and on command lines: `256M`, `1.5G`, `10s`, `2h`.
//!
//! Both are read without floating point, so that `0.1s` is exactly 100 ms and what [`fmt::Display`] prints reads back as
//! the same value.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::de::{self, Unexpected, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A number of bytes. Written with an optional unit, `K`, `M`, `G` or `T`, each 1024 times the one before, as in
/// `64K`, `1.5G` or `256 MiB`; without a unit it is bytes.
///
/// `MB` and the like are refused: half of the world reads them as powers of 1000.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ByteSize(u64);

/// Why a text is not a size or a time.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum UnitError {
    /// There is no number at the start.
    #[error("'{0}' does not start with a number")]
    NoNumber(String),
    /// The unit is none of ours.
    #[error("'{unit}' is not a unit of {quantity}; known are {known}")]
    UnknownUnit {
        /// What was written.
        unit: String,
        /// `size` or `time`.
        quantity: &'static str,
        /// The units there are.
        known: &'static str,
    },
    /// A fraction of a byte, or of a nanosecond.
    #[error("'{0}' is not a whole number of {1}")]
    TooFine(String, &'static str),
    /// More than can be represented.
    #[error("'{0}' is too large")]
    TooLarge(String),
}

/// A unit: its factor and its spellings, the first of which is printed.
type Unit = (u128, &'static [&'static str]);

const SIZE_UNITS: [Unit; 5] = [
    (1 << 40, &["T", "TiB", "t"]),
    (1 << 30, &["G", "GiB", "g"]),
    (1 << 20, &["M", "MiB", "m"]),
    (1 << 10, &["K", "KiB", "k"]),
    (1, &["", "B"]),
];

/// In nanoseconds.
const TIME_UNITS: [Unit; 7] = [
    (86_400_000_000_000, &["d"]),
    (3_600_000_000_000, &["h"]),
    (60_000_000_000, &["min", "m"]),
    (1_000_000_000, &["s", ""]),
    (1_000_000, &["ms"]),
    (1_000, &["us", "µs"]),
    (1, &["ns"]),
];

impl ByteSize {
    /// This many bytes.
    #[must_use]
    pub const fn from_bytes(bytes: u64) -> Self {
        Self(bytes)
    }

    /// This many times 1024 bytes; at most `u64::MAX` bytes.
    #[must_use]
    pub const fn from_kib(count: u64) -> Self {
        Self(count.saturating_mul(1 << 10))
    }

    /// This many times 1024² bytes; at most `u64::MAX` bytes.
    #[must_use]
    pub const fn from_mib(count: u64) -> Self {
        Self(count.saturating_mul(1 << 20))
    }

    /// The number of bytes.
    #[must_use]
    pub const fn bytes(self) -> u64 {
        self.0
    }
}

impl From<ByteSize> for u64 {
    fn from(size: ByteSize) -> Self {
        size.0
    }
}

impl fmt::Display for ByteSize {
    /// The largest unit that divides the size: `256M`, and `1000` for what no unit divides.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&print(self.0.into(), &SIZE_UNITS, ""))
    }
}

impl FromStr for ByteSize {
    type Err = UnitError;

    fn from_str(text: &str) -> Result<Self, UnitError> {
        let bytes = parse(text, &SIZE_UNITS, "size", "bytes", "B, K, M, G, T (and KiB to TiB), powers of 1024")?;
        u64::try_from(bytes).map(Self).map_err(|_| UnitError::TooLarge(text.to_owned()))
    }
}

impl Serialize for ByteSize {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for ByteSize {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(Quantity { expecting: "a size such as \"256M\", or a number of bytes", parse: str::parse })
    }
}

/// Reads a time: `10s`, `1.5h`, `250ms`; a number without a unit is seconds.
///
/// Units: `ns`, `us`, `ms`, `s`, `m` or `min`, `h`, `d` (24 hours).
///
/// # Errors
///
/// The text is no number with a known unit, is not a whole number of nanoseconds, or too large.
pub fn parse_duration(text: &str) -> Result<Duration, UnitError> {
    let nanoseconds = parse(text, &TIME_UNITS, "time", "nanoseconds", "ns, us, ms, s, m (or min), h, d")?;
    let seconds = u64::try_from(nanoseconds / 1_000_000_000).map_err(|_| UnitError::TooLarge(text.to_owned()))?;
    let rest = u32::try_from(nanoseconds % 1_000_000_000).expect("a remainder below 10^9 fits 32 bits");
    Ok(Duration::new(seconds, rest))
}

/// Prints a time in the largest unit that divides it, such as `10s`, `90min` or `2h`; [`parse_duration`] reads it back.
#[must_use]
pub fn print_duration(time: Duration) -> String {
    print(time.as_nanos(), &TIME_UNITS, "s")
}

/// `#[serde(with = "belljar_sandbox::units::duration")]`: a [`Duration`] as text (`"10s"`); a bare number is seconds.
pub mod duration {
    use super::{Deserializer, Duration, Quantity, Serializer, parse_duration, print_duration};

    /// Writes [`print_duration`]'s text.
    ///
    /// # Errors
    ///
    /// Those of the serializer.
    pub fn serialize<S: Serializer>(time: &Duration, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&print_duration(*time))
    }

    /// Reads [`parse_duration`]'s text, or a number of seconds.
    ///
    /// # Errors
    ///
    /// Neither of these, or a negative number.
    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Duration, D::Error> {
        from.deserialize_any(Quantity {
            expecting: "a time such as \"10s\", or a number of seconds",
            parse: parse_duration,
        })
    }
}

/// `#[serde(with = "belljar_sandbox::units::optional_duration")]`: like [`duration`] for an `Option`. Add `default`, so that
/// the key may be left out.
pub mod optional_duration {
    use super::{Deserialize, Deserializer, Duration, Serialize, Serializer};

    #[derive(Serialize, Deserialize)]
    struct Text(#[serde(with = "super::duration")] Duration);

    /// Writes the text, or nothing.
    ///
    /// # Errors
    ///
    /// Those of the serializer.
    pub fn serialize<S: Serializer>(time: &Option<Duration>, to: S) -> Result<S::Ok, S::Error> {
        time.map(Text).serialize(to)
    }

    /// Reads the text, a number of seconds, or null.
    ///
    /// # Errors
    ///
    /// None of these.
    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Duration>, D::Error> {
        Ok(Option::<Text>::deserialize(from)?.map(|Text(time)| time))
    }
}

/// Reads `text` as a decimal number and a unit, to a whole number of the smallest unit.
fn parse(
    text: &str,
    units: &[Unit],
    quantity: &'static str,
    smallest: &'static str,
    known: &'static str,
) -> Result<u128, UnitError> {
    let trimmed = text.trim();
    let end = trimmed.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(trimmed.len());
    let (number, unit) = trimmed.split_at(end);
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if whole.is_empty() || fraction.contains('.') || number.ends_with('.') {
        return Err(UnitError::NoNumber(text.to_owned()));
    }
    let unit = unit.trim_start();
    let Some((factor, _)) = units.iter().find(|(_, names)| names.contains(&unit)) else {
        return Err(UnitError::UnknownUnit { unit: unit.to_owned(), quantity, known });
    };
    // Zeros at the end say nothing, and would only overflow the power below.
    let fraction = fraction.trim_end_matches('0');
    let too_large = || UnitError::TooLarge(text.to_owned());
    let digits: u128 = format!("{whole}{fraction}").parse().map_err(|_| too_large())?;
    let scaled = digits.checked_mul(*factor).ok_or_else(too_large)?;
    let divisor = u32::try_from(fraction.len()).ok().and_then(|places| 10_u128.checked_pow(places));
    match divisor {
        Some(divisor) if scaled.is_multiple_of(divisor) => Ok(scaled / divisor),
        _ => Err(UnitError::TooFine(text.to_owned(), smallest)),
    }
}

/// Prints a value in the largest unit that divides it; zero in `unit_of_zero`.
fn print(value: u128, units: &[Unit], unit_of_zero: &str) -> String {
    if value == 0 {
        return format!("0{unit_of_zero}");
    }
    let (factor, names) =
        units.iter().find(|(factor, _)| value.is_multiple_of(*factor)).expect("the last unit is 1, which divides all");
    format!("{}{}", value / factor, names[0])
}

/// Reads a quantity from text, or from a number of its basic unit.
struct Quantity<T> {
    expecting: &'static str,
    parse: fn(&str) -> Result<T, UnitError>,
}

impl<T> Visitor<'_> for Quantity<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.expecting)
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<T, E> {
        (self.parse)(text).map_err(E::custom)
    }

    fn visit_u64<E: de::Error>(self, number: u64) -> Result<T, E> {
        (self.parse)(&number.to_string()).map_err(E::custom)
    }

    fn visit_i64<E: de::Error>(self, number: i64) -> Result<T, E> {
        match u64::try_from(number) {
            Ok(number) => self.visit_u64(number),
            Err(_) => Err(E::invalid_value(Unexpected::Signed(number), &self)),
        }
    }

    fn visit_f64<E: de::Error>(self, number: f64) -> Result<T, E> {
        if !number.is_finite() || number.is_sign_negative() {
            return Err(E::invalid_value(Unexpected::Float(number), &self));
        }
        (self.parse)(&number.to_string()).map_err(E::custom)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn sizes_are_read() {
        for (text, bytes) in [
            ("0", 0),
            ("1", 1),
            ("100 B", 100),
            ("64K", 65_536),
            ("64k", 65_536),
            ("256M", 268_435_456),
            ("256 MiB", 268_435_456),
            (" 1.5G ", 1_610_612_736),
            ("0.5K", 512),
            ("1.250K", 1280),
            ("2T", 2 << 40),
            ("18446744073709551615", u64::MAX),
        ] {
            assert_eq!(text.parse(), Ok(ByteSize(bytes)), "{text}");
        }
    }

    #[test]
    fn wrong_sizes_say_why() {
        for (text, message) in [
            ("", "'' does not start with a number"),
            ("M", "'M' does not start with a number"),
            ("-1", "'-1' does not start with a number"),
            (".5K", "'.5K' does not start with a number"),
            ("1.K", "'1.K' does not start with a number"),
            ("1.2.3K", "'1.2.3K' does not start with a number"),
            ("5MB", "'MB' is not a unit of size; known are B, K, M, G, T (and KiB to TiB), powers of 1024"),
            ("5 s", "'s' is not a unit of size; known are B, K, M, G, T (and KiB to TiB), powers of 1024"),
            ("0.3", "'0.3' is not a whole number of bytes"),
            ("0.0001K", "'0.0001K' is not a whole number of bytes"),
            ("16777216T", "'16777216T' is too large"),
            ("18446744073709551616", "'18446744073709551616' is too large"),
            ("999999999999999999999999999999999999999999", "'999999999999999999999999999999999999999999' is too large"),
        ] {
            assert_eq!(text.parse::<ByteSize>().unwrap_err().to_string(), message);
        }
    }

    #[test]
    fn sizes_are_printed_in_the_largest_unit_that_divides_them() {
        for (bytes, text) in
            [(0, "0"), (1000, "1000"), (1024, "1K"), (1536, "1536"), (3 << 29, "1536M"), (1 << 40, "1T")]
        {
            assert_eq!(ByteSize(bytes).to_string(), text);
        }
    }

    #[test]
    fn times_are_read() {
        for (text, time) in [
            ("10s", Duration::from_secs(10)),
            ("10", Duration::from_secs(10)),
            ("0", Duration::ZERO),
            ("0.1s", Duration::from_millis(100)),
            ("250ms", Duration::from_millis(250)),
            ("3us", Duration::from_micros(3)),
            ("3 µs", Duration::from_micros(3)),
            ("7ns", Duration::from_nanos(7)),
            ("5m", Duration::from_secs(300)),
            ("5min", Duration::from_secs(300)),
            ("1.5h", Duration::from_secs(5400)),
            ("2d", Duration::from_secs(172_800)),
        ] {
            assert_eq!(parse_duration(text), Ok(time), "{text}");
        }
    }

    #[test]
    fn wrong_times_say_why() {
        for (text, message) in [
            ("soon", "'soon' does not start with a number"),
            ("5 parsecs", "'parsecs' is not a unit of time; known are ns, us, ms, s, m (or min), h, d"),
            ("0.1ns", "'0.1ns' is not a whole number of nanoseconds"),
            ("1000000000000000000d", "'1000000000000000000d' is too large"),
        ] {
            assert_eq!(parse_duration(text).unwrap_err().to_string(), message);
        }
    }

    #[test]
    fn times_are_printed_in_the_largest_unit_that_divides_them() {
        for (time, text) in [
            (Duration::ZERO, "0s"),
            (Duration::from_millis(1500), "1500ms"),
            (Duration::from_secs(90), "90s"),
            (Duration::from_secs(5400), "90min"),
            (Duration::from_secs(86_400), "1d"),
        ] {
            assert_eq!(print_duration(time), text);
        }
    }

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Written {
        size: ByteSize,
        #[serde(with = "duration")]
        time: Duration,
        #[serde(default, with = "optional_duration")]
        pause: Option<Duration>,
    }

    #[test]
    fn configuration_takes_text_and_numbers_and_writes_text() {
        let text = json!({"size": "1K", "time": "2s", "pause": "1500ms"});
        let expected =
            Written { size: ByteSize(1024), time: Duration::from_secs(2), pause: Some(Duration::from_millis(1500)) };
        for written in [text.clone(), json!({"size": 1024, "time": 2, "pause": 1.5})] {
            assert_eq!(serde_json::from_value::<Written>(written).unwrap(), expected);
        }
        assert_eq!(serde_json::to_value(&expected).unwrap(), text);
        let without: Written = serde_json::from_value(json!({"size": 0, "time": 0})).unwrap();
        assert_eq!(without.pause, None);
        for wrong in [
            json!({"size": -1, "time": 0}),
            json!({"size": 1.5, "time": 0}),
            json!({"size": 0, "time": -0.5}),
            json!({"size": 0, "time": true}),
            json!({"size": "1 apple", "time": 0}),
        ] {
            assert!(serde_json::from_value::<Written>(wrong.clone()).is_err(), "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn what_is_printed_reads_back(bytes: u64, seconds: u64, nanoseconds in 0_u32..1_000_000_000) {
            let size = ByteSize(bytes);
            prop_assert_eq!(size.to_string().parse(), Ok(size));
            let time = Duration::new(seconds, nanoseconds);
            prop_assert_eq!(parse_duration(&print_duration(time)), Ok(time));
        }

        #[test]
        fn no_text_panics(text: String) {
            let _ = text.parse::<ByteSize>();
            let _ = parse_duration(&text);
        }
    }
}
