//! Variables and flags: the originals' and ours.

use belljar_sandbox::spelling::nearest;

use super::load::{CONFIG_VARIABLES, Context, read_file};
use super::problem::{Place, Writing};
use super::section::{Dialect, Report, Section};
use super::settings::{SETTINGS, variable_of};
use super::tree::{Node, Value};

/// What Kubernetes and Docker put into the environment of everything next to a service called `belljar-worker`.
const OF_ORCHESTRATORS: [&str; 3] = ["BELLJAR_WORKER_SERVICE_", "BELLJAR_WORKER_PORT", "BELLJAR_WORKER_ENV_"];

/// Commands of `twistd` that start a worker.
const COMMANDS: [&str; 2] = ["vumi_worker", "start_worker"];

/// Lays variables and flags over what the file says of the worker.
pub(super) fn lay(tree: &mut Node, context: &Context<'_>, report: &mut Report) {
    let mut set = |key: &str, value: Value, place: Place| {
        tree.set(&key.split('.').collect::<Vec<_>>(), Node::new(value, place));
    };
    for (key, node) in vumi_config(context, report) {
        set(key, node.value, node.place);
    }
    for (key, value, place) in amqp_variables(context, report) {
        set(key, Value::Untyped(value), place);
    }
    for (name, value) in &context.sources.environment {
        let Some(name) = name.to_str() else { continue };
        let Some(key) = setting_of(name, report) else { continue };
        let place = Place::new(Writing::Variable(name.to_owned()));
        match value.to_str() {
            Some(value) => set(key, Value::Untyped(value.to_owned()), place),
            None => report.error(&place, "", "not UTF-8 text", None),
        }
    }
    for (flag, key, value) in &context.sources.flags {
        set(key, Value::Untyped(value.clone()), Place::new(Writing::Flag((*flag).to_owned())));
    }
    if let Some(password) = &context.sources.password {
        let value = Value::Text(password.reveal().to_owned());
        set("worker.broker.password", value, Place::new(Writing::Flag("--password".to_owned())));
    }
    for (key, value) in &context.sources.settings {
        set(key, Value::Untyped(value.clone()), Place::new(Writing::Flag(format!("--set {key}"))));
    }
}

/// The setting that a variable of ours sets.
fn setting_of(variable: &str, report: &mut Report) -> Option<&'static str> {
    if variable == "BELLJAR_LOG" {
        return Some("log.filter");
    }
    let known = SETTINGS.iter().find(|key| variable_of(key) == variable);
    if known.is_none()
        && variable.starts_with("BELLJAR_WORKER_")
        && !CONFIG_VARIABLES.contains(&variable)
        && !OF_ORCHESTRATORS.iter().any(|prefix| variable.starts_with(prefix))
    {
        let variables: Vec<String> = SETTINGS.iter().map(|key| variable_of(key)).collect();
        let hint = nearest(variable, variables.iter().map(String::as_str)).map(|near| format!("did you mean {near}?"));
        let place = Place::new(Writing::Variable(variable.to_owned()));
        report.error(&place, "", "there is no such setting", hint);
    }
    known.copied()
}

/// The file of `--vumi-config`.
fn vumi_config(context: &Context<'_>, report: &mut Report) -> Vec<(&'static str, Node)> {
    const KEYS: [(&str, &str); 6] = [
        ("hostname", "worker.broker.host"),
        ("port", "worker.broker.port"),
        ("username", "worker.broker.username"),
        ("password", "worker.broker.password"),
        ("vhost", "worker.broker.vhost"),
        ("system-id", "worker.system_id"),
    ];
    let Some(file) = &context.sources.vumi_config else { return Vec::new() };
    let tree = match read_file(&context.sources.directory.join(file), file.clone(), report) {
        Ok(tree) => tree,
        Err(problem) => {
            report.errors.push(problem);
            return Vec::new();
        }
    };
    let Some(mut section) = Section::new(tree, "", Dialect::Vumi, report) else { return Vec::new() };
    let found = KEYS.iter().filter_map(|(name, key)| Some((*key, untyped(section.take(name, report)?)))).collect();
    for unused in ["specfile", "sentry"] {
        section.take(unused, report);
    }
    section.finish(report);
    found
}

/// A number in quotes is a number in this file.
fn untyped(node: Node) -> Node {
    match node.value {
        Value::Text(text) => Node::new(Value::Untyped(text), node.place),
        _ => node,
    }
}

/// What the entry point of Vumi's images makes of its variables: a host switches the others on.
fn amqp_variables(context: &Context<'_>, report: &mut Report) -> Vec<(&'static str, String, Place)> {
    const REST: [(&str, &str, &str); 4] = [
        ("AMQP_PORT", "worker.broker.port", "5672"),
        ("AMQP_VHOST", "worker.broker.vhost", "/"),
        ("AMQP_USERNAME", "worker.broker.username", "guest"),
        ("AMQP_PASSWORD", "worker.broker.password", "guest"),
    ];
    let place = |name: &str| Place::new(Writing::Variable(name.to_owned()));
    let variable = |name: &str| context.variable(name).filter(|value| !value.is_empty());
    let Some(host) = variable("AMQP_HOST") else {
        for (name, _, _) in REST {
            if variable(name).is_some() {
                report.warning(&place(name), "", "not used, because AMQP_HOST is not set", None);
            }
        }
        return Vec::new();
    };
    let mut values = vec![("worker.broker.host", host, place("AMQP_HOST"))];
    for (name, key, default) in REST {
        match variable(name) {
            Some(value) => values.push((key, value, place(name))),
            None => values.push((key, default.to_owned(), place("AMQP_HOST"))),
        }
    }
    values
}

/// What was said and has no meaning here.
pub(super) fn notes(context: &Context<'_>, report: &mut Report) {
    for flag in &context.sources.unused {
        report.warning(&Place::new(Writing::Flag((*flag).to_owned())), "", "not used", None);
    }
    if context.variable("SENTRY_DSN").is_some_and(|dsn| !dsn.is_empty()) {
        let place = Place::new(Writing::Variable("SENTRY_DSN".to_owned()));
        let hint = "errors are in the log (log.format=json) and counted at /metrics".to_owned();
        report.warning(&place, "", "not used: nothing is sent to Sentry", Some(hint));
    }
    if let Some(command) = context.variable("TWISTD_COMMAND").filter(|command| !COMMANDS.contains(&command.as_str())) {
        let place = Place::new(Writing::Variable("TWISTD_COMMAND".to_owned()));
        let text = format!("{command:?} is no worker: belljar takes the place of vumi_worker only");
        report.error(&place, "", text, None);
    }
}
