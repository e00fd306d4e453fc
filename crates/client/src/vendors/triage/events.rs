//! What happens to a sample, as it happens: one JSON document on each line.

use futures_util::stream::{self, BoxStream, StreamExt as _};
use serde_json::Value;

use super::{Triage, begins_with_error, known};
use crate::error::{ErrorKind, Result, Step};
use crate::sandbox::{Download, Status, Submission};

/// Bytes of one event.
const MAX_LINE: usize = 1 << 20;
/// What is being done.
const STEP: Step = Step::Other("reading events");

/// Something that has happened.
#[derive(Debug, Clone, PartialEq)]
pub struct TriageEvent {
    /// How far the analysis is now.
    pub status: Status,
    /// The event as it came: the sample, with its tasks.
    pub raw: Value,
}

impl Triage {
    /// What happens to a sample from now on, until its analysis is finished or has failed: no question need be asked again and again. The stream
    /// ends there; the settings' `read_timeout` ends it with an error where nothing happens for longer.
    ///
    /// # Errors
    /// The sample is not there, or Triage cannot be asked. In the stream: the connection broke, or a line is no event.
    pub async fn events(&self, submission: &Submission) -> Result<BoxStream<'static, Result<TriageEvent>>> {
        let call = Self::about(STEP, &submission.id, ["events"]);
        let Download { bytes, .. } = self.send_as_it_comes(call).await?.download();
        let lines = Lines { bytes: bytes.fuse().boxed(), held: Vec::new(), at: 0, ended: false };
        let transport = self.transport.clone();
        let events = stream::unfold(Some(lines), move |lines| {
            let transport = transport.clone();
            async move {
                let mut lines = lines?;
                let malformed = |problem: String| transport.error(STEP, ErrorKind::Malformed(problem));
                let event = match lines.next().await? {
                    Err(Broken::Connection(error)) => Err(error),
                    Err(Broken::TooLong) => {
                        Err(transport.error(STEP, ErrorKind::TooLarge { what: "an event", limit: MAX_LINE as u64 }))
                    }
                    Ok(line) => event(&line).map_err(|problem| malformed(problem.to_owned())),
                };
                let last = match &event {
                    Ok(event) => matches!(event.status, Status::Finished | Status::Failed(_)),
                    Err(_) => true,
                };
                Some((event, (!last).then_some(lines)))
            }
        });
        Ok(events.boxed())
    }
}

/// Reads an event.
fn event(line: &[u8]) -> Result<TriageEvent, &'static str> {
    let raw: Value = serde_json::from_slice(line).map_err(|_| "a line that is no JSON")?;
    if begins_with_error(line) {
        return Err("an error instead of an event");
    }
    let status = raw["status"].as_str().map(known).ok_or("an event without `status`")?;
    Ok(TriageEvent { status, raw })
}

/// Lines of bytes that come in pieces.
struct Lines {
    bytes: BoxStream<'static, Result<bytes::Bytes>>,
    held: Vec<u8>,
    /// How far `held` has been looked through.
    at: usize,
    ended: bool,
}

/// Why there is no line.
enum Broken {
    Connection(crate::Error),
    TooLong,
}

impl Lines {
    /// The next line that is not empty.
    async fn next(&mut self) -> Option<Result<Vec<u8>, Broken>> {
        loop {
            let end = self.held[self.at..].iter().position(|byte| *byte == b'\n').map(|end| self.at + end);
            if end.unwrap_or(self.held.len()) > MAX_LINE {
                return Some(Err(Broken::TooLong));
            }
            let line = match end {
                Some(end) => self.held.drain(..=end).collect(),
                None if self.ended => std::mem::take(&mut self.held),
                None => {
                    self.at = self.held.len();
                    match self.bytes.next().await {
                        Some(Ok(piece)) => self.held.extend_from_slice(&piece),
                        Some(Err(error)) => return Some(Err(Broken::Connection(error))),
                        None => self.ended = true,
                    }
                    continue;
                }
            };
            self.at = 0;
            if !line.trim_ascii().is_empty() {
                return Some(Ok(line));
            }
            if self.ended && self.held.is_empty() {
                return None;
            }
        }
    }
}
