//! A bus inside of this process: for apps that are tried at a terminal, and for tests. What it has is gone with it.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use jiff::Timestamp;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::{Boxed, Bus, BusError, Delivery, Destination, Queue, Settle, Settling, Subscription};

/// Messages that wait in one queue, at most.
pub const QUEUE: usize = 10_000;

/// Publications that wait to be received, at most.
pub const PUBLISHED: usize = 10_000;

/// Dead letters that are kept, at most: the oldest go.
pub const DEAD_LETTERS: usize = 1_000;

/// A bus inside of this process. Clones are the same bus.
#[derive(Clone)]
pub struct LocalBus(Arc<Shared>);

/// Something that was published.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Published {
    /// Where to.
    pub destination: Destination,
    /// What.
    pub body: Vec<u8>,
}

/// A message that nobody could handle.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadLetter {
    /// The queue of dead letters that it is in.
    pub dead_letter_queue: String,
    /// The app that could not handle it.
    pub app: String,
    /// The transport whose queue it came from.
    pub transport_name: String,
    /// Which of its queues.
    pub queue: Queue,
    /// Why.
    pub reason: String,
    /// When.
    pub time: Timestamp,
    /// The body, as it came.
    pub body: Bytes,
}

struct Shared {
    state: Mutex<State>,
    /// Each change of the state.
    changes: watch::Sender<()>,
    consumers: TaskTracker,
    paused: CancellationToken,
}

#[derive(Default)]
struct State {
    queues: HashMap<(String, Queue), Waiting>,
    injected: u64,
    published: VecDeque<Published>,
    dead_letters: VecDeque<DeadLetter>,
}

/// One queue.
#[derive(Default)]
struct Waiting {
    /// By their number in the order of injection, which is also that of redelivery.
    ready: BTreeMap<u64, Message>,
    unsettled: usize,
}

#[derive(Debug, Clone)]
struct Message {
    body: Bytes,
    redelivered: bool,
}

impl fmt::Debug for LocalBus {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("LocalBus")
    }
}

impl Default for LocalBus {
    fn default() -> Self {
        let shared = Shared {
            state: Mutex::default(),
            changes: watch::Sender::default(),
            consumers: TaskTracker::new(),
            paused: CancellationToken::new(),
        };
        Self(Arc::new(shared))
    }
}

impl LocalBus {
    /// A bus without any message.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Puts a message or an event into a queue, as a transport would; waits while there are [`QUEUE`] in it.
    pub async fn inject(&self, transport_name: &str, queue: Queue, body: impl Into<Bytes>) {
        let body = body.into();
        let put = |state: &mut State| {
            let waiting = state.queues.entry((transport_name.to_owned(), queue)).or_default();
            if waiting.ready.len() >= QUEUE {
                return None;
            }
            waiting.ready.insert(state.injected, Message { body: body.clone(), redelivered: false });
            state.injected += 1;
            Some(())
        };
        self.0.when(put).await;
    }

    /// The next publication, in their order; waits for one.
    pub async fn published(&self) -> Published {
        self.0.when(|state| state.published.pop_front()).await
    }

    /// The next publication, if there is one already.
    #[must_use]
    pub fn published_already(&self) -> Option<Published> {
        self.0.change(|state| state.published.pop_front())
    }

    /// The last [`DEAD_LETTERS`] dead letters, the oldest first. They stay.
    #[must_use]
    pub fn dead_letters(&self) -> Vec<DeadLetter> {
        self.0.lock().dead_letters.iter().cloned().collect()
    }

    /// Waits until no message waits in any queue, nor is unsettled.
    pub async fn idle(&self) {
        let is_idle = |waiting: &Waiting| waiting.ready.is_empty() && waiting.unsettled == 0;
        self.0.when(|state| state.queues.values().all(is_idle).then_some(())).await;
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the state, and lets all look at it.
    fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let result = change(&mut self.lock());
        self.changes.send_replace(());
        result
    }

    /// Changes the state as soon as that can be done.
    async fn when<T>(&self, mut change: impl FnMut(&mut State) -> Option<T>) -> T {
        let mut changes = self.changes.subscribe();
        loop {
            changes.mark_unchanged();
            let result = change(&mut self.lock());
            if let Some(result) = result {
                self.changes.send_replace(());
                return result;
            }
            // It lives as long as this.
            let _ = changes.changed().await;
        }
    }

    fn queue<T>(&self, subscription: &Subscription, change: impl FnOnce(&mut Waiting) -> T) -> T {
        let key = (subscription.transport_name.clone(), subscription.queue);
        self.change(|state| change(state.queues.entry(key).or_default()))
    }

    /// Delivers for as long as somebody receives.
    async fn deliver(self: Arc<Self>, subscription: Arc<Subscription>, sender: mpsc::Sender<Delivery>) {
        let room = Arc::new(Semaphore::new(subscription.prefetch.max(1).into()));
        let key = (subscription.transport_name.clone(), subscription.queue);
        loop {
            // It is never closed.
            let Ok(permit) = Arc::clone(&room).acquire_owned().await else { return };
            let (number, message) = self
                .when(|state| {
                    let waiting = state.queues.entry(key.clone()).or_default();
                    let first = waiting.ready.pop_first();
                    waiting.unsettled += usize::from(first.is_some());
                    first
                })
                .await;
            let (body, redelivered) = (message.body.clone(), message.redelivered);
            let (bus, subscription) = (Arc::clone(&self), Arc::clone(&subscription));
            let unsettled = Unsettled { bus, subscription, delivered: Some((number, message)), _room: permit };
            // Not received, it is dropped, and goes back.
            let _ = sender.send(Delivery { body, redelivered, settle: Settle::new(unsettled) }).await;
        }
    }
}

impl Bus for LocalBus {
    fn consume(&self, subscription: Subscription) -> Boxed<'_, Result<mpsc::Receiver<Delivery>, BusError>> {
        if self.0.paused.is_cancelled() {
            let paused = BusError::Disconnected("the bus is paused".to_owned());
            return Box::pin(std::future::ready(Err(paused)));
        }
        let (sender, receiver) = mpsc::channel(subscription.prefetch.max(1).into());
        let (paused, gone) = (self.0.paused.clone(), sender.clone());
        let delivering = Arc::clone(&self.0).deliver(Arc::new(subscription), sender);
        self.0.consumers.spawn(async move {
            tokio::select! {
                biased;
                () = paused.cancelled() => {}
                () = gone.closed() => {}
                () = delivering => {}
            }
        });
        Box::pin(std::future::ready(Ok(receiver)))
    }

    fn publish(&self, destination: Destination, body: Vec<u8>) -> Boxed<'static, Result<(), BusError>> {
        let result = self.0.change(|state| {
            if state.published.len() >= PUBLISHED {
                return Err(BusError::Full);
            }
            state.published.push_back(Published { destination, body });
            Ok(())
        });
        Box::pin(std::future::ready(result))
    }

    fn state(&self) -> Result<(), String> {
        Ok(())
    }

    fn depth(&self, transport_name: &str, queue: Queue) -> Boxed<'_, Option<u64>> {
        let state = self.0.lock();
        let waiting = state.queues.get(&(transport_name.to_owned(), queue));
        let depth = waiting.and_then(|waiting| u64::try_from(waiting.ready.len()).ok());
        Box::pin(std::future::ready(depth))
    }

    fn pause(&self) -> Boxed<'_, ()> {
        self.0.paused.cancel();
        self.0.consumers.close();
        Box::pin(self.0.consumers.wait())
    }
}

/// A delivery that is not settled. Dropped, it goes back to its place in the queue.
struct Unsettled {
    bus: Arc<Shared>,
    subscription: Arc<Subscription>,
    /// None once it is settled.
    delivered: Option<(u64, Message)>,
    _room: OwnedSemaphorePermit,
}

impl Settling for Unsettled {
    fn acknowledge(mut self: Box<Self>) -> Boxed<'static, Result<(), BusError>> {
        self.delivered = None;
        self.bus.queue(&self.subscription, |waiting| waiting.unsettled -= 1);
        Box::pin(std::future::ready(Ok(())))
    }

    fn bury(mut self: Box<Self>, reason: String) -> Boxed<'static, Result<(), BusError>> {
        if let Some((_, message)) = self.delivered.take() {
            let Subscription { app, transport_name, queue, dead_letter_queue, .. } = (*self.subscription).clone();
            let (time, body) = (Timestamp::now(), message.body);
            self.bus.change(|state| {
                if state.dead_letters.len() >= DEAD_LETTERS {
                    state.dead_letters.pop_front();
                }
                let letter = DeadLetter { dead_letter_queue, app, transport_name, queue, reason, time, body };
                state.dead_letters.push_back(letter);
            });
        }
        self.acknowledge()
    }
}

impl Drop for Unsettled {
    fn drop(&mut self) {
        if let Some((number, message)) = self.delivered.take() {
            self.bus.queue(&self.subscription, |waiting| {
                waiting.unsettled -= 1;
                waiting.ready.insert(number, Message { redelivered: true, ..message });
            });
        }
    }
}
