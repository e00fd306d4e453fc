//! A table that is read key by key, and remembers which keys there are to be asked for.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::time::Duration;

use belljar_sandbox::spelling::nearest;
use belljar_sandbox::units::{ByteSize, parse_duration};

use super::Secret;
use super::clean::{as_integer, as_scalar_text, as_text, python_integer, typed};
use super::problem::{Place, Problem};
use super::tree::{Node, Value};

/// Who wrote a file, and so how it is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Dialect {
    /// For vxsandbox: a number may stand in quotes, nothing stands for the default, what is unknown is not an error.
    Vumi,
    /// For belljar.
    Belljar,
}

/// What was found out while reading.
#[derive(Debug, Default)]
pub(super) struct Report {
    pub(super) errors: Vec<Problem>,
    pub(super) warnings: Vec<Problem>,
    /// Where each value that was read had been written.
    pub(super) origins: BTreeMap<String, Place>,
}

impl Report {
    /// Something because of which the worker does not start.
    pub(super) fn error(&mut self, place: &Place, key: &str, text: impl Into<String>, hint: Option<String>) {
        self.errors.push(Problem { place: Some(place.clone()), key: key.to_owned(), text: text.into(), hint });
    }

    /// Something that is probably not meant so.
    pub(super) fn warning(&mut self, place: &Place, key: &str, text: impl Into<String>, hint: Option<String>) {
        self.warnings.push(Problem { place: Some(place.clone()), key: key.to_owned(), text: text.into(), hint });
    }
}

/// A table that is being read.
pub(super) struct Section {
    entries: Vec<(String, Node)>,
    pub(super) place: Place,
    /// Its keys from the root of the file on, with dots; empty for the root.
    pub(super) path: String,
    pub(super) dialect: Dialect,
    asked: Vec<&'static str>,
    /// For keys that are not there.
    defaults: Vec<(String, Node)>,
}

impl Section {
    /// A table, if it is one.
    pub(super) fn new(node: Node, path: impl Into<String>, dialect: Dialect, report: &mut Report) -> Option<Self> {
        let path = path.into();
        match node.value {
            Value::Table(entries) => {
                let (asked, defaults) = (Vec::new(), Vec::new());
                Some(Self { entries, place: node.place, path, dialect, asked, defaults })
            }
            _ => {
                // Not the value: in place of a table there may be an address with a password.
                report.error(&node.place, &path, format!("found {}, expected a table", node.value.kind()), None);
                None
            }
        }
    }

    /// With values for keys that are not there. That one of them is not asked for is not wrong.
    pub(super) fn with_defaults(self, defaults: Vec<(String, Node)>) -> Self {
        Self { defaults, ..self }
    }

    /// The whole path of a key.
    pub(super) fn key(&self, name: &str) -> String {
        if self.path.is_empty() { name.to_owned() } else { format!("{}.{name}", self.path) }
    }

    /// Whether a key is there, and not null.
    pub(super) fn has(&self, name: &str) -> bool {
        self.entries.iter().any(|(key, node)| key == name && node.value != Value::Null)
    }

    /// A value as it is, and where. Null is a value.
    pub(super) fn take_any(&mut self, name: &'static str, report: &mut Report) -> Option<Node> {
        self.asked.push(name);
        let default = self.defaults.iter().position(|(key, _)| key == name).map(|index| self.defaults.remove(index).1);
        let node = self.take_named(name).or(default)?;
        report.origins.insert(self.key(name), node.place.clone());
        Some(node)
    }

    /// The value of a key whose name another value gave.
    pub(super) fn take_named(&mut self, name: &str) -> Option<Node> {
        let index = self.entries.iter().position(|(key, _)| key == name)?;
        Some(self.entries.remove(index).1)
    }

    /// A value that is not null.
    pub(super) fn take(&mut self, name: &'static str, report: &mut Report) -> Option<Node> {
        self.take_any(name, report).filter(|node| node.value != Value::Null)
    }

    /// A value with a default: null, on which vxsandbox would fail, is the default, too.
    fn take_or_default(&mut self, name: &'static str, report: &mut Report) -> Option<Node> {
        let node = self.take_any(name, report)?;
        if node.value == Value::Null {
            let key = self.key(name);
            report.warning(&node.place, &key, "null: the default is taken (vxsandbox fails on it)", None);
            return None;
        }
        Some(node)
    }

    /// Text.
    pub(super) fn text(&mut self, name: &'static str, report: &mut Report) -> Option<String> {
        let node = self.take(name, report)?;
        as_text(node, &self.key(name), report)
    }

    /// Text that has to be there.
    pub(super) fn required_text(&mut self, name: &'static str, what: &str, report: &mut Report) -> Option<String> {
        if self.has(name) {
            return self.text(name, report);
        }
        let place = self.take_any(name, report).map_or_else(|| self.place.clone(), |node| node.place);
        report.error(&place, &self.key(name), "missing", Some(what.to_owned()));
        None
    }

    /// One of several words.
    pub(super) fn choice<T: Copy>(
        &mut self,
        name: &'static str,
        choices: &[(&str, T)],
        report: &mut Report,
    ) -> Option<T> {
        let node = self.take(name, report)?;
        let place = node.place.clone();
        let key = self.key(name);
        let text = as_text(node, &key, report)?;
        let found = choices.iter().find(|(word, _)| *word == text).map(|(_, choice)| *choice);
        if found.is_none() {
            let words = choices.iter().map(|(word, _)| *word);
            let hint = nearest(&text, words.clone()).map(|word| format!("did you mean {word:?}?"));
            let words: Vec<String> = words.map(|word| format!("{word:?}")).collect();
            report.error(&place, &key, format!("found {text:?}, expected one of {}", words.join(", ")), hint);
        }
        found
    }

    /// A whole number within a range.
    pub(super) fn integer(
        &mut self,
        name: &'static str,
        range: RangeInclusive<i64>,
        report: &mut Report,
    ) -> Option<i64> {
        let node = self.take_or_default(name, report)?;
        as_integer(&node, &self.key(name), range, self.dialect, report)
    }

    /// A time: seconds, or text with a unit. Up to a day, since nothing here waits longer.
    pub(super) fn time(&mut self, name: &'static str, report: &mut Report) -> Option<Duration> {
        const LONGEST: i64 = 24 * 60 * 60;
        let node = self.take_or_default(name, report)?;
        let key = self.key(name);
        if let Value::Text(text) | Value::Untyped(text) = &node.value
            && python_integer(text).is_none()
        {
            return match parse_duration(text) {
                Ok(time) if time > Duration::ZERO && time.as_secs() <= LONGEST.unsigned_abs() => Some(time),
                _ => {
                    let text =
                        format!("found {text:?}, expected seconds, or a time such as \"500ms\" or \"2m\", up to a day");
                    report.error(&node.place, &key, text, None);
                    None
                }
            };
        }
        let seconds = as_integer(&node, &key, 1..=LONGEST, Dialect::Vumi, report)?;
        Some(Duration::from_secs(seconds.unsigned_abs()))
    }

    /// A number of bytes above zero, or text with a unit.
    pub(super) fn bytes(&mut self, name: &'static str, report: &mut Report) -> Option<u64> {
        let node = self.take_or_default(name, report)?;
        let key = self.key(name);
        if let Value::Text(text) | Value::Untyped(text) = &node.value
            && python_integer(text).is_none()
        {
            return match text.parse::<ByteSize>() {
                Ok(size) if size.bytes() > 0 => Some(size.bytes()),
                _ => {
                    let text = format!("found {text:?}, expected bytes, or a size such as \"64K\" or \"1M\"");
                    report.error(&node.place, &key, text, None);
                    None
                }
            };
        }
        as_integer(&node, &key, 1..=i64::MAX, Dialect::Vumi, report).map(i64::unsigned_abs)
    }

    /// True or false.
    pub(super) fn boolean(&mut self, name: &'static str, report: &mut Report) -> Option<bool> {
        let node = self.take_or_default(name, report)?;
        match &node.value {
            Value::Bool(value) => Some(*value),
            Value::Untyped(text) if text == "true" => Some(true),
            Value::Untyped(text) if text == "false" => Some(false),
            _ => {
                let text = format!("found {}, expected true or false", node.shown());
                report.error(&node.place, &self.key(name), text, None);
                None
            }
        }
    }

    /// A list of texts; numbers stand for their digits.
    pub(super) fn texts(&mut self, name: &'static str, report: &mut Report) -> Option<Vec<(String, Place)>> {
        let node = typed(self.take(name, report)?);
        let key = self.key(name);
        let Value::List(items) = node.value else {
            report.error(&node.place, &key, format!("found {}, expected a list", node.shown()), None);
            return None;
        };
        let mut texts = Vec::new();
        for (index, item) in items.into_iter().enumerate() {
            let place = item.place.clone();
            texts.push((as_scalar_text(item, &format!("{key}.{index}"), report)?, place));
        }
        Some(texts)
    }

    /// A table of texts; numbers stand for their digits.
    pub(super) fn text_table(
        &mut self,
        name: &'static str,
        report: &mut Report,
    ) -> Option<BTreeMap<String, (String, Place)>> {
        let entries = self.table(name, report)?;
        let key = self.key(name);
        let mut texts = BTreeMap::new();
        for (inner, node) in entries {
            let place = node.place.clone();
            if let Some(text) = as_scalar_text(node, &format!("{key}.{inner}"), report) {
                texts.insert(inner, (text, place));
            }
        }
        Some(texts)
    }

    /// A table, as it is.
    pub(super) fn table(&mut self, name: &'static str, report: &mut Report) -> Option<Vec<(String, Node)>> {
        let node = typed(self.take(name, report)?);
        let key = self.key(name);
        match node.value {
            Value::Table(entries) => Some(entries),
            _ => {
                report.error(&node.place, &key, format!("found {}, expected a table", node.shown()), None);
                None
            }
        }
    }

    /// A table, to be read.
    pub(super) fn section(&mut self, name: &'static str, report: &mut Report) -> Option<Self> {
        let node = typed(self.take(name, report)?);
        Self::new(node, self.key(name), self.dialect, report)
    }

    /// What is not to be shown: text, `{ env = "NAME" }` or `{ file = "PATH" }`.
    pub(super) fn secret(
        &mut self,
        name: &'static str,
        context: &super::load::Context<'_>,
        report: &mut Report,
    ) -> Option<Secret> {
        let node = self.take(name, report)?;
        super::secret::read(node, &self.key(name), context, report)
    }

    /// What is left nobody asked for.
    pub(super) fn finish(self, report: &mut Report) {
        for (name, node) in &self.entries {
            let key = self.key(name);
            let near = nearest(name, self.asked.iter().copied());
            match self.dialect {
                Dialect::Vumi => {
                    let hint = near.map(|near| format!("did you mean '{}'?", self.key(near)));
                    report.warning(&node.place, &key, "not known, and so not used", hint);
                }
                Dialect::Belljar => {
                    let hint = match near {
                        Some(near) => Some(format!("did you mean '{}'?", self.key(near))),
                        None if self.asked.is_empty() => None,
                        None => Some(format!("the settings there are: {}", self.asked.join(", "))),
                    };
                    report.error(&node.place, &key, "there is no such setting", hint);
                }
            }
        }
    }
}
