//! What was written, before it is known what it means: values, each with its place.

use std::fmt;

use serde_json::Value as Json;

use super::problem::Place;

/// A value and where it was written.
#[derive(Debug, Clone, PartialEq)]
pub struct Node {
    /// What.
    pub value: Value,
    /// Where.
    pub place: Place,
}

/// What YAML, TOML, variables and flags have in common.
#[derive(Clone, PartialEq)]
pub enum Value {
    /// Nothing, said explicitly.
    Null,
    /// A truth value.
    Bool(bool),
    /// A whole number.
    Integer(i128),
    /// Any other number.
    Float(f64),
    /// Text.
    Text(String),
    /// Text of a variable or a flag: it may stand for a value of any type.
    Untyped(String),
    /// A list.
    List(Vec<Node>),
    /// Keys, each once, in the order in which they were written.
    Table(Vec<(String, Node)>),
}

impl fmt::Debug for Value {
    /// Without the values themselves: there may be passwords among them.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::List(items) => formatter.debug_list().entries(items).finish(),
            Self::Table(entries) => {
                formatter.debug_map().entries(entries.iter().map(|(key, node)| (key, node))).finish()
            }
            other => formatter.write_str(other.kind()),
        }
    }
}

impl Value {
    /// Its type, for messages.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Null => "nothing",
            Self::Bool(_) => "a truth value",
            Self::Integer(_) | Self::Float(_) => "a number",
            Self::Text(_) | Self::Untyped(_) => "text",
            Self::List(_) => "a list",
            Self::Table(_) => "a table",
        }
    }
}

impl Node {
    /// A value at a place.
    #[must_use]
    pub const fn new(value: Value, place: Place) -> Self {
        Self { value, place }
    }

    /// A table without keys.
    #[must_use]
    pub const fn empty(place: Place) -> Self {
        Self::new(Value::Table(Vec::new()), place)
    }

    /// Type and value, for messages; never more than the beginning of a long text.
    #[must_use]
    pub fn shown(&self) -> String {
        const LONG: usize = 60;
        match &self.value {
            Value::Null | Value::List(_) | Value::Table(_) => self.value.kind().to_owned(),
            Value::Bool(value) => format!("the truth value {value}"),
            Value::Integer(number) => format!("the number {number}"),
            Value::Float(number) => format!("the number {number:?}"),
            Value::Text(text) | Value::Untyped(text) => match text.char_indices().nth(LONG) {
                Some((end, _)) => format!("the text {:?}...", &text[..end]),
                None => format!("the text {text:?}"),
            },
        }
    }

    /// Puts a value at a path of keys; tables on the way are made, and anything else there is replaced.
    pub fn set(&mut self, path: &[&str], node: Self) {
        let Some((first, rest)) = path.split_first() else {
            *self = node;
            return;
        };
        if !matches!(self.value, Value::Table(_)) {
            *self = Self::empty(node.place.clone());
        }
        let Value::Table(entries) = &mut self.value else { return };
        match entries.iter_mut().find(|(key, _)| key == first) {
            Some((_, inner)) => inner.set(rest, node),
            None => {
                let mut inner = Self::empty(node.place.clone());
                inner.set(rest, node);
                entries.push(((*first).to_owned(), inner));
            }
        }
    }

    /// As JSON. A number that JSON does not have becomes null.
    #[must_use]
    pub fn to_json(&self) -> Json {
        match &self.value {
            Value::Null => Json::Null,
            Value::Bool(value) => (*value).into(),
            Value::Integer(number) => serde_json::Number::from_i128(*number).map_or(Json::Null, Json::Number),
            Value::Float(number) => (*number).into(),
            Value::Text(text) | Value::Untyped(text) => text.clone().into(),
            Value::List(items) => items.iter().map(Self::to_json).collect(),
            Value::Table(entries) => {
                Json::Object(entries.iter().map(|(key, node)| (key.clone(), node.to_json())).collect())
            }
        }
    }
}
