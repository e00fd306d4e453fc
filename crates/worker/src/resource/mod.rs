//! What an app may ask for.

mod build;
mod files;
pub mod http;
pub mod journal;
mod js;
pub mod kv;
mod logging;
mod metrics;
mod outbound;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use serde_json::Value;

use crate::bus::Boxed;
use crate::config::Profile;
use crate::protocol::{Answer, Fields};
use crate::python;
use crate::run::RunContext;

pub use build::{ResourceError, ResourceProblem, Shared};
pub use files::{Files, MAX_FILE_BYTES, READ_TIMEOUT};
pub use journal::{Journal, Level, Log};
pub use js::Js;
pub use logging::Logging;
pub use metrics::{Fired, MAX_NAMES, Metrics};
pub use outbound::Outbound;

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

/// Characters of a value that a reason shows, at most, where we word it.
const SHOWN: usize = 200;

/// A value in a reason, as whose wording it is shows values. One that is not there is null.
fn shown(profile: Profile, value: Option<&Value>) -> String {
    let value = value.unwrap_or(&Value::Null);
    match profile {
        Profile::Strict => python::repr(value),
        Profile::Belljar => {
            let text = value.to_string();
            match text.char_indices().nth(SHOWN) {
                Some((end, _)) => format!("{}…", &text[..end]),
                None => text,
            }
        }
    }
}
