//! A worker, and whoever is at the other end of its queues.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use lapin::options::{
    BasicAckOptions, BasicConsumeOptions, BasicGetOptions, BasicPublishOptions, ConfirmSelectOptions,
    ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions,
};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{BasicProperties, Channel, Connection, ConnectionProperties, Consumer, ExchangeKind};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::runtime::Runtime;

use crate::common::PATIENCE;
use crate::common::rabbitmq::{RabbitMq, USER, VHOST};

/// Waits for a condition; panics when it does not come.
pub(crate) fn wait_for(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !condition() {
        assert!(Instant::now() < deadline, "in vain: {what}");
        thread::sleep(Duration::from_millis(20));
    }
}

/// A running worker. Killed when it is dropped.
pub(crate) struct Worker {
    child: Child,
    pub(crate) place: TempDir,
    address: String,
}

impl Worker {
    /// Starts one with these apps, in TOML, and waits until it serves.
    pub(crate) fn start(broker: &RabbitMq, apps: &str) -> Self {
        let place = tempfile::tempdir().expect("a directory");
        fs::write(place.path().join("worker.toml"), apps).expect("written");
        let port = broker.port().to_string();
        Self::begin(place, |command| {
            command.args(["--config", "worker.toml", "--hostname", "127.0.0.1", "--port", &port]);
            command.args(["--username", USER, "--password", USER, "--vhost", VHOST]);
            command.args(["--operations", "127.0.0.1:0", "--data-dir", "data", "--log-format", "json"]);
        })
    }

    /// Starts one in a directory, and waits until it serves. It has to be told to log JSON and where to listen.
    pub(crate) fn begin(place: TempDir, told: impl FnOnce(&mut Command)) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_belljar"));
        for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("BELLJAR_")) {
            command.env_remove(name);
        }
        let log = File::create(place.path().join("log")).expect("a file");
        command.arg("worker").current_dir(place.path()).stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        told(&mut command);
        let child = command.spawn().expect("the binary starts");
        let mut worker = Self { child, place, address: String::new() };
        wait_for("the worker serves", || {
            assert!(worker.child.try_wait().expect("it is ours").is_none(), "it ended: {}", worker.log());
            worker.lines().iter().any(|line| line["message"] == "Serving.")
        });
        let lines = worker.lines();
        let url = lines.iter().find_map(|line| line["url"].as_str()).expect("where health is told");
        worker.address = url.trim_start_matches("http://").to_owned();
        worker
    }

    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.place.path().join("log")).expect("a log")
    }

    /// The log, line by line.
    pub(crate) fn lines(&self) -> Vec<Value> {
        self.log().lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).expect("it is there");
    }

    /// Waits for the end.
    pub(crate) fn ends(&mut self) -> Option<i32> {
        let mut code = None;
        wait_for("the end", || {
            code = self.child.try_wait().expect("it is ours");
            code.is_some()
        });
        code.and_then(|code| code.code())
    }

    /// What one of the pages of operations says.
    pub(crate) fn get(&self, path: &str) -> String {
        let mut stream = TcpStream::connect(&self.address).expect("it listens");
        write!(stream, "GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").expect("sent");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("text");
        answer
    }

    /// Whether a line of the metrics is there.
    pub(crate) fn has_metric(&self, line: &str) -> bool {
        self.get("/metrics").lines().any(|found| found == line)
    }

    /// Replaces the configuration.
    pub(crate) fn configure(&self, apps: &str) {
        replace(&self.place.path().join("worker.toml"), apps);
    }
}

impl Drop for Worker {
    #[expect(clippy::print_stdout, reason = "a failed test shows what the worker said")]
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if thread::panicking() {
            println!("{}", self.log());
        }
    }
}

/// Writes a file as deployments do.
pub(crate) fn replace(file: &Path, text: &str) {
    let beside = file.with_extension("new");
    fs::write(&beside, text).expect("written");
    fs::rename(&beside, file).expect("renamed");
}

/// The transport: publishes what users say, and hears what they are told.
pub(crate) struct Transport {
    runtime: Runtime,
    _connection: Connection,
    channel: Channel,
    pub(crate) name: String,
    /// Not before somebody wants to hear.
    replies: Option<Consumer>,
    sent: u32,
}

impl Transport {
    /// Connects, and declares the queues of a transport of this name, as transports do.
    pub(crate) fn connect(broker: &RabbitMq, name: &str) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
        let runtime = runtime.expect("a runtime");
        let (connection, channel) = runtime.block_on(async {
            let connection = Connection::connect(&broker.url(), ConnectionProperties::default()).await;
            let connection = connection.expect("connected");
            let channel = connection.create_channel().await.expect("a channel");
            channel.confirm_select(ConfirmSelectOptions::default()).await.expect("confirms");
            let durable = ExchangeDeclareOptions { durable: true, ..ExchangeDeclareOptions::default() };
            let exchange =
                channel.exchange_declare("vumi".into(), ExchangeKind::Direct, durable, FieldTable::default());
            exchange.await.expect("an exchange");
            for queue in ["inbound", "event", "outbound", "dead"] {
                let queue = format!("{name}.{queue}");
                let durable = QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() };
                channel.queue_declare(queue.as_str().into(), durable, FieldTable::default()).await.expect("a queue");
                let bound = channel.queue_bind(
                    queue.as_str().into(),
                    "vumi".into(),
                    queue.as_str().into(),
                    QueueBindOptions::default(),
                    FieldTable::default(),
                );
                bound.await.expect("bound");
            }
            (connection, channel)
        });
        Self { runtime, _connection: connection, channel, name: name.to_owned(), replies: None, sent: 0 }
    }

    /// Publishes a body to a queue, as a transport would, and waits until the broker has it.
    pub(crate) fn publish(&mut self, queue: &str, body: &[u8]) {
        let key = format!("{}.{queue}", self.name);
        self.runtime.block_on(async {
            let persistent = BasicProperties::default().with_delivery_mode(2);
            let publishing = self.channel.basic_publish(
                "vumi".into(),
                key.as_str().into(),
                BasicPublishOptions::default(),
                body,
                persistent,
            );
            publishing.await.expect("published").await.expect("confirmed");
        });
    }

    /// A user says something; the message's number.
    pub(crate) fn say(&mut self, user: &str, content: &str) -> String {
        self.say_with(user, content, &[])
    }

    /// With more fields.
    pub(crate) fn say_with(&mut self, user: &str, content: &str, fields: &[(&str, Value)]) -> String {
        self.sent += 1;
        let id = format!("m{}", self.sent);
        let mut message = message(&self.name, &id, user, content);
        for (name, value) in fields {
            message[*name] = value.clone();
        }
        self.publish("inbound", message.to_string().as_bytes());
        id
    }

    /// The next message that the app sent.
    pub(crate) fn hear(&mut self) -> Value {
        use futures_util::StreamExt as _;

        let replies = match &mut self.replies {
            Some(replies) => replies,
            None => {
                let queue = format!("{}.outbound", self.name);
                let consume = BasicConsumeOptions { no_ack: true, ..BasicConsumeOptions::default() };
                let consuming =
                    self.channel.basic_consume(queue.as_str().into(), "".into(), consume, FieldTable::default());
                self.replies.insert(self.runtime.block_on(consuming).expect("a consumer"))
            }
        };
        let next = async { tokio::time::timeout(PATIENCE, replies.next()).await };
        let delivery = self.runtime.block_on(next).expect("a reply in time").expect("a consumer").expect("a delivery");
        serde_json::from_slice(&delivery.data).expect("JSON")
    }

    /// What the next message that the app sent says.
    pub(crate) fn heard(&mut self) -> String {
        self.hear()["content"].as_str().unwrap_or_default().to_owned()
    }

    /// The next dead letter: its body, and the reason.
    pub(crate) fn dead_letter(&mut self) -> (Vec<u8>, String) {
        let queue = format!("{}.dead", self.name);
        let deadline = Instant::now() + PATIENCE;
        loop {
            let got = self.runtime.block_on(async {
                let got = self.channel.basic_get(queue.as_str().into(), BasicGetOptions::default()).await;
                let got = got.expect("the queue is there")?;
                got.acker.ack(BasicAckOptions::default()).await.expect("acknowledged");
                Some(got.delivery)
            });
            if let Some(delivery) = got {
                let headers = delivery.properties.headers().clone().unwrap_or_default();
                let reason = match headers.inner().get("belljar-reason") {
                    Some(AMQPValue::LongString(reason)) => reason.to_string(),
                    other => panic!("a reason: {other:?}"),
                };
                return (delivery.data, reason);
            }
            assert!(Instant::now() < deadline, "no dead letter in {queue}");
            thread::sleep(Duration::from_millis(20));
        }
    }

    /// Messages that wait in a queue.
    pub(crate) fn waiting(&mut self, queue: &str) -> u32 {
        let queue = format!("{}.{queue}", self.name);
        self.runtime.block_on(async {
            let passive = QueueDeclareOptions { passive: true, durable: true, ..QueueDeclareOptions::default() };
            let queue = self.channel.queue_declare(queue.as_str().into(), passive, FieldTable::default()).await;
            queue.expect("a queue").message_count()
        })
    }
}

/// A user's message.
pub(crate) fn message(transport: &str, id: &str, user: &str, content: &str) -> Value {
    json!({
        "message_version": "20110921", "message_type": "user_message", "timestamp": "2026-11-20 16:01:35.766753",
        "message_id": id, "to_addr": "*120#", "from_addr": user, "in_reply_to": null, "session_event": "resume",
        "content": content, "transport_name": transport, "transport_type": "ussd", "transport_metadata": {},
        "helper_metadata": {}, "group": null, "provider": null,
    })
}

/// An app in the configuration, with what else it says.
pub(crate) fn configured(transport: &str, text: &str, more: &str) -> String {
    let text = crate::apps::app(text);
    format!(
        "[apps.{transport}]\nengine = 'quickjs'\njavascript = '''\n{text}'''\n{more}\n[apps.{transport}.resources.kv]\n"
    )
}
