//! Order, and what runs side by side.

use std::collections::BTreeMap;

use rustix::process::Signal;

use crate::apps::{COUNT, SLOW};
use crate::process::{Transport, Worker, configured, wait_for};
use crate::{Bench, Test, Tested};

pub(crate) const TESTS: &[Test] = &[
    ("order::one_users_messages_are_in_order_and_users_side_by_side", users),
    ("order::told_to_stop_it_finishes_what_runs_and_leaves_the_rest", drains),
];

fn users(bench: &Bench) -> Tested {
    const USERS: u32 = 12;
    const MESSAGES: u32 = 8;
    let broker = bench.broker()?;
    let mut transport = Transport::connect(&broker, "order");
    for number in 0..MESSAGES {
        for user in 0..USERS {
            transport.say(&format!("+{user}"), &number.to_string());
        }
    }
    let worker = Worker::start(&broker, &configured("order", COUNT, "prefetch = 24"));
    let mut heard: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for _ in 0..USERS * MESSAGES {
        let reply = transport.hear();
        let user = reply["to_addr"].as_str().expect("an address").to_owned();
        heard.entry(user).or_default().push(reply["content"].as_str().expect("text").to_owned());
    }
    let expected: Vec<_> = (0..MESSAGES).map(|number| format!("{number}={}", number + 1)).collect();
    assert_eq!(heard.len(), 12);
    for (user, heard) in heard {
        assert_eq!(heard, expected, "{user}");
    }
    wait_for("all to be settled", || {
        worker.has_metric("belljar_worker_messages_settled_total{app=\"order\",outcome=\"done\"} 96")
    });
    assert!(worker.get("/readyz").starts_with("HTTP/1.1 200"));
    Ok(())
}

fn drains(bench: &Bench) -> Tested {
    let broker = bench.broker()?;
    let mut transport = Transport::connect(&broker, "drains");
    let mut worker = Worker::start(&broker, &configured("drains", SLOW, ""));
    for _ in 0..5 {
        transport.say("+1", "1500");
    }
    wait_for("the first to run", || worker.has_metric("belljar_worker_messages_running{app=\"drains\"} 1"));
    worker.signal(Signal::TERM);
    assert_eq!(worker.ends(), Some(0), "{}", worker.log());
    // What ran was finished; with it all others, if the signal came late.
    assert_eq!(transport.heard(), "slow");
    wait_for("the rest to be back", || transport.waiting("inbound") == 4);
    drop(worker);
    // Another one serves them.
    let _worker = Worker::start(&broker, &configured("drains", SLOW, ""));
    for _ in 0..4 {
        assert_eq!(transport.heard(), "slow");
    }
    Ok(())
}
