//! `belljar config show`: every setting, its value, and where the value came from.

use std::fmt::Write;

use serde_json::{Map, Value, json};

use super::Loaded;

/// One line per setting, in a form that is itself a configuration file.
pub(crate) fn as_text(loaded: &Loaded) -> String {
    let lines: Vec<(String, String)> = entries(loaded)
        .map(|(key, value)| {
            let line = match &value {
                Value::Null => format!("# {key} is not set"),
                value => format!("{key} = {}", in_toml(value)),
            };
            (line, loaded.layers.origin(&key).to_string())
        })
        .collect();
    let width =
        lines.iter().map(|(line, _)| line.chars().count()).filter(|width| *width <= MAX_WIDTH).max().unwrap_or(0);
    lines.into_iter().fold(String::new(), |mut text, (line, origin)| {
        writeln!(text, "{line:width$}  # {origin}").expect("a String takes all that is written");
        text
    })
}

/// Longer lines do not push the origins of all the others to the right.
const MAX_WIDTH: usize = 60;

/// One object, with an entry per setting.
pub(crate) fn as_json(loaded: &Loaded) -> Value {
    let entry = |(key, value): (String, Value)| {
        let origin = loaded.layers.origin(&key);
        (key, json!({ "value": value, "origin": origin }))
    };
    Value::Object(entries(loaded).map(entry).collect::<Map<_, _>>())
}

fn entries(loaded: &Loaded) -> impl Iterator<Item = (String, Value)> {
    let tree = serde_json::to_value(&loaded.settings).expect("settings are made of text, numbers, lists and tables");
    loaded.layers.keys().iter().flat_map(move |key| {
        if key == SANDBOXES && !loaded.settings.sandbox.is_empty() {
            return sandboxes(loaded).collect();
        }
        let value = tree.pointer(&format!("/{}", key.replace('.', "/"))).cloned().unwrap_or_default();
        let value = if key == SANDBOXES { Value::Null } else { value };
        vec![(key.clone(), value)]
    })
}

/// The table of sandboxes of others. It holds secrets, so it is shown value by value.
const SANDBOXES: &str = "sandbox";

fn sandboxes(loaded: &Loaded) -> impl Iterator<Item = (String, Value)> {
    loaded.sandboxes.entries().flat_map(|entry| {
        let name = entry.name();
        entry.written().iter().map(move |(key, value)| (format!("{SANDBOXES}.{name}.{key}"), value.clone()))
    })
}

/// A value in TOML, which has no null: nothing that is set is one.
pub(crate) fn in_toml(value: &Value) -> String {
    toml::Value::try_from(value).map_or_else(|_| value.to_string(), |value| value.to_string())
}
