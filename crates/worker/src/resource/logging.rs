//! Log lines of an app.

use serde_json::Value;

use super::{Level, Resource};
use crate::bus::Boxed;
use crate::protocol::{Answer, Fields};
use crate::python;
use crate::run::RunContext;

/// `debug`, `info`, `warning`, `error`, `critical` and `log`: a line in the worker's log, and in the app's journal.
///
/// `level` overrides what the command says, for all six; null makes it INFO, and so does anything that is no number.
#[derive(Debug, Clone, Copy, Default)]
pub struct Logging;

impl Logging {
    fn answer(run: &RunContext, command: &str, fields: &Fields) -> Answer {
        let own = match command {
            "debug" => Level::Debug,
            "info" | "log" => Level::Info,
            "warning" => Level::Warning,
            "error" => Level::Error,
            "critical" => Level::Critical,
            _ => return Answer::Unknown,
        };
        let Some(text) = fields.get("msg").filter(|text| !text.is_null()) else {
            return Answer::failure("Value expected for msg");
        };
        let level = match fields.get("level") {
            None => own,
            Some(Value::Number(number)) => number.as_f64().map_or(Level::Info, Level::of),
            Some(_) => Level::Info,
        };
        match text {
            Value::String(text) => run.log.write(level, text),
            other => run.log.write(level, &python::text(other)),
        }
        Answer::success()
    }
}

impl Resource for Logging {
    fn handle<'a>(&'a self, run: &'a RunContext, command: &'a str, fields: &'a Fields) -> Boxed<'a, Answer> {
        Box::pin(async move { Self::answer(run, command, fields) })
    }
}
