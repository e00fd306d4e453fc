//! What is to be executed.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Map, Value, json};

use super::validate::{InvalidConfig, validate};

/// What a command begins with in the protocol when its failure is to be ignored.
const IGNORE: char = '-';

/// Commands, and where and how to execute them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Request {
    /// One after the other, each in a shell of its own, until one fails. There must be one.
    pub commands: Vec<Command>,
    /// Environment variables of all commands.
    pub environ: BTreeMap<String, String>,
    /// A saved environment to start from. What an archive holds comes over it.
    pub environment: Option<String>,
    /// A file that the commands write, whose text is the outcome's `result`: relative to the working directory.
    pub result_path: Option<String>,
    /// Whether the working directory is kept as a new environment, however the commands end.
    pub save: bool,
}

impl Request {
    /// These commands, and nothing else.
    pub fn new(commands: impl IntoIterator<Item = impl Into<Command>>) -> Self {
        Self { commands: commands.into_iter().map(Into::into).collect(), ..Self::default() }
    }

    /// As the protocol writes it. What does not apply is left out, because the server takes no `null`.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let mut config = Map::new();
        config.insert("commands".to_owned(), self.commands.iter().map(Command::to_json).collect());
        if !self.environ.is_empty() {
            config.insert("environ".to_owned(), json!(self.environ));
        }
        let texts = [("environment", &self.environment), ("result_path", &self.result_path)];
        for (name, text) in texts {
            config.extend(text.as_ref().map(|text| (name.to_owned(), json!(text))));
        }
        if self.save {
            config.insert("save".to_owned(), json!(true));
        }
        Value::Object(config)
    }

    /// Whether the server can take it, as far as that is known without it: see [`validate()`].
    ///
    /// # Errors
    /// It cannot, and why.
    pub fn validate(&self) -> Result<(), InvalidConfig> {
        validate(&self.to_json())
    }
}

/// A line for `bash -c`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Command {
    /// Its text.
    pub text: String,
    /// Whether the next one is executed although this one fails or is out of time.
    pub ignore_failure: bool,
    /// Its time; the server's budget for all commands of the request (10 s by default) by default, and at most that. PremierLangage's server takes
    /// zero for no limit, belljar's for its budget.
    pub timeout: Option<Duration>,
}

impl Command {
    /// This text as it is: one that begins with a hyphen means that program.
    pub fn new(text: impl Into<String>) -> Self {
        Self { text: text.into(), ..Self::default() }
    }

    /// A text as the protocol writes it: `-make` is `make`, whose failure is ignored.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        match text.strip_prefix(IGNORE) {
            Some(rest) => Self { ignore_failure: true, ..Self::new(rest) },
            None => Self::new(text),
        }
    }

    /// With a time limit.
    #[must_use]
    pub const fn within(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    fn to_json(&self) -> Value {
        let text = if self.ignore_failure {
            format!("{IGNORE}{}", self.text)
        } else if self.text.starts_with(IGNORE) {
            // Only the first sign counts, and to a shell a space is nothing.
            format!(" {}", self.text)
        } else {
            self.text.clone()
        };
        match self.timeout {
            None => Value::String(text),
            Some(timeout) => json!({"command": text, "timeout": seconds(timeout)}),
        }
    }
}

/// Seconds, whole ones as such: the server repeats the number in its text about the time-out.
fn seconds(time: Duration) -> Value {
    if time.subsec_nanos() == 0 { json!(time.as_secs()) } else { json!(time.as_secs_f64()) }
}

/// As [`Command::parse`].
impl From<&str> for Command {
    fn from(text: &str) -> Self {
        Self::parse(text)
    }
}

/// As [`Command::parse`].
impl From<String> for Command {
    fn from(text: String) -> Self {
        Self::parse(&text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_written_as_the_protocol_wants_it() {
        let plain = Request::new(["true"]);
        assert_eq!(plain.to_json().to_string(), r#"{"commands":["true"]}"#);
        let whole = Request {
            commands: vec![
                Command::new("make").within(Duration::from_secs(1)),
                Command::parse("-false"),
                Command::new("-x").within(Duration::from_millis(200)),
                Command::parse("--x"),
            ],
            environ: BTreeMap::from([("A".to_owned(), "b c".to_owned())]),
            environment: Some("39a843f6-0f46-4f90-b2af-b7724106f954".to_owned()),
            result_path: Some("out.txt".to_owned()),
            save: true,
        };
        let expected = json!({
            "commands": [{"command": "make", "timeout": 1}, "-false", {"command": " -x", "timeout": 0.2}, "--x"],
            "environ": {"A": "b c"},
            "environment": "39a843f6-0f46-4f90-b2af-b7724106f954",
            "result_path": "out.txt",
            "save": true,
        });
        assert_eq!(whole.to_json(), expected);
        assert!(whole.to_json().to_string().contains(r#""timeout":1}"#), "a whole number stays one");
        assert_eq!(whole.validate(), Ok(()));
    }
}
