//! Behaviours 29 to 40: the configuration of an execution.

use serde_json::{Value, json};

use crate::form;
use crate::server::{own, shared};

/// Posts a text as the configuration, which must be refused with these words.
#[track_caller]
fn refused(server: &crate::server::Server, config: &str, message: &str) {
    server.post(&form::config(config)).refuses(400, message);
}

#[test]
fn b29_commands_are_objects_too() {
    let Some(server) = shared() else { return };
    for command in [
        json!({"command": "echo 2"}),
        json!({"command": "echo 2", "timeout": 2}),
        json!({"command": "echo 2", "timeout": 2.5}),
    ] {
        let answer = server.execute(&json!({"commands": [command]}));
        assert_eq!((&answer["status"], &answer["execution"][0]["stdout"]), (&json!(0), &json!("2")));
    }
}

#[test]
fn b30_malformed_commands_are_refused() {
    let Some(server) = shared() else { return };
    for (command, printed) in [
        ("{}", "{}"),
        (r#"{"timeout": 1}"#, "{'timeout': 1}"),
        (r#"{"command": 1}"#, "{'command': 1}"),
        (r#"{"command": ["a"]}"#, "{'command': ['a']}"),
        (r#"{"command": "true", "timeout": "1"}"#, "{'command': 'true', 'timeout': '1'}"),
        (r#"{"command": "true", "timeout": null}"#, "{'command': 'true', 'timeout': None}"),
        (r#"{"command": "true", "timeout": [1.50]}"#, "{'command': 'true', 'timeout': [1.5]}"),
        ("1", "1"),
        ("null", "None"),
        ("true", "True"),
        (r#"["a"]"#, "['a']"),
        (r#"["it's"]"#, r#"["it's"]"#),
    ] {
        refused(&server, &format!(r#"{{"commands": [{command}]}}"#), &format!("Command badly formatted : '{printed}'"));
    }
}

#[test]
fn b31_strings_and_objects_mix_and_a_hyphen_marks_them() {
    let Some(server) = own(&["execute.pool_size=1", "execute.timeout=700ms"]) else { return };
    let commands = json!(["-false", {"command": "-exit 3", "timeout": 5}, "--x", "-", "", "sleep 5"]);
    let answer = server.execute(&json!({"commands": commands}));
    let entries = answer["execution"].as_array().expect("an array");
    let texts: Vec<&str> = entries.iter().map(|entry| entry["command"].as_str().expect("text")).collect();
    assert_eq!(texts, ["false", "exit 3", "-x", "", "", "sleep 5"]);
    let codes: Vec<&Value> = entries.iter().map(|entry| &entry["exit_code"]).collect();
    // Given the text `-x`, `bash -c` takes it for an option.
    assert_eq!(codes, [1, 3, 2, 0, 0, -2]);
    let last = entries[5]["stderr"].as_str().expect("text");
    let left: f64 = last
        .strip_prefix("Command timed out after ")
        .and_then(|rest| rest.strip_suffix(" seconds\n")?.parse().ok())
        .unwrap_or_else(|| panic!("{last:?}"));
    assert!(left > 0.0 && left < 0.7, "what is left of the setting: {left}");
}

#[test]
fn b32_commands_that_are_no_list_are_refused() {
    let Some(server) = shared() else { return };
    for (config, message) in [
        (r#"{"save": true}"#, "Missing field 'commands' in config"),
        (r#"{"commands": "true"}"#, "commands must be a list, not <class 'str'>"),
        (r#"{"commands": {"command": "true"}}"#, "commands must be a list, not <class 'dict'>"),
        (r#"{"commands": null}"#, "commands must be a list, not <class 'NoneType'>"),
        (r#"{"commands": ["true", 5]}"#, "Command badly formatted : '5'"),
        (r#"{"commands": []}"#, "Command list cannot be empty"),
    ] {
        refused(&server, config, message);
    }
}

#[test]
fn b33_environ_is_an_object() {
    let Some(server) = shared() else { return };
    let printed = |environ: Value| {
        let answer = server.execute(&json!({"commands": ["echo \"$A|$B|$C|$D|$E\""], "environ": environ}));
        answer["execution"][0]["stdout"].as_str().expect("text").to_owned()
    };
    let values = json!({"A": "x y", "B": 1, "C": true, "D": null, "E": ["a", 1.5]});
    assert_eq!(printed(values), "x y|1|True|None|['a', 1.5]");
    assert_eq!(printed(json!({})), "||||");
    for (value, class) in
        [("[]", "list"), ("null", "NoneType"), ("1", "int"), ("1.0", "float"), ("true", "bool"), ("\"\"", "str")]
    {
        let config = format!(r#"{{"commands": ["true"], "environ": {value}}}"#);
        refused(&server, &config, &format!("environ must be an object, not <class '{class}'>"));
    }
}

#[test]
fn b34_result_path_is_a_string() {
    let Some(server) = shared() else { return };
    let answer = server.execute(&json!({"commands": ["echo 1 > r"], "result_path": "r"}));
    assert_eq!(answer["result"], "1\n");
    assert_eq!(server.execute(&json!({"commands": ["echo 1 > r"]})).get("result"), None);
    for (value, class) in [("1", "int"), ("null", "NoneType"), ("[\"r\"]", "list"), ("{}", "dict"), ("false", "bool")] {
        let config = format!(r#"{{"commands": ["true"], "result_path": {value}}}"#);
        refused(&server, &config, &format!("result_path must be a string, not <class '{class}'>"));
    }
}

#[test]
fn b35_save_is_a_boolean() {
    let Some(server) = shared() else { return };
    for (config, saved) in [
        (json!({"commands": ["true"], "save": true}), true),
        (json!({"commands": ["true"], "save": false}), false),
        (json!({"commands": ["true"]}), false),
    ] {
        let answer = server.execute(&config);
        assert_eq!((answer.get("environment").is_some(), answer.get("expire").is_some()), (saved, saved), "{config}");
    }
    for (value, class) in [("1", "int"), ("\"true\"", "str"), ("null", "NoneType"), ("1.0", "float")] {
        let config = format!(r#"{{"commands": ["true"], "save": {value}}}"#);
        refused(&server, &config, &format!("save must be a boolean, not <class '{class}'>"));
    }
}

#[test]
fn b36_config_is_needed() {
    let Some(server) = shared() else { return };
    for form in [form::urlencoded(&[]), form::urlencoded(&[("other", b"1")]), form::multipart(&[])] {
        server.post(&form).refuses(400, "Missing argument 'config'");
    }
}

#[test]
fn b37_config_is_json() {
    let Some(server) = shared() else { return };
    for (config, problem) in [
        ("unknown", "Expecting value: line 1 column 1 (char 0)"),
        ("", "Expecting value: line 1 column 1 (char 0)"),
        ("{\"commands\"", "Expecting ':' delimiter: line 1 column 12 (char 11)"),
        (
            "{\"commands\": [\"true\"],}",
            "Expecting property name enclosed in double quotes: line 1 column 23 (char 22)",
        ),
        ("{}\n{}", "Extra data: line 2 column 1 (char 3)"),
    ] {
        refused(&server, config, &format!("'config' json is invalid - {problem}"));
    }
}

#[test]
fn b38_config_is_an_object() {
    let Some(server) = shared() else { return };
    for (config, class) in
        [("\"x\"", "str"), ("[]", "list"), ("1", "int"), ("1.5", "float"), ("true", "bool"), ("null", "NoneType")]
    {
        refused(&server, config, &format!("config must be an object, not <class '{class}'>"));
    }
}

#[test]
fn b39_config_is_not_empty() {
    let Some(server) = shared() else { return };
    refused(&server, "{}", "Missing field 'commands' in config");
}

#[test]
fn b40_execute_is_posted_to() {
    let Some(server) = shared() else { return };
    let reply = server.get("/execute/");
    assert_eq!((reply.status, reply.text(), reply.header("allow")), (405, "", Some("POST, OPTIONS")));
}
