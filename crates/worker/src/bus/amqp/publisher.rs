//! Publications: in order, each confirmed by the broker, and published again on the next connection until it is.

use std::collections::{BTreeMap, HashSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use lapin::options::{BasicPublishOptions, ConfirmSelectOptions, QueueDeclareOptions};
use lapin::types::{AMQPValue, FieldTable, LongString};
use lapin::{BasicProperties, Channel, Confirmation};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};
use tokio::time::{Instant, sleep, sleep_until};
use tracing::warn;

use super::error::{disconnected, explain, short};
use super::session::{Links, Session};
use super::{SLOW, declare_exchange};
use crate::bus::backoff::Backoff;
use crate::bus::{Boxed, BusError};

/// How long a publication may wait for a connection. Once it is on its way it waits for as long as that connection lasts: a broker that
/// is short of memory reads it when it has some again, and would read a second one as well.
const PATIENCE: Duration = Duration::from_secs(60);

/// Bytes of publications that are not confirmed, in KiB; each counts one more than it has. 32 MiB.
const ROOM: u32 = 32 << 10;

/// Publications on the way to the broker at once.
const WINDOW: usize = 256;

/// Pauses after a channel was lost.
const AGAIN: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(5));

/// AMQP's number for "keep it on the disk".
const PERSISTENT: u8 = 2;

/// Where something goes.
#[derive(Debug, Clone)]
pub(super) enum Routing {
    /// To the publisher's exchange, with a key. What no queue is bound to is gone, as with vxsandbox.
    Key(String),
    /// To a queue, which is declared when it is not there.
    Queue {
        /// Its name.
        name: String,
        /// What is said about the body.
        headers: Vec<(&'static str, String)>,
    },
}

/// Something to publish.
#[derive(Debug)]
pub(super) struct Outgoing {
    pub(super) routing: Routing,
    pub(super) body: Bytes,
}

/// A publication that is not confirmed. Dropped, it leaves its room to others.
struct Entry {
    outgoing: Outgoing,
    answer: oneshot::Sender<Result<(), BusError>>,
    until: Instant,
    _room: OwnedSemaphorePermit,
}

/// Publishes to one exchange.
#[derive(Debug, Clone)]
pub(super) struct Publisher {
    entries: mpsc::UnboundedSender<Entry>,
    room: Arc<Semaphore>,
}

impl Publisher {
    /// To an exchange, which is declared; or to queues, by the default exchange, which has no name.
    pub(super) fn begin(links: Links, exchange: &'static str) -> Self {
        // Bounded by its room.
        let (entries, receiver) = mpsc::unbounded_channel();
        let publishing = Publishing {
            links,
            exchange,
            receiver,
            waiting: VecDeque::new(),
            unconfirmed: BTreeMap::new(),
            published: 0,
            trouble: None,
        };
        tokio::spawn(publishing.run());
        Self { entries, room: Arc::new(Semaphore::new(ROOM as usize)) }
    }

    /// Takes its place in the order now, whenever the future is polled.
    pub(super) fn publish(&self, outgoing: Outgoing) -> Boxed<'static, Result<(), BusError>> {
        match Arc::clone(&self.room).try_acquire_many_owned(size(&outgoing)) {
            Ok(room) => self.enter(outgoing, room),
            Err(_) => Box::pin(std::future::ready(Err(BusError::Full))),
        }
    }

    /// Waits for room; in no order. Only for what is in memory anyhow, because it would come again at once if it were refused.
    pub(super) async fn publish_when_there_is_room(&self, outgoing: Outgoing) -> Result<(), BusError> {
        let room = Arc::clone(&self.room).acquire_many_owned(size(&outgoing)).await;
        self.enter(outgoing, room.map_err(|_| disconnected("the bus is closed"))?).await
    }

    fn enter(&self, outgoing: Outgoing, room: OwnedSemaphorePermit) -> Boxed<'static, Result<(), BusError>> {
        let (answer, answered) = oneshot::channel();
        let entry = Entry { outgoing, answer, until: Instant::now() + PATIENCE, _room: room };
        // Without a task at the other end the answer is dropped with the entry.
        let _ = self.entries.send(entry);
        Box::pin(async move { answered.await.unwrap_or_else(|_| Err(disconnected("the bus is closed"))) })
    }

    /// Waits until nothing is unconfirmed, or too late.
    pub(super) async fn finished(&self) {
        // It is never closed.
        let _ = self.room.acquire_many(ROOM).await;
    }
}

/// The room that a publication takes. What is larger than all of it, as only a dead letter is, takes all.
fn size(outgoing: &Outgoing) -> u32 {
    u32::try_from(outgoing.body.len() / 1024 + 1).unwrap_or(u32::MAX).min(ROOM)
}

impl Entry {
    /// Whoever asked may have gone.
    fn answer(self, answer: Result<(), BusError>) {
        let _ = self.answer.send(answer);
    }
}

/// The other end of a [`Publisher`].
struct Publishing {
    links: Links,
    exchange: &'static str,
    receiver: mpsc::UnboundedReceiver<Entry>,
    waiting: VecDeque<Entry>,
    /// By their number in the order of publication.
    unconfirmed: BTreeMap<u64, Entry>,
    published: u64,
    /// Why what waits is not published.
    trouble: Option<BusError>,
}

/// Nobody can publish any more, and nothing waits.
struct Finished;

impl Publishing {
    async fn run(mut self) {
        let mut backoff = Backoff::new(AGAIN.0, AGAIN.1);
        // No channel before there is something to publish.
        while self.something().await {
            let mut links = self.links.clone();
            let Some(session) = self.meanwhile(links.session()).await else { continue };
            let began = self.published;
            let error = match self.publish(&session).await {
                Ok(Finished) => return,
                Err(error) => error,
            };
            // In their order, before all that came later.
            while let Some((_, entry)) = self.unconfirmed.pop_last() {
                self.waiting.push_front(entry);
            }
            if session.is_lost() {
                self.trouble = Some(error);
                continue;
            }
            if self.published > began {
                backoff.reset();
            }
            let pause = if matches!(error, BusError::Topology(_)) { SLOW } else { backoff.next() };
            warn!(exchange = self.exchange, %error, again_in = ?pause, "Nothing can be published.");
            self.trouble = Some(error);
            self.meanwhile(sleep(pause)).await;
        }
    }

    /// Waits until there is something to publish; false when there never will be.
    async fn something(&mut self) -> bool {
        if self.waiting.is_empty() {
            match self.receiver.recv().await {
                Some(entry) => self.waiting.push_back(entry),
                None => return false,
            }
        }
        true
    }

    /// Waits for something while what waits too long is told so; none when nothing waits any more.
    async fn meanwhile<T>(&mut self, awaited: impl Future<Output = T>) -> Option<T> {
        tokio::pin!(awaited);
        while let Some(first) = self.waiting.front() {
            tokio::select! {
                result = &mut awaited => return Some(result),
                () = sleep_until(first.until) => self.expire(),
            }
        }
        None
    }

    /// Answers those that have waited too long. They are in the order of their deadlines.
    fn expire(&mut self) {
        let now = Instant::now();
        let late = |entry: &Entry| entry.until <= now;
        let error = match (self.links.now(), &self.trouble) {
            (Err(why), _) => disconnected(why),
            (Ok(_), Some(trouble)) => trouble.clone(),
            (Ok(_), None) => disconnected(format!("the broker took nothing within {PATIENCE:?}")),
        };
        while self.waiting.front().is_some_and(late) {
            if let Some(entry) = self.waiting.pop_front() {
                entry.answer(Err(error.clone()));
            }
        }
    }

    /// Publishes over one channel, until it is lost.
    async fn publish(&mut self, session: &Arc<Session>) -> Result<Finished, BusError> {
        let channel = session.channel().await?;
        session.ask("asking for confirmations", channel.confirm_select(ConfirmSelectOptions::default())).await?;
        if !self.exchange.is_empty() {
            declare_exchange(session, &channel, self.exchange).await?;
        }
        self.trouble = None;
        let mut confirmations = FuturesUnordered::new();
        let mut queues = HashSet::new();
        let mut is_open = true;
        loop {
            while self.unconfirmed.len() < WINDOW
                && let Some(entry) = self.waiting.pop_front()
            {
                if let Routing::Queue { name, .. } = &entry.outgoing.routing
                    && !queues.contains(name)
                {
                    match declare_queue(session, name).await {
                        Ok(()) => _ = queues.insert(name.clone()),
                        Err(error @ BusError::Topology(_)) => {
                            refuse_slowly(entry, error);
                            continue;
                        }
                        Err(error) => {
                            self.waiting.push_front(entry);
                            return Err(error);
                        }
                    }
                }
                let number = self.published;
                self.published += 1;
                let begun = begin(session, &channel, self.exchange, &entry.outgoing).await;
                // It may have been published, whatever was answered.
                self.unconfirmed.insert(number, entry);
                let confirmation = begun?;
                confirmations.push(async move { (number, confirmation.await) });
            }
            if !is_open && self.waiting.is_empty() && self.unconfirmed.is_empty() {
                return Ok(Finished);
            }
            let first = self.waiting.front().map(|entry| entry.until);
            tokio::select! {
                Some((number, confirmation)) = confirmations.next() => match confirmation {
                    Ok(confirmation) => if let Some(name) = self.confirmed(number, &confirmation) {
                        queues.remove(&name);
                    },
                    Err(error) => return Err(explain("publishing", &error)),
                },
                entry = self.receiver.recv(), if is_open => match entry {
                    Some(entry) => self.waiting.push_back(entry),
                    None => is_open = false,
                },
                () = sleep_until(first.unwrap_or_else(Instant::now)), if first.is_some() => self.expire(),
                () = session.lost() => return Err(disconnected("the connection was lost")),
            }
        }
    }

    /// Settles a publication. The name of a queue that is not there any more, if that was the answer: it is published again.
    fn confirmed(&mut self, number: u64, confirmation: &Confirmation) -> Option<String> {
        let entry = self.unconfirmed.remove(&number)?;
        match confirmation {
            Confirmation::Ack(None) => entry.answer(Ok(())),
            Confirmation::Ack(Some(_)) => {
                if let Routing::Queue { name, .. } = &entry.outgoing.routing {
                    let name = name.clone();
                    self.waiting.push_front(entry);
                    return Some(name);
                }
                entry.answer(Ok(()));
            }
            Confirmation::Nack(_) | Confirmation::NotRequested => entry.answer(Err(BusError::Refused)),
        }
        None
    }
}

/// Answers after a while, so that what is asked for in vain again and again does not keep the broker busy.
fn refuse_slowly(entry: Entry, error: BusError) {
    warn!(%error, again_in = ?SLOW, "A dead letter has no queue.");
    tokio::spawn(async move {
        sleep(SLOW).await;
        entry.answer(Err(error));
    });
}

/// Writes a publication to the connection.
async fn begin(
    session: &Session,
    channel: &Channel,
    exchange: &'static str,
    outgoing: &Outgoing,
) -> Result<lapin::PublisherConfirm, BusError> {
    let properties = BasicProperties::default().with_delivery_mode(PERSISTENT);
    let (key, mandatory, properties) = match &outgoing.routing {
        Routing::Key(key) => (key, false, properties),
        Routing::Queue { name, headers } => {
            let mut table = FieldTable::default();
            for (name, value) in headers {
                table.insert((*name).into(), AMQPValue::LongString(LongString::from(value.as_str())));
            }
            (name, true, properties.with_headers(table))
        }
    };
    let options = BasicPublishOptions { mandatory, ..BasicPublishOptions::default() };
    let written = channel.basic_publish(exchange.into(), short(key)?, options, &outgoing.body, properties);
    session.wait("publishing", written).await
}

/// Declares a queue of dead letters, unless it is there: its owner may have given it a limit.
///
/// On channels of its own, because a channel ends with each refusal.
async fn declare_queue(session: &Session, name: &str) -> Result<(), BusError> {
    let queue = short(name)?;
    let what = format!("declaring the queue `{name}`");
    let channel = session.channel().await?;
    let passive = channel.queue_declare(queue.clone(), QueueDeclareOptions::durable().passive(), FieldTable::default());
    if session.ask(&what, passive).await.is_ok() {
        return Ok(());
    }
    let channel = session.channel().await?;
    let declared = channel.queue_declare(queue, QueueDeclareOptions::durable(), FieldTable::default());
    session.ask(&what, declared).await.map(|_| ())
}
