//! What is asked of the service, whatever the dialect it was asked in.

use std::fs::File;
use std::time::Duration;

use belljar_store::EnvironmentId;

/// One execution: commands that run in order in a sandbox of their own.
#[derive(Debug)]
pub struct Request {
    /// The commands, at least one.
    pub commands: Vec<Command>,
    /// Environment variables of every command, on top of the policy's.
    pub variables: Vec<(String, String)>,
    /// A saved environment to start from.
    pub base: Option<EnvironmentId>,
    /// A gzip-compressed tar, unpacked over the base. Positioned at its start.
    pub upload: Option<File>,
    /// A file to return, relative to the working directory.
    pub result_path: Option<String>,
    /// Whether the working directory is saved as a new environment afterwards.
    pub save: bool,
}

/// One command of a request.
#[derive(Debug, Clone, PartialEq)]
pub struct Command {
    /// Text for `bash -c`.
    pub script: String,
    /// Its own limit; the request's budget when absent. Never above what is left of the budget.
    pub timeout: Option<Duration>,
    /// Whether a failure or a time-out of it lets the next command run.
    pub ignore_failure: bool,
}
