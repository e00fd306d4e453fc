//! What a sandbox found, in a common form, with the vendor's own report beside it.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::spool::Spooled;
use crate::verdict::Verdict;

/// In which form a report is kept as it came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReportFormat {
    /// JSON.
    Json,
    /// XML.
    Xml,
}

/// A report.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// The verdict.
    pub verdict: Verdict,
    /// What the vendor calls the sample.
    pub name: Option<String>,
    /// Hashes of the sample, by their names in lower case.
    pub hashes: BTreeMap<String, String>,
    /// What was run where, in the vendor's words.
    pub environment: Option<String>,
    /// What was found, the weightiest first.
    pub findings: Vec<Finding>,
    /// What to look for elsewhere.
    pub indicators: Vec<Indicator>,
    /// The vendor's page about it.
    pub link: Option<String>,
    /// The form of `raw`.
    pub format: ReportFormat,
    /// The vendor's own report, whole.
    #[serde(skip)]
    pub raw: Arc<Spooled>,
}

/// One thing that was found: a signature, a rule, an alert.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Finding {
    /// Its name.
    pub name: String,
    /// What it means.
    pub description: Option<String>,
    /// 0 to 100, of the vendor's scale; absent when it has none.
    pub severity: Option<u8>,
    /// Techniques of ATT&CK.
    pub techniques: Vec<String>,
}

/// What an indicator is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IndicatorKind {
    /// A domain name.
    Domain,
    /// An IP address.
    Address,
    /// A URL.
    Url,
    /// A file's hash.
    Hash,
    /// A file's path.
    File,
    /// A mutex.
    Mutex,
    /// A key of the registry.
    Registry,
    /// A command line.
    Command,
}

/// Something to look for elsewhere.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Indicator {
    /// What it is.
    pub kind: IndicatorKind,
    /// Its text.
    pub value: String,
}
