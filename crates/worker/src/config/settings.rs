//! What belongs to the worker and not to one app: `[worker]` and `[log]`, wherever it was set.

use std::net::SocketAddr;
use std::path::PathBuf;

use super::clean::{as_text, path};
use super::load::Context;
use super::section::{Dialect, Report, Section};
use super::tree::{Node, Value};
use super::{Broker, Worker};

/// Settings that have a variable: `BELLJAR_` and the key in capitals, with `_` for each dot.
pub const SETTINGS: [&str; 21] = [
    "worker.operations",
    "worker.data_dir",
    "worker.system_id",
    "worker.drain_timeout",
    "worker.broker.host",
    "worker.broker.port",
    "worker.broker.username",
    "worker.broker.password",
    "worker.broker.vhost",
    "worker.defaults.engine",
    "worker.defaults.node_modules",
    "worker.defaults.prestart",
    "worker.defaults.memory",
    "worker.defaults.quickjs_memory",
    "worker.defaults.profile",
    "worker.defaults.timeout",
    "worker.defaults.recv_limit",
    "worker.defaults.messages_per_process",
    "worker.defaults.dead_letter_queue",
    "log.format",
    "log.filter",
];

/// The part of [`SETTINGS`] that stands for keys of apps.
const DEFAULTS: &str = "worker.defaults.";

/// Everything but the apps, and what is set for all apps that do not set it.
pub(super) fn read(
    worker: &mut Section,
    log: Option<Node>,
    context: &Context<'_>,
    report: &mut Report,
) -> (Worker, Vec<(String, Node)>) {
    let mut result = Worker::new(Vec::new(), context.data_dir.clone());
    let key = worker.key("operations");
    if let Some(node) = worker.take("operations", report) {
        let place = node.place.clone();
        if let Some(text) = as_text(node, &key, report) {
            match text.parse::<SocketAddr>() {
                Ok(address) => result.operations = Some(address),
                Err(_) => {
                    let text = format!("found {text:?}, expected an address and a port such as \"127.0.0.1:9464\"");
                    report.error(&place, &key, text, None);
                }
            }
        }
    }
    // It was needed before everything else, and is in the context already.
    worker.take("data_dir", report);
    if let Some(id) = worker.text("system_id", report) {
        result.system_id = id;
    }
    result.drain_timeout = worker.time("drain_timeout", report).unwrap_or(result.drain_timeout);
    if let Some(mut section) = worker.section("broker", report) {
        result.broker = broker(&mut section, context, report);
        section.finish(report);
    }
    let mut defaults = Vec::new();
    if let Some(mut section) = worker.section("defaults", report) {
        for key in SETTINGS {
            let Some(name) = key.strip_prefix(DEFAULTS) else { continue };
            if let Some(node) = section.take(name, report) {
                defaults.push((name.to_owned(), node));
            }
        }
        section.finish(report);
    }
    if let Some(mut section) = log.and_then(|node| Section::new(node, "log", Dialect::Belljar, report)) {
        let formats = [("text", false), ("json", true)];
        result.log_json = section.choice("format", &formats, report).unwrap_or(false);
        if let Some(filter) = section.text("filter", report) {
            result.log_filter = filter;
        }
        section.finish(report);
    }
    (result, defaults)
}

fn broker(section: &mut Section, context: &Context<'_>, report: &mut Report) -> Broker {
    let mut broker = Broker::default();
    if let Some(host) = section.text("host", report) {
        if host.is_empty() {
            let key = section.key("host");
            let place = report.origins.get(&key).unwrap_or(&section.place).clone();
            report.error(&place, &key, "empty, expected a host name", None);
        }
        broker.host = host;
    }
    if let Some(port) = section.integer("port", 1..=65535, report) {
        broker.port = u16::try_from(port).unwrap_or(broker.port);
    }
    broker.username = section.text("username", report).unwrap_or(broker.username);
    broker.password = section.secret("password", context, report).unwrap_or(broker.password);
    broker.vhost = section.text("vhost", report).unwrap_or(broker.vhost);
    broker
}

/// Where data is kept, before anything else is read.
pub(super) fn data_dir(worker: &Node, context: &Context<'_>, report: &mut Report) -> Option<PathBuf> {
    let Value::Table(entries) = &worker.value else { return None };
    let (_, node) = entries.iter().find(|(key, _)| key == "data_dir")?;
    let (directory, place) = path(node.clone(), "worker.data_dir", report)?;
    Some(context.resolve(&directory, &place))
}

/// The variable of a setting.
#[must_use]
pub fn variable_of(key: &str) -> String {
    format!("BELLJAR_{}", key.to_uppercase().replace('.', "_"))
}
