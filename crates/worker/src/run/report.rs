//! What became of a run: data, and one line of the log.

use std::fmt;
use std::time::Duration;

use belljar_sandbox::Usage;

use crate::bus::BusError;
use crate::engine::{Ending, EngineError};
use crate::resource::Log;

/// Bytes of standard error in a report, at most: the last 4 KiB, enough for the end of any stack trace.
pub const STDERR_TAIL_BYTES: usize = 4 << 10;

/// How a run ended: what the app did, never an error of ours but the last two.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It said `js.done`. How its process ended after that does not count.
    Done,
    /// Its process exited by itself with this code. 0 is a success: exiting is being done.
    Exited(i32),
    /// Its process was killed by this signal, which was not ours.
    Signaled(i32),
    /// It was not done within the app's `timeout`, and was killed.
    TimedOut,
    /// It wrote more than the app's `recv_limit`, and was killed.
    TooMuchOutput,
    /// Its memory was used up.
    OutOfMemory,
    /// Its CPU time was used up.
    OutOfCpuTime,
    /// It wrote a line that is no command, and was killed. The text says what is wrong with it.
    Malformed(String),
    /// It asked for something that does not exist, and was killed, as the profile `strict` has it. The text is the command.
    Unknown(String),
    /// The app cannot be loaded: its author has to do something.
    Unloadable(String),
    /// There was no process: the operator has to do something, or it goes by itself.
    NotStarted(String),
    /// A process was there, and then something of ours went wrong.
    Failed(String),
}

impl Outcome {
    /// Whether the message was handled. What it published may still not be confirmed: [`RunReport::confirmed`].
    #[must_use]
    pub const fn success(&self) -> bool {
        matches!(self, Self::Done | Self::Exited(0))
    }

    /// Whether the app is not to blame, so that the message deserves another try.
    #[must_use]
    pub const fn is_ours(&self) -> bool {
        matches!(self, Self::NotStarted(_) | Self::Failed(_))
    }

    /// One word for metrics.
    #[must_use]
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Exited(0) => "exited",
            Self::Exited(_) => "exited_nonzero",
            Self::Signaled(_) => "signaled",
            Self::TimedOut => "timed_out",
            Self::TooMuchOutput => "too_much_output",
            Self::OutOfMemory => "out_of_memory",
            Self::OutOfCpuTime => "out_of_cpu_time",
            Self::Malformed(_) => "malformed",
            Self::Unknown(_) => "unknown_command",
            Self::Unloadable(_) => "unloadable",
            Self::NotStarted(_) => "not_started",
            Self::Failed(_) => "failed",
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Done => formatter.write_str("done"),
            Self::Exited(code) => write!(formatter, "the process exited with code {code}"),
            Self::Signaled(signal) => write!(formatter, "the process was killed by signal {signal}"),
            Self::TimedOut => formatter.write_str("not done in time"),
            Self::TooMuchOutput => formatter.write_str("too much output"),
            Self::OutOfMemory => formatter.write_str("out of memory"),
            Self::OutOfCpuTime => formatter.write_str("out of CPU time"),
            Self::Malformed(problem) => write!(formatter, "a line that is no command: {problem}"),
            Self::Unknown(command) => write!(formatter, "an unknown command: {command}"),
            Self::Unloadable(problem) => write!(formatter, "the app cannot be loaded: {problem}"),
            Self::NotStarted(problem) => write!(formatter, "no process could be had: {problem}"),
            Self::Failed(problem) => write!(formatter, "the sandbox failed: {problem}"),
        }
    }
}

impl From<&EngineError> for Outcome {
    fn from(error: &EngineError) -> Self {
        match error {
            EngineError::App(problem) => Self::Unloadable(problem.clone()),
            EngineError::Sandbox(_) | EngineError::System { .. } => Self::NotStarted(with_causes(error)),
        }
    }
}

impl From<&Ending> for Outcome {
    fn from(ending: &Ending) -> Self {
        match ending {
            Ending::Exited(code) => Self::Exited(*code),
            Ending::Signaled(signal) => Self::Signaled(*signal),
            Ending::CpuTime => Self::OutOfCpuTime,
            Ending::Memory => Self::OutOfMemory,
            Ending::Failed(problem) => Self::Failed(problem.clone()),
        }
    }
}

/// What became of one message.
#[derive(Debug, Clone)]
pub struct RunReport {
    /// How it ended.
    pub outcome: Outcome,
    /// From the moment at which a process was there, to the end of the last request.
    pub wall: Duration,
    /// What the process used, as far as it is known: of its whole life, which for one that was started ahead began earlier. Absent
    /// while the process goes on.
    pub usage: Option<Usage>,
    /// Commands that the app sent.
    pub requests: u64,
    /// Bytes that it wrote, to standard output and standard error.
    pub received: u64,
    /// Messages to users that it had published.
    pub published: u64,
    /// The end of what it wrote to standard error: [`STDERR_TAIL_BYTES`] at most.
    pub stderr: String,
    /// Whether everything that it had published is confirmed. Only then may the message be acknowledged.
    pub confirmed: Result<(), BusError>,
}

impl RunReport {
    /// Of a run for which there was no process.
    pub(super) fn without_process(error: &EngineError) -> Self {
        Self {
            outcome: Outcome::from(error),
            wall: Duration::ZERO,
            usage: None,
            requests: 0,
            received: 0,
            published: 0,
            stderr: String::new(),
            confirmed: Ok(()),
        }
    }

    /// One line with everything that the owner of an app wants to know, at WARN unless all is well.
    pub(super) fn log(&self, about: &Log) {
        let wall_ms = milliseconds(self.wall);
        let cpu_ms =
            self.usage.map(|usage| milliseconds(usage.cpu_time.unwrap_or(usage.user_time + usage.system_time)));
        let memory = self.usage.map(|usage| usage.peak_memory_bytes);
        let message_id = about.message_id.as_deref();
        let (app, sandbox_id) = (about.app.as_str(), about.sandbox_id.as_str());
        let unconfirmed = self.confirmed.as_ref().err().map(tracing::field::display);
        macro_rules! line {
            ($level:ident, $text:literal) => {
                tracing::$level!(
                    app,
                    sandbox_id,
                    message_id,
                    outcome = self.outcome.word(),
                    reason = %self.outcome,
                    wall_ms,
                    cpu_ms,
                    peak_memory_bytes = memory,
                    requests = self.requests,
                    received_bytes = self.received,
                    published = self.published,
                    unconfirmed,
                    stderr = self.stderr,
                    $text
                )
            };
        }
        if self.outcome.success() && self.confirmed.is_ok() {
            line!(debug, "an app has handled a message");
        } else {
            line!(warn, "an app has failed on a message");
        }
    }
}

/// The end of a text, of this many bytes at most.
pub(super) fn end_of(text: &str, most: usize) -> &str {
    let start = text.len().saturating_sub(most);
    let start = (start..=text.len()).find(|&at| text.is_char_boundary(at)).unwrap_or(text.len());
    &text[start..]
}

fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// An error with its causes, on one line.
fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let more = error.to_string();
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        cause = error.source();
    }
    text
}
