//! An app as the service sees it.

use super::{Handler, Verdict};
use crate::bus::Boxed;
use crate::message::Message;
use crate::run::{Outcome, RunContext, RunReport, Runner};

/// Bytes of standard error that a dead letter tells, at most: the last lines of a stack trace. All of it is in the log.
const STDERR_BYTES: usize = 1024;

impl Handler for Runner {
    fn attempt<'a>(&'a self, context: RunContext, message: &'a Message) -> Boxed<'a, Verdict> {
        Box::pin(async move { verdict(&self.run(context, message).await) })
    }

    fn close(&self) -> Boxed<'_, ()> {
        Box::pin(Self::close(self))
    }

    fn memory(&self) -> Option<u64> {
        self.engine().memory()
    }
}

fn verdict(report: &RunReport) -> Verdict {
    let reason = || report.outcome.to_string();
    match &report.outcome {
        outcome if outcome.success() => Verdict::Done,
        Outcome::NotStarted(_) => Verdict::Unavailable(reason()),
        Outcome::Failed(_) => Verdict::Interrupted(reason()),
        _ => Verdict::Failed(match last_lines(&report.stderr) {
            "" => reason(),
            stderr => format!("{}; it said: {stderr}", reason()),
        }),
    }
}

/// The end of what a process wrote to standard error.
fn last_lines(stderr: &str) -> &str {
    let text = stderr.trim();
    let start = text.len().saturating_sub(STDERR_BYTES);
    let start = (start..=text.len()).find(|&at| text.is_char_boundary(at)).unwrap_or(text.len());
    &text[start..]
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn what_an_app_did_is_told_apart_from_what_happened_to_it() {
        let report = |outcome, stderr: &str| RunReport {
            outcome,
            wall: Duration::ZERO,
            usage: None,
            requests: 0,
            received: 0,
            published: 0,
            stderr: stderr.to_owned(),
            confirmed: Ok(()),
        };
        let failed = |reason: &str| Verdict::Failed(reason.to_owned());
        for (outcome, stderr, expected) in [
            (Outcome::Done, "", Verdict::Done),
            (Outcome::Exited(0), "words", Verdict::Done),
            (Outcome::Exited(1), "", failed("the process exited with code 1")),
            (Outcome::Exited(1), "\n a\n b\n\n", failed("the process exited with code 1; it said: a\n b")),
            (Outcome::Signaled(9), "", failed("the process was killed by signal 9")),
            (Outcome::TimedOut, "", failed("not done in time")),
            (Outcome::Unloadable("x".to_owned()), "", failed("the app cannot be loaded: x")),
            (Outcome::NotStarted("x".to_owned()), "", Verdict::Unavailable("no process could be had: x".to_owned())),
            (Outcome::Failed("x".to_owned()), "", Verdict::Interrupted("the sandbox failed: x".to_owned())),
        ] {
            assert_eq!(verdict(&report(outcome, stderr)), expected);
        }
        let long = "é".repeat(4000);
        assert!(last_lines(&long).len() <= STDERR_BYTES && last_lines(&long).chars().all(|sign| sign == 'é'));
    }
}
