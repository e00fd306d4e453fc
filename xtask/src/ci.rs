//! `cargo xtask ci`: what must hold before a change is merged.

use anyhow::{Context, Result};

use crate::attack;
use crate::bench::build;
use crate::bench::sandbox::path;
use crate::cargo::{cargo, perform, printed};
use crate::chaos::{ChaosArguments, chaos};
use crate::needs::is_root;
use crate::summary::Summary;
use crate::test;

/// Runs the tests and the checks of form, all of them whatever fails. Each check counts as one more test in the closing line.
///
/// # Errors
///
/// A tool cannot be started.
pub(crate) fn ci() -> Result<bool> {
    let (mut summary, tested) = test::run(&test::TestArguments::default())?;
    let mut documentation = cargo(["doc", "--workspace", "--no-deps"]);
    documentation.env("RUSTDOCFLAGS", "-D warnings");
    let checks = [
        cargo(["fmt", "--all", "--check"]),
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
        let survived = build(&[])
            .and_then(|binary| chaos(&ChaosArguments { minutes, seed: Some(1), binary: Some(binary), against: None }))
            .map(Some)
            .with_context(|| format!("cargo xtask chaos --minutes {minutes}"));
        let waits = build(&[]).and_then(|binary| path::check(&binary)).context("cargo xtask bench sandbox --only path");
        for done in [survived, waits] {
            let (passed, skipped) = (matches!(done, Ok(Some(()))), matches!(done, Ok(None)));
            let failed = u64::from(done.is_err());
            summary += Summary { passed: u64::from(passed), failed, skipped: u64::from(skipped) };
            failures.extend(done.err().map(|error| format!("{error:#}")));
        }
        match build(&[]).and_then(attack::all) {
            Ok((counts, not_held)) => {
                failures.extend(not_held.into_iter().map(|attack| format!("cargo xtask attack: {attack}")));
                summary += counts;
            }
            Err(error) => {
                failures.push(format!("cargo xtask attack: {error:#}"));
                summary.failed += 1;
            }
        }
    }
    println!();
    for failure in &failures {
        println!("FAILED: {failure}");
    }
    println!("{summary}");
    Ok(tested && failures.is_empty())
}
