//! The arguments of `belljar config`, as typed.

use std::path::PathBuf;

use clap::Subcommand;

use super::Sources;

/// Show and check the configuration
#[derive(Debug, clap::Args)]
pub(crate) struct ConfigArgs {
    #[command(subcommand)]
    pub(crate) action: ConfigAction,
}

/// What is asked about the configuration.
#[derive(Debug, Subcommand)]
pub(crate) enum ConfigAction {
    /// Print every setting, its value, and where the value came from
    ///
    /// Takes the same options as `belljar serve`, and shows what that would use.
    Show {
        #[command(flatten)]
        sources: Sources,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Check a configuration file without starting anything
    ///
    /// Exits with 0 when the file is understood, with 2 and the reason when it is not.
    Check {
        /// The file
        file: PathBuf,
    },
}
