//! Why a call of `belljar` failed, and how that is said.

use std::fmt::Display;
use std::io::{self, Write};

use crate::exit::ExitCode;

/// An error with the exit code that it leads to and, when there is one, advice.
#[derive(Debug)]
pub(crate) struct Failure {
    code: ExitCode,
    error: anyhow::Error,
    hint: Option<String>,
}

impl Failure {
    /// A failure with its own exit code.
    pub(crate) fn new(code: ExitCode, error: impl Into<anyhow::Error>) -> Self {
        Self { code, error: error.into(), hint: None }
    }

    /// Arguments or configuration that cannot be understood.
    pub(crate) fn usage(error: impl Into<anyhow::Error>) -> Self {
        Self::new(ExitCode::Usage, error)
    }

    /// Adds what the caller can do about it.
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// The error and its causes, in one line.
    pub(crate) fn reason(&self) -> String {
        format!("{:#}", self.error)
    }

    /// Tells the story on standard error: the error, its causes and the hint.
    pub(crate) fn report(&self) -> ExitCode {
        say(format_args!("error: {:#}", self.error));
        if let Some(hint) = &self.hint {
            advise(hint);
        }
        self.code
    }
}

impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Self {
        Self::new(ExitCode::Failure, error)
    }
}

/// A line of ours on standard error. What becomes of it there is no reason to fail.
pub(crate) fn say(line: impl Display) {
    let _ = writeln!(io::stderr().lock(), "belljar: {line}");
}

/// A line of advice on standard error.
pub(crate) fn advise(hint: impl Display) {
    let _ = writeln!(io::stderr().lock(), "hint: {hint}");
}

/// Writes data to standard output. A reader that has gone away has what it wanted: a broken pipe is success.
///
/// # Errors
///
/// Any other failure to write.
pub(crate) fn print(data: impl AsRef<[u8]>) -> Result<(), Failure> {
    let mut stdout = io::stdout().lock();
    match stdout.write_all(data.as_ref()).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(Failure::from(anyhow::Error::new(error).context("cannot write to standard output")))
        }
        _ => Ok(()),
    }
}
