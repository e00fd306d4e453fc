//! Waiting for the end of an analysis.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::error::{Error, ErrorKind, Result, Step};
use crate::sandbox::{Sandbox, Status, Submission};

/// How long to wait, and how often to ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patience {
    /// For the end, at most. 30 minutes by default.
    pub deadline: Duration,
    /// Before the second question. 2 s by default.
    pub first: Duration,
    /// Between two questions, at most; each pause is half as long again as the one before. 30 s by default.
    pub longest: Duration,
    /// Questions in a row that may fail for reasons that pass. 5 by default.
    pub failures: u32,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            deadline: Duration::from_secs(1800),
            first: Duration::from_secs(2),
            longest: Duration::from_secs(30),
            failures: 5,
        }
    }
}

/// Asks until the analysis is finished; `hear` is told each time something is new.
///
/// # Errors
/// [`ErrorKind::AnalysisFailed`] when it failed: that ends the wait. [`ErrorKind::TimedOut`] at the deadline. Whatever a question failed
/// with, when it cannot pass or comes too often in a row.
pub async fn wait(
    sandbox: &dyn Sandbox,
    submission: &Submission,
    patience: Patience,
    mut hear: impl FnMut(&Status),
) -> Result<()> {
    let error = |kind| Error { sandbox: sandbox.name().to_owned(), vendor: sandbox.vendor(), step: Step::Wait, kind };
    let end = Instant::now() + patience.deadline;
    let mut pause = patience.first;
    let mut failures = 0;
    let mut last = None;
    loop {
        let asked = tokio::time::timeout_at(end, sandbox.status(submission)).await;
        let at_least;
        match asked {
            Err(_) => return Err(error(ErrorKind::TimedOut { limit: "wait", after: patience.deadline })),
            Ok(Ok(status)) => {
                failures = 0;
                if last.as_ref() != Some(&status) {
                    hear(&status);
                }
                match &status {
                    Status::Finished => return Ok(()),
                    Status::Failed(why) => return Err(error(ErrorKind::AnalysisFailed(why.clone()))),
                    Status::Queued | Status::Running => {
                        last = Some(status);
                        at_least = sandbox.poll_pause().unwrap_or_default();
                    }
                }
            }
            Ok(Err(problem)) => {
                failures += 1;
                if !problem.is_retryable() || failures > patience.failures {
                    return Err(problem);
                }
                at_least = problem.retry_after().unwrap_or_default();
            }
        }
        let until = Instant::now() + pause.max(at_least);
        if until >= end {
            tokio::time::sleep_until(end).await;
            return Err(error(ErrorKind::TimedOut { limit: "wait", after: patience.deadline }));
        }
        sleep(until - Instant::now()).await;
        pause = (pause * 3 / 2).min(patience.longest);
    }
}
