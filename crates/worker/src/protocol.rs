//! The process protocol of vxsandbox: one JSON object a line, in both directions.

mod json;
#[cfg(test)]
pub(crate) mod tests;

use serde_json::{Map, Value};

pub use json::{MAX_DEPTH, object_to_ascii, read_json, to_ascii};

/// The name that a line gets which cannot be read as a command (vxsandbox gives it, too; it is in the logs of its users).
pub const UNKNOWN: &str = "unknown";

/// What a command carries besides its name and number.
pub type Fields = Map<String, Value>;

/// One line: a request of the process, an answer to one, or a command of ours.
#[derive(Debug, Clone, PartialEq)]
pub struct Command {
    /// `resource.name` upward, a bare name downward.
    pub cmd: String,
    /// Copied into the answer as it is, whatever it is. Ours are 32 hexadecimal digits.
    pub cmd_id: Value,
    /// Whether this answers a request. Of no consequence upward (as in vxsandbox).
    pub reply: bool,
    /// All other members.
    pub fields: Fields,
}

/// Why a line is no command. The texts are vxsandbox's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// Not JSON.
    #[error("not JSON: {0}")]
    Json(String),
    /// JSON, but no object.
    #[error("not an object")]
    NoObject,
    /// One of `cmd`, `cmd_id`, `reply` is not there, or `cmd` is no string.
    #[error("missing or wrong field {0}")]
    Field(&'static str),
}

/// What a resource answers.
#[derive(Debug, Clone, PartialEq)]
pub enum Answer {
    /// `success: true`, and these fields.
    Success(Fields),
    /// `success: false`, and this `reason`.
    Failure(String),
    /// No line at all: `js.done`.
    Silence,
    /// The resource has no such command.
    Unknown,
}

impl Answer {
    /// Success without any field.
    #[must_use]
    pub fn success() -> Self {
        Self::Success(Fields::new())
    }

    /// Success with one field.
    pub fn with(name: &str, value: impl Into<Value>) -> Self {
        Self::Success(Fields::from_iter([(name.to_owned(), value.into())]))
    }

    /// Failure with a reason.
    pub fn failure(reason: impl Into<String>) -> Self {
        Self::Failure(reason.into())
    }
}

impl Default for Command {
    /// What a line becomes that cannot be read: the name [`UNKNOWN`], a fresh number.
    fn default() -> Self {
        Self::new(UNKNOWN, Fields::new())
    }
}

impl Command {
    /// A command of ours, with a fresh number.
    pub fn new(cmd: impl Into<String>, fields: Fields) -> Self {
        let cmd_id = uuid::Uuid::new_v4().simple().to_string().into();
        Self { cmd: cmd.into(), cmd_id, reply: false, fields }
    }

    /// Reads a line, without its line feed. Half of a surrogate pair, as `JSON.stringify` writes it of a text that was cut in the
    /// middle of a character, becomes U+FFFD. No text is taken for a date.
    ///
    /// # Errors
    /// [`Malformed`] says why it is no command.
    pub fn parse(line: &[u8]) -> Result<Self, Malformed> {
        let value = read_json(line).map_err(|error| Malformed::Json(error.to_string()))?;
        let Value::Object(mut fields) = value else { return Err(Malformed::NoObject) };
        let Some(Value::String(cmd)) = fields.remove("cmd") else { return Err(Malformed::Field("cmd")) };
        let cmd_id = fields.remove("cmd_id").ok_or(Malformed::Field("cmd_id"))?;
        let reply = fields.remove("reply").ok_or(Malformed::Field("reply"))?;
        Ok(Self { cmd, cmd_id, reply: reply == true, fields })
    }

    /// The resource and what is asked of it: cut at the first dot. Without a dot the resource has the empty name.
    #[must_use]
    pub fn target(&self) -> (&str, &str) {
        self.cmd.split_once('.').unwrap_or(("", &self.cmd))
    }

    /// The line that answers this one; none for silence and what is unknown.
    #[must_use]
    pub fn answered(&self, answer: Answer) -> Option<Self> {
        let fields = match answer {
            Answer::Success(mut fields) => {
                fields.insert("success".to_owned(), true.into());
                fields
            }
            Answer::Failure(reason) => {
                Fields::from_iter([("success".to_owned(), false.into()), ("reason".to_owned(), reason.into())])
            }
            Answer::Silence | Answer::Unknown => return None,
        };
        Some(Self { cmd: self.cmd.clone(), cmd_id: self.cmd_id.clone(), reply: true, fields })
    }

    /// The line, with its line feed: pure ASCII, because what reads it on the other side reads ASCII.
    #[must_use]
    pub fn to_line(&self) -> Vec<u8> {
        let mut object = self.fields.clone();
        object.insert("cmd".to_owned(), self.cmd.clone().into());
        object.insert("cmd_id".to_owned(), self.cmd_id.clone());
        object.insert("reply".to_owned(), self.reply.into());
        let mut line = object_to_ascii(&object).into_bytes();
        line.push(b'\n');
        line
    }
}
