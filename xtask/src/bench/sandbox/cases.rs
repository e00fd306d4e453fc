//! What is run, and who runs it.

use std::ffi::OsString;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use serde::Serialize;
use serde_json::{Value, json};

use super::super::http::execute_form;
use super::super::sampling::Caller;
use super::super::server::Server;

/// The interpreter that every sandbox sees, as `python3` in PATH may be a user's own.
const PYTHON: &str = "/usr/bin/python3";

/// A program that is run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Workload {
    /// `/bin/true`: the sandbox itself.
    True,
    /// `bash -c true`: what the execution protocol runs for the command `true`.
    Shell,
    /// `python3 -c 1`: what users run.
    Python,
}

impl Workload {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::True => "/bin/true",
            Self::Shell => "bash -c true",
            Self::Python => "python3 -c 1",
        }
    }

    /// The program with its arguments.
    pub(super) const fn program(self) -> &'static [&'static str] {
        match self {
            Self::True => &["/bin/true"],
            Self::Shell => &["/bin/bash", "-c", "true"],
            Self::Python => &[PYTHON, "-c", "1"],
        }
    }

    /// The same as a command of the execution protocol, which is text for a shell.
    const fn command(self) -> &'static str {
        match self {
            Self::True => "/bin/true",
            Self::Shell => "true",
            Self::Python => "/usr/bin/python3 -c 1",
        }
    }
}

/// A caller that starts a process (by `posix_spawn`, which is a `vfork`) that reads and writes nothing, and waits for its end.
pub(super) fn process(prefix: Vec<OsString>, workload: Workload) -> Caller {
    let mut arguments = prefix;
    arguments.extend(workload.program().iter().map(OsString::from));
    Box::new(move || spawn(&arguments))
}

pub(super) fn spawn(arguments: &[OsString]) -> Result<()> {
    let (program, rest) = arguments.split_first().context("there is no program")?;
    let mut command = Command::new(program);
    command.args(rest).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let status = command.status().with_context(|| format!("cannot start {}", program.display()))?;
    ensure!(status.success(), "{}: {status}", arguments.join(" ".as_ref()).display());
    Ok(())
}

/// Words as the beginning of a command line.
pub(super) fn words(program: &Path, rest: &[&str]) -> Vec<OsString> {
    std::iter::once(program.as_os_str().to_owned()).chain(rest.iter().map(OsString::from)).collect()
}

/// The same namespaces as ours, without mounts, limits and filters.
pub(super) fn unshare() -> Vec<OsString> {
    words(Path::new("unshare"), &["-Urpf", "--mount-proc", "-n", "-i", "-u", "-C"])
}

/// A caller that has our server run it, over one connection that is kept.
pub(super) fn request(server: &Server, workload: Workload) -> Result<Caller> {
    let mut client = server.connect()?;
    let form = execute_form(&json!({"commands": [workload.command()]}));
    Ok(Box::new(move || {
        let answer = client.execute_form(&form)?;
        ensure!(answer.get("status") == Some(&Value::from(0)), "unexpected answer: {answer}");
        Ok(())
    }))
}
