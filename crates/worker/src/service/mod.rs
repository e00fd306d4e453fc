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
mod assembly;
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
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::Duration;

use tokio::sync::Mutex;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tracing::{info, warn};

pub use assembly::{Assembly, AssemblyError, Chosen};
pub use metrics::{CONTENT_TYPE, Metrics};

use crate::bus::backoff::Backoff;
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

/// What is to be done with an app from now on.
#[derive(Debug)]
pub enum Plan {
    /// It is served by this deployment.
    Serve(Box<Deployment>),
    /// The app with this name goes on as it is.
    Keep(String),
}

/// Serves apps. Clones share it.
#[derive(Debug, Clone)]
pub struct Service {
    bus: SharedBus,
    metrics: Arc<Metrics>,
    /// By their names.
    consumers: Arc<RwLock<BTreeMap<String, Arc<Consumer>>>>,
    /// Held by who changes what is served, which takes time.
    changing: Arc<Mutex<()>>,
}

impl Service {
    /// Without any app yet.
    #[must_use]
    pub fn new(bus: SharedBus, metrics: Arc<Metrics>) -> Self {
        Self { bus, metrics, consumers: Arc::default(), changing: Arc::default() }
    }

    /// Serves these apps from now on, and no others. One that was served before goes on with its new deployment: what runs ends with
    /// the old one. One that is not named any more stops consuming, finishes what it runs, within `patience`, and leaves the rest to
    /// come again.
    pub async fn deploy(&self, plans: Vec<Plan>, patience: Duration) {
        let changing = self.changing.lock().await;
        let mut wanted = BTreeMap::new();
        for plan in plans {
            match plan {
                Plan::Serve(deployment) => wanted.insert(deployment.app.name.clone(), Some(deployment)),
                Plan::Keep(name) => wanted.insert(name, None),
            };
        }
        let fits = |name: &String, consumer: &Arc<Consumer>| match wanted.get(name) {
            Some(Some(deployment)) => consumer.fits(&deployment.app),
            Some(None) => true,
            None => false,
        };
        let retired: Vec<_> = self.write().extract_if(.., |name, consumer| !fits(name, consumer)).collect();
        // Before their successors: users' messages stay in order.
        let mut ending = JoinSet::new();
        for (name, consumer) in retired {
            info!(app = name, "The app is not served any more as it was.");
            ending.spawn(async move { consumer.retire(patience).await });
        }
        ending.join_all().await;
        for (name, deployment) in wanted {
            let Some(deployment) = deployment else { continue };
            let known = self.read().get(&name).cloned();
            match known {
                Some(consumer) => consumer.exchange(*deployment),
                None => {
                    let consumer = Consumer::start(Arc::clone(&self.bus), &self.metrics, *deployment);
                    self.write().insert(name, Arc::new(consumer));
                }
            }
        }
        drop(changing);
    }

    /// Whether messages are being worked on; else what is in the way.
    ///
    /// # Errors
    /// What is in the way, for an operator.
    pub fn ready(&self) -> Result<(), String> {
        self.bus.state()?;
        self.read().iter().try_for_each(|(name, consumer)| {
            consumer.trouble().map_or(Ok(()), |trouble| Err(format!("app {name}: {trouble}")))
        })
    }

    /// The last log lines of the app with this name, if it is served.
    #[must_use]
    pub fn journal(&self, app: &str) -> Option<Arc<Journal>> {
        self.read().get(app).map(|consumer| consumer.journal())
    }

    /// All metrics as text, those of this moment brought up to date.
    pub async fn print_metrics(&self) -> String {
        let consumers: Vec<_> = self.read().values().cloned().collect();
        for consumer in consumers {
            consumer.gauge().await;
        }
        self.metrics.print()
    }

    /// Ends: stops consuming, lets what runs end within `patience`, kills what is left then, and leaves whatever was not finished
    /// unacknowledged, to come again.
    pub async fn stop(&self, patience: Duration) {
        let changing = self.changing.lock().await;
        let consumers = std::mem::take(&mut *self.write());
        for consumer in consumers.values() {
            consumer.drain();
        }
        let mut ending = JoinSet::new();
        for consumer in consumers.into_values() {
            ending.spawn(async move { consumer.retire(patience).await });
        }
        if timeout(patience, self.bus.pause()).await.is_err() {
            warn!("The broker did not answer when it was told to deliver nothing more.");
        }
        ending.join_all().await;
        drop(changing);
    }

    fn read(&self) -> RwLockReadGuard<'_, BTreeMap<String, Arc<Consumer>>> {
        self.consumers.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, BTreeMap<String, Arc<Consumer>>> {
        self.consumers.write().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Pauses before something is tried again: the first and the longest.
const AGAIN: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(10));

fn backoff() -> Backoff {
    Backoff::new(AGAIN.0, AGAIN.1)
}

/// Both queues of an app.
const QUEUES: [Queue; 2] = [Queue::Inbound, Queue::Event];
