//! What the real callers depend on: section 10.2, and how facts are told (section 4).

use serde_json::{Value, json};

use crate::archive::files;
use crate::form::with_archive;
use crate::server::{checked, shared};

/// An integer of a signed column of 16 bits.
#[track_caller]
fn fits_16_bits(value: &Value) {
    assert!(value.as_i64().is_some_and(|number| i16::try_from(number).is_ok()), "{value}");
}

#[track_caller]
fn is_float(value: &Value) {
    assert!(value.is_f64(), "{value}");
}

#[track_caller]
fn is_by_device(value: &Value) {
    let devices = value.as_object().expect("an object");
    assert!(devices.iter().all(|(device, value)| !device.is_empty() && value.is_u64()), "{value}");
}

#[test]
fn an_evaluation_goes_as_platon_does_it() {
    let Some(server) = shared() else { return };
    // Nothing is saved yet, and the id is the text `undefined`.
    assert_eq!(server.head("/environments/undefined/").status, 404);
    assert_eq!(server.head("//environments/undefined/").status, 404);
    let mut id = Value::Null;
    for round in 1..=3 {
        if let Some(id) = id.as_str() {
            // The base address ends with a slash, too.
            assert_eq!(server.head(&format!("//environments/{id}/")).status, 200);
        }
        let input = format!("{{\"round\": {round}}}");
        let config = json!({
            "commands": [{"command": "cat input.json >> log; cat input.json > output.json", "timeout": 5}],
            "result_path": "output.json", "environment": id, "save": true,
        });
        let answer = checked(&server.post(&with_archive(&config.to_string(), &files(&[("input.json", &input)]))));
        assert_eq!(answer["status"], 0, "{answer}");
        let result: Value = serde_json::from_str(answer["result"].as_str().expect("text")).expect("JSON");
        assert_eq!(result["round"], round, "the upload has replaced the saved input");
        id = answer["environment"].clone();
    }
    let log = server.get(&format!("/files/{}/log/", id.as_str().expect("an id")));
    assert_eq!(log.text(), r#"{"round": 1}{"round": 2}{"round": 3}"#);
    // A failure is read from the first entry.
    let answer =
        server.execute(&json!({"commands": ["echo why >&2; exit 1"], "result_path": "output.json", "save": true}));
    assert_eq!((&answer["status"], &answer["execution"][0]["stderr"]), (&json!(-3), &json!("why")));
}

#[test]
fn specifications_have_every_key() {
    let Some(server) = shared() else { return };
    let answer = server.get("/specifications/").json();
    let (host, container) = (&answer["host"], &answer["container"]);
    for number in [&host["cpu"]["core"], &host["cpu"]["logical"], &container["count"], &container["process"]] {
        fits_16_bits(number);
    }
    assert!(host["cpu"]["logical"].as_u64() >= Some(1));
    is_float(&host["cpu"]["freq_min"]);
    is_float(&host["cpu"]["freq_max"]);
    assert!(host["memory"]["ram"].as_u64() > Some(1 << 20));
    assert!(host["memory"]["swap"].is_u64());
    is_by_device(&host["memory"]["storage"]);
    assert_eq!(host["sandbox_version"], "3.0.3");
    assert!(host["docker_version"].as_str().is_some_and(|version| (1..=64).contains(&version.len())));
    for key in ["count", "period", "shares", "quota"] {
        fits_16_bits(&container["cpu"][key]);
    }
    for key in ["ram", "swap", "storage"] {
        assert!(container["memory"][key].is_i64(), "{key}");
    }
    for key in ["read_iops", "read_bps", "write_iops", "write_bps"] {
        assert!(container["io"][key].is_object(), "{key}");
    }
    assert!(container["working_dir_device"].as_str().is_some_and(|device| (1..=128).contains(&device.len())));
}

#[test]
fn usages_have_every_key_and_come_at_once() {
    let Some(server) = shared() else { return };
    let began = std::time::Instant::now();
    let answer = server.get("/usages/").json();
    assert!(began.elapsed() < std::time::Duration::from_secs(1), "the peer takes two seconds");
    is_float(&answer["cpu"]["frequency"]);
    is_float(&answer["cpu"]["usage"]);
    assert!((0.0..=1.0).contains(&answer["cpu"]["usage"].as_f64().expect("a number")));
    let averages = answer["cpu"]["usage_avg"].as_array().expect("an array");
    assert_eq!(averages.len(), 3);
    averages.iter().for_each(is_float);
    assert!(answer["memory"]["ram"].is_u64() && answer["memory"]["swap"].is_u64());
    is_by_device(&answer["memory"]["storage"]);
    for key in ["read_iops", "read_bps", "write_iops", "write_bps"] {
        is_by_device(&answer["io"][key]);
    }
    for key in ["sent_bytes", "received_bytes", "sent_packets", "received_packets"] {
        assert!(answer["network"][key].is_u64(), "{key}");
    }
    fits_16_bits(&answer["process"]);
    fits_16_bits(&answer["container"]);
}

#[test]
fn libraries_are_cached() {
    let Some(server) = shared() else { return };
    let first = server.get("/libraries/");
    assert!(first.json()["bin"].is_array());
    let began = std::time::Instant::now();
    assert_eq!(server.get("/libraries/").body, first.body);
    assert!(began.elapsed() < std::time::Duration::from_secs(1), "the peer takes seconds each time");
}
