//! Keys and passwords.

use std::fmt;

/// A text that is not shown: not by `Debug`, and there is no `Display`.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Of a text. Line ends at its end, as files have them, are no part of it.
    #[must_use]
    pub fn new(text: &str) -> Self {
        Self(text.trim_end_matches(['\n', '\r']).to_owned())
    }

    /// The text, for the header or the field that it goes into.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// Takes the secret, plain or percent-encoded, out of a text that is to be shown: servers repeat what they are sent.
    #[must_use]
    pub fn hide_in(&self, text: &str) -> String {
        // Of something as short, more would be lost than hidden.
        const SHORTEST: usize = 4;
        if self.0.len() < SHORTEST {
            return text.to_owned();
        }
        let encoded = percent_encoding::utf8_percent_encode(&self.0, percent_encoding::NON_ALPHANUMERIC).to_string();
        text.replace(&self.0, "[secret]").replace(&encoded, "[secret]")
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("[secret]")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_not_shown() {
        let secret = Secret::new("k/e y+1\r\n");
        assert_eq!(secret.reveal(), "k/e y+1");
        assert_eq!(format!("{secret:?}"), "[secret]");
        for (text, shown) in [
            ("no key k/e y+1!", "no key [secret]!"),
            ("/x?apikey=k%2Fe%20y%2B1&a", "/x?apikey=[secret]&a"),
            ("k/e", "k/e"),
        ] {
            assert_eq!(secret.hide_in(text), shown);
        }
        assert_eq!(Secret::new("ab").hide_in("about"), "about");
    }
}
