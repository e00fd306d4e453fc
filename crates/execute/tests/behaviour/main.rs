//! What a service does, with real sandboxes.
//!
//! Where no sandbox can be made, every test is reported as skipped, with the reason; with `BELLJAR_TEST_STRICT=1` that is a
//! failure. An argument selects the tests whose names contain it.

// The report is this program's output, and it is the test harness.
#![expect(clippy::print_stdout, clippy::unwrap_used, reason = "a test harness of its own")]

mod commands;
mod environments;
mod fixture;
mod libraries;
mod pool;
mod results;

use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use belljar_execute::Settings;
use belljar_sandbox::{Launcher, launcher_main_if_asked};

use crate::fixture::{Bench, settings};

/// No test needs nearly as long.
const PATIENCE: Duration = Duration::from_secs(120);

type Test = fn(Bench) -> Pin<Box<dyn Future<Output = ()>>>;

/// Names test functions and makes them one type.
macro_rules! tests {
    ($($module:ident: $($name:ident),* $(,)?;)*) => {
        const TESTS: &[(&str, Test)] = &[$($(
            (concat!(stringify!($module), "::", stringify!($name)), |bench| Box::pin($module::$name(bench))),
        )*)*];
    };
}

tests! {
    commands:
        a_command_is_told_with_its_output,
        a_failure_ends_the_run_unless_it_is_ignored,
        a_command_that_takes_too_long_is_killed_with_all_it_started,
        the_budget_is_shared,
        a_command_without_time_is_not_started,
        variables_reach_every_command,
        each_command_has_a_new_shell_in_the_same_directory,
        output_that_is_no_text_ends_the_run_if_asked,
        what_cannot_be_run_is_an_outcome,
        who_goes_away_leaves_nothing_running;
    results:
        a_file_is_returned,
        what_is_no_file_inside_is_not_returned,
        large_files_are_returned_up_to_the_limit,
        what_still_runs_cannot_change_a_result;
    environments:
        what_is_saved_is_what_was_there,
        an_upload_wins_over_the_base,
        an_upload_wins_however_its_names_are_spelled,
        a_failed_run_is_saved_and_returned_too,
        nothing_is_stored_that_was_not_asked_for,
        bad_uploads_are_the_callers_fault,
        what_does_not_fit_is_told_apart,
        steps_that_take_too_long_are_given_up,
        too_large_a_directory_is_not_saved,
        files_are_taken_out_of_environments,
        unknown_environments_are_told,
        environments_expire_and_can_be_removed;
    libraries:
        installed_software_is_listed_once,
        external_libraries_can_be_imported,
        programs_cannot_change_libraries;
    pool:
        requests_run_side_by_side_and_give_their_sandboxes_back,
        who_finds_all_busy_is_told_when_to_come_back,
        facts_are_told_at_once,
        a_stopped_service_refuses;
}

fn main() -> ExitCode {
    launcher_main_if_asked();
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if arguments.iter().any(|argument| argument == "--list") {
        for (name, _) in TESTS {
            println!("{name}: test");
        }
        return ExitCode::SUCCESS;
    }
    let filters: Vec<&String> = arguments.iter().filter(|argument| !argument.starts_with('-')).collect();
    let chosen =
        TESTS.iter().filter(|(name, _)| filters.is_empty() || filters.iter().any(|filter| name.contains(*filter)));
    // Before there are threads.
    let launcher = match Launcher::start() {
        Ok(launcher) => launcher,
        Err(error) => return skip_all(&error.to_string()),
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    if let Err(reason) = runtime.block_on(try_sandbox(launcher.clone())) {
        return skip_all(&reason);
    }
    let (mut failed, mut passed) = (0, 0);
    for (name, test) in chosen {
        let bench = Bench::new(launcher.clone());
        let began = Instant::now();
        let run = AssertUnwindSafe(|| runtime.block_on(async { tokio::time::timeout(PATIENCE, test(bench)).await }));
        let verdict = match std::panic::catch_unwind(run) {
            Ok(Ok(())) => "ok",
            Ok(Err(_)) => "FAILED: too slow",
            Err(_) => "FAILED",
        };
        if verdict == "ok" {
            passed += 1
        } else {
            failed += 1
        }
        println!("test {name} ... {verdict} ({:.2} s)", began.elapsed().as_secs_f64());
    }
    println!("\ntest result: {passed} passed; {failed} failed");
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Whether sandboxes can be made here.
async fn try_sandbox(launcher: Launcher) -> Result<(), String> {
    let bench = Bench::new(launcher);
    let soon = Duration::from_secs(5);
    let service = bench.start(Settings { wait_for_sandbox: soon, ..settings(1) }).await;
    let ran = service.execute(fixture::request(["true"])).await.map_err(|error| fixture::chain(&error));
    service.stop().await;
    match ran?.executions.remove(0).outcome.end {
        belljar_sandbox::End::SetupFailed { message, .. } => Err(message),
        _ => Ok(()),
    }
}

fn skip_all(reason: &str) -> ExitCode {
    for (name, _) in TESTS {
        println!("test {name} ... skipped: {reason}");
    }
    let required = std::env::var_os("BELLJAR_TEST_STRICT").is_some_and(|value| value == "1");
    if required { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}
