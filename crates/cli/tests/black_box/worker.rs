//! `belljar worker --console` and `--check`: what needs no broker.

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::support::{Done, call_in, has_program, has_sandboxes};

/// Talks to an app, or to the example.
fn talk(place: &Path, arguments: &[&str], input: &str) -> Done {
    call_in(place, ["worker", "--console"].iter().chain(arguments), input)
}

/// Writes an app and its configuration as vxsandbox has it; the arguments that name it.
fn vumi(place: &Path, text: &str) -> [&'static str; 2] {
    fs::write(place.join("app.js"), text).expect("written");
    let configuration = "transport_name: example\njavascript_file: app.js\nsandbox_id: tenant\nsandbox:\n  \
                         log: {cls: vxsandbox.resources.logging.LoggingResource}\n  \
                         outbound: {cls: vxsandbox.resources.outbound.OutboundResource}\n  \
                         kv: {cls: vxsandbox.resources.kv.RedisResource, redis_manager: {host: 127.0.0.1, port: 1}}\n";
    fs::write(place.join("worker.yaml"), configuration).expect("written");
    ["--config", "worker.yaml"]
}

#[test]
fn a_newcomer_talks_to_the_example() {
    if !has_sandboxes() {
        return;
    }
    let place = tempfile::tempdir().expect("a directory");
    let done = talk(place.path(), &[], "hi\n9\n1\nhello there\n2\n3\nagain\n");
    let menu = "1. Sign the guest book\n2. Read it\n3. Leave\n";
    let expected = format!(
        "Welcome!\n{menu}Please answer 1, 2 or 3.\n{menu}What would you like to write?\n\
         Thank you, that was signature number 1.\n{menu}1: hello there\n\n{menu}Goodbye!\n\
         Welcome back! This is visit number 2.\n{menu}"
    );
    assert_eq!((done.code, done.stdout.as_str()), (Some(0), expected.as_str()), "{done:?}");
    for part in ["You talk to guestbook", "/help", "info: signature 1", "ended the session"] {
        assert!(done.stderr.contains(part), "{part}: {done:?}");
    }
    assert_eq!(fs::read_dir(place.path()).expect("a directory").count(), 0, "nothing is left");
}

#[test]
fn each_has_a_session_of_their_own_and_programs_get_messages() {
    if !has_sandboxes() {
        return;
    }
    let place = tempfile::tempdir().expect("a directory");
    let input = "/new *120#\n/user +1\nhi\n1\n/user +27820000001\n3\n/user +1\nhello\n/close\n/close\n/new\n/quit\nnever sent\n";
    let done = talk(place.path(), &["--json"], input);
    assert_eq!(done.code, Some(0), "{done:?}");
    let messages: Vec<Value> =
        done.stdout.lines().map(|line| serde_json::from_str(line).expect("each line is JSON")).collect();
    let told: Vec<_> = messages
        .iter()
        .map(|message| {
            let text = |field: &str| message[field].as_str();
            let first = text("content").and_then(|content| content.split(['.', '!', '?', ',']).next());
            (text("to_addr").expect("text"), first.expect("text"), text("session_event"))
        })
        .collect();
    let (one, other) = ("+27820000001", "+1");
    assert_eq!(
        told,
        [
            (one, "Welcome", None),
            (other, "Welcome", None),
            (other, "What would you like to write", None),
            (one, "Goodbye", Some("close")),
            (other, "Thank you", None),
            (other, "Welcome back", None),
        ]
    );
    assert!(done.stderr.contains("You are +1 now.") && done.stderr.contains("There is no session."), "{done:?}");
    assert!(messages.iter().all(|message| message["message_type"] == "user_message"));
}

#[test]
fn an_app_that_fails_is_told_and_fails_a_script() {
    if !has_sandboxes() {
        return;
    }
    let place = tempfile::tempdir().expect("a directory");
    let app = "api.on_inbound_message = function (command) {
        if (command.msg.content === 'crash') throw new Error('as it was told \\u001b[2J');
        api.request('kv.incr', {key: 'n'}, function (counted) {
            api.log_info('it counts \\u001b[2J');
            api.request('outbound.reply_to', {content: 'red \\u001b[31m ' + counted.value, in_reply_to: command.msg.message_id},
                function () { api.done(); });
        });
    };";
    let named = vumi(place.path(), app);
    for (engine, input, code, stdout, told) in [
        ("quickjs", "a\nb\n", 0, "red \u{fffd}[31m 1\nred \u{fffd}[31m 2\n", "not in Redis"),
        ("quickjs", "crash\nb\n", 1, "red \u{fffd}[31m 1\n", "The app failed twice, and nobody answers"),
        ("quickjs", "crash\n", 1, "", "as it was told \u{fffd}[2J"),
    ] {
        let done = talk(place.path(), &[&named[..], &["--engine", engine]].concat(), input);
        assert_eq!((done.code, done.stdout.as_str()), (Some(code), stdout), "{input:?} {done:?}");
        assert!(done.stderr.contains(told), "{told}: {done:?}");
        assert!(!done.stderr.contains('\x1b'), "{done:?}");
    }
    let done = talk(place.path(), &[&named[..], &["--engine", "quickjs", "--json"]].concat(), "crash\n");
    let line: Value = serde_json::from_str(done.stdout.trim()).expect("JSON");
    assert!(line["dead_letter"].as_str().is_some_and(|reason| reason.contains("as it was told")), "{done:?}");
}

#[test]
fn what_cannot_be_used_is_told_before_anything_runs() {
    let place = tempfile::tempdir().expect("a directory");
    let wrong = "transport_name: Example\njavascript_file: missing.js\nsandbox_id: x\n";
    fs::write(place.path().join("wrong.yaml"), wrong).expect("written");
    let two = "[apps.a]\njavascript = 'x'\n[apps.b]\njavascript = 'x'\n";
    fs::write(place.path().join("two.toml"), two).expect("written");
    let cases: [(&[&str], i32, &str); 8] = [
        (&[], 2, "there is no configuration"),
        (&["--json"], 2, "--json goes with"),
        (&["--config", "missing.yaml"], 2, "missing.yaml"),
        (&["--config", "wrong.yaml"], 2, "missing.js"),
        (&["--config", "wrong.yaml", "--check"], 2, "transport_name"),
        (&["--console", "--config", "two.toml"], 2, "there are several apps"),
        (&["--console", "--config", "two.toml", "--app", "c"], 2, "there is no app 'c'"),
        (&["--app", "c"], 2, "--console"),
    ];
    for (arguments, code, message) in cases {
        let done = call_in(place.path(), ["worker"].iter().chain(arguments), "");
        assert_eq!((done.code, done.stdout.as_str()), (Some(code), ""), "{arguments:?} {done:?}");
        assert!(done.stderr.contains(message), "{arguments:?} {done:?}");
    }
    let done = call_in(place.path(), ["worker", "--config", "two.toml", "--check"], "");
    assert!(done.code == Some(0) && !done.stdout.is_empty(), "{done:?}");
}

#[test]
fn an_app_that_does_not_load_is_told_at_the_start() {
    if !has_sandboxes() {
        return;
    }
    let place = tempfile::tempdir().expect("a directory");
    let named = vumi(place.path(), "var x = ;");
    let done = talk(place.path(), &[&named[..], &["--engine", "quickjs"]].concat(), "hi\n");
    assert_eq!((done.code, done.stdout.as_str()), (Some(1), ""), "{done:?}");
    assert!(done.stderr.contains("app `example`") && done.stderr.contains("SyntaxError"), "{done:?}");
}

#[test]
fn what_quickjs_lacks_runs_on_node_and_says_so() {
    if !has_sandboxes() || !has_program("node") {
        return;
    }
    let place = tempfile::tempdir().expect("a directory");
    let app = "api.on_inbound_message = function (command) {
        api.request('outbound.reply_to', {content: typeof fs.readFileSync, in_reply_to: command.msg.message_id},
            function () { api.done(); });
    };";
    fs::write(place.path().join("app.js"), app).expect("written");
    let node = std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default())
        .map(|directory| directory.join("node"))
        .find(|path| path.is_file())
        .expect("it is there");
    let text = format!(
        "[apps.files]\njavascript_file = 'app.js'\nnode = '{}'\napp_context = \"{{fs: require('fs')}}\"\n",
        node.display()
    );
    fs::write(place.path().join("app.toml"), text).expect("written");
    let done = talk(place.path(), &["--config", "app.toml"], "hi\n");
    assert_eq!((done.code, done.stdout.as_str()), (Some(0), "function\n"), "{done:?}");
    assert!(done.stderr.contains("(Node)") && done.stderr.contains("does not load on QuickJS"), "{done:?}");
}

#[test]
fn input_has_limits() {
    if !has_sandboxes() {
        return;
    }
    let place = tempfile::tempdir().expect("a directory");
    let done = talk(place.path(), &[], &"x".repeat(100_000));
    assert_eq!(done.code, Some(1), "{done:?}");
    assert!(done.stderr.contains("a line is longer than 65536 bytes"), "{done:?}");
}
