use belljar_worker::resource::{Level, Logging};

use super::*;

#[tokio::test]
async fn levels_and_texts() {
    // 81-88.
    for (command, fields, level, text) in [
        ("debug", json!({"msg": "foo"}), Level::Debug, "foo"),
        ("info", json!({"msg": "foo"}), Level::Info, "foo"),
        ("warning", json!({"msg": "foo"}), Level::Warning, "foo"),
        ("error", json!({"msg": "foo"}), Level::Error, "foo"),
        ("critical", json!({"msg": "foo"}), Level::Critical, "foo"),
        ("log", json!({"msg": "foo", "level": 40}), Level::Error, "foo"),
        ("log", json!({"msg": "foo"}), Level::Info, "foo"),
        ("log", json!({"msg": "Zoë 😀"}), Level::Info, "Zoë 😀"),
        // What is given overrides what the command says, null included; what is no number is nothing.
        ("debug", json!({"msg": "foo", "level": 50}), Level::Critical, "foo"),
        ("error", json!({"msg": "foo", "level": null}), Level::Info, "foo"),
        ("log", json!({"msg": "foo", "level": null}), Level::Info, "foo"),
        ("error", json!({"msg": "foo", "level": "CRITICAL"}), Level::Info, "foo"),
        ("error", json!({"msg": "foo", "level": {}}), Level::Info, "foo"),
        ("error", json!({"msg": "foo", "level": 35.5}), Level::Warning, "foo"),
        ("info", json!({"msg": {"a": [1, true, null, "é"]}}), Level::Info, r"{u'a': [1, True, None, u'\xe9']}"),
        ("info", json!({"msg": false}), Level::Info, "False"),
        ("info", json!({"msg": 1.123_456_789_012_345_6}), Level::Info, "1.12345678901"),
        ("info", json!({"msg": ""}), Level::Info, ""),
    ] {
        for profile in [Profile::Belljar, Profile::Strict] {
            let run = Run::new(profile, "sandbox1");
            assert_eq!(run.ask(&Logging, command, fields.clone()).await, Answer::success(), "{command} {fields}");
            let lines = run.lines();
            assert_eq!(lines.len(), 1);
            assert_eq!((lines[0].level, lines[0].text.as_str()), (level, text), "{command} {fields}");
            assert_eq!((lines[0].sandbox_id.as_str(), lines[0].message_id.as_deref()), ("sandbox1", Some("m1")));
        }
    }
}

#[tokio::test]
async fn what_cannot_be_logged() {
    let run = Run::new(Profile::Strict, "sandbox1");
    for (command, fields, answer) in [
        ("info", json!({}), failure("Value expected for msg")),
        ("log", json!({"msg": null}), failure("Value expected for msg")),
        ("fatal", json!({"msg": "foo"}), Answer::Unknown),
        ("", json!({"msg": "foo"}), Answer::Unknown),
    ] {
        assert_eq!(run.ask(&Logging, command, fields).await, answer, "{command}");
    }
    assert_eq!(run.lines(), []);
}
