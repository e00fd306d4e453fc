//! What engines do, with real sandboxes: one module for each engine, and one for what all have to do.
//!
//! A test that needs what this machine or this user does not have is reported as ignored, with the reason; with
//! `BELLJAR_TEST_STRICT=1` it fails.

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "tests, and their harness")]

mod bench;
mod quickjs;

use std::pin::Pin;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use belljar_sandbox::{Launcher, launcher_main_if_asked};
use belljar_worker::engine::quickjs::zygote_main_if_asked;
use libtest_mimic::{Arguments, Completion, Failed, Trial};
use tokio::runtime::Runtime;

use crate::bench::{Bench, Needs};
use crate::quickjs::speed as quickjs_speed;

/// No test needs nearly as long; one that hangs fails with its name.
const PATIENCE: Duration = Duration::from_secs(120);

type Test = for<'a> fn(&'a Bench) -> Pin<Box<dyn Future<Output = ()> + 'a>>;

/// Names test functions with what they need, and makes them one type.
macro_rules! tests {
    ($($module:ident { $($needs:ident: $($name:ident),* $(,)?;)* })*) => {
        const TESTS: &[(&str, Needs, Test)] = &[$($($(
            (concat!(stringify!($module), "::", stringify!($name)), Needs::$needs, |bench| Box::pin($module::$name(bench))),
        )*)*)*];
    };
}

tests! {
    quickjs_speed {
        Nothing:
            figures;
    }
}

fn main() -> ExitCode {
    launcher_main_if_asked();
    zygote_main_if_asked();
    let arguments = Arguments::from_args();
    if arguments.list {
        return libtest_mimic::run(&arguments, trials(None)).exit_code();
    }
    // Before there are threads.
    let launcher = match Launcher::start() {
        Ok(launcher) => launcher,
        Err(error) => {
            println!("no launcher: {error}");
            return ExitCode::FAILURE;
        }
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let bench = runtime.block_on(Bench::new(launcher.clone()));
    let conclusion = libtest_mimic::run(&arguments, trials(Some(&(Arc::new(runtime), Arc::new(bench)))));
    drop(launcher);
    conclusion.exit_code()
}

fn trials(ground: Option<&(Arc<Runtime>, Arc<Bench>)>) -> Vec<Trial> {
    let trial = |&(name, needs, test): &(&'static str, Needs, Test)| {
        let ground = ground.cloned();
        Trial::ignorable_test(name, move || {
            let (runtime, bench) = ground.ok_or("only listed")?;
            if let Some(reason) = bench.lacks(needs) {
                let strict = std::env::var_os("BELLJAR_TEST_STRICT").is_some_and(|value| value == "1");
                return if strict { Err(reason.into()) } else { Ok(Completion::ignored_with(reason)) };
            }
            runtime.block_on(async {
                let finished = tokio::time::timeout(PATIENCE, test(&bench)).await;
                finished.map(|()| Completion::Completed).map_err(|_| Failed::from("it hangs"))
            })
        })
    };
    TESTS.iter().map(trial).collect()
}
