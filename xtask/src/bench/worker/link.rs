//! The other side of the broker: what transports do, which give the worker messages and take its answers.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use futures_util::StreamExt as _;
use lapin::options::{
    BasicConsumeOptions, BasicPublishOptions, ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions,
};
use lapin::types::FieldTable;
use lapin::{BasicProperties, Channel, Connection, ConnectionProperties, Consumer, ExchangeKind, PublisherConfirm};
use serde_json::Value;
use tokio::runtime::Runtime;

use super::apps::{Kind, message};

/// For an answer; nothing that works takes nearly as long.
const PATIENCE: Duration = Duration::from_secs(60);

/// Vumi's exchange.
pub(crate) const EXCHANGE: &str = "vumi";

/// Connects, and makes the exchange.
///
/// # Errors
///
/// There is no broker.
pub(crate) async fn connect(url: &str) -> Result<(Connection, Channel)> {
    let connection = Connection::connect(url, ConnectionProperties::default()).await.context("no broker")?;
    let channel = connection.create_channel().await?;
    let durable = ExchangeDeclareOptions { durable: true, ..ExchangeDeclareOptions::default() };
    channel.exchange_declare(EXCHANGE.into(), ExchangeKind::Direct, durable, FieldTable::default()).await?;
    Ok((connection, channel))
}

/// Consumes a queue, which is made, and bound to the key of its name unless it takes dead letters.
///
/// # Errors
///
/// The broker does not want it.
pub(crate) async fn consume(channel: &Channel, queue: &str, is_bound: bool, no_ack: bool) -> Result<Consumer> {
    let none = FieldTable::default;
    channel.queue_declare(queue.into(), QueueDeclareOptions::durable(), none()).await?;
    if is_bound {
        channel.queue_bind(queue.into(), EXCHANGE.into(), queue.into(), QueueBindOptions::default(), none()).await?;
    }
    let options = BasicConsumeOptions { no_ack, ..BasicConsumeOptions::default() };
    Ok(channel.basic_consume(queue.into(), "".into(), options, none()).await?)
}

/// Publishes as Vumi does. What is given back ends when the broker has confirmed, on channels that it confirms on.
///
/// # Errors
///
/// The broker is gone.
pub(crate) async fn publish(channel: &Channel, key: &str, body: &[u8]) -> Result<PublisherConfirm> {
    let properties = BasicProperties::default().with_delivery_mode(2);
    let options = BasicPublishOptions::default();
    Ok(channel.basic_publish(EXCHANGE.into(), key.into(), options, body, properties).await?)
}

/// A connection of a bench to a broker.
#[derive(Debug)]
pub(super) struct Link {
    runtime: Runtime,
    connection: Connection,
    channel: Channel,
    answers: HashMap<String, Consumer>,
    sent: u64,
}

/// Users of one app, each in a conversation.
#[derive(Debug)]
pub(super) struct Users {
    transport: String,
    kind: Kind,
    /// What their addresses begin with.
    prefix: String,
    /// How far each is.
    turns: Vec<usize>,
}

impl Users {
    /// So many, who have not said anything yet. Users of different prefixes are not the same.
    pub(super) fn new(transport: &str, kind: Kind, prefix: &str, count: usize) -> Self {
        Self { transport: transport.to_owned(), kind, prefix: prefix.to_owned(), turns: vec![0; count] }
    }
}

/// What was measured of a conversation.
#[derive(Debug, Default)]
pub(super) struct Heard {
    /// From each message to its answer.
    pub(super) times: Vec<Duration>,
    pub(super) took: Duration,
}

impl Link {
    /// Connects.
    ///
    /// # Errors
    ///
    /// There is no broker.
    pub(super) fn open(url: &str) -> Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (connection, channel) = runtime.block_on(connect(url))?;
        Ok(Self { runtime, connection, channel, answers: HashMap::new(), sent: 0 })
    }

    /// Lets users talk with their app for some time: each says the next thing when it has heard the last. Ends when all have.
    ///
    /// # Errors
    ///
    /// An answer is wrong, or does not come.
    pub(super) fn talk(&mut self, users: &mut Users, lasting: Duration) -> Result<Heard> {
        let Self { runtime, channel, answers, sent, .. } = self;
        let queue = format!("{}.outbound", users.transport);
        runtime.block_on(async {
            let consumer = match answers.entry(queue) {
                std::collections::hash_map::Entry::Occupied(entry) => entry.into_mut(),
                std::collections::hash_map::Entry::Vacant(entry) => {
                    let consumer = consume(channel, entry.key(), true, true).await?;
                    entry.insert(consumer)
                }
            };
            talk(channel, consumer, users, sent, lasting).await
        })
    }

    /// Ends the connection properly.
    ///
    /// # Errors
    ///
    /// It is gone.
    pub(super) fn close(self) -> Result<()> {
        Ok(self.runtime.block_on(self.connection.close(200, "".into()))?)
    }
}

async fn talk(
    channel: &Channel,
    consumer: &mut Consumer,
    users: &mut Users,
    sent: &mut u64,
    lasting: Duration,
) -> Result<Heard> {
    let Users { transport, kind, prefix, turns } = users;
    let key = format!("{transport}.inbound");
    let mut waiting: HashMap<String, (usize, Instant)> = HashMap::new();
    let mut heard = Heard::default();
    let began = Instant::now();
    let mut next: Vec<usize> = (0..turns.len()).collect();
    loop {
        for user in next.drain(..) {
            let turn = kind.turn(turns[user]);
            *sent += 1;
            let id = format!("{:032x}", *sent);
            let body = message(transport, &id, &format!("{prefix}{user:05}"), turn.event, turn.says).to_string();
            waiting.insert(id, (user, Instant::now()));
            publish(channel, &key, body.as_bytes()).await?;
        }
        if waiting.is_empty() {
            heard.took = began.elapsed();
            return Ok(heard);
        }
        let Ok(delivery) = tokio::time::timeout(PATIENCE, consumer.next()).await else {
            bail!("{} messages of {transport} are not answered after {PATIENCE:?}", waiting.len());
        };
        let delivery = delivery.context("the broker ended the consumer")??;
        let answer: Value = serde_json::from_slice(&delivery.data).context("an answer is not JSON")?;
        let id = answer.get("in_reply_to").and_then(Value::as_str).unwrap_or_default();
        let Some((user, asked)) = waiting.remove(id) else { bail!("nobody asked for {answer}") };
        heard.times.push(asked.elapsed());
        let content = answer.get("content").and_then(Value::as_str).unwrap_or_default();
        let expected = kind.turn(turns[user]).hears;
        ensure!(
            content.starts_with(expected),
            "user {user} of {transport} expected {expected:?} and heard {content:?}"
        );
        turns[user] += 1;
        if began.elapsed() < lasting {
            next.push(user);
        }
    }
}
