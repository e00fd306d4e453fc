//! `belljar worker`: apps answer messages.

mod sources;

use anyhow::anyhow;
use belljar_worker::config::{self, Loaded, Problem, Problems};

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
    let Loaded { worker, warnings, .. } = match config::load(&sources) {
        Ok(loaded) => loaded,
        Err(problems) => return Ok(refuse(&problems)),
    };
    warn_of(&warnings);
    if args.check {
        print(format!("{worker:#?}\n"))?;
        return Ok(ExitCode::Success);
    }
    Err(Failure::from(anyhow!("the worker is not wired up yet")))
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
