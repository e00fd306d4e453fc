//! What the tests share: apps, a bus and resources that remember, and short words for what is expected.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use belljar_sandbox::{Command, Enforcement, Launcher, Layer, Policy, Sandbox};
use belljar_worker::bus::{Boxed, Bus, BusError, Delivery, Destination, Subscription};
use belljar_worker::config::{App, JavaScriptEngine, Profile, Program, ResourceConfig, Source};
use belljar_worker::engine::{Engine, NodeEngine, ProcessEngine};
use belljar_worker::message::{Kind, Message};
use belljar_worker::protocol::{Answer, Fields};
use belljar_worker::resource::{Journal, Log, Resource, Resources};
use belljar_worker::run::{RunContext, RunReport, Runner};
use serde_json::{Value, json};
use tokio::sync::{Semaphore, mpsc};

/// What a test needs of the machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Needs {
    /// User namespaces, like every sandbox.
    Nothing,
    /// Control groups of our own for memory and processes.
    Groups,
    /// Node.
    Node,
    /// Node, and libraries of real apps, which npm installs when they are asked for first.
    Libraries,
}

/// What all tests stand on.
#[derive(Debug)]
pub(crate) struct Bench {
    pub(crate) launcher: Launcher,
    groups: Result<(), String>,
    node: Option<PathBuf>,
}

impl Bench {
    pub(crate) async fn new(launcher: Launcher) -> Self {
        let mut sandbox = Sandbox::by(&launcher, &Policy::default()).await.unwrap();
        assert!(sandbox.run(Command::shell("true")).await.unwrap().success());
        let mut groups = Ok(());
        for layer in [Layer::MemoryLimit, Layer::ProcessLimit] {
            let report = sandbox.layers().iter().find(|report| report.layer == layer);
            if let Some(Enforcement::Missing(reason) | Enforcement::Weakened(reason)) =
                report.map(|report| report.enforcement.clone())
            {
                groups = Err(reason);
            }
        }
        sandbox.end().await.unwrap();
        let places = ["/usr/local/bin/node", "/usr/local/bin/nodejs", "/usr/bin/node", "/usr/bin/nodejs"];
        let node = places.iter().map(PathBuf::from).find(|path| path.exists());
        Self { launcher, groups, node }
    }

    /// Why a test cannot run here.
    pub(crate) fn lacks(&self, needs: Needs) -> Option<String> {
        match needs {
            Needs::Nothing => None,
            Needs::Groups => self.groups.clone().err(),
            Needs::Node if self.node.is_none() => Some("node is not installed".to_owned()),
            Needs::Node => None,
            Needs::Libraries => self.lacks(Needs::Node).or_else(|| crate::libraries::libraries().err()),
        }
    }

    /// An app in JavaScript, for Node.
    pub(crate) fn node(&self, source: &str) -> App {
        self.node_from(Source::Inline(source.to_owned()), None, &[])
    }

    pub(crate) fn node_from(&self, source: Source, app_context: Option<&str>, node_modules: &[&Path]) -> App {
        let executable = self.node.clone().unwrap();
        let program = Program::JavaScript {
            source,
            app_context: app_context.map(str::to_owned),
            engine: JavaScriptEngine::Node { executable, args: Vec::new() },
            node_modules: node_modules.iter().map(|path| path.to_path_buf()).collect(),
        };
        let mut app = usual(program);
        app.resources.insert("js".to_owned(), ResourceConfig::Js);
        app
    }

    /// An app with its engine and its resources.
    pub(crate) fn cell(&self, app: App) -> Cell {
        let app = Arc::new(app);
        let (engine, node): (Arc<dyn Engine>, _) = match &app.program {
            Program::Executable { .. } => (Arc::new(ProcessEngine::new(&self.launcher, &app).unwrap()), None),
            Program::JavaScript { .. } => {
                let node = Arc::new(NodeEngine::new(&self.launcher, &app).unwrap());
                (Arc::clone(&node) as Arc<dyn Engine>, Some(node))
            }
        };
        let recorder = Arc::new(Recorder::default());
        let all = ["log", "kv", "outbound", "foo"].map(|name| {
            let resource = Part { name, recorder: Arc::clone(&recorder) };
            (name.to_owned(), Arc::new(resource) as Arc<dyn Resource>)
        });
        let resources = Resources::new(BTreeMap::from(all));
        let runner = Runner::new(Arc::clone(&app), engine, resources);
        let journal = Arc::new(Journal::new(app.name.clone()));
        Cell { app, runner, recorder, bus: Arc::default(), journal, node }
    }
}

fn usual(program: Program) -> App {
    let mut app = App::new("test", program);
    app.logging_resource = Some("log".to_owned());
    // Few sandboxes, so that the tests are quick.
    app.prefetch = 1;
    app.prestart = 0;
    app.timeout = Duration::from_secs(60);
    app
}

/// Words for apps in Python.
const WORDS: &str = "import sys, json, os, time
def put(text):
    sys.stdout.write(text)
    sys.stdout.flush()
def tell(cmd, **fields):
    put(json.dumps(dict(fields, cmd=cmd, cmd_id=fields.get('cmd_id', '1'), reply=False)) + '\\n')
def hear():
    return json.loads(sys.stdin.readline())
def ask(cmd, **fields):
    tell(cmd, **fields)
    return hear()
";

/// An app in Python, which begins when its message has come.
pub(crate) fn python(code: &str) -> App {
    script(&format!("{WORDS}message = hear()\n{code}"))
}

/// A program for Python.
pub(crate) fn script(code: &str) -> App {
    let args = vec!["-c".to_owned(), code.to_owned()];
    usual(Program::Executable { executable: "/usr/bin/python3".into(), args })
}

pub(crate) fn strict(mut app: App) -> App {
    app.profile = Profile::Strict;
    app
}

pub(crate) fn in_time(mut app: App, timeout: Duration) -> App {
    app.timeout = timeout;
    app
}

/// An app that is being tried.
#[derive(Debug)]
pub(crate) struct Cell {
    pub(crate) app: Arc<App>,
    pub(crate) runner: Runner,
    pub(crate) recorder: Arc<Recorder>,
    pub(crate) bus: Arc<Remembering>,
    pub(crate) journal: Arc<Journal>,
    pub(crate) node: Option<Arc<NodeEngine>>,
}

impl Cell {
    /// Gives the app a user's text.
    pub(crate) async fn say(&self, content: &str) -> RunReport {
        self.give("sandbox1", &user_message(content)).await
    }

    pub(crate) async fn give(&self, sandbox_id: &str, message: &Message) -> RunReport {
        let id = message.text("message_id").map(str::to_owned);
        let log = Log::new(&self.journal, sandbox_id.to_owned(), id);
        let bus = Arc::clone(&self.bus) as Arc<dyn Bus>;
        let context = RunContext::new(log, self.app.transport_name.clone(), self.app.profile, bus, message);
        self.runner.run(context, message).await
    }

    /// What was logged through the resource `log`: its level and its text.
    pub(crate) fn logged(&self) -> Vec<(u64, String)> {
        self.recorder.logged("log")
    }

    /// The texts of that, and forgets them.
    pub(crate) fn texts(&self) -> Vec<String> {
        let texts = self.logged().into_iter().map(|(_, text)| text).collect();
        self.recorder.requests.lock().unwrap().clear();
        texts
    }

    pub(crate) async fn close(self) {
        self.runner.close().await;
    }
}

/// Requests of apps.
#[derive(Debug)]
pub(crate) struct Recorder {
    pub(crate) requests: Mutex<Vec<(&'static str, String, Fields)>>,
    keys: Mutex<BTreeMap<(String, String), Value>>,
    /// Lets those go on that asked to wait.
    pub(crate) go_on: Semaphore,
}

impl Default for Recorder {
    fn default() -> Self {
        Self { requests: Mutex::default(), keys: Mutex::default(), go_on: Semaphore::new(0) }
    }
}

impl Recorder {
    pub(crate) fn logged(&self, resource: &str) -> Vec<(u64, String)> {
        let requests = self.requests.lock().unwrap();
        let of = requests.iter().filter(|(name, ..)| *name == resource);
        of.map(|(_, command, fields)| {
            let usual = if command == "info" { 20 } else { 0 };
            let level = fields.get("level").and_then(Value::as_u64).unwrap_or(usual);
            (level, fields.get("msg").and_then(Value::as_str).unwrap_or_default().to_owned())
        })
        .collect()
    }

    /// What was asked of a resource: the commands, and what came with them.
    pub(crate) fn asked(&self, resource: &str) -> Vec<(String, Fields)> {
        let requests = self.requests.lock().unwrap();
        let of = requests.iter().filter(|(name, ..)| *name == resource);
        of.map(|(_, command, fields)| (command.clone(), fields.clone())).collect()
    }

    /// The keys and values of a tenant.
    pub(crate) fn keys(&self, tenant: &str) -> BTreeMap<String, Value> {
        let keys = self.keys.lock().unwrap();
        keys.iter().filter(|((of, _), _)| of == tenant).map(|((_, key), value)| (key.clone(), value.clone())).collect()
    }
}

/// A resource that remembers what it was asked.
#[derive(Debug)]
struct Part {
    name: &'static str,
    recorder: Arc<Recorder>,
}

impl Resource for Part {
    fn handle<'a>(&'a self, run: &'a RunContext, command: &'a str, fields: &'a Fields) -> Boxed<'a, Answer> {
        Box::pin(async move {
            self.recorder.requests.lock().unwrap().push((self.name, command.to_owned(), fields.clone()));
            let key = || (run.sandbox_id.clone(), fields["key"].as_str().unwrap().to_owned());
            match (self.name, command) {
                ("kv", "set") => {
                    self.recorder.keys.lock().unwrap().insert(key(), fields["value"].clone());
                    Answer::success()
                }
                ("kv", "get") => {
                    let value = self.recorder.keys.lock().unwrap().get(&key()).cloned();
                    Answer::with("value", value.unwrap_or(Value::Null))
                }
                ("kv", "large") => Answer::with("value", "x".repeat(60_000)),
                ("outbound", "reply_to") => {
                    let to = fields.get("in_reply_to").and_then(Value::as_str).unwrap_or_default();
                    if !run.originals.contains_key(to) {
                        return Answer::failure(format!("Could not find original message with id: u'{to}'"));
                    }
                    let destination = Destination::Outbound { transport_name: run.transport_name.clone() };
                    run.publish(destination, json!(fields).to_string().into_bytes());
                    Answer::success()
                }
                ("foo", "wait") => {
                    self.recorder.go_on.acquire().await.unwrap().forget();
                    Answer::success()
                }
                ("foo", "fail") => panic!("as the test wants it"),
                (_, "set" | "unknown") => Answer::Unknown,
                _ => Answer::success(),
            }
        })
    }
}

/// A bus that keeps what is published.
#[derive(Debug, Default)]
pub(crate) struct Remembering {
    pub(crate) published: Mutex<Vec<Value>>,
}

impl Bus for Remembering {
    fn consume(&self, _: Subscription) -> Boxed<'_, Result<mpsc::Receiver<Delivery>, BusError>> {
        Box::pin(async { Err(BusError::Disconnected("there is nothing to consume".to_owned())) })
    }

    fn publish(&self, _: Destination, body: Vec<u8>) -> Boxed<'static, Result<(), BusError>> {
        self.published.lock().unwrap().push(serde_json::from_slice(&body).unwrap());
        Box::pin(async { Ok(()) })
    }

    fn state(&self) -> Result<(), String> {
        Ok(())
    }

    fn pause(&self) -> Boxed<'_, ()> {
        Box::pin(async {})
    }
}

/// A message of a user's, each with an id of its own.
pub(crate) fn user_message(content: &str) -> Message {
    message(Kind::UserMessage, &json!({"content": content}))
}

/// A message or an event with these fields besides what all have.
pub(crate) fn message(kind: Kind, fields: &Value) -> Message {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let id = format!("m{}", COUNT.fetch_add(1, Ordering::Relaxed));
    let mut all = match kind {
        Kind::UserMessage => json!({
            "message_version": "20110921", "message_type": "user_message", "timestamp": "2026-11-20 16:01:35.766753",
            "message_id": id, "to_addr": "*120#", "from_addr": "+271", "in_reply_to": null, "session_event": "new",
            "content": "hi", "transport_name": "test", "transport_type": "ussd", "transport_metadata": {},
            "helper_metadata": {}, "routing_metadata": {},
        }),
        Kind::Event => json!({
            "message_version": "20110921", "message_type": "event", "timestamp": "2026-11-20 16:01:35.766753",
            "event_id": id, "event_type": "ack", "user_message_id": "u1", "sent_message_id": "s1", "helper_metadata": {},
            "routing_metadata": {},
        }),
    };
    all.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    Message::parse(kind, all.to_string().as_bytes()).unwrap()
}

/// Waits until something holds.
///
/// # Panics
/// When it does not hold within a minute; `what` says what was waited for.
pub(crate) async fn until(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let deadline = tokio::time::Instant::now() + Duration::from_secs(60);
    while !holds().await {
        assert!(tokio::time::Instant::now() < deadline, "in vain: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
