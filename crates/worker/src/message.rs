//! What travels on the bus: user messages and events, as Vumi writes them.
//!
//! What comes is checked ([`Message::parse`]) before an app sees it. The check is as strict as the table of fields in Vumi's own
//! classes says: required fields are there (a null counts), values are of their types, events carry what their kind needs. What is
//! not in the table is kept and passed on. What goes is made by [`Message::reply`] and [`Message::send`].

mod check;
mod compose;
mod date;
#[cfg(test)]
mod tests;

use serde_json::Value;

pub use compose::{Reply, Send};
pub use date::timestamp;

use crate::protocol::{self, Fields};

/// The only version of messages there ever was.
pub const VERSION: &str = "20110921";

/// The endpoint of messages that name none.
pub const DEFAULT_ENDPOINT: &str = "default";

/// Bytes of a body that comes from the bus, at most. A message is a few hundred bytes, some kilobytes with rich metadata; RabbitMQ
/// itself would take 128 MiB.
pub const MAX_BODY: usize = 1 << 20;

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
    /// More bytes than [`MAX_BODY`].
    #[error("the body has {0} bytes; at most {MAX_BODY} are read")]
    TooLarge(usize),
    /// Not JSON, or nested deeper than [`protocol::MAX_DEPTH`].
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
    /// `timestamp` is written as Vumi writes it; no other text is taken for a date, whatever it looks like. Half of a surrogate pair
    /// becomes U+FFFD.
    ///
    /// # Errors
    /// [`Invalid`] names the first field that is wrong.
    pub fn parse(kind: Kind, body: &[u8]) -> Result<Self, Invalid> {
        if body.len() > MAX_BODY {
            return Err(Invalid::TooLarge(body.len()));
        }
        let value = protocol::read_json(body).map_err(|error| Invalid::Json(error.to_string()))?;
        let Value::Object(fields) = value else { return Err(Invalid::NoObject) };
        Self::from_fields(kind, fields)
    }

    /// Checks fields, and fills in what old senders leave out: `helper_metadata` of both kinds, `group` and `provider` of messages.
    ///
    /// # Errors
    /// [`Invalid`] names the first field that is wrong.
    pub fn from_fields(kind: Kind, mut fields: Fields) -> Result<Self, Invalid> {
        check::fill_in(kind, &mut fields);
        check::check(kind, &fields)?;
        if let Some(Value::String(text)) = fields.get_mut("timestamp")
            && let Some(normal) = date::normalized(text)
        {
            *text = normal;
        }
        Ok(Self { kind, fields })
    }

    /// What it is.
    #[must_use]
    pub const fn kind(&self) -> Kind {
        self.kind
    }

    /// All members: as they came, the timestamp in Vumi's form.
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
        protocol::object_to_ascii(&self.fields).into_bytes()
    }
}
