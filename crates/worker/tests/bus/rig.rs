//! A bus of either kind, with its other end.

use std::sync::Arc;

use belljar_worker::bus::amqp::AmqpBus;
use belljar_worker::bus::local::LocalBus;
use belljar_worker::bus::{Delivery, Destination, Queue, SharedBus, Subscription};
use tokio::sync::mpsc::Receiver;
use tokio::time::sleep;

use crate::outside::{LOOK, Outside, broker, unique};

/// A bus and the transport's side of it.
pub(crate) struct Rig {
    pub(crate) bus: SharedBus,
    pub(crate) transport_name: String,
    end: End,
}

enum End {
    Local(LocalBus),
    Amqp(Box<Outside>),
}

/// What a test looks at of a dead letter.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Dead {
    pub(crate) reason: String,
    pub(crate) queue: String,
    pub(crate) app: String,
    pub(crate) body: Vec<u8>,
}

/// What an app wants of a queue.
pub(crate) fn subscription(transport_name: &str, queue: Queue, prefetch: u16) -> Subscription {
    Subscription {
        app: "the app".to_owned(),
        transport_name: transport_name.to_owned(),
        queue,
        prefetch,
        dead_letter_queue: format!("{transport_name}.dead"),
    }
}

/// The name that RabbitMQ knows a queue by.
pub(crate) fn name(transport_name: &str, queue: Queue) -> String {
    format!("{transport_name}.{}", if queue == Queue::Inbound { "inbound" } else { "event" })
}

impl Rig {
    pub(crate) fn local() -> Self {
        let bus = LocalBus::new();
        Self { bus: Arc::new(bus.clone()), transport_name: unique("local"), end: End::Local(bus) }
    }

    pub(crate) async fn amqp(port: u16) -> Self {
        let (outside, transport_name) = (Outside::connect(port).await, unique("amqp"));
        outside.outbound(&transport_name).await;
        let bus = Arc::new(AmqpBus::begin(&broker(port)));
        Self { bus, transport_name, end: End::Amqp(Box::new(outside)) }
    }

    /// Begins to consume; the queue is there then.
    pub(crate) async fn consume(&self, queue: Queue, prefetch: u16) -> Receiver<Delivery> {
        let deliveries = self.bus.consume(subscription(&self.transport_name, queue, prefetch)).await;
        if let End::Amqp(outside) = &self.end {
            outside.consumed(&name(&self.transport_name, queue)).await;
        }
        deliveries.expect("a receiver")
    }

    pub(crate) async fn inject(&self, queue: Queue, body: &[u8]) {
        match &self.end {
            End::Local(bus) => bus.inject(&self.transport_name, queue, body.to_vec()).await,
            End::Amqp(outside) => outside.publish(&name(&self.transport_name, queue), body).await,
        }
    }

    /// Where our messages go.
    pub(crate) fn outbound(&self) -> Destination {
        Destination::Outbound { transport_name: self.transport_name.clone() }
    }

    /// The next message of ours.
    pub(crate) async fn published(&self) -> Vec<u8> {
        match &self.end {
            End::Local(bus) => {
                let published = bus.published().await;
                assert_eq!(published.destination, self.outbound());
                published.body
            }
            End::Amqp(outside) => outside.get(&format!("{}.outbound", self.transport_name)).await.delivery.data,
        }
    }

    /// The next dead letter of this transport. It is gone then, from the queue of dead letters.
    pub(crate) async fn dead(&self, skipped: usize) -> Dead {
        match &self.end {
            End::Local(bus) => {
                let letter = bus.dead_letters().remove(skipped);
                assert_eq!(letter.dead_letter_queue, format!("{}.dead", self.transport_name));
                let queue = name(&letter.transport_name, letter.queue);
                Dead { reason: letter.reason, queue, app: letter.app, body: letter.body.to_vec() }
            }
            End::Amqp(outside) => {
                let letter = outside.get(&format!("{}.dead", self.transport_name)).await.delivery;
                let headers = letter.properties.headers().clone().expect("headers");
                let header = |name: &str| match headers.inner().get(name) {
                    Some(lapin::types::AMQPValue::LongString(text)) => text.to_string(),
                    other => panic!("{name}: {other:?}"),
                };
                let (reason, queue, app) = (header("belljar-reason"), header("belljar-queue"), header("belljar-app"));
                Dead { reason, queue, app, body: letter.data }
            }
        }
    }

    /// Waits until as many messages wait in a queue, delivered ones not counted.
    pub(crate) async fn depth(&self, queue: Queue, depth: u64) {
        loop {
            let now = self.bus.depth(&self.transport_name, queue).await;
            if now == Some(depth) {
                return;
            }
            sleep(LOOK).await;
        }
    }
}
