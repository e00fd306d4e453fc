//! What an app may ask for.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

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

/// The resources of an app, by the names that its configuration gives them. Clones share them.
#[derive(Debug, Clone, Default)]
pub struct Resources(Arc<BTreeMap<String, Arc<dyn Resource>>>);

impl Resources {
    /// These.
    #[must_use]
    pub fn new(by_name: BTreeMap<String, Arc<dyn Resource>>) -> Self {
        Self(Arc::new(by_name))
    }

    /// The one with this name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&dyn Resource> {
        self.0.get(name).map(|resource| &**resource)
    }
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

impl Level {
    /// Python's number for it.
    #[must_use]
    pub const fn number(self) -> u8 {
        match self {
            Self::Debug => 10,
            Self::Info => 20,
            Self::Warning => 30,
            Self::Error => 40,
            Self::Critical => 50,
        }
    }
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

impl Log {
    /// Writes a line into the worker's log.
    pub fn write(&self, level: Level, text: &str) {
        let Self { app, sandbox_id, message_id } = self;
        macro_rules! line {
            ($level:ident) => {
                tracing::$level!(app, sandbox_id, message_id, level = level.number(), "{text}")
            };
        }
        match level {
            Level::Debug => line!(debug),
            Level::Info => line!(info),
            Level::Warning => line!(warn),
            Level::Error | Level::Critical => line!(error),
        }
    }
}
