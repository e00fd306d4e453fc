//! Which fields a message must have, and what they may be.

use serde_json::Value;

use super::{Invalid, Kind, VERSION};
use crate::protocol::Fields;

/// What a field may be.
#[derive(Clone, Copy)]
enum Type {
    /// A string.
    Text,
    /// A string, or null.
    TextOrNull,
    /// An object, or null. Vumi looks only whether the field is there, and some transports write null.
    ObjectOrNull,
    /// Anything but null.
    NotNull,
    /// One of these strings.
    OneOf(&'static [&'static str]),
    /// One of these strings, or null.
    OneOfOrNull(&'static [&'static str]),
}

/// A field: its name, whether it must be there, and what it may be.
type Rule = (&'static str, bool, Type);

pub(super) const ADDRESS_TYPES: &[&str] =
    &["irc_nickname", "twitter_handle", "msisdn", "gtalk_id", "jabber_id", "mxit_id", "wechat_id"];

const COMMON: &[Rule] = &[
    ("message_version", true, Type::OneOf(&[VERSION])),
    ("message_type", true, Type::NotNull),
    ("timestamp", true, Type::Text),
    ("helper_metadata", true, Type::ObjectOrNull),
    ("routing_metadata", false, Type::ObjectOrNull),
];

const USER_MESSAGE: &[Rule] = &[
    ("message_id", true, Type::Text),
    ("to_addr", true, Type::TextOrNull),
    ("from_addr", true, Type::TextOrNull),
    ("in_reply_to", true, Type::TextOrNull),
    ("session_event", true, Type::OneOfOrNull(&["new", "resume", "close"])),
    ("content", true, Type::TextOrNull),
    ("transport_name", true, Type::TextOrNull),
    ("transport_type", true, Type::TextOrNull),
    ("transport_metadata", true, Type::ObjectOrNull),
    ("group", true, Type::TextOrNull),
    ("provider", true, Type::TextOrNull),
    ("to_addr_type", false, Type::OneOfOrNull(ADDRESS_TYPES)),
    ("from_addr_type", false, Type::OneOfOrNull(ADDRESS_TYPES)),
];

const EVENT: &[Rule] = &[
    ("event_id", true, Type::TextOrNull),
    ("user_message_id", true, Type::TextOrNull),
    ("event_type", true, Type::OneOf(&["ack", "nack", "delivery_report"])),
];

/// What an event of each kind needs. Ids come from networks, which have numbers, too.
const EVENT_TYPES: &[(&str, Rule)] = &[
    ("ack", ("sent_message_id", true, Type::NotNull)),
    ("nack", ("nack_reason", true, Type::NotNull)),
    ("delivery_report", ("delivery_status", true, Type::OneOf(&["pending", "failed", "delivered"]))),
];

/// Fills in what old senders leave out.
pub(super) fn fill_in(kind: Kind, fields: &mut Fields) {
    fields.entry("helper_metadata").or_insert_with(|| Value::Object(Fields::new()));
    if kind == Kind::UserMessage {
        fields.entry("group").or_insert(Value::Null);
        fields.entry("provider").or_insert(Value::Null);
    }
}

/// Checks all rules of a kind, in the order of their tables.
pub(super) fn check(kind: Kind, fields: &Fields) -> Result<(), Invalid> {
    let own = match kind {
        Kind::UserMessage => USER_MESSAGE,
        Kind::Event => EVENT,
    };
    COMMON.iter().chain(own).try_for_each(|rule| check_field(fields, *rule))?;
    if kind == Kind::Event {
        let event_type = fields.get("event_type").and_then(Value::as_str).unwrap_or_default();
        let rules = EVENT_TYPES.iter().filter(|(name, _)| *name == event_type);
        rules.map(|(_, rule)| *rule).try_for_each(|rule| check_field(fields, rule))?;
    }
    Ok(())
}

fn check_field(fields: &Fields, (field, required, kind): Rule) -> Result<(), Invalid> {
    let Some(value) = fields.get(field) else {
        return if required { Err(Invalid::Missing(field)) } else { Ok(()) };
    };
    kind.check(value).map_err(|problem| Invalid::Field { field, problem })
}

impl Type {
    fn check(self, value: &Value) -> Result<(), String> {
        let is_one_of = |names: &[&str]| value.as_str().is_some_and(|text| names.contains(&text));
        let (holds, wanted) = match self {
            Self::Text => (value.is_string(), "a string".to_owned()),
            Self::TextOrNull => (value.is_string() || value.is_null(), "a string or null".to_owned()),
            Self::ObjectOrNull => (value.is_object() || value.is_null(), "an object".to_owned()),
            Self::NotNull => (!value.is_null(), "anything but null".to_owned()),
            Self::OneOf(names) => (is_one_of(names), format!("one of {}", names.join(", "))),
            Self::OneOfOrNull(names) => {
                (value.is_null() || is_one_of(names), format!("one of {}, or null", names.join(", ")))
            }
        };
        if holds { Ok(()) } else { Err(format!("it should be {wanted}")) }
    }
}
