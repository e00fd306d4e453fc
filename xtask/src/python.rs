//! The Python package: built as `pip install` builds it, installed into an environment of its own, and tested there.

use std::env;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result};

use crate::cargo::{cargo, perform, root};

/// What names of its tests begin with.
pub(crate) const PREFIX: &str = "python::";
/// The name of its tests as a package.
pub(crate) const PACKAGE: &str = "belljar-python";
/// Those of maturin that build it.
const MATURIN: &str = "maturin>=1.9,<2";
/// Instead of the flags of the workspace, with which nothing can be loaded into an interpreter; as in `python/backend.py`.
const DYNAMIC: &str = "-C target-feature=-crt-static";
/// Whether a Python is new enough, and can make environments, which Debian has in a package of its own.
const CHECK: &str = "import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 9))";

/// Its tests, ready to be run.
#[derive(Debug)]
pub(crate) struct Suite {
    python: PathBuf,
}

/// Builds it and installs it into an environment in `target/`; says why it cannot.
///
/// # Errors
///
/// A program that is there cannot be started.
pub(crate) fn prepare() -> Result<Result<Suite, String>> {
    let Some(host) = interpreter() else {
        return Ok(Err("there is no Python of version 3.9 or later with venv and ensurepip".to_owned()));
    };
    let environment = root().canonicalize().context("where is the workspace?")?.join("target/python");
    let (bin, python) = (environment.join("bin"), environment.join("bin/python"));
    if !runs(&python, &["-m", "pip", "--version"]) {
        let mut command = Command::new(host);
        command.args(["-m", "venv", "--clear"]).arg(&environment);
        if !perform(&mut command)? {
            return Ok(Err(format!("{} makes no environment", host.display())));
        }
    }
    let pip = |arguments: &[&str]| {
        let mut command = Command::new(&python);
        command.current_dir(root()).args(["-m", "pip", "--quiet", "--disable-pip-version-check", "install"]);
        command.args(arguments);
        command
    };
    if !runs(&bin.join("maturin"), &["--version"]) && !perform(&mut pip(&[MATURIN]))? {
        return Ok(Err("maturin cannot be fetched".to_owned()));
    }
    let paths = env::var_os("PATH").unwrap_or_default();
    let path = env::join_paths([bin].into_iter().chain(env::split_paths(&paths))).context("PATH has strange parts")?;
    let mut install = pip(&["--no-build-isolation", "--no-deps", "--force-reinstall", "./python"]);
    install.env("PATH", path);
    // Whatever this program was started with.
    install.env_remove("CARGO_ENCODED_RUSTFLAGS").env("RUSTFLAGS", DYNAMIC);
    // Unoptimized, beside what is built anyway.
    install.env("MATURIN_PEP517_ARGS", "--profile dev").env("CARGO_TARGET_DIR", root().join("target"));
    Ok(if perform(&mut install)? { Ok(Suite { python }) } else { Err("it cannot be built".to_owned()) })
}

impl Suite {
    /// The call that runs those of its tests whose names have one of these parts, or all of them.
    pub(crate) fn command(&self, parts: &[String]) -> Command {
        let mut command = Command::new(&self.python);
        // Not from where the package's own files are: what is installed is tested.
        command.current_dir(root()).arg("python/tests").args(parts).stdout(Stdio::piped());
        command
    }
}

/// A check of its compiled part, which is outside of the workspace.
pub(crate) fn check<const N: usize>(task: &str, rest: [&str; N]) -> Command {
    let mut command = cargo([task, "--manifest-path", "python/Cargo.toml"]);
    command.args(rest).env("CARGO_TARGET_DIR", root().join("target")).env("RUSTFLAGS", DYNAMIC);
    command
}

/// The Python that is used: the system's, or else the first of the search path.
pub(crate) fn interpreter() -> Option<&'static Path> {
    [Path::new("/usr/bin/python3"), Path::new("python3")].into_iter().find(|python| runs(python, &["-c", CHECK]))
}

/// Whether a program is there and succeeds, whatever it prints.
fn runs(program: &Path, arguments: &[&str]) -> bool {
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}
