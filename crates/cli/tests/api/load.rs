//! Many callers at once.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

use crate::archive::files;
use crate::form::{with_archive, with_archive_typed};
use crate::http::request;
use crate::server::{Server, checked, control_groups, own};

/// What a caller does for each evaluation: look for the saved environment, then run from it with new input, and save.
fn evaluate(server: &Server, id: &mut Value, caller: usize, round: usize) {
    let name = id.as_str().unwrap_or("undefined").to_owned();
    let mut connection = server.connect();
    connection.send(&request("HEAD", &format!("/environments/{name}/"), &[], b""));
    let expected = if id.is_null() { 404 } else { 200 };
    assert_eq!(connection.receive("HEAD").expect("an answer").status, expected);

    let input = format!("{{\"caller\": {caller}, \"round\": {round}}}");
    let config = json!({
        "commands": ["cat input.json > output.json; wc -l < log; echo >> log"],
        "environment": id, "result_path": "output.json", "save": true,
    });
    let archive = files(&[("input.json", &input), ("program.py", "print(42)\n")]);
    let form = if round.is_multiple_of(2) { with_archive } else { with_archive_typed }(&config.to_string(), &archive);
    connection.send(&request("POST", "/execute/", &[("Content-Type", &form.content_type)], &form.body));
    let answer = checked(&connection.receive("POST").expect("an answer"));
    assert_eq!(answer["status"], 0, "{answer}");
    let result: Value = serde_json::from_str(answer["result"].as_str().expect("text")).expect("JSON");
    assert_eq!(result, json!({"caller": caller, "round": round}));
    let lines = if round == 0 { String::new() } else { round.to_string() };
    assert_eq!(answer["execution"][0]["stdout"], lines, "what was saved is continued");
    *id = answer["environment"].clone();
}

/// Memory of the server that is its own, in KiB.
fn memory(server: &Server) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", server.pid())).expect("it lives");
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).expect("it is told");
    line.trim().trim_end_matches(" kB").parse().expect("a number")
}

#[test]
fn two_hundred_evaluations_by_eight_callers_are_right() {
    let Some(server) = own(&["execute.pool_size=4", "execute.wait_for_sandbox=30s"]) else { return };
    let replay = || {
        thread::scope(|scope| {
            for caller in 0..8 {
                let server = &server;
                scope.spawn(move || {
                    let mut id = Value::Null;
                    for round in 0..25 {
                        evaluate(server, &mut id, caller, round);
                    }
                });
            }
        });
        server.wait_until_idle();
        let groups = server.launcher().map_or(0, |launcher| control_groups(launcher).len());
        (server.processes().len(), groups, server.descriptors(), memory(&server))
    };
    let (processes, groups, descriptors, before) = replay();
    let (processes_after, groups_after, descriptors_after, after) = replay();
    assert_eq!((processes_after, groups_after), (processes, groups));
    assert!(descriptors_after <= descriptors + 2, "{descriptors} {descriptors_after}");
    assert!(after <= before + 8 * 1024, "memory grew from {before} to {after} KiB");
    assert!(server.data().join("spool").read_dir().expect("it is there").next().is_none());
}

#[test]
fn when_all_are_taken_some_wait_and_some_are_told_to_come_back() {
    let Some(server) = own(&["execute.pool_size=1", "execute.wait_for_sandbox=1500ms"]) else { return };
    server.wait_until_idle();
    let (served, refused) = (AtomicUsize::new(0), AtomicUsize::new(0));
    thread::scope(|scope| {
        for _ in 0..6 {
            scope.spawn(|| {
                let reply = server.ask(&json!({"commands": ["sleep 0.7"]}));
                if reply.status == 503 {
                    // As long again as it has waited, in whole seconds.
                    assert_eq!(reply.header("retry-after"), Some("2"));
                    reply.refuses(503, "Sandbox overloaded, retry after a few seconds.");
                    refused.fetch_add(1, Ordering::Relaxed);
                } else {
                    assert_eq!(checked(&reply)["status"], 0);
                    served.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
    });
    let (served, refused) = (served.into_inner(), refused.into_inner());
    assert!(served >= 2 && refused >= 1 && served + refused == 6, "{served} {refused}");
    server.wait_until_idle();
}

#[test]
fn facts_are_told_while_all_sandboxes_are_taken() {
    let Some(server) = own(&["execute.pool_size=1", "execute.wait_for_sandbox=100ms"]) else { return };
    let id = server.save(&files(&[("a", "a")]));
    server.wait_until_idle();
    thread::scope(|scope| {
        scope.spawn(|| server.execute(&json!({"commands": ["sleep 1.5"]})));
        crate::server::wait_for("it is taken", || server.taken() == 1);
        let began = std::time::Instant::now();
        for path in ["/usages/", "/specifications/", "/healthz", "/readyz", "/metrics", &format!("/environments/{id}/")]
        {
            assert_eq!(server.get(path).status, 200, "{path}");
        }
        assert!(began.elapsed() < Duration::from_secs(1));
        // A file has to be taken out of its archive, in a sandbox.
        let reply = server.get(&format!("/files/{id}/a/"));
        assert!(reply.status == 200 || reply.header("retry-after").is_some(), "{reply:?}");
    });
}
