//! Compared with Node where it is installed; with real libraries where npm is.
//!
//! What is not there is said, and the test passes; with `BELLJAR_TEST_STRICT=1` it fails.

mod apps;
mod compare;
mod modules;
mod realms;
mod stage;

use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;

/// Says that a test did not run.
fn skip(test: &str, reason: &str) {
    assert!(std::env::var_os("BELLJAR_TEST_STRICT").is_none_or(|value| value != "1"), "{test} cannot run: {reason}");
    eprintln!("{test} skipped: {reason}");
}

/// Whether a program can be started.
fn is_installed(program: &str) -> bool {
    Command::new(program).arg("--version").output().is_ok_and(|output| output.status.success())
}

/// The libraries that are compared, as npm installs them: once for each target directory.
fn libraries() -> Option<PathBuf> {
    static INSTALLED: OnceLock<Option<PathBuf>> = OnceLock::new();
    INSTALLED.get_or_init(install).clone()
}

fn install() -> Option<PathBuf> {
    const PACKAGES: [&str; 6] =
        ["vumigo_v02@0.3.2", "lodash@4.17.21", "q@1.5.1", "jed@0.5.4", "moment@2.29.4", "bluebird@3.7.2"];
    let mut target = std::env::current_exe().ok()?;
    while target.file_name().is_some_and(|name| name != "target") {
        target.pop();
    }
    let directory = target.join("worker-libraries");
    let done = directory.join("node_modules/vumigo_v02/package.json");
    if done.exists() {
        return Some(directory.join("node_modules"));
    }
    // Made beside it and moved, so that several test programs do not meet.
    let parent = target.is_dir().then_some(&target)?;
    let making = tempfile::Builder::new().prefix("worker-libraries-").tempdir_in(parent).ok()?;
    std::fs::write(making.path().join("package.json"), "{\"private\": true}").ok()?;
    let output = Command::new("npm")
        .args(["install", "--no-audit", "--no-fund", "--ignore-scripts"])
        .args(PACKAGES)
        .current_dir(making.path())
        .output()
        .ok()?;
    if !output.status.success() {
        eprintln!("npm install: {}", String::from_utf8_lossy(&output.stderr));
        return None;
    }
    let made = making.keep();
    if std::fs::rename(&made, &directory).is_err() {
        // Somebody else was faster.
        let _ = std::fs::remove_dir_all(&made);
    }
    done.exists().then(|| directory.join("node_modules"))
}
