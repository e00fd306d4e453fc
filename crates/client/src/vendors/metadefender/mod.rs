//! OPSWAT MetaDefender: the Sandbox (filescan.io), and dynamic analysis of the Cloud.

mod cloud;
mod more;
mod report;

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use http::HeaderName;
use serde::Deserialize;
use serde_json::Value;

pub use cloud::{METADEFENDER_CLOUD, METADEFENDER_PROFILE, MetaDefenderCloud, MetaDefenderCloudSettings};
pub use more::{MetaDefenderPage, MetaDefenderReport};

use super::{address, loose};
use crate::error::{ErrorKind, Result, Step};
use crate::http::{Answer, Body, Call, Part, Settings, Transport};
use crate::report::Report;
use crate::sample::{Hash, HashKind, Sample};
use crate::sandbox::{
    Artifact, ArtifactKind, Availability, Boxed, Capabilities, Capability, Download, Options, Sandbox, Status,
    Submission, Vendor,
};
use crate::secret::Secret;
use report::{Flow, Progress};

/// The public MetaDefender Sandbox.
pub const METADEFENDER_SANDBOX: &str = "https://www.filescan.io";
/// Where the key goes.
const KEY: HeaderName = HeaderName::from_static("x-api-key");
/// Bytes of an answer that is no report.
const MAX_SMALL: u64 = 8 << 20;
/// What is asked for of a report, in the order in which the vendor's own clients do.
const FILTERS: [&str; 8] = [
    "general",
    "finalVerdict",
    "allTags",
    "overallState",
    "taskReference",
    "subtaskReferences",
    "allSignalGroups",
    "iocs",
];
/// Longest pause between two questions that is agreed to; the server may ask for more.
const LONGEST_PAUSE: u64 = 60;
/// Reports of a hash that are looked at, the newest first.
const MAX_LOOKED_AT: usize = 8;
/// What [`Submission::others`] calls one of several reports of a submission, and the hash of its file.
const REPORT: &str = "report_id";
const HASH: &str = "sha256";

/// How a MetaDefender Sandbox is reached.
#[derive(Debug, Clone)]
pub struct MetaDefenderSettings {
    /// Where it is, without `/api`.
    pub http: Settings,
    /// The key.
    pub key: Secret,
    /// Nobody else may see what is submitted. Submissions may say otherwise by the vendor option `is_private`.
    pub private: bool,
}

/// A MetaDefender Sandbox, or filescan.io.
///
/// - Its threat level is -1 to 1, of which the greatest of all files counts: from 0.75 on malicious, from 0.5 on suspicious, below 0 clean, else
///   unknown. Where its word says worse than its number, the word counts. Clean needs all files to be called benign. On our scale, 1 is 100, and
///   0 and what is below is 0.
/// - It says with each status when to ask again: see [`Sandbox::poll_pause`].
#[derive(Debug)]
pub struct MetaDefender {
    transport: Transport,
    key: Secret,
    private: bool,
    /// Seconds until the next question, as the server said last; 0 where it has not.
    pause: AtomicU64,
}

impl MetaDefender {
    /// For an address.
    ///
    /// # Errors
    /// The address or another setting is wrong.
    pub fn new(settings: MetaDefenderSettings) -> Result<Self> {
        let http = address::secure(settings.http);
        let transport = Transport::new(http, Vendor::MetaDefender, vec![settings.key.clone()])?;
        Ok(Self { transport, key: settings.key, private: settings.private, pause: AtomicU64::new(0) })
    }

    /// Sends; anything but a status of success is an error, in the server's words.
    async fn send(&self, call: Call) -> Result<Answer> {
        let answer = self.transport.send(call.header(KEY, self.key.reveal())).await?;
        if answer.status().is_success() { Ok(answer) } else { Err(answer.into_error(words).await) }
    }

    fn malformed(&self, step: Step, problem: &str) -> crate::Error {
        self.transport.error(step, ErrorKind::Malformed(problem.to_owned()))
    }

    fn invalid(&self, step: Step, problem: &str) -> crate::Error {
        self.transport.error(step, ErrorKind::Invalid(problem.to_owned()))
    }

    /// Sends what is answered with an object.
    async fn object(&self, call: Call, step: Step) -> Result<Value> {
        let answer: Value = self.send(call).await?.json_within(MAX_SMALL).await?;
        if answer.is_object() { Ok(answer) } else { Err(self.malformed(step, "it is no object")) }
    }

    /// Where a submission's report is: one that was submitted has a flow, one that was found an id and its file's hash.
    fn place(step: Step, submission: &Submission) -> Call {
        match (submission.others.get(REPORT), submission.others.get(HASH)) {
            (Some(id), Some(hash)) if *id == submission.id => Call::get(step, ["api", "reports", id, hash]),
            _ => Call::get(step, ["api", "scan", &submission.id, "report"]),
        }
    }

    async fn progress(&self, step: Step, submission: &Submission) -> Result<Progress> {
        let call = Self::place(step, submission).query("filter", "overallState");
        let (_, progress) = self.send(call).await?.report::<Progress>().await?;
        self.same(step, submission, progress.flow.as_deref())?;
        let pause = progress.pause.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok()).unwrap_or_default();
        self.pause.store(pause.as_secs().min(LONGEST_PAUSE), Ordering::Relaxed);
        Ok(progress)
    }

    /// An answer about another submission than the one that was asked for says nothing.
    fn same(&self, step: Step, submission: &Submission, flow: Option<&str>) -> Result<()> {
        let found = submission.others.contains_key(REPORT);
        match flow {
            Some(flow) if !found && flow != submission.id => {
                Err(self.malformed(step, "an answer about another submission"))
            }
            _ => Ok(()),
        }
    }

    async fn read(&self, submission: &Submission) -> Result<Report> {
        let step = Step::Report;
        let call = FILTERS.iter().fold(Self::place(step, submission), |call, filter| call.query("filter", *filter));
        let (raw, mut flow) = self.send(call).await?.report::<Flow>().await?;
        self.same(step, submission, flow.flow.as_deref())?;
        match flow.status(submission.others.contains_key(REPORT)) {
            Some(Status::Finished) | None => Ok(flow.into_report(raw)),
            Some(Status::Failed(why)) => Err(self.transport.error(step, ErrorKind::AnalysisFailed(why))),
            Some(_) => Err(self.transport.error(step, ErrorKind::NotReady("not all of it is analysed".to_owned()))),
        }
    }

    /// The id of one report of a submission, and its file's hash.
    async fn one(&self, submission: &Submission, wanted: Option<&str>) -> Result<(String, Option<String>)> {
        let step = Step::Artifact;
        let (_, flow) =
            self.send(Self::place(step, submission).query("filter", "general")).await?.report::<Flow>().await?;
        self.same(step, submission, flow.flow.as_deref())?;
        flow.one(wanted)
            .ok_or_else(|| self.transport.error(step, ErrorKind::NotFound("there is no such report".to_owned())))
    }

    async fn take(&self, sample: &Sample, options: &Options) -> Result<Submission> {
        let step = Step::Submit;
        if options.analysis_time.is_some() {
            return Err(self.invalid(step, "MetaDefender takes no time of the analysis"));
        }
        if options.environment.is_some() {
            return Err(self.invalid(step, "MetaDefender takes no machine: it emulates"));
        }
        let mut fields: Vec<(&str, &str)> = options.vendor.iter().map(|(name, value)| (&**name, &**value)).collect();
        if let Some(password) = &options.archive_password {
            self.transport.keep_secret(password.clone());
            fields.push(("password", password.reveal()));
        }
        if !options.vendor.contains_key("is_private") {
            fields.push(("is_private", if self.private { "true" } else { "false" }));
        }
        let call = match sample {
            Sample::Url(address) => {
                fields.push(("url", address));
                let form = fields.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
                Call::post(step, ["api", "scan", "url"], Body::Form(form))
            }
            Sample::File { name, origin } => {
                let fields = fields.into_iter().map(|(name, value)| Part::field(name, value));
                let parts = fields.chain([Part::file("file", name, origin)]).collect();
                Call::post(step, ["api", "scan", "file"], Body::Multipart(parts))
            }
        };
        let answer = self.object(call, step).await?;
        let flow = loose::id(&answer["flow_id"]).ok_or_else(|| self.malformed(step, "no `flow_id`"))?;
        let mut submission = Submission::new(flow.clone());
        submission.others.insert("flow_id".to_owned(), flow);
        Ok(submission)
    }

    /// Whether a report is about this very file. A server that does not know a parameter of its search finds whatever is newest.
    async fn is_of(&self, found: &MetaDefenderReport, hash: &Hash) -> Result<bool> {
        let step = Step::LookUp;
        if hash.kind() == HashKind::Sha256 {
            return Ok(found.sha256.as_deref().is_some_and(|sha256| sha256.eq_ignore_ascii_case(hash.as_str())));
        }
        let Some(submission) = found.submission() else { return Ok(false) };
        let call = Self::place(step, &submission).query("filter", "taskReference");
        let (_, flow) = self.send(call).await?.report::<Flow>().await?;
        Ok(flow.is_of(&found.id, hash))
    }

    async fn look_for(&self, hash: &Hash) -> Result<Option<Submission>> {
        let query = [(hash.kind().name(), hash.as_str())];
        let page = self.reports(Step::LookUp, &["api", "reports", "search"], &query).await?;
        let finished = page.reports.into_iter().filter(|report| report.finished);
        for report in finished.take(MAX_LOOKED_AT) {
            if self.is_of(&report, hash).await? {
                return Ok(report.submission());
            }
        }
        Ok(None)
    }

    async fn bring(&self, submission: &Submission, artifact: Artifact) -> Result<Download> {
        let step = Step::Artifact;
        let named = artifact.name.as_deref();
        let call = match (artifact.kind, named) {
            (ArtifactKind::Json, None) => Self::place(step, submission),
            (ArtifactKind::Sample, named) => {
                let (_, hash) = self.one(submission, named).await?;
                let hash = hash.ok_or_else(|| self.malformed(step, "the report does not say of which file it is"))?;
                Call::get(step, ["api", "files", &hash]).query("type", "raw")
            }
            (ArtifactKind::Html, named) => self.packed(submission, named, "html").await?,
            (ArtifactKind::Pdf, named) => self.packed(submission, named, "pdf").await?,
            (ArtifactKind::Other, Some(format)) => self.packed(submission, None, format).await?,
            _ => return Err(self.invalid(step, "which? `misp` and `stix` are other forms of the report")),
        };
        Ok(self.send(call).await?.download())
    }

    /// A report in another form.
    async fn packed(&self, submission: &Submission, report: Option<&str>, format: &str) -> Result<Call> {
        let (id, _) = self.one(submission, report).await?;
        Ok(Call::get(Step::Artifact, ["api", "reports", &id, "download"]).query("format", format))
    }
}

impl Sandbox for MetaDefender {
    fn name(&self) -> &str {
        self.transport.name()
    }

    fn vendor(&self) -> Vendor {
        Vendor::MetaDefender
    }

    fn capabilities(&self) -> Capabilities {
        use ArtifactKind::{Html, Json, Other, Pdf, Sample};
        let artifacts = [Html, Json, Pdf, Sample, Other].map(Capability::Artifact);
        Capabilities::of([Capability::SubmitUrl, Capability::LookUp].into_iter().chain(artifacts))
    }

    fn available(&self) -> Boxed<'_, Availability> {
        Box::pin(async {
            #[derive(Deserialize)]
            struct Me {
                #[serde(default, rename = "accountId", deserialize_with = "loose::text")]
                account: Option<String>,
            }
            let step = Step::Availability;
            let me: Me = self.send(Call::get(step, ["api", "users", "me"])).await?.json_within(MAX_SMALL).await?;
            match me.account {
                Some(_) => Ok(Availability { version: None, remarks: Vec::new() }),
                None => Err(self.malformed(step, "no `accountId`")),
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
        Box::pin(async {
            let progress = self.progress(Step::Status, submission).await?;
            progress
                .status(submission.others.contains_key(REPORT))
                .ok_or_else(|| self.malformed(Step::Status, "no `allFinished`"))
        })
    }

    fn report<'a>(&'a self, submission: &'a Submission) -> Boxed<'a, Report> {
        Box::pin(self.read(submission))
    }

    fn artifact<'a>(&'a self, submission: &'a Submission, artifact: Artifact) -> Boxed<'a, Download> {
        if !self.capabilities().has(Capability::Artifact(artifact.kind)) {
            return crate::sandbox::unsupported(self, Step::Artifact, Capability::Artifact(artifact.kind));
        }
        Box::pin(self.bring(submission, artifact))
    }

    fn poll_pause(&self) -> Option<Duration> {
        match self.pause.load(Ordering::Relaxed) {
            0 => None,
            seconds => Some(Duration::from_secs(seconds)),
        }
    }
}

/// What an error says: a text, or a list of what is wrong with which field.
fn words(answer: &Value) -> Option<String> {
    match &answer["detail"] {
        Value::String(text) => Some(text.clone()),
        Value::Array(problems) => {
            let problem = |problem: &Value| problem["msg"].as_str().map(str::to_owned);
            let said: Vec<String> = problems.iter().filter_map(problem).collect();
            (!said.is_empty()).then(|| said.join("; "))
        }
        _ => None,
    }
}
