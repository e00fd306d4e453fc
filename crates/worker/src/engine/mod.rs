//! What runs an app: any program, Node, or QuickJS. Each gives processes that speak the protocol of lines.

mod node;
mod process;
pub mod quickjs;
mod rlimits;
mod sandboxed;
mod shown;

use std::fmt;

use tokio::io::{AsyncRead, AsyncWrite};

use belljar_sandbox::Usage;

use crate::bus::Boxed;

pub use node::NodeEngine;
pub use process::{MAX_PROCESSES, ProcessEngine};
pub use sandboxed::SANDBOX_WAIT;

/// Something that makes processes for one app, ahead of need where it can.
pub trait Engine: Send + Sync + fmt::Debug {
    /// A process that waits for its first line. One that was started ahead is preferred.
    fn process(&self) -> Boxed<'_, Result<Process, EngineError>>;
    /// Loads the app anew, where it was loaded ahead; processes that serve a message go on with what they have.
    fn reload(&self) -> Boxed<'_, Result<(), EngineError>>;
    /// Ends everything, for the end of the worker.
    fn close(&self) -> Boxed<'_, ()>;
    /// Memory of this app's processes and their sandbox in bytes, as far as it is known.
    fn memory(&self) -> Option<u64>;
    /// Whether [`Process`]es want `initialize` before their first message: those of QuickJS have been initialized before they came
    /// to be.
    fn wants_initialize(&self) -> bool;
    /// Whether a process may be given another message after one (`messages_per_process`). It then gets `initialize` again before.
    fn serves_again(&self) -> bool {
        false
    }
}

/// A process inside a sandbox. Dropped, it is killed.
pub struct Process {
    /// Lines to it.
    pub stdin: Box<dyn AsyncWrite + Send + Unpin>,
    /// Lines from it.
    pub stdout: Box<dyn AsyncRead + Send + Unpin>,
    /// Free text from it.
    pub stderr: Box<dyn AsyncRead + Send + Unpin>,
    /// How to end it, and how it ended.
    pub control: Box<dyn Control>,
}

impl fmt::Debug for Process {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Process")
    }
}

/// The other end of a process.
pub trait Control: Send {
    /// SIGKILL, to it and to all of its children.
    fn kill(&mut self);
    /// Waits until it has ended, and says how. Must be cancel-safe: it may be polled, dropped and called again.
    fn ended(&mut self) -> Boxed<'_, Ending>;
    /// What it used in its whole life; known once it has ended, if at all.
    fn usage(&self) -> Option<Usage> {
        None
    }
}

/// How a process ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ending {
    /// By itself, with this code.
    Exited(i32),
    /// By a signal.
    Signaled(i32),
    /// It had used up its CPU time.
    CpuTime,
    /// It had used up its memory.
    Memory,
    /// Something of ours went wrong.
    Failed(String),
}

/// Why there is no process.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// The app cannot be loaded: its own fault. The text is for its author.
    #[error("{0}")]
    App(String),
    /// No sandbox.
    #[error(transparent)]
    Sandbox(#[from] belljar_sandbox::SandboxError),
    /// Anything else of the system's.
    #[error("{doing}: {source}")]
    System {
        /// What was being done.
        doing: String,
        /// What the system said.
        source: std::io::Error,
    },
}
