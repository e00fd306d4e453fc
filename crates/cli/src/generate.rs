//! What is generated from the definition of the arguments: completions and manual pages.

use std::path::Path;

use anyhow::Context;
use clap::CommandFactory;
use clap_complete::Shell;

use crate::args::Cli;
use crate::failure::{Failure, print};

/// Prints the completion script for a shell.
///
/// # Errors
///
/// Standard output cannot be written.
pub(crate) fn completions(shell: Shell) -> Result<(), Failure> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "belljar", &mut script);
    print(script)
}

/// Writes `belljar.1` and a page for each subcommand.
///
/// # Errors
///
/// A file cannot be written.
pub(crate) fn manual_pages(directory: &Path) -> Result<(), Failure> {
    clap_mangen::generate_to(Cli::command(), directory)
        .with_context(|| format!("cannot write manual pages into {}", directory.display()))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_arguments_are_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_subcommand_has_a_manual_page() {
        let place = tempfile::tempdir().expect("a directory");
        assert!(manual_pages(place.path()).is_ok());
        for page in ["belljar.1", "belljar-run.1", "belljar-serve.1", "belljar-doctor.1", "belljar-config-show.1"] {
            let text = std::fs::read_to_string(place.path().join(page)).expect(page);
            assert!(text.contains(".SH SYNOPSIS"), "{page}");
        }
    }

    #[test]
    fn help_is_as_it_was() {
        let paths = [
            "",
            "run",
            "serve",
            "worker",
            "image",
            "image import",
            "image pull",
            "image list",
            "image show",
            "image remove",
            "submit",
            "status",
            "report",
            "verdict",
            "artifacts",
            "delete",
            "sandboxes",
            "pt",
            "pt status",
            "pt settings set",
            "sandboxes list",
            "sandboxes add",
            "sandboxes test",
            "exec-remote",
            "exec-remote run",
            "exec-remote check",
            "exec-remote download",
            "exec-remote specifications",
            "exec-remote usage",
            "exec-remote libraries",
            "doctor",
            "config",
            "config show",
            "config check",
        ];
        for path in paths {
            let mut command = Cli::command().term_width(100);
            command.build();
            let part = path
                .split_whitespace()
                .fold(&mut command, |command, name| command.find_subcommand_mut(name).expect("a subcommand"));
            let name = if path.is_empty() { "belljar".to_owned() } else { format!("belljar {path}").replace(' ', "_") };
            insta::assert_snapshot!(format!("help_{name}"), part.render_long_help());
        }
    }
}
