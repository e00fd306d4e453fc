//! Calls of cargo, from the root of the workspace.

use std::env;
use std::ffi::OsStr;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};

/// The root of the workspace.
pub(crate) fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

/// A call of the cargo that runs this task.
pub(crate) fn cargo<S: AsRef<OsStr>>(arguments: impl IntoIterator<Item = S>) -> Command {
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(root()).args(arguments);
    command
}

/// Prints a call and carries it out; tells whether it succeeded.
///
/// # Errors
///
/// It cannot be started.
pub(crate) fn perform(command: &mut Command) -> Result<bool> {
    println!("$ {}", printed(command));
    let status = command.status().with_context(|| format!("cannot start {}", printed(command)))?;
    Ok(status.success())
}

/// A call as one would type it.
pub(crate) fn printed(command: &Command) -> String {
    let program = Path::new(command.get_program()).file_name().unwrap_or(command.get_program());
    let words = std::iter::once(program).chain(command.get_args());
    words.map(OsStr::to_string_lossy).collect::<Vec<_>>().join(" ")
}
