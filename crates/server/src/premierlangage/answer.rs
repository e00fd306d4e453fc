//! The answer to an execution that took place.

use std::time::Duration;

use belljar_execute::{Execution, Response, ResultFile, TimeLimit};
use belljar_sandbox::{End, Limit};
use jiff::Timestamp;

use super::configuration::{Plan, PlannedCommand};
use super::pyjson::Value;
use super::pyrepr;

/// The command could not be run, or its output is not UTF-8.
const UNKNOWN: i32 = -1;
/// The command timed out.
const TIMEOUT: i32 = -2;
/// There is no file at `result_path`.
const RESULT_NOT_FOUND: i32 = -3;
/// The file at `result_path` is not UTF-8.
const RESULT_NOT_UTF8: i32 = -4;

/// What a shell reports of a command that SIGKILL ended, as limits do: 128 and the signal's number.
const KILLED: i32 = 128 + 9;

/// Standard error of a command that could not be run.
const UNKNOWN_ERROR: &str = "An unknown error occurred on the sandbox\n";

/// The JSON of the answer. `cpu_time` is the limit on the CPU time of a command, if there is one of its own.
pub(super) fn answer(plan: &Plan, response: &Response, cpu_time: Option<Duration>) -> Value {
    let mut status = 0;
    let mut entries = Vec::new();
    for execution in &response.executions {
        let Some(planned) = plan.commands.get(execution.command) else { continue };
        let entry = Entry::new(planned, execution, cpu_time);
        let exit_code = entry.exit_code;
        entries.push(Value::object([
            ("command", Value::from(planned.command.script.as_str())),
            ("exit_code", Value::from(exit_code)),
            ("stdout", Value::from(entry.stdout)),
            ("stderr", Value::from(entry.stderr)),
            ("time", Value::from(execution.time.as_secs_f64())),
        ]));
        // A hyphen ignores exit codes and time-outs, but not that a command could not be run or read.
        if exit_code == UNKNOWN || (exit_code != 0 && !planned.command.ignore_failure) {
            status = exit_code;
            break;
        }
    }
    let mut result = None;
    match &response.result {
        None => {}
        Some(ResultFile::Unavailable(_)) => status = RESULT_NOT_FOUND,
        Some(ResultFile::Content(bytes)) => match std::str::from_utf8(bytes) {
            Ok(text) => result = Some(with_unix_lines(text)),
            Err(_) => status = RESULT_NOT_UTF8,
        },
    }
    let mut members = vec![
        ("status".into(), Value::from(status)),
        ("execution".into(), Value::Array(entries)),
        ("total_time".into(), Value::from(response.total_time.as_secs_f64())),
    ];
    if let Some(saved) = &response.saved {
        members.push(("environment".into(), Value::from(saved.id.to_string())));
        members.push(("expire".into(), Value::from(isoformat(saved.expires))));
    }
    if let Some(result) = result {
        members.push(("result".into(), Value::from(result)));
    }
    Value::Object(members)
}

/// What is told of one command.
#[derive(Debug, PartialEq, Eq)]
struct Entry {
    exit_code: i32,
    stdout: String,
    stderr: String,
}

impl Entry {
    fn new(planned: &PlannedCommand, execution: &Execution, cpu_time: Option<Duration>) -> Self {
        let outcome = &execution.outcome;
        let exit_code = match &outcome.end {
            End::Exited { code } => *code,
            End::Signaled { signal } => 128 + signal,
            End::LimitReached { limit: limit @ (Limit::WallTime | Limit::CpuTime) } => {
                return Self::timed_out(&match (cpu_time, execution.limit) {
                    (Some(cpu_time), _) if *limit == Limit::CpuTime => pyrepr::float(cpu_time.as_secs_f64()),
                    (_, TimeLimit::Own) => planned.printed_timeout.clone(),
                    (_, TimeLimit::Budget(seconds)) => pyrepr::float(seconds),
                });
            }
            End::LimitReached { limit } => return Self::killed(execution, *limit),
            End::SetupFailed { step, errno, message } if step == "execve" => {
                // What a shell reports of a program that is not there, or cannot be executed.
                let exit_code = if *errno == NO_ENTRY { 127 } else { 126 };
                return Self { exit_code, stdout: String::new(), stderr: message.clone() };
            }
            End::SetupFailed { .. } | End::Cancelled => return Self::unknown(),
        };
        match (std::str::from_utf8(&outcome.stdout), std::str::from_utf8(&outcome.stderr)) {
            (Ok(stdout), Ok(stderr)) => Self { exit_code, stdout: strip(stdout), stderr: strip(stderr) },
            _ => Self::unknown(),
        }
    }

    fn unknown() -> Self {
        Self { exit_code: UNKNOWN, stdout: String::new(), stderr: UNKNOWN_ERROR.to_owned() }
    }

    fn timed_out(limit: &str) -> Self {
        let stderr = format!("Command timed out after {limit} seconds\n");
        Self { exit_code: TIMEOUT, stdout: String::new(), stderr }
    }

    /// Killed by a limit that the protocol has no words for. What was written until then is kept, even where the limit has
    /// cut a character in two.
    fn killed(execution: &Execution, limit: Limit) -> Self {
        let stdout = strip(&String::from_utf8_lossy(&execution.outcome.stdout));
        let mut stderr = strip(&String::from_utf8_lossy(&execution.outcome.stderr));
        if !stderr.is_empty() {
            stderr.push('\n');
        }
        stderr.push_str(&format!("Command killed, limit reached: {limit}"));
        Self { exit_code: KILLED, stdout, stderr }
    }
}

/// `ENOENT` (`errno(3)`), the same number on every Linux.
const NO_ENTRY: i32 = 2;

/// Python's `str.strip`.
fn strip(text: &str) -> String {
    text.trim_matches(pyrepr::is_whitespace).to_owned()
}

/// The text as Python reads a file in text mode: every line ends with a line feed.
fn with_unix_lines(text: &str) -> String {
    text.replace("\r\n", "\n").replace('\r', "\n")
}

/// Python's `datetime.isoformat` in UTC: microseconds, which are left out when there are none.
fn isoformat(time: Timestamp) -> String {
    let microseconds = time.subsec_nanosecond() / 1000;
    let format = if microseconds == 0 { "%Y-%m-%dT%H:%M:%S+00:00" } else { "%Y-%m-%dT%H:%M:%S.%6f+00:00" };
    time.strftime(format).to_string()
}

#[cfg(test)]
mod tests;
