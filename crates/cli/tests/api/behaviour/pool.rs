//! Behaviours 62 to 70: sandboxes are limited in number, waited for and used again.

use std::thread;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::archive::{self, contents, expected};
use crate::server::{Server, family, kill, own, wait_for};

/// Takes the first sandbox for a while, and waits until it is taken.
fn occupy<'scope>(
    scope: &'scope thread::Scope<'scope, '_>,
    server: &'scope Server,
    seconds: f64,
) -> thread::ScopedJoinHandle<'scope, Value> {
    server.wait_until_idle();
    let handle = scope.spawn(move || server.execute(&json!({"commands": [format!("sleep {seconds}"), "echo done"]})));
    wait_for("a sandbox is taken", || server.taken() == 1);
    handle
}

#[test]
fn b62_b63_b66_sandboxes_are_counted_and_come_back() {
    let Some(server) = own(&["execute.pool_size=2"]) else { return };
    assert_eq!(server.get("/specifications/").json()["container"]["count"], 2);
    server.wait_until_idle();
    thread::scope(|scope| {
        let one = occupy(scope, &server, 0.5);
        assert_eq!(server.taken(), 1);
        assert_eq!(one.join().expect("it is served")["status"], 0);
    });
    server.wait_until_idle();
    assert_eq!(server.execute(&json!({"commands": ["true"]}))["execution"][0]["exit_code"], 0);
}

#[test]
fn b64_who_finds_all_taken_waits() {
    let Some(server) = own(&["execute.pool_size=1", "execute.wait_for_sandbox=30s"]) else { return };
    thread::scope(|scope| {
        let began = Instant::now();
        let first = occupy(scope, &server, 0.5);
        let second = server.execute(&json!({"commands": ["echo second"]}));
        assert!(began.elapsed() >= Duration::from_millis(500));
        assert_eq!(second["execution"][0]["stdout"], "second");
        assert!(second["total_time"].as_f64() < Some(0.5), "waiting is not counted: {second}");
        assert_eq!(first.join().expect("it is served")["execution"][1]["stdout"], "done");
    });
}

#[test]
fn b65_who_waits_in_vain_is_told_when_to_come_back() {
    let Some(server) = own(&["execute.pool_size=1", "execute.wait_for_sandbox=100ms"]) else { return };
    server.wait_until_idle();
    thread::scope(|scope| {
        let first = occupy(scope, &server, 1.0);
        let began = Instant::now();
        let reply = server.ask(&json!({"commands": ["true"]}));
        assert!(began.elapsed() >= Duration::from_millis(100));
        reply.refuses(503, "Sandbox overloaded, retry after a few seconds.");
        assert_eq!(reply.header("retry-after"), Some("1"));
        assert_eq!(first.join().expect("it is served")["status"], 0);
    });
    server.wait_until_idle();
    assert_eq!(server.execute(&json!({"commands": ["true"]}))["status"], 0);
}

#[test]
fn b67_a_broken_sandbox_is_replaced() {
    let Some(server) = own(&["execute.pool_size=2", "execute.wait_for_sandbox=30s"]) else { return };
    server.wait_until_idle();
    let launcher = server.launcher().expect("it runs");
    for pid in family(launcher).into_iter().filter(|pid| *pid != launcher) {
        kill(pid, Signal::KILL);
    }
    // One that broke while it was idle may be noticed by who gets it; what matters is that the service mends itself.
    wait_for("sandboxes work again", || server.ask(&json!({"commands": ["true"]})).status == 200);
    for _ in 0..4 {
        assert_eq!(server.execute(&json!({"commands": ["echo ok"]}))["execution"][0]["stdout"], "ok");
    }
    server.wait_until_idle();
}

#[test]
fn b68_what_is_saved_holds_what_was_made() {
    let Some(server) = own(&["execute.pool_size=1"]) else { return };
    let id = server.save(&archive::files(&[("a", "old\n"), ("b", "kept\n")]));
    let answer = server
        .execute(&json!({"commands": ["echo new > a; mkdir d; echo made > d/c"], "environment": id, "save": true}));
    let saved = server.download(answer["environment"].as_str().expect("an id"));
    assert_eq!(contents(&saved), expected(&[("a", "new\n"), ("b", "kept\n"), ("d", ""), ("d/c", "made\n")]));
}

/// The peer's jobs: each is run, and checks its own answer.
fn job(server: &Server, number: usize) {
    const FIBONACCI: &str = "#include <stdio.h>\nint f(int n) { return n < 2 ? n : f(n - 1) + f(n - 2); }\n\
                             int main(void) { printf(\"%d\\n\", f(36)); }\n";
    let words = || "x".repeat(1_030_015) + "\n";
    let (answer, expected) = match number % 5 {
        0 => {
            let config = json!({"commands": ["echo 'Hello World !' > result.txt"], "result_path": "result.txt"});
            let answer = server.execute(&config);
            assert_eq!(answer["result"], "Hello World !\n");
            (answer, "")
        }
        1 => {
            let archive = archive::files(&[("file.txt", &words())]);
            (server.execute_with(&json!({"commands": ["wc -c < file.txt"]}), &archive), "1030016")
        }
        2 => {
            let archive = archive::files(&[("fibonacci.c", FIBONACCI)]);
            let commands = json!(["gcc -O1 -o fibonacci fibonacci.c", "./fibonacci"]);
            (server.execute_with(&json!({"commands": commands}), &archive), "14930352")
        }
        3 => {
            let archive = archive::files(&[("script.py", "print(sum(range(1000)))\n")]);
            (server.execute_with(&json!({"commands": ["python3 script.py"]}), &archive), "499500")
        }
        _ => {
            let commands = json!([{"command": "-sleep 4", "timeout": 0.7}, "echo \"OK\""]);
            let answer = server.execute(&json!({"commands": commands}));
            assert_eq!(answer["execution"][0]["exit_code"], -2);
            (answer, "OK")
        }
    };
    assert_eq!(answer["status"], 0, "{answer}");
    let last = answer["execution"].as_array().and_then(|entries| entries.last()).expect("an entry");
    assert_eq!(last["stdout"], expected, "{answer}");
}

/// Runs this many jobs, so many at a time.
fn run_jobs(server: &Server, count: usize, callers: usize) {
    if !crate::server::has_program("gcc") || !crate::server::has_program("python3") {
        return;
    }
    let next = std::sync::atomic::AtomicUsize::new(0);
    thread::scope(|scope| {
        for _ in 0..callers {
            scope.spawn(|| {
                loop {
                    let number = next.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                    if number >= count {
                        return;
                    }
                    job(server, number);
                }
            });
        }
    });
}

#[test]
fn b69_as_many_run_at_once_as_there_are_sandboxes() {
    let Some(server) = own(&["execute.pool_size=5", "execute.wait_for_sandbox=10s"]) else { return };
    server.wait_until_idle();
    run_jobs(&server, 5, 5);
    server.wait_until_idle();
}

// The peer's takes minutes for the pauses between its 200 requests; this one makes none.
#[test]
fn b70_many_requests_share_few_sandboxes() {
    let Some(server) = own(&["execute.pool_size=5", "execute.wait_for_sandbox=30s"]) else { return };
    run_jobs(&server, 50, 8);
    server.wait_until_idle();
}

#[test]
fn a_run_that_leaves_nothing_needs_no_new_processes() {
    let Some(server) = own(&["execute.pool_size=1"]) else { return };
    let processes = || family(server.pid());
    // Not at once: the clock of files has to tick after a sandbox was made.
    wait_for("a sandbox is used as it is", || {
        server.wait_until_idle();
        let before = processes();
        assert_eq!(server.execute(&json!({"commands": ["/bin/true"]}))["status"], 0);
        server.wait_until_idle();
        processes() == before
    });
    let before = processes();
    assert_eq!(server.execute(&json!({"commands": ["touch /tmp/x"]}))["status"], 0);
    server.wait_until_idle();
    assert_ne!(processes(), before, "what was touched is made anew");
}
