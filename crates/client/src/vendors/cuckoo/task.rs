//! Tasks, samples and machines as Cuckoo and CAPE tell of them.

use serde::{Deserialize, Serialize};

use crate::sandbox::Status;
use crate::vendors::loose;

/// A task of Cuckoo or CAPE. What a server does not tell is empty.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CuckooTask {
    /// Its number.
    #[serde(default, deserialize_with = "loose::word")]
    pub id: String,
    /// Its status in the server's word; [`CuckooTask::status`] says what it means.
    #[serde(default, deserialize_with = "loose::word", rename = "status")]
    pub state: String,
    /// The file's name, or the address; some servers give the path of their copy.
    #[serde(default, deserialize_with = "loose::text")]
    pub target: Option<String>,
    /// `file`, `url`, `archive`; with CAPE also `static`, `pcap`, `dlnexec`.
    #[serde(default, deserialize_with = "loose::text")]
    pub category: Option<String>,
    /// The machine that was asked for.
    #[serde(default, deserialize_with = "loose::text")]
    pub machine: Option<String>,
    /// The analysis package.
    #[serde(default, deserialize_with = "loose::text")]
    pub package: Option<String>,
    /// Whatever was said at its submission.
    #[serde(default, deserialize_with = "loose::text")]
    pub custom: Option<String>,
    /// When it was submitted, by the server's clock and in its form.
    #[serde(default, deserialize_with = "loose::text")]
    pub added_on: Option<String>,
    /// When its analysis was over.
    #[serde(default, deserialize_with = "loose::text")]
    pub completed_on: Option<String>,
    /// What went wrong.
    #[serde(default, deserialize_with = "loose::list")]
    pub errors: Vec<String>,
    /// Its file.
    #[serde(default, deserialize_with = "loose::object")]
    pub sample: CuckooSample,
}

impl CuckooTask {
    /// How far it is. `completed` is not finished: the report is written after that. A status that is not known is taken for one on the way.
    #[must_use]
    pub fn status(&self) -> Status {
        match self.state.as_str() {
            "pending" => Status::Queued,
            "reported" => Status::Finished,
            failed if failed.starts_with("failed_") => {
                let why = self.errors.first().map_or(String::new(), |error| format!(": {error}"));
                Status::Failed(format!("{failed}{why}"))
            }
            "recovered" => Status::Failed("it was replaced by another task (rescheduled)".to_owned()),
            "banned" => Status::Failed("the server has banned this sample".to_owned()),
            "running" | "completed" | "distributed" | "distributed_completed" => Status::Running,
            other => {
                tracing::warn!(status = other, "A status that is not known is taken for one on the way.");
                Status::Running
            }
        }
    }
}

/// A file that a Cuckoo or CAPE knows.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CuckooSample {
    /// Its number.
    #[serde(default, deserialize_with = "loose::text")]
    pub id: Option<String>,
    /// What it is, in words.
    #[serde(default, deserialize_with = "loose::text")]
    pub file_type: Option<String>,
    /// Its length in bytes.
    #[serde(default, deserialize_with = "loose::text")]
    pub file_size: Option<String>,
    /// Its MD5.
    #[serde(default, deserialize_with = "loose::text")]
    pub md5: Option<String>,
    /// Its SHA-1.
    #[serde(default, deserialize_with = "loose::text")]
    pub sha1: Option<String>,
    /// Its SHA-256.
    #[serde(default, deserialize_with = "loose::text")]
    pub sha256: Option<String>,
    /// Its tasks, the oldest first; CAPE does not tell them here.
    #[serde(default, deserialize_with = "loose::words")]
    pub tasks: Vec<String>,
}

/// A machine that analyses.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CuckooMachine {
    /// Its name, which [`crate::Options::environment`] takes.
    #[serde(default, deserialize_with = "loose::word")]
    pub name: String,
    /// Its name with the hypervisor.
    #[serde(default, deserialize_with = "loose::text")]
    pub label: Option<String>,
    /// `windows`, `linux`, `darwin`.
    #[serde(default, deserialize_with = "loose::text")]
    pub platform: Option<String>,
    /// `x86` or `x64`, with CAPE.
    #[serde(default, deserialize_with = "loose::text")]
    pub arch: Option<String>,
    /// Its address.
    #[serde(default, deserialize_with = "loose::text")]
    pub ip: Option<String>,
    /// `running`, `poweroff`, `saved`, ...
    #[serde(default, deserialize_with = "loose::text")]
    pub status: Option<String>,
    /// Whether a task has it.
    #[serde(default)]
    pub locked: Option<bool>,
    /// What tasks may ask for instead of its name.
    #[serde(default, deserialize_with = "loose::list")]
    pub tags: Vec<String>,
}
