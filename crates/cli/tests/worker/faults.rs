//! Apps and messages that go wrong.

use serde_json::{Value, json};

use crate::apps::{CRASH, ECHO, STORE};
use crate::process::{Transport, Worker, configured, message, wait_for};
use crate::{Bench, Test, Tested};

pub(crate) const TESTS: &[Test] = &[
    ("faults::a_crash_is_tried_once_more_and_then_a_dead_letter", crashes),
    ("faults::messages_that_nobody_can_read_are_dead_letters", poison),
    ("faults::tenants_that_look_alike_are_not_the_same", tenants),
];

/// Faults W5 and W16 of the reference.
fn crashes(bench: &Bench) -> Tested {
    let broker = bench.broker()?;
    let mut transport = Transport::connect(&broker, "crashes");
    let worker = Worker::start(&broker, &configured("crashes", CRASH, "timeout = '3s'"));
    // Others wait behind the one that crashes, and are answered.
    let crashed = transport.say("+1", "crash");
    transport.say("+1", "fine");
    transport.say("+1", "once");
    assert_eq!([transport.heard(), transport.heard()], ["attempt 1", "attempt 2"]);
    let (body, reason) = transport.dead_letter();
    let body: Value = serde_json::from_slice(&body).expect("JSON");
    assert_eq!((&body["message_id"], &body["content"]), (&json!(crashed), &json!("crash")));
    assert!(reason.contains("as it was told"), "{reason}");
    // A reply that was sent is not sent again.
    transport.say("+1", "late");
    transport.say("+1", "fine");
    assert_eq!([transport.heard(), transport.heard()], ["early enough", "attempt 1"]);
    assert_eq!(serde_json::from_slice::<Value>(&transport.dead_letter().0).expect("JSON")["content"], "late");
    // One that never ends is killed.
    transport.say("+1", "loop");
    transport.say("+1", "fine");
    assert_eq!(transport.heard(), "attempt 1");
    assert_eq!(serde_json::from_slice::<Value>(&transport.dead_letter().0).expect("JSON")["content"], "loop");
    wait_for("the numbers", || {
        ["attempts_failed_total{app=\"crashes\"} 7", "retries_total{app=\"crashes\"} 4"]
            .iter()
            .all(|line| worker.has_metric(&format!("belljar_worker_{line}")))
    });
    let told = worker.lines().into_iter().find(|line| line["outcome"].is_string() && line["message_id"] == *crashed);
    let told = told.expect("a line about it");
    assert!(told["stderr"].as_str().is_some_and(|stderr| stderr.contains("as it was told")), "{told}");
    Ok(())
}

/// Fault W3 of the reference, and each kind of message that the issue names.
fn poison(bench: &Bench) -> Tested {
    let broker = bench.broker()?;
    let mut transport = Transport::connect(&broker, "poison");
    let worker = Worker::start(&broker, &configured("poison", ECHO, "sandbox_id_from_message = true"));
    let without = |field: &str| {
        let mut message = message("poison", "x", "+1", "y");
        message.as_object_mut().expect("an object").remove(field);
        message.to_string().into_bytes()
    };
    let with = |field: &str, value: Value| {
        let mut message = message("poison", "x", "+1", "y");
        message[field] = value;
        message.to_string().into_bytes()
    };
    let huge = with("content", "x".repeat(50 << 20).into());
    for (body, part) in [
        (b"not json".to_vec(), "not JSON"),
        (b"[]".to_vec(), "not a JSON object"),
        (b"\xff\xfe".to_vec(), "not JSON"),
        (Vec::new(), "not JSON"),
        (b"[".repeat(100_000), "not JSON"),
        (without("message_id"), "message_id"),
        (without("from_addr"), "from_addr"),
        (with("content", 5.into()), "content"),
        (with("session_event", "odd".into()), "session_event"),
        (with("timestamp", 5.into()), "timestamp"),
        (with("message_version", "1".into()), "message_version"),
        (huge, "bytes"),
        (with("content", "y".into()), "sandbox_id"),
    ] {
        transport.publish("inbound", &body);
        let (dead, reason) = transport.dead_letter();
        assert!(dead == body, "{} bytes: another body of {} bytes", body.len(), dead.len());
        assert!(reason.contains(part), "{part}: {reason}");
    }
    transport.say_with("+1", "hello", &[("sandbox_id", "a".into())]);
    assert_eq!(transport.heard(), "hello");
    assert!(worker.get("/readyz").starts_with("HTTP/1.1 200"));
    Ok(())
}

fn tenants(bench: &Bench) -> Tested {
    let broker = bench.broker()?;
    let mut transport = Transport::connect(&broker, "tenants");
    let _worker = Worker::start(&broker, &configured("tenants", STORE, "sandbox_id_from_message = true"));
    for (tenant, content, answer) in [
        ("a", "set b#c secret", "true -"),
        ("a", "get b#c", "true \"secret\""),
        // Its keys would be those of another: see the store.
        ("a#b", "get c", "false -"),
        ("a#b", "get b#c", "false -"),
        ("A", "get b#c", "true null"),
        ("a ", "get b#c", "true null"),
        ("", "get a#b#c", "true null"),
    ] {
        transport.say_with("+1", content, &[("sandbox_id", tenant.into())]);
        assert_eq!(transport.heard(), answer, "{tenant} {content}");
    }
    Ok(())
}
