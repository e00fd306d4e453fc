//! What apps see: the same as on Node.

use std::time::Duration;

use belljar_worker::config::{JavaScriptEngine, Program, Source};
use belljar_worker::engine::quickjs::QuickJs;
use belljar_worker::engine::{Ending, Engine as _, EngineError};
use belljar_worker::protocol::{Command, Fields};

use super::{ECHO, SOON, app, hear, message, start, tell, try_start};
use crate::bench::Bench;

/// Section 6 of the reference: the order of all requests of the peer's own test app.
pub(crate) async fn requests_come_in_nodes_order(bench: &Bench) {
    let engine = start(
        bench,
        "api.log_info('From init!');
         api.on_inbound_message = function (command) {
             this.log_info('From command: ' + command.cmd, function (reply) {
                 this.log_info('Done!');
                 this.done();
             });
         };",
    )
    .await;
    let heard = tell(&engine, "hello").await;
    let expected = [
        "log.info: Starting sandbox ...",
        "log.info: Loading sandboxed code ...",
        "log.info: From init!",
        "log.info: From command: inbound-message",
        "log.info: Done!",
        "log.info: Done.",
        "js.done",
        "log.info: Exiting sandbox.",
    ];
    assert_eq!(heard.names(), expected);
    assert_eq!((heard.ending, heard.stderr.as_str()), (Ending::Exited(0), ""));
    let numbers: Vec<_> = (1..=expected.len()).map(|number| number.to_string()).collect();
    let ids: Vec<_> = heard.requests.iter().map(|command| command.cmd_id.as_str().unwrap()).collect();
    assert_eq!(ids, numbers);
    assert!(heard.requests.iter().all(|command| !command.reply));
    engine.close().await;
}

/// An expression for the app to say, and what it has to say.
const FACTS: &[(&str, &str)] = &[
    (
        "Object.keys(api).slice(0, 8).join()",
        "id,emitter,next_id,populate_command,request,log_info,done,on_unknown_command",
    ),
    ("String(top.api === api && top === globalThis)", "true"),
    (
        "var m = {a: 1}; api.request('x.y', m); var id = api.id; JSON.stringify([m.cmd, m.reply, m.cmd_id === String(id), typeof id])",
        "[\"x.y\",false,true,\"number\"]",
    ),
    ("typeof api.next_id()", "string"),
    ("api.populate_command('a.b', {}).cmd", "a.b"),
    ("typeof api.emitter.on + typeof api.emitter.emit", "functionfunction"),
    // Nothing of the host's but what it is given.
    (
        "[typeof require, typeof module, typeof exports, typeof process, typeof Buffer, typeof setTimeout, typeof setImmediate, \
       typeof queueMicrotask, typeof URL, typeof performance].join()",
        "undefined,undefined,undefined,undefined,undefined,undefined,undefined,undefined,undefined,undefined",
    ),
    (
        "typeof Promise + typeof Proxy + typeof BigInt + typeof WeakRef + typeof escape",
        "functionfunctionfunctionfunctionfunction",
    ),
    // What replaces the clocks passes for what it replaces.
    (
        "[new Date(0).getTime(), Date.UTC(2000, 0), new Date(2000, 0) instanceof Date, Date.length, Date.name, typeof Date()].join()",
        "0,946684800000,true,7,Date,string",
    ),
    (
        "class D extends Date { x() { return 1; } }; var d = new D(5); [d.x(), +d, d instanceof D, d instanceof Date, d.constructor === D].join()",
        "1,5,true,true,true",
    ),
    (
        "[new Date().constructor === Date, Math.abs(Date.now() - new Date()) < 60000, Date.now() > 1.7e12, Math.random() < 1].join()",
        "true,true,true,true",
    ),
    ("Function.prototype.toString.call(Math.random).includes('native code') + ' ' + Date.now.name", "true now"),
];

pub(crate) async fn apps_find_what_they_know(bench: &Bench) {
    for (expression, expected) in FACTS {
        let source = format!(
            "var top = this;
             api.on_inbound_message = function () {{
                 var said = eval({});
                 this.request('log.debug', {{msg: String(said)}});
                 this.done();
             }};",
            serde_json::to_string(expression).unwrap()
        );
        let engine = start(bench, &source).await;
        let heard = tell(&engine, "").await;
        let said = heard.requests.iter().find(|command| command.cmd == "log.debug");
        let said = said.map(|command| command.fields["msg"].as_str().unwrap().to_owned());
        assert_eq!(said.as_deref(), Some(*expected), "{expression}: {heard:?}");
        engine.close().await;
    }
}

/// Only the first dot and the first dash of a command count; what nobody handles is unknown, and done at once (W17).
pub(crate) async fn commands_find_their_handlers(bench: &Bench) {
    let source = "
        var say = function (name) { return function (command) { this.log_info(name + ' ' + command.cmd); this.done(); }; };
        api['on_a_b_c-d.e'] = say('odd');
        api.on_inbound_event = say('event');";
    for (more, cmd, said) in [
        ("", "a.b-c-d.e", &["odd a.b-c-d.e"][..]),
        ("", "inbound-event", &["event inbound-event"]),
        ("api.on_unknown_command = say('unknown');", "what-ever", &["unknown what-ever"]),
        ("", "what-ever", &[]),
        ("", "inbound-message", &[]),
    ] {
        let engine = start(bench, &format!("{source}{more}")).await;
        let heard = hear(engine.process().await.unwrap(), &[Command::new(cmd, Fields::new())], SOON).await;
        assert_eq!(heard.said(), said, "{cmd}");
        assert!(heard.names().contains(&"js.done".to_owned()), "{cmd}: {heard:?}");
        assert_eq!(heard.ending, Ending::Exited(0), "{cmd}");
        engine.close().await;
    }
}

/// What ends a process, and what it says then.
pub(crate) async fn what_nobody_catches_ends_the_process(bench: &Bench) {
    for (body, texts) in [
        ("undefined.x;", &["TypeError", "evalmachine.<anonymous>:1"][..]),
        ("throw new RangeError('mine');", &["RangeError: mine", "evalmachine.<anonymous>:1"]),
        ("throw 'a string';", &["a string"]),
        ("throw {toString: null};", &[""]),
        ("this.log_info('x', function () { throw new Error('in a callback'); });", &["Error: in a callback"]),
        ("Promise.reject(new Error('rejected'));", &["Error: rejected"]),
        ("Promise.reject(7);", &["rejection", "7"]),
        ("(async function () { await null; none(); })();", &["ReferenceError", "none"]),
        ("eval('(');", &["SyntaxError"]),
    ] {
        let engine = start(bench, &format!("api.on_inbound_message = function () {{ {body} }};")).await;
        let heard = tell(&engine, "").await;
        assert_eq!(heard.ending, Ending::Exited(1), "{body}: {heard:?}");
        for text in texts {
            assert!(heard.stderr.contains(text), "{body}: no {text} in {}", heard.stderr);
        }
        engine.close().await;
    }
    // What is caught in time is nothing.
    let source = "api.on_inbound_message = function () {
        var rejected = Promise.reject(new Error('late'));
        Promise.resolve().then(function () { rejected.catch(function () {}); });
        this.done();
    };";
    let engine = start(bench, source).await;
    assert_eq!(tell(&engine, "").await.ending, Ending::Exited(0));
    engine.close().await;
}

/// What an app with `process` says with it.
pub(crate) async fn an_app_may_end_its_process(bench: &Bench) {
    for (body, code) in [
        ("process.exit(3);", 3),
        ("process.exit();", 0),
        ("try { process.exit(4); } catch (e) {} process.exit(5);", 4),
        ("setTimeout(function () { process.exit(6); }, 1);", 6),
        ("Promise.resolve().then(function () { process.exit(7); });", 7),
        ("process.nextTick(function () { process.exit(8); });", 8),
    ] {
        let mut app = app(&format!("api.on_inbound_message = function () {{ this.log_info('before'); {body} }};"));
        app.app_context = Some("{process: process, setTimeout: setTimeout}".to_owned());
        let engine = try_start(bench, app).await.unwrap();
        let heard = tell(&engine, "").await;
        assert_eq!((heard.ending, heard.stderr.as_str()), (Ending::Exited(code), ""), "{body}");
        engine.close().await;
    }
}

pub(crate) async fn an_app_that_cannot_be_loaded_is_told(bench: &Bench) {
    for (source, context, texts) in [
        ("var x = ;", None, &["SyntaxError", "evalmachine.<anonymous>:1"][..]),
        ("\n\nnone();", None, &["ReferenceError", "evalmachine.<anonymous>:3"]),
        ("Promise.reject(new Error('at once'));", None, &["Error: at once"]),
        ("require('no-such-module');", Some("{require: require}"), &["no-such-module"]),
        ("", Some("{"), &["SyntaxError"]),
        ("", Some("none.at.all"), &["ReferenceError"]),
    ] {
        let mut app = app(source);
        app.app_context = context.map(str::to_owned);
        let Err(EngineError::App(text)) = try_start(bench, app).await else { panic!("{source} is loaded") };
        for expected in texts.iter().chain(&["engine = \"node\""]) {
            assert!(text.contains(expected), "{source}: no {expected} in {text}");
        }
    }
}

/// Ticks, promises, timers, immediates, in the order of Node.
pub(crate) async fn tasks_run_in_nodes_order(bench: &Bench) {
    let mut app = app("api.on_inbound_message = function () {
             var api = this, said = [], say = function (what) { return function () { said.push(what); }; };
             setImmediate(say('immediate'));
             setTimeout(say('far'), 30);
             setTimeout(say('near'), 5);
             var gone = setTimeout(say('never'), 1);
             clearTimeout(gone);
             Promise.resolve().then(say('promise')).then(say('promise 2'));
             say('now')();
             var count = 0, every = setInterval(function () {
                 say('every')();
                 if (++count === 3) {
                     clearInterval(every);
                     setTimeout(function () { api.log_info(said.join()); api.done(); }, 60);
                 }
             }, 8);
         };");
    app.app_context = Some(
        "({setTimeout: setTimeout, clearTimeout: clearTimeout, setInterval: setInterval, clearInterval: clearInterval, \
         setImmediate: setImmediate})"
            .to_owned(),
    );
    let engine = try_start(bench, app).await.unwrap();
    let heard = tell(&engine, "").await;
    let said = heard.said().join("");
    assert!(said.starts_with("now,promise,promise 2,immediate,near,"), "{heard:?}");
    assert_eq!(said.matches("every").count(), 3, "{said}");
    assert!(said.contains("far") && !said.contains("never"), "{said}");
    engine.close().await;
}

/// Timers that were set while loading run after the message has begun, however long that was ago.
pub(crate) async fn timers_wait_for_the_message(bench: &Bench) {
    let mut app = app("var said = [];
         setTimeout(function () { said.push('timer'); }, 40);
         api.on_inbound_message = function () {
             var api = this;
             said.push('message');
             setTimeout(function () { api.log_info(said.join()); api.done(); }, 80);
         };");
    app.app_context = Some("({setTimeout: setTimeout})".to_owned());
    let engine = try_start(bench, app).await.unwrap();
    // What was made ahead is old enough now for its timer to be due.
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(tell(&engine, "").await.said(), ["message,timer"]);
    engine.close().await;
}

/// Lines of the worker's that are none, and the end of them.
pub(crate) async fn lines_are_read_as_they_come(bench: &Bench) {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    let engine = start(bench, ECHO).await;
    for (input, ending, text) in [
        ("not json\n", Ending::Exited(1), "SyntaxError"),
        ("\n \n", Ending::Exited(0), ""),
        ("", Ending::Exited(0), ""),
        ("{\"cmd\": \"exit\", \"cmd_id\": \"1\", \"reply\": false}\n", Ending::Exited(0), ""),
    ] {
        let mut process = engine.process().await.unwrap();
        process.stdin.write_all(input.as_bytes()).await.unwrap();
        process.stdin.shutdown().await.unwrap();
        assert_eq!(process.control.ended().await, ending, "{input}");
        let mut stderr = String::new();
        process.stderr.read_to_string(&mut stderr).await.unwrap();
        assert!(stderr.contains(text), "{input}: {stderr}");
    }
    // A line in pieces, and two in one.
    let mut process = engine.process().await.unwrap();
    let line = message("in pieces").to_line();
    let (first, second) = line.split_at(20);
    process.stdin.write_all(first).await.unwrap();
    process.stdin.flush().await.unwrap();
    tokio::task::yield_now().await;
    process.stdin.write_all(&[second, &line].concat()).await.unwrap();
    let heard = hear(process, &[], SOON).await;
    let replies = heard.requests.iter().filter(|command| command.cmd == "outbound.reply_to");
    assert!(replies.count() >= 1, "{heard:?}");
    engine.close().await;
}

/// A library may be wanted first by a message: it is read then, under all limits; beside the app's file, too.
pub(crate) async fn modules_are_found_while_a_message_is_served(bench: &Bench) {
    let directory = tempfile::tempdir().unwrap();
    let modules = directory.path().join("node_modules");
    std::fs::create_dir_all(modules.join("late/lib")).unwrap();
    std::fs::write(modules.join("late/package.json"), r#"{"main": "lib/index.js"}"#).unwrap();
    std::fs::write(
        modules.join("late/lib/index.js"),
        "exports.text = require('./part') + require('util').format(' %d', 7);",
    )
    .unwrap();
    std::fs::write(modules.join("late/lib/part.js"), format!("module.exports = 'late'; /* {} */", "x".repeat(300_000)))
        .unwrap();
    let file = directory.path().join("app.js");
    std::fs::write(
        &file,
        "api.on_inbound_message = function () { this.log_info(require('late').text); this.done(); };",
    )
    .unwrap();
    let mut config = belljar_worker::config::App::new(
        "test",
        Program::JavaScript {
            source: Source::File(file),
            app_context: Some("{require: require}".to_owned()),
            engine: JavaScriptEngine::QuickJs,
            node_modules: Vec::new(),
        },
    );
    config.prefetch = 1;
    let engine = QuickJs::start(&bench.launcher, &config).await.unwrap();
    for _ in 0..2 {
        let heard = tell(&engine, "").await;
        assert_eq!(heard.said(), ["late 7"], "{heard:?}");
    }
    engine.close().await;
}
