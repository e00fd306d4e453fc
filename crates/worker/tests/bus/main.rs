//! Buses, all of them by the same tests, and what only RabbitMQ has, by its own.
//!
//! RabbitMQ is started for these tests, once; without one installed its tests are reported as ignored, or fail with
//! `BELLJAR_TEST_STRICT=1`.

#[expect(dead_code, reason = "each test program uses a part of it")]
#[path = "../common/mod.rs"]
mod common;

use std::process::ExitCode;
use std::sync::{Arc, Mutex};

use common::Unavailable;
use common::rabbitmq::RabbitMq;
use common::redis::Redis;
use libtest_mimic::{Arguments, Completion, Failed, Trial};

/// What the tests share.
struct Bench {
    /// Started by the first test that wants it. Tests that kill it hold the lock.
    broker: Mutex<Option<RabbitMq>>,
}

fn main() -> ExitCode {
    let bench = Arc::new(Bench { broker: Mutex::new(None) });
    let trial = |name: &str, test: fn(&Bench) -> Result<(), Unavailable>| {
        let bench = Arc::clone(&bench);
        Trial::ignorable_test(name, move || match test(&bench) {
            Ok(()) => Ok(Completion::Completed),
            Err(Unavailable::Missing(what)) if !common::is_strict() => {
                Ok(Completion::Ignored { reason: Some(format!("{what} is not installed")) })
            }
            Err(why) => Err(Failed::from(why.to_string())),
        })
    };
    let trials =
        vec![trial("harness::servers_can_be_killed_and_started_again", servers_can_be_killed_and_started_again)];
    let conclusion = libtest_mimic::run(&Arguments::from_args(), trials);
    drop(bench);
    conclusion.exit_code()
}

fn servers_can_be_killed_and_started_again(bench: &Bench) -> Result<(), Unavailable> {
    let mut broker = bench.broker.lock().expect("no test has panicked here");
    let broker = broker.insert(RabbitMq::start()?);
    broker.kill();
    broker.start_again()?;
    assert_eq!(broker.ctl(&["list_vhosts"]).trim(), common::rabbitmq::VHOST);
    let mut redis = Redis::start()?;
    redis.kill();
    redis.start_again()
}
