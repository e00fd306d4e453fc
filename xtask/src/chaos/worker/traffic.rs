//! Messages on their way, and those who are in it.

use std::pin::Pin;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail};
use futures_util::stream::{FuturesUnordered, SelectAll};
use futures_util::{Stream, StreamExt};
use lapin::message::Delivery;
use lapin::options::{BasicAckOptions, BasicQosOptions, ConfirmSelectOptions};
use lapin::{Channel, Connection};

use super::APPS;
use super::messages::Ledger;
use crate::bench::worker::daemon::Worker;
use crate::bench::worker::link::{connect, consume, publish};
use crate::chaos::random::Random;
use crate::chaos::sabotage::Victim;
use crate::servers::rabbitmq::RabbitMq;

/// Without any answer or dead letter for so long, those that are open are lost.
const PATIENCE: Duration = Duration::from_secs(120);
/// Between two processes of apps that are killed, at most.
const KILLS: u64 = 4000;

/// All that goes on.
pub(super) struct Traffic {
    pub(super) broker: RabbitMq,
    pub(super) worker: Worker,
    pub(super) ledger: Ledger,
    pub(super) window: usize,
    pub(super) restarts: u64,
    pub(super) restarted: u64,
    pub(super) killed: u64,
}

/// What comes: an answer, or a dead letter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum What {
    Answer,
    DeadLetter,
}

/// What comes over one connection.
type Deliveries = Pin<Box<dyn Stream<Item = (What, lapin::Result<Delivery>)>>>;

/// A connection, as long as it lasts.
struct Session {
    channel: Channel,
    deliveries: SelectAll<Deliveries>,
    /// Closed with it.
    _connection: Connection,
}

impl Traffic {
    /// Until every message has ended.
    ///
    /// # Errors
    ///
    /// One does not, or something else is not as it must be.
    pub(super) fn flow(&mut self) -> Result<()> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let mut random = Random::branch(1, self.ledger.total);
        while self.ledger.done() < self.ledger.total {
            let broken = runtime.block_on(async {
                let session = self.connect().await?;
                self.session(session, &mut random).await
            })?;
            if broken {
                eprintln!("the broker is killed after {} messages of {}", self.ledger.done(), self.ledger.total);
                self.broker.kill();
                self.broker.start_again().map_err(|why| anyhow!("RabbitMQ: {why}"))?;
                self.restarted += 1;
            }
        }
        Ok(())
    }

    async fn connect(&self) -> Result<Session> {
        let (connection, channel) = connect(&self.broker.url()).await?;
        channel.confirm_select(ConfirmSelectOptions::default()).await?;
        channel.basic_qos(1000, BasicQosOptions::default()).await?;
        let mut deliveries = SelectAll::new();
        for (app, _) in APPS {
            for (queue, what) in [(format!("{app}.outbound"), What::Answer), (format!("{app}.dead"), What::DeadLetter)]
            {
                let consumer = consume(&channel, &queue, what == What::Answer, false).await?;
                deliveries.push(consumer.map(move |delivery| (what, delivery)).boxed_local());
            }
        }
        Ok(Session { channel, deliveries, _connection: connection })
    }

    /// Sends, and takes what comes. Ends when all have ended, with `false`, or when it is time to kill the broker, with `true`.
    async fn session(&mut self, session: Session, random: &mut Random) -> Result<bool> {
        let Session { channel, mut deliveries, _connection } = session;
        let kill_after =
            (self.restarted < self.restarts).then(|| self.ledger.total * (self.restarted + 1) / (self.restarts + 1));
        let mut confirmations = FuturesUnordered::new();
        // Whatever the last broker may have lost.
        let mut to_send: Vec<String> =
            self.ledger.open.iter().filter(|(_, sent)| !sent.confirmed).map(|(id, _)| id.clone()).collect();
        let mut quiet_since = Instant::now();
        let mut next_kill = Instant::now() + Duration::from_millis(KILLS);
        loop {
            while self.ledger.open.len() < self.window
                && let Some(id) = self.ledger.next()
            {
                to_send.push(id);
            }
            for id in to_send.drain(..) {
                let Some(sent) = self.ledger.open.get(&id) else { continue };
                let key = format!("{}.inbound", sent.transport);
                let confirmed = publish(&channel, &key, &sent.body).await?;
                confirmations.push(async { (id, confirmed.await) });
            }
            if self.ledger.done() >= self.ledger.total {
                return Ok(false);
            }
            if kill_after.is_some_and(|after| self.ledger.done() >= after) {
                return Ok(true);
            }
            tokio::select! {
                Some((id, confirmed)) = confirmations.next() => {
                    let confirmed: lapin::Confirmation = confirmed?;
                    if let (Some(sent), lapin::Confirmation::Ack(_)) = (self.ledger.open.get_mut(&id), confirmed) {
                        sent.confirmed = true;
                    }
                }
                delivery = deliveries.next() => {
                    let (what, delivery) = delivery.context("the broker ended all consumers")?;
                    let delivery = delivery.context("the connection was lost without our doing")?;
                    match what {
                        What::Answer => self.ledger.answered(&delivery.data)?,
                        What::DeadLetter => self.ledger.died(&delivery.data)?,
                    }
                    delivery.ack(BasicAckOptions::default()).await?;
                    quiet_since = Instant::now();
                }
                () = tokio::time::sleep(Duration::from_millis(200)) => {}
            }
            if quiet_since.elapsed() > PATIENCE {
                bail!("{} messages neither answered nor dead after {PATIENCE:?} of silence", self.ledger.open.len());
            }
            if Instant::now() > next_kill {
                next_kill = Instant::now() + Duration::from_millis(random.below(KILLS));
                self.killed += u64::from(Victim::Inner.kill(self.worker.id(), random)?);
            }
        }
    }
}
