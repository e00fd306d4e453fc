//! What one message's attempts publish.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde_json::Value;
use tokio::sync::mpsc;
use tokio::time::sleep;
use tracing::warn;

use crate::bus::{Boxed, Bus, BusError, Delivery, Destination, SharedBus, Subscription};

/// The bus as the attempts of one message see it.
///
/// - What is published is published again until the broker has confirmed it, however long that takes: a message is acknowledged after
///   its answers are safe, and not run anew because a broker was away.
/// - What an attempt that failed has published reached its user. Published again by the next attempt, it is taken as done and not
///   sent. So the second attempt can finish what the first did not (store the state of a session, for one), and nobody gets the same
///   reply twice.
pub(super) struct Outbox {
    bus: SharedBus,
    published: Mutex<Published>,
    on_publication: Box<dyn Fn(&Destination) + Send + Sync>,
}

#[derive(Default)]
struct Published {
    /// By the attempts before this one.
    before: Vec<Publication>,
    /// Of those, what this attempt has not published again.
    unmatched: Vec<Publication>,
    /// By this attempt, as it was given.
    now: Vec<(Destination, Vec<u8>)>,
}

/// What two publications of the same thing have in common.
#[derive(Debug, Clone, PartialEq)]
struct Publication {
    destination: Destination,
    fields: Value,
}

impl Publication {
    /// Numbers and times are given anew to each message.
    fn of(destination: Destination, body: &[u8]) -> Self {
        let mut fields = serde_json::from_slice(body).unwrap_or(Value::Null);
        if let Value::Object(fields) = &mut fields {
            fields.remove("message_id");
            fields.remove("timestamp");
        }
        Self { destination, fields }
    }
}

impl fmt::Debug for Outbox {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Outbox").field("bus", &self.bus).finish_non_exhaustive()
    }
}

impl Outbox {
    /// For one message. `on_publication` hears of each publication that the broker has confirmed.
    pub(super) fn new(bus: SharedBus, on_publication: impl Fn(&Destination) + Send + Sync + 'static) -> Arc<Self> {
        Arc::new(Self { bus, published: Mutex::default(), on_publication: Box::new(on_publication) })
    }

    /// The next attempt begins: what was published until now is what it may repeat.
    pub(super) fn begin_attempt(&self) {
        let mut published = self.published.lock().unwrap_or_else(PoisonError::into_inner);
        let now = std::mem::take(&mut published.now);
        published.before.extend(now.into_iter().map(|(destination, body)| Publication::of(destination, &body)));
        published.unmatched = published.before.clone();
    }

    /// Whether this was published before; else it is noted.
    fn repeats(&self, destination: &Destination, body: &[u8]) -> bool {
        // Numbers to count carry their moment: they are not the same twice.
        if !matches!(destination, Destination::Outbound { .. }) {
            return false;
        }
        let mut published = self.published.lock().unwrap_or_else(PoisonError::into_inner);
        if !published.unmatched.is_empty() {
            let publication = Publication::of(destination.clone(), body);
            if let Some(place) = published.unmatched.iter().position(|earlier| *earlier == publication) {
                published.unmatched.swap_remove(place);
                return true;
            }
        }
        published.now.push((destination.clone(), body.to_vec()));
        false
    }
}

/// A handle that publishes for the attempts of one message.
#[derive(Debug, Clone)]
pub(super) struct Publisher(pub(super) Arc<Outbox>);

impl Bus for Publisher {
    fn consume(&self, subscription: Subscription) -> Boxed<'_, Result<mpsc::Receiver<Delivery>, BusError>> {
        self.0.bus.consume(subscription)
    }

    fn publish(&self, destination: Destination, body: Vec<u8>) -> Boxed<'static, Result<(), BusError>> {
        if self.0.repeats(&destination, &body) {
            return Box::pin(std::future::ready(Ok(())));
        }
        let outbox = Arc::clone(&self.0);
        // Now, and not when it is polled: publications are in the order of the calls.
        let first = outbox.bus.publish(destination.clone(), body.clone());
        Box::pin(async move {
            let mut backoff = super::backoff();
            let mut result = first.await;
            while let Err(error) = result {
                let pause: Duration = backoff.next();
                warn!(%error, again_in = ?pause, "What an app published is not confirmed; it is published again.");
                sleep(pause).await;
                result = outbox.bus.publish(destination.clone(), body.clone()).await;
            }
            (outbox.on_publication)(&destination);
            Ok(())
        })
    }

    fn state(&self) -> Result<(), String> {
        self.0.bus.state()
    }

    fn pause(&self) -> Boxed<'_, ()> {
        self.0.bus.pause()
    }
}
