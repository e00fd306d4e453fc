//! Who talks to the app, and in which session.

use std::collections::HashSet;

use belljar_worker::message::{VERSION, timestamp};
use jiff::Timestamp;
use serde_json::{Value, json};
use uuid::Uuid;

/// Who one is without `/user`: of a range of numbers that nobody has.
const SOMEBODY: &str = "+27820000001";
/// What they dial.
const SERVICE: &str = "*120*2355#";
/// The tenant of an app whose configuration names none.
const TENANT: &str = "console";

/// Where a message stands in a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Session {
    New,
    Resume,
    Close,
}

impl Session {
    const fn name(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Resume => "resume",
            Self::Close => "close",
        }
    }
}

/// Everybody at this terminal.
#[derive(Debug)]
pub(super) struct People {
    transport_name: String,
    /// Who is talking.
    pub(super) current: String,
    /// Who is in a session.
    in_session: HashSet<String>,
}

/// What an app sent.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Heard {
    /// To whom, if it is not the one who is talking.
    pub(super) to: Option<String>,
    /// What it said.
    pub(super) content: Option<String>,
    /// It ended the session of the one who is talking.
    pub(super) ended: bool,
}

impl People {
    /// For an app of this transport.
    pub(super) fn new(transport_name: &str) -> Self {
        Self { transport_name: transport_name.to_owned(), current: SOMEBODY.to_owned(), in_session: HashSet::new() }
    }

    /// Whether the one who is talking is in a session.
    pub(super) fn in_session(&self) -> bool {
        self.in_session.contains(&self.current)
    }

    /// The message of the one who is talking, and what it does to their session.
    pub(super) fn say(&mut self, session: Session, content: Option<&str>) -> Value {
        match session {
            Session::New | Session::Resume => self.in_session.insert(self.current.clone()),
            Session::Close => self.in_session.remove(&self.current),
        };
        json!({
            "message_version": VERSION,
            "message_type": "user_message",
            "message_id": Uuid::new_v4().simple().to_string(),
            "timestamp": timestamp(Timestamp::now()),
            "to_addr": SERVICE,
            "to_addr_type": null,
            "from_addr": self.current,
            "from_addr_type": "msisdn",
            "in_reply_to": null,
            "session_event": session.name(),
            "content": content,
            "group": null,
            "provider": null,
            "transport_name": self.transport_name,
            "transport_type": "ussd",
            "transport_metadata": {},
            "helper_metadata": {},
            "routing_metadata": {"endpoint_name": "default"},
            "sandbox_id": TENANT,
        })
    }

    /// What a message of the app is to them.
    pub(super) fn hear(&mut self, message: &Value) -> Heard {
        let to = message["to_addr"].as_str().unwrap_or_default();
        let closes = message["session_event"] == "close";
        if closes {
            self.in_session.remove(to);
        }
        let other = to != self.current;
        Heard {
            to: other.then(|| to.to_owned()),
            content: message["content"].as_str().map(str::to_owned),
            ended: closes && !other,
        }
    }
}

#[cfg(test)]
mod tests {
    use belljar_worker::message::{Kind, Message};

    use super::*;

    #[test]
    fn what_is_said_is_a_message() {
        let mut people = People::new("t");
        for (session, name, after) in
            [(Session::New, "new", true), (Session::Resume, "resume", true), (Session::Close, "close", false)]
        {
            let said = people.say(session, Some("é"));
            let message = Message::parse(Kind::UserMessage, said.to_string().as_bytes()).expect("a message");
            let texts = ["from_addr", "session_event", "content", "transport_name"].map(|field| message.text(field));
            assert_eq!(texts, [Some(SOMEBODY), Some(name), Some("é"), Some("t")]);
            assert_eq!(people.in_session(), after);
        }
        assert_ne!(people.say(Session::New, None)["message_id"], people.say(Session::New, None)["message_id"]);
    }

    #[test]
    fn each_has_a_session_of_their_own() {
        let mut people = People::new("t");
        people.say(Session::New, None);
        people.current = "other".to_owned();
        assert!(!people.in_session());
        let heard = people.hear(&json!({"to_addr": SOMEBODY, "content": "x", "session_event": null}));
        assert_eq!(heard, Heard { to: Some(SOMEBODY.to_owned()), content: Some("x".to_owned()), ended: false });
        people.current = SOMEBODY.to_owned();
        assert!(people.in_session());
        let heard = people.hear(&json!({"to_addr": SOMEBODY, "content": null, "session_event": "close"}));
        assert_eq!(heard, Heard { to: None, content: None, ended: true });
        assert!(!people.in_session());
    }
}
