//! VMRay, by its REST API.

mod ask;
mod judge;
mod submit;
mod summary;
mod types;

use std::collections::BTreeSet;

use http::header;

use crate::error::{ErrorKind, Result, Step};
use crate::http::{Call, Settings, Transport};
use crate::report::Report;
use crate::sample::{Hash, Sample};
use crate::sandbox::{
    Artifact, ArtifactKind, Availability, Boxed, Capabilities, Capability, Download, Options, Sandbox, Status,
    Submission, Vendor,
};
use crate::secret::Secret;

pub use types::{VmRayAnalysis, VmRayBilling, VmRayJob, VmRaySample, VmRaySubmission, VmRaySystem, VmRayTechnique};

/// VMRay's cloud in Europe.
pub const VMRAY_CLOUD: &str = "https://cloud.vmray.com";
/// Samples of one hash that are looked at, the newest first.
const MAX_LOOKED_AT: usize = 8;
/// Samples of one submission that are followed: an archive becomes as many as it has members.
const MAX_SAMPLES: usize = 256;

/// The ids of all submissions among a [`Submission`]'s others, with commas between.
const SUBMISSION_IDS: &str = "submission_ids";
/// The id of the first.
const SUBMISSION_ID: &str = "submission_id";

/// How a VMRay is reached.
#[derive(Debug, Clone)]
pub struct VmRaySettings {
    /// Where it is: [`VMRAY_CLOUD`], another of the vendor's clouds, or one's own. `/rest` at its end may be there or not.
    pub http: Settings,
    /// The API key.
    pub key: Secret,
}

/// A VMRay.
///
/// - A [`Submission`]'s id is that of its sample, `more` are those of an archive's other members; the ids of submissions and jobs are kept beside them.
///   It is finished when all its submissions are.
/// - The verdict is the sample's, where there is one (from version 4 on), else the worst of its analyses, else the worst severity of older versions. Of an
///   archive it is that of the worst member.
/// - A number alone never says clean, although VMRay paints one below 25 green: that nothing was found is not that it is harmless.
#[derive(Debug)]
pub struct VmRay {
    transport: Transport,
    key: Secret,
}

impl VmRay {
    /// For an address and a key.
    ///
    /// # Errors
    /// The address or another setting is wrong.
    pub fn new(settings: VmRaySettings) -> Result<Self> {
        let VmRaySettings { mut http, key } = settings;
        let address = http.address.trim_end_matches('/');
        http.address = address.strip_suffix("/rest").unwrap_or(address).to_owned();
        Ok(Self { transport: Transport::new(http, Vendor::VmRay, vec![key.clone()])?, key })
    }

    fn call(&self, call: Call) -> Call {
        call.header(header::AUTHORIZATION, &format!("api_key {}", self.key.reveal()))
    }

    fn malformed(&self, step: Step, problem: &str) -> crate::Error {
        self.transport.error(step, ErrorKind::Malformed(problem.to_owned()))
    }

    /// The submissions that are meant: those that are known by their ids, else all of the samples.
    async fn submissions(&self, step: Step, submission: &Submission) -> Result<Vec<VmRaySubmission>> {
        let ours = ids(submission);
        let mut found = Vec::new();
        for sample in self.samples(step, submission)? {
            let of_sample = match self.submissions_of_sample_for(step, sample).await {
                // Whether they are there is asked one by one.
                Err(error) if matches!(error.kind, ErrorKind::NotFound(_)) && !ours.is_empty() => Vec::new(),
                other => other?,
            };
            found.extend(of_sample.into_iter().filter(|one| ours.is_empty() || one.is_one_of(&ours)));
        }
        for id in &ours {
            if !found.iter().any(|one| one.submission_id.as_deref() == Some(*id)) {
                found.push(self.submission_for(step, id).await?);
            }
        }
        Ok(found)
    }

    fn samples<'a>(&self, step: Step, submission: &'a Submission) -> Result<impl Iterator<Item = &'a str>> {
        if submission.more.len() >= MAX_SAMPLES {
            let problem = format!("more than {MAX_SAMPLES} samples in one submission");
            return Err(self.transport.error(step, ErrorKind::Invalid(problem)));
        }
        Ok([submission.id.as_str()].into_iter().chain(submission.more.iter().map(String::as_str)))
    }

    async fn state(&self, step: Step, submission: &Submission) -> Result<Status> {
        let submissions = self.submissions(step, submission).await?;
        if submissions.is_empty() {
            let problem = "there is no submission of this sample".to_owned();
            return Err(self.transport.error(step, ErrorKind::NotFound(problem)));
        }
        if !submissions.iter().all(VmRaySubmission::is_finished) {
            return Ok(self.before_the_end(step, submission, &submissions).await);
        }
        if submissions.iter().any(|one| one.submission_has_errors == Some(true))
            && let Some(why) = self.failure(step, submission).await?
        {
            return Ok(Status::Failed(self.transport.said(&why)));
        }
        Ok(Status::Finished)
    }

    /// Queued while all its jobs are; whatever cannot be told is running.
    async fn before_the_end(&self, step: Step, submission: &Submission, submissions: &[VmRaySubmission]) -> Status {
        if submissions.iter().any(VmRaySubmission::is_finished) {
            return Status::Running;
        }
        let Ok(samples) = self.samples(step, submission) else { return Status::Running };
        for sample in samples {
            match self.jobs_for(step, sample).await {
                Ok(jobs) if !jobs.is_empty() && jobs.iter().all(VmRayJob::is_queued) => {}
                _ => return Status::Running,
            }
        }
        Status::Queued
    }

    /// Why there is no analysis that went well, if there is none.
    async fn failure(&self, step: Step, submission: &Submission) -> Result<Option<String>> {
        let ours = ids(submission);
        let mut why = None;
        for sample in self.samples(step, submission)? {
            for analysis in self.analyses_of(step, sample, &ours).await? {
                match analysis.failure() {
                    None => return Ok(None),
                    Some(failure) => why = why.or(Some(failure)),
                }
            }
        }
        Ok(Some(why.unwrap_or_else(|| "it ended with errors and without an analysis".to_owned())))
    }

    /// The analyses of a sample: those of our submissions, or all when none is of ours, as it is where the server knew the sample already.
    async fn analyses_of(&self, step: Step, sample: &str, ours: &BTreeSet<&str>) -> Result<Vec<VmRayAnalysis>> {
        let mut analyses = match self.analyses_for(step, sample).await {
            Err(error) if matches!(error.kind, ErrorKind::NotFound(_)) => Vec::new(),
            other => other?,
        };
        let is_ours =
            |analysis: &VmRayAnalysis| analysis.analysis_submission_id.as_deref().is_some_and(|id| ours.contains(id));
        if analyses.iter().any(is_ours) {
            analyses.retain(is_ours);
        }
        Ok(analyses)
    }

    async fn look_for(&self, hash: &Hash) -> Result<Option<Submission>> {
        let samples = match self.samples_by_hash(hash).await {
            Err(error) if matches!(error.kind, ErrorKind::NotFound(_)) => return Ok(None),
            other => other?,
        };
        let mut ids: Vec<(u64, String)> = samples
            .into_iter()
            .filter(|sample| sample.has(hash))
            .filter_map(|sample| sample.sample_id)
            .map(|id| (id.parse().unwrap_or(0), id))
            .collect();
        ids.sort_unstable();
        for (_, sample) in ids.into_iter().rev().take(MAX_LOOKED_AT) {
            let found = match self.submissions_of_sample_for(Step::LookUp, &sample).await {
                Err(error) if matches!(error.kind, ErrorKind::NotFound(_)) => continue,
                other => other?,
            };
            let finished = found.into_iter().filter(VmRaySubmission::is_finished);
            let finished: Vec<String> = finished.filter_map(|one| one.submission_id).collect();
            if let Some(first) = finished.first() {
                let mut submission = Submission::new(sample);
                submission.others.insert(SUBMISSION_ID.to_owned(), first.clone());
                submission.others.insert(SUBMISSION_IDS.to_owned(), finished.join(","));
                return Ok(Some(submission));
            }
        }
        Ok(None)
    }

    /// The analysis that artifacts come from: the one that the report is of.
    async fn best_analysis(&self, step: Step, submission: &Submission) -> Result<String> {
        let ours = ids(submission);
        let mut best: Option<VmRayAnalysis> = None;
        for sample in self.samples(step, submission)? {
            let found = judge::best(self.analyses_of(step, sample, &ours).await?);
            best = judge::best(best.into_iter().chain(found).collect());
        }
        best.and_then(|analysis| analysis.analysis_id)
            .ok_or_else(|| self.transport.error(step, ErrorKind::NotFound("no analysis of it went well".to_owned())))
    }

    async fn artifact_of(&self, submission: &Submission, artifact: Artifact) -> Result<Download> {
        let step = Step::Artifact;
        if artifact.kind == ArtifactKind::Sample {
            return self.sample_file(&submission.id).await;
        }
        let analysis = match submission.others.get("analysis_id") {
            Some(id) => id.clone(),
            None => self.best_analysis(step, submission).await?,
        };
        match (artifact.kind, artifact.name.as_deref()) {
            (ArtifactKind::Json, None) => match self.archive_file(&analysis, "logs/summary.json").await {
                Err(error) if matches!(error.kind, ErrorKind::NotFound(_)) => {
                    self.archive_file(&analysis, "logs/summary_v2.json").await
                }
                other => other,
            },
            (ArtifactKind::Json, Some(name)) => self.archive_file(&analysis, &format!("logs/{name}")).await,
            (ArtifactKind::Xml, _) => self.archive_file(&analysis, "logs/stix-report.xml").await,
            (ArtifactKind::Pcap, None) => self.archive(&analysis, Some("network/*.pcap")).await,
            (ArtifactKind::Pcap, Some(name)) => self.archive_file(&analysis, &format!("network/{name}")).await,
            (ArtifactKind::Screenshots, None) => self.archive(&analysis, Some("screenshots/*")).await,
            (ArtifactKind::Screenshots, Some(name)) => {
                self.archive_file(&analysis, &format!("screenshots/{name}")).await
            }
            (ArtifactKind::Other, Some(path)) if path.contains('*') => self.archive(&analysis, Some(path)).await,
            (ArtifactKind::Other, Some(path)) => self.archive_file(&analysis, path).await,
            (ArtifactKind::Other, None) => {
                let problem = "which file? its name is its path in the analysis's archive: logs/flog.txt".to_owned();
                Err(self.transport.error(step, ErrorKind::Invalid(problem)))
            }
            _ => self.archive(&analysis, None).await,
        }
    }

    /// Deletes all samples of a submission. An archive's members may be gone with it.
    async fn delete_all(&self, submission: &Submission) -> Result<()> {
        let mut deleted = false;
        let mut missing = None;
        for sample in self.samples(Step::Delete, submission)? {
            match self.delete_sample(sample).await {
                Ok(()) => deleted = true,
                Err(error) if matches!(error.kind, ErrorKind::NotFound(_)) => missing = missing.or(Some(error)),
                Err(error) => return Err(error),
            }
        }
        match missing {
            Some(error) if !deleted => Err(error),
            _ => Ok(()),
        }
    }
}

/// The ids of submissions that are known.
fn ids(submission: &Submission) -> BTreeSet<&str> {
    let known = submission.others.get(SUBMISSION_IDS).or_else(|| submission.others.get(SUBMISSION_ID));
    known.into_iter().flat_map(|ids| ids.split(',')).filter(|id| !id.is_empty()).take(MAX_SAMPLES).collect()
}

/// What has a name here. Files of an analysis that have none are asked for as others, by their path.
const ARTIFACTS: [ArtifactKind; 7] = [
    ArtifactKind::Json,
    ArtifactKind::Xml,
    ArtifactKind::Pcap,
    ArtifactKind::Screenshots,
    ArtifactKind::Sample,
    ArtifactKind::All,
    ArtifactKind::Other,
];

impl Sandbox for VmRay {
    fn name(&self) -> &str {
        self.transport.name()
    }

    fn vendor(&self) -> Vendor {
        Vendor::VmRay
    }

    fn capabilities(&self) -> Capabilities {
        use Capability::{Artifact, Delete, LookUp, SubmitUrl};
        Capabilities::of([SubmitUrl, LookUp, Delete].into_iter().chain(ARTIFACTS.map(Artifact)))
    }

    fn available(&self) -> Boxed<'_, Availability> {
        Box::pin(async {
            let system = self.system_for(Step::Availability).await?;
            // Not every version tells of it, and not every key may ask.
            let remarks = self.billing().await.map(|billing| billing.remarks()).unwrap_or_default();
            Ok(Availability { version: system.version, remarks })
        })
    }

    fn submit<'a>(&'a self, sample: &'a Sample, options: &'a Options) -> Boxed<'a, Submission> {
        Box::pin(self.submit_sample(sample, options))
    }

    fn look_up<'a>(&'a self, hash: &'a Hash) -> Boxed<'a, Option<Submission>> {
        Box::pin(self.look_for(hash))
    }

    fn status<'a>(&'a self, submission: &'a Submission) -> Boxed<'a, Status> {
        Box::pin(self.state(Step::Status, submission))
    }

    fn report<'a>(&'a self, submission: &'a Submission) -> Boxed<'a, Report> {
        Box::pin(self.report_of(submission))
    }

    fn artifact<'a>(&'a self, submission: &'a Submission, artifact: Artifact) -> Boxed<'a, Download> {
        if !ARTIFACTS.contains(&artifact.kind) {
            return crate::sandbox::unsupported(self, Step::Artifact, Capability::Artifact(artifact.kind));
        }
        Box::pin(self.artifact_of(submission, artifact))
    }

    fn delete<'a>(&'a self, submission: &'a Submission) -> Boxed<'a, ()> {
        Box::pin(self.delete_all(submission))
    }
}
