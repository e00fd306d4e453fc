//! Whatever JSON or XML a server answers, no client panics, hangs, or gives a number outside of its scale.

use std::sync::{Arc, Mutex, PoisonError};

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use serde_json::{Map, Value};

use crate::asked::{Came, HANGS, ask, steps};
use crate::clients::{clients, logged_in};
use crate::stand_in::{Reply, StandIn};

/// Answers that are tried on every question to every vendor.
const CASES: u32 = 48;

/// Names that vendors give what clients look at.
const NAMES: [&str; 96] = [
    "ID",
    "action",
    "alert",
    "alertsCount",
    "allFinished",
    "allSignalGroups",
    "allTags",
    "analyses",
    "analysis",
    "analysis_id",
    "analysis_severity",
    "analysis_verdict",
    "analysis_vti_score",
    "artifacts",
    "attributes",
    "behavior",
    "confidence",
    "created",
    "data",
    "description",
    "detection",
    "domain",
    "domains",
    "email",
    "end_time",
    "environment_description",
    "error",
    "error_msg",
    "error_value",
    "errors",
    "explanation",
    "family",
    "file",
    "file_info",
    "files",
    "finalVerdict",
    "finished",
    "flow_id",
    "generalinfo",
    "hash",
    "hashes",
    "hosts",
    "http",
    "id",
    "info",
    "iocs",
    "ip",
    "job_id",
    "label",
    "malicious",
    "malscore",
    "malstatus",
    "malware",
    "maxscore",
    "md5",
    "message",
    "mitre_attcks",
    "most_relevant_analysis",
    "name",
    "network",
    "overallState",
    "package",
    "pollPause",
    "priority",
    "queuesize",
    "reports",
    "resources",
    "result",
    "sample",
    "sample_id",
    "samples",
    "sandbox",
    "score",
    "severity",
    "sha1",
    "sha256",
    "signatures",
    "state",
    "status",
    "strategy",
    "submission_finished",
    "submission_id",
    "submissions",
    "target",
    "task",
    "task_id",
    "task_ids",
    "tasks",
    "threatLevel",
    "threat_level",
    "threat_score",
    "ttp",
    "uri",
    "value",
    "verdict",
    "webid",
];

/// Words that vendors use, and numbers at the ends of scales.
const WORDS: [&str; 36] = [
    "",
    "0",
    "-1",
    "1e400",
    "..",
    "../../x",
    "11",
    "BENIGN",
    "CRIT",
    "Clean",
    "DONE",
    "Done",
    "ERROR",
    "FULL",
    "MAJR",
    "MALICIOUS",
    "Malicious",
    "SUCCESS",
    "SUSPICIOUS",
    "UNKNOWN",
    "blacklisted",
    "clean",
    "completed",
    "failed",
    "failed_analysis",
    "finished",
    "in_progress",
    "malicious",
    "no specific threat",
    "ok",
    "pending",
    "reported",
    "suspicious",
    "whitelisted",
    "\u{202e}",
    "http://[::1",
];

fn json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        (-200_i64..300).prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        prop::sample::select(&WORDS[..]).prop_map(Value::from),
        "\\PC{0,12}".prop_map(Value::from),
    ];
    let name = || prop::sample::select(&NAMES[..]);
    leaf.prop_recursive(5, 96, 8, move |inner| {
        let table = prop::collection::vec((name(), inner.clone()), 0..8);
        let table = table.prop_map(|fields| fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect());
        prop_oneof![
            2 => table.prop_map(|table: Map<String, Value>| Value::Object(table)),
            1 => prop::collection::vec(inner, 0..4).prop_map(Value::Array),
        ]
    })
}

/// The same as elements, as the vendors that answer XML have them.
fn xml(value: &Value, into: &mut String) {
    match value {
        Value::Object(table) => {
            for (name, value) in table {
                *into += &format!("<{name}>");
                xml(value, into);
                *into += &format!("</{name}>");
            }
        }
        Value::Array(list) => list.iter().for_each(|value| {
            *into += "<entry>";
            xml(value, into);
            *into += "</entry>";
        }),
        Value::String(text) => *into += &text.replace('&', "&amp;").replace('<', "&lt;"),
        other => *into += &other.to_string(),
    }
}

#[test]
fn no_answer_breaks_a_client() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let body = Arc::new(Mutex::new((200, String::new())));
    let answered = Arc::clone(&body);
    let (_server, clients) = runtime.block_on(async {
        let server = StandIn::start(move |request| {
            let (status, body) = answered.lock().unwrap_or_else(PoisonError::into_inner).clone();
            logged_in(request).unwrap_or_else(|| Reply::json(status, &body))
        })
        .await;
        let clients = clients(&server.address).await;
        (server, clients)
    });
    let mut runner = TestRunner::new(Config { cases: CASES, failure_persistence: None, ..Config::default() });
    let status = prop::sample::select(&[200_u16, 200, 200, 201, 202, 204, 400, 404, 405, 419, 500][..]);
    let done = runner.run(&(status, json(), any::<bool>()), |(status, value, as_xml)| {
        let text = if as_xml {
            let mut text = "<wildfire>".to_owned();
            xml(&value, &mut text);
            text + "</wildfire>"
        } else {
            value.to_string()
        };
        *body.lock().unwrap_or_else(PoisonError::into_inner) = (status, text);
        runtime.block_on(async {
            for sandbox in &clients {
                for step in steps(&**sandbox) {
                    let came = tokio::time::timeout(HANGS, ask(&**sandbox, step)).await;
                    let came = came.map_err(|_| TestCaseError::fail(format!("{}, {step:?}: hangs", sandbox.name())))?;
                    if let Ok(Came::Verdict(verdict)) = came {
                        let on_scale = |number: Option<u8>| number.is_none_or(|number| number <= 100);
                        prop_assert!(on_scale(verdict.score) && on_scale(verdict.confidence), "{verdict:?}");
                        prop_assert!(verdict.reasons.len() <= 1000, "reasons have a limit");
                    }
                }
            }
            Ok(())
        })
    });
    if let Err(error) = done {
        panic!("{error}");
    }
}
