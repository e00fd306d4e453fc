//! Deliveries that are not settled.

use std::sync::Arc;

use bytes::Bytes;
use jiff::Timestamp;
use lapin::Acker;
use lapin::Channel;
use lapin::options::{BasicAckOptions, BasicNackOptions};
use tokio::runtime::Handle;

use super::consumer::queue_name;
use super::error::disconnected;
use super::publisher::{Outgoing, Publisher, Routing};
use super::session::Session;
use crate::bus::{Boxed, BusError, Settling, Subscription};

/// Bytes of a reason that a dead letter tells.
const REASON: usize = 1024;

/// A delivery that is not settled. Dropped, it goes back to its queue.
pub(super) struct Unsettled {
    /// None once it is settled.
    acker: Option<Acker>,
    /// Kept, because a channel ends when nobody has it, and all that it delivered goes back.
    channel: Channel,
    session: Arc<Session>,
    body: Bytes,
    subscription: Arc<Subscription>,
    dead_letters: Publisher,
    runtime: Handle,
}

impl Unsettled {
    pub(super) fn new(
        acker: Acker,
        channel: Channel,
        session: Arc<Session>,
        body: Bytes,
        subscription: Arc<Subscription>,
        dead_letters: Publisher,
    ) -> Self {
        let runtime = Handle::current();
        Self { acker: Some(acker), channel, session, body, subscription, dead_letters, runtime }
    }

    async fn settle(mut self: Box<Self>) -> Result<(), BusError> {
        let lost = || disconnected("the connection that the message came by is lost; it comes again");
        let Some(acker) = self.acker.as_ref() else { return Err(lost()) };
        if !acker.usable() || self.session.is_lost() {
            return Err(lost());
        }
        let settled = self.session.ask("acknowledging", acker.ack(BasicAckOptions::default())).await?;
        self.acker = None;
        if settled { Ok(()) } else { Err(lost()) }
    }

    /// What is published in place of the message.
    fn dead_letter(&self, reason: &str) -> Outgoing {
        let cut = reason.floor_char_boundary(REASON);
        let subscription = &self.subscription;
        let queue = queue_name(&subscription.transport_name, subscription.queue);
        let headers = [
            ("belljar-reason", reason[..cut].to_owned()),
            ("belljar-queue", queue),
            ("belljar-app", subscription.app.clone()),
            ("belljar-time", Timestamp::now().to_string()),
        ];
        let routing = Routing::Queue { name: subscription.dead_letter_queue.clone(), headers: headers.to_vec() };
        Outgoing { routing, body: self.body.clone() }
    }
}

impl Settling for Unsettled {
    fn acknowledge(self: Box<Self>) -> Boxed<'static, Result<(), BusError>> {
        Box::pin(self.settle())
    }

    fn bury(self: Box<Self>, reason: String) -> Boxed<'static, Result<(), BusError>> {
        Box::pin(async move {
            let letter = self.dead_letter(&reason);
            self.dead_letters.publish_when_there_is_room(letter).await?;
            self.settle().await
        })
    }

    fn is_void(&self) -> bool {
        self.session.is_lost() || !self.acker.as_ref().is_some_and(Acker::usable)
    }
}

impl Drop for Unsettled {
    fn drop(&mut self) {
        let Some(acker) = self.acker.take().filter(Acker::usable) else { return };
        if self.session.is_lost() {
            return;
        }
        let channel = self.channel.clone();
        self.runtime.spawn(async move {
            // If the broker does not hear of it, it takes it back when the channel ends.
            let _ = acker.nack(BasicNackOptions { requeue: true, multiple: false }).await;
            drop(channel);
        });
    }
}
