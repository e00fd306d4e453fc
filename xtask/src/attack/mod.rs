//! `cargo xtask attack`: hostile programs against belljar, and a look at what became of the machine.

mod header;
mod neighbour;
mod oracle;
mod process;
mod report;
mod runner;
mod served;
mod verdict;
mod world;

use std::fs;
use std::io::{IsTerminal as _, Read};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use serde::{Deserialize, Serialize};

use self::header::{Attack, Variant};
use self::report::{Findings, Report};
use self::world::{Orders, Stage};
use crate::bench::executable;
use crate::cargo::{cargo, root};
use crate::summary::Summary;

/// Attacks at the same time: most of them wait.
const JOBS: usize = 3;

/// Attack belljar with the programs in attacks/, and check that it and the machine hold
///
/// Wants root: the attacks run in namespaces of their own. The last line counts.
#[derive(Debug, Default, clap::Args)]
pub(crate) struct AttackArguments {
    /// Only attacks whose name, such as timing/stop-itself, contains one of these
    #[arg(value_name = "NAME")]
    names: Vec<String>,

    /// Only these families
    #[arg(long = "family", value_name = "FAMILY")]
    families: Vec<String>,

    /// Only these ways of running them
    #[arg(long = "variant", value_name = "VARIANT", value_enum)]
    variants: Vec<Variant>,

    /// Only list them
    #[arg(long)]
    list: bool,

    /// Print JSON with each run instead of a table
    #[arg(long)]
    json: bool,

    /// Fail for whatever is not run, and for changes that do not come again
    #[arg(long)]
    pub(crate) strict: bool,

    /// Write the table to docs/attacks.md
    #[arg(long)]
    write_docs: bool,

    /// Attacks at the same time
    #[arg(long, value_name = "COUNT", default_value_t = JOBS)]
    jobs: usize,

    /// Look at the machine after each attack, not after several
    #[arg(long)]
    one_by_one: bool,

    /// Attack this program instead of building one
    #[arg(long, value_name = "PATH")]
    binary: Option<PathBuf>,

    /// Carry out orders: the part that runs inside
    #[arg(long, value_name = "PATH", hide = true)]
    inside: Option<PathBuf>,
}

/// What those inside have to know of the arguments.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct RunOptions {
    variants: Vec<Variant>,
    jobs: usize,
    batch: usize,
    progress: bool,
}

/// Does what the arguments say; tells whether everything held.
///
/// # Errors
///
/// A header is wrong, something does not compile, or nothing can be run.
pub(crate) fn attack(arguments: &AttackArguments) -> Result<bool> {
    if let Some(orders) = &arguments.inside {
        return inside(orders);
    }
    let mut attacks = header::collect(&root().join("attacks"))?;
    let chosen = |attack: &Attack| {
        (arguments.families.is_empty() || arguments.families.iter().any(|family| family == attack.family()))
            && (arguments.names.is_empty() || arguments.names.iter().any(|name| attack.name.contains(name.as_str())))
    };
    attacks.retain(chosen);
    ensure!(!attacks.is_empty(), "no attack is called that");
    if arguments.list {
        for attack in &attacks {
            println!("{}: {} [{}]", attack.name, attack.title, attack.source);
        }
        println!("{} attacks", attacks.len());
        return Ok(true);
    }
    let report = carry_out(arguments, &attacks)?;
    if arguments.write_docs {
        let page = report.markdown(&date()?, fs::read_to_string("/proc/sys/kernel/osrelease")?.trim());
        fs::write(root().join("docs/attacks.md"), page).context("cannot write docs/attacks.md")?;
    }
    match arguments.json {
        true => println!("{}", serde_json::to_string_pretty(&report)?),
        false => print!("{report}"),
    }
    Ok(report.good(arguments.strict))
}

/// What became of all attacks.
#[derive(Debug)]
pub(crate) struct Tried {
    pub(crate) counts: Summary,
    /// What is not held, a line each.
    pub(crate) failures: Vec<String>,
    /// What was not held once, and was each time that it was tried again: a line each.
    pub(crate) unsteady: Vec<String>,
}

/// Attacks that are not held and are tried again, at most: more than that is no accident.
const MOST_TRIED_AGAIN: usize = 4;
/// How often each of them is tried again; all have to hold.
const TRIES_AGAIN: usize = 2;

/// Runs all attacks on a program, prints the table, and counts: what is held has passed. What is not, for example because the machine
/// stood still or its clock was set meanwhile, is run again by itself; changes of the machine that did not come again are only told.
///
/// # Errors
///
/// They cannot be run.
pub(crate) fn all(binary: PathBuf) -> Result<Tried> {
    let arguments = AttackArguments { jobs: JOBS, binary: Some(binary), ..AttackArguments::default() };
    let attacks = header::collect(&root().join("attacks"))?;
    let report = carry_out(&arguments, &attacks)?;
    print!("{report}");
    let mut tried = Tried { counts: report.counts(), failures: Vec::new(), unsteady: report.passing_changes() };
    let failures = report.failures();
    let few = failures.len() <= MOST_TRIED_AGAIN;
    for (name, problem) in failures {
        let attack: Vec<_> = attacks.iter().filter(|attack| attack.name == name).cloned().collect();
        let again = || carry_out(&arguments, &attack).is_ok_and(|report| report.good(true));
        if few && (0..TRIES_AGAIN).all(|_| again()) {
            tried.counts.failed -= 1;
            tried.counts.passed += 1;
            tried.unsteady.push(format!("{name}: {problem}"));
        } else {
            tried.failures.push(format!("{name}: {problem}"));
        }
    }
    Ok(tried)
}

fn carry_out(arguments: &AttackArguments, attacks: &[Attack]) -> Result<Report> {
    ensure!(crate::needs::is_root(), "the attacks are run in namespaces of their own, which takes root");
    let binary = match &arguments.binary {
        Some(binary) => binary.canonicalize().with_context(|| format!("cannot find {}", binary.display()))?,
        None => build()?,
    };
    let options = RunOptions {
        variants: arguments.variants.clone(),
        jobs: arguments.jobs.max(1),
        batch: if arguments.one_by_one { 1 } else { usize::MAX },
        progress: std::io::stderr().is_terminal(),
    };
    let began = Instant::now();
    let stage = Stage::prepare(attacks.to_vec(), options, &binary, &root().join("attacks/lib"))?;
    let mut inside = stage.start()?;
    let mut json = String::new();
    if let Some(mut output) = inside.stdout.take() {
        output.read_to_string(&mut json).context("cannot read what was found")?;
    }
    let status = inside.wait()?;
    ensure!(status.success(), "the attacks could not be run ({status})");
    let findings: Findings = serde_json::from_str(&json).context("cannot understand what was found")?;
    Ok(Report::new(attacks, findings, began.elapsed()))
}

/// The part that runs in the world made for it.
fn inside(orders: &Path) -> Result<bool> {
    let orders: Orders = serde_json::from_slice(&fs::read(orders)?).context("cannot understand the orders")?;
    println!("{}", serde_json::to_string(&runner::run(&orders)?)?);
    Ok(true)
}

/// Builds the program as it is developed, and tells where it is.
fn build() -> Result<PathBuf> {
    eprintln!("building belljar ...");
    let mut command = cargo(["build", "--package", "belljar", "--message-format=json-render-diagnostics"]);
    let output = command.stderr(Stdio::inherit()).output().context("cannot start cargo")?;
    ensure!(output.status.success(), "belljar does not compile");
    executable(&output.stdout).context("cargo does not tell where the program is")
}

/// Today.
fn date() -> Result<String> {
    let output = Command::new("date").args(["-u", "+%Y-%m-%d"]).output().context("cannot start date")?;
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}
