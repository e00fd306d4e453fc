//! One sample at one sandbox, from the look-up to the verdict.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep, timeout_at};

use super::journal::{Journal, JournalError, Standing};
use super::{Asked, Event, Events, Happened, MAX_ANALYSES, Member, Plan, Way};
use crate::error::{Error, ErrorKind, Result, Step};
use crate::report::Report;
use crate::sample::{Hash, Sample};
use crate::sandbox::{Boxed, Capability, Submission};
use crate::wait::{Patience, wait};

/// Before a submission is tried again, when the sandbox does not say how long; doubled each time.
const FIRST_PAUSE: Duration = Duration::from_secs(5);
/// Of the whole time for a look-up, at most: submitting must still be possible.
const LOOK_UP_SHARE: u32 = 4;
/// Endings of names of what is unpacked or taken apart before it is analysed: the report is then about something else than what was sent.
const CONTAINERS: [&str; 20] = [
    "zip", "7z", "rar", "gz", "tgz", "bz2", "xz", "tar", "cab", "iso", "img", "ace", "arj", "lzh", "jar", "apk", "msi",
    "eml", "msg", "mbox",
];

/// A sample with what is known of it.
#[derive(Debug)]
pub(super) struct Known {
    pub(super) place: usize,
    pub(super) sample: Sample,
    pub(super) hash: Option<Hash>,
    /// Its name in journals: the hash, or the address.
    pub(super) key: String,
}

/// One question, and all that goes with it.
pub(super) struct Question {
    pub(super) place: usize,
    pub(super) member: Member,
    pub(super) known: Arc<Known>,
    pub(super) plan: Plan,
    pub(super) journal: Option<Arc<Journal>>,
    pub(super) events: Option<Events>,
}

impl Question {
    /// Asks. Takes no longer than the plan's deadline.
    ///
    /// # Errors
    /// The journal cannot be written: nothing must be sent that could not be found again.
    pub(super) async fn ask(self) -> std::result::Result<Asked, JournalError> {
        let end = Instant::now() + self.plan.patience.deadline;
        let mut asked = Asked::new(self.member.sandbox.as_ref());
        let standing = match &self.journal {
            Some(journal) => journal.standing(&self.known.key, &asked.sandbox),
            None => Standing::New,
        };
        if let Standing::Judged(submission, verdict) = standing {
            self.tell(Happened::There(submission.clone(), Way::Resumed));
            self.tell(Happened::Judged(verdict.clone()));
            asked.submission = Some((submission, Way::Resumed));
            asked.verdict = Some(verdict);
            return Ok(asked);
        }
        let arrived = match standing {
            Standing::Submitted(submission) => Ok((submission, Way::Resumed)),
            Standing::Uncertain => self.submit(end, true, &mut asked).await?,
            _ => self.submit(end, false, &mut asked).await?,
        };
        let followed = match arrived {
            Ok((submission, way)) => {
                self.tell(Happened::There(submission.clone(), way));
                asked.submission = Some((submission.clone(), way));
                if self.plan.wait { Some(self.follow(end, &submission, way).await) } else { None }
            }
            Err(error) => Some(Err(error)),
        };
        match followed {
            None => {}
            Some(Ok(report)) => {
                self.tell(Happened::Judged(report.verdict.clone()));
                if let Some((submission, _)) = &asked.submission {
                    self.note(Standing::Judged(submission.clone(), report.verdict.clone())).await?;
                }
                asked.verdict = Some(report.verdict.clone());
                asked.report = self.plan.keep_reports.then_some(report);
            }
            Some(Err(error)) => {
                self.tell(Happened::Failed(format!("{}: {}", error.step, error.kind)));
                if matches!(error.kind, ErrorKind::AnalysisFailed(_)) {
                    self.note(Standing::Failed(error.to_string())).await?;
                }
                asked.error = Some(error);
            }
        }
        Ok(asked)
    }

    /// Sees to it that it is there: finds it, or submits it.
    async fn submit(
        &self,
        end: Instant,
        uncertain: bool,
        asked: &mut Asked,
    ) -> std::result::Result<Result<(Submission, Way)>, JournalError> {
        if matches!(self.known.sample, Sample::Url(_)) && !self.can(Capability::SubmitUrl) {
            return Ok(Err(self.error(Step::Submit, ErrorKind::Unsupported(Capability::SubmitUrl))));
        }
        if uncertain || !self.plan.force {
            match self.look_up(end).await {
                Ok(Some(submission)) => {
                    self.note(Standing::Submitted(submission.clone())).await?;
                    return Ok(Ok((submission, Way::Known)));
                }
                Ok(None) if uncertain && !self.can_look_up() && !self.plan.force => {
                    asked.uncertain = true;
                    let problem = "it may have been submitted before the interruption, and this sandbox cannot be asked for it by its hash: \
                                   it is sent again only by force";
                    return Ok(Err(self.error(Step::Submit, ErrorKind::Invalid(problem.to_owned()))));
                }
                Ok(None) => {}
                // What may be there already must not be sent again by mistake.
                Err(error) if uncertain => {
                    asked.uncertain = true;
                    return Ok(Err(error));
                }
                Err(error) => tracing::debug!(%error, "A hash could not be looked up; the sample is submitted."),
            }
        }
        self.tell(Happened::Submitting);
        self.note(Standing::Uncertain).await?;
        let error = match self.send(end).await {
            Ok(submission) => {
                self.note(Standing::Submitted(submission.clone())).await?;
                return Ok(Ok((submission, Way::Submitted)));
            }
            Err(error) => error,
        };
        if matches!(error.kind, ErrorKind::Duplicate(_))
            && let Ok(Some(submission)) = self.look_up(end).await
        {
            self.note(Standing::Submitted(submission.clone())).await?;
            return Ok(Ok((submission, Way::Known)));
        }
        if !may_have_arrived(&error) {
            self.note(Standing::New).await?;
            return Ok(Err(error));
        }
        // The answer was lost, or made no sense. Perhaps it is there nevertheless.
        if let Ok(Some(submission)) = self.look_up(end).await {
            self.note(Standing::Submitted(submission.clone())).await?;
            return Ok(Ok((submission, Way::Submitted)));
        }
        asked.uncertain = true;
        Ok(Err(error))
    }

    /// Sends it; again only when nothing can have arrived.
    async fn send(&self, end: Instant) -> Result<Submission> {
        let mut pause = FIRST_PAUSE;
        let mut left = self.plan.tries;
        loop {
            let submitting = self.member.sandbox.submit(&self.known.sample, &self.member.options);
            let error = match self.until(end, Step::Submit, submitting).await {
                Ok(submission) => return self.checked(submission),
                Err(error) => error,
            };
            let wanted = error.retry_after().unwrap_or(pause);
            let again = error.is_retryable() && !may_have_arrived(&error);
            if !again || left == 0 || Instant::now() + wanted >= end {
                return Err(error);
            }
            left -= 1;
            self.tell(Happened::Pausing(wanted, error.kind.to_string()));
            sleep(wanted).await;
            pause *= 2;
        }
    }

    /// A name that nobody can ask for is none.
    fn checked(&self, mut submission: Submission) -> Result<Submission> {
        const LONGEST: usize = 1024;
        let sound = |id: &String| !id.is_empty() && id.len() <= LONGEST && !id.chars().any(char::is_control);
        if !sound(&submission.id) {
            let problem = "the id of the submission is empty, too long, or no text".to_owned();
            return Err(self.error(Step::Submit, ErrorKind::Malformed(problem)));
        }
        submission.more.retain(sound);
        submission.more.truncate(MAX_ANALYSES - 1);
        Ok(submission)
    }

    fn can(&self, capability: Capability) -> bool {
        self.member.sandbox.capabilities().has(capability)
    }

    fn can_look_up(&self) -> bool {
        self.known.hash.is_some() && self.can(Capability::LookUp)
    }

    async fn look_up(&self, end: Instant) -> Result<Option<Submission>> {
        let Some(hash) = self.known.hash.as_ref().filter(|_| self.can_look_up()) else { return Ok(None) };
        self.tell(Happened::LookingUp);
        let share = Instant::now() + end.saturating_duration_since(Instant::now()) / LOOK_UP_SHARE;
        let found = self.until(share, Step::LookUp, self.member.sandbox.look_up(hash)).await;
        match found {
            Ok(Some(submission)) => self.checked(submission).map(Some),
            Err(error) if matches!(error.kind, ErrorKind::NotFound(_)) => Ok(None),
            other => other,
        }
    }

    /// Waits for all analyses of a submission, and gives the report of the worst.
    async fn follow(&self, end: Instant, submission: &Submission, way: Way) -> Result<Report> {
        let mut worst: Option<Report> = None;
        for id in std::iter::once(&submission.id).chain(submission.more.iter().take(MAX_ANALYSES - 1)) {
            let others = if *id == submission.id { submission.others.clone() } else { BTreeMap::new() };
            let one = Submission { id: id.clone(), others, more: Vec::new() };
            let patience = Patience { deadline: end.saturating_duration_since(Instant::now()), ..self.plan.patience };
            let hear = |status: &crate::Status| self.tell(Happened::Status(status.clone()));
            wait(self.member.sandbox.as_ref(), &one, patience, hear).await?;
            self.tell(Happened::Fetching);
            let report = self.until(end, Step::Report, self.member.sandbox.report(&one)).await?;
            self.is_about_the_sample(&report, submission, way)?;
            if worst.as_ref().is_none_or(|worst| rank(&report) > rank(worst)) {
                worst = Some(report);
            }
        }
        worst.ok_or_else(|| self.error(Step::Report, ErrorKind::NotFound("it has no analysis".to_owned())))
    }

    /// A report about another file would be a wrong verdict.
    fn is_about_the_sample(&self, report: &Report, submission: &Submission, way: Way) -> Result<()> {
        let (Some(hash), Some(told)) = (&self.known.hash, report.hashes.get("sha256")) else { return Ok(()) };
        if told.is_empty() || told.eq_ignore_ascii_case(hash.as_str()) {
            return Ok(());
        }
        let ending = self.known.sample.name().rsplit_once('.').map(|(_, ending)| ending.to_ascii_lowercase());
        let container = ending.is_some_and(|ending| CONTAINERS.contains(&ending.as_str()));
        let unpacked = container || self.member.options.archive_password.is_some() || !submission.more.is_empty();
        if unpacked && way != Way::Known {
            return Ok(());
        }
        let told: String = told.chars().take(64).collect();
        let problem = format!("the report is about another file, with the SHA-256 {told}");
        Err(self.error(Step::Report, ErrorKind::Malformed(problem)))
    }

    /// A step, until the deadline.
    async fn until<T>(&self, end: Instant, step: Step, work: Boxed<'_, T>) -> Result<T> {
        let began = Instant::now();
        match timeout_at(end, work).await {
            Ok(done) => done,
            Err(_) => Err(self.error(step, ErrorKind::TimedOut { limit: "deadline", after: began.elapsed() })),
        }
    }

    fn error(&self, step: Step, kind: ErrorKind) -> Error {
        let sandbox = self.member.sandbox.as_ref();
        Error { sandbox: sandbox.name().to_owned(), vendor: sandbox.vendor(), step, kind }
    }

    fn tell(&self, happened: Happened) {
        if let Some(events) = &self.events {
            // Who does not listen misses something.
            let _ = events.try_send(Event { sample: self.known.place, member: self.place, happened });
        }
    }

    async fn note(&self, standing: Standing) -> std::result::Result<(), JournalError> {
        match &self.journal {
            Some(journal) => {
                let (journal, key) = (Arc::clone(journal), self.known.key.clone());
                let sandbox = self.member.sandbox.name().to_owned();
                // It waits for the disk.
                let writing = tokio::task::spawn_blocking(move || journal.note(&key, &sandbox, standing));
                writing.await.unwrap_or(Err(JournalError::Poisoned))
            }
            None => Ok(()),
        }
    }
}

/// The worse, the later.
fn rank(report: &Report) -> (crate::Word, Option<u8>) {
    (report.verdict.verdict, report.verdict.score)
}

/// Whether a submission may have happened although it failed.
pub(super) fn may_have_arrived(error: &Error) -> bool {
    match &error.kind {
        ErrorKind::Transport { sent, .. } => *sent,
        ErrorKind::TimedOut { limit, .. } => *limit != "connect",
        ErrorKind::Malformed(_) | ErrorKind::TooLarge { .. } => true,
        ErrorKind::Status { status, .. } => *status >= 500 || *status == 408,
        _ => false,
    }
}
