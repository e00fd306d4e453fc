//! The values that Python's `json.loads` returns.

use std::fmt;

/// A JSON value, as Python keeps it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Value {
    /// `null`, Python's `None`.
    Null,
    /// `true` or `false`.
    Boolean(bool),
    /// A number without fraction and exponent, of any size: its decimal digits, with a `-` in front of negative ones.
    Integer(String),
    /// Any other number, `NaN` and the infinities included.
    Float(f64),
    /// A string.
    String(Text),
    /// An array.
    Array(Vec<Self>),
    /// An object, in the order of first appearance, each key once.
    Object(Vec<(Text, Self)>),
}

impl Value {
    /// Python's name of the type.
    pub(crate) const fn type_name(&self) -> &'static str {
        match self {
            Self::Null => "NoneType",
            Self::Boolean(_) => "bool",
            Self::Integer(_) => "int",
            Self::Float(_) => "float",
            Self::String(_) => "str",
            Self::Array(_) => "list",
            Self::Object(_) => "dict",
        }
    }

    /// The member of an object; `None` for any other value.
    pub(crate) fn get(&self, key: &str) -> Option<&Self> {
        match self {
            Self::Object(members) => {
                members.iter().find(|(name, _)| name.as_str() == Some(key)).map(|(_, value)| value)
            }
            _ => None,
        }
    }

    /// An object with these members.
    pub(crate) fn object<const N: usize>(members: [(&str, Self); N]) -> Self {
        Self::Object(members.into_iter().map(|(name, value)| (Text::from(name), value)).collect())
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::String(Text::from(text))
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::String(Text::from(text))
    }
}

impl From<f64> for Value {
    fn from(number: f64) -> Self {
        Self::Float(number)
    }
}

/// Integers of Rust are integers of Python.
macro_rules! from_integer {
    ($($integer:ty),*) => {$(
        impl From<$integer> for Value {
            fn from(number: $integer) -> Self {
                Self::Integer(number.to_string())
            }
        }
    )*};
}

from_integer!(i32, i64, u16, u32, u64, usize);

/// A Python string: like a Rust one, except that it may hold lone surrogates.
///
/// Kept as UTF-8 in which a surrogate takes the three bytes that the pattern of UTF-8 would give it, so that the usual
/// case costs nothing and equal strings have equal bytes.
#[derive(Clone, PartialEq, Eq, Hash, Default)]
pub(crate) struct Text {
    bytes: Vec<u8>,
}

impl Text {
    /// The text, unless it holds a lone surrogate.
    pub(crate) fn as_str(&self) -> Option<&str> {
        std::str::from_utf8(&self.bytes).ok()
    }

    /// Adds text.
    pub(crate) fn push_str(&mut self, text: &str) {
        self.bytes.extend_from_slice(text.as_bytes());
    }

    /// Adds a code point: a character, or a surrogate. Nothing else reaches this, as the reader combines at most 16 bits
    /// and whole pairs.
    pub(crate) fn push_code_point(&mut self, point: u32) {
        match char::from_u32(point) {
            Some(character) => self.push_str(character.encode_utf8(&mut [0; 4])),
            None => {
                let [_, _, high, low] = point.to_be_bytes();
                self.bytes.extend([0xE0 | high >> 4, 0x80 | (high & 0x0F) << 2 | low >> 6, 0x80 | low & 0x3F]);
            }
        }
    }

    /// The characters, and as an error the surrogates, in order.
    pub(crate) fn code_points(&self) -> impl Iterator<Item = Result<char, u32>> + '_ {
        let mut rest = self.bytes.as_slice();
        std::iter::from_fn(move || {
            let first = *rest.first()?;
            let length = match first {
                0..0x80 => 1,
                0x80..0xE0 => 2,
                0xE0..0xF0 => 3,
                _ => 4,
            };
            let (point, tail) = rest.split_at(length.min(rest.len()));
            rest = tail;
            Some(match std::str::from_utf8(point) {
                Ok(text) => Ok(text.chars().next().unwrap_or(char::REPLACEMENT_CHARACTER)),
                Err(_) => Err(point
                    .iter()
                    .enumerate()
                    .fold(0, |sum, (index, byte)| sum << 6 | u32::from(byte & if index == 0 { 0x0F } else { 0x3F }))),
            })
        })
    }

    /// The text with each lone surrogate replaced by U+FFFD.
    pub(crate) fn to_string_lossy(&self) -> String {
        self.code_points().map(|point| point.unwrap_or(char::REPLACEMENT_CHARACTER)).collect()
    }
}

impl From<&str> for Text {
    fn from(text: &str) -> Self {
        Self { bytes: text.as_bytes().to_vec() }
    }
}

impl From<String> for Text {
    fn from(text: String) -> Self {
        Self { bytes: text.into_bytes() }
    }
}

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.to_string_lossy(), f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_keeps_characters_and_surrogates() {
        let mut text = Text::from("aé€😀");
        text.push_code_point(0xD800);
        text.push_code_point(0xDFFF);
        text.push_code_point(0x1F600);
        let points: Vec<_> = text.code_points().collect();
        assert_eq!(points, [Ok('a'), Ok('é'), Ok('€'), Ok('😀'), Err(0xD800), Err(0xDFFF), Ok('😀')]);
        assert_eq!(text.as_str(), None);
        assert_eq!(text.to_string_lossy(), "aé€😀\u{FFFD}\u{FFFD}😀");
        assert_eq!(Text::from("aé").as_str(), Some("aé"));
    }
}
