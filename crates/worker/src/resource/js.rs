//! The resource whose `done` ends a run.

use super::Resource;
use crate::bus::Boxed;
use crate::protocol::{Answer, Fields};
use crate::run::RunContext;

/// `done`. That it ends the run is up to [`Runner`](crate::run::Runner), which hears it first, and the second one, too.
#[derive(Debug, Clone, Copy, Default)]
pub struct Js;

impl Resource for Js {
    fn handle<'a>(&'a self, _: &'a RunContext, command: &'a str, _: &'a Fields) -> Boxed<'a, Answer> {
        Box::pin(async move { if command == "done" { Answer::Silence } else { Answer::Unknown } })
    }
}
