//! The other end of a RabbitMQ: what transports and operators do.

use std::time::Duration;

use belljar_worker::config::{Broker, Secret};
use lapin::message::BasicGetMessage;
use lapin::options::{
    BasicGetOptions, BasicPublishOptions, ConfirmSelectOptions, ExchangeDeclareOptions, ExchangeDeleteOptions,
    QueueBindOptions, QueueDeclareOptions, QueueDeleteOptions,
};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{BasicProperties, Channel, Connection, ConnectionProperties, ExchangeKind};
use tokio::time::sleep;

use crate::common::rabbitmq::{USER, VHOST};

/// Between looks at something that will come.
pub(crate) const LOOK: Duration = Duration::from_millis(20);

/// What a worker is told of a broker at this port.
pub(crate) fn broker(port: u16) -> Broker {
    Broker { port, ..Broker::default() }
}

/// A broker that we are not let into.
pub(crate) fn wrong_broker(port: u16) -> Broker {
    Broker { password: Secret::new("guessed".to_owned()), ..broker(port) }
}

/// A name that no other test has.
pub(crate) fn unique(name: &str) -> String {
    format!("{name}_{}", uuid::Uuid::new_v4().simple())
}

/// A connection of somebody else.
pub(crate) struct Outside {
    connection: Connection,
    channel: Channel,
}

impl Outside {
    pub(crate) async fn connect(port: u16) -> Self {
        Self::try_connect(port).await.expect("a connection")
    }

    /// Once the broker is there.
    pub(crate) async fn reconnect(port: u16) -> Self {
        loop {
            match Self::try_connect(port).await {
                Ok(outside) => return outside,
                Err(_) => sleep(LOOK).await,
            }
        }
    }

    async fn try_connect(port: u16) -> lapin::Result<Self> {
        let url = format!("amqp://{USER}:{USER}@127.0.0.1:{port}/{}", VHOST.replace('/', "%2f"));
        let connection = Connection::connect(&url, ConnectionProperties::default()).await?;
        let channel = connection.create_channel().await?;
        channel.confirm_select(ConfirmSelectOptions::default()).await?;
        Ok(Self { connection, channel })
    }

    /// A queue of messages of ours, as a transport declares it.
    pub(crate) async fn outbound(&self, transport_name: &str) -> String {
        let queue = format!("{transport_name}.outbound");
        self.declare(&queue, &[]).await;
        self.bind(&queue, "vumi", &queue).await;
        queue
    }

    pub(crate) async fn declare(&self, queue: &str, arguments: &[(&str, AMQPValue)]) {
        let mut table = FieldTable::default();
        for (name, value) in arguments {
            table.insert((*name).into(), value.clone());
        }
        self.channel.queue_declare(queue.into(), QueueDeclareOptions::durable(), table).await.expect("declared");
    }

    /// Direct, durable, not deleted automatically, without arguments.
    pub(crate) async fn declare_exchange(&self, exchange: &str) {
        let options = ExchangeDeclareOptions { durable: true, ..ExchangeDeclareOptions::default() };
        let declared =
            self.channel.exchange_declare(exchange.into(), ExchangeKind::Direct, options, FieldTable::default());
        declared.await.expect("declared");
    }

    pub(crate) async fn bind(&self, queue: &str, exchange: &str, key: &str) {
        self.declare_exchange(exchange).await;
        let (options, none) = (QueueBindOptions::default(), FieldTable::default());
        self.channel.queue_bind(queue.into(), exchange.into(), key.into(), options, none).await.expect("bound");
    }

    pub(crate) async fn delete(&self, queue: &str) {
        let deleted = self.channel.queue_delete(queue.into(), QueueDeleteOptions::default());
        deleted.await.expect("deleted");
    }

    pub(crate) async fn delete_exchange(&self, exchange: &str) {
        let deleted = self.channel.exchange_delete(exchange.into(), ExchangeDeleteOptions::default());
        deleted.await.expect("deleted");
    }

    /// Publishes to a queue itself, which need not be bound, and waits until it is confirmed.
    pub(crate) async fn publish(&self, queue: &str, body: &[u8]) {
        assert!(self.try_publish_to("", queue, body).await, "published");
    }

    /// The same; false when it was not confirmed.
    pub(crate) async fn try_publish(&self, queue: &str, body: &[u8]) -> bool {
        self.try_publish_to("", queue, body).await
    }

    /// Publishes as a transport does.
    pub(crate) async fn publish_to(&self, exchange: &str, key: &str, body: &[u8]) {
        assert!(self.try_publish_to(exchange, key, body).await, "published");
    }

    async fn try_publish_to(&self, exchange: &str, key: &str, body: &[u8]) -> bool {
        let properties = BasicProperties::default().with_delivery_mode(2);
        // What goes nowhere comes back.
        let options = BasicPublishOptions { mandatory: true, ..BasicPublishOptions::default() };
        let written = self.channel.basic_publish(exchange.into(), key.into(), options, body, properties);
        let Ok(written) = written.await else { return false };
        written.await.is_ok_and(|confirmed| confirmed.is_ack() && confirmed.take_message().is_none())
    }

    /// A new channel. It may be given the error of one that was closed a moment ago and had the same number.
    async fn channel(&self) -> Channel {
        loop {
            match self.connection.create_channel().await {
                Ok(channel) => return channel,
                Err(error) => assert!(error.is_amqp_soft_error(), "{error}"),
            }
        }
    }

    /// The next message of a queue; waits for one. It is gone then.
    pub(crate) async fn get(&self, queue: &str) -> BasicGetMessage {
        loop {
            if let Some(message) = self.try_get(queue).await {
                return message;
            }
            sleep(LOOK).await;
        }
    }

    pub(crate) async fn try_get(&self, queue: &str) -> Option<BasicGetMessage> {
        // A queue that is not there ends a channel.
        let channel = self.channel().await;
        channel.basic_get(queue.into(), BasicGetOptions { no_ack: true }).await.ok().flatten()
    }

    /// Messages that wait in a queue, and its consumers; none when there is no such queue.
    pub(crate) async fn counts(&self, queue: &str) -> Option<(u32, u32)> {
        let channel = self.channel().await;
        let options = QueueDeclareOptions::durable().passive();
        let declared = channel.queue_declare(queue.into(), options, FieldTable::default()).await.ok()?;
        Some((declared.message_count(), declared.consumer_count()))
    }

    /// Waits until a queue is there and has consumers.
    pub(crate) async fn consumed(&self, queue: &str) {
        while self.counts(queue).await.is_none_or(|(_, consumers)| consumers == 0) {
            sleep(LOOK).await;
        }
    }
}
