//! Behaviours 41 to 61: running commands.

use std::fs;

use serde_json::{Value, json};

use crate::archive::{E1, E1_OVER_E2, contents, e1, e2, expected};
use crate::server::{Server, has_program, own, shared};

/// The keys of an entry other than the time.
fn entry(command: &str, exit_code: i32, stdout: &str, stderr: &str) -> Value {
    json!({"command": command, "exit_code": exit_code, "stdout": stdout, "stderr": stderr})
}

/// The status and the entries without their times.
fn outcome(answer: &Value) -> (i64, Vec<Value>) {
    let mut entries = answer["execution"].as_array().expect("an array").clone();
    for entry in &mut entries {
        let time = entry.as_object_mut().expect("an object").remove("time");
        assert!(time.is_some_and(|time| time.is_f64()));
    }
    (answer["status"].as_i64().expect("a number"), entries)
}

/// Executes what must come within 50 ms of its limits. A busy machine may be late once, not three times.
fn execute_in_time(server: &Server, config: &Value, entry: usize, most: f64) -> Value {
    let mut answers = (0..3).map(|_| server.execute(config));
    let in_time = answers.find(|answer| answer["execution"][entry]["time"].as_f64().is_some_and(|time| time <= most));
    in_time.unwrap_or_else(|| panic!("never within {most} s: {config}"))
}

const WRITE_RESULT: &str = "echo 'Hello World !' > result.txt";

#[test]
fn b41_b43_a_command_is_run() {
    let Some(server) = shared() else { return };
    for command in [json!("echo $((1+1))"), json!({"command": "echo $((1+1))", "timeout": 1})] {
        let answer = server.execute(&json!({"commands": [command]}));
        assert_eq!(outcome(&answer), (0, vec![entry("echo $((1+1))", 0, "2", "")]));
    }
}

#[test]
fn b42_a_failure_may_be_ignored() {
    let Some(server) = shared() else { return };
    let answer = server.execute(&json!({"commands": ["-false"]}));
    assert_eq!(outcome(&answer), (0, vec![entry("false", 1, "", "")]));
}

#[test]
fn b44_a_command_times_out() {
    let Some(server) = shared() else { return };
    let config = json!({"commands": [{"command": "echo lost; sleep 1", "timeout": 0.2}]});
    let answer = execute_in_time(&server, &config, 0, 0.25);
    let stderr = "Command timed out after 0.2 seconds\n";
    assert_eq!(outcome(&answer), (-2, vec![entry("echo lost; sleep 1", -2, "", stderr)]));
    assert!(answer["execution"][0]["time"].as_f64() >= Some(0.2));
}

#[test]
fn b45_commands_are_run_in_order() {
    let Some(server) = shared() else { return };
    let commands = json!(["true", {"command": "echo $((1+1))", "timeout": 1}, "-false"]);
    let answer = server.execute(&json!({"commands": commands}));
    let entries = vec![entry("true", 0, "", ""), entry("echo $((1+1))", 0, "2", ""), entry("false", 1, "", "")];
    assert_eq!(outcome(&answer), (0, entries));
}

#[test]
fn b46_times_add_up() {
    let Some(server) = shared() else { return };
    let commands = json!(["sleep 0.1", "true", "-sleep 0.1; false"]);
    let answer = server.execute(&json!({"commands": commands, "result_path": "r", "save": true}));
    let times = answer["execution"].as_array().expect("an array").iter().map(|entry| entry["time"].as_f64());
    let sum = times.sum::<Option<f64>>().expect("numbers");
    let total = answer["total_time"].as_f64().expect("a number");
    assert!(total - 0.5 <= sum && sum <= total && sum >= 0.2, "{answer}");
}

#[test]
fn b47_b48_a_timeout_ends_the_run() {
    let Some(server) = shared() else { return };
    let late = json!({"command": "sleep 1", "timeout": 0.2});
    let stderr = "Command timed out after 0.2 seconds\n";
    let config = json!({"commands": [{"command": "echo $((1+1))", "timeout": 1}, late, "true"]});
    let answer = execute_in_time(&server, &config, 1, 0.25);
    assert_eq!(outcome(&answer), (-2, vec![entry("echo $((1+1))", 0, "2", ""), entry("sleep 1", -2, "", stderr)]));
    let answer = server.execute(&json!({"commands": [late]}));
    assert_eq!(outcome(&answer), (-2, vec![entry("sleep 1", -2, "", stderr)]));
}

#[test]
fn b49_commands_share_a_budget() {
    let Some(server) = own(&["execute.pool_size=1", "execute.timeout=1s"]) else { return };
    let command = json!({"command": "sleep 0.25", "timeout": 0.5});
    let answer = server.execute(&json!({"commands": [command, command, command, command, command, command]}));
    let (status, entries) = outcome(&answer);
    assert!(status == -2 && entries.len() > 1 && entries.len() <= 4, "{answer}");
    // Even one that names no limit gets the budget, and so does one that asks for more.
    for command in
        [json!("sleep 5"), json!({"command": "sleep 5", "timeout": 5}), json!({"command": "sleep 5", "timeout": 0})]
    {
        let answer = server.execute(&json!({"commands": [command]}));
        assert_eq!(outcome(&answer), (-2, vec![entry("sleep 5", -2, "", "Command timed out after 1.0 seconds\n")]));
    }
}

#[test]
fn b50_the_first_failure_is_the_status() {
    let Some(server) = shared() else { return };
    assert_eq!(outcome(&server.execute(&json!({"commands": ["false", "true"]}))), (1, vec![entry("false", 1, "", "")]));
    for (command, code) in
        [("exit 3", 3), ("exit 255", 255), ("exit 256", 0), ("kill -9 $$", 137), ("kill -TERM $$", 143)]
    {
        assert_eq!(outcome(&server.execute(&json!({"commands": [command]}))).0, code, "{command}");
    }
    let missing = server.execute(&json!({"commands": ["-no-such-command", "/etc/passwd"]}));
    assert_eq!((&missing["status"], &missing["execution"][0]["exit_code"]), (&json!(126), &json!(127)));
}

#[test]
fn b51_variables_are_seen() {
    let Some(server) = shared() else { return };
    let id = server.save(&e1());
    for environment in [Value::Null, json!(id)] {
        let config =
            json!({"commands": ["true", "echo $VAR1"], "environ": {"VAR1": "My var"}, "environment": environment});
        assert_eq!(server.execute(&config)["execution"][1]["stdout"], "My var");
    }
    let config = json!({"commands": ["echo $PATH"], "environ": {"PATH": "/own:/bin"}});
    assert_eq!(server.execute(&config)["execution"][0]["stdout"], "/own:/bin");
}

#[test]
fn b52_a_result_is_returned() {
    let Some(server) = shared() else { return };
    let id = server.save(&e1());
    let config = json!({"commands": [WRITE_RESULT], "environment": id, "result_path": "result.txt"});
    let answer = server.execute(&config);
    assert_eq!((&answer["status"], &answer["result"]), (&json!(0), &json!("Hello World !\n")));
    assert_eq!(answer.get("environment"), None);
}

#[test]
fn b53_b54_an_upload_is_saved_with_what_was_made() {
    let Some(server) = shared() else { return };
    let answer =
        server.execute_with(&json!({"commands": [WRITE_RESULT], "result_path": "result.txt", "save": true}), &e1());
    assert_eq!(answer["result"], "Hello World !\n");
    let saved = contents(&server.download(answer["environment"].as_str().expect("an id")));
    assert_eq!(saved, expected(&[&E1[..], &[("result.txt", "Hello World !\n")]].concat()));
}

#[test]
fn b55_upload_and_environment_are_saved_together() {
    let Some(server) = shared() else { return };
    let config = json!({"commands": [WRITE_RESULT], "environment": server.save(&e2()), "result_path": "result.txt", "save": true});
    let answer = server.execute_with(&config, &e1());
    assert_eq!(answer["result"], "Hello World !\n");
    let saved = contents(&server.download(answer["environment"].as_str().expect("an id")));
    assert_eq!(saved, expected(&[&E1_OVER_E2[..], &[("result.txt", "Hello World !\n")]].concat()));
}

#[test]
fn b56_an_environment_is_saved_under_another_id() {
    let Some(server) = shared() else { return };
    let id = server.save(&e1());
    let before = server.download(&id);
    let answer = server.execute(&json!({"commands": [WRITE_RESULT], "environment": id, "save": true}));
    let other = answer["environment"].as_str().expect("an id");
    assert_ne!(other, id);
    assert_eq!(other.as_bytes()[14], b'4', "a random UUID: {other}");
    let saved = contents(&server.download(other));
    assert_eq!(saved, expected(&[&E1[..], &[("result.txt", "Hello World !\n")]].concat()));
    assert_eq!(server.download(&id), before);
}

#[test]
fn b57_a_missing_result_is_told() {
    let Some(server) = shared() else { return };
    for (command, exit_code) in [("true", 0), ("exit 3", 3)] {
        let answer = server.execute(&json!({"commands": [command], "result_path": "unknown.txt"}));
        assert_eq!(outcome(&answer), (-3, vec![entry(command, exit_code, "", "")]), "it hides the exit code");
        assert_eq!(answer.get("result"), None);
    }
}

#[test]
fn b58_a_result_that_is_not_text_is_told() {
    let Some(server) = shared() else { return };
    let command = "dd if=/dev/urandom of=result.txt bs=1M count=10 status=none";
    let answer = server.execute(&json!({"commands": [command], "result_path": "result.txt"}));
    assert_eq!(outcome(&answer), (-4, vec![entry(command, 0, "", "")]));
    assert_eq!(answer.get("result"), None);
}

#[test]
fn b59_b60_libraries_are_looked_for() {
    let Some(server) = shared() else { return };
    let answer = server.execute(&json!({"commands": ["echo $PATH", "echo $PYTHONPATH"]}));
    for entry in answer["execution"].as_array().expect("an array") {
        assert!(
            entry["stdout"].as_str().is_some_and(|value| value.split(':').any(|place| place == "/utils/libs/")),
            "{entry}"
        );
    }
}

#[test]
fn b61_a_library_can_be_imported() {
    if !has_program("python3") {
        return;
    }
    let libraries = tempfile::tempdir().expect("a directory");
    let package = libraries.path().join("course");
    fs::create_dir(&package).expect("it is new");
    fs::write(package.join("__init__.py"), "def answer():\n    return 42\n").expect("written");
    fs::write(libraries.path().join("tool"), "#!/bin/sh\necho tool\n").expect("written");
    let readable = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    fs::set_permissions(libraries.path(), std::fs::Permissions::clone(&readable)).expect("it is ours");
    fs::set_permissions(libraries.path().join("tool"), readable).expect("it is ours");
    let setting = format!("execute.libraries.directory={}", libraries.path().display());
    let Some(server) = own(&["execute.pool_size=1", &setting]) else { return };
    let commands =
        json!(["python3 -c 'import course; print(course.answer())'", "tool", "echo x > /utils/libs/course/x"]);
    let answer = server.execute(&json!({"commands": commands}));
    assert_eq!(answer["execution"][0]["stdout"], "42", "{answer}");
    assert_eq!(answer["execution"][1]["stdout"], "tool");
    assert_eq!(answer["execution"][2]["exit_code"], 1, "programs cannot change it");
}
