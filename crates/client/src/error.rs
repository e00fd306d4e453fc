//! What went wrong: which sandbox, at which step, whose fault, and whether trying again makes sense.

use std::fmt;
use std::time::Duration;

use crate::execution::HttpError;
use crate::sandbox::{Capability, Vendor};

/// WildFire's status for an upload that failed on its side.
const UPLOAD_FAILED: u16 = 513;

/// A result of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What went wrong with one call.
#[derive(Debug, thiserror::Error)]
#[error("{sandbox} ({vendor}), {step}: {kind}")]
pub struct Error {
    /// The sandbox's name in the configuration.
    pub sandbox: String,
    /// Whose product it is.
    pub vendor: Vendor,
    /// What was being done.
    pub step: Step,
    /// What happened.
    #[source]
    pub kind: ErrorKind,
}

/// What was being done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Step {
    /// Executing.
    Execute,
    /// Logging in.
    LogIn,
    /// Asking whether it is there.
    Availability,
    /// Submitting.
    Submit,
    /// Looking a hash up.
    LookUp,
    /// Asking how far it is.
    Status,
    /// Waiting for the end.
    Wait,
    /// Fetching the report.
    Report,
    /// Fetching an artifact.
    Artifact,
    /// Deleting.
    Delete,
    /// Asking for the queue.
    Queue,
    /// Anything special to the vendor; the text says what.
    Other(&'static str),
}

impl fmt::Display for Step {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Execute => "executing",
            Self::LogIn => "logging in",
            Self::Availability => "asking whether it is there",
            Self::Submit => "submitting",
            Self::LookUp => "looking the hash up",
            Self::Status => "asking for the status",
            Self::Wait => "waiting",
            Self::Report => "fetching the report",
            Self::Artifact => "fetching an artifact",
            Self::Delete => "deleting",
            Self::Queue => "asking for the queue",
            Self::Other(what) => what,
        })
    }
}

/// What happened. Texts hold no secrets.
#[derive(Debug, thiserror::Error)]
pub enum ErrorKind {
    /// The vendor offers no such thing. Known before any request is sent.
    #[error("this sandbox cannot do that: {0}")]
    Unsupported(Capability),
    /// What was asked makes no sense.
    #[error("{0}")]
    Invalid(String),
    /// The sample cannot be read.
    #[error("cannot read the sample: {0}")]
    Sample(#[source] std::io::Error),
    /// No connection, or it broke. Whether the request arrived is not known when `sent`.
    #[error("no connection: {reason}")]
    Transport {
        /// What happened, without the address's secrets.
        reason: String,
        /// The request, or a part of it, had been sent.
        sent: bool,
    },
    /// A time limit has passed; the text names it.
    #[error("no answer in time: the {limit} limit of {after:?} has passed")]
    TimedOut {
        /// The limit's name: `connect`, `read`, `total`, or that of a wait.
        limit: &'static str,
        /// How long it is.
        after: Duration,
    },
    /// The key is missing, wrong or revoked.
    #[error("not authenticated: {0}")]
    Unauthenticated(String),
    /// The key is right and may not do this.
    #[error("not allowed: {0}")]
    Forbidden(String),
    /// There is no such sample, task or artifact.
    #[error("not found: {0}")]
    NotFound(String),
    /// It is there and not finished.
    #[error("not ready yet: {0}")]
    NotReady(String),
    /// Too many requests, or the quota is used up.
    #[error("quota: {message}")]
    Quota {
        /// In the vendor's words.
        message: String,
        /// When to come again, if the vendor says so.
        retry_after: Option<Duration>,
    },
    /// The vendor does not take this sample.
    #[error("the sample was refused: {0}")]
    Refused(String),
    /// The vendor has this sample already and was asked to take it only once.
    #[error("it is there already: {0}")]
    Duplicate(String),
    /// The analysis failed: it ends any wait.
    #[error("the analysis failed: {0}")]
    AnalysisFailed(String),
    /// Any other status.
    #[error("status {status}: {message}")]
    Status {
        /// The status code.
        status: u16,
        /// The beginning of the answer.
        message: String,
        /// When to come again, if the answer says so.
        retry_after: Option<Duration>,
    },
    /// A status of an execution server, with the answer that it came in.
    #[error("{0}")]
    Http(Box<HttpError>),
    /// The answer is not what the vendor documents; the text says where.
    #[error("an answer that makes no sense: {0}")]
    Malformed(String),
    /// More than this client takes of it.
    #[error("{what} is larger than the limit of {limit} bytes")]
    TooLarge {
        /// What.
        what: &'static str,
        /// The limit.
        limit: u64,
    },
    /// Where it was to be written, it could not be.
    #[error("cannot write: {0}")]
    Sink(#[source] std::io::Error),
}

impl ErrorKind {
    /// What a status that is no success means, when nothing more is known.
    pub(crate) fn of_status(status: u16, message: String, retry_after: Option<Duration>) -> Self {
        match status {
            401 => Self::Unauthenticated(message),
            403 => Self::Forbidden(message),
            404 | 410 => Self::NotFound(message),
            413 | 415 => Self::Refused(message),
            429 => Self::Quota { message, retry_after },
            300..=399 => {
                let message = format!("redirected, which is not followed: is the address right? {message}");
                Self::Status { status, message, retry_after }
            }
            status => Self::Status { status, message, retry_after },
        }
    }

    /// The same with its texts as `say` has them.
    pub(crate) fn saying(self, say: impl Fn(&str) -> String) -> Self {
        match self {
            Self::Invalid(text) => Self::Invalid(say(&text)),
            Self::Transport { reason, sent } => Self::Transport { reason: say(&reason), sent },
            Self::Unauthenticated(text) => Self::Unauthenticated(say(&text)),
            Self::Forbidden(text) => Self::Forbidden(say(&text)),
            Self::NotFound(text) => Self::NotFound(say(&text)),
            Self::NotReady(text) => Self::NotReady(say(&text)),
            Self::Quota { message, retry_after } => Self::Quota { message: say(&message), retry_after },
            Self::Refused(text) => Self::Refused(say(&text)),
            Self::AnalysisFailed(text) => Self::AnalysisFailed(say(&text)),
            Self::Status { status, message, retry_after } => {
                Self::Status { status, message: say(&message), retry_after }
            }
            Self::Malformed(text) => Self::Malformed(say(&text)),
            other => other,
        }
    }
}

/// Whose fault it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Fault {
    /// Of who asked: other arguments, another key, another sample.
    Caller,
    /// Of the network between.
    Network,
    /// Of the sandbox.
    Sandbox,
}

impl Error {
    /// Whose fault it is.
    #[must_use]
    pub fn fault(&self) -> Fault {
        match &self.kind {
            ErrorKind::Unsupported(_)
            | ErrorKind::Invalid(_)
            | ErrorKind::Sample(_)
            | ErrorKind::Unauthenticated(_)
            | ErrorKind::Forbidden(_)
            | ErrorKind::NotFound(_)
            | ErrorKind::NotReady(_)
            | ErrorKind::Quota { .. }
            | ErrorKind::Refused(_)
            | ErrorKind::Duplicate(_)
            | ErrorKind::Sink(_) => Fault::Caller,
            ErrorKind::Transport { .. } | ErrorKind::TimedOut { .. } => Fault::Network,
            ErrorKind::Status { status, .. } if *status < 500 => Fault::Caller,
            ErrorKind::Http(error) => error.fault(),
            ErrorKind::Status { .. }
            | ErrorKind::AnalysisFailed(_)
            | ErrorKind::Malformed(_)
            | ErrorKind::TooLarge { .. } => Fault::Sandbox,
        }
    }

    /// Whether the same call may succeed later. Of a submission it says nothing about whether it has already happened.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        match &self.kind {
            ErrorKind::Transport { .. }
            | ErrorKind::TimedOut { .. }
            | ErrorKind::NotReady(_)
            | ErrorKind::Quota { .. } => true,
            ErrorKind::Status { status, .. } => {
                matches!(*status, 408 | 425 | 429 | 500 | 502 | 503 | 504 | UPLOAD_FAILED)
            }
            ErrorKind::Http(error) => error.is_retryable(),
            _ => false,
        }
    }

    /// When to come again, if the sandbox has said so.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        match &self.kind {
            ErrorKind::Quota { retry_after, .. } | ErrorKind::Status { retry_after, .. } => *retry_after,
            ErrorKind::Http(error) => error.response.retry_after(),
            _ => None,
        }
    }
}
