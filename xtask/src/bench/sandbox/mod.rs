//! `cargo xtask bench sandbox`: our latency, throughput and CPU time beside the machine's own floor and every other sandbox that is
//! installed, all in turns in one run; then the rows that each have something that is wanted.

mod busy;
mod cases;
mod idle;
mod image;
mod judge;
pub(crate) mod path;
mod peers;
mod runs;
mod scale;
mod warm;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde_json::json;

use self::runs::Comparison;
use super::machine::Machine;
use super::report::Report;
use super::{binary_of, limits};
use crate::cargo::root;

/// Compare sandboxes: ours, plain processes, and every other that is installed
///
/// A peer takes part when its program is in PATH, or named by a variable: BWRAP, FIREJAIL, GO_JUDGE, HAKONIWA, ISOLATE, MINIJAIL,
/// NSJAIL, PODMAN, RUNC, RUNSC, SANDLOCK. Most need root.
#[derive(Debug, clap::Args)]
pub(crate) struct SandboxArguments {
    /// Rounds in which everything that is compared takes its turn
    #[arg(long, default_value_t = 12, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,

    /// Runs of a short case in one turn
    #[arg(long, default_value_t = 40, value_parser = clap::value_parser!(u32).range(1..))]
    runs: u32,

    /// Few rounds and runs: to see whether it works
    #[arg(long)]
    quick: bool,

    /// Leave the peers out
    #[arg(long)]
    no_peers: bool,

    /// Print JSON instead of tables
    #[arg(long)]
    json: bool,

    /// Put the figures into docs/benchmarks.md, too
    #[arg(long)]
    write: bool,

    /// Only parts whose name contains this: runs, busy, warm, path, idle, scale, image, limits
    #[arg(long, value_name = "PART")]
    only: Option<String>,

    /// Measure this program instead of building one
    #[arg(long, value_name = "PATH")]
    binary: Option<PathBuf>,
}

/// How much is measured.
#[derive(Debug, Clone, Copy)]
struct Scale {
    rounds: u32,
    runs: u32,
    peers: bool,
    /// A run to see whether everything works.
    quick: bool,
}

/// What all parts write into.
struct Results {
    comparison: Option<Comparison>,
    report: Report,
}

/// Between these the page has the figures.
const BEGIN: &str = "<!-- cargo xtask bench sandbox --write -->";
const END: &str = "<!-- end -->";

/// A part of the bench.
type Part = fn(&Path, Scale, &mut Results) -> Result<()>;

const PARTS: [(&str, Part); 8] = [
    ("runs", runs::measure),
    ("busy", busy::measure),
    ("warm", warm::measure),
    ("path", path::measure),
    ("idle", idle::measure),
    ("scale", scale::measure),
    ("image", image::measure),
    ("limits", limits),
];

/// Does what the arguments say.
///
/// # Errors
///
/// The program cannot be built, or something of ours that is measured does not work.
pub(crate) fn sandbox(arguments: &SandboxArguments) -> Result<()> {
    let binary = binary_of(arguments.binary.as_deref())?;
    let mut scale =
        Scale { rounds: arguments.rounds, runs: arguments.runs, peers: !arguments.no_peers, quick: arguments.quick };
    if scale.quick {
        (scale.rounds, scale.runs) = (scale.rounds.min(2), scale.runs.min(8));
    }
    let report = Report::new(Machine::this(root()), scale.rounds);
    let mut results = Results { comparison: None, report };
    let chosen = |name: &str| arguments.only.as_deref().is_none_or(|part| name.contains(part));
    for (name, measure) in PARTS.into_iter().filter(|(name, _)| chosen(name)) {
        eprintln!("measuring: {name} ...");
        measure(&binary, scale, &mut results).with_context(|| format!("cannot measure {name}"))?;
    }
    if arguments.json {
        println!("{}", serde_json::to_string_pretty(&json!({"runs": results.comparison, "rows": results.report}))?);
        return Ok(());
    }
    let comparison = results.comparison.map_or_else(String::new, |comparison| format!("{comparison}\n"));
    let (head, body) = (results.report.head(), results.report.body());
    print!("{head}{comparison}{body}");
    if arguments.write {
        let page = root().join("docs/benchmarks.md");
        let text = fs::read_to_string(&page).with_context(|| format!("cannot read {}", page.display()))?;
        let figures = format!("```text\n{}\n```\n\n{comparison}{body}", head.trim_end());
        fs::write(&page, replace(&text, &figures)?).with_context(|| format!("cannot write {}", page.display()))?;
    }
    Ok(())
}

/// A page with these figures between the marks.
fn replace(page: &str, figures: &str) -> Result<String> {
    let (before, rest) = page.split_once(BEGIN).context("the page has no mark for the figures")?;
    let (_, after) = rest.split_once(END).context("the page has no mark for the end of the figures")?;
    Ok(format!("{before}{BEGIN}\n\n{}\n\n{END}{after}", figures.trim_end()))
}

/// How exactly limits are kept.
fn limits(binary: &Path, scale: Scale, results: &mut Results) -> Result<()> {
    limits::measure_all(binary, if scale.quick { 5 } else { 20 }, &mut results.report)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_replaced() {
        let page = |figures: &str| format!("a\n{BEGIN}\n\n{figures}\n\n{END}\nb\n");
        assert_eq!(replace(&page("old"), "new\n").expect("there are marks"), page("new"));
        assert!(replace("a\n", "new").is_err());
    }
}
