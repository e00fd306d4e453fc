//! Whether a configuration can be executed, before the server is asked.

use std::fmt::Write as _;

use serde_json::Value;

/// Why a configuration cannot be executed, in the words of the protocol's own client.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct InvalidConfig(pub String);

/// Whether a configuration in the protocol's JSON has the right form.
///
/// It looks where the protocol's own client looks, in its order (result, saving, variables, commands) and with its texts. A saved
/// environment, and members that do not belong there, are for the server to refuse. Nothing calls it on its own.
///
/// # Errors
/// What is wrong first.
pub fn validate(config: &Value) -> Result<(), InvalidConfig> {
    let wrong = |text: String| Err(InvalidConfig(text));
    let typed = |name: &str, wanted: &str, value: &Value| {
        wrong(format!("{name} must be {wanted}, not <class '{}'>", type_of(value)))
    };
    let Some(config) = config.as_object() else { return typed("config", "a dict", config) };
    match config.get("result_path") {
        Some(path) if !path.is_string() => return typed("result_path", "a string", path),
        _ => {}
    }
    match config.get("save") {
        Some(save) if !save.is_boolean() => return typed("save", "a boolean", save),
        _ => {}
    }
    match config.get("environ") {
        Some(environ) if !environ.is_object() => return typed("environ", "a dict", environ),
        _ => {}
    }
    let commands = match config.get("commands") {
        None => return wrong("Missing field 'commands' in config".to_owned()),
        Some(Value::Array(commands)) => commands,
        Some(other) => return typed("commands", "a list", other),
    };
    if commands.is_empty() {
        return wrong("commands list is empty".to_owned());
    }
    match commands.iter().find(|command| !is_command(command)) {
        Some(command) => wrong(format!("Command badly formatted : '{}'", repr(command))),
        None => Ok(()),
    }
}

/// A text, or an object with one and, if wanted, a number. Truth is a number there.
fn is_command(command: &Value) -> bool {
    match command {
        Value::String(_) => true,
        Value::Object(members) => {
            let number = |timeout: &Value| timeout.is_number() || timeout.is_boolean();
            members.get("command").is_some_and(Value::is_string) && members.get("timeout").is_none_or(number)
        }
        _ => false,
    }
}

/// What Python calls a value's type.
fn type_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "NoneType",
        Value::Bool(_) => "bool",
        Value::Number(number) if number.is_f64() => "float",
        Value::Number(_) => "int",
        Value::String(_) => "str",
        Value::Array(_) => "list",
        Value::Object(_) => "dict",
    }
}

/// A value as Python shows it, near enough for a message: signs that it escapes are escaped as Rust escapes them, and members are
/// sorted.
fn repr(value: &Value) -> String {
    let mut text = String::new();
    write_repr(value, &mut text);
    text
}

fn write_repr(value: &Value, text: &mut String) {
    match value {
        Value::Null => text.push_str("None"),
        Value::Bool(true) => text.push_str("True"),
        Value::Bool(false) => text.push_str("False"),
        // What is written to a text is written.
        Value::Number(number) => drop(write!(text, "{number}")),
        Value::String(inner) => write_quoted(inner, text),
        Value::Array(items) => {
            text.push('[');
            for (place, item) in items.iter().enumerate() {
                text.push_str(if place == 0 { "" } else { ", " });
                write_repr(item, text);
            }
            text.push(']');
        }
        Value::Object(members) => {
            text.push('{');
            for (place, (name, member)) in members.iter().enumerate() {
                text.push_str(if place == 0 { "" } else { ", " });
                write_quoted(name, text);
                text.push_str(": ");
                write_repr(member, text);
            }
            text.push('}');
        }
    }
}

fn write_quoted(inner: &str, text: &mut String) {
    let quote = if inner.contains('\'') && !inner.contains('"') { '"' } else { '\'' };
    text.push(quote);
    for sign in inner.chars() {
        match sign {
            _ if sign == quote || sign == '\\' => text.extend(['\\', sign]),
            _ if sign.is_control() => text.extend(sign.escape_default()),
            _ => text.push(sign),
        }
    }
    text.push(quote);
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// 86.
    #[test]
    fn what_can_be_executed_is_valid() {
        for commands in [
            json!(["true"]),
            json!([{"command": "true"}, {"command": "true", "timeout": 1}, {"command": "true", "timeout": 0.5}]),
            json!(["true", {"command": "true", "timeout": true, "unknown": 1}]),
        ] {
            assert_eq!(validate(&json!({"commands": commands})), Ok(()), "{commands}");
            let whole =
                json!({"commands": commands, "environ": {"A": 1}, "save": true, "result_path": "x", "environment": 5});
            assert_eq!(validate(&whole), Ok(()), "{whole}");
        }
        assert_eq!(validate(&json!({"commands": ["true"], "environ": {}})), Ok(()));
    }

    /// 87.
    #[test]
    fn what_cannot_be_executed_is_not() {
        for (config, message) in [
            (json!({}), "Missing field 'commands' in config"),
            (json!({"commands": "true"}), "commands must be a list, not <class 'str'>"),
            (json!({"commands": null}), "commands must be a list, not <class 'NoneType'>"),
            (json!({"commands": []}), "commands list is empty"),
            (json!({"commands": ["true", 1]}), "Command badly formatted : '1'"),
            (json!({"commands": [null]}), "Command badly formatted : 'None'"),
            (json!({"commands": [["a", "it's"]]}), "Command badly formatted : '['a', \"it's\"]'"),
            (json!({"commands": [{}]}), "Command badly formatted : '{}'"),
            (json!({"commands": [{"timeout": 1}]}), "Command badly formatted : '{'timeout': 1}'"),
            (json!({"commands": [{"command": 1}]}), "Command badly formatted : '{'command': 1}'"),
            (
                json!({"commands": [{"command": "true", "timeout": "1"}]}),
                "Command badly formatted : '{'command': 'true', 'timeout': '1'}'",
            ),
            (json!({"commands": ["true"], "environ": []}), "environ must be a dict, not <class 'list'>"),
            (json!({"commands": ["true"], "save": 1}), "save must be a boolean, not <class 'int'>"),
            (json!({"commands": ["true"], "result_path": 1.5}), "result_path must be a string, not <class 'float'>"),
            (json!({"environ": 1, "save": 1, "result_path": true}), "result_path must be a string, not <class 'bool'>"),
            (json!({"environ": 1, "save": 1}), "save must be a boolean, not <class 'int'>"),
            (json!([]), "config must be a dict, not <class 'list'>"),
        ] {
            assert_eq!(validate(&config).map_err(|error| error.to_string()), Err(message.to_owned()), "{config}");
        }
    }
}
