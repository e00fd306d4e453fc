//! What is run inside a sandbox, as opposed to what is allowed ([`crate::Policy`]).

use std::ffi::OsString;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::time::Duration;

/// One program to run inside a sandbox.
#[derive(Debug)]
pub struct Command {
    /// Program and arguments. A program without a slash is looked up in the `PATH` of `environment`, inside the sandbox.
    pub argv: Vec<OsString>,
    /// Variables added to the policy's environment; the same name overrides.
    pub environment: Vec<(OsString, OsString)>,
    /// Working directory inside; the policy's work directory when absent.
    pub directory: Option<PathBuf>,
    /// Standard input.
    pub stdin: Stdin,
    /// Standard output and standard error.
    pub output: Output,
    /// Wall-clock limit of this command; the policy's when absent, and never above it.
    pub wall_time: Option<Duration>,
}

/// Where standard input comes from.
#[derive(Debug, Default)]
pub enum Stdin {
    /// Empty: the first read says end of file.
    #[default]
    Empty,
    /// These bytes, then end of file.
    Bytes(Vec<u8>),
    /// A descriptor handed to the program as it is.
    Descriptor(OwnedFd),
}

/// Where standard output and standard error go.
#[derive(Debug, Default)]
pub enum Output {
    /// Kept in memory and returned in the [`crate::Outcome`], up to the policy's output limit.
    #[default]
    Collect,
    /// Copied, while the program runs, to these descriptors (stdout, stderr), up to the policy's output limit.
    Forward(OwnedFd, OwnedFd),
    /// These descriptors are handed to the program as they are: a terminal, for example. The output limit does not apply.
    Descriptors(OwnedFd, OwnedFd),
}

impl Command {
    /// A command with empty input and collected output.
    pub fn new(argv: impl IntoIterator<Item = impl Into<OsString>>) -> Self {
        Self {
            argv: argv.into_iter().map(Into::into).collect(),
            environment: Vec::new(),
            directory: None,
            stdin: Stdin::Empty,
            output: Output::Collect,
            wall_time: None,
        }
    }

    /// `bash -c SCRIPT`: a new shell, neither a login shell nor interactive.
    pub fn shell(script: impl Into<OsString>) -> Self {
        Self::new([OsString::from("bash"), OsString::from("-c"), script.into()])
    }

    /// Sets the wall-clock limit.
    #[must_use]
    pub const fn wall_time(mut self, limit: Duration) -> Self {
        self.wall_time = Some(limit);
        self
    }

    /// Adds environment variables.
    #[must_use]
    pub fn environment(mut self, variables: impl IntoIterator<Item = (OsString, OsString)>) -> Self {
        self.environment.extend(variables);
        self
    }
}
