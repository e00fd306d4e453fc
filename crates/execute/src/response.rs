//! What the service answers.

use std::time::Duration;

use belljar_sandbox::Outcome;
use belljar_store::Environment;

/// What became of a request.
#[derive(Debug)]
pub struct Response {
    /// One entry per command started, in order; never empty.
    pub executions: Vec<Execution>,
    /// Unpacking, all commands and reading the result; neither waiting for a sandbox nor saving.
    pub total_time: Duration,
    /// The file asked for; absent when none was.
    pub result: Option<ResultFile>,
    /// The saved environment; present if and only if saving was asked for.
    pub saved: Option<Environment>,
}

/// One command that was started.
#[derive(Debug)]
pub struct Execution {
    /// Index of the command in the request.
    pub command: usize,
    /// The limit that was in force.
    pub limit: TimeLimit,
    /// Wall-clock time, our own overhead included.
    pub time: Duration,
    /// What it did.
    pub outcome: Outcome,
}

/// Where a command's wall-clock limit came from.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum TimeLimit {
    /// The command's own.
    Own,
    /// What was left of the request's budget, in seconds; equal to the whole budget for the first command. Zero or less
    /// when earlier commands had used it up: such a command is not started and ends at once.
    Budget(f64),
}

/// The file asked for.
#[derive(Debug, PartialEq, Eq)]
pub enum ResultFile {
    /// Its bytes.
    Content(Vec<u8>),
    /// Missing, not a regular file, unreadable, outside of the working directory, or above the limit: says which.
    Unavailable(String),
}
