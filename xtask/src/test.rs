//! `cargo xtask test`: installs what is missing, builds, runs every test, and sums up.

use std::io::{self, BufRead, BufReader, Write};
use std::process::Stdio;
use std::time::Instant;

use anyhow::{Context, Result};

use crate::cargo::{cargo, printed};
use crate::needs;
use crate::summary::Summary;

/// Run all tests of the workspace
///
/// Installs the programs that tests need when they are missing (as root, on Debian). As root, tests that would be skipped for want
/// of something fail instead. The last line is the sum over all test programs.
#[derive(Debug, Default, clap::Args)]
pub(crate) struct TestArguments {
    /// Test optimized programs
    #[arg(long)]
    release: bool,

    /// Test only these packages
    #[arg(short, long = "package", value_name = "NAME")]
    packages: Vec<String>,

    /// Passed on to cargo test: a part of the names of tests, and after `--` options of the test programs
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    rest: Vec<String>,
}

/// Runs the tests, prints the closing line, and tells whether all passed.
///
/// # Errors
///
/// What is needed cannot be installed, or cargo cannot be run.
pub(crate) fn test(arguments: &TestArguments) -> Result<bool> {
    let (summary, succeeded) = run(arguments)?;
    println!("\n{summary}");
    Ok(succeeded)
}

/// Runs the tests and counts.
///
/// # Errors
///
/// What is needed cannot be installed, or cargo cannot be run.
pub(crate) fn run(arguments: &TestArguments) -> Result<(Summary, bool)> {
    needs::install()?;
    let mut command = cargo(["test", "--no-fail-fast"]);
    if arguments.packages.is_empty() {
        command.arg("--workspace");
    }
    for package in &arguments.packages {
        command.args(["--package", package]);
    }
    if arguments.release {
        command.arg("--release");
    }
    command.args(&arguments.rest);
    if needs::is_root() {
        command.env("BELLJAR_TEST_STRICT", "1");
    }
    let began = Instant::now();
    println!("$ {}", printed(&command));
    let mut child = command.stdout(Stdio::piped()).spawn().context("cannot start cargo")?;
    let output = child.stdout.take().context("cargo has no standard output")?;
    let mut summary = count(BufReader::new(output), io::stdout().lock())?;
    let succeeded = child.wait().context("cannot wait for cargo")?.success();
    if !succeeded && summary.failed == 0 {
        println!(
            "\nerror: cargo failed, although no test did: a program did not compile, or a test program died (see above)"
        );
        summary.failed = 1;
    }
    println!("\nTests took {:.0} s.", began.elapsed().as_secs_f64());
    Ok((summary, succeeded && summary.failed == 0))
}

/// Passes lines on and counts.
fn count(mut output: impl BufRead, mut to: impl Write) -> Result<Summary> {
    let mut summary = Summary::default();
    let mut line = Vec::new();
    while output.read_until(b'\n', &mut line).context("cannot read what cargo prints")? > 0 {
        to.write_all(&line)?;
        if let Some(counted) = Summary::of_line(&String::from_utf8_lossy(&line)) {
            summary += counted;
        }
        line.clear();
    }
    to.flush()?;
    Ok(summary)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_are_summed_up() {
        let mut passed_on = Vec::new();
        let output = b"running 1 test\ntest a ... ok\n\xff\ntest result: ok. 1 passed; 0 failed; 0 ignored\n\
            test result: FAILED. 2 passed; 1 failed; 4 ignored; 0 measured\n";
        let summary = count(&output[..], &mut passed_on).expect("read");
        assert_eq!(summary, Summary { passed: 3, failed: 1, skipped: 4 });
        assert_eq!(passed_on, output);
    }
}
