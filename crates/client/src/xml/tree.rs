//! A whole document as JSON.

use std::io::BufRead;

use serde_json::map::Entry;
use serde_json::{Map, Value};

use super::{Attributes, Limits, Visit, XmlError, walk};

/// Reads a document whole, as `xmltodict.parse` does by default: an element of only text is that text without the space around it, an empty one
/// null; attributes are members `@name`, and text beside attributes or elements is the member `#text`; an element that comes again beside
/// itself makes a list, one that does not is none. Comments, instructions and the document type are passed over.
///
/// # Errors
/// See [`XmlError`].
pub fn to_json(input: impl BufRead, limits: &Limits) -> Result<Value, XmlError> {
    let mut tree = Tree { open: Vec::new(), root: Map::new() };
    walk(input, limits, &mut tree)?;
    Ok(Value::Object(tree.root))
}

struct Tree {
    open: Vec<Element>,
    root: Map<String, Value>,
}

/// An element whose end has not come.
struct Element {
    name: String,
    members: Map<String, Value>,
    text: String,
}

impl Visit for Tree {
    fn start(&mut self, name: &str, attributes: &Attributes<'_>) -> Result<(), XmlError> {
        let mut members = Map::new();
        attributes.each(|name, value| {
            members.insert(format!("@{name}"), value.into());
        })?;
        self.open.push(Element { name: name.to_owned(), members, text: String::new() });
        Ok(())
    }

    fn text(&mut self, text: &str) {
        if let Some(element) = self.open.last_mut() {
            element.text.push_str(text);
        }
    }

    fn end(&mut self) {
        let Some(Element { name, mut members, text }) = self.open.pop() else { return };
        let text = match text.trim() {
            "" => None,
            text => Some(Value::from(text)),
        };
        let value = if members.is_empty() {
            text.unwrap_or_default()
        } else {
            members.extend(text.map(|text| ("#text".to_owned(), text)));
            Value::Object(members)
        };
        let parent = self.open.last_mut().map_or(&mut self.root, |parent| &mut parent.members);
        match parent.entry(name) {
            Entry::Vacant(place) => {
                place.insert(value);
            }
            Entry::Occupied(mut place) => match place.get_mut() {
                // Only repetition makes lists: no element is one by itself.
                Value::Array(all) => all.push(value),
                first => *first = Value::Array(vec![first.take(), value]),
            },
        }
    }
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
