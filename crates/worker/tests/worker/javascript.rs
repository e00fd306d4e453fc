//! Apps in Node: lines 20 to 23 and 27 to 29 of the peer's tests, section 3 of the reference, and the faults of its section 8.2.

use belljar_worker::config::Source;
use belljar_worker::message::Kind;
use belljar_worker::run::Outcome;
use serde_json::json;

use crate::bench::{Bench, in_time, message, until, user_message};

/// Says what it does; the texts are those of vxsandbox's own test.
const TALKATIVE: &str = r#"
api.log_info("From init!");
api.on_inbound_message = function (command) {
    this.log_info("From command: " + command.cmd, function (reply) {
        this.log_info("Log successful: " + reply.success);
        this.done();
    });
};"#;

const SEQUENCE: [&str; 7] = [
    "Starting sandbox ...",
    "Loading sandboxed code ...",
    "From init!",
    "From command: inbound-message",
    "Log successful: true",
    "Done.",
    "Exiting sandbox.",
];

/// Lines 20 and 23.
pub(crate) async fn lines_of_an_app_come_in_order(bench: &Bench) {
    for prestart in [0, 1] {
        let mut app = bench.node(TALKATIVE);
        app.prestart = prestart;
        let cell = bench.cell(app);
        for _ in 0..2 {
            let report = cell.say("hi").await;
            assert_eq!(report.outcome, Outcome::Done, "{report:?}");
            assert_eq!(cell.texts(), SEQUENCE);
        }
        cell.close().await;
    }
}

/// Lines 21 and 29, and 3.2 of the reference.
pub(crate) async fn the_context_is_the_apps(bench: &Bench) {
    let source = |text: &str| {
        Source::Inline(format!(
            "api.on_inbound_message = function () {{ this.log_info(String({text})); this.done(); }};"
        ))
    };
    let missing = "['require','module','exports','process','Buffer','setTimeout','setImmediate','queueMicrotask','URL','TextEncoder','globalThis.api','Promise','console']";
    let kinds = format!(
        "{missing}.map(function (name) {{ try {{ return typeof eval(name); }} catch (error) {{ return 'no'; }} }})"
    );
    for (context, text, said) in [
        (Some("{path: require('path')}"), "path.join('a', 'b')", "a/b"),
        (Some("{path: require('path')};"), "path.join('a', 'b')", "a/b"),
        (None, "this.api === api && api === globalThis.api", "true"),
        (
            Some("{api: 5, Buffer: Buffer, t: typeof process}"),
            "typeof api.done + typeof Buffer + t",
            "functionfunctionobject",
        ),
        (None, kinds.as_str(), "no,no,no,no,no,no,no,no,no,no,object,function,object"),
    ] {
        let text = if text.starts_with("this") {
            format!("(function () {{ return {text}; }}).call(top)")
        } else {
            text.to_owned()
        };
        let Source::Inline(handler) = source(&text) else { unreachable!() };
        let cell = bench.cell(bench.node_from(Source::Inline(format!("var top = this;{handler}")), context, &[]));
        let report = cell.say("hi").await;
        assert_eq!(report.outcome, Outcome::Done, "{context:?} {text}: {report:?}");
        assert_eq!(cell.texts()[2], said, "{context:?} {text}");
        cell.close().await;
    }
}

/// Line 22.
pub(crate) async fn requests_can_be_made_later(bench: &Bench) {
    let source = "api.on_inbound_message = function () {
        setImmediate(function () {
            setTimeout(function () { api.log_info('later', function () { api.done(); }); }, 5);
        });
    };";
    let context = Some("{setImmediate: setImmediate, setTimeout: setTimeout}");
    let cell = bench.cell(bench.node_from(Source::Inline(source.to_owned()), context, &[]));
    assert_eq!(cell.say("hi").await.outcome, Outcome::Done);
    assert_eq!(cell.texts()[2..], ["later", "Done.", "Exiting sandbox."]);
    cell.close().await;
}

/// W7: whether its process is new or not.
pub(crate) async fn each_message_has_a_fresh_world(bench: &Bench) {
    let source = "api.counter = (api.counter || 0) + 1;
        this.global_counter = (this.global_counter || 0) + 1;
        Object.prototype.leak = (Object.prototype.leak || 0) + 1;
        api.on_inbound_message = function () {
            this.log_info([api.counter, global_counter, ({}).leak, api.emitter.leak].join(' '));
            api.emitter.leak = 1;
            this.done();
        };";
    for messages_per_process in [1, 3] {
        let mut app = bench.node(source);
        app.messages_per_process = messages_per_process;
        let cell = bench.cell(app);
        for _ in 0..3 {
            assert_eq!(cell.say("hi").await.outcome, Outcome::Done);
        }
        let texts = cell.texts();
        let said: Vec<_> = texts.iter().filter(|text| text.starts_with('1')).collect();
        assert_eq!(said, ["1 1 1 ", "1 1 1 ", "1 1 1 "], "{texts:?}");
        cell.close().await;
    }
}

/// 3.3 and 3.4 of the reference.
pub(crate) async fn the_api_is_as_known(bench: &Bench) {
    let source = "var names = Object.keys(api).join(' ');
        api.on_inbound_message = function (command) {
            var self = this, msg = {msg: 'first', extra: 1};
            api.request('log.info', msg, function (reply) {
                api.log_info([this === api, self === api, reply.cmd, reply.cmd_id === msg.cmd_id, reply.reply].join(' '));
                api.request('nobody.knows', {}, function (reply) {
                    api.log_info(reply.success + ' ' + typeof reply.reason);
                    api.emitter.on('done', function () { api.log_info('over'); });
                    api.done();
                });
            });
            api.log_info([names, msg.cmd, msg.reply, typeof msg.cmd_id, api.id, command.msg.content].join(' '));
        };";
    let cell = bench.cell(bench.node(source));
    let report = cell.say("hi").await;
    assert_eq!(report.outcome, Outcome::Done, "{report:?}");
    let mut texts = cell.texts();
    // The worker's own line about it.
    texts.retain(|text| !text.contains("nobody"));
    let names = "id emitter next_id populate_command request log_info done on_unknown_command";
    // Two lines were written before.
    let expected = [
        "first",
        &format!("{names} log.info false string 3 hi"),
        "true true log.info true true",
        "false string",
        "Done.",
    ];
    assert_eq!(texts[2..7], expected, "{texts:?}");
    cell.close().await;

    // Only the first of each sign is replaced; what has no handler goes to the one for that.
    let source = "api.on_unknown_command = function (command) { this.log_info('unknown: ' + command.cmd); this.done(); };
        api['on_inbound_event'] = function (command) { this.log_info('event: ' + command.msg.event_type); this.done(); };";
    let cell = bench.cell(bench.node(source));
    cell.say("hi").await;
    cell.give("sandbox1", &message(Kind::Event, &json!({}))).await;
    let texts = cell.texts();
    assert!(
        texts.contains(&"unknown: inbound-message".to_owned()) && texts.contains(&"event: ack".to_owned()),
        "{texts:?}"
    );
    cell.close().await;
}

/// W17.
pub(crate) async fn events_without_a_handler_are_done(bench: &Bench) {
    let cell = bench.cell(bench.node("api.on_inbound_message = function () { this.done(); };"));
    let report = cell.give("sandbox1", &message(Kind::Event, &json!({}))).await;
    assert_eq!(report.outcome, Outcome::Done);
    assert!(cell.texts().contains(&"Done.".to_owned()));
    cell.close().await;
}

/// 3.5 of the reference.
pub(crate) async fn errors_are_told_with_their_place(bench: &Bench) {
    for (source, says) in [
        ("var x = ;", "SyntaxError"),
        ("\nthrow new Error('while loading');", "evalmachine.<anonymous>:2"),
        ("api.on_inbound_message = function () { null.x; };", "TypeError"),
        ("api.on_inbound_message = function () { Promise.reject(new Error('nobody cares')); };", "nobody cares"),
        (
            "api.on_inbound_message = function () { this.log_info('x', function () { throw new Error('in a callback'); }); };",
            "in a callback",
        ),
    ] {
        for prestart in [0, 1] {
            let mut app = bench.node(source);
            app.prestart = prestart;
            let cell = bench.cell(app);
            let report = cell.say("hi").await;
            assert_eq!(report.outcome, Outcome::Exited(1), "{source}: {report:?}");
            let logged = cell.logged();
            let (level, text) = logged.last().unwrap();
            assert!(*level == 40 && text.contains(says), "{source}: {logged:?}");
            cell.close().await;
        }
    }
    // The message is what is missing; its text is not an app's fault.
    let cell = bench.cell(bench.node_from(Source::File("/no/such/app.js".into()), None, &[]));
    let report = cell.say("hi").await;
    assert!(
        matches!(&report.outcome, Outcome::Unloadable(problem) if problem.contains("/no/such/app.js")),
        "{report:?}"
    );
    cell.close().await;
}

/// vumi-sandbox#15: modules beside the app, in directories that are configured, and not elsewhere.
pub(crate) async fn modules_are_found_beside_the_app(bench: &Bench) {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path();
    let module = |place: &str, name: &str, text: &str| {
        let at = root.join(place).join(name);
        std::fs::create_dir_all(&at).unwrap();
        std::fs::write(at.join("index.js"), format!("module.exports = {text};")).unwrap();
    };
    module("deploy/app/node_modules", "beside", "'beside'");
    module("deploy/node_modules", "above", "'above'");
    module("libraries", "configured", "'configured ' + require('second')");
    module("more", "second", "'second'");
    let file = root.join("deploy/app/app.js");
    std::fs::write(root.join("deploy/app/password"), "").unwrap();
    let source = "api.on_inbound_message = function () {
        api.log_info(found.join(', '));
        api.done();
    };";
    std::fs::write(&file, source).unwrap();
    let context = "{found: ['beside', 'above', 'configured', 'absent'].map(function (name) {
        try { return require(name); } catch (error) { return error.code; }
    }).concat(require('fs').existsSync(require('path').join(__dirname, 'password')), process.env.NODE_PATH)}";
    let configured = [root.join("libraries"), root.join("more")];
    let app = bench.node_from(Source::File(file), Some(context), &[&configured[0], &configured[1]]);
    let cell = bench.cell(app);
    let report = cell.say("hi").await;
    assert_eq!(report.outcome, Outcome::Done, "{report:?}");
    assert_eq!(cell.texts()[2], "beside, above, configured second, MODULE_NOT_FOUND, false, ");
    cell.close().await;
}

pub(crate) async fn a_changed_file_is_used_at_once(bench: &Bench) {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("app.js");
    let write = |text: &str| {
        let app = format!("api.on_inbound_message = function () {{ this.log_info('{text}'); this.done(); }};");
        std::fs::write(directory.path().join("new"), app).unwrap();
        std::fs::rename(directory.path().join("new"), &file).unwrap();
    };
    for prestart in [0, 1] {
        write("first");
        let mut app = bench.node_from(Source::File(file.clone()), None, &[]);
        app.prestart = prestart;
        let cell = bench.cell(app);
        for text in ["first", "second", "third"] {
            write(text);
            assert_eq!(cell.say("hi").await.outcome, Outcome::Done);
            assert_eq!(cell.texts()[2], text);
        }
        cell.close().await;
    }
}

pub(crate) async fn processes_are_started_ahead(bench: &Bench) {
    let mut app = bench.node(TALKATIVE);
    app.prestart = 2;
    let cell = bench.cell(app);
    let node = cell.node.clone().unwrap();
    until("two are ready", async || node.ready() == 2).await;
    for _ in 0..3 {
        assert_eq!(cell.say("hi").await.outcome, Outcome::Done);
        assert_eq!(cell.texts(), SEQUENCE);
        until("two are ready again", async || node.ready() == 2).await;
    }
    cell.close().await;
    assert_eq!(node.ready(), 0);

    // Those that end while they wait are given to nobody, and are not started again and again.
    let context = "{ends: setTimeout(function () { process.exit(7); }, 200).unref()}";
    let mut app = bench.node_from(Source::Inline(TALKATIVE.to_owned()), Some(context), &[]);
    app.prestart = 1;
    let cell = bench.cell(app);
    let node = cell.node.clone().unwrap();
    until("one is ready", async || node.ready() == 1).await;
    until("it has ended", async || node.ready() == 0).await;
    let report = cell.say("hi").await;
    assert_eq!(report.outcome, Outcome::Done, "{report:?}");
    cell.close().await;

    // Nor is one left to itself that never gets through with its loading.
    let mut app = in_time(bench.node("while (true) {}"), std::time::Duration::from_secs(3));
    app.prestart = 1;
    let cell = bench.cell(app);
    let node = cell.node.clone().unwrap();
    until("it has begun", async || node.ready() == 1).await;
    until("it is given up", async || node.ready() == 0).await;
    assert_eq!(cell.say("hi").await.outcome, Outcome::TimedOut);
    cell.close().await;
}

/// 1.2 of the reference: what goes down is ASCII, what comes up is UTF-8.
pub(crate) async fn nothing_but_ascii_is_told(bench: &Bench) {
    let source = "api.on_inbound_message = function (command) {
        api.request('kv.set', {key: 'said', value: command.msg.content + ' ñ'}, function () {
            api.request('kv.get', {key: 'said'}, function (reply) { api.log_info(reply.value); api.done(); });
        });
    };";
    let cell = bench.cell(in_time(bench.node(source), std::time::Duration::from_secs(60)));
    let text = "é 😀 \u{2028} \u{7f} \\ \" \n";
    assert_eq!(cell.give("sandbox1", &user_message(text)).await.outcome, Outcome::Done);
    assert_eq!(cell.texts()[2], format!("{text} ñ"));
    cell.close().await;
}
