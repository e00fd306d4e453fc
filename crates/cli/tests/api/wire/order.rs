//! Which error wins, and what is left behind: sections 2.2 and 2.3.

use serde_json::{Value, json};

use crate::archive::e1;
use crate::form::{self, with_archive};
use crate::server::{own, shared};

const UNKNOWN: &str = "00000000-0000-4000-8000-000000000000";

#[test]
fn the_first_mistake_in_the_order_of_the_protocol_is_answered() {
    let Some(server) = own(&["execute.pool_size=1"]) else { return };
    server.wait_until_idle();
    let id = server.save(&e1());
    let stored = server.stored();
    let unknown = format!("No environment with UUID '{UNKNOWN}' found");
    // All mistakes at once; each step takes away the one that was answered.
    let mut config = json!({
        "environment": UNKNOWN, "environ": [], "result_path": 1, "save": 1,
    });
    let mut steps: Vec<(&str, Value, u16, &str)> = vec![
        ("unknown", Value::Null, 404, &unknown),
        ("environment", json!(id), 400, "Missing field 'commands' in config"),
        ("commands", json!({}), 400, "commands must be a list, not <class 'dict'>"),
        ("commands", json!([]), 400, "environ must be an object, not <class 'list'>"),
        ("environ", json!({}), 400, "Command list cannot be empty"),
        ("commands", json!(["true", null]), 400, "Command badly formatted : 'None'"),
        ("commands", json!(["true"]), 400, "result_path must be a string, not <class 'int'>"),
        ("result_path", json!("r"), 400, "save must be a boolean, not <class 'int'>"),
    ];
    for (key, value, status, message) in steps.drain(..) {
        config[key] = value;
        // With an upload, which the peer leaves behind each time.
        server.post(&with_archive(&config.to_string(), &e1())).refuses(status, message);
        server.ask(&config).refuses(status, message);
        assert_eq!(server.stored(), stored, "nothing is stored for {config}");
    }
    config["save"] = json!(false);
    server.execute_with(&config, &e1());
    assert_eq!(server.stored(), stored, "nor for a run that does not save");
    server.wait_until_idle();
}

#[test]
fn only_environment_may_be_null() {
    let Some(server) = shared() else { return };
    assert_eq!(server.execute(&json!({"commands": ["true"], "environment": null}))["status"], 0);
    for key in ["commands", "environ", "result_path", "save"] {
        let mut config = json!({"commands": ["true"]});
        config[key] = Value::Null;
        let reply = server.ask(&config);
        assert_eq!(reply.status, 400, "{key}");
        assert!(reply.text().ends_with("not <class 'NoneType'>"), "{}", reply.text());
    }
}

#[test]
fn json_is_read_as_python_reads_it() {
    let Some(server) = shared() else { return };
    for (config, stdout) in [
        (r#"{"commands": ["echo 1"], "commands": ["echo 2"]}"#, "2"),
        (r#"{"unknown": {"a": [NaN, -Infinity, 1e400]}, "commands": ["echo 1"]}"#, "1"),
        (" \t\r\n{\"commands\" : [ \"echo 1\" ] }\n ", "1"),
        (r#"{"commands": [{"command": "echo 1", "timeout": Infinity}]}"#, "1"),
        (r#"{"commands": [{"command": "echo 1", "timeout": 1e400}]}"#, "1"),
        (r#"{"commands": [{"command": "echo 1", "timeout": true}]}"#, "1"),
        (r#"{"commands": [{"command": "echo 1", "timeout": false}]}"#, "1"),
        (r#"{"commands": [{"command": "echo 1", "timeout": 0}]}"#, "1"),
        (r#"{"commands": [{"command": "echo 1", "timeout": 123456789012345678901234567890}]}"#, "1"),
        (
            r#"{"commands": ["echo \"$A\""], "environ": {"A": 123456789012345678901234567890}}"#,
            "123456789012345678901234567890",
        ),
        (
            r#"{"commands": ["echo \"$A\""], "environ": {"A": [1.50, -0.0, 1e16, 1e-7, NaN]}}"#,
            "[1.5, -0.0, 1e+16, 1e-07, nan]",
        ),
        (
            r#"{"commands": ["echo \"$A\""], "environ": {"A": {"k": ["it's", null, true]}}}"#,
            r#"{'k': ["it's", None, True]}"#,
        ),
    ] {
        let reply = server.post(&form::config(config));
        assert_eq!(reply.status, 200, "{config}: {reply:?}");
        assert_eq!(reply.json()["execution"][0]["stdout"], stdout, "{config}");
    }
    let reply = server.post(&form::config("\u{feff}{\"commands\": [\"true\"]}"));
    assert_eq!(reply.status, 400, "a byte order mark");
    assert!(reply.text().starts_with("'config' json is invalid - "), "{}", reply.text());
}

#[test]
fn negative_and_undefined_timeouts_are_refused() {
    let Some(server) = shared() else { return };
    for (timeout, printed) in [("-1", "-1"), ("-0.5", "-0.5"), ("NaN", "nan"), ("-Infinity", "-inf")] {
        let config = format!(r#"{{"commands": [{{"command": "true", "timeout": {timeout}}}]}}"#);
        server.post(&form::config(&config)).refuses(400, &format!("timeout must be a positive number, not {printed}"));
    }
}

#[test]
fn unknown_keys_are_ignored_above_and_refused_in_commands() {
    let Some(server) = shared() else { return };
    let config = json!({"commands": ["true"], "path": "/etc", "export": 1, "timeout": "x", "": null});
    assert_eq!(server.execute(&config)["status"], 0);
    for key in ["environ", "stdin", "Command"] {
        let reply = server.ask(&json!({"commands": [{"command": "true", key: {}}]}));
        let printed = if key < "command" {
            format!("{{'{key}': {{}}, 'command': 'true'}}")
        } else {
            format!("{{'command': 'true', '{key}': {{}}}}")
        };
        reply.refuses(400, &format!("Command badly formatted : '{printed}'"));
    }
}

#[test]
fn environments_are_named_by_uuid_only() {
    let Some(server) = shared() else { return };
    let id = server.save(&e1());
    let blob = server.stored().into_iter().next().expect("a file").display().to_string();
    let upper = id.to_uppercase();
    let dotted = format!("../environments/{id}");
    let trailing = format!("{id}/");
    for (value, printed) in [
        (json!(5), "5"),
        (json!(false), "False"),
        (json!(["a"]), "['a']"),
        (json!(""), ""),
        (json!("undefined"), "undefined"),
        (json!(upper), upper.as_str()),
        (json!(dotted), dotted.as_str()),
        (json!(trailing), trailing.as_str()),
        (json!(blob), blob.as_str()),
        (json!(UNKNOWN), UNKNOWN),
    ] {
        let reply = server.ask(&json!({"commands": ["true"], "environment": value}));
        reply.refuses(404, &format!("No environment with UUID '{printed}' found"));
    }
}
