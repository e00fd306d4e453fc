//! `belljar worker`: apps answer messages.
//!
//! As with `belljar serve`, the order matters: the launcher, which makes the sandboxes, is started before any thread exists.

mod console;
mod keys;
mod operate;
mod sources;
mod start;
mod watch;

use std::path::Path;

use anyhow::{Context, anyhow};
use belljar_sandbox::Launcher;
use belljar_worker::config::{self, App, KvStore, Loaded, Problem, Problems, ResourceConfig, Worker, show};
use belljar_worker::resource::Shared;
use belljar_worker::service::Metrics;
use rustix::process::geteuid;
use tracing::warn;
use tracing_subscriber::EnvFilter;

use self::start::Workshop;
use crate::args::WorkerArgs;
use crate::config::{LogFormat, LogSettings};
use crate::exit::ExitCode;
use crate::failure::{Failure, advise, print, say};
use crate::serve::notify::Supervisor;
use crate::serve::{descriptors, logging};

/// What is logged while one talks to an app: nothing that the conversation shows anyhow.
const CONSOLE_LOG: &str = "warn,belljar_worker::run=off,belljar_worker::resource::journal=off";

/// Serves messages until a signal says otherwise; or, with `--check`, says what would run; or, with `--console`, talks.
///
/// # Errors
///
/// The configuration cannot be used, or something that the worker needs cannot be had.
pub(crate) fn work(args: &WorkerArgs) -> Result<ExitCode, Failure> {
    if args.json && !args.check && !args.console && !args.reconcile_keys {
        return Err(Failure::usage(anyhow!("--json goes with --check, --reconcile-keys or --console")));
    }
    let (sources, place) = sources::of(args)?;
    let loaded = match config::load(&sources) {
        Ok(loaded) => loaded,
        Err(problems) => return Ok(refuse(&problems)),
    };
    warn_of(&loaded.warnings);
    check_filter(&loaded)?;
    if args.check {
        print(if args.json { format!("{:#}\n", show::as_json(&loaded)) } else { show::as_text(&loaded) })?;
        return Ok(ExitCode::Success);
    }
    if args.reconcile_keys {
        return keys::reconcile(&loaded.worker, args.json);
    }
    // What the conversation leaves goes with it.
    let (app, _place) = if args.console {
        let place = place.map_or_else(tempfile::tempdir, Ok).context("cannot make a directory")?;
        (Some(on_terminal(choose(&loaded.worker, args.app.as_deref())?, place.path())), Some(place))
    } else {
        (None, None)
    };
    let filter = if app.is_some() { CONSOLE_LOG.to_owned() } else { loaded.worker.log_filter.clone() };
    let format = if loaded.worker.log_json { LogFormat::Json } else { LogFormat::Text };
    logging::start(&LogSettings { format, filter });
    descriptors::raise_limit();
    // Inherited by the threads: they hand work on and wait, while apps keep the CPUs busy.
    belljar_sandbox::take_short_turns(true);
    if geteuid().is_root() && app.is_none() {
        warn!("The worker stays root: give it a user of its own (User= of its unit), see SECURITY.md.");
    }
    let supervisor = Supervisor::connect();
    let launcher = Launcher::start().context("cannot start the launcher");
    let launcher = launcher
        .map_err(|error| Failure::new(ExitCode::SetupFailed, error).hint("`belljar doctor` tells what is missing"))?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().context("cannot start threads")?;
    let code = runtime.block_on(async {
        let shared = Shared::default();
        let metrics = Metrics::with(|registry| shared.fired.register(registry));
        let workshop = Workshop::new(launcher, shared);
        match app {
            Some(app) => console::talk(workshop.prepare(app).await?, args.json).await,
            None => operate::operate(workshop, metrics, sources, loaded, &supervisor).await,
        }
    });
    // Whatever still runs had its time: nothing that blocks may keep the process.
    runtime.shutdown_background();
    code
}

/// The app that one wants to talk to.
fn choose<'a>(worker: &'a Worker, name: Option<&str>) -> Result<&'a App, Failure> {
    let names = || worker.apps.iter().map(|app| app.name.as_str()).collect::<Vec<_>>().join(", ");
    match (name, worker.apps.as_slice()) {
        (Some(name), apps) => apps
            .iter()
            .find(|app| app.name == name)
            .ok_or_else(|| Failure::usage(anyhow!("there is no app '{name}'")).hint(format!("there are: {}", names()))),
        (None, [app]) => Ok(app),
        (None, _) => {
            let error = anyhow!("there are several apps, and one talks to one");
            Err(Failure::usage(error).hint(format!("say which with --app: {}", names())))
        }
    }
}

/// The app as it is on a terminal: what it stores it stores here, and not where its users' answers are.
fn on_terminal(app: &App, directory: &Path) -> App {
    let mut app = app.clone();
    for (name, resource) in &mut app.resources {
        if let ResourceConfig::Kv { store: store @ KvStore::Redis { .. }, .. } = resource {
            say(format_args!("what the app stores with `{name}` is kept for this conversation only, and not in Redis"));
            *store = KvStore::Embedded { file: directory.join("console.db") };
        }
    }
    app
}

/// What is logged can only be checked by what does the logging.
fn check_filter(loaded: &Loaded) -> Result<(), Failure> {
    let place = loaded.origins.get("log.filter").map_or_else(String::new, |place| format!("{place}: "));
    match loaded.worker.log_filter.parse::<EnvFilter>() {
        Ok(_) => Ok(()),
        Err(error) => Err(Failure::usage(anyhow!("{place}log.filter: {error}"))),
    }
}

/// All problems, not only the first.
fn refuse(problems: &Problems) -> ExitCode {
    warn_of(&problems.warnings);
    for problem in &problems.errors {
        tell(format_args!("error: {problem}"), problem);
    }
    ExitCode::Usage
}

fn warn_of(warnings: &[Problem]) {
    for warning in warnings {
        tell(format_args!("warning: {warning}"), warning);
    }
}

fn tell(line: impl std::fmt::Display, problem: &Problem) {
    say(line);
    if let Some(hint) = &problem.hint {
        advise(hint);
    }
}
