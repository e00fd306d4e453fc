//! Apps that are written with the toolkit, unmodified as npm has it, in both engines: the same requests in the same order (3.6 of the
//! reference).

use std::collections::HashMap;
use std::path::Path;
use std::time::Duration;

use belljar_worker::config::{App, Source};
use belljar_worker::engine::quickjs::QuickJs;
use belljar_worker::engine::{Ending, Engine, NodeEngine};
use belljar_worker::protocol::{Answer, Command, Fields};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};

use crate::bench::Bench;
use crate::libraries::libraries;

/// For one message.
const SOON: Duration = Duration::from_secs(60);

/// As in the configurations of the field; the examples of the toolkit name it by a path.
const CONTEXT: &str = "{require: function(m) { if (m === '../../../lib') m = 'vumigo_v02'; \
    if (['moment','url','querystring','crypto','lodash','q','jed','vumigo_v02'].indexOf(m) >= 0) return require(m); return null; }, Buffer: Buffer}";

/// What an app has asked for.
struct Talk<'a> {
    config: Value,
    keys: HashMap<String, Value>,
    asked: Vec<Command>,
    engine: &'a dyn Engine,
    app: (&'a str, &'a str),
}

impl Talk<'_> {
    fn answer(&mut self, command: &Command) -> Answer {
        let key = || command.fields["key"].as_str().unwrap().to_owned();
        match command.cmd.as_str() {
            "config.get" if key() == "config" => Answer::with("value", self.config.to_string()),
            "config.get" => Answer::with("value", Value::Null),
            "kv.get" => Answer::with("value", self.keys.get(&key()).cloned().unwrap_or(Value::Null)),
            "kv.set" => {
                self.keys.insert(key(), command.fields["value"].clone());
                Answer::success()
            }
            "kv.incr" => Answer::with("value", 1),
            name if name.starts_with("http.") => {
                let mut fields = Fields::from_iter([("code".to_owned(), json!(200))]);
                fields.insert("body".to_owned(), json!("{\"results\": [1, 2]}"));
                Answer::Success(fields)
            }
            _ => Answer::success(),
        }
    }

    /// One message, in a process of its own.
    async fn say(&mut self, content: Option<&str>, session_event: &str) {
        let mut process = self.engine.process().await.unwrap();
        let (source, context) = self.app;
        if self.engine.wants_initialize() {
            let fields =
                [("javascript", source), ("app_context", context)].map(|(name, text)| (name.to_owned(), text.into()));
            let line = Command::new("initialize", Fields::from_iter(fields)).to_line();
            process.stdin.write_all(&line).await.unwrap();
        }
        let message = json!({"msg": {"content": content, "message_id": "m1", "from_addr": "+271", "to_addr": "*1#", "session_event": session_event,
            "transport_type": "ussd", "transport_name": "t", "helper_metadata": {}, "in_reply_to": null}});
        let Value::Object(fields) = message else { unreachable!() };
        process.stdin.write_all(&Command::new("inbound-message", fields).to_line()).await.unwrap();
        process.stdin.flush().await.unwrap();
        let talk = async {
            let mut lines = BufReader::new(&mut process.stdout).lines();
            while let Ok(Some(line)) = lines.next_line().await {
                let command = Command::parse(line.as_bytes()).unwrap();
                let line = match command.cmd.as_str() {
                    "js.done" => Command::new("exit", Fields::new()).to_line(),
                    _ => command.answered(self.answer(&command)).unwrap().to_line(),
                };
                self.asked.push(command);
                // It may have ended.
                let _ = process.stdin.write_all(&line).await;
            }
        };
        tokio::time::timeout(SOON, talk).await.unwrap();
        let mut stderr = String::new();
        process.stderr.read_to_string(&mut stderr).await.unwrap();
        assert_eq!((process.control.ended().await, stderr.as_str()), (Ending::Exited(0), ""));
    }
}

/// All that an app asks for in a conversation.
async fn converse(engine: &dyn Engine, source: &str, contents: &[&str]) -> Vec<Command> {
    let config = json!({"name": "app"});
    let mut talk = Talk { config, keys: HashMap::new(), asked: Vec::new(), engine, app: (source, CONTEXT) };
    talk.say(None, "new").await;
    for content in contents {
        talk.say(Some(content), "resume").await;
    }
    talk.say(None, "close").await;
    talk.asked
}

async fn both(bench: &Bench, source: &str, contents: &[&str]) -> Vec<Command> {
    let modules = libraries().unwrap();
    let app: App = bench.node_from(Source::Inline(source.to_owned()), Some(CONTEXT), &[Path::new(&modules)]);
    let quickjs = QuickJs::start(&bench.launcher, &app).await.unwrap();
    let ours = converse(&quickjs, source, contents).await;
    quickjs.close().await;
    let node = NodeEngine::new(&bench.launcher, &app).unwrap();
    let theirs = converse(&node, source, contents).await;
    node.close().await;
    for (at, (ours, theirs)) in ours.iter().zip(&theirs).enumerate() {
        assert_eq!(ours, theirs, "request {at}");
    }
    assert_eq!(ours.len(), theirs.len());
    ours
}

pub(crate) async fn a_bundled_app_asks_for_the_same_in_both_engines(bench: &Bench) {
    let source = include_str!("../apps/menu.js");
    let contents = ["4nna", "Änne", "1", "4", "5", "1", "2", "x", "Otto", "3", "!reset"];
    let asked = both(bench, source, &contents).await;
    let names: Vec<_> = asked.iter().map(|command| command.cmd.as_str()).collect();
    assert_eq!(
        names[..11],
        // The third is of the runner, the seventh of the app.
        [
            "log.info",
            "log.info",
            "log.info",
            "config.get",
            "kv.get",
            "log.info",
            "log.info",
            "log.info",
            "outbound.reply_to",
            "kv.set",
            "log.info",
        ]
    );
    assert_eq!(names.iter().filter(|name| **name == "js.done").count(), contents.len() + 2);
    let posted = asked.iter().find(|command| command.cmd == "http.post").unwrap();
    assert_eq!(posted.fields["headers"]["Authorization"], json!(["Basic dXNlcjpww6Rzc3dvcmQ="]));
}

pub(crate) async fn an_example_asks_for_the_same_in_both_engines(bench: &Bench) {
    let asked = both(bench, include_str!("../apps/interact.js"), &["1", "9", "2", "x"]).await;
    let logged = asked.iter().filter(|command| command.cmd == "log.error").count();
    assert_eq!(logged, 1);
}

/// Libraries may be asked for when a message is there: the process that has it can still read them.
pub(crate) async fn libraries_can_be_required_late(bench: &Bench) {
    let source = "api.on_inbound_message = function (command) {
        var late = [require('bluebird').resolve, require('moment').utc, require('crypto').createHash].map(function (f) { return typeof f; });
        require('bluebird').delay(1).then(function () { api.log_info(late.join() + require('lodash').VERSION); api.done(); });
    };";
    let context = "{require: require}";
    let modules = libraries().unwrap();
    let app = bench.node_from(Source::Inline(source.to_owned()), Some(context), &[Path::new(&modules)]);
    let engine = QuickJs::start(&bench.launcher, &app).await.unwrap();
    let mut talk =
        Talk { config: Value::Null, keys: HashMap::new(), asked: Vec::new(), engine: &engine, app: (source, context) };
    talk.say(Some("hi"), "new").await;
    assert!(
        talk.asked.iter().any(|command| command.fields["msg"] == "function,function,function4.17.21"),
        "{:?}",
        talk.asked
    );
    engine.close().await;
}

/// `TZ` in `env` counts in both engines; a machine may have no zones, but then Node has its own, and the engines differ.
pub(crate) async fn the_time_zone_is_the_apps(bench: &Bench) {
    let source = "api.on_inbound_message = function () { api.log_info(new Date(86400000 * 200).getTimezoneOffset() + ' ' + new Date(2026, 0, 1).toISOString()); api.done(); };";
    let mut told = Vec::new();
    for zone in ["Africa/Johannesburg", "America/New_York", "UTC"] {
        let mut app = bench.node_from(Source::Inline(source.to_owned()), None, &[]);
        app.env.insert("TZ".to_owned(), zone.to_owned());
        let quickjs = QuickJs::start(&bench.launcher, &app).await.unwrap();
        let node = NodeEngine::new(&bench.launcher, &app).unwrap();
        for engine in [&quickjs as &dyn Engine, &node] {
            let mut talk =
                Talk { config: Value::Null, keys: HashMap::new(), asked: Vec::new(), engine, app: (source, "") };
            talk.say(Some("hi"), "new").await;
            told.push(talk.asked[2].fields["msg"].as_str().unwrap().to_owned());
            engine.close().await;
        }
    }
    let expected = ["-120 2025-12-31T22:00:00.000Z", "240 2026-01-01T05:00:00.000Z", "0 2026-01-01T00:00:00.000Z"];
    assert_eq!(told, expected.map(|text| [text, text]).as_flattened());
}

/// `process.exit` of the host ends the process with its code, and nothing after it runs.
pub(crate) async fn the_host_can_end_the_process(bench: &Bench) {
    let source = "api.on_inbound_message = function () { api.log_info('before'); setImmediate(function () { quit(0); api.log_info('after'); }); };";
    let context = "{quit: process.exit, setImmediate: setImmediate}";
    let app = bench.node_from(Source::Inline(source.to_owned()), Some(context), &[]);
    let quickjs = QuickJs::start(&bench.launcher, &app).await.unwrap();
    let mut talk =
        Talk { config: Value::Null, keys: HashMap::new(), asked: Vec::new(), engine: &quickjs, app: (source, context) };
    talk.say(Some("hi"), "new").await;
    let said: Vec<_> = talk.asked.iter().filter_map(|command| command.fields["msg"].as_str()).collect();
    assert_eq!(said[2..], ["before"]);
    quickjs.close().await;
}
