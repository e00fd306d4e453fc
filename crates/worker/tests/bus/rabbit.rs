//! What only RabbitMQ has, with a broker that other tests use, too.

use belljar_worker::bus::amqp::AmqpBus;
use belljar_worker::bus::{Bus, BusError, Destination, Queue};
use futures_util::FutureExt;
use lapin::BasicProperties;
use lapin::types::AMQPValue;
use tokio::time::sleep;

use crate::common::free_port;
use crate::outside::{LOOK, Outside, broker, unique, wrong_broker};
use crate::rig::{name, subscription};

/// A bus, its other end, and a transport that no other test has.
async fn rig(port: u16) -> (AmqpBus, Outside, String) {
    (AmqpBus::begin(&broker(port)), Outside::connect(port).await, unique("rabbit"))
}

/// Waits until a bus says of itself what is asked for.
async fn state(bus: &AmqpBus, is_wanted: impl Fn(&Result<(), String>) -> bool) -> Result<(), String> {
    loop {
        let state = bus.state();
        if is_wanted(&state) {
            return state;
        }
        sleep(LOOK).await;
    }
}

fn outbound(transport_name: &str) -> Destination {
    Destination::Outbound { transport_name: transport_name.to_owned() }
}

/// Declared again with the same words, each is still what it was; with any other, the broker would refuse it.
pub(crate) async fn exchanges_and_queues_are_vumis(port: u16) {
    let (bus, outside, transport) = rig(port).await;
    let mut deliveries = Vec::new();
    for queue in [Queue::Inbound, Queue::Event] {
        deliveries.push(bus.consume(subscription(&transport, queue, 1)).await.expect("a receiver"));
        outside.consumed(&name(&transport, queue)).await;
    }
    for destination in [outbound(&transport), Destination::Metrics, Destination::Heartbeat] {
        bus.publish(destination, b"{}".to_vec()).await.expect("confirmed");
    }
    // Nobody but the transport declares that one.
    assert_eq!(outside.counts(&format!("{transport}.outbound")).await, None);
    for queue in [Queue::Inbound, Queue::Event] {
        let name = name(&transport, queue);
        outside.declare(&name, &[]).await;
        // By the exchange, and by the queue's own name as key.
        outside.publish_to("vumi", &name, b"by the exchange").await;
        let delivery = deliveries.remove(0).recv().await.expect("a delivery");
        assert_eq!(&*delivery.body, b"by the exchange");
    }
    for exchange in ["vumi", "vumi.metrics", "vumi.health"] {
        outside.declare_exchange(exchange).await;
    }
}

pub(crate) async fn publications_have_vumis_properties(port: u16) {
    let (bus, outside, transport) = rig(port).await;
    let queue = outside.outbound(&transport).await;
    let others = [
        ("vumi.metrics", "vumi.metrics", Destination::Metrics),
        ("vumi.health", "heartbeat.inbound", Destination::Heartbeat),
        ("vumi", queue.as_str(), outbound(&transport)),
    ];
    for (exchange, key, destination) in others {
        let queue = unique("seen");
        outside.declare(&queue, &[]).await;
        outside.bind(&queue, exchange, key).await;
        let body = format!("{{\"to\": \"{queue}\"}}").into_bytes();
        bus.publish(destination, body.clone()).await.expect("confirmed");
        // Other tests publish there, too.
        let seen = loop {
            let seen = outside.get(&queue).await.delivery;
            if seen.data == body {
                break seen;
            }
        };
        assert_eq!((seen.exchange.as_str(), seen.routing_key.as_str()), (exchange, key));
        assert_eq!(seen.properties, BasicProperties::default().with_delivery_mode(2));
        outside.delete(&queue).await;
    }
}

pub(crate) async fn dead_letters_tell_where_they_are_from(port: u16) {
    let (bus, outside, transport) = rig(port).await;
    let mut deliveries = bus.consume(subscription(&transport, Queue::Event, 1)).await.expect("a receiver");
    let (source, dead) = (name(&transport, Queue::Event), format!("{transport}.dead"));
    outside.consumed(&source).await;
    assert_eq!(outside.counts(&dead).await, None);
    // Twice: the queue is removed in between.
    for _ in 0..2 {
        outside.publish(&source, b"\xffpoison").await;
        deliveries.recv().await.expect("a delivery").settle.bury("no JSON").await.expect("buried");
        // Durable, without arguments.
        outside.declare(&dead, &[]).await;
        let letter = outside.get(&dead).await.delivery;
        assert_eq!((letter.exchange.as_str(), &*letter.data), ("", &b"\xffpoison"[..]));
        let headers = letter.properties.headers().clone().expect("headers");
        for (name, value) in [("belljar-reason", "no JSON"), ("belljar-queue", &*source), ("belljar-app", "the app")] {
            assert_eq!(headers.inner()[name], AMQPValue::LongString(value.into()));
        }
        let AMQPValue::LongString(time) = &headers.inner()["belljar-time"] else { panic!("{headers:?}") };
        let time: jiff::Timestamp = time.to_string().parse().expect("a moment");
        assert!(time <= jiff::Timestamp::now());
        let without = BasicProperties::default().with_delivery_mode(2).with_headers(headers);
        assert_eq!(letter.properties, without);
        outside.delete(&dead).await;
    }
}

pub(crate) async fn a_dead_letter_queue_may_have_limits(port: u16) {
    let (bus, outside, transport) = rig(port).await;
    let dead = format!("{transport}.dead");
    outside.declare(&dead, &[("x-max-length", AMQPValue::LongInt(10))]).await;
    let mut deliveries = bus.consume(subscription(&transport, Queue::Inbound, 1)).await.expect("a receiver");
    outside.consumed(&name(&transport, Queue::Inbound)).await;
    outside.publish(&name(&transport, Queue::Inbound), b"poison").await;
    deliveries.recv().await.expect("a delivery").settle.bury("no JSON").await.expect("buried");
    assert_eq!(outside.get(&dead).await.delivery.data, b"poison");
}

/// A queue that takes one message and refuses others.
fn narrow() -> [(&'static str, AMQPValue); 2] {
    let refusing = AMQPValue::LongString("reject-publish".into());
    [("x-max-length", AMQPValue::LongInt(1)), ("x-overflow", refusing)]
}

pub(crate) async fn a_dead_letter_is_confirmed_before_its_original_is_gone(port: u16) {
    let (bus, outside, transport) = rig(port).await;
    let dead = format!("{transport}.dead");
    outside.declare(&dead, &narrow()).await;
    outside.publish(&dead, b"full").await;
    let mut deliveries = bus.consume(subscription(&transport, Queue::Inbound, 1)).await.expect("a receiver");
    let source = name(&transport, Queue::Inbound);
    outside.consumed(&source).await;
    outside.publish(&source, b"poison").await;
    let buried = deliveries.recv().await.expect("a delivery").settle.bury("no JSON").await;
    assert!(matches!(buried, Err(BusError::Refused)), "{buried:?}");
    // It is not lost: it comes again, until there is room.
    let again = deliveries.recv().await.expect("a delivery");
    assert_eq!((&*again.body, again.redelivered), (&b"poison"[..], true));
    assert_eq!(outside.get(&dead).await.delivery.data, b"full");
    again.settle.bury("no JSON").await.expect("buried");
    assert_eq!(outside.get(&dead).await.delivery.data, b"poison");
    assert_eq!(outside.counts(&source).await, Some((0, 1)));
}

pub(crate) async fn a_refused_publication_is_told(port: u16) {
    let (bus, outside, transport) = rig(port).await;
    let queue = format!("{transport}.outbound");
    outside.declare(&queue, &narrow()).await;
    outside.bind(&queue, "vumi", &queue).await;
    bus.publish(outbound(&transport), b"first".to_vec()).await.expect("confirmed");
    let refused = bus.publish(outbound(&transport), b"second".to_vec()).await;
    assert!(matches!(refused, Err(BusError::Refused)), "{refused:?}");
    assert_eq!(outside.get(&queue).await.delivery.data, b"first");
    bus.publish(outbound(&transport), b"third".to_vec()).await.expect("confirmed");
}

pub(crate) async fn trouble_with_one_queue_does_not_stop_another(port: u16) {
    let (bus, outside, transport) = rig(port).await;
    let (wrong, right) = (name(&transport, Queue::Inbound), name(&transport, Queue::Event));
    outside.declare(&wrong, &[("x-max-length", AMQPValue::LongInt(10))]).await;
    let mut stopped = bus.consume(subscription(&transport, Queue::Inbound, 1)).await.expect("a receiver");
    let trouble = state(&bus, |state| state.as_ref().is_err_and(|why| why.contains(&wrong))).await;
    let trouble = trouble.expect_err("trouble");
    for part in ["PRECONDITION_FAILED", "x-max-length", "remove it"] {
        assert!(trouble.contains(part), "{trouble}");
    }
    let mut deliveries = bus.consume(subscription(&transport, Queue::Event, 1)).await.expect("a receiver");
    outside.consumed(&right).await;
    outside.publish(&right, b"goes on").await;
    let delivery = deliveries.recv().await.expect("a delivery");
    delivery.settle.acknowledge().await.expect("acknowledged");
    bus.publish(outbound(&transport), b"too".to_vec()).await.expect("confirmed");
    // Set right, it is consumed before long.
    outside.delete(&wrong).await;
    outside.consumed(&wrong).await;
    outside.publish(&wrong, b"now").await;
    assert_eq!(&*stopped.recv().await.expect("a delivery").body, b"now");
    assert_eq!(state(&bus, Result::is_ok).await, Ok(()));
}

pub(crate) async fn what_is_wrong_is_told_with_advice(port: u16) {
    let nobody = free_port().expect("a port");
    let mut other_host = broker(port);
    other_host.vhost = "/nowhere".to_owned();
    for (broker, parts) in [
        (broker(nobody), &["vumi@127.0.0.1", "/develop", "refused"][..]),
        (wrong_broker(port), &["ACCESS_REFUSED", "check the user and its password"][..]),
        (other_host, &["/nowhere", "check the virtual host"][..]),
    ] {
        let bus = AmqpBus::begin(&broker);
        let is_tried = |state: &Result<(), String>| state.as_ref().is_err_and(|why| why.contains("connecting"));
        let why = state(&bus, is_tried).await.expect_err("no connection");
        for part in parts {
            assert!(why.contains(part), "{part}: {why}");
        }
        assert!(!why.contains("guessed") && !format!("{bus:?}").contains("guessed"), "{why}");
        assert_eq!(bus.depth("x", Queue::Inbound).await, None);
        let longest = bus.publish(outbound(&"x".repeat(250)), Vec::new()).await;
        assert!(matches!(longest, Err(BusError::Topology(_))), "{longest:?}");
    }
}

pub(crate) async fn what_waits_for_a_broker_has_a_limit(_port: u16) {
    let bus = AmqpBus::begin(&broker(free_port().expect("a port")));
    let body = vec![b'x'; 1 << 20];
    let mut waiting: Vec<_> = (0..32).map(|_| bus.publish(outbound("t"), body.clone())).collect();
    let refused = waiting.pop().expect("one").await;
    assert!(matches!(refused, Err(BusError::Full)), "{refused:?}");
    // Those that wait do so until it is too late for them; whoever asks is told why.
    let answer = waiting.pop().expect("one").await;
    assert!(matches!(&answer, Err(BusError::Disconnected(why)) if why.contains("refused")), "{answer:?}");
    let answer = bus.publish(outbound("t"), body).now_or_never();
    assert!(answer.is_none(), "there is room again: {answer:?}");
}
