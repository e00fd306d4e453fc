//! Developer tasks: `cargo xtask test`, `attack`, `ci`, `bench run`, `docs`.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "these programs talk to a developer")]

mod attack;
mod bench;
mod cargo;
mod chaos;
mod ci;
mod docs;
mod needs;
mod python;
#[expect(dead_code, reason = "tests of the worker use other parts of it")]
#[path = "../../crates/worker/tests/common/mod.rs"]
mod servers;
mod summary;
mod test;

use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};

/// Developer tasks of belljar
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", disable_help_subcommand = true)]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Debug, Subcommand)]
enum Task {
    Test(test::TestArguments),
    Ci(ci::CiArguments),
    Attack(attack::AttackArguments),
    Bench(bench::BenchArguments),
    Chaos(chaos::ChaosArguments),
    /// Write the reference pages that are made from the code: docs/configuration.md and docs/command-line.md
    Docs,
}

fn main() -> ExitCode {
    let done = match Arguments::parse().task {
        Task::Test(arguments) => test::test(&arguments),
        Task::Ci(arguments) => ci::ci(&arguments),
        Task::Attack(arguments) => attack::attack(&arguments),
        Task::Chaos(arguments) => chaos::chaos(&arguments).map(|()| true),
        Task::Bench(arguments) => bench::bench(&arguments),
        Task::Docs => docs::regenerate().map(|()| true),
    };
    finish(done)
}

fn finish(done: Result<bool>) -> ExitCode {
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
