//! From files, variables and flags to a worker.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Component, Path, PathBuf};

use super::problem::{Place, Problem, Problems, Writing};
use super::section::{Dialect, Report, Section};
use super::settings;
use super::tree::{Node, Value};
use super::yaml::{self, Files};
use super::{App, Secret, Worker, belljar, example, overlay, toml, vumi};

/// All that may say something about a worker: the command line and the environment.
#[derive(Debug, Clone, Default)]
pub struct Sources {
    /// `--config`.
    pub config: Option<PathBuf>,
    /// `--vumi-config`.
    pub vumi_config: Option<PathBuf>,
    /// `--worker-class`.
    pub worker_class: Option<String>,
    /// `--set-option`, each `key:value`.
    pub options: Vec<String>,
    /// `--set`: keys such as `worker.defaults.timeout`, and their values.
    pub settings: Vec<(String, String)>,
    /// Flags that set what `--set` can set, too: the flag, the key, the value.
    pub flags: Vec<(&'static str, &'static str, String)>,
    /// `--password`.
    pub password: Option<Secret>,
    /// Flags that were given and mean nothing to us.
    pub unused: Vec<&'static str>,
    /// The environment.
    pub environment: Vec<(OsString, OsString)>,
    /// The example app is meant where there is no configuration; it keeps its data here.
    pub example: Option<PathBuf>,
    /// Directory of data, if nothing says which.
    pub data_dir: PathBuf,
    /// What relative paths of YAML, variables and flags are relative to: the working directory.
    pub directory: PathBuf,
}

/// What came of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Loaded {
    /// The worker.
    pub worker: Worker,
    /// What is probably not meant so.
    pub warnings: Vec<Problem>,
    /// Where each value that somebody set was written, by its key: `apps.NAME.timeout` in TOML, `timeout` in YAML.
    pub origins: BTreeMap<String, Place>,
}

/// Variables that name the configuration, the first that is set counts.
pub const CONFIG_VARIABLES: [&str; 2] = ["BELLJAR_WORKER_CONFIG", "CONFIG_FILE"];

/// What reading needs to know of the world.
pub(super) struct Context<'a> {
    pub(super) sources: &'a Sources,
    pub(super) data_dir: PathBuf,
}

impl Context<'_> {
    /// A variable of the environment, if it is text.
    pub(super) fn variable(&self, name: &str) -> Option<String> {
        let (_, value) = self.sources.environment.iter().find(|(known, _)| known == name)?;
        value.to_str().map(str::to_owned)
    }

    /// A path: in TOML relative to the file, elsewhere to the working directory, as vxsandbox does it. What is not there but beside
    /// the YAML file is meant to be that.
    pub(super) fn resolve(&self, path: &Path, place: &Place) -> PathBuf {
        let from_here = self.sources.directory.join(path);
        let Some(file) = place.file() else { return without_parents(from_here) };
        let beside = self.sources.directory.join(file).parent().unwrap_or(Path::new("/")).join(path);
        without_parents(if is_toml(file) || (!from_here.exists() && beside.exists()) { beside } else { from_here })
    }
}

/// Without `..`, which no path in a sandbox has. The last part may stay a symbolic link: its owner may point it elsewhere.
fn without_parents(path: PathBuf) -> PathBuf {
    if !path.components().any(|part| part == Component::ParentDir) {
        return path;
    }
    let real = match (path.parent(), path.file_name()) {
        (Some(parent), Some(name)) => parent.canonicalize().map(|parent| parent.join(name)),
        _ => path.canonicalize(),
    };
    real.unwrap_or(path)
}

/// The configuration, before it is known what it means.
enum Written {
    /// One app, in vxsandbox's form.
    Vumi(Node),
    /// In ours.
    Belljar(Node),
    /// Nothing was written.
    Example(PathBuf),
}

/// Reads everything and checks it. May be called again, to find out what changed.
///
/// # Errors
///
/// All that is wrong, not only the first.
pub fn load(sources: &Sources) -> Result<Loaded, Problems> {
    let mut report = Report::default();
    let mut context = Context { sources, data_dir: sources.data_dir.clone() };
    overlay::notes(&context, &mut report);
    let worker = match written(&context, &mut report) {
        Ok(written) => worker(written, &mut context, &mut report),
        Err(problem) => {
            report.errors.push(problem);
            None
        }
    };
    let Report { mut errors, mut warnings, origins } = report;
    warnings.sort_by(|one, other| one.place.cmp(&other.place));
    match worker {
        Some(worker) if errors.is_empty() => Ok(Loaded { worker, warnings, origins }),
        _ => {
            errors.sort_by(|one, other| one.place.cmp(&other.place));
            Err(Problems { errors, warnings })
        }
    }
}

fn worker(written: Written, context: &mut Context<'_>, report: &mut Report) -> Option<Worker> {
    let nowhere = Place::new(Writing::Flag("--set".to_owned()));
    let (mut tree, written) = match written {
        Written::Belljar(tree) => (tree, None),
        other => (Node::empty(nowhere), Some(other)),
    };
    overlay::lay(&mut tree, context, report);
    let mut root = Section::new(tree, "", Dialect::Belljar, report)?;
    let place = root.place.clone();
    let node = root.take("worker", report).unwrap_or_else(|| Node::empty(place.clone()));
    if let Some(directory) = settings::data_dir(&node, context, report) {
        context.data_dir = directory;
    }
    let mut section = Section::new(node, "worker", Dialect::Belljar, report)?;
    let log = root.take("log", report);
    let (mut worker, defaults) = settings::read(&mut section, log, context, report);
    section.finish(report);
    match written {
        None => worker.apps = apps(&mut root, &defaults, context, report),
        Some(written) => {
            if let Some(node) = root.take_named("apps") {
                let hint = "--set-option KEY:VALUE sets an option of the one app in a YAML file".to_owned();
                report.error(&node.place, "apps", "only TOML has apps", Some(hint));
            }
            worker.apps.extend(single(written, defaults, context, report));
        }
    }
    root.finish(report);
    Some(worker)
}

/// The app of a YAML file, or the example.
fn single(written: Written, defaults: Vec<(String, Node)>, context: &Context<'_>, report: &mut Report) -> Option<App> {
    match written {
        Written::Vumi(tree) => {
            let class = worker_class(context);
            let class = class.as_ref().map(|(class, place)| (class.as_str(), place));
            vumi::read(tree, class, defaults, context, report)
        }
        Written::Example(directory) => {
            belljar::read(example::NAME, example::table(&directory), defaults, context, report)
        }
        Written::Belljar(_) => None,
    }
}

/// The apps of a TOML file, no two of which may have the same queues.
fn apps(root: &mut Section, defaults: &[(String, Node)], context: &Context<'_>, report: &mut Report) -> Vec<App> {
    let entries = root.table("apps", report).unwrap_or_default();
    if entries.is_empty() {
        report.error(&root.place, "apps", "no app", Some("an app is a table such as [apps.hello]".to_owned()));
    }
    let mut apps: Vec<App> = Vec::new();
    for (name, node) in entries {
        let place = node.place.clone();
        let Some(app) = belljar::read(&name, node, defaults.to_vec(), context, report) else { continue };
        if let Some(other) = apps.iter().find(|other| other.transport_name == app.transport_name) {
            let text =
                format!("the app '{}' has the same transport_name: each would get half of the messages", other.name);
            report.error(&place, &format!("apps.{name}"), text, None);
        }
        apps.push(app);
    }
    apps.sort_by(|one, other| one.name.cmp(&other.name));
    apps
}

/// Finds and parses the configuration.
fn written(context: &Context<'_>, report: &mut Report) -> Result<Written, Problem> {
    let sources = context.sources;
    let mut file = sources.config.clone();
    for name in CONFIG_VARIABLES {
        file = file.or_else(|| context.variable(name).filter(|value| !value.is_empty()).map(PathBuf::from));
    }
    let mut tree = match file {
        Some(file) => {
            let tree = read_file(&sources.directory.join(&file), file.clone(), report)?;
            if is_toml(&file) {
                only_yaml(context, report);
                return Ok(Written::Belljar(tree));
            }
            tree
        }
        None if !sources.options.is_empty() || worker_class(context).is_some() => {
            Node::empty(Place::new(Writing::Flag("--set-option".to_owned())))
        }
        None => {
            return match &sources.example {
                Some(directory) => Ok(Written::Example(directory.clone())),
                None => Err(no_configuration()),
            };
        }
    };
    if tree.value == Value::Null {
        tree.value = Value::Table(Vec::new());
    }
    if matches!(tree.value, Value::Table(_)) {
        for (key, value, place) in vumi_options(context, report) {
            tree.set(&[key.as_str()], Node::new(Value::Untyped(value), place));
        }
    }
    Ok(Written::Vumi(tree))
}

/// A file by its name, which is called in messages what the operator called it.
pub(super) fn read_file(path: &Path, called: PathBuf, report: &mut Report) -> Result<Node, Problem> {
    let place = Place::new(Writing::File(called));
    let mut files = Files::default();
    let text = files.read(path).map_err(|reason| Problem {
        place: Some(place.clone()),
        key: String::new(),
        text: format!("cannot read the configuration: {reason}"),
        hint: None,
    })?;
    if is_toml(path) {
        return toml::parse(&text, &place);
    }
    let tree = yaml::parse(&text, &place, &mut files, &mut report.warnings)?;
    // What is missing is missing in the file, not in the first line of it.
    Ok(Node::new(tree.value, place))
}

fn is_toml(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("toml"))
}

/// What only an app in vxsandbox's form can make use of.
fn only_yaml(context: &Context<'_>, report: &mut Report) {
    if let Some((_, place)) = worker_class(context) {
        report.warning(&place, "", "not used: in TOML an app's keys say what it is", None);
    }
    for (key, _, place) in vumi_options(context, report) {
        let hint = format!("--set apps.NAME.{key}=VALUE sets an option of an app");
        report.error(&place, "", "options of this kind are for an app in a YAML file", Some(hint));
    }
}

fn worker_class(context: &Context<'_>) -> Option<(String, Place)> {
    if let Some(class) = &context.sources.worker_class {
        return Some((class.clone(), Place::new(Writing::Flag("--worker-class".to_owned()))));
    }
    let class = context.variable("WORKER_CLASS").filter(|class| !class.is_empty())?;
    Some((class, Place::new(Writing::Variable("WORKER_CLASS".to_owned()))))
}

/// Options over those of the file: key, value, where it was set; what comes later counts.
fn vumi_options(context: &Context<'_>, report: &mut Report) -> Vec<(String, String, Place)> {
    const PREFIX: &str = "VUMI_OPT_";
    let mut options = Vec::new();
    for (name, value) in &context.sources.environment {
        let Some(name) = name.to_str() else { continue };
        let Some(key) = name.strip_prefix(PREFIX).filter(|key| !key.is_empty()) else { continue };
        let place = Place::new(Writing::Variable(name.to_owned()));
        match value.to_str() {
            Some(value) => options.push((key.to_lowercase(), value.to_owned(), place)),
            None => report.error(&place, "", "not UTF-8 text", None),
        }
    }
    // The environment has no order that anybody chose.
    options.sort();
    for option in &context.sources.options {
        let place = Place::new(Writing::Flag("--set-option".to_owned()));
        match option.split_once(':') {
            Some((key, value)) if !key.is_empty() => options.push((key.to_owned(), value.to_owned(), place)),
            _ => report.error(&place, "", "expected KEY:VALUE", None),
        }
    }
    options
}

fn no_configuration() -> Problem {
    Problem {
        place: None,
        key: String::new(),
        text: "there is no configuration".to_owned(),
        hint: Some("name one with --config FILE, or try `belljar worker --console`".to_owned()),
    }
}
