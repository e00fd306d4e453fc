//! The command line as typed. What it means is decided where it is used: [`crate::run`], [`crate::serve`], [`crate::config`].

mod config;
mod run;
mod serve;
mod values;

use std::path::PathBuf;

use clap::{Parser, Subcommand};
use clap_complete::Shell;

pub(crate) use config::{ConfigAction, ConfigArgs};
pub(crate) use run::{RunArgs, TerminalChoice};
pub(crate) use serve::{ServeArgs, Sources};
pub(crate) use values::{Directory, InputSource, Variable};

/// Put anything you do not trust under glass
///
/// belljar runs programs that you do not trust in sandboxes that are made in a millisecond and leave nothing behind: one program at
/// a time with `belljar run`, or many, for others, with `belljar serve`.
#[derive(Debug, Parser)]
#[command(name = "belljar", version, max_term_width = 120)]
#[command(subcommand_required = true, arg_required_else_help = true)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) action: Action,
}

/// What belljar is asked to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Action {
    Run(Box<RunArgs>),
    Serve(ServeArgs),
    Doctor(DoctorArgs),
    Config(ConfigArgs),
    Completions(CompletionsArgs),
    Man(ManArgs),
}

/// Show which layers of isolation this machine can enforce
///
/// Prints each layer with its state (enforced, weakened, missing, off), the reason, and what to do about it. Exits with 0 when
/// sandboxes can be made with the default policy, with 1 otherwise.
#[derive(Debug, clap::Args)]
pub(crate) struct DoctorArgs {
    /// Print JSON instead of a table
    #[arg(long)]
    pub(crate) json: bool,
}

/// Print a completion script
///
/// For bash: belljar completions bash > /etc/bash_completion.d/belljar
#[derive(Debug, clap::Args)]
pub(crate) struct CompletionsArgs {
    /// The shell to complete in
    pub(crate) shell: Shell,
}

/// Write the manual pages into a directory
#[derive(Debug, clap::Args)]
#[command(hide = true)]
pub(crate) struct ManArgs {
    /// An existing directory
    #[arg(value_name = "DIR")]
    pub(crate) directory: PathBuf,
}
