//! What travels on the bus: user messages and events, as Vumi writes them.

use jiff::Timestamp;
use serde_json::Value;

use crate::protocol::Fields;

/// The only version of messages there ever was.
pub const VERSION: &str = "20110921";

/// The endpoint of messages that name none.
pub const DEFAULT_ENDPOINT: &str = "default";

/// A message or an event that was checked, with all of its members, unknown ones included.
#[derive(Debug, Clone, PartialEq)]
pub struct Message {
    kind: Kind,
    fields: Fields,
}

/// What a message is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// From or to a user.
    UserMessage,
    /// What became of one.
    Event,
}

/// Why a body is no message.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Invalid {
    /// Not JSON.
    #[error("the body is not JSON: {0}")]
    Json(String),
    /// JSON, but no object.
    #[error("the body is not a JSON object")]
    NoObject,
    /// A field is not there.
    #[error("the field `{0}` is missing")]
    Missing(&'static str),
    /// A field has a value that it cannot have.
    #[error("the field `{field}` is not valid: {problem}")]
    Field {
        /// Its name.
        field: &'static str,
        /// What it should be.
        problem: String,
    },
}

impl Message {
    /// Reads a body as it came from the bus, and checks the fields of its kind.
    ///
    /// # Errors
    /// [`Invalid`] names the first field that is wrong.
    pub fn parse(kind: Kind, body: &[u8]) -> Result<Self, Invalid> {
        let value: Value = serde_json::from_slice(body).map_err(|error| Invalid::Json(error.to_string()))?;
        let Value::Object(fields) = value else { return Err(Invalid::NoObject) };
        Ok(Self { kind, fields })
    }

    /// What it is.
    #[must_use]
    pub const fn kind(&self) -> Kind {
        self.kind
    }

    /// All members, as they came.
    #[must_use]
    pub const fn fields(&self) -> &Fields {
        &self.fields
    }

    /// A member that is a string.
    #[must_use]
    pub fn text(&self, name: &str) -> Option<&str> {
        self.fields.get(name).and_then(Value::as_str)
    }

    /// The endpoint in its routing metadata.
    #[must_use]
    pub fn endpoint(&self) -> &str {
        let routing = self.fields.get("routing_metadata");
        routing.and_then(|routing| routing.get("endpoint_name")).and_then(Value::as_str).unwrap_or(DEFAULT_ENDPOINT)
    }

    /// The body to publish.
    #[must_use]
    pub fn to_body(&self) -> Vec<u8> {
        crate::protocol::to_ascii(&Value::Object(self.fields.clone())).into_bytes()
    }
}

/// A moment as messages have it: `YYYY-MM-DD HH:MM:SS.ffffff`, UTC.
#[must_use]
pub fn timestamp(moment: Timestamp) -> String {
    moment.strftime("%Y-%m-%d %H:%M:%S%.6f").to_string()
}
