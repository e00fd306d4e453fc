//! Behaviours 71 to 80: specifications, usages and libraries.

use std::thread;

use serde_json::{Value, json};

use crate::http::request;
use crate::server::{own, shared, wait_for};

#[test]
fn b71_b72_b74_specifications_tell_the_settings() {
    let settings = [
        "execute.pool_size=2",
        "execute.sandbox.cpu_percent=100",
        "execute.sandbox.disk=300000000",
        "execute.sandbox.memory=100000000",
        "execute.sandbox.swap=50000000",
        "execute.sandbox.processes=33",
    ];
    let Some(server) = own(&settings) else { return };
    let container = &server.get("/specifications/").json()["container"];
    assert_eq!(container["count"], 2);
    assert_eq!(container["cpu"], json!({"count": 1, "period": 1000, "shares": 1024, "quota": 1000}));
    // RAM and swap are told apart, as in the peer's third row; unlimited memory, its first, is none of our settings.
    assert_eq!(container["memory"], json!({"ram": 100_000_000, "swap": 50_000_000, "storage": 300_000_000}));
    assert_eq!(container["process"], 33);
}

#[test]
fn b76_usages_count_what_is_taken() {
    let Some(server) = own(&["execute.pool_size=3"]) else { return };
    server.wait_until_idle();
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| server.execute(&json!({"commands": ["sleep 1"]})));
        }
        wait_for("two are taken", || server.taken() == 2);
    });
    server.wait_until_idle();
}

#[test]
fn b77_libraries_are_listed() {
    let Some(server) = shared() else { return };
    let answer = server.get("/libraries/").json();
    let kinds: Vec<&String> = answer["libraries"].as_object().expect("an object").keys().collect();
    assert_eq!(kinds, ["c", "perl", "python", "system"]);
    for (kind, versions) in answer["libraries"].as_object().expect("an object") {
        let versions = versions.as_object().expect("an object");
        assert!(versions.values().all(Value::is_string), "{kind}");
    }
    let names: Vec<&str> = answer["bin"].as_array().expect("an array").iter().filter_map(Value::as_str).collect();
    assert!(names.is_sorted() && names.contains(&"bash"), "{names:?}");
    assert!(names.iter().all(|name| name.chars().count() <= 64), "as a caller's database has it");
}

#[test]
fn b78_facts_are_not_posted_to() {
    let Some(server) = shared() else { return };
    for path in ["/specifications/", "/usages/", "/libraries/"] {
        let reply = server.request("POST", path, &[], b"");
        assert_eq!(
            (reply.status, reply.text(), reply.header("allow")),
            (405, "", Some("GET, HEAD, OPTIONS")),
            "{path}"
        );
    }
}

#[test]
fn b79_facts_are_json() {
    let Some(server) = shared() else { return };
    for path in ["/specifications/", "/usages/", "/libraries/"] {
        assert!(server.get(path).json().is_object(), "{path}");
        let head = server.head(path);
        assert_eq!((head.status, head.header("content-type")), (200, Some("application/json")), "{path}");
    }
}

// The asynchronous client keeps its connections, the other one does not.
#[test]
fn b80_connections_are_kept_or_closed() {
    let Some(server) = shared() else { return };
    let mut kept = server.connect();
    for method in ["GET", "HEAD", "GET"] {
        kept.send(&request(method, "/usages/", &[], b""));
        assert_eq!(kept.receive(method).expect("an answer").status, 200);
    }
    let mut closed = server.connect();
    closed.send(&request("GET", "/usages/", &[("Connection", "close")], b""));
    assert_eq!(closed.receive("GET").expect("an answer").status, 200);
    assert_eq!(closed.rest().expect("the end"), b"");
}
