//! What an app may ask for.

use std::fmt;

use crate::bus::Boxed;
use crate::protocol::{Answer, Fields};
use crate::run::RunContext;

/// A capability that is offered to an app under a name that the configuration chooses.
///
/// An answer is always given, and within bounded time: a resource that lost its server answers [`Answer::Failure`].
pub trait Resource: Send + Sync + fmt::Debug {
    /// Carries out one command: the part of the request's name after the first dot.
    fn handle<'a>(&'a self, run: &'a RunContext, command: &'a str, fields: &'a Fields) -> Boxed<'a, Answer>;
}

/// Levels of log lines, by Python's numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// 10.
    Debug,
    /// 20.
    Info,
    /// 30.
    Warning,
    /// 40.
    Error,
    /// 50.
    Critical,
}

/// Where log lines about an app go, and those of the app itself: always into the worker's log, with the app's name, the tenant and
/// the message's id.
#[derive(Debug, Clone)]
pub struct Log {
    /// The app.
    pub app: String,
    /// The tenant.
    pub sandbox_id: String,
    /// The message that it is about.
    pub message_id: Option<String>,
}
