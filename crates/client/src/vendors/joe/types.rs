//! What Joe Sandbox tells of submissions, analyses and accounts.

use serde::{Deserialize, Serialize};

use crate::sample::HashKind;
use crate::sandbox::Status;
use crate::vendors::loose;

/// What `submission/info` tells.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct JoeSubmission {
    /// Its id.
    #[serde(deserialize_with = "loose::text")]
    pub submission_id: Option<String>,
    /// Its name: the sample's, or the address.
    #[serde(deserialize_with = "loose::text")]
    pub name: Option<String>,
    /// When it came, as the server writes it.
    #[serde(deserialize_with = "loose::text")]
    pub time: Option<String>,
    /// `submitted`, `running` or `finished`.
    #[serde(deserialize_with = "loose::text")]
    pub status: Option<String>,
    /// The analysis that says most, when it is finished.
    #[serde(deserialize_with = "loose::maybe")]
    pub most_relevant_analysis: Option<JoeAnalysis>,
    /// All analyses.
    #[serde(deserialize_with = "loose::list")]
    pub analyses: Vec<JoeAnalysis>,
}

/// What `analysis/info` tells; what it does not is absent.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct JoeAnalysis {
    /// The id by which an analysis is asked for.
    #[serde(deserialize_with = "loose::text")]
    pub webid: Option<String>,
    /// Its id in reports.
    #[serde(deserialize_with = "loose::text")]
    pub analysisid: Option<String>,
    /// `submitted`, `running` or `finished`.
    #[serde(deserialize_with = "loose::text")]
    pub status: Option<String>,
    /// `clean`, `suspicious`, `malicious` or `unknown`.
    #[serde(deserialize_with = "loose::text")]
    pub detection: Option<String>,
    /// 0 to 100.
    #[serde(deserialize_with = "loose::number")]
    pub score: Option<f64>,
    /// What kind of malware, in Joe's code.
    #[serde(deserialize_with = "loose::text")]
    pub classification: Option<String>,
    /// Its family.
    #[serde(deserialize_with = "loose::text")]
    pub threatname: Option<String>,
    /// The submitter's comments.
    #[serde(deserialize_with = "loose::text")]
    pub comments: Option<String>,
    /// The sample's name.
    #[serde(deserialize_with = "loose::text")]
    pub filename: Option<String>,
    /// The cookbook that was followed.
    #[serde(deserialize_with = "loose::text")]
    pub scriptname: Option<String>,
    /// When it was, as the server writes it.
    #[serde(deserialize_with = "loose::text")]
    pub time: Option<String>,
    /// How long it took, in seconds.
    #[serde(deserialize_with = "loose::number")]
    pub duration: Option<f64>,
    /// Whether its files are encrypted with a password of the submitter's.
    #[serde(deserialize_with = "loose::flag")]
    pub encrypted: Option<bool>,
    /// The sample's MD5.
    #[serde(deserialize_with = "loose::text")]
    pub md5: Option<String>,
    /// The sample's SHA-1.
    #[serde(deserialize_with = "loose::text")]
    pub sha1: Option<String>,
    /// The sample's SHA-256.
    #[serde(deserialize_with = "loose::text")]
    pub sha256: Option<String>,
    /// The submitter's tags.
    #[serde(deserialize_with = "loose::list")]
    pub tags: Vec<String>,
    /// One for each machine that it ran on.
    #[serde(deserialize_with = "loose::list")]
    pub runs: Vec<JoeRun>,
}

/// One run of an analysis, on one machine.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct JoeRun {
    /// The machine's name.
    #[serde(deserialize_with = "loose::text")]
    pub system: Option<String>,
    /// `clean`, `suspicious`, `malicious` or `unknown`.
    #[serde(deserialize_with = "loose::text")]
    pub detection: Option<String>,
    /// 0 to 100.
    #[serde(deserialize_with = "loose::number")]
    pub score: Option<f64>,
    /// Why it failed, if it did.
    #[serde(deserialize_with = "loose::text")]
    pub error: Option<String>,
    /// Whether a rule of Yara matched.
    #[serde(deserialize_with = "loose::flag")]
    pub yara: Option<bool>,
    /// Whether a rule of Sigma matched.
    #[serde(deserialize_with = "loose::flag")]
    pub sigma: Option<bool>,
    /// Whether a rule of Snort matched.
    #[serde(deserialize_with = "loose::flag")]
    pub snort: Option<bool>,
}

/// What `account/info` tells.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct JoeAccount {
    /// What kind of account.
    #[serde(rename = "type", deserialize_with = "loose::text")]
    pub kind: Option<String>,
    /// How much may be submitted.
    #[serde(deserialize_with = "loose::object")]
    pub quota: JoeQuotas,
}

/// How much may be submitted.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct JoeQuotas {
    /// In a day.
    #[serde(deserialize_with = "loose::maybe")]
    pub daily: Option<JoeQuota>,
    /// In a month.
    #[serde(deserialize_with = "loose::maybe")]
    pub monthly: Option<JoeQuota>,
}

/// How much may be submitted in some time.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct JoeQuota {
    /// Submissions so far.
    #[serde(deserialize_with = "loose::number")]
    pub current: Option<f64>,
    /// Submissions at most.
    #[serde(deserialize_with = "loose::number")]
    pub limit: Option<f64>,
    /// Submissions that are left.
    #[serde(deserialize_with = "loose::number")]
    pub remaining: Option<f64>,
}

/// A machine that samples may be run on.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct JoeSystem {
    /// Its name, for [`crate::Options::environment`].
    #[serde(deserialize_with = "loose::text")]
    pub name: Option<String>,
    /// What is on it.
    #[serde(deserialize_with = "loose::text")]
    pub description: Option<String>,
    /// Its architecture.
    #[serde(deserialize_with = "loose::text")]
    pub arch: Option<String>,
    /// How many of it there are.
    #[serde(deserialize_with = "loose::number")]
    pub count: Option<f64>,
}

/// A page of a list.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct JoePage {
    /// Ids of submissions, or web ids of analyses.
    pub ids: Vec<String>,
    /// What to ask for the next page with; nothing on the last.
    pub next: Option<String>,
}

impl JoeSubmission {
    /// How far it is; nothing when that is not told. One that is finished and whose every run failed has failed.
    #[must_use]
    pub fn state(&self) -> Option<Status> {
        let status = state(self.status.as_deref()?);
        if status != Status::Finished {
            return Some(status);
        }
        if self.analyses.is_empty() {
            return Some(match &self.most_relevant_analysis {
                None => Status::Failed("it ended without an analysis".to_owned()),
                Some(analysis) => analysis.failure().map_or(Status::Finished, Status::Failed),
            });
        }
        let mut failures = self.analyses.iter().map(JoeAnalysis::failure);
        let first = failures.next().flatten();
        Some(match first {
            Some(why) if failures.all(|failure| failure.is_some()) => Status::Failed(why),
            _ => Status::Finished,
        })
    }
}

impl JoeAnalysis {
    /// How far it is; nothing when that is not told. One that is finished and whose every run failed has failed.
    #[must_use]
    pub fn state(&self) -> Option<Status> {
        let status = state(self.status.as_deref()?);
        Some(match (status, self.failure()) {
            (Status::Finished, Some(why)) => Status::Failed(why),
            (status, _) => status,
        })
    }

    /// Why it failed, if all its runs did.
    fn failure(&self) -> Option<String> {
        let mut failures = self.failures();
        let first = failures.next()?;
        (1 + failures.count() == self.runs.len()).then_some(first)
    }

    /// What went wrong, machine by machine.
    pub(super) fn failures(&self) -> impl Iterator<Item = String> {
        self.runs.iter().filter_map(|run| {
            let error = run.error.as_deref().filter(|error| !error.trim().is_empty())?;
            Some(run.system.as_deref().map_or_else(|| error.to_owned(), |system| format!("on {system}: {error}")))
        })
    }

    /// A hash of the sample.
    pub(super) fn hash(&self, kind: HashKind) -> Option<&str> {
        match kind {
            HashKind::Md5 => self.md5.as_deref(),
            HashKind::Sha1 => self.sha1.as_deref(),
            HashKind::Sha256 => self.sha256.as_deref(),
        }
    }
}

impl JoeAccount {
    /// Its quotas, for people.
    pub(super) fn remarks(&self) -> Vec<String> {
        let remark = |quota: Option<JoeQuota>, time: &str| {
            let quota = quota?;
            let limit = quota.limit?;
            let left = quota.remaining.or_else(|| Some((limit - quota.current?).max(0.0)))?;
            Some(format!("{left} of {limit} submissions are left this {time}"))
        };
        [remark(self.quota.daily, "day"), remark(self.quota.monthly, "month")].into_iter().flatten().collect()
    }
}

fn state(word: &str) -> Status {
    match word.to_ascii_lowercase().as_str() {
        "submitted" => Status::Queued,
        "running" => Status::Running,
        "finished" => Status::Finished,
        _ => {
            tracing::warn!(
                status = word,
                "Joe Sandbox gives a status that is not known; it is taken for one on the way."
            );
            Status::Running
        }
    }
}
