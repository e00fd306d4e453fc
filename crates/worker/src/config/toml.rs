//! TOML as a tree with lines.

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::problem::{Place, Problem};
use super::tree::{Node, Value};

/// Reads a file's text.
///
/// # Errors
///
/// It is not TOML.
pub(super) fn parse(text: &str, file: &Place) -> Result<Node, Problem> {
    let table = DeTable::parse(text).map_err(|error| {
        let line = error.span().map_or(1, |span| line_of(text, span.start));
        Problem { place: Some(file.at_line(line)), key: String::new(), text: error.message().to_owned(), hint: None }
    })?;
    let lines = Lines { text, file };
    Ok(Node::new(lines.table(table.get_ref()), file.clone()))
}

/// Reads a value alone, such as that of a variable; none if it is not TOML.
pub(super) fn parse_value(text: &str, place: &Place) -> Option<Node> {
    let value = DeValue::parse(text).ok()?;
    let lines = Lines { text: "", file: place };
    Some(Node::new(lines.value(value.get_ref()), place.clone()))
}

struct Lines<'a> {
    text: &'a str,
    file: &'a Place,
}

impl Lines<'_> {
    fn node(&self, value: &Spanned<DeValue<'_>>, start: usize) -> Node {
        let place = if self.text.is_empty() { self.file.clone() } else { self.file.at_line(line_of(self.text, start)) };
        Node::new(self.value(value.get_ref()), place)
    }

    fn table(&self, table: &DeTable<'_>) -> Value {
        let entries = table.iter().map(|(key, value)| {
            // A table's own span is its heading's; a key's is where one looks.
            (key.get_ref().to_string(), self.node(value, key.span().start))
        });
        Value::Table(entries.collect())
    }

    fn value(&self, value: &DeValue<'_>) -> Value {
        match value {
            DeValue::String(text) => Value::Text(text.to_string()),
            DeValue::Boolean(value) => Value::Bool(*value),
            DeValue::Integer(number) => match i128::from_str_radix(number.as_str(), number.radix()) {
                Ok(number) => Value::Integer(number),
                Err(_) => Value::Text(number.as_str().to_owned()),
            },
            DeValue::Float(number) => match number.as_str().parse() {
                Ok(number) => Value::Float(number),
                Err(_) => Value::Text(number.as_str().to_owned()),
            },
            DeValue::Datetime(moment) => Value::Text(moment.to_string()),
            DeValue::Array(items) => Value::List(items.iter().map(|item| self.node(item, item.span().start)).collect()),
            DeValue::Table(table) => self.table(table),
        }
    }
}

/// The line of a byte, counted from 1.
fn line_of(text: &str, byte: usize) -> usize {
    text.as_bytes().iter().take(byte).filter(|byte| **byte == b'\n').count() + 1
}
