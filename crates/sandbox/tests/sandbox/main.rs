//! What a sandbox does, seen from both sides of its walls, with real kernels and real programs.
//!
//! A test that needs what this machine or this user does not have is reported as ignored, with the reason; with
//! `BELLJAR_TEST_STRICT=1` it fails. After each test nothing may be left of its sandboxes: no process, mount, control group,
//! descriptor or file.

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "tests, and their harness")]

mod agent;
mod arguments;
mod attempts;
mod bench;
mod bridge;
mod deaths;
mod ends;
mod layers;
mod leaks;
mod limits;
mod mounts;
mod output;
mod pool;
mod privileges;
mod reuse;
mod unprivileged;
mod view;
mod warm;

use std::pin::Pin;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use belljar_sandbox::{Launcher, launcher_main_if_asked};
use libtest_mimic::{Arguments, Completion, Failed, Trial};
use tokio::runtime::Runtime;

use crate::bench::{Bench, Needs};

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
    limits {
        Nothing:
            wall_time_ends_a_command_with_all_it_started,
            cpu_time_of_all_processes_counts,
            cpu_time_of_short_lived_children_counts,
            a_file_cannot_grow_beyond_its_limit,
            the_writable_layer_cannot_grow_beyond_its_limit,
            files_in_the_writable_layer_are_counted,
            open_files_are_limited,
            a_command_cannot_have_more_time_than_the_policy;
        Groups:
            memory_of_every_kind_is_limited,
            a_fork_bomb_is_held,
            threads_are_counted_exactly;
    }
    output {
        Nothing:
            exactly_the_limit_is_kept,
            writers_are_killed_at_once,
            input_larger_than_a_pipe_need_not_be_read,
            input_arrives_whole,
            forwarded_output_waits_for_a_slow_reader,
            the_end_of_a_reader_ends_the_writer;
    }
    ends {
        Nothing:
            each_end_is_told,
            a_daemon_does_not_hold_the_result_back,
            whoever_kills_or_stops_everything_hurts_no_later_command,
            what_cannot_be_executed_is_told,
            signals_reach_the_command,
            files_stay_processes_go,
            a_dropped_run_leaves_a_usable_sandbox;
    }
    arguments {
        Nothing:
            arguments_arrive_as_they_are,
            too_much_is_refused_with_a_reason,
            variables_override,
            programs_are_looked_up_inside;
    }
    view {
        Nothing:
            nothing_of_the_host_shows,
            the_program_sees_only_itself,
            the_environment_is_the_policys,
            three_descriptors_are_open,
            loopback_is_the_only_network,
            dangerous_files_of_proc_are_masked,
            the_tree_is_writable_only_where_it_should_be,
            setuid_programs_gain_nothing,
            what_is_ours_inside_has_no_privileges,
            nobody_escapes_the_out_of_memory_killer,
            a_policy_without_the_walls_is_refused;
    }
    attempts {
        Nothing:
            forbidden_calls_fail_as_they_should,
            ordinary_calls_work,
            root_inside_can_do_no_more;
    }
    layers {
        Nothing:
            every_enforced_layer_is_there,
            layers_switched_off_are_off;
        Groups:
            everything_is_enforced_here;
    }
    reuse {
        Nothing:
            nothing_is_carried_over,
            the_inits_own_settings_cannot_be_changed_for_others,
            never_means_never;
        Groups:
            only_what_was_touched_is_renewed;
    }
    bridge {
        Nothing:
            programs_reach_the_sockets_of_their_owner,
            nothing_else_is_reached_through_a_bridge,
            a_run_sees_no_connection_of_an_earlier_one,
            unused_sockets_are_kept,
            names_are_shown_in_a_directory_too,
            as_many_sockets_as_promised;
    }
    mounts {
        Nothing:
            each_access_is_what_it_says,
            nothing_set_user_id_reaches_the_host,
            files_can_be_mounted,
            mounts_land_anywhere_writable,
            contradictions_are_refused_with_a_reason,
            a_directory_can_be_the_root;
        Root:
            directories_only_root_can_read_show_inside,
            root_inside_is_nobody_outside;
    }
    agent {
        Nothing:
            directories_travel_in_and_out,
            hostile_archives_are_refused,
            a_full_disk_is_a_failure,
            only_plain_files_are_results,
            a_directory_without_permissions_is_packed,
            members_are_read,
            calls_survive_hostile_leftovers;
    }
    pool {
        Nothing:
            callers_are_served_in_order,
            a_full_pool_says_busy,
            numbers_add_up,
            closing_waits_for_what_is_lent,
            a_dropped_pool_leaves_others_alone,
            an_impossible_policy_is_told;
        Groups:
            thousands_of_runs_leave_nothing;
    }
    deaths {
        Nothing:
            a_killed_launcher_is_replaced,
            a_killed_owner_takes_everything_along,
            a_killed_sandbox_is_replaced,
            a_sandbox_that_dies_unused_is_replaced;
    }
    warm {
        Nothing:
            programs_do_as_in_a_fresh_interpreter,
            a_fork_is_confined_like_any_program,
            the_zygote_cannot_be_reached,
            nothing_of_a_run_is_in_the_next,
            what_would_make_a_difference_is_left_to_a_fresh_interpreter,
            a_shell_is_not_missed,
            limits_hold_for_forks,
            a_lost_zygote_costs_only_time,
            one_that_cannot_be_is_refused_or_done_without;
        Groups:
            processes_and_memory_are_counted_for_forks;
    }
    privileges {
        Root:
            a_charter_grants_nothing_else,
            a_charter_says_how_many_there_are,
            what_was_granted_cannot_be_exchanged,
            launchers_keep_what_they_need,
            a_sealed_launcher_is_replaced,
            who_takes_the_server_over_has_little;
    }
    unprivileged {
        Root:
            everything_works_for_an_ordinary_user;
    }
}

fn main() -> ExitCode {
    launcher_main_if_asked();
    if deaths::own_if_asked() || privileges::serve_if_asked() {
        return ExitCode::SUCCESS;
    }
    let mut arguments = Arguments::from_args();
    // One launcher, and leaks are found by comparing before and after: one after the other.
    arguments.test_threads = Some(1);
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
            let finished = runtime.block_on(async {
                let finished = tokio::time::timeout(PATIENCE, test(&bench)).await;
                finished.map_err(|_| Failed::from("it hangs"))?;
                bench.is_as_at_first().await.map_err(Failed::from)
            });
            finished.map(|()| Completion::Completed)
        })
    };
    TESTS.iter().map(trial).collect()
}
