//! `belljar worker`: apps answer messages.

mod sources;

use anyhow::anyhow;
use belljar_worker::config::{self, Loaded, Problem, Problems, show};
use tracing_subscriber::EnvFilter;

use crate::args::WorkerArgs;
use crate::exit::ExitCode;
use crate::failure::{Failure, advise, print, say};

/// Serves messages until a signal says otherwise, or, with `--check`, says what would run.
///
/// # Errors
///
/// The configuration cannot be used, or something that the worker needs cannot be had.
pub(crate) fn work(args: &WorkerArgs) -> Result<ExitCode, Failure> {
    let (sources, _place) = sources::of(args)?;
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
    Err(Failure::from(anyhow!("the worker is not wired up yet")))
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
