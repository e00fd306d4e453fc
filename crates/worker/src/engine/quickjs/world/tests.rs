//! Compared with Node where it is installed; with real libraries where npm is.
//!
//! What is not there is said, and the test passes; with `BELLJAR_TEST_STRICT=1` it fails.

mod apps;
mod compare;
#[path = "../../../../tests/common/libraries.rs"]
mod libraries;
mod modules;
mod realms;
mod stage;

use std::process::Command;

/// Says that a test did not run.
fn skip(test: &str, reason: &str) {
    assert!(std::env::var_os("BELLJAR_TEST_STRICT").is_none_or(|value| value != "1"), "{test} cannot run: {reason}");
    eprintln!("{test} skipped: {reason}");
}

/// Whether a program can be started.
fn is_installed(program: &str) -> bool {
    Command::new(program).arg("--version").output().is_ok_and(|output| output.status.success())
}
