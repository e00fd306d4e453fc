//! The arguments of `belljar exec-remote`, as typed.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::Subcommand;

use super::SandboxSources;
use super::values::{SecretPlace, Variable, parse_duration, parse_secret_place, variable};

const SERVER: &str = "Server";
const VIEW: &str = "What the commands see";
const RESULT: &str = "What comes back";

/// The exit codes, at the end of the help.
const EXIT_CODES: &str = "\
Exit codes:
  0-255  that of the command that failed first, or 0
  1      there is no result, or it is no UTF-8, and the commands went well
  2      wrong usage
  125    the server could not be asked, refused, or could not execute the command
  240    a command was out of time";

/// Run commands on an execution server: one of belljar's, or PremierLangage's
///
/// Asks any server that speaks the API of the PremierLangage sandbox, such as belljar serve.
#[derive(Debug, clap::Args)]
pub(crate) struct ExecRemoteArgs {
    #[command(subcommand)]
    pub(crate) action: ExecRemoteAction,
}

/// What is asked of the server.
#[derive(Debug, Subcommand)]
pub(crate) enum ExecRemoteAction {
    Run(Box<RunRemoteArgs>),
    Check(CheckRemoteArgs),
    Download(DownloadRemoteArgs),
    /// Show what the server and its sandboxes are
    Specifications(FactRemoteArgs),
    /// Show how busy the server is
    Usage(FactRemoteArgs),
    /// Show what is installed in the server's sandboxes
    Libraries(FactRemoteArgs),
}

/// Which server, and how it is reached.
#[derive(Debug, clap::Args)]
pub(crate) struct ServerArgs {
    /// The server: its address, or its name in the configuration [default: the only one there with vendor = "premierlangage"]
    #[arg(long, value_name = "URL|NAME", help_heading = SERVER)]
    pub(crate) to: Option<String>,

    /// Where the server's key is, if it wants one: env:VARIABLE, file:PATH, or stdin [default: as configured]
    #[arg(long, value_name = "PLACE", value_parser = parse_secret_place, help_heading = SERVER)]
    pub(crate) key: Option<SecretPlace>,

    /// For all of a call; of a download, for what comes before its first byte [default: 1min]
    #[arg(long, value_name = "TIME", value_parser = parse_duration, help_heading = SERVER)]
    pub(crate) timeout: Option<Duration>,

    /// For a connection [default: 10s]
    #[arg(long, value_name = "TIME", value_parser = parse_duration, help_heading = SERVER)]
    pub(crate) connect_timeout: Option<Duration>,

    /// Between two bytes of the server [default: 1min]
    #[arg(long, value_name = "TIME", value_parser = parse_duration, help_heading = SERVER)]
    pub(crate) read_timeout: Option<Duration>,

    #[command(flatten)]
    pub(crate) sources: SandboxSources,
}

/// Run commands on the server, one after the other, until one fails
///
/// They see an empty directory, or what is sent or was saved, and nothing of this machine. What they write is lost unless it is
/// asked for with --result or --save.
#[derive(Debug, clap::Args)]
#[command(after_help = format!("Examples:
  belljar exec-remote run --to http://127.0.0.1:7000 -- python3 -c 'print(6*7)'
  belljar exec-remote run --to lab --dir . -c 'gcc -o x x.c' --wall-time 2s -- ./x
  belljar exec-remote run --to lab -c 'make > log.txt' --result log.txt --save --json

{EXIT_CODES}"))]
pub(crate) struct RunRemoteArgs {
    /// A program and its arguments, after all --command
    #[arg(value_name = "PROGRAM", required_unless_present = "lines", trailing_var_arg = true)]
    pub(crate) program: Vec<OsString>,

    /// A line for bash on the server; may be repeated. One that begins with a hyphen may fail: -c '-make clean'
    #[arg(short = 'c', long = "command", value_name = "LINE", allow_hyphen_values = true)]
    pub(crate) lines: Vec<String>,

    /// Time of each command, such as 500ms or 2s, within what the server allows for all of them [default: the server's, mostly 10s]
    #[arg(long, value_name = "TIME", value_parser = parse_duration)]
    pub(crate) wall_time: Option<Duration>,

    /// Send what is in this directory; links are sent as links
    #[arg(long, value_name = "DIR", conflicts_with = "archive", help_heading = VIEW)]
    pub(crate) dir: Option<PathBuf>,

    /// Send this gzip-compressed tar, or `-` for standard input
    #[arg(long, value_name = "FILE", help_heading = VIEW)]
    pub(crate) archive: Option<PathBuf>,

    /// Start from this saved environment; what is sent comes over it
    #[arg(long, value_name = "ID", help_heading = VIEW)]
    pub(crate) environment: Option<String>,

    /// Set an environment variable, or copy yours when only its name is given; may be repeated
    #[arg(short = 'e', long = "env", value_name = "NAME[=VALUE]", value_parser = variable(), help_heading = VIEW)]
    pub(crate) variables: Vec<Variable>,

    /// Print the text of this file, which the commands write, after their output
    #[arg(long, value_name = "PATH", help_heading = RESULT)]
    pub(crate) result: Option<String>,

    /// Write the text of --result to this file instead
    #[arg(long, value_name = "FILE", requires = "result", help_heading = RESULT)]
    pub(crate) result_to: Option<PathBuf>,

    /// Keep the directory on the server as a new environment, however the commands end; its id is told on standard error
    #[arg(long, help_heading = RESULT)]
    pub(crate) save: bool,

    /// Print the server's answer as JSON instead of the output
    #[arg(long, help_heading = RESULT)]
    pub(crate) json: bool,

    #[command(flatten)]
    pub(crate) server: ServerArgs,
}

/// Ask whether a saved environment, or a file in it, is there
///
/// Prints its length in bytes. Exits with 0 when it is there, with 1 when it is not, with 125 when the server could not be asked.
#[derive(Debug, clap::Args)]
pub(crate) struct CheckRemoteArgs {
    /// The environment
    #[arg(value_name = "ID")]
    pub(crate) environment: String,

    /// A file in it, relative to the directory that the commands ran in
    #[arg(value_name = "PATH")]
    pub(crate) path: Option<String>,

    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,

    #[command(flatten)]
    pub(crate) server: ServerArgs,
}

/// Download a saved environment, or a file out of it
///
/// An environment is a gzip-compressed tar. A file appears under its name when it is there as a whole.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  belljar exec-remote download --to lab 39a843f6-0f46-4f90-b2af-b7724106f954 --output work.tgz
  belljar exec-remote download --to lab 39a843f6-0f46-4f90-b2af-b7724106f954 dir/log.txt | less")]
pub(crate) struct DownloadRemoteArgs {
    /// The environment
    #[arg(value_name = "ID")]
    pub(crate) environment: String,

    /// A file in it, relative to the directory that the commands ran in
    #[arg(value_name = "PATH")]
    pub(crate) path: Option<String>,

    /// The file to write, which is replaced when it is there [default: standard output]
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,

    /// Print the file's name and length as JSON
    #[arg(long, requires = "output")]
    pub(crate) json: bool,

    #[command(flatten)]
    pub(crate) server: ServerArgs,
}

/// How a fact is asked for.
#[derive(Debug, clap::Args)]
pub(crate) struct FactRemoteArgs {
    /// Print the server's own JSON
    #[arg(long)]
    pub(crate) json: bool,

    #[command(flatten)]
    pub(crate) server: ServerArgs,
}
