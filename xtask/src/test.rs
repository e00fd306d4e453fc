//! `cargo xtask test`: installs what is missing, builds, runs every test, and sums up.

use std::io::{self, BufRead, BufReader, Write};
use std::ops::AddAssign;
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context, Result};

use crate::cargo::{cargo, printed};
use crate::needs;
use crate::python;
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
    let tests = run(arguments)?;
    println!("\n{}", tests.summary);
    Ok(tests.succeeded)
}

/// What became of the tests.
#[derive(Debug, Default)]
pub(crate) struct Tests {
    pub(crate) summary: Summary,
    /// Whether nothing failed, also not the compiler.
    pub(crate) succeeded: bool,
    /// Names of tests that failed.
    pub(crate) failed: Vec<String>,
}

/// Tests that failed and are tried once more, at most: more than that is no accident.
const MOST_TRIED_AGAIN: usize = 6;

/// Runs those that failed once more, each alone, as some fail only beside all others on a busy machine; gives the names of those that
/// then pass, which no longer count as failed.
///
/// # Errors
///
/// Cargo cannot be run.
pub(crate) fn alone(tests: &mut Tests) -> Result<Vec<String>> {
    let named = u64::try_from(tests.failed.len()).unwrap_or(u64::MAX);
    if tests.failed.len() > MOST_TRIED_AGAIN || named != tests.summary.failed {
        return Ok(Vec::new());
    }
    let mut unsteady = Vec::new();
    for name in std::mem::take(&mut tests.failed) {
        let of_python = name.starts_with(python::PREFIX);
        let rest =
            if of_python { vec![name.clone()] } else { vec!["--".to_owned(), "--exact".to_owned(), name.clone()] };
        let again = run(&TestArguments { rest, ..TestArguments::default() })?;
        if again.succeeded && again.summary.passed > 0 {
            tests.summary.failed -= 1;
            tests.summary.passed += 1;
            unsteady.push(name);
        } else {
            tests.failed.push(name);
        }
    }
    tests.succeeded = tests.summary.failed == 0;
    Ok(unsteady)
}

/// Runs the tests and counts.
///
/// # Errors
///
/// What is needed cannot be installed, or cargo cannot be run.
pub(crate) fn run(arguments: &TestArguments) -> Result<Tests> {
    needs::install()?;
    let began = Instant::now();
    let (of_rust, of_python) = parts(arguments);
    let mut tests = if of_rust { rust(arguments)? } else { Tests { succeeded: true, ..Tests::default() } };
    if let Some(names) = of_python {
        tests += python(&names)?;
    }
    println!("\nTests took {:.0} s.", began.elapsed().as_secs_f64());
    Ok(tests)
}

/// Whether tests of Rust are meant, and which of the Python package's: it is a package like others, but takes no part in tests by parts of
/// names that do not begin as its own do.
fn parts(arguments: &TestArguments) -> (bool, Option<Vec<String>>) {
    let named: Vec<String> = arguments.rest.iter().filter(|part| part.starts_with(python::PREFIX)).cloned().collect();
    let listed = arguments.packages.iter().any(|package| package == python::PACKAGE);
    let others = arguments.packages.iter().any(|package| package != python::PACKAGE);
    if !named.is_empty() {
        return (false, Some(named));
    }
    let wanted = listed || arguments.packages.is_empty() && arguments.rest.is_empty();
    (others || arguments.packages.is_empty(), wanted.then(Vec::new))
}

/// Runs the Python package's tests and counts.
fn python(names: &[String]) -> Result<Tests> {
    match python::prepare()? {
        Ok(suite) => {
            let mut command = suite.command(names);
            println!("$ {}", printed(&command));
            told(&mut command, "a test died (see above)")
        }
        Err(why) => {
            // As with all tests that need something: where everything could be installed, that it is missing is an error.
            let strict = needs::is_root();
            println!("test {}all ... {}: {why}", python::PREFIX, if strict { "FAILED" } else { "skipped" });
            let (failed, skipped) = (u64::from(strict), u64::from(!strict));
            let summary = Summary { passed: 0, failed, skipped };
            Ok(Tests { summary, succeeded: !strict, failed: Vec::new() })
        }
    }
}

/// Runs the tests of the workspace and counts.
fn rust(arguments: &TestArguments) -> Result<Tests> {
    let mut command = cargo(["test", "--no-fail-fast"]);
    if arguments.packages.is_empty() {
        command.arg("--workspace");
    }
    for package in arguments.packages.iter().filter(|package| *package != python::PACKAGE) {
        command.args(["--package", package]);
    }
    if arguments.release {
        command.arg("--release");
    }
    command.args(&arguments.rest);
    if needs::is_root() {
        command.env("BELLJAR_TEST_STRICT", "1");
    }
    println!("$ {}", printed(&command));
    told(&mut command, "a program did not compile, or a test program died (see above)")
}

/// Runs test programs and counts what they say; `otherwise` is why that they fail without a failed test.
fn told(command: &mut Command, otherwise: &str) -> Result<Tests> {
    let mut child = command.stdout(Stdio::piped()).spawn().context("the tests cannot be started")?;
    let output = child.stdout.take().context("the tests have no standard output")?;
    let mut tests = count(BufReader::new(output), io::stdout().lock())?;
    let succeeded = child.wait().context("cannot wait for the tests")?.success();
    if !succeeded && tests.summary.failed == 0 {
        println!("\nerror: the tests failed, although no test did: {otherwise}");
        tests.summary.failed = 1;
    }
    tests.succeeded = succeeded && tests.summary.failed == 0;
    Ok(tests)
}

impl AddAssign for Tests {
    fn add_assign(&mut self, other: Self) {
        self.summary += other.summary;
        self.succeeded &= other.succeeded;
        self.failed.extend(other.failed);
    }
}

/// Passes lines on and counts.
fn count(mut output: impl BufRead, mut to: impl Write) -> Result<Tests> {
    let mut tests = Tests::default();
    let mut line = Vec::new();
    while output.read_until(b'\n', &mut line).context("cannot read what cargo prints")? > 0 {
        to.write_all(&line)?;
        let text = String::from_utf8_lossy(&line);
        if let Some(counted) = Summary::of_line(&text) {
            tests.summary += counted;
        }
        let failed = text.trim_end().strip_suffix("FAILED").and_then(|line| line.strip_prefix("test "));
        tests.failed.extend(failed.and_then(|line| line.rsplit_once(" ... ")).map(|(name, _)| name.trim().to_owned()));
        line.clear();
    }
    to.flush()?;
    Ok(tests)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_python_package_is_a_package_like_others() {
        let texts = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
        for (packages, rest, expected) in [
            (&[][..], &[][..], (true, Some(vec![]))),
            (&["belljar-client"], &[], (true, None)),
            (&["belljar-python"], &[], (false, Some(vec![]))),
            (&["belljar-client", "belljar-python"], &[], (true, Some(vec![]))),
            (&[], &["some_name"], (true, None)),
            (&[], &["--", "--exact", "a::b"], (true, None)),
            (&[], &["python::test_waiting"], (false, Some(texts(&["python::test_waiting"])))),
        ] {
            let arguments = TestArguments { packages: texts(packages), rest: texts(rest), release: false };
            assert_eq!(parts(&arguments), expected, "{packages:?} {rest:?}");
        }
    }

    #[test]
    fn programs_are_summed_up() {
        let mut passed_on = Vec::new();
        let output = b"running 1 test\ntest a ... ok\n\xff\n\
            test b::c   ... FAILED\ntest result: ok. 1 passed; 0 failed; 0 ignored\n\
            test result: FAILED. 2 passed; 1 failed; 4 ignored; 0 measured\n";
        let tests = count(&output[..], &mut passed_on).expect("read");
        assert_eq!(tests.summary, Summary { passed: 3, failed: 1, skipped: 4 });
        assert_eq!(tests.failed, ["b::c"]);
        assert_eq!(passed_on, output);
    }
}
