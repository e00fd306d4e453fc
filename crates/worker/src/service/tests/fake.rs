//! A bus and apps that do what a test says, and write down what was done with them.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::sync::mpsc;

use crate::bus::{Boxed, Bus, BusError, Delivery, Destination, Queue, Settle, Settling, Subscription};
use crate::config::{App, Program};
use crate::message::Message;
use crate::run::RunContext;
use crate::service::{Deployment, Handler, Verdict};

/// What became of a delivery.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Settled {
    Acknowledged(u64),
    Buried(u64, String),
    Dropped(u64),
}

type Senders = HashMap<(String, Queue), mpsc::Sender<Delivery>>;

#[derive(Debug, Default)]
struct Inner {
    senders: Mutex<Senders>,
    settled: Mutex<Vec<Settled>>,
    published: Mutex<Vec<Value>>,
    /// Settlements and publications that still fail.
    refusals: Mutex<(u32, u32)>,
    consumed: Mutex<u32>,
}

#[derive(Debug, Clone, Default)]
pub(super) struct FakeBus(Arc<Inner>);

struct FakeSettling {
    bus: FakeBus,
    number: u64,
    settled: bool,
}

impl FakeSettling {
    fn settle(
        mut self: Box<Self>,
        how: impl FnOnce(u64) -> Settled + Send + 'static,
    ) -> Boxed<'static, Result<(), BusError>> {
        self.settled = true;
        Box::pin(async move {
            let mut refusals = self.bus.0.refusals.lock().unwrap();
            if refusals.0 > 0 {
                refusals.0 -= 1;
                return Err(BusError::Disconnected("a test".to_owned()));
            }
            self.bus.0.settled.lock().unwrap().push(how(self.number));
            Ok(())
        })
    }
}

impl Settling for FakeSettling {
    fn acknowledge(self: Box<Self>) -> Boxed<'static, Result<(), BusError>> {
        self.settle(Settled::Acknowledged)
    }

    fn bury(self: Box<Self>, reason: String) -> Boxed<'static, Result<(), BusError>> {
        self.settle(|number| Settled::Buried(number, reason))
    }
}

impl Drop for FakeSettling {
    fn drop(&mut self) {
        if !self.settled {
            self.bus.0.settled.lock().unwrap().push(Settled::Dropped(self.number));
        }
    }
}

impl FakeBus {
    /// Delivers a body, once there is a consumer.
    pub(super) async fn deliver(&self, queue: Queue, number: u64, body: &[u8], redelivered: bool) {
        let sender = loop {
            let sender = self.0.senders.lock().unwrap().get(&("t".to_owned(), queue)).cloned();
            match sender {
                Some(sender) if !sender.is_closed() => break sender,
                _ => tokio::time::sleep(Duration::from_millis(1)).await,
            }
        };
        let settle = Settle::new(FakeSettling { bus: self.clone(), number, settled: false });
        let delivery = Delivery { body: body.to_vec().into(), redelivered, settle };
        sender.send(delivery).await.expect("a consumer");
    }

    /// Delivers a user's message.
    pub(super) async fn message(&self, number: u64, user: &str) {
        self.deliver(Queue::Inbound, number, &message(number, user), false).await;
    }

    pub(super) fn settled(&self) -> Vec<Settled> {
        self.0.settled.lock().unwrap().clone()
    }

    /// Contents of what was published, in order.
    pub(super) fn published(&self) -> Vec<String> {
        let published = self.0.published.lock().unwrap();
        published.iter().map(|body| body["content"].as_str().unwrap_or_default().to_owned()).collect()
    }

    pub(super) fn refuse(&self, settlements: u32, publications: u32) {
        *self.0.refusals.lock().unwrap() = (settlements, publications);
    }

    /// Ends all consumers, as a bus must not.
    pub(super) fn end_consumers(&self) {
        self.0.senders.lock().unwrap().clear();
    }

    pub(super) fn consumed(&self) -> u32 {
        *self.0.consumed.lock().unwrap()
    }
}

impl Bus for FakeBus {
    fn consume(&self, wanted: Subscription) -> Boxed<'_, Result<mpsc::Receiver<Delivery>, BusError>> {
        let (sender, receiver) = mpsc::channel(wanted.prefetch.into());
        *self.0.consumed.lock().unwrap() += 1;
        self.0.senders.lock().unwrap().insert((wanted.transport_name, wanted.queue), sender);
        Box::pin(async { Ok(receiver) })
    }

    fn publish(&self, _destination: Destination, body: Vec<u8>) -> Boxed<'static, Result<(), BusError>> {
        let mut refusals = self.0.refusals.lock().unwrap();
        if refusals.1 > 0 {
            refusals.1 -= 1;
            return Box::pin(async { Err(BusError::Refused) });
        }
        self.0.published.lock().unwrap().push(serde_json::from_slice(&body).expect("JSON"));
        Box::pin(async { Ok(()) })
    }

    fn state(&self) -> Result<(), String> {
        Ok(())
    }

    fn pause(&self) -> Boxed<'_, ()> {
        Box::pin(async {})
    }
}

type Act = dyn Fn(Arc<RunContext>, Message) -> Boxed<'static, Verdict> + Send + Sync;

/// An app.
pub(super) struct FakeApp {
    act: Box<Act>,
    closed: Arc<Mutex<bool>>,
}

impl fmt::Debug for FakeApp {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("FakeApp")
    }
}

impl Handler for FakeApp {
    fn attempt<'a>(&'a self, context: RunContext, message: &'a Message) -> Boxed<'a, Verdict> {
        let context = Arc::new(context);
        let acting = (self.act)(Arc::clone(&context), message.clone());
        Box::pin(async move {
            let verdict = acting.await;
            context.confirmed().await.expect("what is published is published until it is confirmed");
            verdict
        })
    }

    fn close(&self) -> Boxed<'_, ()> {
        *self.closed.lock().unwrap() = true;
        Box::pin(async {})
    }

    fn memory(&self) -> Option<u64> {
        Some(4096)
    }
}

/// The app `t`, whose messages are all of one tenant.
pub(super) fn app() -> App {
    let program = Program::Executable { executable: "/bin/true".into(), args: Vec::new() };
    App { sandbox_id: Some("tenant".to_owned()), ..App::new("t", program) }
}

/// An app that does this; and whether it was closed.
pub(super) fn deployment<F>(
    app: App,
    act: impl Fn(Arc<RunContext>, Message) -> F + Send + Sync + 'static,
) -> (Deployment, Arc<Mutex<bool>>)
where
    F: Future<Output = Verdict> + Send + 'static,
{
    let closed = Arc::new(Mutex::new(false));
    let act = Box::new(move |context, message| -> Boxed<'static, Verdict> { Box::pin(act(context, message)) });
    (Deployment { app, handler: Box::new(FakeApp { act, closed: Arc::clone(&closed) }) }, closed)
}

/// A user message's body.
pub(in crate::service) fn message(number: u64, user: &str) -> Vec<u8> {
    json!({
        "message_version": "20110921",
        "message_type": "user_message",
        "timestamp": "2026-11-20 16:01:35.766753",
        "message_id": number.to_string(),
        "to_addr": "*120#",
        "from_addr": user,
        "in_reply_to": null,
        "session_event": "resume",
        "content": number.to_string(),
        "transport_name": "t",
        "transport_type": "ussd",
        "transport_metadata": {},
        "helper_metadata": {},
    })
    .to_string()
    .into_bytes()
}

/// An event's body.
pub(in crate::service) fn event(about: &str, endpoint: &str) -> Vec<u8> {
    json!({
        "message_version": "20110921",
        "message_type": "event",
        "timestamp": "2026-11-20 16:01:35.766753",
        "event_id": "e",
        "event_type": "ack",
        "user_message_id": about,
        "sent_message_id": "s",
        "helper_metadata": {},
        "routing_metadata": {"endpoint_name": endpoint},
    })
    .to_string()
    .into_bytes()
}

/// Publishes a reply with this content.
pub(super) fn reply(context: &RunContext, content: &str, id: u64) {
    let body = json!({"message_id": id.to_string(), "timestamp": id.to_string(), "content": content, "to_addr": "u"});
    let destination = Destination::Outbound { transport_name: "t".to_owned() };
    context.publish(destination, body.to_string().into_bytes());
}

/// Waits for a condition; panics when it does not come.
pub(super) async fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while !condition() {
        assert!(Instant::now() < deadline, "in vain: {what}");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}
