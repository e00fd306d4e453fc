//! `cargo xtask bench`: what a sandbox costs, as ratios to the same work without one (`run`) and by others (`sandbox`), within one run.
//!
//! Nothing here is a test: times differ from machine to machine, and a run next to other work tells little. Ratios survive that
//! better than times, because what is compared is run in turns.

mod archive;
mod client;
mod endurance;
pub(crate) mod holdings;
pub(crate) mod http;
mod limits;
mod machine;
mod memory;
pub(crate) mod processes;
pub(crate) mod report;
mod sampling;
pub(crate) mod sandbox;
pub(crate) mod server;
mod spawn;
pub(crate) mod worker;

use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context, Result, ensure};
use clap::Subcommand;

use self::report::Report;
use crate::cargo::{cargo, root};

/// Measure what sandboxes cost
#[derive(Debug, clap::Args)]
pub(crate) struct BenchArguments {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    Run(RunArguments),
    Sandbox(sandbox::SandboxArguments),
    Endurance(endurance::EnduranceArguments),
    Worker(worker::WorkerArguments),
    Client(client::ClientArguments),
    /// Take up exactly so many bytes of memory, and end: measured by the bench itself
    #[command(hide = true)]
    Occupy {
        bytes: usize,
    },
}

/// Build belljar with optimization, start its server, and compare it with plain processes
#[derive(Debug, clap::Args)]
pub(crate) struct RunArguments {
    /// Rounds in which everything that is compared takes its turn
    #[arg(long, default_value_t = 12, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,

    /// Fewer rounds, smaller archives: to see whether it works
    #[arg(long)]
    quick: bool,

    /// Print JSON instead of a table
    #[arg(long)]
    json: bool,

    /// Only parts whose name contains this: spawn, archive, memory, limits
    #[arg(long, value_name = "PART")]
    only: Option<String>,

    /// Measure this program instead of building one
    #[arg(long, value_name = "PATH")]
    binary: Option<PathBuf>,
}

/// How much is measured.
#[derive(Debug, Clone, Copy)]
struct Scale {
    /// Turns of each case.
    rounds: u32,
    /// Runs of a short case in one turn.
    runs: u32,
    /// MiB of the environment that is saved and restored.
    environment_mib: u64,
    /// Turns of the cases that work on the environment.
    archive_rounds: u32,
    /// MiB of the upload and the download whose memory is measured.
    transfer_mib: u64,
    /// Runs into the limit of wall-clock time.
    limit_runs: u32,
}

impl Scale {
    fn new(arguments: &RunArguments) -> Self {
        if arguments.quick {
            let rounds = arguments.rounds.min(3);
            return Self { rounds, runs: 10, environment_mib: 10, archive_rounds: 2, transfer_mib: 50, limit_runs: 5 };
        }
        let rounds = arguments.rounds;
        Self { rounds, runs: 40, environment_mib: 100, archive_rounds: 5, transfer_mib: 500, limit_runs: 20 }
    }
}

/// A part of the bench.
type Part = fn(&Path, Scale, &mut Report) -> Result<()>;

const PARTS: [(&str, Part); 4] = [
    ("spawn", spawn::measure),
    ("archive", archive::measure),
    ("memory", memory::measure),
    ("limits", limits::measure),
];

/// Does what the arguments say, and tells whether what was checked holds.
///
/// # Errors
///
/// The program cannot be built, or something that is measured does not work.
pub(crate) fn bench(arguments: &BenchArguments) -> Result<bool> {
    match &arguments.action {
        Action::Run(arguments) => run(arguments).map(|()| true),
        Action::Sandbox(arguments) => sandbox::sandbox(arguments).map(|()| true),
        Action::Endurance(arguments) => endurance::endurance(arguments),
        Action::Worker(arguments) => worker::worker(arguments).map(|()| true),
        Action::Client(arguments) => client::client(arguments).map(|()| true),
        Action::Occupy { bytes } => {
            limits::occupy(*bytes);
            Ok(true)
        }
    }
}

fn run(arguments: &RunArguments) -> Result<()> {
    let binary = binary_of(arguments.binary.as_deref())?;
    let scale = Scale::new(arguments);
    let mut report = Report::new(machine::Machine::this(root()), scale.rounds);
    let chosen = |name: &str| arguments.only.as_deref().is_none_or(|part| name.contains(part));
    for (name, measure) in PARTS.into_iter().filter(|(name, _)| chosen(name)) {
        eprintln!("measuring: {name} ...");
        measure(&binary, scale, &mut report).with_context(|| format!("cannot measure {name}"))?;
    }
    match arguments.json {
        true => println!("{}", serde_json::to_string_pretty(&report)?),
        false => print!("{report}"),
    }
    Ok(())
}

/// The program that was named, or else one that is built.
pub(crate) fn binary_of(named: Option<&Path>) -> Result<PathBuf> {
    match named {
        Some(binary) => binary.canonicalize().with_context(|| format!("cannot find {}", binary.display())),
        None => build(&["--release"]),
    }
}

/// Builds the program, and tells where it is.
///
/// # Errors
///
/// It does not compile.
pub(crate) fn build(options: &[&str]) -> Result<PathBuf> {
    eprintln!("building belljar ...");
    let mut command = cargo(["build", "--package", "belljar", "--message-format=json-render-diagnostics"]);
    command.args(options);
    let output = command.stderr(Stdio::inherit()).output().context("cannot start cargo")?;
    ensure!(output.status.success(), "belljar does not compile");
    executable(&output.stdout).context("cargo does not tell where the program is")
}

/// The program among cargo's messages: one JSON object per line.
pub(crate) fn executable(messages: &[u8]) -> Option<PathBuf> {
    let messages = messages.split(|byte| *byte == b'\n');
    let mut programs = messages.filter_map(|line| {
        let message: serde_json::Value = serde_json::from_slice(line).ok()?;
        message.get("executable")?.as_str().map(PathBuf::from)
    });
    programs.next_back()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cargo_tells_where_the_program_is() {
        let messages = b"{\"reason\":\"compiler-artifact\",\"executable\":null}\n\
            {\"reason\":\"compiler-artifact\",\"executable\":\"/target/release/belljar\"}\n\
            {\"reason\":\"build-finished\",\"success\":true}\n";
        assert_eq!(executable(messages), Some(PathBuf::from("/target/release/belljar")));
        assert_eq!(executable(b"nonsense\n"), None);
    }
}
