//! What one message leaves for the next: nothing. What all have of the loading of the app: all but time and chance.

use std::io::Write as _;
use std::path::Path;
use std::time::Duration;

use belljar_worker::config::Source;
use belljar_worker::engine::quickjs::Extent;
use belljar_worker::engine::{Ending, Engine as _};

use super::{ECHO, app, start, tell, try_start};
use crate::bench::Bench;

/// Everything that a script can change says that it is new, in each message (W7).
pub(crate) async fn nothing_of_a_message_is_in_the_next(bench: &Bench) {
    let source = "
        var state = {count: 0};
        api.on_inbound_message = function (command) {
            var seen = [state.count, typeof leaked, {}.polluted, api.counter, [].hacked, api.id, Array.prototype.join === undefined];
            state.count += 1;
            leaked = 1;
            Object.prototype.polluted = 1;
            api.counter = 1;
            api.constructor.prototype.hacked = 1;
            this.log_info(seen.map(String).join());
            this.done();
            Array.prototype.join = undefined;
        };";
    let engine = start(bench, source).await;
    for _ in 0..4 {
        let heard = tell(&engine, "").await;
        assert_eq!(heard.said(), ["0,undefined,undefined,undefined,undefined,2,false"], "{heard:?}");
    }
    engine.close().await;
}

/// What must differ between messages does, whenever the app asks for it.
pub(crate) async fn time_and_chance_are_never_remembered(bench: &Bench) {
    use Extent::{App, Engine, Libraries};

    let say = "api.on_inbound_message = function () { this.log_info(String(typeof value === 'undefined' ? Math.random() : value)); this.done(); };";
    let directory = tempfile::tempdir().unwrap();
    let modules = directory.path().join("node_modules");
    std::fs::create_dir(&modules).unwrap();
    for (name, text) in [
        ("at-load.js", "module.exports = [Date.now(), Math.random()].join();"),
        ("time.js", "module.exports = Date.now() + process.hrtime()[0];"),
        ("when-asked.js", "module.exports = function () { return Math.random(); };"),
        ("bytes.js", "module.exports = require('crypto').randomBytes(8).toString('hex');"),
        ("both.js", "exports.nested = require('at-load'); exports.time = process.hrtime().join();"),
    ] {
        std::fs::write(modules.join(name), text).unwrap();
    }
    for (before, extent) in [
        ("", App),
        ("var told = new Date(0), parsed = Date.parse('2000-01-01');", App),
        ("var value = Math.random();", Libraries),
        ("var value = Date.now();", Libraries),
        ("var value = +new Date();", Libraries),
        ("var value = Date() + Math.random();", Libraries),
        ("var value = +Reflect.construct(Date, []);", Libraries),
        ("class D extends Date {}; var value = +new D();", Libraries),
        ("var value; (function () { value = Object.getPrototypeOf(new Date(0)).constructor.now(); })();", Libraries),
        // By the host's realm.
        ("var value = api.constructor.constructor('return Math.random()')();", Libraries),
        ("var value = api.constructor.constructor('return Date.now()')();", Libraries),
        // By libraries, which may know when they were loaded.
        ("var time = require('time');", App),
        ("var value = require('when-asked')();", Libraries),
        ("var value = require('at-load');", Engine),
        ("var value = require('bytes');", Engine),
        ("var value = JSON.stringify(require('both'));", Engine),
    ] {
        let mut app = app(&format!("{before}{say}"));
        app.app_context = Some("({require: require})".to_owned());
        app.node_modules = vec![modules.clone()];
        let engine = try_start(bench, app).await.unwrap();
        assert_eq!(engine.extent().await, extent, "{before}");
        let first = tell(&engine, "").await;
        tokio::time::sleep(Duration::from_millis(3)).await;
        let second = tell(&engine, "").await;
        assert_eq!((first.said().len(), second.said().len()), (1, 1), "{before}: {first:?}");
        assert_ne!(first.said(), second.said(), "{before}");
        engine.close().await;
    }
}

/// One that is loaded for each message is loaded once in each, and its requests are in their order.
pub(crate) async fn an_app_that_is_loaded_anew_is_as_any_other(bench: &Bench) {
    let twice = "Promise.resolve().then(function () { api.log_info('From a promise!'); });";
    let source = format!("var loaded = Date.now(); api.log_info('From init!'); {twice} {ECHO}");
    let engine = start(bench, &source).await;
    assert_eq!(engine.extent().await, Extent::Libraries);
    let heard = tell(&engine, "x").await;
    let expected = [
        "log.info: Starting sandbox ...",
        "log.info: Loading sandboxed code ...",
        "log.info: From init!",
        "log.info: From a promise!",
        "outbound.reply_to",
        "log.info: Done.",
        "js.done",
        "log.info: Exiting sandbox.",
    ];
    assert_eq!(heard.names(), expected);
    assert_eq!(heard.requests[0].cmd_id, "1");
    engine.close().await;
}

fn write(path: &Path, text: &str) {
    // Another file by the same name, as editors and deployments do it.
    let other = path.with_extension("new");
    std::fs::write(&other, text).unwrap();
    std::fs::rename(&other, path).unwrap();
}

/// The file is read anew when it has changed; what serves a message goes on with what it has.
pub(crate) async fn a_changed_file_counts_from_the_next_message(bench: &Bench) {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("app.js");
    let version = |number: u32| ECHO.replace("command.msg.content", &format!("'version {number}'"));
    let said = |heard: &super::Heard| {
        let reply = heard.requests.iter().find(|command| command.cmd == "outbound.reply_to");
        reply.map(|command| command.fields["content"].as_str().unwrap().to_owned())
    };
    write(&file, &version(1));
    let mut app = app("");
    app.source = Source::File(file.clone());
    let engine = try_start(bench, app).await.unwrap();
    assert_eq!(said(&tell(&engine, "").await).as_deref(), Some("version 1"));
    let old = engine.process().await.unwrap();

    write(&file, &version(2));
    assert_eq!(said(&tell(&engine, "").await).as_deref(), Some("version 2"));
    let heard = super::hear(old, &[super::message("")], super::SOON).await;
    assert_eq!(said(&heard).as_deref(), Some("version 1"), "{heard:?}");

    // One that cannot be loaded, or is not there, changes nothing: somebody may be in the middle of it.
    write(&file, "var x = ;");
    assert_eq!(said(&tell(&engine, "").await).as_deref(), Some("version 2"));
    std::fs::remove_file(&file).unwrap();
    assert_eq!(said(&tell(&engine, "").await).as_deref(), Some("version 2"));
    write(&file, &version(3));
    assert_eq!(said(&tell(&engine, "").await).as_deref(), Some("version 3"));

    // Written in its place, in pieces: the first is an app, too, one that never answers.
    let mut open = std::fs::OpenOptions::new().write(true).truncate(true).open(&file).unwrap();
    open.write_all(b"var x = 1;\n").unwrap();
    // However slow this machine is, it was just now.
    open.set_modified(std::time::SystemTime::now() + Duration::from_secs(3)).unwrap();
    let asked = async { engine.process().await.unwrap() };
    // Time enough for a mistake; without one it may be as slow as it likes.
    let written = async {
        tokio::time::sleep(Duration::from_millis(50)).await;
        open.write_all(version(4).as_bytes()).unwrap();
    };
    let (process, ()) = tokio::join!(asked, written);
    let heard = super::hear(process, &[super::message("")], super::SOON).await;
    assert_eq!(said(&heard).as_deref(), Some("version 4"), "{heard:?}");
    engine.close().await;
    assert!(engine.process().await.is_err(), "it is closed");
}

/// What the configuration holds can be loaded anew, too.
pub(crate) async fn reloading_is_harmless(bench: &Bench) {
    let engine = start(bench, ECHO).await;
    let old = engine.process().await.unwrap();
    engine.reload().await.unwrap();
    assert_eq!(super::hear(old, &[super::message("")], super::SOON).await.ending, Ending::Exited(0));
    assert_eq!(tell(&engine, "").await.ending, Ending::Exited(0));
    engine.close().await;
}
