//! `cargo xtask bench client`: what asking another sandbox costs beside bare requests.
//!
//! The measuring itself is a program of the client's crate (`crates/client/benches`), because it has to be optimized and in one process.

use std::process::Stdio;

use anyhow::{Context, Result, ensure};
use serde::Deserialize;

use super::machine::Machine;
use super::report::{Report, Row, Target};
use crate::cargo::{cargo, root};

/// Build the client with optimization, and measure it beside bare requests to the same server
#[derive(Debug, clap::Args)]
pub(crate) struct ClientArguments {
    /// Few calls, small files: to see whether it works
    #[arg(long)]
    quick: bool,

    /// Print JSON instead of a table
    #[arg(long)]
    json: bool,
}

/// A line of the program's.
#[derive(Debug, Deserialize)]
struct Measured {
    measure: String,
    ours: f64,
    floor: Option<f64>,
}

/// What is measured, by how its name begins: part, unit, what is aimed at, and what the floor is.
const KINDS: [(&str, &str, &str, Option<Target>, &str); 5] = [
    ("memory", "memory", "MiB", Some(Target::AtMost(32.0)), ""),
    ("status, one", "calls", "us", Some(Target::AtMostRatio(1.05)), "floor: bare reqwest, the same bytes"),
    ("status, ratio", "calls", "x", Some(Target::AtMost(1.05)), "each turn has 50 calls of both"),
    ("submission", "calls", "us", Some(Target::AtMostRatio(1.05)), "floor: bare reqwest, a form put together by hand"),
    ("crowd", "crowd", "s", None, "floor: the same requests with bare reqwest, three for each"),
];

/// Does what the arguments say.
///
/// # Errors
///
/// The program does not compile, or something that it measures does not work.
pub(crate) fn client(arguments: &ClientArguments) -> Result<()> {
    let mut command = cargo(["bench", "--package", "belljar-client", "--bench", "client"]);
    if arguments.quick {
        command.args(["--", "quick"]);
    }
    let machine = Machine::this(root());
    let output = command.stderr(Stdio::inherit()).output().context("cannot start cargo")?;
    ensure!(output.status.success(), "the bench of the client failed");
    let mut report = Report::new(machine, 1);
    for line in String::from_utf8_lossy(&output.stdout).lines().filter(|line| line.starts_with('{')) {
        report.add(row(serde_json::from_str(line).with_context(|| format!("what is this: {line}"))?)?);
    }
    match arguments.json {
        true => println!("{}", serde_json::to_string_pretty(&report)?),
        false => print!("{report}"),
    }
    Ok(())
}

fn row(measured: Measured) -> Result<Row> {
    let Measured { measure, ours, floor } = measured;
    let kind = KINDS.into_iter().find(|(start, ..)| measure.starts_with(start));
    let (_, part, unit, target, note) = kind.with_context(|| format!("what is measured by {measure}?"))?;
    Ok(Row::new(part, measure, unit).ours(ours).against(floor).target(target).note(note))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_program_tells_is_understood() {
        for (line, known) in [
            (r#"{"measure": "memory above idle while uploading 2048 MiB", "ours": 1.0, "floor": null}"#, true),
            (r#"{"measure": "status, one after the other, p50", "ours": 1.0, "floor": 2.0}"#, true),
            (r#"{"measure": "the moon", "ours": 1.0, "floor": null}"#, false),
        ] {
            assert_eq!(row(serde_json::from_str(line).expect("JSON")).is_ok(), known, "{line}");
        }
    }
}
