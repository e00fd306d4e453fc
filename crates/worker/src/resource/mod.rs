//! What an app may ask for.

pub mod http;
pub mod journal;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use crate::bus::Boxed;
use crate::protocol::{Answer, Fields};
use crate::run::RunContext;

pub use journal::{Journal, Level, Log};

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
