//! The conversation with a process about one message.

use std::panic::AssertUnwindSafe;
use std::time::Duration;

use bytes::{Buf, BytesMut};
use futures_util::future::FutureExt as _;
use futures_util::stream::{FuturesUnordered, StreamExt as _};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::{Instant, sleep_until};

use super::lines::{Lines, MAX_LINE_BYTES, Tail};
use super::report::Outcome;
use super::{RunContext, Setting, unknown};
use crate::bus::Boxed;
use crate::config::Profile;
use crate::engine::{Ending, Process};
use crate::protocol::{Answer, Command, Fields, Malformed};
use crate::resource::Level;

/// Requests of one run that are worked on at the same time, at most. Others wait in the process's pipe.
pub const MAX_IN_FLIGHT: usize = 64;
/// Bytes of answers that wait for a process to read them, at most; its requests wait as long.
pub const MAX_WAITING_INPUT: usize = 1 << 20;
/// How long a process may take to end after `exit`, before it is killed.
pub const EXIT_GRACE: Duration = Duration::from_secs(5);
/// How long a killed process may take to be gone, and its output to end.
pub const KILL_GRACE: Duration = Duration::from_secs(10);
/// How long requests may go on after their process has ended. Resources answer sooner: theirs are the limits that count.
pub const REQUESTS_GRACE: Duration = Duration::from_secs(120);
/// Bytes of standard error that are kept, the last ones, for one log line.
pub const MAX_STDERR_BYTES: usize = 64 << 10;
/// Bytes that are read at once: what a pipe holds.
const CHUNK: usize = 64 << 10;

/// What is waited for; each has a deadline.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// That the app is done.
    Serving,
    /// That the process ends by itself, after it was done.
    Exiting,
    /// That it is gone, after it was killed.
    Killed,
    /// That its output ends, and the last requests.
    Ended,
    /// Nothing any more.
    Over,
}

/// What a conversation came to.
#[derive(Debug)]
pub(super) struct Course {
    pub(super) outcome: Outcome,
    pub(super) requests: u64,
    pub(super) received: u64,
    pub(super) stderr: Option<String>,
    /// The process goes on, and nothing of this message is left in it.
    pub(super) reusable: bool,
}

/// A conversation.
pub(super) struct Drive<'a> {
    setting: &'a Setting,
    context: &'a RunContext,
    /// The process is to go on after this message.
    keep: bool,
    phase: Phase,
    deadline: Instant,
    input: BytesMut,
    most_input: usize,
    input_open: bool,
    lines: Lines,
    output_open: bool,
    stderr: Tail,
    stderr_open: bool,
    in_flight: FuturesUnordered<Boxed<'a, (Command, Answer)>>,
    received: u64,
    requests: u64,
    done: bool,
    ending: Option<Ending>,
    /// Why it was killed, or what counts more than how it ended.
    cause: Option<Outcome>,
}

impl<'a> Drive<'a> {
    /// Begins with these lines for the process.
    pub(super) fn new(setting: &'a Setting, context: &'a RunContext, first: &[u8], keep: bool) -> Self {
        Self {
            setting,
            context,
            keep,
            phase: Phase::Serving,
            deadline: Instant::now() + setting.app.timeout,
            input: BytesMut::from(first),
            most_input: first.len().saturating_add(MAX_WAITING_INPUT),
            input_open: true,
            lines: Lines::default(),
            output_open: true,
            stderr: Tail::new(MAX_STDERR_BYTES),
            stderr_open: true,
            in_flight: FuturesUnordered::new(),
            received: 0,
            requests: 0,
            done: false,
            ending: None,
            cause: None,
        }
    }

    /// Talks to the process until the message is through.
    pub(super) async fn talk(mut self, process: &mut Process) -> Course {
        let mut output = vec![0; CHUNK];
        let mut errors = vec![0; CHUNK];
        loop {
            self.take_lines(process).await;
            if self.is_through() {
                break;
            }
            let reads = self.output_open && self.has_room();
            let (writes, waits) = (self.input_open && !self.input.is_empty(), self.ending.is_none());
            tokio::select! {
                biased;
                () = sleep_until(self.deadline) => self.late(process),
                Some((command, answer)) = self.in_flight.next(), if !self.in_flight.is_empty() => {
                    self.answered(&command, answer, process).await;
                }
                written = process.stdin.write(&self.input), if writes => match written {
                    Ok(count) if count > 0 => self.input.advance(count),
                    // It has closed its input, or ended: what it was to hear, it does not want to.
                    _ => self.close_input(),
                },
                read = process.stderr.read(&mut errors), if self.stderr_open => match read {
                    Ok(count) if count > 0 => {
                        if self.counts(count) {
                            self.stderr.push(&errors[..count]);
                        } else {
                            self.too_much(process).await;
                        }
                    }
                    _ => self.stderr_open = false,
                },
                read = process.stdout.read(&mut output), if reads => match read {
                    Ok(count) if count > 0 => {
                        if self.counts(count) {
                            self.lines.push(&output[..count]);
                        } else {
                            // The line that it belongs to can never be whole.
                            self.lines.clear();
                            self.too_much(process).await;
                        }
                    }
                    _ => {
                        self.output_open = false;
                        self.lines.close();
                    }
                },
                ending = process.control.ended(), if waits => {
                    self.ending = Some(ending);
                    // And what it started: nobody else will write to its output.
                    process.control.kill();
                    self.close_input();
                    self.enter(Phase::Ended, KILL_GRACE);
                }
            }
        }
        self.conclude()
    }

    fn is_through(&self) -> bool {
        if self.phase == Phase::Over {
            return true;
        }
        let quiet = self.in_flight.is_empty();
        let kept = self.keep && self.done && self.phase == Phase::Serving;
        // What is said to a kept process must have arrived: the next message is for it to read from the start of a line.
        let told = self.input.is_empty() || !self.input_open;
        quiet && ((self.ending.is_some() && !self.output_open && !self.stderr_open) || (kept && told))
    }

    fn has_room(&self) -> bool {
        self.in_flight.len() < MAX_IN_FLIGHT && self.input.len() <= self.most_input
    }

    /// Counts what has come, until it is too much; false when it is.
    fn counts(&mut self, count: usize) -> bool {
        let most = self.setting.app.recv_limit;
        if self.received <= most {
            self.received = self.received.saturating_add(count as u64);
        }
        self.received <= most
    }

    /// Carries out what was written, line by line, as far as there is room.
    async fn take_lines(&mut self, process: &mut Process) {
        while self.has_room() {
            let Some(line) = self.lines.next() else {
                if self.lines.partial() > MAX_LINE_BYTES {
                    self.lines.clear();
                    let problem = format!("a line of more than {MAX_LINE_BYTES} bytes");
                    self.malformed(problem, process).await;
                }
                return;
            };
            if self.cause.is_some() && self.setting.app.profile == Profile::Belljar {
                continue;
            }
            self.requests += 1;
            match Command::parse(&line) {
                Ok(command) if self.cause.is_some() => drop(command),
                Ok(command) => self.dispatch(command, process).await,
                Err(malformed) => {
                    let problem = describe(&malformed, &line);
                    self.malformed(problem, process).await;
                }
            }
        }
    }

    async fn dispatch(&mut self, command: Command, process: &mut Process) {
        let (resource, name) = command.target();
        if self.setting.is_js(resource) && name == "done" {
            if self.done {
                return self.answered(&command, Answer::failure("the run is done already"), process).await;
            }
            return self.finish();
        }
        let Some(resource) = self.setting.resources.get(resource) else {
            return self.answered(&command, Answer::Unknown, process).await;
        };
        let context = self.context;
        self.in_flight.push(Box::pin(async move {
            let (_, name) = command.target();
            // A fault in a resource is one request's, not the message's.
            let answer = AssertUnwindSafe(resource.handle(context, name, &command.fields)).catch_unwind().await;
            let answer = answer.unwrap_or_else(|_| {
                tracing::error!(command = command.cmd, "a resource has panicked");
                Answer::failure("internal error")
            });
            (command, answer)
        }));
    }

    /// The app is done; its process is to end, or to wait for the next message.
    fn finish(&mut self) {
        self.done = true;
        if !self.keep {
            self.say(&Command::new("exit", Fields::new()));
            if self.ending.is_none() {
                self.enter(Phase::Exiting, EXIT_GRACE);
            }
        }
    }

    async fn answered(&mut self, command: &Command, answer: Answer, process: &mut Process) {
        if answer != Answer::Unknown {
            if let Some(reply) = command.answered(answer) {
                self.say(&reply);
            }
            return;
        }
        let (resource, name) = command.target();
        let known = self.setting.resources.get(resource).is_some();
        match self.setting.app.profile {
            Profile::Strict => {
                let by = if known { resource } else { "fallback" };
                let text = unknown::request(by, command, &self.context.sandbox_id);
                self.kill(Outcome::Unknown(command.cmd.clone()), process);
                self.setting.log(self.context, Level::Error, text).await;
            }
            Profile::Belljar => {
                let reason = if known {
                    format!("The resource '{resource}' has no command '{name}'")
                } else {
                    format!("There is no resource '{resource}'")
                };
                self.setting.log(self.context, Level::Warning, format!("{reason}: an app asked for it")).await;
                if let Some(reply) = command.answered(Answer::failure(reason)) {
                    self.say(&reply);
                }
            }
        }
    }

    async fn malformed(&mut self, problem: String, process: &mut Process) {
        let text = match self.setting.app.profile {
            Profile::Strict => unknown::line(&problem, &self.context.sandbox_id),
            Profile::Belljar => {
                format!("The app was killed: it wrote a line to its standard output that is no command ({problem})")
            }
        };
        self.kill(Outcome::Malformed(problem), process);
        self.setting.log(self.context, Level::Error, text).await;
    }

    async fn too_much(&mut self, process: &mut Process) {
        let first = self.cause != Some(Outcome::TooMuchOutput);
        self.kill(Outcome::TooMuchOutput, process);
        if first {
            let id = &self.context.sandbox_id;
            let text = format!("Sandbox '{id}' killed for producing too much data on stderr and stdout.");
            self.setting.log(self.context, Level::Error, text).await;
        }
    }

    fn kill(&mut self, cause: Outcome, process: &mut Process) {
        self.cause.get_or_insert(cause);
        self.close_input();
        if self.ending.is_none() {
            process.control.kill();
            self.enter(Phase::Killed, KILL_GRACE);
        }
    }

    /// A deadline has passed.
    fn late(&mut self, process: &mut Process) {
        match self.phase {
            // Done, and waiting for its last requests: they have their own limits.
            Phase::Serving if self.done => self.enter(Phase::Exiting, REQUESTS_GRACE),
            Phase::Serving => self.kill(Outcome::TimedOut, process),
            Phase::Exiting => {
                self.close_input();
                process.control.kill();
                self.enter(Phase::Killed, KILL_GRACE);
            }
            Phase::Killed => {
                self.ending = Some(Ending::Failed("a killed process did not end".to_owned()));
                self.enter(Phase::Ended, KILL_GRACE);
            }
            Phase::Ended => {
                let open = self.output_open || self.stderr_open;
                (self.output_open, self.stderr_open) = (false, false);
                self.lines.close();
                // Once more for the requests, and then no more.
                let next = if open && !self.in_flight.is_empty() { Phase::Ended } else { Phase::Over };
                self.enter(next, REQUESTS_GRACE);
            }
            Phase::Over => {}
        }
    }

    fn enter(&mut self, phase: Phase, grace: Duration) {
        self.phase = phase;
        self.deadline = Instant::now() + grace;
    }

    fn say(&mut self, command: &Command) {
        if self.input_open {
            self.input.extend_from_slice(&command.to_line());
        }
    }

    fn close_input(&mut self) {
        self.input_open = false;
        self.input.clear();
    }

    fn conclude(self) -> Course {
        let reusable = self.done && self.ending.is_none() && self.input_open && self.lines.partial() == 0;
        let ended = self.ending.as_ref().map(Outcome::from);
        let outcome = match (self.done, self.cause, ended) {
            // What comes after does not undo it.
            (true, _, _) => Outcome::Done,
            (_, Some(Outcome::Malformed(_)), Some(ended))
                if !matches!(ended, Outcome::Exited(_) | Outcome::Signaled(9)) =>
            {
                // It was stopped in the middle of a line.
                ended
            }
            (_, Some(cause), _) => cause,
            (false, None, Some(ended)) => ended,
            (false, None, None) => Outcome::Failed("the conversation ended early".to_owned()),
        };
        Course { outcome, requests: self.requests, received: self.received, stderr: self.stderr.into_text(), reusable }
    }
}

/// What is wrong with a line, and its beginning.
fn describe(malformed: &Malformed, line: &[u8]) -> String {
    const SHOWN: usize = 200;
    if line.is_empty() {
        return "an empty line".to_owned();
    }
    let shown = String::from_utf8_lossy(&line[..line.len().min(SHOWN)]);
    let more = if line.len() > SHOWN { "..." } else { "" };
    format!("{malformed}: {shown:?}{more}")
}
