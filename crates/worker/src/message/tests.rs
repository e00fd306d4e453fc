use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::protocol::to_ascii;

fn user_message() -> Fields {
    object(json!({
        "message_version": VERSION, "message_type": "user_message", "timestamp": "2026-11-20 16:01:35.766753",
        "message_id": "afd2", "to_addr": "*120*1#", "from_addr": "+271", "in_reply_to": null, "session_event": "new",
        "content": "hello", "transport_name": "sphex", "transport_type": "ussd", "transport_metadata": {"tm": 1},
        "helper_metadata": {"secret": 1}, "routing_metadata": {"endpoint_name": "menu"}, "group": "#room", "provider": "mno",
        "to_addr_type": "msisdn", "from_addr_type": null, "sandbox_id": "tenant", "__cache__": {"x": "2012-01-02 00:00:00"},
    }))
}

fn event(event_type: &str) -> Fields {
    object(json!({
        "message_version": VERSION, "message_type": "event", "timestamp": "2026-11-20 16:01:35", "event_id": "e1",
        "user_message_id": "afd2", "event_type": event_type, "helper_metadata": {}, "routing_metadata": {}, "sent_message_id": "s1",
        "nack_reason": "no credit", "delivery_status": "delivered", "transport_name": "sphex", "transport_metadata": {},
    }))
}

fn object(value: Value) -> Fields {
    match value {
        Value::Object(fields) => fields,
        other => panic!("{other} is no object"),
    }
}

fn parse(kind: Kind, fields: &Fields) -> Result<Message, Invalid> {
    Message::parse(kind, to_ascii(&Value::Object(fields.clone())).as_bytes())
}

fn with(mut fields: Fields, name: &str, value: Value) -> Fields {
    fields.insert(name.to_owned(), value);
    fields
}

fn without(mut fields: Fields, name: &str) -> Fields {
    fields.remove(name);
    fields
}

/// The field that is wrong, if one is.
fn wrong(result: Result<Message, Invalid>) -> Option<String> {
    match result {
        Ok(_) => None,
        Err(Invalid::Missing(field)) => Some(format!("missing {field}")),
        Err(Invalid::Field { field, .. }) => Some(field.to_owned()),
        Err(other) => Some(other.to_string()),
    }
}

#[test]
fn what_came_is_passed_on() {
    let message = parse(Kind::UserMessage, &user_message()).expect("valid");
    assert_eq!(*message.fields(), user_message());
    assert_eq!(
        (message.endpoint(), message.text("sandbox_id"), message.text("group")),
        ("menu", Some("tenant"), Some("#room"))
    );
    for event_type in ["ack", "nack", "delivery_report"] {
        let read = parse(Kind::Event, &event(event_type)).expect("valid");
        assert_eq!(*read.fields(), with(event(event_type), "timestamp", "2026-11-20 16:01:35.000000".into()));
        assert_eq!(read.endpoint(), DEFAULT_ENDPOINT);
    }
}

#[test]
fn fields_that_must_be_there() {
    let filled_in = ["helper_metadata", "group", "provider"];
    let optional = ["routing_metadata", "to_addr_type", "from_addr_type", "sandbox_id", "__cache__"];
    for name in user_message().keys() {
        let result = parse(Kind::UserMessage, &without(user_message(), name));
        if filled_in.contains(&name.as_str()) {
            let value = result.expect("valid").fields()[name].clone();
            assert_eq!(value, if name == "helper_metadata" { json!({}) } else { Value::Null });
        } else if optional.contains(&name.as_str()) {
            assert!(!result.expect("valid").fields().contains_key(name));
        } else {
            assert_eq!(wrong(result), Some(format!("missing {name}")));
        }
    }
    for (event_type, needed) in
        [("ack", "sent_message_id"), ("nack", "nack_reason"), ("delivery_report", "delivery_status")]
    {
        for name in event(event_type).keys() {
            let is_needed = name == needed
                || ["message_version", "message_type", "timestamp", "event_id", "user_message_id", "event_type"]
                    .contains(&name.as_str());
            let expected = is_needed.then(|| format!("missing {name}"));
            assert_eq!(wrong(parse(Kind::Event, &without(event(event_type), name))), expected, "{event_type}");
        }
    }
}

#[test]
fn values_that_fields_may_have() {
    let valid = |kind, fields, name: &str, values: &[Value], is_valid: bool| {
        for value in values {
            let result = parse(kind, &with(Fields::clone(&fields), name, value.clone()));
            assert_eq!(wrong(result), (!is_valid).then(|| name.to_owned()), "{name}: {value}");
        }
    };
    let good = |name: &str, values: &[Value]| valid(Kind::UserMessage, user_message(), name, values, true);
    let bad = |name: &str, values: &[Value]| valid(Kind::UserMessage, user_message(), name, values, false);
    bad("message_version", &[json!("20110922"), json!(20_110_921), json!(null)]);
    good("message_type", &[json!("user_message"), json!("x"), json!(0)]);
    bad("message_type", &[json!(null)]);
    good("timestamp", &[json!("yesterday")]);
    bad("timestamp", &[json!(null), json!(1_795_190_503)]);
    bad("message_id", &[json!(null), json!(5)]);
    for name in
        ["to_addr", "from_addr", "in_reply_to", "content", "transport_name", "transport_type", "group", "provider"]
    {
        good(name, &[json!(null), json!(""), json!("é")]);
        bad(name, &[json!(5), json!({}), json!(["a"]), json!(false)]);
    }
    good("session_event", &[json!(null), json!("new"), json!("resume"), json!("close")]);
    bad("session_event", &[json!("New"), json!(""), json!(0)]);
    for name in ["to_addr_type", "from_addr_type"] {
        good(name, &super::check::ADDRESS_TYPES.iter().map(|name| json!(name)).collect::<Vec<_>>());
        bad(name, &[json!("email"), json!(1)]);
    }
    for name in ["transport_metadata", "helper_metadata", "routing_metadata"] {
        good(name, &[json!(null), json!({}), json!({"a": {"b": []}})]);
        bad(name, &[json!([]), json!("x"), json!(1)]);
    }
    let event_field = |event_type: &str, name, values: &[Value], is_valid| {
        valid(Kind::Event, event(event_type), name, values, is_valid);
    };
    event_field("ack", "event_type", &[json!(null), json!("ACK"), json!("open"), json!(1)], false);
    event_field("ack", "event_id", &[json!(null), json!("")], true);
    event_field("ack", "sent_message_id", &[json!(null)], false);
    event_field("ack", "sent_message_id", &[json!(17), json!("s")], true);
    event_field("nack", "nack_reason", &[json!(null)], false);
    event_field("delivery_report", "delivery_status", &[json!(null), json!("lost")], false);
    event_field("delivery_report", "delivery_status", &[json!("pending"), json!("failed"), json!("delivered")], true);
    // What another kind needs is nobody's business.
    event_field("ack", "nack_reason", &[json!(null)], true);
    event_field("nack", "delivery_status", &[json!(null), json!("lost")], true);
}

#[test]
fn only_the_timestamp_is_a_date() {
    let looks_like_a_date = json!("2012-01-02 00:00:00");
    let fields =
        with(with(user_message(), "content", looks_like_a_date.clone()), "timestamp", json!("2012-01-02 00:00:00Z"));
    let message = parse(Kind::UserMessage, &fields).expect("valid");
    assert_eq!(message.text("timestamp"), Some("2012-01-02 00:00:00.000000"));
    assert_eq!(message.fields()["content"], looks_like_a_date);
    assert_eq!(message.fields()["__cache__"]["x"], looks_like_a_date);
}

#[test]
fn bodies_that_are_no_messages() {
    let parse = |body: &[u8]| Message::parse(Kind::UserMessage, body).map(|_| ());
    for body in [&b""[..], b"not json", b"{", b"\xff", b"{\"content\":\"\xe9\"}"] {
        assert!(matches!(parse(body), Err(Invalid::Json(_))), "{body:?}");
    }
    for body in [&b"null"[..], b"[]", b"1", b"\"x\""] {
        assert_eq!(parse(body), Err(Invalid::NoObject));
    }
    assert!(matches!(parse(&b"[".repeat(500_000)), Err(Invalid::Json(_))));
    assert_eq!(parse(&vec![b' '; MAX_BODY + 1]), Err(Invalid::TooLarge(MAX_BODY + 1)));
    let mut largest = parse_to_body(&user_message());
    largest.resize(MAX_BODY, b' ');
    assert_eq!(parse(&largest), Ok(()));
}

fn parse_to_body(fields: &Fields) -> Vec<u8> {
    parse(Kind::UserMessage, fields).expect("valid").to_body()
}

#[test]
fn half_a_pair_of_surrogates_costs_one_character_and_not_the_message() {
    let body = String::from_utf8(parse_to_body(&user_message())).expect("ASCII").replace("hello", "cut \\ud83d");
    let message = Message::parse(Kind::UserMessage, body.as_bytes()).expect("valid");
    assert_eq!(message.text("content"), Some("cut \u{fffd}"));
}

#[test]
fn a_reply_is_made_of_its_original() {
    let original = parse(Kind::UserMessage, &user_message()).expect("valid");
    let helper_metadata = object(json!({"voice": {"wait": 1}}));
    let reply = Reply { content: Some("Hi there!…".to_owned()), helper_metadata, ..Reply::default() };
    let message = Message::reply(&original, reply.clone());
    let expected = json!({
        "message_version": VERSION, "message_type": "user_message", "message_id": message.text("message_id"),
        "timestamp": message.text("timestamp"), "to_addr": "+271", "from_addr": "*120*1#", "to_addr_type": null,
        "from_addr_type": null, "in_reply_to": "afd2", "content": "Hi there!…", "session_event": null, "group": "#room",
        "provider": "mno", "transport_name": "sphex", "transport_type": "ussd", "transport_metadata": {"tm": 1},
        "helper_metadata": {"voice": {"wait": 1}}, "routing_metadata": {"endpoint_name": "menu"},
    });
    assert_eq!(*message.fields(), object(expected));
    assert_eq!(message.text("message_id").map(str::len), Some(32));
    assert!(date::normalized(message.text("timestamp").expect("a string")).as_deref() == message.text("timestamp"));

    let closing = Message::reply(&original, Reply { close_session: true, content: None, ..Reply::default() });
    assert_eq!((closing.text("session_event"), &closing.fields()["content"]), (Some("close"), &Value::Null));
    assert_ne!(closing.text("message_id"), message.text("message_id"));

    // To a group where there is one.
    let to_group = Reply { to_group: true, ..reply };
    let message = Message::reply(&original, to_group.clone());
    assert_eq!((&message.fields()["to_addr"], message.text("group")), (&Value::Null, Some("#room")));
    let lonely = parse(Kind::UserMessage, &with(user_message(), "group", Value::Null)).expect("valid");
    assert_eq!(Message::reply(&lonely, to_group).text("to_addr"), Some("+271"));
}

#[test]
fn a_message_that_answers_none() {
    let configured = object(json!({
        "from_addr": "*120*1#", "transport_type": "sms", "transport_name": "other", "own": 1,
        // None of the configuration's business.
        "helper_metadata": {"x": 1}, "in_reply_to": "y", "to_addr": "z", "content": "c", "session_event": "close",
        "message_id": "same", "timestamp": "never", "routing_metadata": {}, "message_type": "t", "message_version": "v",
    }));
    let endpoint = "sms".to_owned();
    let send =
        Send { to_addr: "+271".to_owned(), content: Some("Hi".to_owned()), endpoint, configured, ..Send::default() };
    let message = Message::send(send.clone());
    let expected = json!({
        "message_version": VERSION, "message_type": "user_message", "message_id": message.text("message_id"),
        "timestamp": message.text("timestamp"), "to_addr": "+271", "from_addr": "*120*1#", "to_addr_type": null,
        "from_addr_type": null, "in_reply_to": null, "content": "Hi", "session_event": null, "group": null, "provider": null,
        "transport_name": "other", "transport_type": "sms", "transport_metadata": {}, "helper_metadata": {},
        "routing_metadata": {"endpoint_name": "sms"}, "own": 1,
    });
    assert_eq!(*message.fields(), object(expected));
    assert_eq!(message.text("message_id").map(str::len), Some(32));
    let bare = Message::send(Send { configured: Fields::new(), ..send });
    for name in ["from_addr", "transport_name", "transport_type"] {
        assert_eq!(bare.fields()[name], Value::Null);
    }
}

proptest! {
    /// What was valid once is written so that it is valid again, and the same.
    #[test]
    fn any_message_comes_back_as_it_was(
        content in prop::option::of(any::<String>()),
        extra in prop::collection::hash_map("x.*", crate::protocol::tests::any_json(), 0..4),
        micros in 0_i64..4_000_000_000_000_000,
    ) {
        let timestamp = timestamp(jiff::Timestamp::from_microsecond(micros).expect("in range"));
        let mut fields = with(with(user_message(), "content", content.into()), "timestamp", timestamp.into());
        fields.extend(extra);
        let message = Message::from_fields(Kind::UserMessage, fields.clone()).expect("valid");
        prop_assert_eq!(message.fields(), &fields);
        let body = message.to_body();
        prop_assert!(body.is_ascii());
        prop_assert_eq!(Message::parse(Kind::UserMessage, &body), Ok(message));
    }

    #[test]
    fn any_bytes_are_read_or_refused(body: Vec<u8>) {
        let _ = Message::parse(Kind::Event, &body);
    }

    /// Whatever a field holds: the answer is an error that names it, or the message as it was.
    #[test]
    fn any_value_of_any_field(index in 0_usize..20, value in crate::protocol::tests::any_json()) {
        let name = user_message().keys().nth(index % user_message().len()).cloned().expect("a field");
        if let Some(wrong) = wrong(parse(Kind::UserMessage, &with(user_message(), &name, value))) {
            prop_assert_eq!(wrong, name);
        }
    }
}
