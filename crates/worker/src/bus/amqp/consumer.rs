//! Consumers: one for each queue, on a channel of its own, declared anew on each connection.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::{FutureExt, StreamExt};
use lapin::options::{BasicCancelOptions, BasicConsumeOptions, BasicQosOptions, QueueBindOptions, QueueDeclareOptions};
use lapin::types::FieldTable;
use lapin::{Channel, message};
use tokio::sync::mpsc;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::error::{disconnected, short};
use super::publisher::Publisher;
use super::session::{Links, Session};
use super::settle::Unsettled;
use super::{EXCHANGE, SLOW, Troubles, declare_exchange};
use crate::bus::backoff::Backoff;
use crate::bus::{BusError, Delivery, Queue, Settle, Subscription};

/// Pauses before a queue that was lost is consumed again.
const AGAIN: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(10));

/// Consumes one queue for as long as somebody receives.
pub(super) struct Consumer {
    pub(super) subscription: Arc<Subscription>,
    pub(super) links: Links,
    pub(super) dead_letters: Publisher,
    pub(super) sender: mpsc::Sender<Delivery>,
    pub(super) paused: CancellationToken,
    pub(super) troubles: Arc<Troubles>,
}

/// The name of a queue, and of the key that it is bound to.
pub(super) fn queue_name(transport_name: &str, queue: Queue) -> String {
    let suffix = match queue {
        Queue::Inbound => "inbound",
        Queue::Event => "event",
    };
    format!("{transport_name}.{suffix}")
}

/// Waits until there is nothing more to consume for.
async fn over(paused: &CancellationToken, sender: &mpsc::Sender<Delivery>) {
    tokio::select! {
        () = paused.cancelled() => {}
        () = sender.closed() => {}
    }
}

impl Consumer {
    /// Until it is paused, or nobody receives any more.
    pub(super) async fn run(mut self) {
        let name = queue_name(&self.subscription.transport_name, self.subscription.queue);
        let mut backoff = Backoff::new(AGAIN.0, AGAIN.1);
        loop {
            let session = tokio::select! {
                session = self.links.session() => session,
                () = over(&self.paused, &self.sender) => break,
            };
            let error = match self.consume(&session, &name, &mut backoff).await {
                Ok(()) => break,
                Err(error) => error,
            };
            let pause = match &error {
                BusError::Topology(why) => {
                    self.troubles.set(&name, why);
                    SLOW
                }
                _ => backoff.next(),
            };
            warn!(queue = name, app = self.subscription.app, %error, again_in = ?pause, "A queue is not consumed.");
            tokio::select! {
                () = sleep(pause) => {}
                () = over(&self.paused, &self.sender) => break,
            }
        }
        self.troubles.clear(&name);
    }

    /// Consumes over one connection; ends well only when it is over for good.
    async fn consume(&self, session: &Arc<Session>, name: &str, backoff: &mut Backoff) -> Result<(), BusError> {
        let channel = session.channel().await?;
        let mut deliveries = tokio::select! {
            deliveries = self.subscribe(session, &channel, name) => deliveries?,
            () = over(&self.paused, &self.sender) => return Ok(()),
        };
        info!(queue = name, app = self.subscription.app, "Consuming.");
        self.troubles.clear(name);
        loop {
            let delivery = tokio::select! {
                biased;
                () = over(&self.paused, &self.sender) => {
                    let tag = deliveries.tag();
                    let cancelled = channel.basic_cancel(tag, BasicCancelOptions::default());
                    session.ask("ending a consumer", cancelled).await?;
                    // What came before the broker heard of it goes back. What was handed over can still be settled.
                    while let Some(Some(Ok(delivery))) = deliveries.next().now_or_never() {
                        drop(self.unsettled(session, &channel, delivery));
                    }
                    return Ok(());
                }
                () = session.lost() => return Err(disconnected("the connection was lost")),
                delivery = deliveries.next() => delivery,
            };
            let delivery = match delivery {
                Some(Ok(delivery)) => self.unsettled(session, &channel, delivery),
                // Whatever the broker blames, the queue was there: it is worth another attempt at once.
                Some(Err(error)) => return Err(disconnected(format!("consuming: {error}"))),
                None => return Err(disconnected("the broker ended the consumer: was the queue removed?")),
            };
            backoff.reset();
            tokio::select! {
                biased;
                // There is room for as many as can be unsettled, unless those of a lost connection are still there.
                sent = self.sender.send(delivery) => if sent.is_err() {
                    continue;
                },
                () = session.lost() => return Err(disconnected("the connection was lost")),
                () = self.paused.cancelled() => {}
            }
        }
    }

    /// Declares and binds what is needed, exactly as Vumi does, and asks for deliveries.
    async fn subscribe(&self, session: &Session, channel: &Channel, name: &str) -> Result<lapin::Consumer, BusError> {
        let queue = short(name)?;
        declare_exchange(session, channel, EXCHANGE).await?;
        let (options, none) = (QueueDeclareOptions::durable(), FieldTable::default());
        let declared = channel.queue_declare(queue.clone(), options, none.clone());
        session.ask(&format!("declaring the queue `{name}`"), declared).await?;
        let bound = channel.queue_bind(
            queue.clone(),
            EXCHANGE.into(),
            queue.clone(),
            QueueBindOptions::default(),
            none.clone(),
        );
        session.ask(&format!("binding the queue `{name}`"), bound).await?;
        let prefetch = self.subscription.prefetch.max(1);
        let limited = channel.basic_qos(prefetch, BasicQosOptions::default());
        session.ask("limiting deliveries", limited).await?;
        let consuming = channel.basic_consume(queue, "".into(), BasicConsumeOptions::default(), none);
        session.ask(&format!("consuming the queue `{name}`"), consuming).await
    }

    fn unsettled(&self, session: &Arc<Session>, channel: &Channel, delivery: message::Delivery) -> Delivery {
        let body = Bytes::from(delivery.data);
        let settle = Unsettled::new(
            delivery.acker,
            channel.clone(),
            Arc::clone(session),
            body.clone(),
            Arc::clone(&self.subscription),
            self.dead_letters.clone(),
        );
        Delivery { body, redelivered: delivery.redelivered, settle: Settle::new(settle) }
    }
}
