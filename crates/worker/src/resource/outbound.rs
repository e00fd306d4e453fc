//! Messages of an app to users.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::{Resource, shown};
use crate::bus::{Boxed, Destination};
use crate::config::Profile;
use crate::message::{DEFAULT_ENDPOINT, Message, Reply, Send};
use crate::protocol::{Answer, Fields};
use crate::python;
use crate::run::RunContext;

/// `reply_to`, `reply_to_group`, `send_to` and `send_to_endpoint`.
///
/// A reply answers a message of its own run, and no other: who is written to by it is never up to the app.
#[derive(Debug, Clone, Default)]
pub struct Outbound {
    helper_metadata: BTreeSet<String>,
    endpoints: BTreeSet<String>,
    send_to: BTreeMap<String, Fields>,
}

impl Outbound {
    /// With the keys of `helper_metadata` that an app may set, the endpoints that it may send to besides `default`, and the fields that
    /// messages sent to an endpoint get.
    #[must_use]
    pub fn new(
        helper_metadata: impl IntoIterator<Item = String>,
        endpoints: impl IntoIterator<Item = String>,
        send_to: BTreeMap<String, Fields>,
    ) -> Self {
        let mut endpoints: BTreeSet<_> = endpoints.into_iter().collect();
        endpoints.insert(DEFAULT_ENDPOINT.to_owned());
        Self { helper_metadata: helper_metadata.into_iter().collect(), endpoints, send_to }
    }

    /// The message that is asked for; else the reason why there is none. The order of the checks is part of the protocol: the first
    /// that fails gives the reason.
    fn compose(&self, run: &RunContext, command: &str, fields: &Fields) -> Option<Result<Message, String>> {
        match command {
            "reply_to" => Some(self.reply(run, fields, false)),
            "reply_to_group" => Some(self.reply(run, fields, true)),
            "send_to" => Some(self.send(run.profile, fields, Some(&DEFAULT_ENDPOINT.into()))),
            "send_to_endpoint" => Some(self.send(run.profile, fields, None)),
            _ => None,
        }
    }

    fn reply(&self, run: &RunContext, fields: &Fields, to_group: bool) -> Result<Message, String> {
        let content = content(fields)?;
        let original = original(run, fields)?;
        let goes_on = match fields.get("continue_session") {
            None => true,
            // `in (True, False)`, to Python: 1 and 0 are, too.
            Some(value) if python::equals(value, 1) => true,
            Some(value) if python::equals(value, 0) => false,
            Some(_) => return Err("'continue_session' must be either true or false if given".to_owned()),
        };
        let helper_metadata = self.helper_metadata(fields)?;
        Ok(Message::reply(original, Reply { content, close_session: !goes_on, to_group, helper_metadata }))
    }

    fn send(&self, profile: Profile, fields: &Fields, default: Option<&Value>) -> Result<Message, String> {
        let content = content(fields)?;
        let to_addr = text(fields, "to_addr").ok_or("'to_addr' must be given in sends.")?;
        let endpoint = fields.get("endpoint").or(default);
        let name = endpoint.and_then(Value::as_str).ok_or("'endpoint' must be given in sends.")?;
        if !self.endpoints.contains(name) {
            return Err(format!("Endpoint {} not configured", shown(profile, endpoint)));
        }
        Ok(Message::send(Send {
            to_addr: to_addr.to_owned(),
            content,
            endpoint: name.to_owned(),
            helper_metadata: self.helper_metadata(fields)?,
            configured: self.send_to.get(name).cloned().unwrap_or_default(),
        }))
    }

    fn helper_metadata(&self, fields: &Fields) -> Result<Fields, String> {
        let given = match fields.get("helper_metadata") {
            None | Some(Value::Null) => return Ok(Fields::new()),
            Some(Value::Object(given)) if given.is_empty() => return Ok(Fields::new()),
            Some(given) => given,
        };
        if self.helper_metadata.is_empty() {
            return Err("'helper_metadata' is not allowed".to_owned());
        }
        let Value::Object(given) = given else {
            return Err("'helper_metadata' must be object or null.".to_owned());
        };
        if given.keys().any(|key| !self.helper_metadata.contains(key)) {
            let allowed: Vec<_> = self.helper_metadata.iter().map(String::as_str).collect();
            return Err(format!("'helper_metadata' may only contain the following keys: {}", allowed.join(", ")));
        }
        Ok(given.clone())
    }
}

fn text<'a>(fields: &'a Fields, name: &str) -> Option<&'a str> {
    fields.get(name).and_then(Value::as_str)
}

fn content(fields: &Fields) -> Result<Option<String>, String> {
    match fields.get("content") {
        None => Err("'content' must be given.".to_owned()),
        Some(Value::Null) => Ok(None),
        Some(Value::String(content)) => Ok(Some(content.clone())),
        Some(_) => Err("'content' must be unicode or null.".to_owned()),
    }
}

/// The message that is answered.
fn original<'a>(run: &'a RunContext, fields: &Fields) -> Result<&'a Message, String> {
    let id = text(fields, "in_reply_to").ok_or("'in_reply_to' must be given.")?;
    run.originals.get(id).ok_or_else(|| {
        format!("Could not find original message with id: {}", shown(run.profile, fields.get("in_reply_to")))
    })
}

impl Resource for Outbound {
    fn handle<'a>(&'a self, run: &'a RunContext, command: &'a str, fields: &'a Fields) -> Boxed<'a, Answer> {
        Box::pin(async move {
            match self.compose(run, command, fields) {
                Some(Ok(message)) => {
                    let transport_name = run.transport_name.clone();
                    run.publish(Destination::Outbound { transport_name }, message.to_body());
                    Answer::success()
                }
                Some(Err(reason)) => Answer::Failure(reason),
                None => Answer::Unknown,
            }
        })
    }
}
