//! Why a request could not be carried out. What a program did is never an error.

use std::time::Duration;

use belljar_sandbox::agent::Refusal;
use belljar_store::{EnvironmentId, StoreError};

/// Why a request could not be carried out.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ExecuteError {
    /// The request has no commands: the caller's fault.
    #[error("a request needs at least one command")]
    NoCommands,
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
    /// The uploaded archive, unpacked over the base, does not fit into a sandbox: the caller's fault.
    #[error("the files do not fit into a sandbox")]
    DoesNotFit,
    /// A saved environment cannot be unpacked: it is damaged, or limits were lowered since it was saved.
    #[error("environment {environment} cannot be unpacked")]
    Unusable {
        /// The environment.
        environment: EnvironmentId,
        /// What is wrong with it.
        #[source]
        refusal: Refusal,
    },
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
    /// The working directory cannot be packed, because of what the programs made in it, such as a path that is too long.
    #[error("the environment cannot be saved")]
    CannotSave(#[source] Refusal),
    /// A step of ours inside the sandbox took too long: a busy machine, or an archive made to be slow.
    #[error("{step} took longer than {} s", limit.as_secs_f64())]
    Slow {
        /// The step, such as `unpacking the archive`.
        step: &'static str,
        /// The limit: the setting `archive_timeout`.
        limit: Duration,
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
    /// The service is being stopped.
    #[error("the service is stopping")]
    Stopping,
}

/// Why a service could not be started.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// A setting makes no sense.
    #[error("a setting is wrong")]
    Setting(#[source] crate::settings::InvalidSetting),
    /// The saved environments cannot be used.
    #[error("the store cannot be opened")]
    Store(#[source] StoreError),
    /// The directory of external libraries cannot be used.
    #[error("cannot use the directory of libraries `{}`", path.display())]
    Libraries {
        /// The directory.
        path: std::path::PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The root directory of sandboxes cannot be had.
    #[error("the setting `execute.sandbox.rootfs`")]
    Rootfs(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// There can be no sandboxes.
    #[error("no sandboxes can be made")]
    Sandbox(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// Why a service cannot serve requests now.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NotReady {
    /// The first sandbox is still being made.
    #[error("the first sandbox is being made")]
    Starting,
    /// There is no sandbox, and making them fails.
    #[error("sandboxes cannot be made: {problem}")]
    NoSandboxes {
        /// Why the last attempt failed.
        problem: String,
    },
    /// The service is being stopped.
    #[error("the service is stopping")]
    Stopping,
}
