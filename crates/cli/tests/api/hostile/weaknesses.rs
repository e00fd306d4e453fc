//! The faults of the peer that its reference lists (section 10.4), by their numbers, each shown not to be ours; and the
//! deliberate differences (section 11).
//!
//! Number 9, that nobody is asked who he is, is shown by `operation::keys_open_the_api`; number 11, commands of git that are
//! built as shell text, by the tests of `belljar-execute`, where a repository's address is read.

use serde_json::json;
use tar::EntryType;

use super::Watched;
use crate::archive::{Archive, e1};
use crate::form::with_archive;

#[test]
fn w01_results_are_no_files_of_the_host() {
    let Some(watched) = Watched::start(&[]) else { return };
    for (command, path) in [
        ("true", "/etc/hostname"),
        ("true", "../../config.py"),
        ("true", "../../../../../../../../../../etc/hostname"),
        ("ln -s /etc/hostname r", "r"),
        ("ln -s ../../../../etc d", "d/hostname"),
    ] {
        let answer = watched.server.execute(&json!({"commands": [command], "result_path": path}));
        assert_eq!((&answer["status"], answer.get("result")), (&json!(-3), None), "{path}");
    }
    watched.is_unharmed("results outside");
}

#[test]
fn w02_archives_do_not_write_on_the_host() {
    let Some(watched) = Watched::start(&[]) else { return };
    let name = format!("/tmp/belljar-test-{}", std::process::id());
    let up = format!("../../../../../..{name}");
    for archive in [Archive::new().file(&name, b"x"), Archive::new().file(&up, b"x"), Archive::new().file("../x", b"x")]
    {
        let reply = watched.server.post(&with_archive(r#"{"commands": ["true"]}"#, &archive.finish()));
        assert!([200, 400].contains(&reply.status), "{reply:?}");
        assert!(!std::path::Path::new(&name).exists());
    }
    watched.is_unharmed("archives outside");
}

#[test]
fn w03_environments_are_no_paths() {
    let Some(watched) = Watched::start(&[]) else { return };
    let id = watched.server.save(&e1());
    for name in [
        format!("../environments/{id}"),
        format!("./{id}"),
        format!("{id}.tgz"),
        format!("{id}\u{0}"),
        "../../x".to_owned(),
    ] {
        let reply = watched.server.ask(&json!({"commands": ["true"], "environment": name}));
        reply.refuses(404, &format!("No environment with UUID '{name}' found"));
    }
}

#[test]
fn w04_locked_directories_cost_no_sandbox() {
    let Some(watched) = Watched::start(&[]) else { return };
    for _ in 0..5 {
        assert_eq!(watched.server.execute(&json!({"commands": ["mkdir d; touch d/f; chmod 000 d"]}))["status"], 0);
    }
    watched.is_unharmed("locked directories");
}

#[test]
fn w05_no_time_limit_is_no_way_to_have_none() {
    let Some(watched) = Watched::start(&["execute.timeout=300ms"]) else { return };
    for timeout in ["0", "0.0", "-0.0", "false", "Infinity", "1e400"] {
        let config = format!(r#"{{"commands": [{{"command": "sleep 5", "timeout": {timeout}}}]}}"#);
        let answer = crate::server::checked(&watched.server.post(&crate::form::config(&config)));
        assert_eq!(answer["execution"][0]["stderr"], "Command timed out after 0.3 seconds\n", "{timeout}");
    }
    watched.is_unharmed("limits of zero");
}

#[test]
fn w06_what_timed_out_is_dead() {
    let Some(watched) = Watched::start(&[]) else { return };
    let commands = json!([
        {"command": "-(sleep 0.5; touch f) & sleep 1; touch f", "timeout": 0.2},
        {"command": "-setsid -f bash -c 'sleep 0.5; touch g'; sleep 1", "timeout": 0.2},
        "sleep 1.2; ls; pgrep -c sleep || true",
    ]);
    let answer = watched.server.execute(&json!({"commands": commands, "save": true}));
    assert_eq!(answer["execution"][2]["stdout"], "0", "{answer}");
    let saved = watched.server.download(answer["environment"].as_str().expect("an id"));
    assert!(crate::archive::members(&saved).is_empty());
}

#[test]
fn w07_processes_disk_and_output_have_limits() {
    let settings = [
        "execute.sandbox.processes=32",
        "execute.sandbox.disk=8M",
        "execute.sandbox.output=100K",
        "execute.timeout=3s",
    ];
    let Some(watched) = Watched::start(&settings) else { return };
    for (what, command) in [
        ("processes", "for i in $(seq 100); do sleep 9 & done; wait"),
        ("disk", "head -c 9M /dev/zero > f"),
        ("output", "yes"),
    ] {
        let answer = watched.server.execute(&json!({"commands": [command]}));
        assert_ne!(answer["status"], 0, "{what}: {answer}");
        watched.is_unharmed(what);
    }
}

#[test]
fn w08_programs_have_no_rights() {
    let Some(watched) = Watched::start(&[]) else { return };
    let commands = json!([
        "grep ^Cap /proc/self/status | grep -v CapBnd | grep -vc 0000000000000000 || true",
        "grep -E '^(NoNewPrivs|Seccomp):' /proc/self/status | tr -s '\\t' ' '",
        "id -u; id -G",
    ]);
    let answer = watched.server.execute(&json!({"commands": commands}));
    assert_eq!(answer["execution"][0]["stdout"], "0", "no capabilities: {answer}");
    assert_eq!(answer["execution"][1]["stdout"], "NoNewPrivs: 1\nSeccomp: 2", "{answer}");
    assert_eq!(answer["execution"][2]["stdout"], "1000\n1000", "{answer}");
}

#[test]
fn w10_markup_is_quoted_as_plain_text() {
    let Some(watched) = Watched::start(&[]) else { return };
    let markup = "<script>alert(1)</script>";
    for (reply, status) in [
        (watched.server.ask(&json!({"commands": [{"command": 1, markup: 1}]})), 400),
        (watched.server.ask(&json!({"commands": ["true"], "environment": markup})), 404),
        (watched.server.ask(&json!({"commands": ["true"], "environ": {format!("{markup}="): 1}})), 400),
    ] {
        assert_eq!((reply.status, reply.header("content-type")), (status, Some("text/plain; charset=utf-8")));
        assert!(reply.text().contains(markup), "{reply:?}");
    }
    let id = watched.server.save(&e1());
    let reply = watched.server.get(&format!("/files/{id}/%3Cscript%3Ealert(1)%3C%2Fscript%3E/"));
    assert_eq!((reply.status, reply.header("content-type")), (404, Some("text/plain; charset=utf-8")));
    let page = watched.server.get("/%3Cscript%3Ealert(1)%3C%2Fscript%3E/");
    assert!(page.status == 404 && !page.text().contains("script"), "{page:?}");
}

#[test]
fn w12_servers_share_a_machine() {
    let (Some(one), Some(other)) = (Watched::start(&[]), Watched::start(&[])) else { return };
    let answer = std::thread::scope(|scope| {
        let running = scope.spawn(|| one.server.execute(&json!({"commands": ["sleep 0.5; echo unharmed"]})));
        for _ in 0..10 {
            other.server.execute(&json!({"commands": ["true"]}));
        }
        drop(other);
        running.join().expect("it is served")
    });
    assert_eq!(answer["execution"][0]["stdout"], "unharmed");
    one.is_unharmed("another server's end");
}

#[test]
fn w13_rejected_requests_leave_nothing() {
    let Some(watched) = Watched::start(&["execute.wait_for_sandbox=100ms"]) else { return };
    let id = watched.stored.len();
    assert!(id <= 1, "what was saved before is one blob, as it was the same");
    for config in [
        r#"{"commands": []}"#,
        r#"{"commands": [1]}"#,
        r#"{"commands": ["true"], "save": 1}"#,
        r#"{"commands": ["true"], "environment": "x"}"#,
        r#"nonsense"#,
    ] {
        let reply = watched.server.post(&with_archive(config, &e1()));
        assert!((400..500).contains(&reply.status), "{reply:?}");
        assert_eq!(watched.server.stored(), watched.stored, "after {config}");
    }
    // A 503, too.
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| watched.server.execute(&json!({"commands": ["sleep 1"]})));
        }
        crate::server::wait_for("both are taken", || watched.server.taken() == 2);
        assert_eq!(watched.server.post(&with_archive(r#"{"commands": ["true"], "save": true}"#, &e1())).status, 503);
    });
    assert_eq!(watched.server.stored(), watched.stored);
}

#[test]
fn w14_what_made_the_peer_fail_is_answered() {
    let Some(watched) = Watched::start(&[]) else { return };
    // A directory, or nothing, as the result; output that is not UTF-8; unknown keys of a command; a bad upload.
    for (config, status) in [
        (json!({"commands": ["mkdir d"], "result_path": "d"}), -3),
        (json!({"commands": ["true"], "result_path": ""}), -3),
        (json!({"commands": ["touch r; chmod 000 r; printf '\\377'"]}), -1),
    ] {
        assert_eq!(watched.server.execute(&config)["status"], status, "{config}");
    }
    assert_eq!(watched.server.ask(&json!({"commands": [{"command": "true", "environ": {}}]})).status, 400);
    assert_eq!(watched.server.post(&with_archive(r#"{"commands": ["true"]}"#, b"no archive")).status, 400);
    // A merge with a link that points nowhere; a directory and a pipe that are asked for as files.
    let base = watched.server.save(&e1());
    let archive = Archive::new()
        .link("dangling", EntryType::Symlink, "nowhere")
        .directory("d/", 0o755)
        .entry(crate::archive::Entry { name: "pipe", kind: EntryType::Fifo, ..Default::default() })
        .finish();
    let config = json!({"commands": ["readlink dangling"], "environment": base, "save": true});
    let answer = watched.server.execute_with(&config, &archive);
    assert_eq!(answer["execution"][0]["stdout"], "nowhere");
    let id = answer["environment"].as_str().expect("an id");
    for name in ["d", "pipe", "dangling"] {
        assert_eq!(watched.server.get(&format!("/files/{id}/{name}/")).status, 404, "{name}");
    }
}
