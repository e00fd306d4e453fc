//! What `json.loads` of Python 2.7 says about a text that it cannot read.

use std::str::Utf8Error;

/// How deep this follows arrays and objects: Python itself gives up at about a thousand.
const MAX_DEPTH: usize = 900;

/// What `str.decode('utf-8')` says of bytes that are none.
#[must_use]
pub fn decode_error(bytes: &[u8], error: Utf8Error) -> String {
    let at = error.valid_up_to();
    let byte = bytes.get(at).copied().unwrap_or_default();
    let why = match (error.error_len(), byte) {
        (None, _) => "unexpected end of data",
        (Some(_), 0xc2..=0xf4) => "invalid continuation byte",
        (Some(_), _) => "invalid start byte",
    };
    format!("'utf8' codec can't decode byte {byte:#04x} in position {at}: {why}")
}

/// What `json.loads` says; none if Python reads it.
#[must_use]
pub fn json_error(text: &str) -> Option<String> {
    let reader = Reader { signs: text.chars().collect() };
    reader.read().err()
}

const NO_OBJECT: &str = "No JSON object could be decoded";

struct Reader {
    signs: Vec<char>,
}

impl Reader {
    fn read(&self) -> Result<(), String> {
        let end = self.value(self.skip(0), 0)?;
        let end = self.skip(end);
        if end == self.signs.len() {
            return Ok(());
        }
        let ((line, column), (last_line, last_column)) = (self.place(end), self.place(self.signs.len()));
        let last = self.signs.len();
        Err(format!(
            "Extra data: line {line} column {column} - line {last_line} column {last_column} (char {end} - {last})"
        ))
    }

    fn at(&self, at: usize) -> Option<char> {
        self.signs.get(at).copied()
    }

    fn skip(&self, from: usize) -> usize {
        let space = |sign: &&char| matches!(sign, ' ' | '\t' | '\n' | '\r');
        from + self.signs.iter().skip(from).take_while(space).count()
    }

    /// Line and column, from 1.
    fn place(&self, at: usize) -> (usize, usize) {
        let before = &self.signs[..at.min(self.signs.len())];
        let line = 1 + before.iter().filter(|sign| **sign == '\n').count();
        let column = before.iter().rposition(|sign| *sign == '\n').map_or(at + 1, |feed| at - feed);
        (line, column)
    }

    fn error<T>(&self, what: &str, at: usize) -> Result<T, String> {
        let (line, column) = self.place(at);
        Err(format!("{what}: line {line} column {column} (char {at})"))
    }

    /// The end of the value that begins here.
    fn value(&self, at: usize, depth: usize) -> Result<usize, String> {
        if depth > MAX_DEPTH {
            return Err("maximum recursion depth exceeded".to_owned());
        }
        for word in ["null", "true", "false", "NaN", "Infinity", "-Infinity"] {
            if self.signs[at.min(self.signs.len())..].iter().copied().take(word.len()).eq(word.chars()) {
                return Ok(at + word.len());
            }
        }
        match self.at(at) {
            Some('"') => self.string(at),
            Some('[') => self.array(at + 1, depth),
            Some('{') => self.object(at + 1, depth),
            Some('-' | '0'..='9') => self.number(at),
            _ => Err(NO_OBJECT.to_owned()),
        }
    }

    fn digits(&self, from: usize) -> usize {
        from + self.signs.iter().skip(from).take_while(|sign| sign.is_ascii_digit()).count()
    }

    fn number(&self, at: usize) -> Result<usize, String> {
        let first = at + usize::from(self.at(at) == Some('-'));
        let mut end = match self.at(first) {
            Some('0') => first + 1,
            Some('1'..='9') => self.digits(first),
            _ => return Err(NO_OBJECT.to_owned()),
        };
        if self.at(end) == Some('.') && self.digits(end + 1) > end + 1 {
            end = self.digits(end + 1);
        }
        if matches!(self.at(end), Some('e' | 'E')) {
            let signed = end + 1 + usize::from(matches!(self.at(end + 1), Some('+' | '-')));
            if self.digits(signed) > signed {
                end = self.digits(signed);
            }
        }
        Ok(end)
    }

    fn array(&self, at: usize, depth: usize) -> Result<usize, String> {
        let mut at = self.skip(at);
        if self.at(at) == Some(']') {
            return Ok(at + 1);
        }
        while at < self.signs.len() {
            at = self.skip(self.value(at, depth + 1)?);
            match self.at(at) {
                Some(']') => return Ok(at + 1),
                Some(',') | None => at = self.skip(at + 1),
                Some(_) => return self.error("Expecting ',' delimiter", at),
            }
        }
        self.error("Expecting object", self.signs.len() - 1)
    }

    fn object(&self, at: usize, depth: usize) -> Result<usize, String> {
        let mut at = self.skip(at);
        if self.at(at) == Some('}') {
            return Ok(at + 1);
        }
        while at < self.signs.len() {
            if self.at(at) != Some('"') {
                return self.error("Expecting property name enclosed in double quotes", at);
            }
            at = self.skip(self.string(at)?);
            if self.at(at) != Some(':') {
                return self.error("Expecting ':' delimiter", at);
            }
            at = self.skip(self.value(self.skip(at + 1), depth + 1)?);
            match self.at(at) {
                Some('}') => return Ok(at + 1),
                Some(',') | None => at = self.skip(at + 1),
                Some(_) => return self.error("Expecting ',' delimiter", at),
            }
        }
        self.error("Expecting object", self.signs.len() - 1)
    }

    /// From its quotation mark.
    fn string(&self, begin: usize) -> Result<usize, String> {
        let mut at = begin + 1;
        if at == self.signs.len() {
            return Err("end is out of bounds".to_owned());
        }
        loop {
            match self.at(at) {
                None => return self.error("Unterminated string starting at", begin),
                Some('"') => return Ok(at + 1),
                Some(sign) if sign <= '\x1f' => return self.error("Invalid control character at", at),
                Some('\\') => match self.at(at + 1) {
                    None => return self.error("Unterminated string starting at", begin),
                    Some('"' | '\\' | '/' | 'b' | 'f' | 'n' | 'r' | 't') => at += 2,
                    // The closing quotation mark must follow, too.
                    Some('u') if self.signs.len() > at + 6 && self.hexadecimal(at + 2) => at += 6,
                    Some('u') => return self.error("Invalid \\uXXXX escape", at + 1),
                    Some(_) => return self.error("Invalid \\escape", at),
                },
                Some(_) => at += 1,
            }
        }
    }

    fn hexadecimal(&self, at: usize) -> bool {
        self.signs[at..at + 4].iter().all(char::is_ascii_hexdigit)
    }
}
