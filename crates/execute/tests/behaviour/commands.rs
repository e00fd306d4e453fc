//! How commands run and end.

use std::fs;
use std::time::Duration;

use belljar_execute::{Settings, TimeLimit};
use belljar_sandbox::{End, Limit};

use crate::fixture::{Bench, ends, execute, exited, request, settings, until};

const OUT_OF_TIME: End = End::LimitReached { limit: Limit::WallTime };

pub(crate) async fn a_command_is_told_with_its_output(bench: Bench) {
    let service = bench.service(1).await;
    let response = execute(&service, request(["echo $((1+1)); echo oops >&2"])).await;
    assert_eq!(ends(&response), [(exited(0), "2\n".to_owned())]);
    assert_eq!(response.executions[0].outcome.stderr, b"oops\n");
    assert_eq!(response.executions[0].limit, TimeLimit::Budget(10.0));
    assert!(response.executions[0].time > Duration::ZERO && response.executions[0].time <= response.total_time);
    assert!(response.result.is_none() && response.saved.is_none());
    service.stop().await;
}

pub(crate) async fn a_failure_ends_the_run_unless_it_is_ignored(bench: Bench) {
    let service = bench.service(1).await;
    let response = execute(&service, request(["true", "-exit 3", "exit 4", "echo never"])).await;
    let found: Vec<_> = ends(&response).into_iter().map(|(end, _)| end).collect();
    assert_eq!(found, [exited(0), exited(3), exited(4)]);
    let commands: Vec<_> = response.executions.iter().map(|execution| execution.command).collect();
    assert_eq!(commands, [0, 1, 2]);
    let sum: Duration = response.executions.iter().map(|execution| execution.time).sum();
    assert!(sum <= response.total_time && response.total_time < sum + Duration::from_millis(500));
    service.stop().await;
}

pub(crate) async fn a_command_that_takes_too_long_is_killed_with_all_it_started(bench: Bench) {
    let service = bench.service(1).await;
    let mut request = request(["-(sleep 0.5; touch late) & sleep 0.5; touch late", "sleep 1; ls"]);
    request.commands[0].timeout = Some(Duration::from_millis(200));
    let response = execute(&service, request).await;
    assert_eq!(ends(&response), [(OUT_OF_TIME, String::new()), (exited(0), String::new())]);
    assert_eq!(response.executions[0].limit, TimeLimit::Own);
    let time = response.executions[0].time;
    assert!(time >= Duration::from_millis(200) && time <= Duration::from_millis(250), "{time:?}");
    service.stop().await;
}

pub(crate) async fn the_budget_is_shared(bench: Bench) {
    let service = bench.start(Settings { timeout: Duration::from_secs(1), ..settings(1) }).await;
    let mut request = request(["sleep 0.25"; 6]);
    for command in &mut request.commands {
        command.timeout = Some(Duration::from_millis(500));
    }
    let response = execute(&service, request).await;
    let count = response.executions.len();
    assert!((2..6).contains(&count), "{count}");
    let last = &response.executions[count - 1];
    assert_eq!(last.outcome.end, OUT_OF_TIME);
    assert!(matches!(last.limit, TimeLimit::Budget(left) if left < 0.5), "{:?}", last.limit);
    assert_eq!(response.executions[0].limit, TimeLimit::Own);
    service.stop().await;
}

pub(crate) async fn a_command_without_time_is_not_started(bench: Bench) {
    let service = bench.start(Settings { timeout: Duration::from_millis(200), ..settings(1) }).await;
    let response = execute(&service, request(["-sleep 5", "echo started", "echo never"])).await;
    assert_eq!(ends(&response), [(OUT_OF_TIME, String::new()), (OUT_OF_TIME, String::new())]);
    assert_eq!(response.executions[0].limit, TimeLimit::Budget(0.2));
    let second = &response.executions[1];
    assert!(matches!(second.limit, TimeLimit::Budget(left) if left < 0.0), "{:?}", second.limit);
    assert!(second.time < Duration::from_millis(10));
    service.stop().await;
}

pub(crate) async fn variables_reach_every_command(bench: Bench) {
    let service = bench.service(1).await;
    let mut with_variables = request(["echo \"$VAR1\"", "echo \"$VAR1 $HOME\""]);
    with_variables.variables =
        [("VAR1", "My var"), ("HOME", "/else")].map(|(name, value)| (name.to_owned(), value.to_owned())).into();
    let response = execute(&service, with_variables).await;
    let found: Vec<_> = ends(&response).into_iter().map(|(_, stdout)| stdout).collect();
    assert_eq!(found, ["My var\n", "My var /else\n"]);

    let own = execute(&service, request(["echo $PATH; echo $PYTHONPATH; echo $VAR1; python3 -c 'print(\"é\")'"])).await;
    let stdout = &ends(&own)[0].1;
    let lines: Vec<_> = stdout.lines().collect();
    assert!(lines[0].starts_with("/utils/libs/:"), "{stdout}");
    assert_eq!(lines[1..], ["/utils/libs/:", "", "é"]);
    service.stop().await;
}

pub(crate) async fn each_command_has_a_new_shell_in_the_same_directory(bench: Bench) {
    let service = bench.service(1).await;
    for _ in 0..2 {
        let response =
            execute(&service, request(["pwd; ls -A", "x=1; cd /; echo text > ~/file", "echo $x; pwd; cat; cat file"]))
                .await;
        let found: Vec<_> = ends(&response).into_iter().map(|(_, stdout)| stdout).collect();
        assert_eq!(found, ["/home/student\n", "", "\n/home/student\ntext\n"]);
    }
    service.stop().await;
}

pub(crate) async fn output_that_is_no_text_ends_the_run_if_asked(bench: Bench) {
    let service = bench.service(1).await;
    for (stop, count) in [(false, 2), (true, 1)] {
        for script in [r"-printf '\xff'", r"-printf '\xff' >&2"] {
            let mut request = request([script, "true"]);
            request.stop_at_invalid_utf8 = stop;
            let response = execute(&service, request).await;
            assert_eq!(response.executions.len(), count, "{script} {stop}");
            assert_eq!(response.executions[0].outcome.end, exited(0));
        }
    }
    service.stop().await;
}

pub(crate) async fn what_cannot_be_run_is_an_outcome(bench: Bench) {
    let service = bench.service(1).await;
    // The kernel takes no argument above 128 KiB, and none with a zero byte.
    let long = format!("-: {}", "x".repeat(200_000));
    for script in [&long, "-tr\0ue"] {
        let response = execute(&service, request([script, "true"])).await;
        assert_eq!(response.executions.len(), 1);
        let end = &response.executions[0].outcome.end;
        assert!(matches!(end, End::SetupFailed { .. }), "{end:?}");
    }
    assert_eq!(ends(&execute(&service, request(["echo fine"])).await)[0].1, "fine\n");
    service.stop().await;
}

pub(crate) async fn who_goes_away_leaves_nothing_running(bench: Bench) {
    let service = bench.service(1).await;
    let runs = |marker: &str| {
        let processes = fs::read_dir("/proc").unwrap().flatten();
        processes
            .filter_map(|process| fs::read(process.path().join("cmdline")).ok())
            .any(|line| String::from_utf8_lossy(&line).contains(marker))
    };
    // In no text but the program's own arguments: the shell computes it.
    let marker = "sleep\x0098765.4321";
    let waiting = tokio::spawn({
        let service = service.clone();
        async move { service.execute(request(["sleep $((98765)).4321 & wait"])).await.map(drop) }
    });
    until(|| runs(marker)).await;
    assert_eq!(service.usage().sandboxes_taken, 1);
    waiting.abort();
    until(|| !runs(marker)).await;
    assert_eq!(ends(&execute(&service, request(["ls -A"])).await), [(exited(0), String::new())]);
    service.stop().await;
}
