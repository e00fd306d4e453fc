//! PT Sandbox as all sandboxes are.

use super::options::{Scan, SourceScan};
use super::report::{ContentArtifact, ScanReport};
use super::wire::Tidy;
use super::words::{ArtifactType, LogType, ScanState, Verdict};
use super::{Pt, TaskStatus};
use crate::error::{ErrorKind, Result, Step};
use crate::report::Report;
use crate::sample::Sample;
use crate::sandbox::{
    Artifact, ArtifactKind, Availability, Boxed, Capabilities, Capability, Download, Options, Queue, Sandbox, Status,
    Submission, Vendor,
};

/// What the Public API can give.
const ARTIFACTS: [ArtifactKind; 6] = [
    ArtifactKind::Pcap,
    ArtifactKind::Screenshots,
    ArtifactKind::Dropped,
    ArtifactKind::Memory,
    ArtifactKind::Sample,
    ArtifactKind::Other,
];
/// A scan that there is not, for asking whether a key is right.
const NO_SCAN: &str = "00000000-0000-0000-0000-000000000000";

/// Artifacts come one by one: [`Artifact::name`] is the name, path, SHA-256 or type (`EVENT_CORRELATED`, `GRAPH`) of one; the first of its kind
/// by default. The picture of the screen is a video. [`ArtifactKind::All`] and the queue are the web interface's, and need an account.
impl Sandbox for Pt {
    fn name(&self) -> &str {
        self.transport.name()
    }

    fn vendor(&self) -> Vendor {
        Vendor::Pt
    }

    fn capabilities(&self) -> Capabilities {
        let of_key = ARTIFACTS.into_iter().map(Capability::Artifact).chain([Capability::SubmitUrl]);
        let of_account = [Capability::Queue, Capability::Artifact(ArtifactKind::All)];
        let of_account = of_account.into_iter().filter(|_| self.settings.account.is_some());
        Capabilities::of(of_key.chain(of_account))
    }

    fn available(&self) -> Boxed<'_, Availability> {
        Box::pin(async {
            let mut remarks = Vec::new();
            let health = self.health().await?;
            if health != "OK" {
                remarks.push(format!("it says of its health: {health}"));
            }
            let version = self.version().await?.version;
            remarks.push(self.key_is_right().await?);
            Ok(Availability { version: (!version.is_empty()).then_some(version), remarks })
        })
    }

    fn submit<'a>(&'a self, sample: &'a Sample, options: &'a Options) -> Boxed<'a, Submission> {
        Box::pin(async move {
            let invalid = |problem| self.invalid(Step::Submit, problem);
            if self.settings.source {
                let scan = SourceScan::of(sample.name(), options).map_err(invalid)?;
                return Ok(Submission::new(match sample {
                    Sample::Url(address) => self.check_url(address, &SourceScan { name: None, ..scan }).await?,
                    Sample::File { origin, .. } => self.check_file(origin, &scan).await?,
                }));
            }
            let scan = Scan::of(sample.name(), options).map_err(invalid)?;
            match sample {
                Sample::Url(address) => {
                    Ok(Submission::new(self.scan_url(address, &Scan { name: None, ..scan }).await?))
                }
                Sample::File { origin, .. } => {
                    let upload =
                        self.upload(origin).await.map_err(|error| crate::Error { step: Step::Submit, ..error })?;
                    let mut submission = Submission::new(self.scan(&upload.file_uri, &scan).await?);
                    submission.others.insert("file_uri".to_owned(), upload.file_uri);
                    Ok(submission)
                }
            }
        })
    }

    fn status<'a>(&'a self, submission: &'a Submission) -> Boxed<'a, Status> {
        Box::pin(async { Ok(self.task(&submission.id).await?.status()) })
    }

    fn report<'a>(&'a self, submission: &'a Submission) -> Boxed<'a, Report> {
        Box::pin(async {
            let (raw, report) = self.scan_report(&submission.id).await?;
            for problem in &report.unreadable {
                tracing::warn!(scan = submission.id, %problem, "A part of PT Sandbox's report cannot be read, and is left out.");
            }
            Ok(report.into_report(raw, self.link(&submission.id)))
        })
    }

    fn artifact<'a>(&'a self, submission: &'a Submission, artifact: Artifact) -> Boxed<'a, Download> {
        if !self.capabilities().has(Capability::Artifact(artifact.kind)) {
            return crate::sandbox::unsupported(self, Step::Artifact, Capability::Artifact(artifact.kind));
        }
        Box::pin(async move {
            if artifact.kind == ArtifactKind::All {
                return self.ui()?.download_tree(&submission.id, "", true, false).await;
            }
            let (_, report) = self.report_at(Step::Artifact, &submission.id).await?;
            let Some((file_uri, name)) = chosen(&report, &artifact) else {
                let which = artifact.name.map(|name| format!(" called {name}")).unwrap_or_default();
                let problem = format!("the scan left no {}{which}", artifact.kind);
                return Err(self.error(Step::Artifact, ErrorKind::NotFound(problem)));
            };
            let mut download = self.download(&file_uri).await?;
            download.name = super::options::base_name(&name).or(download.name);
            Ok(download)
        })
    }

    fn queue(&self) -> Boxed<'_, Queue> {
        if self.settings.account.is_none() {
            return crate::sandbox::unsupported(self, Step::Queue, Capability::Queue);
        }
        Box::pin(async { self.ui()?.queue_length().await })
    }
}

impl Pt {
    /// Whether the key is right, and what it may do. A key of a source may not see images, and the other way round.
    async fn key_is_right(&self) -> Result<String> {
        if self.settings.source {
            let at_availability = |error| crate::Error { step: Step::Availability, ..error };
            return match self.task(NO_SCAN).await.map_err(at_availability) {
                Ok(_) => Ok("the key is bound to a source".to_owned()),
                Err(error) if matches!(error.kind, ErrorKind::NotFound(_)) => {
                    Ok("the key is bound to a source".to_owned())
                }
                Err(error) => Err(error),
            };
        }
        let images = self.images_at(Step::Availability).await?;
        Ok(format!("{} images of virtual machines", images.len()))
    }
}

impl TaskStatus {
    /// How far the scan is. One that could not look at anything has failed, unless there is a verdict for all that.
    #[must_use]
    pub fn status(&self) -> Status {
        let Some(result) = self.result.as_ref().filter(|_| !self.is_preflight) else { return Status::Running };
        match &result.scan_state {
            ScanState::Full | ScanState::Partial | ScanState::Unknown => Status::Finished,
            ScanState::Unscanned if matches!(result.verdict, Verdict::Dangerous | Verdict::Unwanted) => {
                Status::Finished
            }
            ScanState::Unscanned => Status::Failed(format!("nothing could be scanned{}", result.told())),
            ScanState::Unlisted(state) => {
                tracing::warn!(
                    state,
                    "PT Sandbox gives a state that is not known; it is taken for one of a scan on the way."
                );
                Status::Running
            }
        }
    }
}

/// What is downloaded for an artifact, and its name.
fn chosen(report: &ScanReport, artifact: &Artifact) -> Option<(String, String)> {
    let wanted = artifact.name.as_deref();
    let log = |kind: Option<LogType>| {
        let named = |log: &&&super::Log| {
            wanted.is_none_or(|name| log.file_name == name || log.kind.as_str() == name || log.file_uri == name)
        };
        let logs = report.logs();
        let mut of_kind = logs.iter().filter(|log| kind.as_ref().is_none_or(|kind| log.kind == *kind));
        of_kind.find(named).map(|log| (log.file_uri.clone(), log.file_name.clone()))
    };
    let file = |artifacts: Vec<&ContentArtifact>| {
        let mut files = artifacts.into_iter().filter_map(|artifact| artifact.file_info.as_ref());
        let found = files.find(|file| {
            wanted.is_none_or(|name| file.file_path == name || file.sha256 == name || file.file_uri == name)
        })?;
        Some((found.file_uri.clone(), found.file_path.clone()))
    };
    let left = |memory: bool| {
        let machines = report.machines();
        let stages = machines.iter().flat_map(|machine| machine.stages.iter().flat_map(|stage| &stage.artifacts));
        let all = machines.iter().flat_map(|machine| &machine.artifacts).chain(stages);
        all.filter(|artifact| (artifact.kind == ArtifactType::ProcessDump) == memory).collect()
    };
    let found = match artifact.kind {
        ArtifactKind::Pcap => log(Some(LogType::Network)),
        ArtifactKind::Screenshots => log(Some(LogType::Screenshot)),
        ArtifactKind::Dropped => file(left(false)),
        ArtifactKind::Memory => file(left(true)),
        ArtifactKind::Sample => file(report.artifacts.iter().collect()),
        // Without a name, the events that the verdict is made of.
        ArtifactKind::Other if wanted.is_none() => log(Some(LogType::EventCorrelated)),
        ArtifactKind::Other => log(None).or_else(|| file(report.all_artifacts())),
        _ => None,
    };
    found.filter(|(file_uri, _)| !file_uri.is_empty())
}

/// Reads a report that is kept, as [`Report::raw`] or in a file.
impl ScanReport {
    /// From an answer with its envelope, or from what is inside one.
    ///
    /// # Errors
    /// It is something else.
    pub fn read(report: &[u8]) -> serde_json::Result<Self> {
        let Tidy(value) = serde_json::from_slice::<Tidy<serde_json::Value>>(report)?;
        match value {
            serde_json::Value::Object(mut members) if members.contains_key("data") => {
                serde_json::from_value(members.remove("data").unwrap_or_default())
            }
            other => serde_json::from_value(other),
        }
    }
}
