//! Any executable that speaks the protocol: lines 1 to 19 of the peer's tests, and 28.

use std::time::Duration;

use belljar_worker::message::Kind;
use belljar_worker::resource::Level;
use belljar_worker::run::Outcome;
use serde_json::json;

use crate::bench::{Bench, message, python, script, strict, user_message};

/// Line 1.
pub(crate) async fn what_is_no_command_kills_in_strict(bench: &Bench) {
    let start = "Resource fallback received unknown command 'unknown' from sandbox 'sandbox1'. Killing sandbox. \
                 [Full command: <Message payload=\"{";
    for output in ["{}\\n", "\\n", "[1]\\n", "{\\n", r#"{"cmd": "log.info", "reply": false}\n"#] {
        let app = python(&format!("put('{output}')\nhear()"));
        let cell = bench.cell(strict(app));
        let report = cell.say("hi").await;
        assert!(matches!(report.outcome, Outcome::Malformed(_)), "{output}: {report:?}");
        let logged = cell.logged();
        assert!(logged.len() == 1 && logged[0].0 == 40 && logged[0].1.starts_with(start), "{output}: {logged:?}");
        cell.close().await;
    }
}

/// Lines 2 and 3.
pub(crate) async fn standard_error_is_one_line_of_the_log(bench: &Bench) {
    for (text, logged) in [("one\\n", "one"), ("one\\ntwo\\nthree", "one\ntwo\nthree"), ("\\n\\nx\\n", "\n\nx")] {
        let cell = bench.cell(python(&format!("sys.stderr.write('{text}')")));
        let report = cell.say("hi").await;
        assert_eq!(report.outcome, Outcome::Exited(0));
        assert_eq!(cell.logged(), [(40, logged.to_owned())]);
        assert_eq!(report.stderr, logged);
        cell.close().await;
    }
}

/// Lines 5 and 6.
pub(crate) async fn the_last_line_needs_no_end(bench: &Bench) {
    let code =
        "put(json.dumps(dict(cmd='kv.set', cmd_id='1', reply=False, key='foo', value=message['msg']['content'])))";
    let cell = bench.cell(python(code));
    assert_eq!(cell.say("bar").await.outcome, Outcome::Exited(0));
    assert_eq!(cell.recorder.keys("sandbox1"), [("foo".to_owned(), json!("bar"))].into());
    cell.close().await;

    let code = "tell('outbound.reply_to', in_reply_to=message['msg']['message_id'], content='hello')";
    let cell = bench.cell(python(code));
    let report = cell.say("hi").await;
    assert_eq!((report.published, report.requests), (1, 1));
    assert_eq!(cell.bus.published.lock().unwrap()[0]["content"], "hello");
    cell.close().await;
}

/// Line 7.
pub(crate) async fn too_much_output_kills(bench: &Bench) {
    let code = "put('x' * 500)\ntime.sleep(0.3)\nsys.stderr.write('y' * 501)\nsys.stderr.flush()\nhear()";
    let text = "Sandbox 'sandbox1' killed for producing too much data on stderr and stdout.";
    for (app, lines) in [(python(code), 1), (strict(python(code)), 2)] {
        let mut app = app;
        app.recv_limit = 1000;
        let cell = bench.cell(app);
        let report = cell.say("hi").await;
        assert_eq!((report.outcome, report.received), (Outcome::TooMuchOutput, 1001));
        let logged = cell.logged();
        assert_eq!((logged.len(), &logged[0]), (lines, &(40, text.to_owned())), "{logged:?}");
        cell.close().await;
    }
    // Exactly the limit is not too much.
    let mut app = python("sys.stderr.write('y' * 1000)");
    app.recv_limit = 1000;
    let cell = bench.cell(app);
    assert_eq!(cell.say("hi").await.outcome, Outcome::Exited(0));
    cell.close().await;
}

/// Lines 8 to 10, and 1.9 of the reference.
pub(crate) async fn the_environment_is_exactly_the_apps(bench: &Bench) {
    let directory = tempfile::tempdir().unwrap();
    let place = directory.path().to_str().unwrap();
    // Python adds what it needs for its own locale, and a shell the name of what it has become.
    let code = "own = ('LC_CTYPE', '_', 'OLDPWD')
tell('log.info', msg=' '.join(sorted(name + '=' + value for name, value in os.environ.items() if name not in own)))";
    let mut app = python(code);
    for (name, value) in [("FOO", "bar baz"), ("PYTHONPATH", place)] {
        app.env.insert(name.to_owned(), value.to_owned());
    }
    for (path, in_strict) in [(None, false), (Some(directory.path()), false), (None, true)] {
        app.path = path.map(std::path::Path::to_owned);
        let cell = bench.cell(if in_strict { strict(app.clone()) } else { app.clone() });
        assert_eq!(cell.say("hi").await.outcome, Outcome::Exited(0));
        let working = path.map_or("/home/student", |_| place);
        let expected = format!("FOO=bar baz PWD={working} PYTHONPATH={place} SHLVL=0");
        assert_eq!(cell.texts(), [expected], "{path:?} {in_strict}");
        cell.close().await;
    }
}

/// Lines 4 and 33: what is asked for counts, unless there is less anyway.
pub(crate) async fn limits_are_set_as_vxsandbox_does(bench: &Bench) {
    let code = "import resource as r
tell('log.info', msg=' '.join('%s=%s,%s' % (n, *r.getrlimit(getattr(r, 'RLIMIT_' + n))) for n in ['CPU', 'NOFILE', 'STACK', 'AS', 'MEMLOCK']))";
    let mut app = python(code);
    for (name, limits) in [
        ("RLIMIT_CPU", (7, 9)),
        ("RLIMIT_NOFILE", (40, 50)),
        ("RLIMIT_STACK", (1 << 20, 2 << 20)),
        ("RLIMIT_AS", (-1, -1)),
        ("RLIMIT_MEMLOCK", (1 << 30, 1 << 30)),
        ("RLIMIT_CORE", (1 << 20, 1 << 20)),
    ] {
        app.rlimits.insert(name.to_owned(), limits);
    }
    let cell = bench.cell(app);
    assert_eq!(cell.say("hi").await.outcome, Outcome::Exited(0));
    assert_eq!(cell.texts(), ["CPU=7,9 NOFILE=40,50 STACK=1048576,2097152 AS=-1,-1 MEMLOCK=65536,65536"]);
    cell.close().await;
    let cell = bench.cell(strict(python(code)));
    assert_eq!(cell.say("hi").await.outcome, Outcome::Exited(0));
    let defaults = "CPU=60,60 NOFILE=15,15 STACK=1048576,1048576 AS=205520896,205520896 MEMLOCK=65536,65536";
    assert_eq!(cell.texts(), [defaults]);
    cell.close().await;
}

/// Line 11; without the resource, the worker's own log.
pub(crate) async fn lines_of_the_log_go_to_the_named_resource(bench: &Bench) {
    let mut app = python("sys.stderr.write('oops')");
    app.logging_resource = Some("foo".to_owned());
    let cell = bench.cell(app.clone());
    cell.say("hi").await;
    assert_eq!(cell.recorder.logged("foo"), [(40, "oops".to_owned())]);
    assert!(cell.journal.after(0).is_empty());
    cell.close().await;
    for name in [None, Some("absent")] {
        app.logging_resource = name.map(str::to_owned);
        let cell = bench.cell(app.clone());
        cell.say("hi").await;
        let lines = cell.journal.after(0);
        assert_eq!((lines.len(), lines[0].level, lines[0].text.as_str()), (1, Level::Error, "oops"));
        cell.close().await;
    }
}

/// Lines 12 to 16, and 19: times stay as they are written.
pub(crate) async fn messages_and_events_arrive_whole(bench: &Bench) {
    let cell = bench.cell(python("tell('kv.set', key='it', value=message)"));
    for (kind, cmd, fields) in [
        (
            Kind::UserMessage,
            "inbound-message",
            json!({"content": "Jürgen 😀 2012-01-02 00:00:00", "extra": {"a": [1.5]}}),
        ),
        (Kind::UserMessage, "inbound-message", json!({"session_event": "close", "content": null})),
        (Kind::Event, "inbound-event", json!({"event_type": "ack", "sent_message_id": "x"})),
        (Kind::Event, "inbound-event", json!({"event_type": "nack", "nack_reason": "because"})),
        (Kind::Event, "inbound-event", json!({"event_type": "delivery_report", "delivery_status": "delivered"})),
    ] {
        let message = message(kind, &fields);
        assert_eq!(cell.give("sandbox1", &message).await.outcome, Outcome::Exited(0));
        let it = &cell.recorder.keys("sandbox1")["it"];
        assert_eq!((&it["cmd"], &it["reply"]), (&json!(cmd), &json!(false)));
        assert_eq!(it["cmd_id"].as_str().unwrap().len(), 32);
        assert_eq!(it["msg"], json!(message.fields()));
    }
    cell.close().await;
}

pub(crate) async fn requests_are_answered_out_of_order(bench: &Bench) {
    let code = "tell('foo.wait', cmd_id='slow')
tell('kv.get', cmd_id=['any', {'json': 1}], key='x')
first = hear()
tell('log.info', msg=json.dumps([first[name] for name in ('cmd', 'cmd_id', 'reply', 'success', 'value')]))
hear()
tell('foo.go')
last = hear()
tell('log.info', msg=last['cmd'] + ' ' + last['cmd_id'])";
    let cell = bench.cell(python(code));
    let (report, ()) = tokio::join!(cell.say("hi"), async {
        crate::bench::until("the app has heard the quick one", async || {
            cell.recorder.asked("foo").iter().any(|(command, _)| command == "go")
        })
        .await;
        cell.recorder.go_on.add_permits(1);
    });
    assert_eq!(report.outcome, Outcome::Exited(0), "{report:?}");
    // Either may come first of the last two.
    let texts = cell.texts();
    assert_eq!(texts[0], r#"["kv.get", ["any", {"json": 1}], true, true, null]"#);
    assert_eq!(texts.len(), 2);
    cell.close().await;
}

/// Line 28.
pub(crate) async fn a_fault_in_a_resource_is_one_requests(bench: &Bench) {
    let code = "reply = ask('foo.fail', cmd_id='7')
ask('log.info', msg=json.dumps([reply[name] for name in ('cmd', 'cmd_id', 'reply', 'success')]))
tell('log.info', msg=ask('kv.get', key='x')['cmd'])";
    let cell = bench.cell(python(code));
    assert_eq!(cell.say("hi").await.outcome, Outcome::Exited(0));
    assert_eq!(cell.texts(), [r#"["foo.fail", "7", true, false]"#, "kv.get"]);
    cell.close().await;
}

/// W11: an answer; a kill in the profile `strict`, as line 61 has it.
pub(crate) async fn commands_nobody_knows(bench: &Bench) {
    for (cmd, by, name) in [
        ("contacts.get", "fallback", "u'get'"),
        ("log.unknown", "log", "u'unknown'"),
        ("bare", "fallback", "u'bare'"),
        ("a.b.c", "fallback", "u'b.c'"),
    ] {
        let code = format!("reply = ask('{cmd}')\ntell('kv.set', key='reply', value=reply)");
        let cell = bench.cell(python(&code));
        assert_eq!(cell.say("hi").await.outcome, Outcome::Exited(0), "{cmd}");
        let reply = &cell.recorder.keys("sandbox1")["reply"];
        assert_eq!((&reply["cmd"], &reply["success"]), (&json!(cmd), &json!(false)), "{cmd}");
        assert!(reply["reason"].is_string());
        cell.close().await;

        let cell = bench.cell(strict(python(&code)));
        assert_eq!(cell.say("hi").await.outcome, Outcome::Unknown(cmd.to_owned()));
        let start =
            format!("Resource {by} received unknown command {name} from sandbox 'sandbox1'. Killing sandbox. [");
        let logged = cell.logged();
        let of = |(level, text): &&(u64, String)| *level == 40 && text.starts_with(&start);
        assert_eq!(logged.iter().filter(of).count(), 1, "{logged:?}");
        assert!(cell.recorder.keys("sandbox1").is_empty(), "no reply");
        cell.close().await;
    }
}

pub(crate) async fn arguments_and_directories_are_as_configured(bench: &Bench) {
    let directory = tempfile::tempdir().unwrap();
    let app_directory = directory.path().join("app");
    std::fs::create_dir(&app_directory).unwrap();
    std::fs::write(app_directory.join("beside.py"), "def told(): return 'beside'\n").unwrap();
    std::fs::write(directory.path().join("secret"), "").unwrap();
    let main = app_directory.join("main.py");
    let code = "import sys, json, os, beside
sys.stdin.readline()
seen = [sys.argv[1:], os.getcwd(), beside.told(), os.listdir('..'), os.access('.', os.W_OK)]
print(json.dumps(dict(cmd='kv.set', cmd_id='1', reply=False, key='seen', value=seen)))";
    std::fs::write(&main, code).unwrap();
    let mut app = script("");
    let belljar_worker::config::Program::Executable { args, .. } = &mut app.program else { unreachable!() };
    *args = vec![main.display().to_string(), "a b".to_owned(), "$HOME".to_owned(), "*".to_owned()];
    app.path = Some(app_directory.clone());
    for app in [app.clone(), strict(app)] {
        let cell = bench.cell(app);
        let report = cell.say("hi").await;
        assert_eq!(report.outcome, Outcome::Exited(0), "{report:?}");
        let seen = json!([["a b", "$HOME", "*"], app_directory, "beside", ["app"], false]);
        assert_eq!(cell.recorder.keys("sandbox1")["seen"], seen);
        cell.close().await;
    }
}

pub(crate) async fn endings_are_told(bench: &Bench) {
    for (code, outcome) in [
        ("pass", Outcome::Exited(0)),
        ("sys.exit(3)", Outcome::Exited(3)),
        ("os.kill(os.getpid(), 11)", Outcome::Signaled(11)),
        ("tell('js.done')\nhear()\nsys.exit(3)", Outcome::Done),
    ] {
        let mut app = python(code);
        app.resources.insert("js".to_owned(), belljar_worker::config::ResourceConfig::Js);
        let cell = bench.cell(app);
        let report = cell.say("hi").await;
        assert_eq!(report.outcome, outcome, "{code}");
        let usage = report.usage.unwrap();
        assert!(usage.wall_time > Duration::ZERO && usage.peak_memory_bytes > 0, "{usage:?}");
        cell.close().await;
    }
    // Started without a message, it could have done nothing: the operator is to know.
    let app = python("");
    let cell = bench.cell(app);
    let report = cell.give("sandbox1", &user_message("hi")).await;
    assert!(report.outcome.success() && report.confirmed.is_ok());
    cell.close().await;
}

/// W1: apps that wait for somebody do not hold up others, up to the number of messages that are worked on at once.
pub(crate) async fn many_wait_side_by_side(bench: &Bench) {
    const AT_ONCE: usize = 12;
    let mut app = python("ask('foo.wait')");
    app.prefetch = 6;
    let cell = bench.cell(app);
    let messages: Vec<_> = (0..AT_ONCE).map(|number| user_message(&number.to_string())).collect();
    let runs = futures_util::future::join_all(messages.iter().map(|message| cell.give("sandbox1", message)));
    let (reports, ()) = tokio::join!(runs, async {
        let all = async || cell.recorder.asked("foo").len() == AT_ONCE;
        crate::bench::until("all wait", all).await;
        cell.recorder.go_on.add_permits(AT_ONCE);
    });
    assert!(reports.iter().all(|report| report.outcome == Outcome::Exited(0)), "{reports:?}");
    cell.close().await;
}
