//! The shape of answers: sections 2.4 to 2.8 and 2.11.

use serde_json::{Value, json};

use crate::archive::files;
use crate::server::shared;

/// The keys of an object in the order of the text.
fn keys_in_order<'a>(text: &str, keys: &[&'a str]) -> Vec<&'a str> {
    let mut found: Vec<(usize, &str)> =
        keys.iter().filter_map(|key| Some((text.find(&format!("\"{key}\": "))?, *key))).collect();
    found.sort_unstable();
    found.into_iter().map(|(_, key)| key).collect()
}

#[test]
fn keys_come_in_order_and_only_where_they_apply() {
    let Some(server) = shared() else { return };
    const ALL: [&str; 6] = ["status", "execution", "total_time", "environment", "expire", "result"];
    for (config, expected) in [
        (json!({"commands": ["true"]}), &ALL[..3]),
        (json!({"commands": ["true"], "save": true}), &ALL[..5]),
        (json!({"commands": ["echo > r"], "save": true, "result_path": "r"}), &ALL[..]),
        (json!({"commands": ["false"], "save": true, "result_path": "r"}), &ALL[..5]),
    ] {
        let reply = server.ask(&config);
        assert_eq!(keys_in_order(reply.text(), &ALL), expected, "{config}");
        assert_eq!(reply.json().as_object().expect("an object").len(), expected.len());
        assert_eq!(reply.header("content-length"), Some(reply.body.len().to_string().as_str()));
        assert!(!reply.text().contains("null"), "{}", reply.text());
    }
    const ENTRY: [&str; 5] = ["command", "exit_code", "stdout", "stderr", "time"];
    let reply = server.ask(&json!({"commands": ["true"]}));
    assert_eq!(keys_in_order(reply.text(), &ENTRY), ENTRY);
    assert!(reply.text().starts_with("{\"status\": 0, \"execution\": [{\"command\": \"true\", \"exit_code\": 0, "));
}

#[test]
fn outcomes_have_their_codes() {
    let Some(server) = shared() else { return };
    let late = |hyphen: &str| json!({"command": format!("{hyphen}sleep 2"), "timeout": 0.1});
    // Commands, result path; status, exit code of the last command, whether there is a result.
    for (commands, path, status, exit_code, result) in [
        (json!(["true"]), None, 0, 0, false),
        (json!(["exit 3"]), None, 3, 3, false),
        (json!(["echo 1 > r; exit 3"]), Some("r"), 3, 3, true),
        (json!(["exit 3"]), Some("r"), -3, 3, false),
        (json!(["echo 1 > r", late("")]), Some("r"), -2, -2, true),
        (json!([late("")]), Some("r"), -3, -2, false),
        (json!([late("-"), "true"]), None, 0, 0, false),
        (json!([late("-"), "exit 4"]), None, 4, 4, false),
        (json!(["printf '\\377'", "true"]), None, -1, -1, false),
        (json!(["-printf '\\377' >&2", "true"]), None, -1, -1, false),
        (json!(["echo 1 > r; printf '\\377'"]), Some("r"), -1, -1, true),
        (json!(["printf '\\377' > r"]), Some("r"), -4, 0, false),
        (json!(["printf '\\377' > r; exit 3"]), Some("r"), -4, 3, false),
        (json!(["mkdir r"]), Some("r"), -3, 0, false),
        (json!(["true"]), Some(""), -3, 0, false),
    ] {
        let mut config = json!({"commands": commands, "save": true});
        if let Some(path) = path {
            config["result_path"] = json!(path);
        }
        let answer = server.execute(&config);
        let last = answer["execution"].as_array().and_then(|entries| entries.last()).expect("an entry");
        let found = (&answer["status"], &last["exit_code"], answer.get("result").is_some());
        assert_eq!(found, (&json!(status), &json!(exit_code), result), "{config}");
        assert!(answer.get("environment").is_some(), "saved however it ended: {config}");
        if exit_code == -1 {
            let text = "An unknown error occurred on the sandbox\n";
            assert_eq!((&last["stdout"], &last["stderr"]), (&json!(""), &json!(text)), "{config}");
        }
    }
}

#[test]
fn a_hyphen_is_removed_once_and_only_at_the_start() {
    let Some(server) = shared() else { return };
    for (command, told, status) in [
        ("-exit 5", "exit 5", 0),
        ("- exit 5", " exit 5", 0),
        (" -exit 5", " -exit 5", 127),
        ("exit 5", "exit 5", 5),
        ("-", "", 0),
        ("", "", 0),
    ] {
        for command in [json!(command), json!({"command": command})] {
            let answer = server.execute(&json!({"commands": [command]}));
            assert_eq!(
                (&answer["execution"][0]["command"], &answer["status"]),
                (&json!(told), &json!(status)),
                "{command}"
            );
        }
    }
}

#[test]
fn timeouts_are_printed_as_python_does() {
    let Some(server) = crate::server::own(&["execute.pool_size=2", "execute.timeout=1500ms"]) else { return };
    let late = |timeout: &str| {
        let config = format!(r#"{{"commands": [{{"command": "sleep 9", "timeout": {timeout}}}]}}"#);
        let answer = crate::server::checked(&server.post(&crate::form::config(&config)));
        answer["execution"][0]["stderr"].as_str().expect("text").to_owned()
    };
    for (timeout, printed) in [
        ("0.2", "0.2"),
        ("0.20", "0.2"),
        ("2e-1", "0.2"),
        ("1", "1"),
        ("1.0", "1.0"),
        ("true", "True"),
        ("1e-7", "1e-07"),
        ("1.5", "1.5"),
        ("10", "1.5"),
        ("0", "1.5"),
        ("Infinity", "1.5"),
    ] {
        assert_eq!(late(timeout), format!("Command timed out after {printed} seconds\n"), "{timeout}");
    }
}

#[test]
fn a_spent_budget_leaves_nothing() {
    let Some(server) = crate::server::own(&["execute.pool_size=1", "execute.timeout=300ms"]) else { return };
    let answer = server.execute(&json!({"commands": ["-sleep 1", "touch f", "true"], "result_path": "f"}));
    let entries = answer["execution"].as_array().expect("an array");
    assert_eq!((entries.len(), &answer["status"]), (2, &json!(-3)), "{answer}");
    assert_eq!(entries[1]["exit_code"], -2);
    let stderr = entries[1]["stderr"].as_str().expect("text");
    let left = stderr.strip_prefix("Command timed out after ").and_then(|rest| rest.strip_suffix(" seconds\n"));
    assert!(left.and_then(|left| left.parse::<f64>().ok()).is_some_and(|left| left <= 0.0), "{stderr:?}");
}

#[test]
fn expire_is_told_in_iso_8601() {
    let Some(server) = shared() else { return };
    let config = json!({"commands": ["date -u +%FT%H:%M"], "save": true});
    let answer = server.execute(&config);
    let expire = answer["expire"].as_str().expect("text");
    let shape: String = expire.chars().map(|c| if c.is_ascii_digit() { '9' } else { c }).collect();
    assert!(expire.ends_with("+00:00"), "{expire}");
    assert!(["9999-99-99T99:99:99.999999+99:99", "9999-99-99T99:99:99+99:99"].contains(&shape.as_str()), "{expire}");
    // A day later than now: the same hour of another date.
    let now = answer["execution"][0]["stdout"].as_str().expect("text");
    assert_ne!(expire[..10], now[..10]);
    let minutes = |time: &str| time[11..13].parse::<i32>().unwrap() * 60 + time[14..16].parse::<i32>().unwrap();
    assert!((minutes(expire) - minutes(now)).rem_euclid(1440) <= 1, "{expire} {now}");
}

#[test]
fn json_is_ascii_with_python_s_separators() {
    let Some(server) = shared() else { return };
    let reply = server.ask(&json!({"commands": ["printf 'é\\t\\001\\177\\\\\"/😀'"]}));
    assert!(
        reply.text().contains(r#""stdout": "\u00e9\t\u0001\u007f\\\"/\ud83d\ude00", "stderr": "", "time": "#)
            || reply.text().contains(
                "\"stdout\": \"\\u00e9\\t\\u0001\u{7f}\\\\\\\"/\\ud83d\\ude00\", \"stderr\": \"\", \"time\": "
            ),
        "{}",
        reply.text()
    );
    assert_eq!(reply.json()["execution"][0]["stdout"], "é\t\u{1}\u{7f}\\\"/😀");
}

#[test]
fn save_and_result_do_not_depend_on_each_other() {
    let Some(server) = shared() else { return };
    let archive = files(&[("d/r", "in a directory\r\n")]);
    let answer = server.execute_with(&json!({"commands": ["true"], "result_path": "d/r"}), &archive);
    assert_eq!((&answer["result"], answer.get("environment")), (&json!("in a directory\n"), None::<&Value>));
}
