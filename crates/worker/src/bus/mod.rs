//! Where messages come from and go to: RabbitMQ, or this process itself.

pub mod amqp;
pub(crate) mod backoff;
pub mod local;

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::mpsc;

use crate::config::App;

/// Which of an app's two queues.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Queue {
    /// `<transport_name>.inbound`: messages of users.
    Inbound,
    /// `<transport_name>.event`: what became of ours.
    Event,
}

/// Where something is published.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Destination {
    /// `<transport_name>.outbound`, in the exchange of messages.
    Outbound {
        /// The transport.
        transport_name: String,
    },
    /// The exchange of metrics.
    Metrics,
    /// The exchange of heartbeats.
    Heartbeat,
}

/// What a consumer wants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subscription {
    /// The app's name: dead letters tell it.
    pub app: String,
    /// The app's transport.
    pub transport_name: String,
    /// Which of its queues.
    pub queue: Queue,
    /// Deliveries that may be unsettled at any moment; at least 1.
    pub prefetch: u16,
    /// Where dead letters go.
    pub dead_letter_queue: String,
}

impl Subscription {
    /// An app's subscription to one of its queues.
    #[must_use]
    pub fn of(app: &App, queue: Queue) -> Self {
        let dead_letter_queue = app.dead_letter_queue.clone();
        Self {
            app: app.name.clone(),
            transport_name: app.transport_name.clone(),
            queue,
            prefetch: app.prefetch,
            dead_letter_queue: dead_letter_queue.unwrap_or_else(|| format!("{}.dead", app.transport_name)),
        }
    }
}

/// A message that has come and is not settled. Dropped without being settled, it comes again.
#[derive(Debug)]
pub struct Delivery {
    /// The bytes, as they came. Hostile.
    pub body: Bytes,
    /// It was delivered before, and not acknowledged.
    pub redelivered: bool,
    /// Decides what becomes of it.
    pub settle: Settle,
}

/// What becomes of a delivery. Each way consumes it.
pub struct Settle(Box<dyn Settling>);

impl fmt::Debug for Settle {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Settle")
    }
}

/// A future of this module.
pub type Boxed<'a, T> = std::pin::Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// How a bus settles a delivery.
pub trait Settling: Send + Sync {
    /// It is done.
    fn acknowledge(self: Box<Self>) -> Boxed<'static, Result<(), BusError>>;
    /// It goes to the queue of dead letters, with the reason; once that is confirmed, it is done here.
    fn bury(self: Box<Self>, reason: String) -> Boxed<'static, Result<(), BusError>>;
    /// Whether it cannot be settled any more, because the connection that it came by is lost.
    fn is_void(&self) -> bool {
        false
    }
}

impl Settle {
    /// Of a bus.
    pub fn new(settling: impl Settling + 'static) -> Self {
        Self(Box::new(settling))
    }

    /// It is done.
    ///
    /// # Errors
    /// The broker went away: it will come again.
    pub async fn acknowledge(self) -> Result<(), BusError> {
        self.0.acknowledge().await
    }

    /// Whether it cannot be settled any more, because the connection that it came by is lost. It comes again, so what is not begun
    /// need not be begun.
    #[must_use]
    pub fn is_void(&self) -> bool {
        self.0.is_void()
    }

    /// To the queue of dead letters, with the reason.
    ///
    /// # Errors
    /// The broker went away, or has no such queue: it will come again.
    pub async fn bury(self, reason: impl Into<String>) -> Result<(), BusError> {
        self.0.bury(reason.into()).await
    }
}

/// What can go wrong with a bus.
#[derive(Debug, Clone, thiserror::Error)]
pub enum BusError {
    /// No connection, for now. It is being made again.
    #[error("no connection to the message broker: {0}")]
    Disconnected(String),
    /// The broker took the message and then said that it could not keep it.
    #[error("the message broker refused a message")]
    Refused,
    /// Too much is unconfirmed already.
    #[error("too many messages wait for the message broker to confirm them")]
    Full,
    /// The queue or the exchange is there with other properties, or we may not use it.
    #[error("the message broker does not let us: {0}")]
    Topology(String),
}

/// A bus.
///
/// `consume` and `publish` hold across reconnections: a consumer goes on by itself, and a message is published again until it is
/// confirmed, or there was no connection for as long as the bus waits for one.
pub trait Bus: Send + Sync + fmt::Debug {
    /// Messages of one queue. At most `prefetch` are unsettled at any moment. Declares and binds what is needed. A receiver that is
    /// dropped ends the consumer: what was delivered and is not settled can be settled still, or comes again when it is dropped.
    fn consume(&self, subscription: Subscription) -> Boxed<'_, Result<mpsc::Receiver<Delivery>, BusError>>;
    /// Publishes; the future ends when the broker has confirmed. Publications are in the order of the calls, not of the polls.
    fn publish(&self, destination: Destination, body: Vec<u8>) -> Boxed<'static, Result<(), BusError>>;
    /// Whether there is a connection now, for readiness; else what is wrong.
    fn state(&self) -> Result<(), String>;
    /// How many messages wait in a queue, not counting those that were delivered; `None` where that is not known at once.
    fn depth(&self, _transport_name: &str, _queue: Queue) -> Boxed<'_, Option<u64>> {
        Box::pin(std::future::ready(None))
    }
    /// Stops consuming, so that what has come can be finished: receivers end after what they hold.
    fn pause(&self) -> Boxed<'_, ()>;
    /// Stops consuming, waits a little for what was published to be confirmed, and lets the broker go. For the end of the worker, after
    /// all is settled.
    fn close(&self) -> Boxed<'_, ()> {
        Box::pin(std::future::ready(()))
    }
}

/// Shared by all who publish.
pub type SharedBus = Arc<dyn Bus>;
