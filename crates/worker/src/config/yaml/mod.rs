//! YAML as vxsandbox reads it: PyYAML's safe loader, with `!include other.yaml`.
//!
//! A tree with lines comes out, because messages name them. Everything is bounded: the depth, the number of values (an alias counts as
//! all that it stands for), the files that are included.

mod include;
mod scalar;

use std::borrow::Cow;
use std::collections::HashMap;

use saphyr_parser::{Event, Marker, Parser, ScalarStyle, Tag};

use super::problem::{Place, Problem};
use super::tree::{Node, Value};

pub(super) use include::read_text;
pub use include::{Files, Includes, NoFiles};

/// Lists and tables within one another, at most.
const MAX_DEPTH: usize = 50;

/// Values of a file and all that it includes, at most. vxsandbox has no limit; the largest configuration that we saw has 80.
const MAX_VALUES: usize = 100_000;

/// Reads a file's text. What is not wrong but probably not meant either goes to `warnings`.
///
/// # Errors
///
/// It is not YAML, or has what PyYAML's safe loader refuses, or more than the limits allow.
pub fn parse(
    text: &str,
    file: &Place,
    includes: &mut dyn Includes,
    warnings: &mut Vec<Problem>,
) -> Result<Node, Problem> {
    Loader { file, includes, warnings, values: &mut 0 }.document(text)
}

struct Loader<'a> {
    file: &'a Place,
    includes: &'a mut dyn Includes,
    warnings: &'a mut Vec<Problem>,
    /// How many there are so far.
    values: &'a mut usize,
}

/// A list or a table that is not at its end.
enum Open {
    List { items: Vec<Node>, anchor: usize, place: Place },
    Table { entries: Vec<(String, Node)>, key: Option<Key>, merged: Vec<Node>, anchor: usize, place: Place },
}

struct Key {
    text: String,
    /// It is `<<`, without quotes.
    merges: bool,
    place: Place,
}

impl Loader<'_> {
    fn document(&mut self, text: &str) -> Result<Node, Problem> {
        let mut parser = Parser::new_from_str(text);
        let mut open: Vec<Open> = Vec::new();
        let mut anchors: HashMap<usize, Node> = HashMap::new();
        let mut root = None;
        while let Some(event) = parser.next_event() {
            let (event, span) = event.map_err(|error| self.syntax(error.marker(), error.info()))?;
            let place = self.file.at_line(span.start.line());
            let mut size = 1;
            let (node, anchor) = match event {
                Event::StreamEnd => break,
                Event::Nothing | Event::StreamStart | Event::DocumentEnd => continue,
                Event::DocumentStart(_) if root.is_some() => {
                    return Err(problem(place, "a second document; a configuration is one document"));
                }
                Event::DocumentStart(_) => continue,
                Event::SequenceStart(anchor, tag) => {
                    collection_tag(tag.as_deref(), "seq", &place)?;
                    push(&mut open, Open::List { items: Vec::new(), anchor, place })?;
                    continue;
                }
                Event::MappingStart(anchor, tag) => {
                    collection_tag(tag.as_deref(), "map", &place)?;
                    let entries = Vec::new();
                    push(&mut open, Open::Table { entries, key: None, merged: Vec::new(), anchor, place })?;
                    continue;
                }
                Event::SequenceEnd | Event::MappingEnd => match open.pop() {
                    Some(Open::List { items, anchor, place }) => (Node::new(Value::List(items), place), anchor),
                    Some(Open::Table { entries, merged, anchor, place, .. }) => {
                        (merge(entries, merged, place)?, anchor)
                    }
                    None => return Err(problem(place, "the end of something that did not begin")),
                },
                Event::Alias(anchor) => {
                    let node = anchors.get(&anchor).cloned();
                    let node = node.ok_or_else(|| problem(place, "an alias of what is no value, or contains it"))?;
                    size = count(&node);
                    (node, 0)
                }
                Event::Scalar(text, style, anchor, tag) => {
                    if let Some(Open::Table { key: key @ None, .. }) = open.last_mut() {
                        let merges = style == ScalarStyle::Plain && text == "<<";
                        *key = Some(Key { text: text.into_owned(), merges, place });
                        continue;
                    }
                    (self.scalar(text, style, tag.as_deref(), place)?, anchor)
                }
            };
            *self.values += size;
            if *self.values > MAX_VALUES {
                return Err(problem(node.place, format!("more than {MAX_VALUES} values")));
            }
            if anchor != 0 {
                anchors.insert(anchor, node.clone());
            }
            match open.last_mut() {
                None => root = Some(node),
                Some(Open::List { items, .. }) => items.push(node),
                Some(Open::Table { entries, key, merged, .. }) => match key.take() {
                    None => return Err(problem(node.place, "a key that is a list, a table or an alias")),
                    Some(key) if key.merges => merged.push(node),
                    Some(key) => self.insert(entries, key, node),
                },
            }
        }
        Ok(root.unwrap_or_else(|| Node::new(Value::Null, self.file.clone())))
    }

    /// The last of several values counts, as in Python.
    fn insert(&mut self, entries: &mut Vec<(String, Node)>, key: Key, node: Node) {
        match entries.iter_mut().find(|(known, _)| *known == key.text) {
            Some((_, before)) => {
                let text = format!("set again, over the value at {}", before.place);
                self.warnings.push(Problem { place: Some(key.place), key: key.text, text, hint: None });
                *before = node;
            }
            None => entries.push((key.text, node)),
        }
    }

    fn scalar(
        &mut self,
        text: Cow<'_, str>,
        style: ScalarStyle,
        tag: Option<&Tag>,
        place: Place,
    ) -> Result<Node, Problem> {
        let value = match tag {
            None if style == ScalarStyle::Plain => scalar::resolve(&text),
            None => Value::Text(text.into_owned()),
            Some(tag) if tag.is_yaml_core_schema() => {
                let wrong = || problem(place.clone(), format!("{text:?} is no !!{}", tag.suffix));
                match tag.suffix.as_str() {
                    "str" => Value::Text(text.into_owned()),
                    "null" => Value::Null,
                    "bool" => Value::Bool(scalar::boolean(&text).ok_or_else(wrong)?),
                    "int" => scalar::integer(&text).ok_or_else(wrong)?,
                    "float" => {
                        scalar::float(&text).or_else(|| text.parse().ok().map(Value::Float)).ok_or_else(wrong)?
                    }
                    _ => return Err(unknown_tag(tag, place)),
                }
            }
            Some(tag) if tag.handle == "!" && tag.suffix == "include" => return self.include(&text, place),
            // The tag `!` alone, which PyYAML takes for none.
            Some(tag) if tag.suffix.is_empty() || (tag.handle.is_empty() && tag.suffix == "!") => {
                if style == ScalarStyle::Plain { scalar::resolve(&text) } else { Value::Text(text.into_owned()) }
            }
            Some(tag) => return Err(unknown_tag(tag, place)),
        };
        Ok(Node::new(value, place))
    }

    fn include(&mut self, name: &str, place: Place) -> Result<Node, Problem> {
        let included = self.includes.open(name, self.file);
        let (file, text) = included.map_err(|reason| problem(place, format!("!include {name}: {reason}")))?;
        let inner = Loader { file: &file, includes: self.includes, warnings: self.warnings, values: self.values }
            .document(&text);
        self.includes.close();
        inner
    }

    fn syntax(&self, marker: &Marker, message: &str) -> Problem {
        problem(self.file.at_line(marker.line().max(1)), format!("not YAML: {message}"))
    }
}

fn push(open: &mut Vec<Open>, next: Open) -> Result<(), Problem> {
    let (Open::List { place, .. } | Open::Table { place, .. }) = &next;
    if open.len() >= MAX_DEPTH {
        return Err(problem(place.clone(), format!("more than {MAX_DEPTH} lists and tables within one another")));
    }
    if let Some(Open::Table { key: None, .. }) = open.last() {
        return Err(problem(place.clone(), "a key that is a list or a table"));
    }
    open.push(next);
    Ok(())
}

/// Own keys come before merged ones, and what is merged first before what is merged later.
fn merge(own: Vec<(String, Node)>, merged: Vec<Node>, place: Place) -> Result<Node, Problem> {
    let mut entries = own;
    let mut tables = Vec::new();
    for node in merged {
        match node.value {
            Value::List(items) => tables.extend(items),
            _ => tables.push(node),
        }
    }
    for table in tables {
        let Value::Table(inherited) = table.value else {
            return Err(problem(table.place, "<<: only tables can be merged"));
        };
        for (key, node) in inherited {
            if !entries.iter().any(|(known, _)| *known == key) {
                entries.push((key, node));
            }
        }
    }
    Ok(Node::new(Value::Table(entries), place))
}

/// Itself and all in it.
fn count(node: &Node) -> usize {
    match &node.value {
        Value::List(items) => 1 + items.iter().map(count).sum::<usize>(),
        Value::Table(entries) => 1 + entries.iter().map(|(_, node)| count(node)).sum::<usize>(),
        _ => 1,
    }
}

fn collection_tag(tag: Option<&Tag>, known: &str, place: &Place) -> Result<(), Problem> {
    match tag {
        Some(tag) if !(tag.is_yaml_core_schema() && tag.suffix == known) => Err(unknown_tag(tag, place.clone())),
        _ => Ok(()),
    }
}

fn unknown_tag(tag: &Tag, place: Place) -> Problem {
    let tag =
        if tag.is_yaml_core_schema() { format!("!!{}", tag.suffix) } else { format!("{}{}", tag.handle, tag.suffix) };
    Problem {
        hint: Some("!include FILE is the only tag of vxsandbox's files".to_owned()),
        ..problem(place, format!("the tag {tag} means nothing here"))
    }
}

fn problem(place: Place, text: impl Into<String>) -> Problem {
    Problem { place: Some(place), key: String::new(), text: text.into(), hint: None }
}

#[cfg(test)]
mod tests;
