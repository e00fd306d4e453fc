//! belljar: put anything you do not trust under glass.

mod args;
mod ask;
mod config;
mod doctor;
mod exec_remote;
mod exit;
mod failure;
mod generate;
mod image;
#[cfg(test)]
mod reference;
mod run;
mod serve;
mod worker;

use std::env;
use std::process;

use crate::args::{Action, ConfigAction};
use crate::config::ConfigError;
use crate::exit::ExitCode;
use crate::failure::{Failure, print};

fn main() -> process::ExitCode {
    // First of all: in the process that makes sandboxes for the server nothing else happens, ever.
    belljar_sandbox::launcher_main_if_asked();
    // In the process that an app is loaded in, neither.
    belljar_worker::engine::quickjs::zygote_main_if_asked();
    perform(args::parse()).unwrap_or_else(|failure| failure.report()).into()
}

fn perform(action: Action) -> Result<ExitCode, Failure> {
    match action {
        Action::Config(args) => match args.action {
            ConfigAction::Show { sources, json } => {
                let loaded = config::load(&sources, env::vars_os())?;
                print(if json { format!("{:#}\n", config::as_json(&loaded)) } else { config::as_text(&loaded) })?;
                Ok(ExitCode::Success)
            }
            ConfigAction::Check { file } => {
                config::load_file(&file)?;
                print(format!("{}: ok\n", file.display()))?;
                Ok(ExitCode::Success)
            }
        },
        Action::Completions(args) => generate::completions(args.shell).map(|()| ExitCode::Success),
        Action::Man(args) => generate::manual_pages(&args.directory).map(|()| ExitCode::Success),
        Action::Run(args) => run::run(*args),
        Action::ExecRemote(args) => exec_remote::exec_remote(&args.action),
        Action::Doctor(args) => doctor::examine(&args),
        Action::Serve(args) => serve::serve(&args),
        Action::Worker(args) => worker::work(&args),
        Action::Submit(args) => ask::submit(&args),
        Action::Status(args) => ask::status(&args),
        Action::Report(args) => ask::report(&args),
        Action::Verdict(args) => ask::verdict(&args),
        Action::Artifacts(args) => ask::artifacts(&args),
        Action::Delete(args) => ask::delete(&args),
        Action::Pt(args) => ask::pt(&args),
        Action::Sandboxes(args) => ask::sandboxes(&args.action),
        Action::Image(args) => image::manage(&args.action),
    }
}

impl From<ConfigError> for Failure {
    fn from(error: ConfigError) -> Self {
        let hint = error.hint();
        let failure = Self::usage(error);
        match hint {
            Some(hint) => failure.hint(hint),
            None => failure,
        }
    }
}
