//! An app as vxsandbox configures it.

use super::app::{self, VUMI};
use super::classes::{self, WorkerClass};
use super::clean::as_text;
use super::load::Context;
use super::problem::Place;
use super::resource;
use super::section::{Dialect, Report, Section};
use super::tree::{Node, Value};
use super::{App, Program, ResourceConfig, Source};

/// The app of a file, over which options have been laid already.
pub(super) fn read(
    tree: Node,
    class: Option<(&str, &Place)>,
    defaults: Vec<(String, Node)>,
    context: &Context<'_>,
    report: &mut Report,
) -> Option<App> {
    let mut section = Section::new(tree, "", Dialect::Vumi, report)?.with_defaults(defaults);
    let class = class_of(class, &section, report)?;
    let javascript = class != WorkerClass::Sandbox;

    let transport_name = section.required_text("transport_name", "the prefix of the app's queues", report);
    if let Some(name) = &transport_name {
        let place = report.origins.get("transport_name").unwrap_or(&section.place).clone();
        app::check_transport_name(name, "transport_name", &place, report);
    }
    let env = app::environment(&mut section, report);
    let program = match class {
        WorkerClass::Sandbox => app::executable(&mut section, context, report),
        WorkerClass::JsSandbox => {
            let text = section.required_text("javascript", "the app's text, for the class JsSandbox", report);
            text.map(|text| app::javascript(&mut section, Source::Inline(text), &env, &VUMI, context, report))
        }
        WorkerClass::JsFileSandbox | WorkerClass::StandaloneJsFileSandbox => {
            let source = if section.has("javascript_file") {
                section
                    .take("javascript_file", report)
                    .and_then(|node| app::app_file(node, "javascript_file", context, report))
            } else {
                section.required_text("javascript_file", "the file with the app, for the class JsFileSandbox", report);
                None
            };
            source.map(|source| app::javascript(&mut section, source, &env, &VUMI, context, report))
        }
    };
    // Whatever is wrong with it has been said; all else is checked nevertheless.
    let failed = program.is_none() || transport_name.is_none();
    let program = program.unwrap_or_else(nothing);
    let mut app = App::new(transport_name.unwrap_or_default(), program);
    app.env = env;
    app::common(&mut section, &mut app, &VUMI, context, report);
    if let Some(name) = &app.worker_name {
        app.name.clone_from(name);
    }
    app.sandbox_id = sandbox_id(class, &mut section, report);
    app.logging_resource = match section.take_any("logging_resource", report) {
        // Only this class has a default, and null switches it off.
        None => (class == WorkerClass::JsSandbox).then(|| "log".to_owned()),
        Some(node) if node.value == Value::Null => None,
        Some(node) => as_text(node, "logging_resource", report),
    };
    let entries = section.table("sandbox", report).unwrap_or_default();
    app.resources = resource::read_all(entries, "sandbox", Dialect::Vumi, &app.name, context, report);
    if javascript {
        for (name, default) in [("js", ResourceConfig::Js), ("log", ResourceConfig::Log)] {
            app.resources.entry(name.to_owned()).or_insert(default);
        }
    }
    app.log_messages = middleware(&mut section, report);
    app::finish(&mut app, &section, report);
    section.finish(report);
    (!failed).then_some(app)
}

/// The class that was named, or that which the keys make likely.
fn class_of(class: Option<(&str, &Place)>, section: &Section, report: &mut Report) -> Option<WorkerClass> {
    let Some((dotted, place)) = class else {
        return Some(if section.has("javascript_file") {
            if section.has("sandbox_id") { WorkerClass::StandaloneJsFileSandbox } else { WorkerClass::JsFileSandbox }
        } else if section.has("javascript") {
            WorkerClass::JsSandbox
        } else {
            WorkerClass::Sandbox
        });
    };
    classes::worker(dotted).map_err(|refused| report.error(place, "", refused.text, refused.hint)).ok()
}

/// Stands in for a program that could not be read.
fn nothing() -> Program {
    Program::Executable { executable: std::path::PathBuf::new(), args: Vec::new() }
}

fn sandbox_id(class: WorkerClass, section: &mut Section, report: &mut Report) -> Option<String> {
    if class == WorkerClass::StandaloneJsFileSandbox {
        return section.required_text("sandbox_id", "the tenant, in whose name the app keeps its data", report);
    }
    if section.text("sandbox_id", report).is_some() {
        let place = report.origins.get("sandbox_id").unwrap_or(&section.place).clone();
        let hint = "for one tenant the class is vxsandbox.worker.StandaloneJsFileSandbox".to_owned();
        let text = "not used by this class, which takes the tenant from the `sandbox_id` of each message";
        report.warning(&place, "sandbox_id", text, Some(hint));
    }
    None
}

/// Only Vumi's logging of messages is there; any other middleware would be missed.
fn middleware(section: &mut Section, report: &mut Report) -> Option<String> {
    let node = section.take("middleware", report)?;
    let Value::List(items) = node.value else {
        report.error(&node.place, "middleware", format!("found {}, expected a list", node.shown()), None);
        return None;
    };
    let mut level = None;
    for (index, item) in items.into_iter().enumerate() {
        let key = format!("middleware.{index}");
        let place = item.place.clone();
        let shown = item.shown();
        let Value::Table(mut entries) = item.value else {
            report.error(&place, &key, format!("found {shown}, expected NAME: CLASS"), None);
            continue;
        };
        let (Some((name, value)), true) = (entries.pop(), entries.is_empty()) else {
            report.error(&place, &key, "expected one NAME: CLASS", None);
            continue;
        };
        if let Some(found) = one_middleware(&name, value, &format!("{key}.{name}"), section, report) {
            level = Some(found);
        }
    }
    level
}

fn one_middleware(name: &str, value: Node, key: &str, section: &mut Section, report: &mut Report) -> Option<String> {
    let place = value.place.clone();
    let dotted = if matches!(value.value, Value::Table(_)) {
        let mut inner = Section::new(value, key, Dialect::Vumi, report)?;
        let dotted = inner.required_text("class", "vumi.middleware.logging.LoggingMiddleware", report);
        // The order of one middleware.
        for priority in ["consume_priority", "publish_priority"] {
            inner.integer(priority, i64::MIN..=i64::MAX, report);
        }
        inner.finish(report);
        dotted?
    } else {
        as_text(value, key, report)?
    };
    // Its options are there whether it is ours or not.
    let options = section.take_named(name).filter(|node| node.value != Value::Null);
    if !classes::is_logging_middleware(&dotted) {
        let hint = "only vumi.middleware.logging.LoggingMiddleware is there; without this one the app would see other messages";
        report.error(&place, key, format!("there is no middleware {dotted}"), Some(hint.to_owned()));
        return None;
    }
    let levels =
        [("debug", "debug"), ("info", "info"), ("warning", "warning"), ("error", "error"), ("critical", "critical")];
    let mut level = "info";
    if let Some(mut options) = options.and_then(|node| Section::new(node, name, Dialect::Vumi, report)) {
        level = options.choice("log_level", &levels, report).unwrap_or(level);
        // What Vumi logs failures of transports with; an app has none.
        options.text("failure_log_level", report);
        options.finish(report);
    }
    Some(level.to_owned())
}
