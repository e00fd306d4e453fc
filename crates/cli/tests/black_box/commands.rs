//! The other subcommands: what they print and with which code they end.

use std::fs;
use std::process::Stdio;

use serde_json::Value;

use crate::support::{belljar, call_in};

#[test]
fn wrong_usage_is_told_with_a_suggestion() {
    let place = tempfile::tempdir().expect("a directory");
    let cases: [(&[&str], &str); 6] = [
        (&[], "Usage: belljar <COMMAND>"),
        (&["rum"], "a similar subcommand exists: 'run'"),
        (&["run"], "the following required arguments were not provided"),
        (&["run", "--wall-tme", "1s", "true"], "a similar argument exists: '--wall-time'"),
        (&["run", "--memory", "5MB", "true"], "'MB' is not a unit of size"),
        (
            &["run", "--dir", "/no/such/place", "true"],
            "belljar: error: --dir /no/such/place: No such file or directory",
        ),
    ];
    for (arguments, message) in cases {
        let done = call_in(place.path(), arguments, "");
        assert_eq!((done.code, done.stdout.as_str()), (Some(2), ""), "{arguments:?}");
        assert!(done.stderr.contains(message), "{arguments:?}: {}", done.stderr);
    }
}

#[test]
fn configuration_is_shown_with_its_origin_and_checked() {
    let place = tempfile::tempdir().expect("a directory");
    fs::write(place.path().join("good.toml"), "[execute]\npool_size = 7\n").expect("written");
    fs::write(place.path().join("bad.toml"), "[execute]\npool_sise = 7\n").expect("written");
    let output = belljar()
        .current_dir(place.path())
        .env("BELLJAR_CONFIG", "good.toml")
        .env("BELLJAR_LOG", "debug")
        .args(["config", "show", "--json", "--listen", "127.0.0.1:1"])
        .output()
        .expect("the binary starts");
    let shown: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let origin = |key: &str| shown[key]["origin"].clone();
    assert_eq!(origin("execute.pool_size"), serde_json::json!({ "kind": "file", "path": "good.toml", "line": 2 }));
    assert_eq!(origin("log.filter"), serde_json::json!({ "kind": "environment", "variable": "BELLJAR_LOG" }));
    assert_eq!(origin("server.listen"), serde_json::json!({ "kind": "flag", "flag": "--listen" }));
    assert_eq!(origin("execute.timeout"), serde_json::json!({ "kind": "default" }));

    let good = call_in(place.path(), ["config", "check", "good.toml"], "");
    assert_eq!((good.code, good.stdout.as_str()), (Some(0), "good.toml: ok\n"));
    let bad = call_in(place.path(), ["config", "check", "bad.toml"], "");
    assert_eq!((bad.code, bad.stdout.as_str()), (Some(2), ""));
    let told = "belljar: error: bad.toml:2: there is no setting 'execute.pool_sise'\nhint: did you mean 'execute.pool_size'?\n";
    assert_eq!(bad.stderr, told);
}

#[test]
fn what_nobody_reads_to_its_end_is_success() {
    for arguments in [&["config", "show"][..], &["completions", "bash"], &["doctor", "--json"]] {
        let mut child = belljar().args(arguments).stdout(Stdio::piped()).spawn().expect("the binary starts");
        drop(child.stdout.take());
        let code = child.wait().expect("it ends").code();
        assert_eq!(code, Some(0), "{arguments:?}");
    }
}

#[test]
fn completions_know_the_subcommands() {
    let place = tempfile::tempdir().expect("a directory");
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let done = call_in(place.path(), ["completions", shell], "");
        assert!(done.code == Some(0) && done.stdout.contains("doctor"), "{shell}");
    }
}

#[test]
fn the_doctor_lists_every_layer_without_colour_on_a_pipe() {
    let place = tempfile::tempdir().expect("a directory");
    let done = call_in(place.path(), ["doctor"], "");
    assert!(matches!(done.code, Some(0 | 1)), "{done:?}");
    for layer in ["user_namespace", "seccomp", "memory_limit"] {
        assert!(done.stdout.contains(layer), "{done:?}");
    }
    assert!(!done.stdout.contains('\u{1b}'));
}
