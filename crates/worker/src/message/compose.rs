//! Messages of ours: replies, and messages that answer none.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::{Kind, Message, VERSION, timestamp};
use crate::protocol::Fields;

/// What an app says in a reply. The rest comes from the original.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Reply {
    /// The text; null is "no text" (such as the mere end of a session).
    pub content: Option<String>,
    /// Ends the user's session after this text: `session_event` is `close`, else null.
    pub close_session: bool,
    /// To the group as a whole, where the original had one: `to_addr` is null then.
    pub to_group: bool,
    /// For transports. The original's is not copied.
    pub helper_metadata: Fields,
}

/// What an app says in a message that answers none.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Send {
    /// Whom to.
    pub to_addr: String,
    /// The text.
    pub content: Option<String>,
    /// By which of the app's endpoints it leaves.
    pub endpoint: String,
    /// For transports.
    pub helper_metadata: Fields,
    /// Fields of the endpoint's `send_to` configuration: `from_addr`, `transport_type` and the like. What the app decides
    /// (`to_addr`, `content`, `helper_metadata`), what makes it no reply (`in_reply_to`, `session_event`), and what says which
    /// message it is (`message_id`, `timestamp`, `message_type`, `message_version`, `routing_metadata`) is not taken from here.
    pub configured: Fields,
}

/// What the configuration of an endpoint does not decide.
const NOT_CONFIGURED: [&str; 10] = [
    "to_addr",
    "content",
    "helper_metadata",
    "in_reply_to",
    "session_event",
    "message_id",
    "timestamp",
    "message_type",
    "message_version",
    "routing_metadata",
];

impl Message {
    /// A reply to a message, with a fresh id and the time of now.
    ///
    /// The addresses change places, their types are null; `in_reply_to` is the original's id; `group`, `provider`, `transport_name`,
    /// `transport_type`, `transport_metadata` and the endpoint are the original's.
    #[must_use]
    pub fn reply(original: &Self, reply: Reply) -> Self {
        let copied = |name: &str| original.fields.get(name).cloned().unwrap_or(Value::Null);
        let is_for_group = reply.to_group && !copied("group").is_null();
        let mut fields = outgoing(original.endpoint(), reply.content, reply.helper_metadata);
        let mut set = |name: &str, value: Value| fields.insert(name.to_owned(), value);
        set("to_addr", if is_for_group { Value::Null } else { copied("from_addr") });
        set("from_addr", copied("to_addr"));
        set("in_reply_to", copied("message_id"));
        set("session_event", if reply.close_session { "close".into() } else { Value::Null });
        for name in ["group", "provider", "transport_name", "transport_type", "transport_metadata"] {
            set(name, copied(name));
        }
        Self { kind: Kind::UserMessage, fields }
    }

    /// A message that answers none, with a fresh id and the time of now. Whatever [`Send`] does not say is null.
    #[must_use]
    pub fn send(send: Send) -> Self {
        let mut fields = outgoing(&send.endpoint, send.content, send.helper_metadata);
        fields.insert("to_addr".to_owned(), send.to_addr.into());
        fields.extend(send.configured.into_iter().filter(|(name, _)| !NOT_CONFIGURED.contains(&name.as_str())));
        Self { kind: Kind::UserMessage, fields }
    }
}

/// The fields of every message of ours.
fn outgoing(endpoint: &str, content: Option<String>, helper_metadata: Fields) -> Fields {
    let null = || Value::Null;
    let fields: [(&str, Value); 18] = [
        ("message_version", VERSION.into()),
        ("message_type", "user_message".into()),
        ("message_id", uuid::Uuid::new_v4().simple().to_string().into()),
        ("timestamp", timestamp(Timestamp::now()).into()),
        ("to_addr", null()),
        ("from_addr", null()),
        ("to_addr_type", null()),
        ("from_addr_type", null()),
        ("in_reply_to", null()),
        ("session_event", null()),
        ("content", content.into()),
        ("transport_name", null()),
        ("transport_type", null()),
        ("transport_metadata", Value::Object(Fields::new())),
        ("helper_metadata", Value::Object(helper_metadata)),
        ("routing_metadata", json!({"endpoint_name": endpoint})),
        ("group", null()),
        ("provider", null()),
    ];
    fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}
