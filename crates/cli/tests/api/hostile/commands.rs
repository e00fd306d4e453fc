//! Programs that use up, hide, stay, or look around.

use serde_json::json;

use super::Watched;
use crate::server::{command_line, has_program, wait_for};

#[test]
fn output_without_end_is_cut() {
    let Some(watched) = Watched::start(&["execute.sandbox.output=1M"]) else { return };
    for command in ["yes", "yes >&2", "cat /dev/zero", "while :; do echo x; echo y >&2; done", "yes & yes & wait"] {
        let answer = watched.server.execute(&json!({"commands": [command]}));
        let entry = &answer["execution"][0];
        assert_eq!((&answer["status"], &entry["exit_code"]), (&json!(137), &json!(137)), "{command}: {entry}");
        let stderr = entry["stderr"].as_str().expect("text");
        assert!(stderr.contains("limit reached: output"), "{command}: {}", &stderr[stderr.len().saturating_sub(200)..]);
        let length = entry["stdout"].as_str().map_or(0, str::len) + stderr.len();
        assert!(length > 900_000 && length < 1_100_000, "{command}: {length}");
    }
    watched.is_unharmed("output without end");
}

#[test]
fn a_program_that_takes_everything_gets_its_share() {
    let settings =
        ["execute.sandbox.memory=64M", "execute.sandbox.disk=16M", "execute.sandbox.files=500", "execute.timeout=5s"];
    let Some(watched) = Watched::start(&settings) else { return };
    for (what, command) in [
        // The shell itself ends well; its offspring does not.
        ("a fork bomb", ":(){ :|:& };:; sleep 9"),
        ("many sleepers", "for i in $(seq 1000); do sleep 100 & done"),
        ("memory", "x=$(head -c 200M /dev/zero | tr '\\0' x); echo ${#x}"),
        ("memory in /tmp and /dev/shm", "head -c 200M /dev/zero > /tmp/x; head -c 200M /dev/zero > /dev/shm/x; exit 9"),
        ("disk", "head -c 200M /dev/zero > x; exit 9"),
        ("files", "for i in $(seq 2000); do : > f$i || exit 9; done"),
        ("a file that seems large", "truncate -s 100G x; exit 9"),
        ("deep directories", "for i in $(seq 400); do mkdir d && cd d || exit 9; done; exit 9"),
    ] {
        let answer = watched.server.execute(&json!({"commands": [{"command": command, "timeout": 2}]}));
        assert_ne!(answer["status"], 0, "{what}: {answer}");
        watched.is_unharmed(what);
    }
}

#[test]
fn programs_that_do_not_want_to_end_are_ended() {
    let Some(watched) = Watched::start(&[]) else { return };
    let marker = format!("{}.25", std::process::id() + 100_000);
    for (what, command) in [
        ("signals ignored", format!("trap '' TERM INT HUP QUIT; while :; do sleep {marker}; done")),
        ("a daemon", format!("setsid -f sleep {marker} > /dev/null 2>&1 < /dev/null; sleep 9")),
        (
            "a daemon of a daemon",
            format!("(setsid bash -c 'trap \"\" TERM; (sleep {marker} &) & exec sleep {marker}' &) ; sleep 9"),
        ),
        ("stopped", format!("sleep {marker} & kill -STOP $!; kill -STOP $$")),
        ("parent of all killed", format!("sleep {marker} & kill -9 -1; kill -9 1; sleep 9")),
    ] {
        let answer = watched.server.execute(&json!({"commands": [{"command": command, "timeout": 0.3}]}));
        assert_ne!(answer["status"], 0, "{what}: {answer}");
        let survivors =
            || watched.server.processes().into_iter().filter(|pid| command_line(*pid).contains(&marker)).count();
        wait_for(&format!("none survives: {what}"), || survivors() == 0);
        watched.is_unharmed(what);
    }
    // A daemon that is left by a command that succeeds does not hold the answer up, nor outlive the request.
    let command = format!("setsid -f sleep {marker} > /dev/null 2>&1 < /dev/null; echo started");
    let answer = watched.server.execute(&json!({"commands": [command]}));
    assert_eq!((&answer["status"], &answer["execution"][0]["stdout"]), (&json!(0), &json!("started")));
    assert!(answer["execution"][0]["time"].as_f64() < Some(5.0));
    watched.is_unharmed("a daemon that was left");
}

#[test]
fn locked_directories_are_cleaned_up() {
    let Some(watched) = Watched::start(&[]) else { return };
    for save in [false, true] {
        for command in [
            "mkdir d; touch d/f; chmod 000 d",
            "mkdir -p a/b/c; echo x > a/b/c/f; chmod -R 000 a",
            "touch f; chmod 000 f .",
            "chmod 000 . /tmp",
        ] {
            // More often than there are sandboxes: the peer loses one each time.
            for _ in 0..3 {
                let answer = watched
                    .server
                    .ask(&json!({"commands": [format!("-{command}"), "true"], "save": save, "result_path": "d/f"}));
                assert_eq!(answer.status, 200, "{command}: {answer:?}");
            }
        }
    }
    watched.server.wait_until_idle();
    let answer = watched.server.execute(&json!({"commands": ["ls -A . /tmp"]}));
    assert_eq!(answer["execution"][0]["stdout"], ".:\n\n/tmp:");
}

#[test]
fn nothing_carries_over_to_the_next_request() {
    let Some(watched) = Watched::start(&["execute.pool_size=1"]) else { return };
    let traces = "echo x > ~/left; echo x > /tmp/left; echo x > /dev/shm/left; mkfifo /tmp/pipe; (sleep 50 &) ; \
                  ulimit -n 100; hostname left 2> /dev/null; ipcmk -M 4096 > /dev/null 2>&1; ipcmk -Q > /dev/null 2>&1; true";
    for _ in 0..3 {
        assert_eq!(watched.server.execute(&json!({"commands": [traces]}))["status"], 0);
        let look = json!([
            "ls -A ~ /tmp /dev/shm",
            "pgrep -c sleep || true",
            "hostname | grep -c left || true",
            "ipcs -mq 2> /dev/null | grep -c 0x || true",
            "ulimit -n",
        ]);
        let answer = watched.server.execute(&json!({"commands": look}));
        let found: Vec<&str> = answer["execution"]
            .as_array()
            .expect("an array")
            .iter()
            .filter_map(|entry| entry["stdout"].as_str())
            .collect();
        assert_eq!(found, ["/dev/shm:\n\n/home/student:\n\n/tmp:", "0", "0", "0", "1024"], "{answer}");
    }
}

#[test]
fn programs_see_nothing_of_the_host() {
    let Some(watched) = Watched::start(&[]) else { return };
    let data = watched.server.data().display().to_string();
    let pid = watched.server.pid();
    for (what, command) in [
        ("root", "test $(id -u) -ne 0 && ! su -c true 2> /dev/null && ! sudo -n true 2> /dev/null".to_owned()),
        ("the data directory", format!("! ls {data}")),
        ("the files of root", "test -z \"$(ls -A /root)\"".to_owned()),
        ("passwords", "! cat /etc/shadow".to_owned()),
        ("the server's process", format!("! test -e /proc/{pid} && ! kill -0 {pid}")),
        ("the system's files are not changed", "! touch /usr/x /bin/x /lib/x /etc/x /x".to_owned()),
        ("the kernel's settings are not changed", "! echo 1 > /proc/sys/kernel/sysrq".to_owned()),
        (
            "no network but itself",
            "! (exec 3<> /dev/tcp/127.0.0.1/".to_owned() + &watched.server.address().port().to_string() + ")",
        ),
        ("no other network", "test $(ls /sys/class/net 2> /dev/null | grep -vc '^lo$') = 0".to_owned()),
        ("no mounts", "! mount -t tmpfs none /tmp 2> /dev/null".to_owned()),
        ("no new namespaces with rights", "! unshare -Urm true 2> /dev/null".to_owned()),
        ("no descriptors", "test \"$(ls /proc/self/fd | sort -n | tr '\\n' ' ')\" = '0 1 2 3 '".to_owned()),
    ] {
        let answer = watched.server.execute(&json!({"commands": [command]}));
        assert_eq!(answer["status"], 0, "{what}: {answer}");
    }
    let answer = watched.server.execute(&json!({"commands": ["env"]}));
    let variables = answer["execution"][0]["stdout"].as_str().expect("text");
    assert!(!variables.contains("CARGO") && !variables.contains("BELLJAR"), "{variables}");
    watched.is_unharmed("looking around");
}

#[test]
fn commands_and_variables_may_be_strange_or_long() {
    let Some(watched) = Watched::start(&[]) else { return };
    let ask = |command: &str| watched.server.ask(&json!({"commands": [command]}));
    let nul = ask("echo a\u{0}b");
    nul.refuses(400, "Command badly formatted : 'echo a\u{0}b'");
    let reply = watched.server.post(&crate::form::config(r#"{"commands": ["\ud800"]}"#));
    assert_eq!(reply.status, 400);
    for name in ["", "A=B", "A\u{0}"] {
        let reply = watched.server.ask(&json!({"commands": ["true"], "environ": {name: "x"}}));
        assert_eq!(reply.status, 400, "{name:?}");
        assert!(reply.text().starts_with("environ names must be "), "{}", reply.text());
    }
    // The kernel takes no argument of more than 128 KiB: the command cannot be run, and says so.
    for length in [100_000, 200_000, 2_000_000] {
        let reply = ask(&format!("true {}", "x".repeat(length)));
        let answer = crate::server::checked(&reply);
        let expected = if length < 131_072 { 0 } else { 126 };
        assert_eq!(answer["status"], expected, "{length}: {}", answer["execution"][0]["stderr"]);
    }
    let many: serde_json::Map<String, serde_json::Value> =
        (0..2000).map(|number| (format!("V{number}"), json!("x"))).collect();
    let answer = watched.server.execute(&json!({"commands": ["env | grep -c ^V"], "environ": many}));
    assert_eq!(answer["execution"][0]["stdout"], "2000", "{answer}");
    let answer = watched.server.execute(&json!({"commands": vec!["-"; 500]}));
    assert_eq!(answer["execution"].as_array().map(Vec::len), Some(500));
    // Variables that would make a shell run something of their own only do so inside.
    let evil = json!({"BASH_ENV": "/etc/passwd", "LD_PRELOAD": "/nonexistent.so", "IFS": "x", "PS4": "$(id)", "SHELLOPTS": "xtrace"});
    let answer = watched.server.execute(&json!({"commands": ["-true"], "environ": evil, "result_path": "r"}));
    assert_eq!(answer["status"], -3, "{answer}");
    watched.is_unharmed("strange commands");
}

#[test]
fn what_runs_in_the_background_cannot_change_a_result() {
    if !has_program("python3") {
        return;
    }
    let Some(watched) = Watched::start(&[]) else { return };
    let tamper = "(while :; do echo tampered > r; done) > /dev/null 2>&1 &";
    for _ in 0..3 {
        let commands = json!([tamper, "sleep 0.05; rm -f r; ln -s /etc/passwd r2; echo honest > saved"]);
        let answer = watched.server.execute(&json!({"commands": commands, "result_path": "r", "save": true}));
        let saved = watched.server.download(answer["environment"].as_str().expect("an id"));
        let in_archive = crate::archive::contents(&saved).get("r").cloned();
        // Whichever moment it was, the result and the archive are of the same one.
        let result = answer.get("result").and_then(|result| result.as_str()).map(str::to_owned);
        assert_eq!(result, in_archive, "{answer}");
    }
}
