//! Why a sandbox could not be made or used. What a program inside did is never an error: see [`crate::Outcome`].

use crate::agent::Refusal;
use crate::layer::Layer;

/// Why a sandbox could not be made or used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SandboxError {
    /// The policy contradicts itself or names what does not exist.
    #[error("{0}")]
    Policy(String),
    /// A layer that the policy requires is not to be had here.
    #[error("the layer '{}' is required but missing: {reason} ('belljar doctor' tells more)", layer.name())]
    Missing {
        /// The layer.
        layer: Layer,
        /// Why.
        reason: String,
    },
    /// A step of the set-up failed.
    #[error("cannot set up a sandbox: {step}")]
    Setup {
        /// The step.
        step: String,
        /// The system's error.
        #[source]
        source: std::io::Error,
    },
    /// The launcher process is gone and could not be started again.
    #[error("the launcher process is not there")]
    Launcher(#[source] std::io::Error),
    /// The command cannot be sent into the sandbox.
    #[error("{0}")]
    Command(String),
    /// The sandbox died: its first process was killed, from outside or for want of memory.
    #[error("the sandbox died")]
    Died,
}

impl SandboxError {
    pub(crate) fn setup(step: impl Into<String>, source: impl Into<std::io::Error>) -> Self {
        Self::Setup { step: step.into(), source: source.into() }
    }
}

/// Why no sandbox could be taken from a pool.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TakeError {
    /// All were busy for as long as the caller would wait.
    #[error("all sandboxes are busy")]
    Busy,
    /// None can be made.
    #[error("no sandbox can be made: {0}")]
    Unavailable(String),
}

/// Why belljar's own work inside a sandbox was not done.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AgentError {
    /// What was asked or sent is refused.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The system inside the sandbox failed it: no space, no memory, out of time.
    #[error("{step}")]
    Failed {
        /// What was being done.
        step: String,
        /// The error number, 0 when there is none.
        errno: i32,
    },
    /// What was to be written out is larger than allowed.
    #[error("more than {0} bytes")]
    TooLarge(u64),
    /// The receiving end failed.
    #[error("cannot hand the bytes on")]
    Sink(#[source] std::io::Error),
    /// The sandbox failed.
    #[error(transparent)]
    Sandbox(#[from] SandboxError),
}
