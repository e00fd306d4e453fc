//! Numbers in brackets are lines of the list of vxsandbox's own tests.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

fn command(line: &str) -> Command {
    Command::parse(line.as_bytes()).expect("a command")
}

fn text(line: &[u8]) -> &str {
    str::from_utf8(line).expect("UTF-8")
}

/// [41, 42]
#[test]
fn a_command_of_ours_has_a_fresh_id_of_32_digits() {
    let (one, other) = (Command::default(), Command::default());
    assert_eq!((one.cmd.as_str(), one.reply, one.fields.len()), (UNKNOWN, false, 0));
    for id in [&one.cmd_id, &other.cmd_id] {
        let id = id.as_str().expect("a string");
        assert!(id.len() == 32 && id.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')), "{id}");
    }
    assert_ne!(one.cmd_id, other.cmd_id);
}

/// [43]
#[test]
fn what_is_written_is_read_back() {
    let fields = Fields::from_iter([("msg".to_owned(), json!({"content": "é😀\u{7f}\u{0}\n", "n": [1, 2.5, null]}))]);
    let built = Command::new("inbound-message", fields);
    let line = built.to_line();
    let (last, line) = line.split_last().expect("not empty");
    assert_eq!(*last, b'\n');
    assert_eq!(Command::parse(line), Ok(built));
}

/// [44, 45, 46]
#[test]
fn what_is_no_command_says_why() {
    let missing = |field| Err(Malformed::Field(field));
    for (line, expected) in [
        (r#"{"cmd_id":"1","reply":false}"#, missing("cmd")),
        (r#"{"cmd":"a.b","reply":false}"#, missing("cmd_id")),
        (r#"{"cmd":"a.b","cmd_id":"1"}"#, missing("reply")),
        (r#"{"cmd":5,"cmd_id":"1","reply":false}"#, missing("cmd")),
        (r#"{"cmd":null,"cmd_id":"1","reply":false}"#, missing("cmd")),
        ("{}", missing("cmd")),
        ("[]", Err(Malformed::NoObject)),
        ("null", Err(Malformed::NoObject)),
        (r#""text""#, Err(Malformed::NoObject)),
    ] {
        assert_eq!(Command::parse(line.as_bytes()), expected, "{line}");
        if let Err(Malformed::Field(field)) = expected {
            assert!(Malformed::Field(field).to_string().ends_with(field));
        }
    }
    for line in [
        &b""[..],
        b" ",
        b"not json",
        b"{",
        b"{}{}",
        b"{\"cmd\":\"\xff\"}",
        b"{\"a\":\"\n\"}",
        b"NaN",
        b"\xef\xbb\xbf{}",
    ] {
        assert!(matches!(Command::parse(line), Err(Malformed::Json(_))), "{line:?}");
    }
}

#[test]
fn any_id_and_any_reply_are_taken() {
    for (id, reply, answers) in [
        (r#""1""#, "false", false),
        ("7", "true", true),
        ("null", "null", false),
        (r#"{"a":[1]}"#, "0", false),
        ("[]", r#""x""#, false),
    ] {
        let read = command(&format!("{{\"cmd\":\"kv.get\",\"cmd_id\":{id},\"reply\":{reply},\"key\":\"k\"}}\r"));
        assert_eq!(read.reply, answers);
        assert_eq!(read.fields, Fields::from_iter([("key".to_owned(), "k".into())]));
        let answer = read.answered(Answer::success()).expect("an answer");
        assert_eq!(answer.cmd_id, serde_json::from_str::<Value>(id).expect("JSON"));
    }
}

/// [56, 57]
#[test]
fn answers_have_their_shapes() {
    let request = command(r#"{"cmd":"kv.get.it","cmd_id":"4","reply":false,"key":"color"}"#);
    for (answer, expected) in [
        (Answer::with("value", "blue"), json!({"success": true, "value": "blue"})),
        (Answer::success(), json!({"success": true})),
        (Answer::failure("Too many keys"), json!({"success": false, "reason": "Too many keys"})),
        // A resource cannot say otherwise.
        (Answer::with("success", false), json!({"success": true})),
        (Answer::with("cmd", "other"), json!({"success": true})),
    ] {
        let line = request.answered(answer).expect("an answer").to_line();
        let mut read: Value = serde_json::from_slice(&line).expect("JSON");
        for (name, value) in [("cmd", json!("kv.get.it")), ("cmd_id", json!("4")), ("reply", json!(true))] {
            assert_eq!(read.as_object_mut().expect("an object").remove(name), Some(value));
        }
        assert_eq!(read, expected);
    }
    assert_eq!(request.answered(Answer::Silence), None);
    assert_eq!(request.answered(Answer::Unknown), None);
}

#[test]
fn a_name_is_cut_at_its_first_dot() {
    for (cmd, target) in
        [("a.b.c", ("a", "b.c")), ("a", ("", "a")), ("", ("", "")), (".x", ("", "x")), ("a.", ("a", ""))]
    {
        assert_eq!(Command::new(cmd, Fields::new()).target(), target);
    }
}

/// [19], the half that is about reading; dates that are written are those of messages.
#[test]
fn texts_that_look_like_dates_stay_as_they_are() {
    let line = r#"{"cmd":"kv.set","cmd_id":"1","reply":false,"value":"2012-01-02 00:00:00","timestamp":"2012-01-02 00:00:00"}"#;
    let fields = command(line).fields;
    assert!(fields.values().all(|value| value == "2012-01-02 00:00:00") && fields.len() == 2);
}

#[test]
fn halves_of_pairs_do_not_make_a_line_unreadable() {
    for (escaped, read) in [
        (r"\ud800", "\u{fffd}"),
        (r"a\uD83D", "a\u{fffd}"),
        (r"\ude00b", "\u{fffd}b"),
        (r"\ud83d\ude00", "😀"),
        (r"\ud83d\ud83d\ude00", "\u{fffd}😀"),
        (r"\ude00\ud83d", "\u{fffd}\u{fffd}"),
        (r"\ud83d\n", "\u{fffd}\n"),
        (r"\ud83dx\ude00", "\u{fffd}x\u{fffd}"),
        (r"\ud83d\u0041", "\u{fffd}A"),
        // A backslash that was itself escaped begins no escape.
        (r"\\ud800\ud800", "\\ud800\u{fffd}"),
        (r"\\\ud800", "\\\u{fffd}"),
    ] {
        let line =
            format!("{{\"cmd\":\"log.info\",\"cmd_id\":\"1\",\"reply\":false,\"msg\":\"{escaped}\",\"{escaped}\":1}}");
        let command = command(&line);
        assert_eq!(command.fields["msg"], read, "{escaped}");
        assert_eq!(command.fields[read], 1, "{escaped}");
    }
    for broken in [r#""\ud80"#, r#""\ud800"#, r#""\ud8zz""#, r#""\ud800\"#, r#""\ud800\u12""#] {
        assert!(read_json(broken.as_bytes()).is_err(), "{broken}");
    }
}

#[test]
fn nesting_has_its_limit() {
    let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    assert!(read_json(nested(MAX_DEPTH).as_bytes()).is_ok());
    assert!(read_json(nested(MAX_DEPTH + 1).as_bytes()).is_err());
    assert!(read_json(nested(1_000_000).as_bytes()).is_err());
    assert!(read_json(format!("[\"\\ud800\",{}]", nested(MAX_DEPTH)).as_bytes()).is_err());
}

#[test]
fn lines_are_as_python_writes_them() {
    for (value, written) in [
        (json!({"a": 1, "b": [true, false, null]}), r#"{"a": 1, "b": [true, false, null]}"#),
        (json!({}), "{}"),
        (json!([]), "[]"),
        (json!(["é", "😀", "\u{7f}", "\u{1}"]), r#"["\u00e9", "\ud83d\ude00", "\u007f", "\u0001"]"#),
        (json!("\"\\/\n\r\t\u{8}\u{c}"), r#""\"\\/\n\r\t\b\f""#),
        (json!([0, -1, u64::MAX, i64::MIN, 1.0, 0.5]), "[0, -1, 18446744073709551615, -9223372036854775808, 1.0, 0.5]"),
    ] {
        assert_eq!(to_ascii(&value), written);
    }
}

/// Any JSON, a few levels deep.
pub(crate) fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        // What is written has all the digits that reading needs, for sums of powers of two; others may lose the last.
        any::<i32>().prop_map(|number| Value::from(f64::from(number) / 64.0)),
        any::<String>().prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 32, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::hash_map(any::<String>(), inner, 0..6)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn any_command_comes_back_as_it_was(
        cmd: String, cmd_id in any_json(), reply: bool,
        fields in prop::collection::hash_map("[^cr].*", any_json(), 0..4),
    ) {
        let command = Command { cmd, cmd_id, reply, fields: fields.into_iter().collect() };
        let line = command.to_line();
        prop_assert!(line.is_ascii());
        prop_assert_eq!(line.iter().filter(|byte| **byte == b'\n').count(), 1);
        prop_assert_eq!(Command::parse(line.trim_ascii_end()), Ok(command));
    }

    #[test]
    fn any_bytes_are_read_or_refused(line: Vec<u8>) {
        let _ = Command::parse(&line);
    }

    /// Whatever escapes a text is made of, mending gives what lossy decoding of its UTF-16 gives.
    #[test]
    fn any_units_are_read(units in prop::collection::vec(prop_oneof![any::<u16>(), 0xd7f0..=0xe00f_u16], 0..12)) {
        let escaped: String = units.iter().map(|unit| format!("\\u{unit:04x}")).collect();
        let read = read_json(format!("\"{escaped}\"").as_bytes());
        prop_assert_eq!(read.expect("JSON"), String::from_utf16_lossy(&units));
    }

    /// Nothing else is touched by mending.
    #[test]
    fn mending_touches_nothing_else(value in any_json()) {
        let text = format!("[\"\\udfff\", {}]", to_ascii(&value));
        prop_assert_eq!(read_json(text.as_bytes()).expect("JSON"), json!(["\u{fffd}", value]));
        prop_assert_eq!(text_of(&to_ascii(&value)), value);
    }
}

fn text_of(written: &str) -> Value {
    serde_json::from_str(text(written.as_bytes())).expect("JSON")
}
