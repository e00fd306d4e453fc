//! Why a request could not be carried out. What a program did is never an error.

use std::time::Duration;

use belljar_sandbox::agent::Refusal;
use belljar_store::{EnvironmentId, StoreError};

/// Why a request could not be carried out.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ExecuteError {
    /// The base environment does not exist (any more).
    #[error("no environment {0}")]
    UnknownEnvironment(EnvironmentId),
    /// The environment has no such file.
    #[error("no file '{path}' in environment {environment}")]
    UnknownFile {
        /// The environment.
        environment: EnvironmentId,
        /// The name asked for.
        path: String,
    },
    /// The uploaded archive was refused: the caller's fault.
    #[error("the archive was refused")]
    Archive(#[source] Refusal),
    /// All sandboxes stayed busy for the configured wait.
    #[error("no sandbox became free")]
    Busy {
        /// When trying again makes sense.
        retry_after: Duration,
    },
    /// The working directory does not fit into what may be saved.
    #[error("the environment to save is larger than {max_bytes} bytes")]
    TooLargeToSave {
        /// The limit.
        max_bytes: u64,
    },
    /// The sandbox failed: ours or the machine's fault.
    #[error("the sandbox failed")]
    Sandbox(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The store failed.
    #[error("the store failed")]
    Store(#[source] StoreError),
    /// A spooled file could not be used.
    #[error("{step}")]
    Io {
        /// What was being done.
        step: &'static str,
        /// Why it failed.
        #[source]
        source: std::io::Error,
    },
}
