//! Buses: each by the same tests, and what only RabbitMQ has, by its own.
//!
//! RabbitMQ is started for these tests: one that all share, and one that is killed, emptied and disconnected, by one test at a time.
//! Without one installed the tests are reported as ignored, or fail with `BELLJAR_TEST_STRICT=1`. "[W3]" and the like are faults of
//! vxsandbox that must not be found again.

#[expect(dead_code, reason = "each test program uses a part of it")]
#[path = "../common/mod.rs"]
mod common;

mod both;
mod disruption;
mod outside;
mod rabbit;
mod rig;

use std::pin::Pin;
use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use common::Unavailable;
use common::rabbitmq::RabbitMq;
use libtest_mimic::{Arguments, Completion, Failed, Trial};
use rig::Rig;

/// No test needs nearly as long; one that hangs fails with its name.
const PATIENCE: Duration = Duration::from_secs(300);

type Running<'a> = Pin<Box<dyn Future<Output = ()> + 'a>>;

type Run = dyn FnOnce(&Bench) -> Result<(), Unavailable> + Send;

/// What a test wants.
#[derive(Clone, Copy)]
enum Test {
    /// A bus, of each kind.
    Bus(fn(Rig) -> Running<'static>),
    /// The port of a broker that others use, too.
    Broker(fn(u16) -> Running<'static>),
    /// A broker for itself, for a while.
    Disruption(for<'a> fn(&'a mut RabbitMq) -> Running<'a>),
    /// A broker for itself, for long enough that others should not wait for it.
    Patience(for<'a> fn(&'a mut RabbitMq) -> Running<'a>),
}

/// Names test functions with what they want.
macro_rules! tests {
    ($($kind:ident of $module:ident: $($name:ident),* $(,)?;)*) => {
        const TESTS: &[(&str, Test)] = &[$($(
            (concat!(stringify!($module), "::", stringify!($name)), Test::$kind(|given| Box::pin($module::$name(given)))),
        )*)*];
    };
}

tests! {
    Bus of both:
        bodies_arrive_in_order_as_they_were,
        as_many_are_unsettled_as_was_asked_for,
        what_is_dropped_comes_again,
        poison_is_buried_and_others_go_on,
        the_queues_of_an_app_do_not_wait_for_each_other,
        what_was_delivered_outlives_its_consumer,
        a_paused_bus_lets_what_came_be_finished,
        publications_are_in_the_order_of_the_calls,
        many_at_once_are_each_settled_once;
    Broker of rabbit:
        exchanges_and_queues_are_vumis,
        publications_have_vumis_properties,
        dead_letters_tell_where_they_are_from,
        a_dead_letter_queue_may_have_limits,
        a_dead_letter_is_confirmed_before_its_original_is_gone,
        a_refused_publication_is_told,
        trouble_with_one_queue_does_not_stop_another,
        what_is_wrong_is_told_with_advice,
        what_waits_for_a_broker_has_a_limit;
    Disruption of disruption:
        nothing_is_lost_when_the_broker_dies_under_load,
        consumers_go_on_after_their_connection_was_closed,
        a_queue_that_was_removed_is_declared_again,
        an_exchange_that_was_removed_is_declared_again,
        publications_wait_for_the_broker,
        a_delivery_of_a_lost_connection_comes_again,
        a_bus_may_begin_before_its_broker,
        servers_can_be_killed_and_started_again;
    Patience of disruption:
        a_silent_broker_is_given_up,
        a_broker_short_of_memory_hears_acknowledgements_and_is_waited_for;
}

/// The brokers, once they are started.
#[derive(Default)]
struct Bench {
    shared: Mutex<Option<RabbitMq>>,
    private: Mutex<Option<RabbitMq>>,
}

impl Bench {
    fn port(&self) -> Result<u16, Unavailable> {
        let mut broker = self.shared.lock().unwrap_or_else(PoisonError::into_inner);
        match &*broker {
            Some(broker) => Ok(broker.port()),
            None => Ok(broker.insert(RabbitMq::start()?).port()),
        }
    }

    fn disrupt(&self, test: impl FnOnce(&mut RabbitMq)) -> Result<(), Unavailable> {
        let mut broker = self.private.lock().unwrap_or_else(PoisonError::into_inner);
        // A test that failed may have left anything: then there is none.
        let mut given = match broker.take() {
            Some(given) => given,
            None => RabbitMq::start()?,
        };
        test(&mut given);
        *broker = Some(given);
        Ok(())
    }
}

fn main() -> ExitCode {
    let bench = Arc::new(Bench::default());
    let trial = |name: String, run: Box<Run>| {
        let bench = Arc::clone(&bench);
        Trial::ignorable_test(name, move || match run(&bench) {
            Ok(()) => Ok(Completion::Completed),
            Err(Unavailable::Missing(what)) if !common::is_strict() => {
                Ok(Completion::ignored_with(format!("{what} is not installed")))
            }
            Err(why) => Err(Failed::from(why.to_string())),
        })
    };
    let mut trials = Vec::new();
    for &(name, test) in TESTS {
        match test {
            Test::Bus(test) => {
                let local = move |_: &Bench| {
                    finish(async { test(Rig::local()).await });
                    Ok(())
                };
                let amqp = move |bench: &Bench| {
                    let port = bench.port()?;
                    finish(async { test(Rig::amqp(port).await).await });
                    Ok(())
                };
                trials.push(trial(format!("{name}::local"), Box::new(local)));
                trials.push(trial(format!("{name}::amqp"), Box::new(amqp)));
            }
            Test::Broker(test) => {
                let run = move |bench: &Bench| {
                    let port = bench.port()?;
                    finish(test(port));
                    Ok(())
                };
                trials.push(trial(name.to_owned(), Box::new(run)));
            }
            Test::Patience(test) => {
                let run = move |_: &Bench| {
                    finish(test(&mut RabbitMq::start()?));
                    Ok(())
                };
                trials.push(trial(name.to_owned(), Box::new(run)));
            }
            Test::Disruption(test) => {
                let run = move |bench: &Bench| bench.disrupt(|broker| finish(test(broker)));
                trials.push(trial(name.to_owned(), Box::new(run)));
            }
        }
    }
    let conclusion = libtest_mimic::run(&Arguments::from_args(), trials);
    // The brokers and their directories go.
    drop(bench);
    conclusion.exit_code()
}

/// Runs a test, with threads of its own.
fn finish(test: impl Future<Output = ()>) {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime");
    runtime.block_on(async { tokio::time::timeout(PATIENCE, test).await }).expect("within the test's patience");
    runtime.shutdown_background();
}
