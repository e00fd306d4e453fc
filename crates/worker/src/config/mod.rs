//! What a worker is told: vxsandbox's own files and variables, or belljar's.

mod app;
mod belljar;
mod classes;
mod clean;
mod example;
mod load;
pub mod node;
mod overlay;
mod problem;
mod resource;
mod secret;
mod section;
mod settings;
pub mod show;
mod toml;
pub mod tree;
mod vumi;
pub mod yaml;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use crate::protocol::Fields;

pub use example::EXAMPLE_APP;
pub use load::{CONFIG_VARIABLES, Loaded, Sources, load};
pub use problem::{Place, Problem, Problems, Writing};
pub use settings::{SETTINGS, variable_of};

/// Whose behaviour, where belljar's differs from vxsandbox's on purpose.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Profile {
    /// What is unknown is answered with a failure, quotas are exact, reasons are worded for people.
    #[default]
    Belljar,
    /// vxsandbox to the letter, its faults included: what is unknown kills the app, reasons are worded by Python.
    Strict,
}

/// Everything that one `belljar worker` does, complete and checked.
#[derive(Debug, Clone, PartialEq)]
pub struct Worker {
    /// Where messages come from and go to.
    pub broker: Broker,
    /// Its apps, in the order of their names, which differ.
    pub apps: Vec<App>,
    /// Where `/metrics`, `/healthz` and `/readyz` are served. None by default.
    pub operations: Option<SocketAddr>,
    /// Directory of what is kept without a database server: the embedded key-value store.
    pub data_dir: PathBuf,
    /// The part of heartbeats that says which collection of workers this one belongs to. `global` by default.
    pub system_id: String,
    /// How long messages that are being worked on may take when the worker is told to end. 30 s by default, what Kubernetes
    /// gives.
    pub drain_timeout: Duration,
    /// What is logged, in the syntax of `tracing_subscriber::EnvFilter`. `info` by default.
    pub log_filter: String,
    /// Whether log lines are JSON. False by default.
    pub log_json: bool,
}

impl Worker {
    /// With these apps and all defaults. Nothing is read from anywhere.
    #[must_use]
    pub fn new(apps: Vec<App>, data_dir: PathBuf) -> Self {
        Self {
            broker: Broker::default(),
            apps,
            operations: None,
            data_dir,
            system_id: "global".to_owned(),
            drain_timeout: Duration::from_secs(30),
            log_filter: "info".to_owned(),
            log_json: false,
        }
    }
}

/// One app, complete and checked.
#[derive(Debug, Clone, PartialEq)]
pub struct App {
    /// Its name in logs and metrics: `worker_name`, else `transport_name`.
    pub name: String,
    /// Prefix of its three queues, lower case.
    pub transport_name: String,
    /// Turns heartbeats on.
    pub worker_name: Option<String>,
    /// Unsettled messages per queue; also how many are worked on at once. 20 by default.
    pub prefetch: u16,
    /// Whose keys; taken from the message's `sandbox_id` when absent.
    pub sandbox_id: Option<String>,
    /// What is run.
    pub program: Program,
    /// Working directory of the process; the configuration file's when absent.
    pub path: Option<PathBuf>,
    /// Files and directories of the host that the process sees besides, read-only, at their own absolute paths. None by default.
    pub show: Vec<PathBuf>,
    /// The whole environment of the process.
    pub env: BTreeMap<String, String>,
    /// For one message. 60 s by default.
    pub timeout: Duration,
    /// Bytes of standard output and standard error together, for one message. 1 MiB by default.
    pub recv_limit: u64,
    /// Resource limits of the process by their kernel names, soft and hard, as the configuration has them; `-1` is "no limit of
    /// ours". What is not here is up to the engine.
    pub rlimits: BTreeMap<String, (i64, i64)>,
    /// The resource that hears what is said about the app.
    pub logging_resource: Option<String>,
    /// Messages that a process serves before it ends. 1 by default.
    pub messages_per_process: u32,
    /// Node processes that are started ahead of need. 2 by default; 0 starts each when its message is there.
    pub prestart: u16,
    /// Bytes of memory of a sandbox of this app, with all processes in it: the limit of its control group. 512 MiB by default.
    pub memory: u64,
    /// Bytes of heap that one message may use in QuickJS. 64 MiB by default.
    pub quickjs_memory: u64,
    /// Its resources by name.
    pub resources: BTreeMap<String, ResourceConfig>,
    /// Fields merged into messages sent to an endpoint.
    pub send_to: BTreeMap<String, Fields>,
    /// Whether Vumi's logging middleware was asked for, and its level.
    pub log_messages: Option<String>,
    /// Whose behaviour.
    pub profile: Profile,
    /// Where messages go that nobody can handle; `<transport_name>.dead` when absent.
    pub dead_letter_queue: Option<String>,
}

impl App {
    /// An app with all defaults and no resources, named after its transport.
    #[must_use]
    pub fn new(transport_name: impl Into<String>, program: Program) -> Self {
        let transport_name = transport_name.into();
        Self {
            name: transport_name.clone(),
            transport_name,
            worker_name: None,
            prefetch: 20,
            sandbox_id: None,
            program,
            path: None,
            show: Vec::new(),
            env: BTreeMap::new(),
            timeout: Duration::from_secs(60),
            recv_limit: 1 << 20,
            rlimits: BTreeMap::new(),
            logging_resource: None,
            messages_per_process: 1,
            prestart: 2,
            memory: 512 << 20,
            quickjs_memory: 64 << 20,
            resources: BTreeMap::new(),
            send_to: BTreeMap::new(),
            log_messages: None,
            profile: Profile::default(),
            dead_letter_queue: None,
        }
    }
}

/// What an app is.
#[derive(Debug, Clone, PartialEq)]
pub enum Program {
    /// Any executable that speaks the protocol.
    Executable {
        /// Its path.
        executable: PathBuf,
        /// Its arguments, without its own name.
        args: Vec<String>,
    },
    /// JavaScript.
    JavaScript {
        /// The app.
        source: Source,
        /// An expression that is evaluated outside of the app's world and whose members become the app's globals.
        app_context: Option<String>,
        /// What runs it.
        engine: JavaScriptEngine,
        /// Directories in which `require` looks for modules, in this order.
        node_modules: Vec<PathBuf>,
    },
}

/// Where an app's text is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// In the configuration.
    Inline(String),
    /// In a file, read anew when it changes.
    File(PathBuf),
}

/// What runs JavaScript.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum JavaScriptEngine {
    /// QuickJS if the app loads there, else Node; the worker says at its start which. The default.
    Auto {
        /// Node, if there is one.
        node: Option<PathBuf>,
    },
    /// In us, forked for each message.
    QuickJs,
    /// Node, started ahead for each message.
    Node {
        /// Its path.
        executable: PathBuf,
        /// Instead of our own runner: a script of the operator's, with its arguments.
        args: Vec<String>,
    },
}

/// A resource and its options, checked.
#[derive(Debug, Clone, PartialEq)]
pub enum ResourceConfig {
    /// `js.done`.
    Js,
    /// Keys and values.
    Kv {
        /// Where they are.
        store: KvStore,
        /// Keys of one tenant, at most. 100 by default.
        hard: i64,
        /// Keys of one tenant above which there is a warning. Four fifths of `hard` by default.
        soft: i64,
    },
    /// HTTP requests.
    Http {
        /// For the whole exchange. 30 s by default.
        timeout: Duration,
        /// Bytes of a body, at most. 128 KiB by default.
        data_limit: u64,
        /// Hosts and networks that may be reached although they are private: entries as of `--allow`.
        allow_private: Vec<String>,
    },
    /// Lines of the log.
    Log,
    /// Messages to users.
    Outbound {
        /// Keys of `helper_metadata` that an app may set.
        allowed_helper_metadata: Vec<String>,
        /// Endpoints that it may send to, besides `default`.
        endpoints: Vec<String>,
    },
    /// Numbers to count.
    Metrics {
        /// First part of their names.
        prefix: String,
    },
    /// Files as configuration.
    Config {
        /// Files by key.
        keys: BTreeMap<String, PathBuf>,
    },
}

/// Where keys and values are.
#[derive(Debug, Clone, PartialEq)]
pub enum KvStore {
    /// In Redis, as vxsandbox has them.
    Redis {
        /// Host name.
        host: String,
        /// Port, 6379 by default.
        port: u16,
        /// Number of the database.
        db: i64,
        /// Password. Not shown.
        password: Option<Secret>,
        /// Put before each key.
        key_prefix: Option<String>,
        /// Put after the prefix, `:` by default.
        key_separator: String,
    },
    /// In a SQLite file of our own.
    Embedded {
        /// The file.
        file: PathBuf,
    },
}

/// A text that is not shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Of a text.
    #[must_use]
    pub const fn new(text: String) -> Self {
        Self(text)
    }

    /// The text, for where it is needed.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Secret")
    }
}

/// Where the message broker is.
#[derive(Debug, Clone, PartialEq)]
pub struct Broker {
    /// Host name, 127.0.0.1 by default.
    pub host: String,
    /// Port, 5672 by default.
    pub port: u16,
    /// User, `vumi` by default.
    pub username: String,
    /// Password, `vumi` by default.
    pub password: Secret,
    /// Virtual host, `/develop` by default.
    pub vhost: String,
}

impl Default for Broker {
    /// What Vumi's workers assume when nobody tells them.
    fn default() -> Self {
        Self {
            host: "127.0.0.1".to_owned(),
            port: 5672,
            username: "vumi".to_owned(),
            password: Secret::new("vumi".to_owned()),
            vhost: "/develop".to_owned(),
        }
    }
}
