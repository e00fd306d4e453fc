//! Apps as belljar's own form has them.

use std::collections::BTreeMap;

use super::app::{self, BELLJAR};
use super::load::Context;
use super::resource;
use super::section::{Dialect, Report, Section};
use super::tree::Node;
use super::{App, Program, ResourceConfig, Source};

/// Bytes of an app's name: it names files and metrics.
const MAX_NAME: usize = 64;

/// One app of `[apps.NAME]`.
pub(super) fn read(
    name: &str,
    node: Node,
    defaults: Vec<(String, Node)>,
    context: &Context<'_>,
    report: &mut Report,
) -> Option<App> {
    let mut section = Section::new(node, format!("apps.{name}"), Dialect::Belljar, report)?.with_defaults(defaults);
    let is_right = |sign: char| sign.is_ascii_alphanumeric() || matches!(sign, '_' | '-' | '.');
    if name.is_empty() || name.len() > MAX_NAME || !name.chars().all(is_right) || name.starts_with('.') {
        let text =
            format!("an app's name is 1 to {MAX_NAME} letters, digits, '_', '-' and '.', and does not begin with '.'");
        report.error(&section.place, &section.path, text, None);
    }
    let transport_name = section.text("transport_name", report).unwrap_or_else(|| name.to_owned());
    let key = section.key("transport_name");
    let place = report.origins.get(&key).unwrap_or(&section.place).clone();
    app::check_transport_name(&transport_name, &key, &place, report);
    let env = app::environment(&mut section, report);
    let program = program(&mut section, &env, context, report);
    let failed = program.is_none();
    let program =
        program.unwrap_or_else(|| Program::Executable { executable: std::path::PathBuf::new(), args: Vec::new() });
    let javascript = matches!(program, Program::JavaScript { .. });

    let mut app = App::new(transport_name, program);
    name.clone_into(&mut app.name);
    app.env = env;
    app::common(&mut section, &mut app, &BELLJAR, context, report);
    app.sandbox_id = tenant(name, &mut section, report);
    app.logging_resource = section.text("logging_resource", report);
    let levels = ["debug", "info", "warning", "error", "critical"].map(|level| (level, level));
    app.log_messages = section.choice("log_messages", &levels, report).map(str::to_owned);
    let entries = section.table("resources", report).unwrap_or_default();
    let path = section.key("resources");
    app.resources = resource::read_all(entries, &path, Dialect::Belljar, name, context, report);
    let reply = ResourceConfig::Outbound { allowed_helper_metadata: Vec::new(), endpoints: Vec::new() };
    let mut implied = vec![("log", ResourceConfig::Log), ("outbound", reply)];
    if javascript {
        implied.push(("js", ResourceConfig::Js));
    }
    for (name, resource) in implied {
        app.resources.entry(name.to_owned()).or_insert(resource);
    }
    if app.logging_resource.is_none() && app.resources.get("log") == Some(&ResourceConfig::Log) {
        app.logging_resource = Some("log".to_owned());
    }
    app::finish(&mut app, &section, report);
    section.finish(report);
    (!failed).then_some(app)
}

/// One of `javascript_file`, `javascript` and `executable`.
fn program(
    section: &mut Section,
    env: &BTreeMap<String, String>,
    context: &Context<'_>,
    report: &mut Report,
) -> Option<Program> {
    let given: Vec<&str> =
        ["javascript_file", "javascript", "executable"].into_iter().filter(|name| section.has(name)).collect();
    if given.len() != 1 {
        let text = match given.as_slice() {
            [] => "no app: one of javascript_file, javascript and executable is needed".to_owned(),
            more => format!("{} together: an app is one of them", more.join(" and ")),
        };
        report.error(&section.place, &section.path, text, None);
        // They are wrong together, not each for itself.
        section.take("executable", report);
        section.take("args", report);
    }
    let key = section.key("javascript_file");
    let file = section.take("javascript_file", report);
    let text = section.text("javascript", report);
    let source = match (file, text) {
        (Some(node), _) => app::app_file(node, &key, context, report),
        (None, text) => text.map(Source::Inline),
    };
    match (given.as_slice(), source) {
        (["executable"], _) => app::executable(section, context, report),
        (_, Some(source)) => Some(app::javascript(section, source, env, &BELLJAR, context, report)),
        _ => None,
    }
}

/// The tenant: one for the app, unless the messages say.
fn tenant(name: &str, section: &mut Section, report: &mut Report) -> Option<String> {
    let fixed = section.text("sandbox_id", report);
    let of_message = section.boolean("sandbox_id_from_message", report).unwrap_or(false);
    if of_message && fixed.is_some() {
        let key = section.key("sandbox_id_from_message");
        let place = report.origins.get(&key).unwrap_or(&section.place).clone();
        report.error(&place, &key, "sandbox_id is set as well: one or the other", None);
    }
    if of_message { None } else { Some(fixed.unwrap_or_else(|| name.to_owned())) }
}
