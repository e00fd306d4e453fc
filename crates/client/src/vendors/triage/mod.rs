//! Hatching Triage, also known as Recorded Future Sandbox: its public cloud, its private one, and installations of its own.

mod events;
mod form;
mod more;
mod report;

use http::{Method, header};
use serde_json::Value;

pub use events::TriageEvent;
pub use more::{TriageChoice, TriagePage, TriageSample, TriageSubset};

use super::{address, loose};
use crate::error::{ErrorKind, Result, Step};
use crate::http::{Answer, Call, Settings, Transport};
use crate::report::Report;
use crate::sample::{Hash, HashKind, Sample};
use crate::sandbox::{
    Artifact, ArtifactKind, Availability, Boxed, Capabilities, Capability, Download, Options, Sandbox, Status,
    Submission, Vendor,
};
use crate::secret::Secret;
use report::{Overview, Summary};

/// The public cloud: what is submitted there with a free key, everybody sees.
pub const TRIAGE_CLOUD: &str = "https://api.tria.ge";
/// The private cloud.
pub const TRIAGE_PRIVATE_CLOUD: &str = "https://private.tria.ge/api";
/// Bytes of an answer that is no report.
const MAX_SMALL: u64 = 8 << 20;
/// Bytes that tell an error from what was asked for.
const PEEKED: usize = 32;
/// Analyses of a hash that are looked at, in the vendor's order: the newest first.
const MAX_LOOKED_AT: usize = 8;
/// Reasons why an analysis failed that are told.
const MAX_REASONS: usize = 3;

/// How a Triage is reached.
#[derive(Debug, Clone)]
pub struct TriageSettings {
    /// Where it is, without the version (`/v0`) of the interface.
    pub http: Settings,
    /// The key.
    pub key: Secret,
}

/// A Triage.
///
/// - Scores are 1 to 10, of which the greatest of all tasks counts: from 8 on malicious, from 5 on suspicious, else unknown, because Triage never
///   says that something is clean. On our scale 1 is 0 and 10 is 100.
/// - `static_analysis` may mean that somebody has to choose a profile, where that was asked for: see [`Triage::choose`].
/// - The report is the overview of all tasks, where there is one, else the summary.
#[derive(Debug)]
pub struct Triage {
    transport: Transport,
    key: Secret,
    /// Where people look at a sample, before its id.
    pages: Option<&'static str>,
}

impl Triage {
    /// For an address.
    ///
    /// # Errors
    /// The address or another setting is wrong.
    pub fn new(settings: TriageSettings) -> Result<Self> {
        let mut http = address::secure(settings.http);
        let trimmed = http.address.trim_end_matches('/').trim_end_matches("/v0").len();
        http.address.truncate(trimmed);
        let pages = match http.address.as_str() {
            TRIAGE_CLOUD => Some("https://tria.ge/"),
            TRIAGE_PRIVATE_CLOUD => Some("https://private.tria.ge/"),
            _ => None,
        };
        let transport = Transport::new(http, Vendor::Triage, vec![settings.key.clone()])?;
        Ok(Self { transport, key: settings.key, pages })
    }

    /// A question about a sample, in the version that most are in.
    fn about<'a>(step: Step, id: &'a str, rest: impl IntoIterator<Item = &'a str>) -> Call {
        Call::get(step, ["v0", "samples", id].into_iter().chain(rest))
    }

    /// Sends; anything but a status of success is an error, in the server's words, and so is an error with such a status.
    async fn send(&self, step: Step, call: Call) -> Result<Answer> {
        let call = call.header(header::AUTHORIZATION, &format!("Bearer {}", self.key.reveal()));
        let mut answer = self.transport.send(call).await?;
        if !answer.status().is_success() {
            return Err(answer.into_error_as(words, meant).await);
        }
        if begins_with_error(answer.peek(PEEKED).await?) {
            let said = answer.json_within(MAX_SMALL).await?;
            return Err(self.said(step, &said));
        }
        Ok(answer)
    }

    /// The error that an answer with a status of success holds.
    fn said(&self, step: Step, answer: &Value) -> crate::Error {
        let message = words(answer).unwrap_or_default();
        let kind = ErrorKind::Status { status: 200, message, retry_after: None };
        self.transport.error(step, meant(answer, kind))
    }

    fn malformed(&self, step: Step, problem: &str) -> crate::Error {
        self.transport.error(step, ErrorKind::Malformed(problem.to_owned()))
    }

    /// Sends what is answered with an object.
    async fn object(&self, step: Step, call: Call) -> Result<Value> {
        let answer: Value = self.send(step, call).await?.json_within(MAX_SMALL).await?;
        match &answer {
            Value::Object(members) if members.get("error").is_some_and(|error| !error.is_null()) => {
                Err(self.said(step, &answer))
            }
            Value::Object(_) => Ok(answer),
            _ => Err(self.malformed(step, "it is no object")),
        }
    }

    /// An answer about another sample than the one that was asked for says nothing.
    fn same(&self, step: Step, asked: &str, named: Option<&str>) -> Result<()> {
        match named {
            Some(named) if named != asked => Err(self.malformed(step, "an answer about another sample")),
            _ => Ok(()),
        }
    }

    async fn overview(&self, step: Step, id: &str) -> Result<(crate::Spooled, Overview)> {
        let call = Call::get(step, ["v1", "samples", id, "overview.json"]);
        let (raw, overview) = self.send(step, call).await?.report::<Overview>().await?;
        self.same(step, id, overview.sample.id.as_deref())?;
        Ok((raw, overview))
    }

    async fn short(&self, step: Step, id: &str) -> Result<(crate::Spooled, Summary)> {
        let answer = self.send(step, Self::about(step, id, ["summary"])).await?;
        let (raw, summary) = answer.report::<Summary>().await?;
        if let Some(error) = summary.failure() {
            return Err(self.said(step, &error));
        }
        self.same(step, id, summary.sample.as_deref())?;
        Ok((raw, summary))
    }

    /// Why an analysis failed, as far as can be found out.
    async fn failure(&self, id: &str) -> String {
        let unknown = "Triage does not say why".to_owned();
        match self.overview(Step::Status, id).await {
            Ok((_, overview)) => {
                let reasons: Vec<String> = overview.failures().take(MAX_REASONS).collect();
                if reasons.is_empty() { unknown } else { self.transport.said(&reasons.join("; ")) }
            }
            Err(_) => unknown,
        }
    }

    async fn ask(&self, id: &str) -> Result<Status> {
        let step = Step::Status;
        let answer = self.object(step, Self::about(step, id, ["status"])).await?;
        self.same(step, id, answer["sample"].as_str().or_else(|| answer["id"].as_str()))?;
        let status = answer["status"].as_str().ok_or_else(|| self.malformed(step, "no `status`"))?;
        Ok(match status {
            "failed" => Status::Failed(self.failure(id).await),
            other => known(other),
        })
    }

    async fn read(&self, id: &str) -> Result<Report> {
        let step = Step::Report;
        let (raw, summary) = self.short(step, id).await?;
        match summary.status.as_deref().map(known) {
            Some(Status::Failed(_)) => {
                let why = self.failure(id).await;
                return Err(self.transport.error(step, ErrorKind::AnalysisFailed(why)));
            }
            Some(Status::Queued | Status::Running) => {
                let status = summary.status.unwrap_or_default();
                return Err(self.transport.error(step, ErrorKind::NotReady(status)));
            }
            Some(Status::Finished) | None => {}
        }
        // Not every installation has it, and it comes a little after the summary.
        let overview = match self.overview(step, id).await {
            Ok(overview) => Some(overview),
            Err(error) if matches!(error.kind, ErrorKind::NotFound(_) | ErrorKind::NotReady(_)) => None,
            Err(error) => return Err(error),
        };
        let plain = id.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
        let link = self.pages.filter(|_| plain).map(|pages| format!("{pages}{id}"));
        Ok(report::report(id, raw, summary, overview, link))
    }

    /// Whether an analysis is of this very file, and not of an archive that holds it.
    async fn is_of(&self, id: &str, hash: &Hash) -> Result<bool> {
        let step = Step::LookUp;
        if hash.kind() == HashKind::Sha256 {
            let (_, summary) = self.short(step, id).await?;
            return Ok(summary.sha256.is_some_and(|found| found.eq_ignore_ascii_case(hash.as_str())));
        }
        let found = match self.overview(step, id).await {
            Ok((_, overview)) => overview.hash(hash.kind().name()),
            Err(error) if matches!(error.kind, ErrorKind::NotFound(_)) => None,
            Err(error) => return Err(error),
        };
        Ok(found.is_some_and(|found| found.eq_ignore_ascii_case(hash.as_str())))
    }

    async fn look_for(&self, hash: &Hash) -> Result<Option<Submission>> {
        let page =
            self.page(Step::LookUp, "search", &[("query", &format!("{}:{hash}", hash.kind().name()))], None).await?;
        let finished = page.samples.into_iter().filter(|sample| sample.status == Status::Finished);
        for sample in finished.take(MAX_LOOKED_AT) {
            if self.is_of(&sample.id, hash).await? {
                return Ok(Some(Submission::new(sample.id)));
            }
        }
        Ok(None)
    }

    async fn take(&self, sample: &Sample, options: &Options) -> Result<Submission> {
        let step = Step::Submit;
        if let Some(password) = &options.archive_password {
            self.transport.keep_secret(password.clone());
        }
        let body =
            form::body(sample, options).map_err(|problem| self.transport.error(step, ErrorKind::Invalid(problem)))?;
        let answer = self.object(step, Call::post(step, ["v0", "samples"], body)).await?;
        let id = loose::id(&answer["id"]).ok_or_else(|| self.malformed(step, "no `id`"))?;
        let mut submission = Submission::new(id);
        for name in ["kind", "filename", "url", "sha256"] {
            submission.others.extend(loose::id(&answer[name]).map(|value| (name.to_owned(), value)));
        }
        Ok(submission)
    }

    async fn bring(&self, id: &str, artifact: Artifact) -> Result<Download> {
        let step = Step::Artifact;
        let invalid = |problem: &str| self.transport.error(step, ErrorKind::Invalid(problem.to_owned()));
        let call = match (artifact.kind, artifact.name) {
            (ArtifactKind::Json, None) => Call::get(step, ["v1", "samples", id, "overview.json"]),
            (ArtifactKind::Json, Some(task)) => Self::about(step, id, [short(id, &task), "report_triage.json"]),
            (ArtifactKind::Sample, _) => Self::about(step, id, ["sample"]),
            (ArtifactKind::All, None) => Self::about(step, id, ["archive"]),
            (ArtifactKind::All, Some(packing)) => match packing.as_str() {
                "tar" => Self::about(step, id, ["archive"]),
                "zip" => Self::about(step, id, ["archive.zip"]),
                _ => return Err(invalid("packings are `tar` and `zip`")),
            },
            (ArtifactKind::Pcap, named) => {
                let task = match named {
                    Some(task) => task,
                    None => self.short(step, id).await?.1.detonations().next().ok_or_else(|| {
                        self.transport.error(step, ErrorKind::NotFound("it ran on no machine".to_owned()))
                    })?,
                };
                Self::about(step, id, [short(id, &task), "dump.pcap"])
            }
            (_, Some(path)) if path.split('/').all(|part| !part.is_empty()) => Self::about(step, id, path.split('/')),
            _ => {
                return Err(invalid(
                    "which? a path below the sample: `reports/static`, `behavioral1/logs/onemon.json`",
                ));
            }
        };
        Ok(self.send(step, call).await?.download())
    }
}

impl Sandbox for Triage {
    fn name(&self) -> &str {
        self.transport.name()
    }

    fn vendor(&self) -> Vendor {
        Vendor::Triage
    }

    fn capabilities(&self) -> Capabilities {
        use ArtifactKind::{All, Json, Other, Pcap, Sample};
        let artifacts = [Json, Pcap, Sample, All, Other].map(Capability::Artifact);
        let others = [Capability::SubmitUrl, Capability::LookUp, Capability::Delete];
        Capabilities::of(others.into_iter().chain(artifacts))
    }

    fn available(&self) -> Boxed<'_, Availability> {
        Box::pin(async {
            let step = Step::Availability;
            let call = Call::get(step, ["v0", "samples"]).query("subset", "owned").query("limit", "1");
            let list = self.object(step, call).await?;
            match list["data"].is_array() || list["data"].is_null() {
                true => Ok(Availability { version: None, remarks: Vec::new() }),
                false => Err(self.malformed(step, "`data` is no list")),
            }
        })
    }

    fn submit<'a>(&'a self, sample: &'a Sample, options: &'a Options) -> Boxed<'a, Submission> {
        Box::pin(self.take(sample, options))
    }

    fn look_up<'a>(&'a self, hash: &'a Hash) -> Boxed<'a, Option<Submission>> {
        Box::pin(self.look_for(hash))
    }

    fn status<'a>(&'a self, submission: &'a Submission) -> Boxed<'a, Status> {
        Box::pin(self.ask(&submission.id))
    }

    fn report<'a>(&'a self, submission: &'a Submission) -> Boxed<'a, Report> {
        Box::pin(self.read(&submission.id))
    }

    fn artifact<'a>(&'a self, submission: &'a Submission, artifact: Artifact) -> Boxed<'a, Download> {
        if !self.capabilities().has(Capability::Artifact(artifact.kind)) {
            return crate::sandbox::unsupported(self, Step::Artifact, Capability::Artifact(artifact.kind));
        }
        Box::pin(self.bring(&submission.id, artifact))
    }

    fn delete<'a>(&'a self, submission: &'a Submission) -> Boxed<'a, ()> {
        let call = Call::new(Step::Delete, Method::DELETE, ["v0", "samples", &submission.id]);
        Box::pin(self.done(Step::Delete, call))
    }
}

/// A status by its name; why one failed is not in it.
fn known(status: &str) -> Status {
    match status {
        "pending" | "scheduled" => Status::Queued,
        "static_analysis" | "running" | "processing" => Status::Running,
        "reported" => Status::Finished,
        "failed" => Status::Failed("Triage does not say why".to_owned()),
        other => {
            tracing::warn!(status = other, "Triage gives a status that is not known; it is taken for one on the way.");
            Status::Running
        }
    }
}

/// A task's name without that of its sample, as paths want it.
fn short<'a>(id: &str, task: &'a str) -> &'a str {
    task.strip_prefix(id).and_then(|rest| rest.strip_prefix('-')).unwrap_or(task)
}

/// What an error says: its code, and more where there is more.
fn words(answer: &Value) -> Option<String> {
    let code = answer["error"].as_str()?;
    Some(match answer["message"].as_str() {
        Some(message) if !message.is_empty() => format!("{code}: {message}"),
        _ => code.to_owned(),
    })
}

/// What an error's code means, where it means more than the status.
fn meant(answer: &Value, otherwise: ErrorKind) -> ErrorKind {
    let Some(code) = answer["error"].as_str() else { return otherwise };
    let said = words(answer).unwrap_or_default();
    let retry_after = match &otherwise {
        ErrorKind::Quota { retry_after, .. } | ErrorKind::Status { retry_after, .. } => *retry_after,
        _ => None,
    };
    match code.to_ascii_uppercase().as_str() {
        "NOT_FOUND" => ErrorKind::NotFound(said),
        "UNAUTHORIZED" | "UNAUTHENTICATED" => ErrorKind::Unauthenticated(said),
        "FORBIDDEN" => ErrorKind::Forbidden(said),
        "REPORT_NOT_AVAILABLE" => ErrorKind::NotReady(said),
        "TOO_MANY_REQUESTS" | "RATE_LIMITED" | "RATE_LIMIT_EXCEEDED" => ErrorKind::Quota { message: said, retry_after },
        code if code.contains("QUOTA") => ErrorKind::Quota { message: said, retry_after },
        _ => otherwise,
    }
}

/// Whether an answer begins as errors do: they come also with a status of success, and instead of a file.
fn begins_with_error(start: &[u8]) -> bool {
    let dense: Vec<u8> = start.iter().copied().filter(|byte| !byte.is_ascii_whitespace()).collect();
    dense.starts_with(b"{\"error\":\"")
}
