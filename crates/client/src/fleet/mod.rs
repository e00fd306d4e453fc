//! One sample to many sandboxes at once, and many samples to many.
//!
//! Each sandbox works through the samples by itself: one that hangs, lies or fails holds no other up, and each has its deadline. What has been
//! looked up by its hash is not submitted again, nor what a [`Journal`] says was submitted before an interruption. What several sandboxes say
//! is taken together by [`consensus`](crate::consensus).
//!
//! ```
//! use std::sync::Arc;
//!
//! use belljar_client::fleet::{Fleet, Member, Plan};
//! use belljar_client::{Sample, Sandbox, Word};
//!
//! async fn is_bad(sandboxes: Vec<Arc<dyn Sandbox>>, sample: Sample) -> bool {
//!     let fleet = Fleet::new(sandboxes.into_iter().map(Member::from).collect());
//!     let judged = fleet.judge(sample, &Plan::default(), None).await;
//!     judged.consensus.verdict >= Word::Suspicious
//! }
//! ```

mod ask;
mod batch;
mod journal;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;

pub use journal::{Journal, JournalError, Standing};

use crate::error::Error;
use crate::report::Report;
use crate::sample::{Hash, Sample};
use crate::sandbox::{Options, Sandbox, Status, Submission, Vendor};
use crate::verdict::{Consensus, Verdict, Vote};
use crate::wait::Patience;

/// Events that wait to be heard, at most. One who does not listen misses some and holds nobody up.
pub const EVENTS: usize = 4096;
/// Analyses of one submission that are looked at, at most: archives may become many.
pub const MAX_ANALYSES: usize = 32;

/// A sandbox of a fleet.
#[derive(Debug, Clone)]
pub struct Member {
    /// The sandbox.
    pub sandbox: Arc<dyn Sandbox>,
    /// How it is to analyse.
    pub options: Options,
}

impl From<Arc<dyn Sandbox>> for Member {
    fn from(sandbox: Arc<dyn Sandbox>) -> Self {
        Self { sandbox, options: Options::default() }
    }
}

/// What is to be done with each sample.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// How long to wait for each sandbox and sample, submission and report included, and how often to ask.
    pub patience: Patience,
    /// Wait for the end, and fetch the report. True by default; without, a sample is submitted and that is all.
    pub wait: bool,
    /// Submit what a sandbox knows already, too. False by default.
    pub force: bool,
    /// Samples of one sandbox at once. 8 by default.
    pub at_once: usize,
    /// Whether reports are given back, each with a file that it may hold open. False by default: verdicts are enough for many samples.
    pub keep_reports: bool,
    /// Times that a submission is tried again after a quota is used up, or nobody is there, if nothing can have arrived. 3 by default.
    pub tries: u32,
    /// Failures in a row, each of the network or of the sandbox, after which a sandbox gets no more samples of this batch. 5 by default.
    pub give_up_after: usize,
}

impl Default for Plan {
    fn default() -> Self {
        Self {
            patience: Patience::default(),
            wait: true,
            force: false,
            at_once: 8,
            keep_reports: false,
            tries: 3,
            give_up_after: 5,
        }
    }
}

/// Something that happened to a sample at a sandbox.
#[derive(Debug, Clone)]
pub struct Event {
    /// The sample's place among the samples.
    pub sample: usize,
    /// The sandbox's place in the fleet.
    pub member: usize,
    /// What happened.
    pub happened: Happened,
}

/// What may happen.
#[derive(Debug, Clone, PartialEq)]
pub enum Happened {
    /// Its hash is looked up.
    LookingUp,
    /// It is being submitted.
    Submitting,
    /// It is there, by this name.
    There(Submission, Way),
    /// Nothing can be had now; it is tried again after a pause, for this reason.
    Pausing(Duration, String),
    /// How far the analysis is.
    Status(Status),
    /// The report is being fetched.
    Fetching,
    /// There is a verdict.
    Judged(Verdict),
    /// There will be none, for this reason; without the sandbox's name, which the event has.
    Failed(String),
}

/// How a submission came about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Way {
    /// Submitted now.
    Submitted,
    /// An analysis of the same hash was there already.
    Known,
    /// Submitted before an interruption, as the journal says.
    Resumed,
}

/// What came of one sample at one sandbox.
#[derive(Debug)]
pub struct Asked {
    /// The sandbox's name.
    pub sandbox: String,
    /// Whose product.
    pub vendor: Vendor,
    /// What it is called there, and since when, if it got there.
    pub submission: Option<(Submission, Way)>,
    /// The verdict, if there is one.
    pub verdict: Option<Verdict>,
    /// The report, if it was to be kept.
    pub report: Option<Report>,
    /// Why there is no verdict, or no submission.
    pub error: Option<Error>,
    /// Whether it may have been submitted although nobody said so: it is not submitted again without looking.
    pub uncertain: bool,
}

impl Asked {
    pub(super) fn new(sandbox: &dyn Sandbox) -> Self {
        Self {
            sandbox: sandbox.name().to_owned(),
            vendor: sandbox.vendor(),
            submission: None,
            verdict: None,
            report: None,
            error: None,
            uncertain: false,
        }
    }

    /// Its vote.
    #[must_use]
    pub fn vote(&self) -> Vote {
        Vote {
            sandbox: self.sandbox.clone(),
            vendor: self.vendor,
            verdict: self.verdict.clone(),
            error: self.error.as_ref().map(ToString::to_string),
        }
    }
}

/// What all sandboxes say of one sample.
#[derive(Debug)]
pub struct Judged {
    /// Its place among the samples.
    pub sample: usize,
    /// Its SHA-256, if it is a file that can be read.
    pub hash: Option<Hash>,
    /// Places of other samples that are the same file or address: they were not submitted.
    pub same: Vec<usize>,
    /// What each sandbox says, in the fleet's order; empty when the sample could not be read.
    pub asked: Vec<Asked>,
    /// What they say together.
    pub consensus: Consensus,
    /// Why the sample could not be read.
    pub unreadable: Option<std::io::Error>,
}

/// Hears what happens.
pub type Events = mpsc::Sender<Event>;

/// Sandboxes that are asked together.
#[derive(Debug, Clone, Default)]
pub struct Fleet {
    members: Vec<Member>,
}

impl Fleet {
    /// Of these.
    #[must_use]
    pub const fn new(members: Vec<Member>) -> Self {
        Self { members }
    }

    /// Its sandboxes.
    #[must_use]
    pub fn members(&self) -> &[Member] {
        &self.members
    }

    /// One sample to all sandboxes. It takes no longer than the plan's deadline, and what is to be told of a sandbox is told by its vote.
    pub async fn judge(&self, sample: Sample, plan: &Plan, events: Option<Events>) -> Judged {
        let mut last = None;
        // Without a journal there is nothing that can fail.
        let _ = self.judge_all(vec![sample], plan, None, events, |judged| last = Some(judged)).await;
        last.unwrap_or_else(|| batch::nobody(0))
    }

    /// Gives back what vendors count while it is open: sessions. What fails with that is no harm.
    pub async fn close(&self) {
        const TIME: Duration = Duration::from_secs(5);
        let closing = self.members.iter().map(|member| tokio::time::timeout(TIME, member.sandbox.close()));
        futures_util::future::join_all(closing).await;
    }
}
