//! An app, from the keys that both forms of configuration have.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use belljar_sandbox::spelling::nearest;

use super::clean::{as_integer, path};
use super::load::Context;
use super::problem::Place;
use super::section::{Dialect, Report, Section};
use super::tree::{Node, Value};
use super::yaml::read_text;
use super::{App, JavaScriptEngine, Profile, Program, ResourceConfig, Source, node};

/// What vxsandbox can limit, by the kernel's names.
pub(super) const RLIMITS: [&str; 9] = [
    "RLIMIT_CORE",
    "RLIMIT_CPU",
    "RLIMIT_FSIZE",
    "RLIMIT_DATA",
    "RLIMIT_STACK",
    "RLIMIT_RSS",
    "RLIMIT_NOFILE",
    "RLIMIT_MEMLOCK",
    "RLIMIT_AS",
];

/// Bytes of an app's text. The largest app that we saw has 113 KB.
const MAX_APP: u64 = 16 << 20;

/// Bytes of a transport's name: the longest name of a queue that is made from it, `<name>.outbound`, must fit the 255 of AMQP.
const MAX_TRANSPORT_NAME: usize = 240;

/// Least limits with which Node 20 was seen to start, and vxsandbox's defaults, with which it is killed at once.
const LEAST_FOR_NODE: [(&str, i64, i64); 2] = [("RLIMIT_AS", 786 << 20, 196 << 20), ("RLIMIT_NOFILE", 20, 15)];

/// Where a program without a slash in its name is looked for: what `bash` does with an empty environment.
const PATH: [&str; 6] = ["/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"];

#[derive(Clone, Copy)]
enum Engine {
    Auto,
    QuickJs,
    Node,
}

/// What the two forms call differently.
pub(super) struct Names {
    pub(super) prefetch: &'static str,
    /// Node, for JavaScript.
    pub(super) node: &'static str,
    pub(super) node_args: &'static str,
}

pub(super) const VUMI: Names = Names { prefetch: "amqp_prefetch_count", node: "executable", node_args: "args" };
pub(super) const BELLJAR: Names = Names { prefetch: "prefetch", node: "node", node_args: "node_args" };

/// The keys that mean the same to every app. What the program is, and its resources, are read before.
pub(super) fn common(section: &mut Section, app: &mut App, names: &Names, context: &Context<'_>, report: &mut Report) {
    if let Some(count) = section.integer(names.prefetch, 1..=i64::from(u16::MAX), report) {
        app.prefetch = u16::try_from(count).unwrap_or(u16::MAX);
    }
    app.worker_name = section.text("worker_name", report);
    let key = section.key("path");
    if let Some((directory, place)) = section.take("path", report).and_then(|node| path(node, &key, report)) {
        let directory = context.resolve(&directory, &place);
        if !directory.is_dir() {
            report.error(&place, &key, format!("there is no directory {}", directory.display()), None);
        }
        app.path = Some(directory);
    }
    let key = section.key("show");
    for (index, (text, place)) in section.texts("show", report).unwrap_or_default().into_iter().enumerate() {
        let shown = context.resolve(Path::new(&text), &place);
        if !shown.exists() {
            report.error(&place, &format!("{key}.{index}"), format!("there is no {}", shown.display()), None);
        }
        app.show.push(shown);
    }
    app.timeout = section.time("timeout", report).unwrap_or(app.timeout);
    app.recv_limit = section.bytes("recv_limit", report).unwrap_or(app.recv_limit);
    if let Some(count) = section.integer("messages_per_process", 1..=i64::from(u32::MAX), report) {
        app.messages_per_process = u32::try_from(count).unwrap_or(u32::MAX);
    }
    if let Some(count) = section.integer("prestart", 0..=64, report) {
        app.prestart = u16::try_from(count).unwrap_or(0);
    }
    app.memory = section.bytes("memory", report).unwrap_or(app.memory);
    app.quickjs_memory = section.bytes("quickjs_memory", report).unwrap_or(app.quickjs_memory);
    let profiles = [("belljar", Profile::Belljar), ("strict", Profile::Strict)];
    app.profile = section.choice("profile", &profiles, report).unwrap_or_default();
    app.dead_letter_queue = section.text("dead_letter_queue", report);
    rlimits(section, app, report);
    send_to(section, app, report);
}

/// The environment; read first, because `NODE_PATH` is in it.
pub(super) fn environment(section: &mut Section, report: &mut Report) -> BTreeMap<String, String> {
    let key = section.key("env");
    let mut variables = BTreeMap::new();
    for (name, (value, place)) in section.text_table("env", report).unwrap_or_default() {
        if name.is_empty() || name.contains(['=', '\0']) || value.contains('\0') {
            report.error(&place, &format!("{key}.{name}"), "no environment has such a variable", None);
        }
        variables.insert(name, value);
    }
    variables
}

/// Checks the prefix of the queues.
pub(super) fn check_transport_name(name: &str, key: &str, place: &Place, report: &mut Report) {
    if name.is_empty() || name.len() > MAX_TRANSPORT_NAME {
        let text = format!("{} bytes, expected 1 to {MAX_TRANSPORT_NAME}", name.len());
        report.error(place, key, text, None);
    } else if name.chars().any(char::is_uppercase) {
        let hint = Some("names of queues are lower case, here and in the transport's own configuration".to_owned());
        let text =
            format!("{name:?} has capitals, with which Vumi does not publish, expected {:?}", name.to_lowercase());
        report.error(place, key, text, hint);
    }
}

/// An app in JavaScript.
pub(super) fn javascript(
    section: &mut Section,
    source: Source,
    env: &BTreeMap<String, String>,
    names: &Names,
    context: &Context<'_>,
    report: &mut Report,
) -> Program {
    let app_context = section.text("app_context", report).filter(|expression| !expression.trim().is_empty());
    let engines = [("auto", Engine::Auto), ("quickjs", Engine::QuickJs), ("node", Engine::Node)];
    let engine = section.choice("engine", &engines, report).unwrap_or(Engine::Auto);
    let node_key = section.key(names.node);
    let named = section.take(names.node, report).and_then(|node| path(node, &node_key, report));
    let args_key = section.key(names.node_args);
    let args: Vec<String> =
        section.texts(names.node_args, report).unwrap_or_default().into_iter().map(|(text, _)| text).collect();
    let found = match &named {
        Some((executable, place)) => {
            let found = program(executable, place, context);
            if found.is_none() {
                // Where QuickJS may do, an image without Node is no mistake.
                let text = format!("there is no program {}", executable.display());
                let needed = !args.is_empty() || matches!(engine, Engine::Node);
                if needed {
                    report.error(place, &node_key, text, Some(format!("Node is at {}", where_node_is())));
                } else {
                    report.warning(place, &node_key, text, Some(where_node_is()));
                }
            }
            found.or_else(node::find)
        }
        None => node::find(),
    };
    let engine = match engine {
        Engine::QuickJs => {
            if !args.is_empty() {
                let place = report.origins.get(&args_key).unwrap_or(&section.place).clone();
                report.warning(&place, &args_key, "not used: QuickJS has no runner script", None);
            }
            JavaScriptEngine::QuickJs
        }
        Engine::Auto if args.is_empty() => JavaScriptEngine::Auto { node: found },
        // A runner script of the operator's own can only be run by Node.
        Engine::Auto | Engine::Node => match found {
            Some(executable) => JavaScriptEngine::Node { executable, args },
            None => {
                if named.is_none() {
                    let place = report.origins.get(&section.key("engine")).unwrap_or(&section.place).clone();
                    let hint = Some(format!("install it, set `{}`, or set `engine = \"quickjs\"`", names.node));
                    report.error(
                        &place,
                        &node_key,
                        format!("there is no Node: not at {}", node::PLACES.join(", ")),
                        hint,
                    );
                }
                JavaScriptEngine::Auto { node: None }
            }
        },
    };
    let node_modules = node_modules(section, &source, env, context, report);
    Program::JavaScript { source, app_context, engine, node_modules }
}

fn where_node_is() -> String {
    match node::find() {
        Some(path) => format!("Node is at {}", path.display()),
        None => format!("Node is not at {}, either", node::PLACES.join(", ")),
    }
}

/// Any program.
pub(super) fn executable(section: &mut Section, context: &Context<'_>, report: &mut Report) -> Option<Program> {
    let key = section.key("executable");
    let args = section.texts("args", report).unwrap_or_default().into_iter().map(|(text, _)| text).collect();
    let Some(node) = section.take("executable", report) else {
        let place = section.place.clone();
        let hint = "the program to run; for JavaScript set `javascript_file` (and a class for it, in YAML)";
        report.error(&place, &key, "missing", Some(hint.to_owned()));
        return None;
    };
    let (named, place) = path(node, &key, report)?;
    let Some(executable) = program(&named, &place, context) else {
        report.error(&place, &key, format!("there is no program {}", named.display()), None);
        return None;
    };
    Some(Program::Executable { executable, args })
}

/// A program by its path or, without a slash in it, by its name.
fn program(named: &Path, place: &Place, context: &Context<'_>) -> Option<PathBuf> {
    let paths = if named.components().count() == 1 && named.file_name().is_some_and(|name| name == named) {
        PATH.iter().map(|directory| Path::new(directory).join(named)).collect()
    } else {
        vec![context.resolve(named, place)]
    };
    paths.into_iter().find(|path| path.is_file())
}

/// An app's text in a file, which has to be there now, although it is read anew whenever it changes.
pub(super) fn app_file(node: Node, key: &str, context: &Context<'_>, report: &mut Report) -> Option<Source> {
    let (file, place) = path(node, key, report)?;
    let file = context.resolve(&file, &place);
    if let Err(reason) = read_text(&file, MAX_APP) {
        report.error(&place, key, format!("cannot read the app {}: {reason}", file.display()), None);
    }
    Some(Source::File(file))
}

/// Those that are named, those of the directories above the app, as Node looks for them, and those of `NODE_PATH`.
fn node_modules(
    section: &mut Section,
    source: &Source,
    env: &BTreeMap<String, String>,
    context: &Context<'_>,
    report: &mut Report,
) -> Vec<PathBuf> {
    let mut directories = Vec::new();
    let mut add = |directory: PathBuf| {
        if !directories.contains(&directory) {
            directories.push(directory);
        }
    };
    let key = section.key("node_modules");
    for (index, (text, place)) in section.texts("node_modules", report).unwrap_or_default().into_iter().enumerate() {
        let directory = context.resolve(Path::new(&text), &place);
        if !directory.is_dir() {
            report.error(
                &place,
                &format!("{key}.{index}"),
                format!("there is no directory {}", directory.display()),
                None,
            );
        }
        add(directory);
    }
    let beside = match source {
        Source::File(file) => file.parent().unwrap_or(Path::new("/")),
        Source::Inline(_) => &context.sources.directory,
    };
    for directory in beside.ancestors().map(|directory| directory.join("node_modules")).filter(|path| path.is_dir()) {
        add(directory);
    }
    for directory in env.get("NODE_PATH").into_iter().flat_map(|list| list.split(':')) {
        let directory = Path::new(directory);
        if directory.is_absolute() && directory.is_dir() {
            add(directory.to_owned());
        }
    }
    directories
}

fn rlimits(section: &mut Section, app: &mut App, report: &mut Report) {
    let path = section.key("rlimits");
    for (name, node) in section.table("rlimits", report).unwrap_or_default() {
        let key = format!("{path}.{name}");
        if !RLIMITS.contains(&name.as_str()) {
            let hint = match nearest(&name, RLIMITS) {
                Some(near) => format!("did you mean {near}?"),
                None => format!("known are {}", RLIMITS.join(", ")),
            };
            report.error(&node.place, &key, "there is no such limit", Some(hint));
            continue;
        }
        let Value::List(limits) = &node.value else {
            let text = format!("found {}, expected [SOFT, HARD]", node.shown());
            report.error(&node.place, &key, text, None);
            continue;
        };
        let mut numbers = limits.iter().map(|limit| as_integer(limit, &key, -1..=i64::MAX, section.dialect, report));
        let pair = (numbers.next(), numbers.next(), numbers.next());
        match pair {
            (Some(Some(soft)), Some(Some(hard)), None) => {
                // -1 is above all others.
                if hard >= 0 && (soft < 0 || soft > hard) {
                    let text = format!("the soft limit {soft} is above the hard limit {hard}");
                    report.error(&node.place, &key, text, None);
                }
                app.rlimits.insert(name, (soft, hard));
            }
            // Already said.
            (Some(None), ..) | (_, Some(None), _) => {}
            _ => {
                let text = format!("found a list of {}, expected [SOFT, HARD]", limits.len());
                report.error(&node.place, &key, text, None);
            }
        }
    }
}

fn send_to(section: &mut Section, app: &mut App, report: &mut Report) {
    let path = section.key("send_to");
    for (endpoint, node) in section.table("send_to", report).unwrap_or_default() {
        match node.to_json() {
            serde_json::Value::Object(fields) => {
                app.send_to.insert(endpoint, fields);
            }
            _ => {
                let text = format!("found {}, expected a table of fields", node.shown());
                report.error(&node.place, &format!("{path}.{endpoint}"), text, None);
            }
        }
    }
}

/// What can be said only when all of an app is known.
pub(super) fn finish(app: &mut App, section: &Section, report: &mut Report) {
    let key = section.key("logging_resource");
    let place = report.origins.get(&key).unwrap_or(&section.place).clone();
    let problem = match app.logging_resource.as_deref().map(|name| (name, app.resources.get(name))) {
        None | Some((_, Some(ResourceConfig::Log))) => None,
        Some((name, None)) => {
            Some(format!("there is no resource '{name}': what is said about the app goes to the worker's log"))
        }
        Some((name, Some(_))) => {
            Some(format!("'{name}' is no log: what is said about the app goes to the worker's log"))
        }
    };
    if let Some(text) = problem {
        app.logging_resource = None;
        match section.dialect {
            Dialect::Vumi => report.warning(&place, &key, text, None),
            Dialect::Belljar => report.error(&place, &key, text, None),
        }
    }
    if app.profile == Profile::Belljar {
        // Whoever says what a message to an endpoint is to have wants messages to be sent there.
        for resource in app.resources.values_mut() {
            if let ResourceConfig::Outbound { endpoints, .. } = resource {
                endpoints.extend(app.send_to.keys().filter(|name| *name != "default").cloned());
                endpoints.sort();
                endpoints.dedup();
            }
        }
    }
    if let Program::JavaScript {
        engine: JavaScriptEngine::Node { .. } | JavaScriptEngine::Auto { node: Some(_) },
        ..
    } = app.program
    {
        for (name, least, default) in LEAST_FOR_NODE {
            // Only the profile `strict` has vxsandbox's defaults.
            let default = (app.profile == Profile::Strict).then_some(default);
            let soft = app.rlimits.get(name).map(|(soft, _)| *soft).or(default);
            let Some(soft) = soft.filter(|soft| (0..least).contains(soft)) else { continue };
            let place = report.origins.get(&section.key("rlimits")).unwrap_or(&section.place).clone();
            let text = format!("{soft} may be too little for Node: version 20 starts with {least}");
            let hint = "QuickJS needs less; [-1, -1] leaves it to the sandbox".to_owned();
            report.warning(&place, &format!("{}.{name}", section.key("rlimits")), text, Some(hint));
        }
    }
    let has_kv = app.resources.values().any(|resource| matches!(resource, ResourceConfig::Kv { .. }));
    if has_kv && app.profile == Profile::Belljar && app.sandbox_id.as_ref().is_some_and(|id| id.contains('#')) {
        let key = section.key("sandbox_id");
        let place = report.origins.get(&key).unwrap_or(&section.place).clone();
        let hint = "another one, or `profile = \"strict\"` if its keys are there already".to_owned();
        report.error(&place, &key, "with # in it its keys could be another tenant's", Some(hint));
    }
    if matches!(app.program, Program::Executable { .. }) && app.messages_per_process > 1 {
        let key = section.key("messages_per_process");
        let place = report.origins.get(&key).unwrap_or(&section.place).clone();
        report.warning(&place, &key, "only of use where processes say `js.done`", None);
    }
}
