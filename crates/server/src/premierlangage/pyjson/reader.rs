//! `json.loads` of a text, down to the position and the words of its errors.

use std::collections::HashMap;
use std::fmt;

use super::{Text, Value};

/// How deeply arrays and objects may be nested. Python gives up at about a thousand, depending on its own stack, and the
/// server that we stand in for then answers 500; a fixed number that always gets a clear answer is better.
pub(crate) const MAX_DEPTH: usize = 512;

/// Why a text is not JSON. Prints as Python's `JSONDecodeError` does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ReadError {
    message: &'static str,
    /// Characters before the error.
    position: usize,
    /// Line of the error, from 1.
    line: usize,
    /// Column of the error in characters, from 1.
    column: usize,
}

impl fmt::Display for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: line {} column {} (char {})", self.message, self.line, self.column, self.position)
    }
}

impl std::error::Error for ReadError {}

/// Reads a text that holds one JSON value.
///
/// # Errors
///
/// When it does not, with Python's words; and when it is nested more than [`MAX_DEPTH`] deep.
pub(crate) fn read(text: &str) -> Result<Value, ReadError> {
    let mut reader = Reader { text, bytes: text.as_bytes(), at: 0, depth: 0 };
    reader.document().map_err(|Fault { message, at }| {
        // Positions are counted only for the one error, and in characters, as Python does.
        let before = &text[..at];
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        ReadError {
            message,
            position: before.chars().count(),
            line: before.matches('\n').count() + 1,
            column: before[line_start..].chars().count() + 1,
        }
    })
}

const EXPECTING_VALUE: &str = "Expecting value";
const UNTERMINATED: &str = "Unterminated string starting at";
const BAD_UNICODE_ESCAPE: &str = "Invalid \\uXXXX escape";

/// An error at a byte that starts a character, or at the end.
struct Fault {
    message: &'static str,
    at: usize,
}

struct Reader<'a> {
    text: &'a str,
    bytes: &'a [u8],
    /// The next byte to read; always the start of a character, or the end.
    at: usize,
    depth: usize,
}

impl Reader<'_> {
    fn document(&mut self) -> Result<Value, Fault> {
        if self.text.starts_with('\u{FEFF}') {
            return Err(Fault { message: "Unexpected UTF-8 BOM (decode using utf-8-sig)", at: 0 });
        }
        self.skip_whitespace();
        let value = self.value()?;
        self.skip_whitespace();
        if self.at < self.bytes.len() {
            return self.fail("Extra data");
        }
        Ok(value)
    }

    fn fail<T>(&self, message: &'static str) -> Result<T, Fault> {
        Err(Fault { message, at: self.at })
    }

    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn skip_whitespace(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    fn skip_digits(&mut self) {
        while matches!(self.peek(), Some(b'0'..=b'9')) {
            self.at += 1;
        }
    }

    /// Any value, without whitespace around it.
    fn value(&mut self) -> Result<Value, Fault> {
        const WORDS: [(&[u8], Value); 6] = [
            (b"null", Value::Null),
            (b"true", Value::Boolean(true)),
            (b"false", Value::Boolean(false)),
            (b"NaN", Value::Float(f64::NAN)),
            (b"Infinity", Value::Float(f64::INFINITY)),
            (b"-Infinity", Value::Float(f64::NEG_INFINITY)),
        ];
        match self.peek() {
            Some(b'"') => return self.string().map(Value::String),
            Some(b'{') => return self.nested(Self::object),
            Some(b'[') => return self.nested(Self::array),
            _ => {}
        }
        let rest = &self.bytes[self.at..];
        if let Some((word, value)) = WORDS.into_iter().find(|(word, _)| rest.starts_with(word)) {
            self.at += word.len();
            return Ok(value);
        }
        self.number()
    }

    fn nested(&mut self, read: fn(&mut Self) -> Result<Value, Fault>) -> Result<Value, Fault> {
        if self.depth == MAX_DEPTH {
            return self.fail("Too many nested arrays and objects");
        }
        self.depth += 1;
        self.at += 1;
        self.skip_whitespace();
        let value = read(self)?;
        self.depth -= 1;
        self.at += 1;
        Ok(value)
    }

    /// After `{` and whitespace, up to the `}`.
    fn object(&mut self) -> Result<Value, Fault> {
        let mut members: Vec<(Text, Value)> = Vec::new();
        let mut places: HashMap<Text, usize> = HashMap::new();
        if self.peek() == Some(b'}') {
            return Ok(Value::Object(members));
        }
        loop {
            if self.peek() != Some(b'"') {
                return self.fail("Expecting property name enclosed in double quotes");
            }
            let key = self.string()?;
            self.skip_whitespace();
            if self.peek() != Some(b':') {
                return self.fail("Expecting ':' delimiter");
            }
            self.at += 1;
            self.skip_whitespace();
            let value = self.value()?;
            // As in a Python dictionary, the last value wins and the first place stays.
            match places.get(&key) {
                Some(&place) => members[place].1 = value,
                None => {
                    places.insert(key.clone(), members.len());
                    members.push((key, value));
                }
            }
            if self.closes_with(b'}')? {
                return Ok(Value::Object(members));
            }
        }
    }

    /// After `[` and whitespace, up to the `]`.
    fn array(&mut self) -> Result<Value, Fault> {
        let mut items = Vec::new();
        if self.peek() == Some(b']') {
            return Ok(Value::Array(items));
        }
        loop {
            items.push(self.value()?);
            if self.closes_with(b']')? {
                return Ok(Value::Array(items));
            }
        }
    }

    /// After an item: whether the bracket comes, or a comma, which is skipped with its whitespace.
    fn closes_with(&mut self, bracket: u8) -> Result<bool, Fault> {
        self.skip_whitespace();
        match self.peek() {
            Some(byte) if byte == bracket => Ok(true),
            Some(b',') => {
                self.at += 1;
                self.skip_whitespace();
                Ok(false)
            }
            _ => self.fail("Expecting ',' delimiter"),
        }
    }

    fn number(&mut self) -> Result<Value, Fault> {
        let start = self.at;
        if self.peek() == Some(b'-') {
            self.at += 1;
        }
        match self.peek() {
            Some(b'0') => self.at += 1,
            Some(b'1'..=b'9') => self.skip_digits(),
            _ => {
                return Err(Fault { message: EXPECTING_VALUE, at: start });
            }
        }
        let whole = self.at;
        // A point or an exponent without digits is not part of the number: what follows it is the error.
        if self.peek() == Some(b'.') {
            self.at += 1;
            let digits = self.at;
            self.skip_digits();
            if self.at == digits {
                self.at = whole;
            }
        }
        let mantissa = self.at;
        if matches!(self.peek(), Some(b'e' | b'E')) {
            self.at += 1;
            if matches!(self.peek(), Some(b'+' | b'-')) {
                self.at += 1;
            }
            let digits = self.at;
            self.skip_digits();
            if self.at == digits {
                self.at = mantissa;
            }
        }
        let number = &self.text[start..self.at];
        if self.at == whole {
            return Ok(Value::Integer(if number == "-0" { "0" } else { number }.to_owned()));
        }
        // What the grammar above accepts is a number to Rust, infinite where it is too large.
        number.parse().map(Value::Float).map_err(|_| Fault { message: EXPECTING_VALUE, at: start })
    }

    fn string(&mut self) -> Result<Text, Fault> {
        let start = self.at;
        self.at += 1;
        let mut text = Text::default();
        loop {
            let rest = &self.text[self.at..];
            let stop = rest.bytes().position(|byte| byte == b'"' || byte == b'\\' || byte < 0x20);
            let Some(stop) = stop else {
                return Err(Fault { message: UNTERMINATED, at: start });
            };
            text.push_str(&rest[..stop]);
            self.at += stop;
            match self.bytes[self.at] {
                b'"' => {
                    self.at += 1;
                    return Ok(text);
                }
                b'\\' => self.escape(start, &mut text)?,
                _ => return self.fail("Invalid control character at"),
            }
        }
    }

    /// At a backslash in the string that began at `start`.
    fn escape(&mut self, start: usize, text: &mut Text) -> Result<(), Fault> {
        let plain = match self.bytes.get(self.at + 1) {
            None => {
                return Err(Fault { message: UNTERMINATED, at: start });
            }
            Some(b'u') => {
                let point = self.unicode_escape()?;
                text.push_code_point(point);
                return Ok(());
            }
            Some(b'"') => "\"",
            Some(b'\\') => "\\",
            Some(b'/') => "/",
            Some(b'b') => "\u{8}",
            Some(b'f') => "\u{c}",
            Some(b'n') => "\n",
            Some(b'r') => "\r",
            Some(b't') => "\t",
            Some(_) => return self.fail("Invalid \\escape"),
        };
        text.push_str(plain);
        self.at += 2;
        Ok(())
    }

    /// `\uXXXX`, and the second half of a surrogate pair if one follows.
    fn unicode_escape(&mut self) -> Result<u32, Fault> {
        let first = self.hexadecimal(self.at)?;
        self.at += 6;
        let pair = (0xD800..0xDC00).contains(&first) && self.bytes[self.at..].starts_with(b"\\u");
        if pair {
            let second = self.hexadecimal(self.at)?;
            if (0xDC00..0xE000).contains(&second) {
                self.at += 6;
                return Ok(0x10000 + ((first - 0xD800) << 10) + (second - 0xDC00));
            }
        }
        Ok(first)
    }

    /// The four digits of the escape at this backslash.
    fn hexadecimal(&self, backslash: usize) -> Result<u32, Fault> {
        let fault = Fault { message: BAD_UNICODE_ESCAPE, at: backslash + 1 };
        let digits = backslash + 2;
        // Digits at the very end of the text are no better than missing ones: the quote is missing then.
        if self.bytes.len() <= digits + 4 {
            return Err(fault);
        }
        self.bytes[digits..digits + 4]
            .iter()
            .try_fold(0, |number, digit| char::from(*digit).to_digit(16).map(|digit| number << 4 | digit))
            .ok_or(fault)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &str) {
        let error = read(text).expect_err(text);
        assert_eq!(error.to_string(), expected, "{text:?}");
    }

    #[test]
    fn errors_carry_python_words_and_positions() {
        check("", "Expecting value: line 1 column 1 (char 0)");
        check("hello", "Expecting value: line 1 column 1 (char 0)");
        check("{\n \"é\": x}", "Expecting value: line 2 column 7 (char 8)");
        check("{} x", "Extra data: line 1 column 4 (char 3)");
        check("{'a': 1}", "Expecting property name enclosed in double quotes: line 1 column 2 (char 1)");
        check("{\"a\" 1}", "Expecting ':' delimiter: line 1 column 6 (char 5)");
        check("[1 2]", "Expecting ',' delimiter: line 1 column 4 (char 3)");
        check("\"abc", "Unterminated string starting at: line 1 column 1 (char 0)");
        check("\"a\nb\"", "Invalid control character at: line 1 column 3 (char 2)");
        check("\"\\x\"", "Invalid \\escape: line 1 column 2 (char 1)");
        check("\u{FEFF}{}", "Unexpected UTF-8 BOM (decode using utf-8-sig): line 1 column 1 (char 0)");
    }

    #[test]
    fn values_are_those_of_python() {
        assert_eq!(read("1e400"), Ok(Value::Float(f64::INFINITY)));
        assert_eq!(read("-0"), Ok(Value::Integer("0".to_owned())));
        assert_eq!(
            read("123456789012345678901234567890"),
            Ok(Value::Integer("123456789012345678901234567890".to_owned()))
        );
        assert!(matches!(read("NaN"), Ok(Value::Float(number)) if number.is_nan()));
        let object = read(r#"{"a": 1, "b": 2, "a": 3}"#).unwrap();
        assert_eq!(object, Value::object([("a", Value::from(3)), ("b", Value::from(2))]));
    }

    #[test]
    fn nesting_is_limited() {
        let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        assert!(read(&nested(MAX_DEPTH)).is_ok());
        check(&nested(MAX_DEPTH + 1), "Too many nested arrays and objects: line 1 column 513 (char 512)");
        assert!(read(&"[".repeat(1_000_000)).is_err());
    }
}
