//! Servers that are killed and come back.

use std::collections::{BTreeMap, BTreeSet};

use rustix::process::Signal;

use crate::apps::{ECHO, STORE};
use crate::common::rabbitmq::RabbitMq;
use crate::common::redis::Redis;
use crate::process::{Transport, Worker, configured, wait_for};
use crate::{Bench, Test, Tested};

pub(crate) const TESTS: &[Test] = &[
    ("broker::a_broker_that_is_killed_under_load_loses_no_message", broker_killed),
    ("broker::a_worker_waits_for_its_broker_and_ends_without_it", broker_late),
    ("broker::without_redis_apps_are_told_so", redis_killed),
];

/// Fault W4 of the reference. Each message is answered, and none of them twice: what is published again because its confirmation was lost
/// is the same message, with the same number.
fn broker_killed(_: &Bench) -> Tested {
    const MESSAGES: u32 = 400;
    let mut broker = RabbitMq::start()?;
    let mut transport = Transport::connect(&broker, "load");
    let said: BTreeSet<_> =
        (0..MESSAGES).map(|number| transport.say(&format!("+{}", number % 40), &number.to_string())).collect();
    let worker = Worker::start(&broker, &configured("load", ECHO, ""));
    for part in 1..=2 {
        wait_for("some answers", || transport.waiting("outbound") > part * MESSAGES / 4);
        broker.kill();
        wait_for("it to be noticed", || worker.get("/readyz").starts_with("HTTP/1.1 503"));
        broker.start_again()?;
        wait_for("it to be found again", || worker.get("/readyz").starts_with("HTTP/1.1 200"));
        transport = Transport::connect(&broker, "load");
    }
    let mut answers: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    while answers.len() < said.len() {
        let reply = transport.hear();
        let text = |field: &str| reply[field].as_str().expect("text").to_owned();
        answers.entry(text("in_reply_to")).or_default().insert(text("message_id"));
    }
    assert!(answers.keys().eq(said.iter()));
    let twice: Vec<_> = answers.iter().filter(|(_, replies)| replies.len() > 1).collect();
    assert!(twice.is_empty(), "answered twice: {twice:?}");
    wait_for("all to be settled", || worker.has_metric("belljar_worker_messages_running{app=\"load\"} 0"));
    assert_eq!(transport.waiting("inbound"), 0);
    for outcome in ["dead_failed", "dead_invalid"] {
        let line = format!("belljar_worker_messages_settled_total{{app=\"load\",outcome=\"{outcome}\"}} 0");
        assert!(worker.has_metric(&line), "{line}");
    }
    // And it goes on.
    transport.say("+99", "the end");
    while transport.heard() != "the end" {}
    Ok(())
}

fn broker_late(_: &Bench) -> Tested {
    let mut broker = RabbitMq::start()?;
    broker.kill();
    let mut worker = Worker::start(&broker, &configured("late", ECHO, ""));
    let unready = worker.get("/readyz");
    assert!(unready.starts_with("HTTP/1.1 503") && unready.contains("broker"), "{unready}");
    assert!(worker.get("/healthz").starts_with("HTTP/1.1 200"));
    broker.start_again()?;
    wait_for("it to be found", || worker.get("/readyz").starts_with("HTTP/1.1 200"));
    let mut transport = Transport::connect(&broker, "late");
    transport.say("+1", "hello");
    assert_eq!(transport.heard(), "hello");
    broker.kill();
    wait_for("it to be missed", || worker.get("/readyz").starts_with("HTTP/1.1 503"));
    worker.signal(Signal::TERM);
    assert_eq!(worker.ends(), Some(0), "{}", worker.log());
    Ok(())
}

fn redis_killed(bench: &Bench) -> Tested {
    let broker = bench.broker()?;
    let mut redis = Redis::start()?;
    let mut transport = Transport::connect(&broker, "redis");
    let store = format!("{}store = 'redis'\nport = {}\n", configured("redis", STORE, ""), redis.port());
    let _worker = Worker::start(&broker, &store);
    transport.say("+1", "set a b");
    transport.say("+1", "get a");
    assert_eq!([transport.heard(), transport.heard()], ["true -", "true \"b\""]);
    redis.kill();
    transport.say("+1", "get a");
    assert_eq!(transport.heard(), "false -");
    redis.start_again()?;
    // It may take a moment until it is found again.
    loop {
        transport.say("+1", "get a");
        if transport.heard() == "true null" {
            return Ok(());
        }
    }
}
