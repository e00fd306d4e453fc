//! What apps do, in real sandboxes, seen from the worker.
//!
//! A test that needs what this machine does not have is reported as ignored, with the reason; with `BELLJAR_TEST_STRICT=1` it fails.
//! "Line 7" and the like are tests of vxsandbox's own, by their numbers in the reference of its protocol.

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "tests, and their harness")]

mod bench;
mod javascript;
#[path = "../common/libraries.rs"]
mod libraries;
mod misbehaviour;
mod programs;
mod quickjs;
mod reuse;
mod toolkit;

use std::pin::Pin;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use belljar_sandbox::{Launcher, launcher_main_if_asked};
use belljar_worker::engine::quickjs::zygote_main_if_asked;
use libtest_mimic::{Arguments, Completion, Failed, Trial};
use tokio::runtime::Runtime;

use crate::bench::{Bench, Needs};
use crate::quickjs::{attacks as quickjs_attacks, behaviour as quickjs_behaviour, isolation as quickjs_isolation};

/// No test needs nearly as long; one that hangs fails with its name.
const PATIENCE: Duration = Duration::from_secs(180);

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
    programs {
        Nothing:
            what_is_no_command_kills_in_strict,
            standard_error_is_one_line_of_the_log,
            the_last_line_needs_no_end,
            too_much_output_kills,
            the_environment_is_exactly_the_apps,
            limits_are_set_as_vxsandbox_does,
            lines_of_the_log_go_to_the_named_resource,
            messages_and_events_arrive_whole,
            requests_are_answered_out_of_order,
            a_fault_in_a_resource_is_one_requests,
            commands_nobody_knows,
            arguments_and_directories_are_as_configured,
            endings_are_told,
            many_wait_side_by_side;
    }
    misbehaviour {
        Nothing:
            whoever_is_not_done_in_time_is_killed,
            input_that_is_not_read_holds_nobody_up,
            lines_that_are_no_commands_kill,
            replies_to_nobody_are_refused,
            output_without_end_is_cut,
            children_end_with_their_process,
            a_crash_is_one_messages,
            tenants_see_nothing_of_one_another;
        Groups:
            memory_without_end_is_limited,
            forks_without_end_are_limited;
    }
    javascript {
        Node:
            lines_of_an_app_come_in_order,
            the_context_is_the_apps,
            requests_can_be_made_later,
            each_message_has_a_fresh_world,
            the_api_is_as_known,
            events_without_a_handler_are_done,
            errors_are_told_with_their_place,
            modules_are_found_beside_the_app,
            a_changed_file_is_used_at_once,
            processes_are_started_ahead,
            nothing_but_ascii_is_told;
    }
    reuse {
        Node:
            processes_serve_as_often_as_configured,
            many_messages_share_few_processes,
            messages_and_events_have_processes_of_their_own,
            the_dead_serve_nobody,
            each_tenant_has_its_own,
            time_and_output_are_counted_per_message;
    }
    toolkit {
        Libraries:
            a_bundled_app_asks_for_the_same_in_both_engines,
            an_example_asks_for_the_same_in_both_engines,
            libraries_can_be_required_late,
            the_host_can_end_the_process,
            the_time_zone_is_the_apps;
    }
    quickjs_behaviour {
        Nothing:
            requests_come_in_nodes_order,
            apps_find_what_they_know,
            commands_find_their_handlers,
            what_nobody_catches_ends_the_process,
            an_app_may_end_its_process,
            an_app_that_cannot_be_loaded_is_told,
            tasks_run_in_nodes_order,
            timers_wait_for_the_message,
            modules_are_found_while_a_message_is_served,
            lines_are_read_as_they_come;
    }
    quickjs_isolation {
        Nothing:
            nothing_of_a_message_is_in_the_next,
            time_and_chance_are_never_remembered,
            an_app_that_is_loaded_anew_is_as_any_other,
            a_changed_file_counts_from_the_next_message,
            reloading_is_harmless;
    }
    quickjs_attacks {
        Nothing:
            what_uses_up_its_limits_is_ended,
            loading_has_limits,
            the_hosts_realm_has_nothing_to_give,
            a_flood_waits_for_its_reader,
            a_kill_works_always,
            there_are_no_more_processes_than_there_may_be,
            a_killed_zygote_is_replaced,
            many_at_once_do_not_mix;
        Groups:
            messages_that_are_too_large_together_are_told;
    }
}

fn main() -> ExitCode {
    launcher_main_if_asked();
    zygote_main_if_asked();
    let mut arguments = Arguments::from_args();
    // Two cores, and processes that start.
    arguments.test_threads = Some(arguments.test_threads.unwrap_or(2).min(2));
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
            let finished = runtime.block_on(async { tokio::time::timeout(PATIENCE, test(&bench)).await });
            finished.map_err(|_| Failed::from("it hangs"))?;
            Ok(Completion::Completed)
        })
    };
    TESTS.iter().map(trial).collect()
}
