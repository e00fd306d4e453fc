//! Header values with parameters: `form-data; name="config"`.

use percent_encoding::percent_decode_str;

/// A header value: what stands before the first semicolon, and the parameters after it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Parameters {
    /// The value without its parameters, in lower case.
    pub(super) value: String,
    /// Names in lower case, values without quotes. An extended one (`name*`, RFC 5987) is decoded and stands under its
    /// plain name.
    parameters: Vec<(String, String)>,
}

impl Parameters {
    /// Reads a header value. What cannot be understood is left out.
    pub(super) fn parse(header: &str) -> Self {
        let mut pieces = split_unquoted(header).into_iter();
        let value = pieces.next().unwrap_or_default().trim().to_ascii_lowercase();
        let parameters = pieces
            .filter_map(|piece| {
                let (name, value) = piece.split_once('=')?;
                let name = name.trim().to_ascii_lowercase();
                let value = unquote(value.trim());
                match name.strip_suffix('*') {
                    Some(plain) => {
                        let encoded = value.splitn(3, '\'').nth(2)?;
                        let decoded = percent_decode_str(encoded).decode_utf8_lossy().into_owned();
                        Some((plain.to_owned(), decoded))
                    }
                    None => Some((name, value)),
                }
            })
            .collect();
        Self { value, parameters }
    }

    /// The last parameter of this name.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.parameters.iter().rev().find(|(candidate, _)| candidate == name).map(|(_, value)| value.as_str())
    }
}

/// Splits at semicolons that are not within quotes.
fn split_unquoted(text: &str) -> Vec<&str> {
    let mut pieces = Vec::new();
    let (mut start, mut quoted, mut escaped) = (0, false, false);
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            b';' if !quoted => {
                pieces.push(&text[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    pieces.push(&text[start..]);
    pieces
}

/// The text between quotes, with `\\` and `\"` taken back; any other backslash stays, as in the paths of old browsers.
fn unquote(value: &str) -> String {
    match value.strip_prefix('"').and_then(|value| value.strip_suffix('"')) {
        Some(quoted) => quoted.replace("\\\\", "\\").replace("\\\"", "\""),
        None => value.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn parameters_are_found() {
        for (header, name, expected) in [
            ("form-data; name=\"config\"", "name", Some("config")),
            ("form-data; name=config; filename=a.tgz", "filename", Some("a.tgz")),
            ("form-data; Name = \"config\" ", "name", Some("config")),
            ("form-data; name=\"a;b\\\"c\"; filename=\"\"", "name", Some("a;b\"c")),
            ("form-data; name=\"a\"; filename=\"\"", "filename", Some("")),
            ("form-data; filename*=UTF-8''%C3%A9.tgz", "filename", Some("é.tgz")),
            ("form-data", "name", None),
            ("form-data; name", "name", None),
            ("multipart/form-data; boundary=\"--a b\"", "boundary", Some("--a b")),
        ] {
            assert_eq!(Parameters::parse(header).get(name), expected, "{header}");
        }
        assert_eq!(Parameters::parse("Form-Data ; a=b").value, "form-data");
    }

    proptest! {
        #[test]
        fn any_header_is_read_without_panic(header in "[\\PC;=\"\\\\'*]{0,40}") {
            let _ = Parameters::parse(&header).get("name");
        }
    }
}
