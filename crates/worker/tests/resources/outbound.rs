use std::collections::BTreeMap;

use belljar_worker::resource::Outbound;

use super::*;

fn outbound(allowed: &[&str]) -> Outbound {
    let fields = json!({"from_addr": "12345", "transport_type": "sms", "helper_metadata": {"not": "taken"}});
    let Value::Object(fields) = fields else { unreachable!() };
    Outbound::new(
        allowed.iter().map(|key| (*key).to_owned()),
        ["sms".to_owned()],
        BTreeMap::from([("sms".to_owned(), fields)]),
    )
}

/// Whether these fields of a message are so.
fn assert_fields(message: &Fields, expected: &Value) {
    for (name, value) in expected.as_object().expect("an object") {
        assert_eq!(message.get(name), Some(value), "{name} of {message:?}");
    }
}

#[tokio::test]
async fn replies() {
    // 6, 131, 139, 156, 157; traps 6 and 8.
    let reply = json!({
        "to_addr": "+271", "from_addr": "*120*1#", "in_reply_to": "m1", "content": "yo", "session_event": null,
        "group": null, "provider": "mno", "transport_name": "sms", "transport_type": "ussd", "to_addr_type": null,
        "from_addr_type": null, "transport_metadata": {"tm": 1}, "helper_metadata": {}, "message_type": "user_message",
        "routing_metadata": {"endpoint_name": "default"}, "message_version": "20110921",
    });
    let in_group = json!({"group": "#chan", "routing_metadata": {"endpoint_name": "other"}});
    let elsewhere = json!({"endpoint_name": "other"});
    for (command, original, fields, differs) in [
        ("reply_to", json!({}), json!({}), json!({})),
        ("reply_to", json!({}), json!({"content": null, "helper_metadata": null}), json!({"content": null})),
        ("reply_to", json!({}), json!({"continue_session": true, "helper_metadata": {}}), json!({})),
        ("reply_to", json!({}), json!({"continue_session": 1}), json!({})),
        ("reply_to", json!({}), json!({"continue_session": false}), json!({"session_event": "close"})),
        ("reply_to", json!({}), json!({"continue_session": 0.0}), json!({"session_event": "close"})),
        (
            "reply_to",
            json!({}),
            json!({"helper_metadata": {"b": {"x": 1}}}),
            json!({"helper_metadata": {"b": {"x": 1}}}),
        ),
        ("reply_to", json!({}), json!({"content": "Zoë", "unknown": 1}), json!({"content": "Zoë"})),
        ("reply_to", in_group.clone(), json!({}), json!({"group": "#chan", "routing_metadata": elsewhere})),
        ("reply_to_group", json!({}), json!({}), json!({})),
        (
            "reply_to_group",
            in_group,
            json!({"continue_session": false}),
            json!({"group": "#chan", "to_addr": null, "session_event": "close", "routing_metadata": elsewhere}),
        ),
    ] {
        for profile in [Profile::Belljar, Profile::Strict] {
            let run = Run::with(profile, "sandbox1", &message(original.clone()));
            let mut asked = json!({"content": "yo", "in_reply_to": "m1"});
            merge(&mut asked, fields.clone());
            let answer = run.ask(&outbound(&["a", "b"]), command, asked).await;
            assert_eq!(answer, Answer::success(), "{command} {fields}");
            let (destination, message) = only(run.published());
            assert_eq!(destination, Destination::Outbound { transport_name: "sms".to_owned() });
            let mut expected = reply.clone();
            merge(&mut expected, differs.clone());
            assert_fields(&message, &expected);
        }
    }
}

#[tokio::test]
async fn sends() {
    // 145, 146, 155, 156, 157.
    let sent = json!({
        "to_addr": "+272", "from_addr": null, "in_reply_to": null, "content": "yo", "session_event": null,
        "transport_name": null, "transport_type": null, "helper_metadata": {},
        "routing_metadata": {"endpoint_name": "default"},
    });
    let by_sms = json!({
        "from_addr": "12345", "transport_type": "sms", "helper_metadata": {"a": 1},
        "routing_metadata": {"endpoint_name": "sms"},
    });
    for (command, fields, differs) in [
        ("send_to", json!({}), json!({})),
        ("send_to", json!({"content": null}), json!({"content": null})),
        ("send_to", json!({"endpoint": "sms", "helper_metadata": {"a": 1}}), by_sms.clone()),
        ("send_to_endpoint", json!({"endpoint": "default"}), json!({})),
        ("send_to_endpoint", json!({"endpoint": "sms", "helper_metadata": {"a": 1}}), by_sms),
    ] {
        let run = Run::new(Profile::Strict, "sandbox1");
        let mut asked = json!({"content": "yo", "to_addr": "+272"});
        merge(&mut asked, fields.clone());
        assert_eq!(run.ask(&outbound(&["a", "b"]), command, asked).await, Answer::success(), "{command} {fields}");
        let (destination, message) = only(run.published());
        assert_eq!(destination, Destination::Outbound { transport_name: "sms".to_owned() });
        let mut expected = sent.clone();
        merge(&mut expected, differs);
        assert_fields(&message, &expected);
    }
}

#[tokio::test]
async fn what_is_not_sent() {
    // 132-138, 140-144, 147-154, 158-166: nothing is sent, and the first of the checks gives the reason.
    let reply = json!({"content": "yo", "in_reply_to": "m1"});
    let send = json!({"content": "yo", "to_addr": "+272", "endpoint": "default"});
    let (replies, sends) = (["reply_to", "reply_to_group"], ["send_to", "send_to_endpoint"]);
    let content = ("'content' must be given.", "'content' must be unicode or null.");
    let keys = "'helper_metadata' may only contain the following keys: a, b";
    let not_there = "Could not find original message with id: u'unknown'";
    let wrong_session = "'continue_session' must be either true or false if given";
    let no_endpoint = "'endpoint' must be given in sends.";
    let no_address = "'to_addr' must be given in sends.";
    let no_original = "'in_reply_to' must be given.";
    for (commands, good, change, allowed, reason) in [
        (replies, &reply, json!({"content": "-"}), &["a"][..], content.0),
        (replies, &reply, json!({"content": 5}), &[], content.1),
        (replies, &reply, json!({"in_reply_to": "-"}), &[], no_original),
        (replies, &reply, json!({"in_reply_to": null}), &[], no_original),
        (replies, &reply, json!({"in_reply_to": ["m1"]}), &[], no_original),
        (replies, &reply, json!({"in_reply_to": "unknown"}), &[], not_there),
        (replies, &reply, json!({"continue_session": null}), &[], wrong_session),
        (replies, &reply, json!({"continue_session": "true"}), &[], wrong_session),
        (replies, &reply, json!({"helper_metadata": {"a": 1}}), &[], "'helper_metadata' is not allowed"),
        (replies, &reply, json!({"helper_metadata": 0}), &[], "'helper_metadata' is not allowed"),
        (replies, &reply, json!({"helper_metadata": {"a": 1, "c": 1}}), &["b", "a"], keys),
        (replies, &reply, json!({"helper_metadata": "foo"}), &["a"], "'helper_metadata' must be object or null."),
        (replies, &reply, json!({"helper_metadata": []}), &["a"], "'helper_metadata' must be object or null."),
        (replies, &reply, json!({"content": 5, "in_reply_to": 5, "continue_session": 5}), &[], content.1),
        (replies, &reply, json!({"in_reply_to": 5, "continue_session": 5}), &[], no_original),
        (replies, &reply, json!({"continue_session": 5, "helper_metadata": 5}), &[], wrong_session),
        (sends, &send, json!({"content": "-"}), &[], content.0),
        (sends, &send, json!({"content": {}}), &[], content.1),
        (sends, &send, json!({"to_addr": "-"}), &[], no_address),
        (sends, &send, json!({"to_addr": null}), &[], no_address),
        (sends, &send, json!({"to_addr": 5}), &[], no_address),
        (sends, &send, json!({"endpoint": null}), &[], no_endpoint),
        (sends, &send, json!({"endpoint": 5}), &[], no_endpoint),
        (["send_to_endpoint"; 2], &send, json!({"endpoint": "-"}), &[], no_endpoint),
        (sends, &send, json!({"endpoint": "unknown"}), &[], "Endpoint u'unknown' not configured"),
        (sends, &send, json!({"helper_metadata": {"a": 1}}), &[], "'helper_metadata' is not allowed"),
        (sends, &send, json!({"helper_metadata": {"c": 1}}), &["b", "a"], keys),
        (sends, &send, json!({"content": 5, "to_addr": 5, "endpoint": 5}), &[], content.1),
        (sends, &send, json!({"to_addr": 5, "endpoint": 5}), &[], no_address),
        (sends, &send, json!({"endpoint": 5, "helper_metadata": 5}), &[], no_endpoint),
    ] {
        for command in commands {
            let mut fields = good.clone();
            merge(&mut fields, change.clone());
            // What is "-" is not there.
            fields.as_object_mut().expect("an object").retain(|_, value| value != "-");
            let run = Run::new(Profile::Strict, "sandbox1");
            assert_eq!(run.ask(&outbound(allowed), command, fields).await, failure(reason), "{command} {change}");
            assert_eq!(run.published(), [], "{command} {change}");
        }
    }
    let run = Run::new(Profile::Belljar, "sandbox1");
    for (command, change, reason) in [
        ("reply_to", json!({"in_reply_to": "unknown"}), "Could not find original message with id: \"unknown\""),
        ("send_to", json!({"to_addr": "1", "endpoint": "unknown"}), "Endpoint \"unknown\" not configured"),
    ] {
        let mut fields = reply.clone();
        merge(&mut fields, change);
        assert_eq!(run.ask(&outbound(&[]), command, fields).await, failure(reason));
    }
    assert_eq!(run.ask(&outbound(&[]), "broadcast", reply).await, Answer::Unknown);
    assert_eq!(run.published(), []);
}

#[tokio::test]
async fn an_event_has_nothing_to_reply_to() {
    let event = json!({
        "message_version": "20110921", "message_type": "event", "timestamp": "2026-11-20 16:01:35.766753",
        "event_id": "e1", "event_type": "ack", "user_message_id": "m1", "sent_message_id": "s1", "message_id": "m1",
        "helper_metadata": {}, "routing_metadata": {},
    });
    let event = Message::parse(Kind::Event, event.to_string().as_bytes()).expect("an event");
    let run = Run::with(Profile::Strict, "sandbox1", &event);
    let outbound = outbound(&[]);
    assert_eq!(
        run.ask(&outbound, "reply_to", json!({"content": "yo", "in_reply_to": "m1"})).await,
        failure("Could not find original message with id: u'm1'")
    );
    assert_eq!(run.ask(&outbound, "send_to", json!({"content": "yo", "to_addr": "1"})).await, Answer::success());
    assert_eq!(run.published().len(), 1);
}
