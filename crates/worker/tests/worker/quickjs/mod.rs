//! The engine of QuickJS.

pub(crate) mod attacks;
pub(crate) mod behaviour;
pub(crate) mod isolation;

use std::time::Duration;

use belljar_worker::config::Source;
use belljar_worker::engine::quickjs::{QuickJs, QuickJsApp, QuickJsSettings};
use belljar_worker::engine::{Ending, Engine, EngineError, Process};
use belljar_worker::protocol::{Answer, Command, Fields};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};

use crate::bench::Bench;

/// A process must be heard of within this time.
const SOON: Duration = Duration::from_secs(60);

/// An app that answers each message with its content.
pub(crate) const ECHO: &str = "
    api.on_inbound_message = function (command) {
        this.request('outbound.reply_to', {content: command.msg.content, in_reply_to: command.msg.message_id}, function () {
            this.done();
        });
    };";

pub(crate) fn app(source: &str) -> QuickJsApp {
    QuickJsApp {
        name: "test".to_owned(),
        source: Source::Inline(source.to_owned()),
        app_context: None,
        node_modules: Vec::new(),
        time_zone: None,
    }
}

pub(crate) async fn try_start(bench: &Bench, app: QuickJsApp) -> Result<QuickJs, EngineError> {
    QuickJs::load_app(bench.launcher.clone(), app, QuickJsSettings::default()).await
}

pub(crate) async fn start(bench: &Bench, source: &str) -> QuickJs {
    try_start(bench, app(source)).await.unwrap()
}

/// What became of one message.
#[derive(Debug)]
pub(crate) struct Heard {
    /// All requests, in their order.
    pub(crate) requests: Vec<Command>,
    pub(crate) stderr: String,
    pub(crate) ending: Ending,
}

impl Heard {
    /// The names of the requests; of log lines the text, too.
    pub(crate) fn names(&self) -> Vec<String> {
        let name = |command: &Command| match command.fields.get("msg").and_then(Value::as_str) {
            Some(text) => format!("{}: {text}", command.cmd),
            None => command.cmd.clone(),
        };
        self.requests.iter().map(name).collect()
    }

    /// What was said with `log.info`, without what the engine says.
    pub(crate) fn said(&self) -> Vec<&str> {
        let ours = ["Starting sandbox ...", "Loading sandboxed code ...", "Done.", "Exiting sandbox."];
        let texts = self.requests.iter().filter(|command| command.cmd == "log.info");
        texts.filter_map(|command| command.fields["msg"].as_str()).filter(|text| !ours.contains(text)).collect()
    }
}

pub(crate) fn message(content: &str) -> Command {
    let fields = json!({"msg": {"content": content, "message_id": "m1", "from_addr": "+1"}});
    let Value::Object(fields) = fields else { unreachable!() };
    Command::new("inbound-message", fields)
}

/// Gives a message to a new process, answers all that it asks for with success, and hears it to its end.
pub(crate) async fn tell(engine: &QuickJs, content: &str) -> Heard {
    hear(engine.process().await.unwrap(), &[message(content)], SOON).await
}

pub(crate) async fn hear(mut process: Process, commands: &[Command], patience: Duration) -> Heard {
    for command in commands {
        process.stdin.write_all(&command.to_line()).await.unwrap();
    }
    process.stdin.flush().await.unwrap();
    let mut requests = Vec::new();
    let talk = async {
        let mut lines = BufReader::new(&mut process.stdout).lines();
        while let Ok(Some(line)) = lines.next_line().await {
            let command = Command::parse(line.as_bytes()).unwrap();
            let answer = match command.cmd.as_str() {
                "js.done" => Command::new("exit", Fields::new()),
                _ => command.answered(Answer::with("value", Value::Null)).unwrap(),
            };
            requests.push(command);
            // It may have ended.
            let _ = process.stdin.write_all(&answer.to_line()).await;
        }
    };
    let _ = tokio::time::timeout(patience, talk).await;
    let ended = tokio::time::timeout(Duration::from_millis(100), process.control.ended()).await;
    if ended.is_err() {
        process.control.kill();
    }
    let ending = tokio::time::timeout(SOON, process.control.ended()).await.expect("it ends when it is killed");
    let mut stderr = String::new();
    process.stderr.read_to_string(&mut stderr).await.unwrap();
    Heard { requests, stderr, ending }
}
