//! The command line as typed. What it means is decided where it is used: [`crate::run`], [`crate::serve`], [`crate::config`].

mod ask;
mod config;
mod exec_remote;
mod image;
mod pt;
mod run;
mod serve;
mod submit;
mod values;
mod worker;

use std::env;
use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, FromArgMatches, Parser, Subcommand};
use clap_complete::Shell;

pub(crate) use ask::{
    AddSandboxArgs, ListSandboxesArgs, SandboxSources, SandboxesAction, SandboxesArgs, TestSandboxesArgs,
};
pub(crate) use config::{ConfigAction, ConfigArgs};
pub(crate) use exec_remote::{
    CheckRemoteArgs, DownloadRemoteArgs, ExecRemoteAction, ExecRemoteArgs, FactRemoteArgs, RunRemoteArgs, ServerArgs,
};
pub(crate) use image::{
    ImageAction, ImageArgs, ImportArgs, ImportOptionArgs, ListArgs, Place, PullArgs, RemoveArgs, ShowArgs,
};
pub(crate) use pt::{
    PtAction, PtArgs, PtDownloadArgs, PtLogsArgs, PtOutput, PtPlace, PtQueueArgs, PtRescanArgs, PtSetArgs,
    PtSettingsAction, PtSettingsArgs, PtStatusArgs, PtTasksArgs,
};
pub(crate) use run::{RunArgs, TerminalChoice};
pub(crate) use serve::{ServeArgs, Sources};
pub(crate) use submit::{
    ArtifactsArgs, DeleteArgs, ReportArgs, StatusArgs, SubmitArgs, Target, Threshold, VerdictArgs, Waiting,
};
pub(crate) use values::{Directory, InputSource, NetworkChoice, SecretPlace, Variable};
pub(crate) use worker::WorkerArgs;

/// Put anything you do not trust under glass
///
/// belljar runs programs that you do not trust in sandboxes that are made in a millisecond and leave nothing behind: one program at
/// a time with `belljar run`, or many, for others, with `belljar serve`.
#[derive(Debug, Parser)]
#[command(name = "belljar", version, max_term_width = MAX_WIDTH)]
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
    Worker(Box<WorkerArgs>),
    Image(ImageArgs),
    Submit(Box<SubmitArgs>),
    Status(StatusArgs),
    Report(ReportArgs),
    Verdict(VerdictArgs),
    Artifacts(ArtifactsArgs),
    Delete(DeleteArgs),
    Sandboxes(SandboxesArgs),
    Pt(Box<PtArgs>),
    ExecRemote(ExecRemoteArgs),
    Doctor(DoctorArgs),
    Config(ConfigArgs),
    Completions(CompletionsArgs),
    Man(ManArgs),
}

/// Understands the command line; prints help and ends the process where that was asked for, or is needed.
pub(crate) fn parse() -> Action {
    let arguments: Vec<OsString> = env::args_os().collect();
    // A sandbox is made in a millisecond or two. Defining all the other subcommands first would take a good part of one.
    if arguments.get(1).is_some_and(|name| name == "run") {
        let matches = run_alone().get_matches_from(&arguments[1..]);
        let arguments = RunArgs::from_arg_matches(&matches).unwrap_or_else(|error| error.exit());
        return Action::Run(Box::new(arguments));
    }
    Cli::parse_from(arguments).action
}

/// The parser of `belljar run`, in no way different from the one inside [`Cli`].
fn run_alone() -> clap::Command {
    let command = clap::Command::new("run").bin_name("belljar run").max_term_width(MAX_WIDTH);
    RunArgs::augment_args(command)
}

/// Help is not made wider than this, on however wide a terminal.
const MAX_WIDTH: usize = 120;

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

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_short_way_to_run_is_the_long_way() {
        let mut whole = Cli::command().term_width(100);
        whole.build();
        let inner = whole.find_subcommand_mut("run").expect("a subcommand");
        let mut alone = run_alone().term_width(100);
        assert_eq!(alone.render_long_help().to_string(), inner.render_long_help().to_string());
        assert_eq!(alone.render_help().to_string(), inner.render_help().to_string());
        for line in [&["--wall-tme", "1s", "true"][..], &[], &["--memory", "x", "true"]] {
            let of_alone = run_alone().try_get_matches_from(["run"].iter().chain(line)).expect_err("wrong");
            let of_whole = Cli::try_parse_from(["belljar", "run"].iter().chain(line)).expect_err("wrong");
            assert_eq!(of_alone.to_string(), of_whole.to_string());
        }
    }
}
