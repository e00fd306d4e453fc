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
    /// Whether a command whose output is not UTF-8 is the last one, even if it succeeded or its failure is ignored: for
    /// dialects that can only tell text. Output of a command that ran out of time does not count, it is lost in any case.
    pub stop_at_invalid_utf8: bool,
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
