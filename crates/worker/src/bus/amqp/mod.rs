//! RabbitMQ, by AMQP 0-9-1, with the exchanges, queues and properties that Vumi's own parts use.
//!
//! Two connections: a broker that is short of memory or disk space stops reading from those that publish, and acknowledgements must
//! not wait behind that. Each is made again for as long as the bus is there. Consumers and publishers have a channel each, so that what
//! the broker refuses to one does not end another, and begin anew on each connection. What comes by a connection that is lost meanwhile cannot be settled, and comes again.
//!
//! Nothing is lost, and some things are there twice: a message whose acknowledgement did not arrive, a publication whose confirmation
//! did not.

mod consumer;
mod error;
mod publisher;
mod session;
mod settle;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use lapin::options::{ExchangeDeclareOptions, QueueDeclareOptions};
use lapin::types::FieldTable;
use lapin::{Channel, ExchangeKind};
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use self::consumer::{Consumer, queue_name};
use self::error::{disconnected, short};
use self::publisher::{Outgoing, Publisher, Routing};
use self::session::{Links, Session};
use super::{Boxed, Bus, BusError, Delivery, Destination, Queue, Subscription};
use crate::config::Broker;

/// The exchange of messages and events.
const EXCHANGE: &str = "vumi";

/// The exchange of metrics, and the key of what is published there.
const METRICS: &str = "vumi.metrics";

/// The exchange of heartbeats.
const HEALTH: &str = "vumi.health";

/// The key of heartbeats.
const HEALTH_KEY: &str = "heartbeat.inbound";

/// The pause after the broker refused something that somebody has to set right.
const SLOW: Duration = Duration::from_secs(30);

/// For consumers to end when they are told to, and for what is unconfirmed in the end.
const ENDING: Duration = Duration::from_secs(10);

/// A bus that is a RabbitMQ.
#[derive(Debug)]
pub struct AmqpBus {
    consuming: Links,
    publishing: Links,
    messages: Publisher,
    metrics: Publisher,
    health: Publisher,
    dead_letters: Publisher,
    consumers: TaskTracker,
    paused: CancellationToken,
    closed: CancellationToken,
    troubles: Arc<Troubles>,
}

/// What is wrong with single queues, by their names.
#[derive(Debug, Default)]
struct Troubles(Mutex<BTreeMap<String, String>>);

impl Troubles {
    fn set(&self, queue: &str, why: &str) {
        self.lock().insert(queue.to_owned(), why.to_owned());
    }

    fn clear(&self, queue: &str) {
        self.lock().remove(queue);
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, String>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl AmqpBus {
    /// Begins to connect to a broker, and goes on until it is dropped: it need not be there, yet. Must be called inside of a runtime.
    #[must_use]
    pub fn begin(broker: &Broker) -> Self {
        let closed = CancellationToken::new();
        let consuming = Links::begin(broker, "consuming", closed.clone());
        let publishing = Links::begin(broker, "publishing", closed.clone());
        let publisher = |exchange| Publisher::begin(publishing.clone(), exchange);
        Self {
            messages: publisher(EXCHANGE),
            metrics: publisher(METRICS),
            health: publisher(HEALTH),
            dead_letters: publisher(""),
            consuming,
            publishing,
            consumers: TaskTracker::new(),
            paused: CancellationToken::new(),
            closed,
            troubles: Arc::default(),
        }
    }

    async fn count(&self, name: &str) -> Option<u64> {
        let queue = short(name).ok()?;
        let session = self.publishing.now().ok()?;
        let channel = session.channel().await.ok()?;
        let passive = channel.queue_declare(queue, QueueDeclareOptions::durable().passive(), FieldTable::default());
        let declared = session.ask("counting messages", passive).await.ok()?;
        Some(declared.message_count().into())
    }
}

impl Bus for AmqpBus {
    fn consume(&self, subscription: Subscription) -> Boxed<'_, Result<mpsc::Receiver<Delivery>, BusError>> {
        if self.paused.is_cancelled() {
            return Box::pin(std::future::ready(Err(disconnected("the bus is paused"))));
        }
        let (sender, receiver) = mpsc::channel(subscription.prefetch.max(1).into());
        let consumer = Consumer {
            subscription: Arc::new(subscription),
            links: self.consuming.clone(),
            dead_letters: self.dead_letters.clone(),
            sender,
            paused: self.paused.clone(),
            troubles: Arc::clone(&self.troubles),
        };
        self.consumers.spawn(consumer.run());
        Box::pin(std::future::ready(Ok(receiver)))
    }

    fn publish(&self, destination: Destination, body: Vec<u8>) -> Boxed<'static, Result<(), BusError>> {
        let (publisher, key) = match destination {
            Destination::Outbound { transport_name } => (&self.messages, format!("{transport_name}.outbound")),
            Destination::Metrics => (&self.metrics, METRICS.to_owned()),
            Destination::Heartbeat => (&self.health, HEALTH_KEY.to_owned()),
        };
        if let Err(error) = short(&key) {
            return Box::pin(std::future::ready(Err(error)));
        }
        publisher.publish(Outgoing { routing: Routing::Key(key), body: Bytes::from(body) })
    }

    fn state(&self) -> Result<(), String> {
        self.consuming.now()?;
        self.publishing.now()?;
        let troubles = self.troubles.lock();
        let Some((_, first)) = troubles.first_key_value() else { return Ok(()) };
        Err(first.clone())
    }

    fn depth(&self, transport_name: &str, queue: Queue) -> Boxed<'_, Option<u64>> {
        let name = queue_name(transport_name, queue);
        Box::pin(async move { self.count(&name).await })
    }

    fn pause(&self) -> Boxed<'_, ()> {
        self.paused.cancel();
        self.consumers.close();
        Box::pin(async {
            // A broker that does not answer takes everything back when the connection ends.
            let _ = timeout(ENDING, self.consumers.wait()).await;
        })
    }

    fn close(&self) -> Boxed<'_, ()> {
        Box::pin(async {
            self.pause().await;
            let finished = async {
                for publisher in [&self.messages, &self.metrics, &self.health, &self.dead_letters] {
                    publisher.finished().await;
                }
            };
            // All that matters was awaited by who published it.
            let _ = timeout(ENDING, finished).await;
            self.closed.cancel();
        })
    }
}

impl Drop for AmqpBus {
    fn drop(&mut self) {
        self.paused.cancel();
        self.closed.cancel();
    }
}

/// Declares an exchange as Vumi does.
async fn declare_exchange(session: &Session, channel: &Channel, name: &'static str) -> Result<(), BusError> {
    let options = ExchangeDeclareOptions { durable: true, ..ExchangeDeclareOptions::default() };
    let declared = channel.exchange_declare(name.into(), ExchangeKind::Direct, options, FieldTable::default());
    session.ask(&format!("declaring the exchange `{name}`"), declared).await
}
