//! `cargo xtask docs`: the reference pages that are made from the code.

use anyhow::{Result, ensure};

use crate::cargo::{cargo, perform};

/// Writes `docs/configuration.md` and `docs/command-line.md` anew. A test of the command line compares them with the code.
///
/// # Errors
///
/// The program does not compile, or the pages cannot be written.
pub(crate) fn regenerate() -> Result<()> {
    let mut command = cargo(["test", "--package", "belljar", "reference"]);
    ensure!(perform(command.env("BELLJAR_TEST_REWRITE", "1"))?, "the pages could not be written");
    Ok(())
}
