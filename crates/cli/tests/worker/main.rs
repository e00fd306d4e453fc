//! `belljar worker` as a process, with real brokers, which are started for these tests.
//!
//! Without RabbitMQ, Redis or sandboxes the tests that need them are reported as ignored; with `BELLJAR_TEST_STRICT=1` they fail.

#[expect(dead_code, reason = "each test program uses a part of it")]
#[path = "../../../worker/tests/common/mod.rs"]
mod common;

mod apps;
mod broker;
mod dropin;
mod faults;
mod keys;
mod order;
mod process;
mod reload;

use std::process::{Command, ExitCode, Stdio};
use std::sync::{Arc, Mutex, OnceLock};

use common::Unavailable;
use common::rabbitmq::RabbitMq;
use libtest_mimic::{Arguments, Completion, Failed, Trial};

/// What a test comes to.
pub(crate) type Tested = Result<(), Unavailable>;

/// A test with its name.
pub(crate) type Test = (&'static str, fn(&Bench) -> Tested);

/// What the tests share.
pub(crate) struct Bench {
    /// Started by the first test that wants it, and never killed: tests that kill one have their own.
    broker: Mutex<Option<Arc<RabbitMq>>>,
}

impl Bench {
    /// The broker that all share. Each test has a transport of its own.
    pub(crate) fn broker(&self) -> Result<Arc<RabbitMq>, Unavailable> {
        let mut broker = self.broker.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Some(broker) = &*broker {
            return Ok(Arc::clone(broker));
        }
        Ok(Arc::clone(broker.insert(Arc::new(RabbitMq::start()?))))
    }
}

/// Whether sandboxes can be made here.
fn sandboxes() -> Result<(), Unavailable> {
    static USABLE: OnceLock<bool> = OnceLock::new();
    let usable = *USABLE.get_or_init(|| {
        let doctor = Command::new(env!("CARGO_BIN_EXE_belljar")).arg("doctor").stdout(Stdio::null()).status();
        doctor.expect("the binary starts").success()
    });
    if usable { Ok(()) } else { Err(Unavailable::Missing("what sandboxes need".to_owned())) }
}

fn main() -> ExitCode {
    let bench = Arc::new(Bench { broker: Mutex::new(None) });
    let mut trials = Vec::new();
    for (name, test) in [order::TESTS, faults::TESTS, broker::TESTS, reload::TESTS, keys::TESTS, dropin::TESTS].concat()
    {
        let bench = Arc::clone(&bench);
        trials.push(Trial::ignorable_test(name, move || match sandboxes().and_then(|()| test(&bench)) {
            Ok(()) => Ok(Completion::Completed),
            Err(Unavailable::Missing(what)) if !common::is_strict() => {
                Ok(Completion::Ignored { reason: Some(format!("{what} is not installed")) })
            }
            Err(why) => Err(Failed::from(why.to_string())),
        }));
    }
    let mut arguments = Arguments::from_args();
    // Each starts processes enough to keep the machine busy.
    arguments.test_threads = arguments.test_threads.or(Some(2));
    let conclusion = libtest_mimic::run(&arguments, trials);
    drop(bench);
    conclusion.exit_code()
}
