//! Resources, asked as an app asks them. Numbers are those of the list of vxsandbox's own tests; a W is a fault of it.
//!
//! Tests of Redis start one for themselves; without one installed they are skipped, or fail with `BELLJAR_TEST_STRICT=1`.

#[expect(dead_code, reason = "each test program uses a part of it")]
#[path = "../common/mod.rs"]
mod common;

mod files;
mod kv;
mod kv_embedded;
mod kv_redis;
mod log;
mod metrics;
mod outbound;
mod set;

use std::sync::Arc;

use belljar_worker::bus::Destination;
use belljar_worker::bus::local::{LocalBus, Published};
use belljar_worker::config::Profile;
use belljar_worker::message::{Kind, Message};
use belljar_worker::protocol::{Answer, Fields};
use belljar_worker::resource::journal::Line;
use belljar_worker::resource::{Journal, Log, Resource};
use belljar_worker::run::RunContext;
use serde_json::{Value, json};

/// A run, as resources see it, and what they do to it.
struct Run {
    context: RunContext,
    bus: LocalBus,
    journal: Arc<Journal>,
}

impl Run {
    /// For a tenant, with a message.
    fn new(profile: Profile, sandbox_id: &str) -> Self {
        Self::with(profile, sandbox_id, &message(json!({})))
    }

    fn with(profile: Profile, sandbox_id: &str, message: &Message) -> Self {
        let (bus, journal) = (LocalBus::new(), Arc::new(Journal::new("app")));
        let log = Log::new(&journal, sandbox_id.to_owned(), message.text("message_id").map(str::to_owned));
        let context = RunContext::new(log, "sms".to_owned(), profile, Arc::new(bus.clone()), message);
        Self { context, bus, journal }
    }

    /// The answer to a command.
    async fn ask(&self, resource: &dyn Resource, command: &str, fields: Value) -> Answer {
        let Value::Object(fields) = fields else { panic!("no object: {fields}") };
        resource.handle(&self.context, command, &fields).await
    }

    /// What was published since.
    fn published(&self) -> Vec<Published> {
        std::iter::from_fn(|| self.bus.published_already()).collect()
    }

    /// What was logged.
    fn lines(&self) -> Vec<Line> {
        self.journal.after(0)
    }
}

/// A user's message, with these fields instead.
fn message(instead: Value) -> Message {
    let mut fields = json!({
        "message_version": "20110921", "message_type": "user_message", "timestamp": "2026-11-20 16:01:35.766753",
        "message_id": "m1", "to_addr": "*120*1#", "from_addr": "+271", "in_reply_to": null, "session_event": "new",
        "content": "hi", "transport_name": "sms", "transport_type": "ussd", "transport_metadata": {"tm": 1},
        "helper_metadata": {"of": "the original"}, "routing_metadata": {"endpoint_name": "default"}, "group": null,
        "provider": "mno", "to_addr_type": "msisdn", "from_addr_type": "msisdn",
    });
    merge(&mut fields, instead);
    Message::parse(Kind::UserMessage, fields.to_string().as_bytes()).expect("a message")
}

fn merge(fields: &mut Value, instead: Value) {
    let (Value::Object(fields), Value::Object(instead)) = (fields, instead) else { panic!("no objects") };
    fields.extend(instead);
}

fn failure(reason: &str) -> Answer {
    Answer::failure(reason)
}

/// The only message that was published, and where to.
fn only(published: Vec<Published>) -> (Destination, Fields) {
    let [Published { destination, body }] = <[_; 1]>::try_from(published).expect("one message");
    (destination, serde_json::from_slice(&body).expect("JSON"))
}
