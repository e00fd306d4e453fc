//! Why a job was not done, on its way to the [`Report`].

use std::io;

use rustix::io::Errno;

use super::{Refusal, Report};

/// A job that was not done.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// Because of what was asked or sent.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// Because of the system.
    #[error("{step}: error number {errno}")]
    Failed {
        /// What was being done, such as `writing dir/file`.
        step: String,
        /// The system's error number (`errno(3)`).
        errno: i32,
    },
}

impl Problem {
    pub(super) fn failed(step: impl Into<String>, errno: Errno) -> Self {
        Self::Failed { step: step.into(), errno: errno.raw_os_error() }
    }

    /// An error of the standard library; one without a number of the system counts as an input/output error.
    pub(super) fn failed_io(step: impl Into<String>, error: &io::Error) -> Self {
        Self::failed(step, Errno::from_io_error(error).unwrap_or(Errno::IO))
    }

    pub(super) fn not_an_archive(why: impl Into<String>) -> Self {
        Refusal::NotAnArchive(why.into()).into()
    }
}

impl From<Problem> for Report {
    fn from(problem: Problem) -> Self {
        match problem {
            Problem::Refused(refusal) => Self::Refused(refusal),
            Problem::Failed { step, errno } => Self::Failed { step, errno },
        }
    }
}

/// Names the step that failed.
pub(super) trait Step<T> {
    /// The step is only put into words when it failed.
    fn step<S: Into<String>>(self, step: impl FnOnce() -> S) -> Result<T, Problem>;
}

impl<T> Step<T> for rustix::io::Result<T> {
    fn step<S: Into<String>>(self, step: impl FnOnce() -> S) -> Result<T, Problem> {
        self.map_err(|errno| Problem::failed(step(), errno))
    }
}

impl<T> Step<T> for io::Result<T> {
    fn step<S: Into<String>>(self, step: impl FnOnce() -> S) -> Result<T, Problem> {
        self.map_err(|error| Problem::failed_io(step(), &error))
    }
}
