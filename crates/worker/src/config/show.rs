//! What would run, for `belljar worker --check`. Secrets are not in it.

use std::fmt::Write as _;
use std::path::PathBuf;

use belljar_sandbox::units::{ByteSize, print_duration};
use serde_json::{Map, Value, json};

use super::{App, JavaScriptEngine, KvStore, Loaded, Profile, Program, ResourceConfig, Source};

/// Where messages of an app go that nobody can handle.
fn dead_letters(app: &App) -> String {
    app.dead_letter_queue.clone().unwrap_or_else(|| format!("{}.dead", app.transport_name))
}

/// One object: the worker with its apps, the warnings, and where each value was written.
#[must_use]
pub fn as_json(loaded: &Loaded) -> Value {
    let worker = &loaded.worker;
    let origins: Map<_, _> =
        loaded.origins.iter().map(|(key, place)| (key.clone(), place.to_string().into())).collect();
    json!({
        "apps": worker.apps.iter().map(app_as_json).collect::<Vec<_>>(),
        "broker": {
            "host": worker.broker.host,
            "port": worker.broker.port,
            "username": worker.broker.username,
            "vhost": worker.broker.vhost,
        },
        "operations": worker.operations.map(|address| address.to_string()),
        "data_dir": worker.data_dir,
        "system_id": worker.system_id,
        "drain_timeout": worker.drain_timeout.as_secs_f64(),
        "log": { "format": if worker.log_json { "json" } else { "text" }, "filter": worker.log_filter },
        "warnings": loaded.warnings.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "origins": origins,
    })
}

fn app_as_json(app: &App) -> Value {
    let resources: Map<_, _> =
        app.resources.iter().map(|(name, resource)| (name.clone(), resource_as_json(resource))).collect();
    json!({
        "name": app.name,
        "transport_name": app.transport_name,
        "worker_name": app.worker_name,
        "prefetch": app.prefetch,
        "sandbox_id": app.sandbox_id,
        "program": program_as_json(&app.program),
        "path": app.path,
        "show": app.show,
        // Values may be secrets.
        "env": app.env.keys().collect::<Vec<_>>(),
        "timeout": app.timeout.as_secs_f64(),
        "recv_limit": app.recv_limit,
        "rlimits": app.rlimits,
        "logging_resource": app.logging_resource,
        "messages_per_process": app.messages_per_process,
        "prestart": app.prestart,
        "memory": app.memory,
        "quickjs_memory": app.quickjs_memory,
        "resources": resources,
        "send_to": app.send_to,
        "log_messages": app.log_messages,
        "profile": profile(app.profile),
        "dead_letter_queue": dead_letters(app),
    })
}

const fn profile(profile: Profile) -> &'static str {
    match profile {
        Profile::Belljar => "belljar",
        Profile::Strict => "strict",
    }
}

fn program_as_json(program: &Program) -> Value {
    match program {
        Program::Executable { executable, args } => json!({ "executable": executable, "args": args }),
        Program::JavaScript { source, app_context, engine, node_modules } => {
            let (engine, node, args) = match engine {
                JavaScriptEngine::Auto { node } => ("auto", node.as_ref(), None),
                JavaScriptEngine::QuickJs => ("quickjs", None, None),
                JavaScriptEngine::Node { executable, args } => ("node", Some(executable), Some(args)),
            };
            let file = match source {
                Source::File(file) => Some(file),
                Source::Inline(_) => None,
            };
            json!({
                "javascript_file": file,
                "app_context": app_context,
                "engine": engine,
                "node": node,
                "node_args": args,
                "node_modules": node_modules,
            })
        }
    }
}

fn resource_as_json(resource: &ResourceConfig) -> Value {
    match resource {
        ResourceConfig::Js => json!({ "type": "js" }),
        ResourceConfig::Log => json!({ "type": "log" }),
        ResourceConfig::Kv { store, hard, soft } => {
            let mut value = match store {
                KvStore::Redis { host, port, db, password, key_prefix, key_separator } => json!({
                    "store": "redis", "host": host, "port": port, "db": db, "has_password": password.is_some(),
                    "key_prefix": key_prefix, "key_separator": key_separator,
                }),
                KvStore::Embedded { file } => json!({ "store": "embedded", "file": file }),
            };
            value["type"] = "kv".into();
            value["keys_per_user_hard"] = (*hard).into();
            value["keys_per_user_soft"] = (*soft).into();
            value
        }
        ResourceConfig::Http { timeout, data_limit, allow_private } => json!({
            "type": "http", "timeout": timeout.as_secs_f64(), "data_limit": data_limit, "allow_private": allow_private,
        }),
        ResourceConfig::Outbound { allowed_helper_metadata, endpoints } => json!({
            "type": "outbound", "allowed_helper_metadata": allowed_helper_metadata, "endpoints": endpoints,
        }),
        ResourceConfig::Metrics { prefix } => json!({ "type": "metrics", "metrics_prefix": prefix }),
        ResourceConfig::Config { keys } => json!({ "type": "config", "keys": keys }),
    }
}

/// The same, for people.
#[must_use]
pub fn as_text(loaded: &Loaded) -> String {
    let worker = &loaded.worker;
    let mut text = Lines(String::new());
    for app in &worker.apps {
        text.heading(&format!("app {}", app.name));
        app_as_text(app, &mut text);
    }
    text.heading("worker");
    let broker = &worker.broker;
    text.line("broker", &format!("{}:{}, user {}, vhost {}", broker.host, broker.port, broker.username, broker.vhost));
    let operations = worker.operations.map_or("none".to_owned(), |address| format!("http://{address}/metrics"));
    text.line("operations", &operations);
    text.line("data", &worker.data_dir.display().to_string());
    text.line("drains for", &print_duration(worker.drain_timeout));
    let form = if worker.log_json { "JSON" } else { "text" };
    text.line("log", &format!("{form}, {}", worker.log_filter));
    // A table is set where its values are.
    let is_table = |key: &str| {
        loaded.origins.keys().any(|other| other.strip_prefix(key).is_some_and(|rest| rest.starts_with('.')))
    };
    let set: Vec<_> = loaded.origins.iter().filter(|(key, _)| !is_table(key)).collect();
    if !set.is_empty() {
        text.heading("set by");
        let width = set.iter().map(|(key, _)| key.len()).max().unwrap_or(0);
        for (key, place) in set {
            text.raw(&format!("  {key:width$}  {place}"));
        }
    }
    text.0
}

struct Lines(String);

impl Lines {
    fn raw(&mut self, line: &str) {
        self.0.push_str(line);
        self.0.push('\n');
    }

    fn heading(&mut self, heading: &str) {
        if !self.0.is_empty() {
            self.0.push('\n');
        }
        self.raw(heading);
    }

    fn line(&mut self, name: &str, value: &str) {
        self.raw(&format!("  {name:<12} {value}"));
    }
}

fn app_as_text(app: &App, text: &mut Lines) {
    program_as_text(&app.program, text);
    let tenant = app.sandbox_id.clone().unwrap_or_else(|| "by the sandbox_id of each message".to_owned());
    text.line("tenant", &tenant);
    let name = &app.transport_name;
    text.line("takes from", &format!("{name}.inbound, {name}.event: {} at a time of each", app.prefetch));
    text.line("answers to", &format!("{name}.outbound"));
    text.line("dead letters", &dead_letters(app));
    let size = |bytes| ByteSize::from_bytes(bytes).to_string();
    let mut limits = format!("{} a message, {} of output", print_duration(app.timeout), size(app.recv_limit));
    // Writing into a string does not fail.
    let _ = write!(limits, ", {} of memory ({} of heap in QuickJS)", size(app.memory), size(app.quickjs_memory));
    for (name, (soft, hard)) in &app.rlimits {
        let _ = write!(limits, ", {name} {soft}/{hard}");
    }
    text.line("limits", &limits);
    if !app.show.is_empty() {
        text.line("sees", &listed(&app.show));
    }
    text.line("heartbeats", app.worker_name.as_deref().unwrap_or("none"));
    let log =
        app.logging_resource.as_ref().map_or("the worker's log".to_owned(), |name| format!("the resource {name}"));
    text.line("log", &log);
    if app.profile == Profile::Strict {
        text.line("profile", "strict: vxsandbox to the letter");
    }
    for (name, resource) in &app.resources {
        text.line(&format!("has {name}"), &resource_as_text(resource));
    }
}

fn program_as_text(program: &Program, text: &mut Lines) {
    match program {
        Program::Executable { executable, args } => {
            text.line("program", &format!("{} {}", executable.display(), args.join(" ")));
        }
        Program::JavaScript { source, engine, node_modules, .. } => {
            let source = match source {
                Source::File(file) => file.display().to_string(),
                Source::Inline(script) => format!("JavaScript, {} bytes", script.len()),
            };
            text.line("program", &source);
            let engine = match engine {
                JavaScriptEngine::Auto { node: Some(node) } => {
                    format!("auto: QuickJS if the app loads there, else {}", node.display())
                }
                JavaScriptEngine::Auto { node: None } => "auto: QuickJS, since there is no Node".to_owned(),
                JavaScriptEngine::QuickJs => "QuickJS".to_owned(),
                JavaScriptEngine::Node { executable, args } => format!("{} {}", executable.display(), args.join(" ")),
            };
            text.line("engine", engine.trim_end());
            if !node_modules.is_empty() {
                text.line("modules", &listed(node_modules));
            }
        }
    }
}

fn listed(paths: &[PathBuf]) -> String {
    paths.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(", ")
}

fn resource_as_text(resource: &ResourceConfig) -> String {
    match resource {
        ResourceConfig::Js => "js".to_owned(),
        ResourceConfig::Log => "log".to_owned(),
        ResourceConfig::Kv { store, hard, soft } => {
            let store = match store {
                KvStore::Redis { host, port, db, key_prefix, key_separator, .. } => {
                    let prefix =
                        key_prefix.as_ref().map_or_else(String::new, |prefix| format!("{prefix}{key_separator}"));
                    format!("kv, Redis {host}:{port}, database {db}, keys begin with {prefix:?}")
                }
                KvStore::Embedded { file } => format!("kv, {}", file.display()),
            };
            format!("{store}; at most {hard} keys, warns at {soft}")
        }
        ResourceConfig::Http { timeout, data_limit, allow_private } => {
            let private = if allow_private.is_empty() {
                "no private addresses".to_owned()
            } else {
                format!("also {}", allow_private.join(", "))
            };
            format!("http, {}, {}, {private}", print_duration(*timeout), ByteSize::from_bytes(*data_limit))
        }
        ResourceConfig::Outbound { endpoints, .. } => {
            let mut names = vec!["default"];
            names.extend(endpoints.iter().map(String::as_str));
            format!("outbound, endpoints {}", names.join(", "))
        }
        ResourceConfig::Metrics { prefix } => format!("metrics, {prefix}.stores.*"),
        ResourceConfig::Config { keys } => {
            let keys: Vec<String> = keys.iter().map(|(key, file)| format!("{key} = {}", file.display())).collect();
            format!("config, {}", keys.join(", "))
        }
    }
}
