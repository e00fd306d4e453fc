//! What happens to a bus when something happens to its broker.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use belljar_worker::bus::amqp::AmqpBus;
use belljar_worker::bus::{Bus, BusError, Destination, Queue};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use crate::common::rabbitmq::{RabbitMq, VHOST};
use crate::common::redis::Redis;
use crate::outside::{LOOK, Outside, broker, unique};
use crate::rig::{name, subscription};

fn outbound(transport_name: &str) -> Destination {
    Destination::Outbound { transport_name: transport_name.to_owned() }
}

async fn until(mut holds: impl FnMut() -> bool) {
    while !holds() {
        sleep(LOOK).await;
    }
}

/// [W4, W5]
pub(crate) async fn nothing_is_lost_when_the_broker_dies_under_load(rabbit: &mut RabbitMq) {
    const COUNT: u32 = 400;
    let port = rabbit.port();
    let (bus, transport) = (Arc::new(AmqpBus::begin(&broker(port))), unique("load"));
    let queue = name(&transport, Queue::Inbound);
    let outside = Outside::connect(port).await;
    outside.outbound(&transport).await;
    outside.declare(&queue, &[]).await;
    // A transport that does not give up either.
    let transport_side = tokio::spawn({
        let queue = queue.clone();
        async move {
            let mut outside = outside;
            for number in 0..COUNT {
                while !outside.try_publish(&queue, number.to_string().as_bytes()).await {
                    outside = Outside::reconnect(port).await;
                }
            }
        }
    });
    let mut deliveries = bus.consume(subscription(&transport, Queue::Inbound, 20)).await.expect("a receiver");
    let (mut work, mut settled, mut failed) = (JoinSet::<(Vec<u8>, bool)>::new(), HashMap::<Vec<u8>, u32>::new(), 0);
    let mut is_killed = false;
    while settled.len() < COUNT as usize {
        tokio::select! {
            delivery = deliveries.recv() => {
                let delivery = delivery.expect("a delivery");
                let bus = Arc::clone(&bus);
                let to = outbound(&transport);
                work.spawn(async move {
                    let body = delivery.body.to_vec();
                    // As a worker does: what is published must be confirmed first.
                    let is_done = bus.publish(to, body.clone()).await.is_ok() && delivery.settle.acknowledge().await.is_ok();
                    (body, is_done)
                });
            }
            Some(done) = work.join_next() => {
                let (body, is_done) = done.expect("worked on");
                if is_done { *settled.entry(body).or_default() += 1 } else { failed += 1 }
            }
        }
        if settled.len() > COUNT as usize / 4 && !is_killed {
            is_killed = true;
            rabbit.kill();
            assert!(!deliveries.is_closed());
            tokio::task::block_in_place(|| rabbit.start_again()).expect("starts again");
        }
    }
    transport_side.await.expect("published all");
    while work.join_next().await.is_some() {}
    // What was settled at the last moment may come once more; in the end there is nothing.
    let outside = Outside::connect(port).await;
    let unsettled = || {
        let counts = rabbit.ctl(&["list_queues", "-p", VHOST, "name", "messages"]);
        counts.lines().any(|line| line.starts_with(&queue) && line.split_whitespace().last() == Some("0"))
    };
    loop {
        while let Ok(again) = deliveries.try_recv() {
            again.settle.acknowledge().await.ok();
        }
        if unsettled() {
            break;
        }
        sleep(LOOK).await;
    }
    let mut replies = HashMap::<Vec<u8>, u32>::new();
    while let Some(reply) = outside.try_get(&format!("{transport}.outbound")).await {
        *replies.entry(reply.delivery.data).or_default() += 1;
    }
    assert!(is_killed);
    for number in 0..COUNT {
        let body = number.to_string().into_bytes();
        assert!(replies.contains_key(&body), "{number} has no reply; {failed} could not be settled");
    }
    assert_eq!(replies.len(), COUNT as usize);
}

/// [W4]
pub(crate) async fn consumers_go_on_after_their_connection_was_closed(rabbit: &mut RabbitMq) {
    let port = rabbit.port();
    let (bus, transport) = (AmqpBus::begin(&broker(port)), unique("closed"));
    let mut inbound = bus.consume(subscription(&transport, Queue::Inbound, 5)).await.expect("a receiver");
    let mut events = bus.consume(subscription(&transport, Queue::Event, 5)).await.expect("a receiver");
    for round in 0..3 {
        let outside = Outside::reconnect(port).await;
        for (queue, deliveries) in [(Queue::Inbound, &mut inbound), (Queue::Event, &mut events)] {
            let queue = name(&transport, queue);
            outside.consumed(&queue).await;
            outside.publish(&queue, format!("{round}").as_bytes()).await;
            let delivery = deliveries.recv().await.expect("a delivery");
            assert_eq!(&*delivery.body, format!("{round}").as_bytes());
            delivery.settle.acknowledge().await.expect("acknowledged");
            assert_eq!(outside.counts(&queue).await, Some((0, 1)), "one consumer");
        }
        bus.publish(outbound(&transport), b"x".to_vec()).await.expect("confirmed");
        until(|| bus.state().is_ok()).await;
        // Name and seconds between heartbeats.
        let ours = rabbit.ctl(&["list_connections", "client_properties", "timeout"]);
        let ours: Vec<_> = ours.lines().filter(|line| line.contains("belljar ")).collect();
        assert!(ours.len() == 2 && ours.iter().all(|line| line.ends_with("\t20")), "{ours:?}");
        let ctl = || rabbit.ctl(&["close_all_connections", "-p", VHOST, "a test"]);
        tokio::task::block_in_place(ctl);
        until(|| bus.state().is_err()).await;
    }
}

pub(crate) async fn a_queue_that_was_removed_is_declared_again(rabbit: &mut RabbitMq) {
    let port = rabbit.port();
    let (bus, outside, transport) = (AmqpBus::begin(&broker(port)), Outside::connect(port).await, unique("removed"));
    let queue = name(&transport, Queue::Inbound);
    let mut deliveries = bus.consume(subscription(&transport, Queue::Inbound, 5)).await.expect("a receiver");
    for _ in 0..3 {
        outside.consumed(&queue).await;
        outside.publish(&queue, b"held").await;
        let held = deliveries.recv().await.expect("a delivery");
        outside.delete(&queue).await;
        // It went with its queue: there is nothing that could come again, and no harm in settling it.
        held.settle.acknowledge().await.expect("acknowledged");
        outside.consumed(&queue).await;
        outside.publish(&queue, b"after").await;
        let after = deliveries.recv().await.expect("a delivery");
        assert_eq!((&*after.body, after.redelivered), (&b"after"[..], false));
        after.settle.acknowledge().await.expect("acknowledged");
    }
}

pub(crate) async fn an_exchange_that_was_removed_is_declared_again(rabbit: &mut RabbitMq) {
    let (bus, outside) = (AmqpBus::begin(&broker(rabbit.port())), Outside::connect(rabbit.port()).await);
    let queue = unique("metrics");
    outside.declare(&queue, &[]).await;
    for _ in 0..2 {
        outside.bind(&queue, "vumi.metrics", "vumi.metrics").await;
        bus.publish(Destination::Metrics, b"{}".to_vec()).await.expect("confirmed");
        outside.get(&queue).await;
        outside.delete_exchange("vumi.metrics").await;
        bus.publish(Destination::Metrics, b"{}".to_vec()).await.expect("confirmed");
    }
    outside.delete(&queue).await;
}

pub(crate) async fn publications_wait_for_the_broker(rabbit: &mut RabbitMq) {
    let port = rabbit.port();
    let (bus, transport) = (AmqpBus::begin(&broker(port)), unique("waiting"));
    let queue = Outside::connect(port).await.outbound(&transport).await;
    bus.publish(outbound(&transport), b"before".to_vec()).await.expect("confirmed");
    // It takes what is written, as far as its sockets have room, and never answers.
    rabbit.freeze();
    let numbered = |numbers: std::ops::Range<u32>| {
        numbers.map(|number| bus.publish(outbound(&transport), format!("{number}").into_bytes())).collect::<Vec<_>>()
    };
    let mut waiting = numbered(0..25);
    let first = timeout(Duration::from_secs(1), &mut waiting[0]).await;
    assert!(first.is_err(), "confirmed by nobody: {first:?}");
    rabbit.kill();
    waiting.extend(numbered(25..50));
    tokio::task::block_in_place(|| rabbit.start_again()).expect("starts again");
    for confirmation in waiting {
        confirmation.await.expect("confirmed");
    }
    let outside = Outside::connect(port).await;
    let mut bodies = Vec::new();
    while let Some(message) = outside.try_get(&queue).await {
        bodies.push(String::from_utf8(message.delivery.data).expect("UTF-8"));
    }
    let mut expected = vec!["before".to_owned()];
    expected.extend((0..50).map(|number| number.to_string()));
    // What the broker had and could not confirm is there twice.
    bodies.dedup();
    assert_eq!(bodies, expected);
}

pub(crate) async fn a_delivery_of_a_lost_connection_comes_again(rabbit: &mut RabbitMq) {
    let port = rabbit.port();
    let (bus, outside, transport) = (AmqpBus::begin(&broker(port)), Outside::connect(port).await, unique("lost"));
    let queue = name(&transport, Queue::Inbound);
    let mut deliveries = bus.consume(subscription(&transport, Queue::Inbound, 3)).await.expect("a receiver");
    outside.consumed(&queue).await;
    for body in [&b"acknowledged"[..], b"buried", b"dropped"] {
        outside.publish(&queue, body).await;
    }
    let mut held = Vec::new();
    for _ in 0..3 {
        held.push(deliveries.recv().await.expect("a delivery"));
    }
    tokio::task::block_in_place(|| rabbit.ctl(&["close_all_connections", "-p", VHOST, "a test"]));
    until(|| held.iter().all(|delivery| delivery.settle.is_void())).await;
    drop(held.pop());
    let (buried, acknowledged) = (held.remove(1), held.remove(0));
    let refused = acknowledged.settle.acknowledge().await;
    assert!(matches!(refused, Err(BusError::Disconnected(_))), "{refused:?}");
    let refused = buried.settle.bury("no JSON").await;
    assert!(matches!(refused, Err(BusError::Disconnected(_))), "{refused:?}");
    for body in [&b"acknowledged"[..], b"buried", b"dropped"] {
        let again = deliveries.recv().await.expect("a delivery");
        assert_eq!((&*again.body, again.redelivered, again.settle.is_void()), (body, true, false));
        again.settle.acknowledge().await.expect("acknowledged");
    }
}

/// Nobody closes a connection here: only that heartbeats stay away tells.
pub(crate) async fn a_silent_broker_is_given_up(rabbit: &mut RabbitMq) {
    let port = rabbit.port();
    let (bus, outside, transport) = (AmqpBus::begin(&broker(port)), Outside::connect(port).await, unique("silent"));
    let queue = name(&transport, Queue::Inbound);
    let mut deliveries = bus.consume(subscription(&transport, Queue::Inbound, 3)).await.expect("a receiver");
    outside.consumed(&queue).await;
    outside.publish(&queue, b"held").await;
    let held = deliveries.recv().await.expect("a delivery");
    until(|| bus.state().is_ok()).await;
    rabbit.freeze();
    until(|| held.settle.is_void() && bus.state().is_err()).await;
    rabbit.thaw();
    drop(held);
    let again = deliveries.recv().await.expect("a delivery");
    assert_eq!((&*again.body, again.redelivered), (&b"held"[..], true));
    again.settle.acknowledge().await.expect("acknowledged");
    until(|| bus.state().is_ok()).await;
}

/// It stops reading from those who publish: acknowledgements must not wait behind that. What it was given it reads later: whoever gave
/// it the same once more would have published it twice.
pub(crate) async fn a_broker_short_of_memory_hears_acknowledgements_and_is_waited_for(rabbit: &mut RabbitMq) {
    let port = rabbit.port();
    let (bus, outside, transport) = (AmqpBus::begin(&broker(port)), Outside::connect(port).await, unique("memory"));
    let queue = name(&transport, Queue::Inbound);
    let mut deliveries = bus.consume(subscription(&transport, Queue::Inbound, 1)).await.expect("a receiver");
    outside.consumed(&queue).await;
    let replies = outside.outbound(&transport).await;
    for number in 0..5 {
        outside.publish(&queue, format!("{number}").as_bytes()).await;
    }
    let limit = |part: &str| tokio::task::block_in_place(|| rabbit.ctl(&["set_vm_memory_high_watermark", part]));
    limit("0");
    let mut confirmation = bus.publish(outbound(&transport), b"waits".to_vec());
    until(|| bus.state().is_err_and(|why| why.contains("short of memory"))).await;
    for number in 0..5 {
        let delivery = deliveries.recv().await.expect("a delivery");
        assert_eq!((&*delivery.body, delivery.redelivered), (format!("{number}").as_bytes(), false));
        delivery.settle.acknowledge().await.expect("acknowledged");
    }
    // Longer than a publication waits for a connection.
    let early = timeout(Duration::from_secs(65), &mut confirmation).await;
    assert!(early.is_err(), "{early:?}");
    limit("0.6");
    confirmation.await.expect("confirmed");
    until(|| bus.state().is_ok()).await;
    assert_eq!(outside.get(&replies).await.delivery.data, b"waits");
    assert_eq!(outside.counts(&replies).await, Some((0, 0)));
}

pub(crate) async fn a_bus_may_begin_before_its_broker(rabbit: &mut RabbitMq) {
    rabbit.kill();
    let (bus, transport) = (AmqpBus::begin(&broker(rabbit.port())), unique("early"));
    let mut deliveries = bus.consume(subscription(&transport, Queue::Inbound, 5)).await.expect("a receiver");
    let confirmation = bus.publish(outbound(&transport), b"early".to_vec());
    until(|| bus.state().is_err_and(|why| why.contains("refused"))).await;
    tokio::task::block_in_place(|| rabbit.start_again()).expect("starts");
    confirmation.await.expect("confirmed");
    let (outside, queue) = (Outside::connect(rabbit.port()).await, name(&transport, Queue::Inbound));
    outside.consumed(&queue).await;
    outside.publish(&queue, b"hello").await;
    assert_eq!(&*deliveries.recv().await.expect("a delivery").body, b"hello");
    assert_eq!(bus.state(), Ok(()));
}

/// Of the servers of these tests, and not of a bus.
pub(crate) async fn servers_can_be_killed_and_started_again(rabbit: &mut RabbitMq) {
    rabbit.kill();
    rabbit.start_again().expect("starts again");
    assert_eq!(rabbit.ctl(&["list_vhosts"]).trim(), VHOST);
    let mut redis = Redis::start().expect("starts");
    redis.kill();
    redis.start_again().expect("starts again");
}
