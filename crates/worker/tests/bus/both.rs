//! What every bus does.

use std::collections::HashMap;

use belljar_worker::bus::{Delivery, Queue};
use tokio::sync::mpsc::Receiver;
use tokio::task::JoinSet;

use crate::rig::{Dead, Rig, name};

async fn next(deliveries: &mut Receiver<Delivery>) -> Delivery {
    deliveries.recv().await.expect("a delivery")
}

fn numbered(number: usize) -> Vec<u8> {
    format!("message {number}").into_bytes()
}

pub(crate) async fn bodies_arrive_in_order_as_they_were(rig: Rig) {
    let mut deliveries = rig.consume(Queue::Inbound, 20).await;
    let large = vec![b'x'; 300_000];
    let bodies = [&b"{\"a\": 1}"[..], b"", b"not json \xff\x00\n", &large];
    for body in bodies {
        rig.inject(Queue::Inbound, body).await;
    }
    for body in bodies {
        let delivery = next(&mut deliveries).await;
        assert_eq!(&*delivery.body, body);
        assert!(!delivery.redelivered && !delivery.settle.is_void());
        delivery.settle.acknowledge().await.expect("acknowledged");
    }
    rig.depth(Queue::Inbound, 0).await;
}

/// [W1]
pub(crate) async fn as_many_are_unsettled_as_was_asked_for(rig: Rig) {
    let mut deliveries = rig.consume(Queue::Inbound, 3).await;
    for number in 0..10 {
        rig.inject(Queue::Inbound, &numbered(number)).await;
    }
    let mut unsettled = Vec::new();
    for number in 0..3 {
        let delivery = next(&mut deliveries).await;
        assert_eq!(&*delivery.body, numbered(number));
        unsettled.push(delivery);
    }
    rig.depth(Queue::Inbound, 7).await;
    assert!(deliveries.try_recv().is_err());
    // Settled in any order, each makes room for one.
    for number in 3..10 {
        let settled = unsettled.remove(number % 3);
        settled.settle.acknowledge().await.expect("acknowledged");
        let delivery = next(&mut deliveries).await;
        assert_eq!(&*delivery.body, numbered(number));
        unsettled.push(delivery);
        rig.depth(Queue::Inbound, 9 - number as u64).await;
        assert!(deliveries.try_recv().is_err());
    }
}

pub(crate) async fn what_is_dropped_comes_again(rig: Rig) {
    let mut deliveries = rig.consume(Queue::Event, 1).await;
    rig.inject(Queue::Event, b"first").await;
    rig.inject(Queue::Event, b"second").await;
    for times in 0..3 {
        let delivery = next(&mut deliveries).await;
        assert_eq!((&*delivery.body, delivery.redelivered), (&b"first"[..], times > 0));
        if times == 2 {
            delivery.settle.acknowledge().await.expect("acknowledged");
        }
    }
    assert_eq!(&*next(&mut deliveries).await.body, b"second");
}

/// [W3]
pub(crate) async fn poison_is_buried_and_others_go_on(rig: Rig) {
    let mut deliveries = rig.consume(Queue::Inbound, 1).await;
    let poison = &b"not json \xff"[..];
    for body in [poison, b"good", poison] {
        rig.inject(Queue::Inbound, body).await;
    }
    for body in [poison, b"good", poison] {
        let delivery = next(&mut deliveries).await;
        assert_eq!((&*delivery.body, delivery.redelivered), (body, false));
        let settled = if body == poison {
            // Longer than is kept, cut in the middle of a character.
            delivery.settle.bury(format!("not JSON{}", "é".repeat(5000))).await
        } else {
            delivery.settle.acknowledge().await
        };
        settled.expect("settled");
    }
    rig.depth(Queue::Inbound, 0).await;
    for skipped in 0..2 {
        let Dead { reason, queue, app, body } = rig.dead(skipped).await;
        assert!(reason.starts_with("not JSONéé"), "{reason}");
        assert_eq!((queue, app.as_str(), &*body), (name(&rig.transport_name, Queue::Inbound), "the app", poison));
    }
}

pub(crate) async fn the_queues_of_an_app_do_not_wait_for_each_other(rig: Rig) {
    let mut inbound = rig.consume(Queue::Inbound, 1).await;
    let mut events = rig.consume(Queue::Event, 1).await;
    rig.inject(Queue::Inbound, b"message").await;
    let unsettled = next(&mut inbound).await;
    for number in 0..5 {
        rig.inject(Queue::Event, &numbered(number)).await;
        let event = next(&mut events).await;
        assert_eq!(&*event.body, numbered(number));
        event.settle.acknowledge().await.expect("acknowledged");
    }
    unsettled.settle.acknowledge().await.expect("acknowledged");
}

pub(crate) async fn what_was_delivered_outlives_its_consumer(rig: Rig) {
    let mut deliveries = rig.consume(Queue::Inbound, 4).await;
    for number in 0..6 {
        rig.inject(Queue::Inbound, &numbered(number)).await;
    }
    let (settled, dropped) = (next(&mut deliveries).await, next(&mut deliveries).await);
    // With two that were never looked at.
    drop(deliveries);
    rig.depth(Queue::Inbound, 4).await;
    settled.settle.acknowledge().await.expect("acknowledged");
    drop(dropped);
    rig.depth(Queue::Inbound, 5).await;
    let mut deliveries = rig.consume(Queue::Inbound, 20).await;
    for number in 1..6 {
        let delivery = next(&mut deliveries).await;
        assert_eq!(&*delivery.body, numbered(number));
        delivery.settle.acknowledge().await.expect("acknowledged");
    }
    rig.depth(Queue::Inbound, 0).await;
}

pub(crate) async fn a_paused_bus_lets_what_came_be_finished(rig: Rig) {
    let mut deliveries = rig.consume(Queue::Inbound, 2).await;
    for number in 0..5 {
        rig.inject(Queue::Inbound, &numbered(number)).await;
    }
    let first = next(&mut deliveries).await;
    rig.bus.pause().await;
    // An acknowledgement now brings nothing new.
    first.settle.acknowledge().await.expect("acknowledged");
    let confirmed = rig.bus.publish(rig.outbound(), b"reply".to_vec());
    let mut finished = 1;
    while let Some(delivery) = deliveries.recv().await {
        delivery.settle.acknowledge().await.expect("acknowledged");
        finished += 1;
    }
    assert!(finished <= 2, "{finished}");
    rig.depth(Queue::Inbound, 5 - finished).await;
    confirmed.await.expect("confirmed");
    assert_eq!(rig.published().await, b"reply");
    let refused = rig.bus.consume(crate::rig::subscription(&rig.transport_name, Queue::Event, 1)).await;
    assert!(refused.is_err());
    rig.bus.close().await;
}

pub(crate) async fn publications_are_in_the_order_of_the_calls(rig: Rig) {
    const COUNT: usize = 600;
    let confirmations: Vec<_> = (0..COUNT).map(|number| rig.bus.publish(rig.outbound(), numbered(number))).collect();
    for confirmation in confirmations.into_iter().rev() {
        confirmation.await.expect("confirmed");
    }
    for number in 0..COUNT {
        assert_eq!(rig.published().await, numbered(number));
    }
}

pub(crate) async fn many_at_once_are_each_settled_once(rig: Rig) {
    const COUNT: usize = 500;
    let mut deliveries = rig.consume(Queue::Inbound, 50).await;
    let mut work = JoinSet::new();
    let (mut seen, mut received) = (HashMap::new(), 0);
    for number in 0..COUNT {
        rig.inject(Queue::Inbound, &numbered(number)).await;
    }
    while received < COUNT {
        let delivery = next(&mut deliveries).await;
        *seen.entry(delivery.body.clone()).or_insert(0) += 1;
        received += 1;
        let confirmed = rig.bus.publish(rig.outbound(), delivery.body.to_vec());
        work.spawn(async move {
            confirmed.await.expect("confirmed");
            delivery.settle.acknowledge().await.expect("acknowledged");
        });
    }
    while let Some(done) = work.join_next().await {
        done.expect("settled");
    }
    assert_eq!(seen.len(), COUNT);
    rig.depth(Queue::Inbound, 0).await;
    assert!(deliveries.try_recv().is_err());
}
