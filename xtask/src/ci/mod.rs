//! `cargo xtask ci`: what must hold before a change is merged.

mod digest;

use std::env;
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::Command;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result};

use self::digest::Digest;

use crate::attack;
use crate::bench::build;
use crate::bench::sandbox::path;
use crate::cargo::{cargo, perform, printed};
use crate::chaos::{ChaosArguments, chaos};
use crate::needs::is_root;
use crate::python;
use crate::summary::Summary;
use crate::test;

/// How long what is left in the pipe is read after the checks have ended.
const REST_OF_THE_OUTPUT: Duration = Duration::from_secs(10);

/// Run what must hold before a change is merged: tests, formatting, lints, documentation, attacks, a little chaos
///
/// Shows what fails and the sum; everything that is printed is in the file that it names first.
#[derive(Debug, Default, clap::Args)]
pub(crate) struct CiArguments {
    /// Show everything that is printed
    #[arg(short, long)]
    verbose: bool,
}

/// Does so; tells whether all of it holds.
///
/// # Errors
///
/// A tool cannot be started, or the log cannot be written.
pub(crate) fn ci(arguments: &CiArguments) -> Result<bool> {
    if arguments.verbose { check() } else { digested() }
}

/// Runs it all in a process of its own, keeps what that prints, and shows what somebody has to see.
fn digested() -> Result<bool> {
    // Outside of the clone, which may be gone when somebody asks what failed.
    let path = log_path();
    if path.symlink_metadata().is_ok() {
        fs::rename(&path, path.with_extension("old.log")).context("cannot keep the log of the run before")?;
    }
    let log = File::create_new(&path).with_context(|| format!("cannot write {}", path.display()))?;
    println!("All that is printed is in {}.", path.display());
    let (reader, writer) = io::pipe().context("cannot make a pipe")?;
    let mut command = Command::new(env::current_exe().context("where is this program?")?);
    command.args(["ci", "--verbose"]).stderr(writer.try_clone().context("cannot make a pipe")?).stdout(writer);
    let mut child = command.spawn().context("cannot start this program again")?;
    // It holds the pipe's end, which would keep us waiting for more.
    drop(command);
    let (tell, told) = mpsc::channel();
    thread::spawn(move || tell.send(digest(BufReader::new(reader), log)));
    let status = child.wait().context("cannot wait for the checks")?;
    // A service that a test started may hold the pipe open for ever.
    if let Ok(read) = told.recv_timeout(REST_OF_THE_OUTPUT) {
        read?;
    }
    Ok(status.success())
}

/// Keeps everything, shows some.
fn digest(mut printed: impl BufRead, mut log: impl Write) -> Result<()> {
    let (mut digest, mut line) = (Digest::default(), Vec::new());
    while printed.read_until(b'\n', &mut line).context("cannot read what is printed")? > 0 {
        log.write_all(&line).context("cannot write the log")?;
        let text = String::from_utf8_lossy(&line);
        let text = text.trim_end_matches(['\n', '\r']);
        if digest.shows(text) {
            println!("{text}");
        }
        line.clear();
    }
    Ok(())
}

/// Tries once more what depends on how busy the machine is.
fn again<T>(name: &str, unsteady: &mut Vec<String>, check: impl Fn() -> Result<T>) -> Result<T> {
    let first = match check() {
        Ok(done) => return Ok(done),
        Err(error) => error,
    };
    println!("error: {name}: {first:#}\n\nIt is tried once more.");
    let second = check().with_context(|| name.to_owned())?;
    unsteady.push(format!("{name} ({first:#})"));
    Ok(second)
}

fn log_path() -> PathBuf {
    env::temp_dir().join("belljar-ci.log")
}

/// Runs the tests and the checks of form, all of them whatever fails. Each check counts as one more test in the closing line.
///
/// # Errors
///
/// A tool cannot be started.
fn check() -> Result<bool> {
    let mut tests = test::run(&test::TestArguments::default())?;
    let mut unsteady = test::alone(&mut tests)?;
    let mut summary = tests.summary;
    let mut documentation = cargo(["doc", "--workspace", "--no-deps"]);
    documentation.env("RUSTDOCFLAGS", "-D warnings");
    let checks = [
        cargo(["fmt", "--all", "--check"]),
        python::check("fmt", ["--check"]),
        python::check("clippy", ["--", "-D", "warnings"]),
        cargo(["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"]),
        documentation,
    ];
    let mut failures = Vec::new();
    for mut check in checks {
        let passed = perform(&mut check)?;
        summary += Summary { passed: u64::from(passed), failed: u64::from(!passed), skipped: 0 };
        if !passed {
            failures.push(printed(&check));
        }
    }
    // As root, where nothing that is checked is missing for want of rights.
    if is_root() {
        let minutes = 0.3;
        let name = format!("cargo xtask chaos --minutes {minutes}");
        let survived = again(&name, &mut unsteady, || {
            let binary = Some(build(&[])?);
            chaos(&ChaosArguments { minutes, seed: Some(1), binary, against: None }).map(Some)
        });
        let waits = again("cargo xtask bench sandbox --only path", &mut unsteady, || path::check(&build(&[])?));
        for done in [survived, waits] {
            let (passed, skipped) = (matches!(done, Ok(Some(()))), matches!(done, Ok(None)));
            let failed = u64::from(done.is_err());
            summary += Summary { passed: u64::from(passed), failed, skipped: u64::from(skipped) };
            failures.extend(done.err().map(|error| format!("{error:#}")));
        }
        match build(&[]).and_then(attack::all) {
            Ok(tried) => {
                let told = |attack: String| format!("cargo xtask attack: {attack}");
                failures.extend(tried.failures.into_iter().map(told));
                unsteady.extend(tried.unsteady.into_iter().map(told));
                summary += tried.counts;
            }
            Err(error) => {
                failures.push(format!("cargo xtask attack: {error:#}"));
                summary.failed += 1;
            }
        }
    }
    println!();
    for name in &unsteady {
        println!("UNSTEADY: {name}: failed at first, passed when tried once more");
    }
    for name in &tests.failed {
        println!("FAILED: {name}");
    }
    for failure in &failures {
        println!("FAILED: {failure}");
    }
    println!("{summary}");
    Ok(tests.succeeded && failures.is_empty())
}
