//! Analyses and tasks as Cuckoo 3 tells of them.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::sample::{Hash, HashKind};
use crate::sandbox::Status;
use crate::vendors::loose;

/// An analysis of Cuckoo 3. What it does not tell is empty.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Cuckoo3Analysis {
    /// Its id.
    #[serde(default, deserialize_with = "loose::word")]
    pub id: String,
    /// Its state in Cuckoo's word; [`Cuckoo3Analysis::status`] says what it means.
    #[serde(default, deserialize_with = "loose::word")]
    pub state: String,
    /// `file` or `url`.
    #[serde(default, deserialize_with = "loose::text")]
    pub category: Option<String>,
    /// When it was submitted, by the server's clock.
    #[serde(default, deserialize_with = "loose::text")]
    pub created_on: Option<String>,
    /// 0 to 10.
    #[serde(default, deserialize_with = "loose::number")]
    pub score: Option<f64>,
    /// What was submitted; not told in lists.
    #[serde(default, deserialize_with = "loose::section")]
    pub submitted: Cuckoo3Target,
    /// What of it was analysed.
    #[serde(default, deserialize_with = "loose::section")]
    pub target: Cuckoo3Target,
    /// One for each platform.
    #[serde(default, deserialize_with = "loose::list")]
    pub tasks: Vec<Cuckoo3Task>,
    /// Families that were recognised.
    #[serde(default, deserialize_with = "loose::words")]
    pub families: Vec<String>,
    /// Tags of signatures.
    #[serde(default, deserialize_with = "loose::words")]
    pub tags: Vec<String>,
    /// What went wrong, as Cuckoo tells it.
    #[serde(default)]
    pub errors: Value,
}

/// A file or an address.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cuckoo3Target {
    /// The file's name.
    #[serde(default, deserialize_with = "loose::text")]
    pub filename: Option<String>,
    /// The address.
    #[serde(default, deserialize_with = "loose::text")]
    pub url: Option<String>,
    /// The name or the address, in lists.
    #[serde(default, deserialize_with = "loose::text")]
    pub target: Option<String>,
    /// The type of its content.
    #[serde(default, deserialize_with = "loose::text")]
    pub media_type: Option<String>,
    /// Its MD5.
    #[serde(default, deserialize_with = "loose::text")]
    pub md5: Option<String>,
    /// Its SHA-1.
    #[serde(default, deserialize_with = "loose::text")]
    pub sha1: Option<String>,
    /// Its SHA-256.
    #[serde(default, deserialize_with = "loose::text")]
    pub sha256: Option<String>,
}

impl Cuckoo3Target {
    /// Its name, or its address.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        self.filename.as_deref().or(self.url.as_deref()).or(self.target.as_deref())
    }

    pub(super) fn has(&self, hash: &Hash) -> bool {
        let of = match hash.kind() {
            HashKind::Md5 => &self.md5,
            HashKind::Sha1 => &self.sha1,
            HashKind::Sha256 => &self.sha256,
        };
        of.as_deref().is_some_and(|digits| digits.eq_ignore_ascii_case(hash.as_str()))
    }
}

/// A task of an analysis.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Cuckoo3Task {
    /// Its id: that of the analysis, and a number.
    #[serde(default, deserialize_with = "loose::word")]
    pub id: String,
    /// `pending`, `running`, `run_completed`, `pending_post`, `reported`, `fatal_error`.
    #[serde(default, deserialize_with = "loose::word")]
    pub state: String,
    /// `windows`, `linux`, ...
    #[serde(default, deserialize_with = "loose::text")]
    pub platform: Option<String>,
    /// The platform's version.
    #[serde(default, deserialize_with = "loose::text")]
    pub os_version: Option<String>,
    /// 0 to 10.
    #[serde(default, deserialize_with = "loose::number")]
    pub score: Option<f64>,
    /// What went wrong, as Cuckoo tells it; not told with its analysis.
    #[serde(default)]
    pub errors: Value,
}

impl Cuckoo3Analysis {
    /// How far it is. A state that is not known is taken for one on the way.
    #[must_use]
    pub fn status(&self) -> Status {
        match self.state.as_str() {
            "untracked" | "pending_identification" => Status::Queued,
            // Somebody has asked to choose what of it is analysed, and has not yet.
            "waiting_manual" => Status::Queued,
            "pending_pre" | "tasks_pending" => Status::Running,
            "finished" => Status::Finished,
            "no_selected" => Status::Failed(self.failure("nothing in it can be analysed")),
            "fatal_error" => Status::Failed(self.failure("fatal_error")),
            other => {
                tracing::warn!(
                    state = other,
                    "Cuckoo gives a state that is not known; it is taken for one on the way."
                );
                Status::Running
            }
        }
    }

    fn failure(&self, what: &str) -> String {
        let text = |value: &Value| value.as_str().or_else(|| value["error"].as_str()).map(str::to_owned);
        let first = |name: &str| self.errors[name].as_array().and_then(|errors| errors.iter().find_map(text));
        match first("fatal").or_else(|| first("errors")) {
            Some(why) => format!("{what}: {why}"),
            None => what.to_owned(),
        }
    }
}
