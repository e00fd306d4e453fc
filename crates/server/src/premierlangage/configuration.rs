//! The field `config` of an execution: what is asked for, checked in the order and refused in the words of the server that we
//! stand in for.

use std::time::Duration;

use belljar_execute::{Command, Request};
use belljar_store::EnvironmentId;

use super::pyjson::{self, Text, Value};
use super::pyrepr;

/// Why a configuration was refused. Prints as the body of the answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Invalid {
    /// The request asks for something that cannot be: 400.
    Request(String),
    /// The saved environment that it names does not exist: 404.
    UnknownEnvironment(String),
}

impl Invalid {
    fn request(message: impl Into<String>) -> Self {
        Self::Request(message.into())
    }

    fn wrong_type(what: &str, expected: &str, value: &Value) -> Self {
        Self::Request(format!("{what} must be {expected}, not <class '{}'>", value.type_name()))
    }

    /// The answer to a name that no environment has.
    pub(super) fn unknown_environment(name: &str) -> Self {
        Self::UnknownEnvironment(format!("No environment with UUID '{name}' found"))
    }
}

/// A configuration of which only the outermost layer is known to be right: the saved environment is looked up before the
/// rest is checked.
#[derive(Debug)]
pub(super) struct Configuration(Value);

/// What a valid configuration asks for.
#[derive(Debug, PartialEq)]
pub(super) struct Plan {
    pub(super) commands: Vec<PlannedCommand>,
    pub(super) variables: Vec<(String, String)>,
    pub(super) result_path: Option<String>,
    pub(super) save: bool,
}

/// One command.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct PlannedCommand {
    pub(super) command: Command,
    /// Its own limit as Python prints the number that was sent.
    pub(super) printed_timeout: String,
}

impl Configuration {
    /// Reads the text of the field; `None` if it was not sent.
    pub(super) fn read(field: Option<&str>) -> Result<Self, Invalid> {
        let text = field.ok_or_else(|| Invalid::request("Missing argument 'config'"))?;
        let value =
            pyjson::read(text).map_err(|error| Invalid::Request(format!("'config' json is invalid - {error}")))?;
        match value {
            Value::Object(_) => Ok(Self(value)),
            other => Err(Invalid::wrong_type("config", "an object", &other)),
        }
    }

    /// The saved environment to start from. Anything that is no UUID is the name of none.
    pub(super) fn environment(&self) -> Result<Option<EnvironmentId>, Invalid> {
        match self.0.get("environment") {
            None | Some(Value::Null) => Ok(None),
            Some(value) => {
                let name = pyrepr::str(value).to_string_lossy();
                name.parse().map(Some).map_err(|_| Invalid::unknown_environment(&name))
            }
        }
    }

    /// Checks everything else.
    pub(super) fn plan(&self) -> Result<Plan, Invalid> {
        let commands = match self.0.get("commands") {
            None => return Err(Invalid::request("Missing field 'commands' in config")),
            Some(Value::Array(commands)) => commands,
            Some(other) => return Err(Invalid::wrong_type("commands", "a list", other)),
        };
        let variables = match self.0.get("environ") {
            None => Vec::new(),
            Some(Value::Object(members)) => {
                members.iter().map(|(name, value)| variable(name, value)).collect::<Result<_, _>>()?
            }
            Some(other) => return Err(Invalid::wrong_type("environ", "an object", other)),
        };
        if commands.is_empty() {
            return Err(Invalid::request("Command list cannot be empty"));
        }
        let commands = commands.iter().map(command).collect::<Result<_, _>>()?;
        let result_path = match self.0.get("result_path") {
            None => None,
            Some(Value::String(path)) => Some(
                usable(path)
                    .ok_or_else(|| Invalid::request("result_path must be valid Unicode without NUL"))?
                    .to_owned(),
            ),
            Some(other) => return Err(Invalid::wrong_type("result_path", "a string", other)),
        };
        let save = match self.0.get("save") {
            None => false,
            Some(Value::Boolean(save)) => *save,
            Some(other) => return Err(Invalid::wrong_type("save", "a boolean", other)),
        };
        Ok(Plan { commands, variables, result_path, save })
    }
}

impl Plan {
    /// The same in the words of the service. The environment and the upload are added by who has them.
    pub(super) fn request(&self) -> Request {
        Request {
            commands: self.commands.iter().map(|planned| planned.command.clone()).collect(),
            variables: self.variables.clone(),
            base: None,
            upload: None,
            result_path: self.result_path.clone(),
            save: self.save,
            // Such a command counts as one that could not be run.
            stop_at_invalid_utf8: true,
        }
    }
}

/// The text, if the system can take it as an argument: it holds neither NUL nor lone surrogates.
fn usable(text: &Text) -> Option<&str> {
    text.as_str().filter(|text| !text.contains('\0'))
}

/// One variable of `environ`. Whatever the value is, the program finds it as Python prints it.
fn variable(name: &Text, value: &Value) -> Result<(String, String), Invalid> {
    let printed = || pyrepr::repr(&Value::String(name.clone()));
    let Some(usable_name) = usable(name).filter(|name| !name.is_empty() && !name.contains('=')) else {
        let problem = "environ names must be valid Unicode, not empty, without '=' and NUL";
        return Err(Invalid::Request(format!("{problem}, not {}", printed())));
    };
    let value = pyrepr::str(value);
    let Some(usable_value) = usable(&value) else {
        let problem = "environ values must be valid Unicode without NUL";
        return Err(Invalid::Request(format!("{problem}, not the one of {}", printed())));
    };
    Ok((usable_name.to_owned(), usable_value.to_owned()))
}

/// One element of `commands`.
fn command(value: &Value) -> Result<PlannedCommand, Invalid> {
    let malformed = || {
        let printed = pyrepr::str(value).to_string_lossy();
        Invalid::Request(format!("Command badly formatted : '{printed}'"))
    };
    let (text, timeout) = match value {
        Value::String(text) => (text, None),
        Value::Object(members) => {
            if members.iter().any(|(key, _)| !matches!(key.as_str(), Some("command" | "timeout"))) {
                return Err(malformed());
            }
            match (value.get("command"), value.get("timeout")) {
                (Some(Value::String(text)), timeout) => (text, timeout),
                _ => return Err(malformed()),
            }
        }
        _ => return Err(malformed()),
    };
    let script = usable(text).ok_or_else(malformed)?;
    let (script, ignore_failure) = script.strip_prefix('-').map_or((script, false), |script| (script, true));
    let seconds = match timeout {
        None => 0.0,
        // Infinite where it is too large.
        Some(Value::Integer(digits)) => digits.parse().map_err(|_| malformed())?,
        Some(Value::Float(seconds)) => *seconds,
        Some(Value::Boolean(seconds)) => f64::from(u8::from(*seconds)),
        Some(_) => return Err(malformed()),
    };
    let printed_timeout = timeout.map(pyrepr::repr).unwrap_or_default();
    if seconds.is_nan() || seconds < 0.0 {
        return Err(Invalid::Request(format!("timeout must be a positive number, not {printed_timeout}")));
    }
    Ok(PlannedCommand {
        command: Command { script: script.to_owned(), timeout: limit(seconds), ignore_failure },
        printed_timeout,
    })
}

/// A command's own limit. 0 meant no limit at all to the server that we stand in for; here it means the budget, as infinity
/// and all that is too long for a clock do.
fn limit(seconds: f64) -> Option<Duration> {
    let shortest = Duration::from_nanos(1);
    let limit = Duration::try_from_secs_f64(seconds).ok();
    limit.filter(|_| seconds > 0.0).map(|limit| limit.max(shortest))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(config: &str) -> Result<Plan, String> {
        Configuration::read(Some(config)).and_then(|config| config.plan()).map_err(|invalid| match invalid {
            Invalid::Request(message) | Invalid::UnknownEnvironment(message) => message,
        })
    }

    fn planned(script: &str, timeout: Option<f64>, ignore_failure: bool) -> (String, Option<Duration>, bool) {
        (script.to_owned(), timeout.map(Duration::from_secs_f64), ignore_failure)
    }

    fn commands(plan: &Plan) -> Vec<(String, Option<Duration>, bool)> {
        let commands = plan.commands.iter().map(|planned| &planned.command);
        commands.map(|command| (command.script.clone(), command.timeout, command.ignore_failure)).collect()
    }

    // Behaviours 29, 31.
    #[test]
    fn commands_are_strings_and_objects() {
        let plan = plan(
            r#"{"commands": ["true", "-false", "--x", "- false", " -false", "-", "", {"command": "a"},
                {"command": "-b", "timeout": 1}, {"timeout": 0.2, "command": "c"}, {"command": "d", "timeout": true},
                {"command": "e", "timeout": 0}, {"command": "f", "timeout": false}, {"command": "g", "timeout": Infinity},
                {"command": "h", "timeout": 1e400}, {"command": "i", "timeout": -0.0}], "unknown": 1}"#,
        )
        .unwrap();
        let expected = vec![
            planned("true", None, false),
            planned("false", None, true),
            planned("-x", None, true),
            planned(" false", None, true),
            planned(" -false", None, false),
            planned("", None, true),
            planned("", None, false),
            planned("a", None, false),
            planned("b", Some(1.0), true),
            planned("c", Some(0.2), false),
            planned("d", Some(1.0), false),
            planned("e", None, false),
            planned("f", None, false),
            planned("g", None, false),
            planned("h", None, false),
            planned("i", None, false),
        ];
        assert_eq!(commands(&plan), expected);
        let printed: Vec<_> = plan.commands.iter().map(|planned| planned.printed_timeout.as_str()).collect();
        assert_eq!(printed[8..11], ["1", "0.2", "True"]);
        let tiny = super::limit(1e-12);
        assert_eq!(tiny, Some(Duration::from_nanos(1)), "tiny is not none");
        assert_eq!(super::limit(1e300), None);
    }

    // Behaviours 30, 32-39, and the table of messages.
    #[test]
    fn refusals() {
        for (config, expected) in [
            ("hello", "'config' json is invalid - Expecting value: line 1 column 1 (char 0)"),
            ("\"x\"", "config must be an object, not <class 'str'>"),
            ("null", "config must be an object, not <class 'NoneType'>"),
            ("[]", "config must be an object, not <class 'list'>"),
            ("1", "config must be an object, not <class 'int'>"),
            ("1.0", "config must be an object, not <class 'float'>"),
            ("true", "config must be an object, not <class 'bool'>"),
            ("{}", "Missing field 'commands' in config"),
            (r#"{"commands": null}"#, "commands must be a list, not <class 'NoneType'>"),
            (r#"{"commands": {}}"#, "commands must be a list, not <class 'dict'>"),
            (r#"{"commands": [], "environ": []}"#, "environ must be an object, not <class 'list'>"),
            (r#"{"commands": [], "environ": null}"#, "environ must be an object, not <class 'NoneType'>"),
            (r#"{"commands": [], "result_path": 1}"#, "Command list cannot be empty"),
            (r#"{"commands": ["true", 1]}"#, "Command badly formatted : '1'"),
            (r#"{"commands": [null]}"#, "Command badly formatted : 'None'"),
            (r#"{"commands": [["a"]]}"#, "Command badly formatted : '['a']'"),
            (r#"{"commands": [["it's"]]}"#, "Command badly formatted : '[\"it's\"]'"),
            (r#"{"commands": [{}]}"#, "Command badly formatted : '{}'"),
            (r#"{"commands": [{"timeout": 1}]}"#, "Command badly formatted : '{'timeout': 1}'"),
            (r#"{"commands": [{"command": 1}]}"#, "Command badly formatted : '{'command': 1}'"),
            (
                r#"{"commands": [{"command": "true", "timeout": "1"}]}"#,
                "Command badly formatted : '{'command': 'true', 'timeout': '1'}'",
            ),
            (
                r#"{"commands": [{"command": "true", "timeout": null}]}"#,
                "Command badly formatted : '{'command': 'true', 'timeout': None}'",
            ),
            (
                r#"{"commands": [{"command": "true", "environ": {}}]}"#,
                "Command badly formatted : '{'command': 'true', 'environ': {}}'",
            ),
            (r#"{"commands": ["a\u0000"]}"#, "Command badly formatted : 'a\0'"),
            (r#"{"commands": ["\ud800"]}"#, "Command badly formatted : '\u{FFFD}'"),
            (r#"{"commands": [{"command": "a", "timeout": -1}]}"#, "timeout must be a positive number, not -1"),
            (r#"{"commands": [{"command": "a", "timeout": NaN}]}"#, "timeout must be a positive number, not nan"),
            (
                r#"{"commands": [{"command": "a", "timeout": -Infinity}]}"#,
                "timeout must be a positive number, not -inf",
            ),
            (r#"{"commands": [1], "result_path": 1}"#, "Command badly formatted : '1'"),
            (
                r#"{"commands": ["a"], "result_path": null, "save": 1}"#,
                "result_path must be a string, not <class 'NoneType'>",
            ),
            (r#"{"commands": ["a"], "result_path": "a\u0000"}"#, "result_path must be valid Unicode without NUL"),
            (r#"{"commands": ["a"], "save": 1}"#, "save must be a boolean, not <class 'int'>"),
            (r#"{"commands": ["a"], "save": "true"}"#, "save must be a boolean, not <class 'str'>"),
            (r#"{"commands": ["a"], "save": null}"#, "save must be a boolean, not <class 'NoneType'>"),
            (
                r#"{"commands": ["a"], "environ": {"A=B": 1}}"#,
                "environ names must be valid Unicode, not empty, without '=' and NUL, not 'A=B'",
            ),
            (
                r#"{"commands": ["a"], "environ": {"": 1}}"#,
                "environ names must be valid Unicode, not empty, without '=' and NUL, not ''",
            ),
            (
                r#"{"commands": ["a"], "environ": {"A": "\u0000"}}"#,
                "environ values must be valid Unicode without NUL, not the one of 'A'",
            ),
        ] {
            assert_eq!(plan(config), Err(expected.to_owned()), "{config}");
        }
        let missing = Configuration::read(None).map(|_| ());
        assert_eq!(missing, Err(Invalid::request("Missing argument 'config'")));
    }

    // Behaviours 33-35.
    #[test]
    fn values_are_returned() {
        let plan = plan(
            r#"{"commands": ["a"], "result_path": "r", "save": true, "environ": {"S": "My var", "I": 1, "B": true, "N": null,
                "F": 1.50, "L": ["a"], "D": {"k": 1e16}}}"#,
        )
        .unwrap();
        let variables: Vec<_> = plan.variables.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let expected = [
            ("S", "My var"),
            ("I", "1"),
            ("B", "True"),
            ("N", "None"),
            ("F", "1.5"),
            ("L", "['a']"),
            ("D", "{'k': 1e+16}"),
        ];
        assert_eq!(variables, expected);
        assert_eq!((plan.result_path.as_deref(), plan.save), (Some("r"), true));
        let plan = self::plan(r#"{"commands": ["a"]}"#).unwrap();
        assert_eq!((plan.result_path, plan.save, plan.variables), (None, false, vec![]));
    }

    #[test]
    fn environments_are_named_by_uuid() {
        let environment = |config: &str| Configuration::read(Some(config)).unwrap().environment();
        let uuid = "39a843f6-0f46-4f90-b2af-b7724106f954";
        assert_eq!(environment(&format!("{{\"environment\": \"{uuid}\"}}")), Ok(Some(uuid.parse().unwrap())));
        assert_eq!(environment("{}"), Ok(None));
        assert_eq!(environment("{\"environment\": null}"), Ok(None));
        for (value, printed) in [
            ("5", "5"),
            ("\"\"", ""),
            ("false", "False"),
            (
                "\"../environments/39a843f6-0f46-4f90-b2af-b7724106f954\"",
                "../environments/39a843f6-0f46-4f90-b2af-b7724106f954",
            ),
            ("\"39A843F6-0F46-4F90-B2AF-B7724106F954\"", "39A843F6-0F46-4F90-B2AF-B7724106F954"),
        ] {
            let expected = format!("No environment with UUID '{printed}' found");
            assert_eq!(
                environment(&format!("{{\"environment\": {value}}}")),
                Err(Invalid::UnknownEnvironment(expected))
            );
        }
    }
}
