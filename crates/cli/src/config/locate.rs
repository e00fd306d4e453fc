//! On which line of a TOML file a key stands.

use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// The line, from 1, of the key `path` in `text`; of its nearest parent that stands there when it does not itself.
pub(crate) fn line_of_key<'a>(text: &str, path: impl IntoIterator<Item = &'a str>) -> Option<usize> {
    let document = DeTable::parse(text).ok()?;
    let mut table = document.get_ref();
    let mut list: Option<&Spanned<DeValue<'_>>> = None;
    let mut found = None;
    for part in path {
        let value = match list {
            Some(list) => part.parse::<usize>().ok().and_then(|place| list.get_ref().as_array()?.get(place)),
            None => table.iter().find(|(key, _)| key.get_ref() == part).map(|(key, value)| {
                found = Some(key.span().start);
                value
            }),
        };
        let Some(value) = value else { break };
        match value.get_ref() {
            DeValue::Table(inner) => (table, list) = (inner, None),
            DeValue::Array(_) => list = Some(value),
            _ => break,
        }
    }
    found.map(|offset| line_of(text, offset))
}

/// The line, from 1, that the byte at `offset` is on.
pub(crate) fn line_of(text: &str, offset: usize) -> usize {
    1 + text.bytes().take(offset).filter(|byte| *byte == b'\n').count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_have_lines() {
        let text = "top = 1\n\n[server]\nlisten = 'a'\ntls.key = 'k'\n[[keys]]\nname = 'x'\n[[keys]]\nname = 'y'\n";
        let cases = [
            ("top", Some(1)),
            ("server", Some(3)),
            ("server.listen", Some(4)),
            ("server.tls.key", Some(5)),
            ("server.absent", Some(3)),
            ("keys.0.name", Some(7)),
            ("keys.1.name", Some(9)),
            ("absent", None),
        ];
        for (key, line) in cases {
            assert_eq!(line_of_key(text, key.split('.')), line, "{key}");
        }
        assert_eq!(line_of_key("not toml", ["top"]), None);
    }
}
