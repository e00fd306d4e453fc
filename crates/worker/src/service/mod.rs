//! The apps of a worker: their messages come, are worked on, and are settled.
//!
//! - **Order.** Messages of one user wait for each other, in a lane; different users are served side by side, as many as the bus
//!   delivers unsettled ([`crate::config::App::prefetch`] of each queue). Apps do not wait for each other.
//! - **Two attempts.** When an app crashes, is killed or runs out of time, its message is given to it once more, at once and with the
//!   lane still occupied, and is not handed back to the broker for it: a message that was given back comes again behind those of the
//!   same user that were delivered already. After the second failure it is a dead letter. One that the broker delivers a second time,
//!   because a worker or a connection was lost, has had its first attempt.
//! - **No reply twice.** What an attempt that failed has published stays published; the next attempt does not repeat it (module `outbox`).
//!   A message that comes again after it was done, because the broker never got to know, is acknowledged and not run (module `recent`).
//! - **Faults of ours** (no sandbox, no engine) count for no attempt: the message waits, and the worker is not ready. But a sandbox that
//!   breaks each time that it runs a message may do so because of it: some such ends in a row are a failure, too.
//! - **Nothing lost.** A message is acknowledged when its run has ended and the broker has confirmed what it published, or when its
//!   dead letter is confirmed. Whatever happens before that, it comes again.

mod app;
mod backoff;
mod consumer;
mod lane;
mod metrics;
mod outbox;
mod recent;
#[cfg(test)]
mod tests;
mod work;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Mutex;
use tokio::time::timeout;
use tracing::{info, warn};

pub use metrics::{CONTENT_TYPE, Metrics};

use crate::bus::{Boxed, Queue, SharedBus};
use crate::config::App;
use crate::message::Message;
use crate::resource::Journal;
use crate::run::RunContext;
use consumer::Consumer;

/// How one attempt ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// The app is done with the message.
    Done,
    /// The app failed: it crashed, was killed, ran out of time. The reason is for its author.
    Failed(String),
    /// There was no attempt: something of ours is missing. It may be there later.
    Unavailable(String),
    /// Something of ours broke while the app ran. Whether the app had a hand in that nobody can tell.
    Interrupted(String),
}

/// Something that runs messages through one app.
pub trait Handler: Send + Sync + fmt::Debug {
    /// One attempt. It ends when what was published is confirmed, whatever else became of it. Dropped before, whatever runs is killed.
    fn attempt<'a>(&'a self, context: RunContext, message: &'a Message) -> Boxed<'a, Verdict>;
    /// Ends everything that is kept for later messages. Called when no attempt runs any more.
    fn close(&self) -> Boxed<'_, ()>;
    /// Memory of all its sandboxes in bytes, as far as it is known.
    fn memory(&self) -> Option<u64>;
}

/// An app with what runs it.
#[derive(Debug)]
pub struct Deployment {
    /// What it is told.
    pub app: App,
    /// What runs it.
    pub handler: Box<dyn Handler>,
}

/// Serves apps. Clones share it.
#[derive(Debug, Clone)]
pub struct Service {
    bus: SharedBus,
    metrics: Arc<Metrics>,
    /// By their names.
    consumers: Arc<Mutex<BTreeMap<String, Consumer>>>,
}

impl Service {
    /// Without any app yet.
    #[must_use]
    pub fn new(bus: SharedBus, metrics: Arc<Metrics>) -> Self {
        Self { bus, metrics, consumers: Arc::default() }
    }

    /// Serves these apps from now on, and no others. One that was served before goes on with its new deployment: what runs ends with
    /// the old one. One that is not named any more stops consuming, finishes what it runs, within `patience`, and leaves the rest to
    /// come again.
    pub async fn deploy(&self, deployments: Vec<Deployment>, patience: Duration) {
        let mut consumers = self.consumers.lock().await;
        let mut former = std::mem::take(&mut *consumers);
        for deployment in deployments {
            let name = deployment.app.name.clone();
            let consumer = match former.remove(&name) {
                Some(consumer) if consumer.fits(&deployment.app) => {
                    consumer.exchange(deployment);
                    consumer
                }
                other => {
                    // The queues of both are the same: one after the other, so that users' messages stay in order.
                    if let Some(consumer) = other {
                        consumer.retire(patience).await;
                    }
                    Consumer::start(Arc::clone(&self.bus), &self.metrics, deployment)
                }
            };
            consumers.insert(name, consumer);
        }
        for (name, consumer) in former {
            info!(app = name, "The app is not served any more.");
            consumer.retire(patience).await;
        }
    }

    /// Whether messages are being worked on; else what is in the way.
    ///
    /// # Errors
    /// What is in the way, for an operator.
    pub async fn ready(&self) -> Result<(), String> {
        self.bus.state()?;
        let consumers = self.consumers.lock().await;
        consumers.iter().try_for_each(|(name, consumer)| {
            consumer.trouble().map_or(Ok(()), |trouble| Err(format!("app {name}: {trouble}")))
        })
    }

    /// The last log lines of the app with this name, if it is served.
    pub async fn journal(&self, app: &str) -> Option<Arc<Journal>> {
        self.consumers.lock().await.get(app).map(Consumer::journal)
    }

    /// All metrics as text, those of this moment brought up to date.
    pub async fn print_metrics(&self) -> String {
        for consumer in self.consumers.lock().await.values() {
            consumer.gauge().await;
        }
        self.metrics.print()
    }

    /// Ends: stops consuming, lets what runs end within `patience`, kills what is left then, and leaves whatever was not finished
    /// unacknowledged, to come again.
    pub async fn stop(&self, patience: Duration) {
        let consumers = std::mem::take(&mut *self.consumers.lock().await);
        for consumer in consumers.values() {
            consumer.drain();
        }
        if timeout(patience, self.bus.pause()).await.is_err() {
            warn!("The broker did not answer when it was told to deliver nothing more.");
        }
        let mut ending = tokio::task::JoinSet::new();
        for consumer in consumers.into_values() {
            ending.spawn(consumer.retire(patience));
        }
        ending.join_all().await;
    }
}

/// Both queues of an app.
const QUEUES: [Queue; 2] = [Queue::Inbound, Queue::Event];
