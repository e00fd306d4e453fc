//! What every analysis sandbox offers, and what only some do.

use std::collections::BTreeMap;
use std::fmt;
use std::pin::Pin;
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream::BoxStream;
use serde::{Deserialize, Serialize};

use crate::error::{Error, ErrorKind, Result, Step};
use crate::report::Report;
use crate::sample::{Hash, Sample};

/// A future of this crate.
pub type Boxed<'a, T> = Pin<Box<dyn Future<Output = Result<T>> + Send + 'a>>;

/// Whose product, or whose protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Vendor {
    /// Cuckoo 1 and 2.
    Cuckoo,
    /// Cuckoo 3.
    Cuckoo3,
    /// CAPE, by its apiv2.
    Cape,
    /// Falcon Sandbox, Hybrid Analysis.
    Falcon,
    /// Falcon X, CrowdStrike's sandbox in its cloud.
    FalconX,
    /// FireEye AX, Trellix.
    FireEye,
    /// Joe Sandbox.
    Joe,
    /// VMRay.
    VmRay,
    /// WildFire of Palo Alto Networks.
    WildFire,
    /// Hatching Triage.
    Triage,
    /// MetaDefender Sandbox, filescan.io.
    MetaDefender,
    /// Dynamic analysis of MetaDefender Cloud.
    MetaDefenderCloud,
    /// PT Sandbox.
    Pt,
    /// The PremierLangage sandbox, belljar's own server, and whoever else speaks its protocol. It executes and does not analyse, so that it
    /// is in errors and not in [`Vendor::ALL`]: see [`crate::execution`].
    PremierLangage,
}

impl Vendor {
    /// All whose sandboxes analyse: those that there is a [`Sandbox`] of.
    pub const ALL: [Self; 13] = [
        Self::Cuckoo,
        Self::Cuckoo3,
        Self::Cape,
        Self::Falcon,
        Self::FalconX,
        Self::FireEye,
        Self::Joe,
        Self::VmRay,
        Self::WildFire,
        Self::Triage,
        Self::MetaDefender,
        Self::MetaDefenderCloud,
        Self::Pt,
    ];

    /// As in configurations and on the command line.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Cuckoo => "cuckoo",
            Self::Cuckoo3 => "cuckoo3",
            Self::Cape => "cape",
            Self::Falcon => "falcon",
            Self::FalconX => "falconx",
            Self::FireEye => "fireeye",
            Self::Joe => "joe",
            Self::VmRay => "vmray",
            Self::WildFire => "wildfire",
            Self::Triage => "triage",
            Self::MetaDefender => "metadefender",
            Self::MetaDefenderCloud => "metadefendercloud",
            Self::Pt => "pt",
            Self::PremierLangage => "premierlangage",
        }
    }
}

impl fmt::Display for Vendor {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(self.name())
    }
}

/// Something that not every sandbox can do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Capability {
    /// Submit a URL.
    SubmitUrl,
    /// Look a hash up.
    LookUp,
    /// Delete a submission.
    Delete,
    /// Tell how long the queue is.
    Queue,
    /// Give an artifact of this kind.
    Artifact(ArtifactKind),
}

impl fmt::Display for Capability {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::SubmitUrl => formatter.write_str("submit a URL"),
            Self::LookUp => formatter.write_str("look a hash up"),
            Self::Delete => formatter.write_str("delete a submission"),
            Self::Queue => formatter.write_str("tell the length of its queue"),
            Self::Artifact(kind) => write!(formatter, "give the artifact {kind}"),
        }
    }
}

/// What a sandbox can do besides taking files and reporting about them.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Capabilities(pub std::collections::BTreeSet<Capability>);

impl Capabilities {
    /// These.
    pub fn of(capabilities: impl IntoIterator<Item = Capability>) -> Self {
        Self(capabilities.into_iter().collect())
    }

    /// Whether this is one of them.
    #[must_use]
    pub fn has(&self, capability: Capability) -> bool {
        self.0.contains(&capability)
    }
}

/// What an analysis leaves besides its report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ArtifactKind {
    /// The report for printing.
    Pdf,
    /// The report as a page.
    Html,
    /// The report as XML.
    Xml,
    /// The report as the vendor's JSON, unread.
    Json,
    /// The network traffic.
    Pcap,
    /// The files that it dropped, in an archive.
    Dropped,
    /// Pictures of the screen, in an archive.
    Screenshots,
    /// Memory of its processes, in an archive.
    Memory,
    /// The sample itself.
    Sample,
    /// Everything, in an archive.
    All,
    /// Another, by the vendor's own word for it, which [`Artifact::name`] holds.
    Other,
}

impl ArtifactKind {
    /// All of them.
    pub const ALL: [Self; 11] = [
        Self::Pdf,
        Self::Html,
        Self::Xml,
        Self::Json,
        Self::Pcap,
        Self::Dropped,
        Self::Screenshots,
        Self::Memory,
        Self::Sample,
        Self::All,
        Self::Other,
    ];
}

impl fmt::Display for ArtifactKind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(match self {
            Self::Pdf => "pdf",
            Self::Html => "html",
            Self::Xml => "xml",
            Self::Json => "json",
            Self::Pcap => "pcap",
            Self::Dropped => "dropped",
            Self::Screenshots => "screenshots",
            Self::Memory => "memory",
            Self::Sample => "sample",
            Self::All => "all",
            Self::Other => "other",
        })
    }
}

/// How a sample is to be analysed. What a vendor has no word for is refused, not ignored.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Options {
    /// Time of the analysis itself.
    pub analysis_time: Option<Duration>,
    /// Password of an archive.
    pub archive_password: Option<crate::Secret>,
    /// The machine, profile or environment, in the vendor's words.
    pub environment: Option<String>,
    /// The vendor's own options, sent as they are.
    pub vendor: BTreeMap<String, String>,
}

/// What was submitted, by all the names that the vendor gave it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Submission {
    /// The name by which it is asked for: opaque.
    pub id: String,
    /// Other names: of the sample, of jobs, of pages. By what the vendor calls them.
    pub others: BTreeMap<String, String>,
    /// More of the same submission: an archive may become several analyses.
    pub more: Vec<String>,
}

impl Submission {
    /// With only one name.
    pub fn new(id: impl Into<String>) -> Self {
        Self { id: id.into(), others: BTreeMap::new(), more: Vec::new() }
    }
}

/// How far an analysis is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "status", content = "why")]
pub enum Status {
    /// It waits for its turn.
    Queued,
    /// It is being analysed, or the report is being written.
    Running,
    /// The report is there.
    Finished,
    /// It ended without a report.
    Failed(String),
}

/// Whether a sandbox is there and takes submissions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Availability {
    /// Its version, if it tells.
    pub version: Option<String>,
    /// Anything else worth a line, for people.
    pub remarks: Vec<String>,
}

/// How much there is to do before a new submission.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Queue {
    /// Submissions that wait.
    pub waiting: u64,
    /// Submissions that are being analysed, if that is told.
    pub running: Option<u64>,
}

/// An artifact that is wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Artifact {
    /// What.
    pub kind: ArtifactKind,
    /// Which of several, in the vendor's words: a number of a screenshot, a process, a type of report. All of them, or the first, by default.
    pub name: Option<String>,
}

impl From<ArtifactKind> for Artifact {
    fn from(kind: ArtifactKind) -> Self {
        Self { kind, name: None }
    }
}

/// Bytes on their way.
pub struct Download {
    /// The name that the vendor gives it, without directories.
    pub name: Option<String>,
    /// Its type.
    pub content_type: Option<String>,
    /// Its length, if it is told.
    pub length: Option<u64>,
    /// The password, where it is an archive that the vendor protects.
    pub password: Option<&'static str>,
    /// The bytes, as they come.
    pub bytes: BoxStream<'static, Result<Bytes>>,
}

impl fmt::Debug for Download {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Download")
            .field("name", &self.name)
            .field("length", &self.length)
            .finish_non_exhaustive()
    }
}

/// A sandbox of some vendor.
pub trait Sandbox: Send + Sync + fmt::Debug {
    /// Its name in the configuration, for errors and tables.
    fn name(&self) -> &str;

    /// Whose product it is.
    fn vendor(&self) -> Vendor;

    /// What it can do besides the least.
    fn capabilities(&self) -> Capabilities;

    /// Whether it is there and the key is right.
    fn available(&self) -> Boxed<'_, Availability>;

    /// Submits a file or an address. Sent once; sent again only when it cannot have arrived.
    fn submit<'a>(&'a self, sample: &'a Sample, options: &'a Options) -> Boxed<'a, Submission>;

    /// Looks for an analysis of this hash that is there already; the newest finished one.
    fn look_up<'a>(&'a self, _hash: &'a Hash) -> Boxed<'a, Option<Submission>> {
        unsupported(self, Step::LookUp, Capability::LookUp)
    }

    /// How far it is.
    fn status<'a>(&'a self, submission: &'a Submission) -> Boxed<'a, Status>;

    /// The report of a finished analysis, with its verdict.
    fn report<'a>(&'a self, submission: &'a Submission) -> Boxed<'a, Report>;

    /// An artifact of a finished analysis.
    fn artifact<'a>(&'a self, _submission: &'a Submission, artifact: Artifact) -> Boxed<'a, Download> {
        unsupported(self, Step::Artifact, Capability::Artifact(artifact.kind))
    }

    /// Deletes it, and what it left.
    fn delete<'a>(&'a self, _submission: &'a Submission) -> Boxed<'a, ()> {
        unsupported(self, Step::Delete, Capability::Delete)
    }

    /// How much there is to do.
    fn queue(&self) -> Boxed<'_, Queue> {
        unsupported(self, Step::Queue, Capability::Queue)
    }

    /// What the sandbox last asked for between two questions about a status; nothing with most vendors. [`wait()`](crate::wait()) asks no more
    /// often than that.
    fn poll_pause(&self) -> Option<Duration> {
        None
    }

    /// Gives back what the vendor counts while it is open: a session. Nothing with most vendors. A later call opens a new one.
    fn close(&self) -> Boxed<'_, ()> {
        Box::pin(std::future::ready(Ok(())))
    }
}

/// The error for what a vendor cannot do, known without a request.
pub(crate) fn unsupported<'a, T: Send + 'a>(
    sandbox: &(impl Sandbox + ?Sized),
    step: Step,
    what: Capability,
) -> Boxed<'a, T> {
    let (name, vendor) = (sandbox.name().to_owned(), sandbox.vendor());
    Box::pin(async move { Err(Error { sandbox: name, vendor, step, kind: ErrorKind::Unsupported(what) }) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_vendor_has_one_name() {
        for vendor in Vendor::ALL.into_iter().chain([Vendor::PremierLangage]) {
            let written = serde_json::to_string(&vendor).expect("JSON");
            assert_eq!(written, format!("\"{}\"", vendor.name()));
            assert_eq!(serde_json::from_str::<Vendor>(&written).expect("a vendor"), vendor);
        }
    }
}
