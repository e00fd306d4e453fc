//! WildFire of Palo Alto Networks: its cloud, its regional clouds and its appliances.

mod answer;
mod more;
mod report;
mod ruling;

use serde_json::Value;

pub use more::{WildFireTestFile, WildFireWebArtifact};
pub use ruling::{WildFireRuling, WildFireVerdict};

use super::address;
use crate::error::{ErrorKind, Result, Step};
use crate::http::{Answer, Body, Call, Part, Settings, Transport};
use crate::report::Report;
use crate::sample::{Hash, Sample};
use crate::sandbox::{
    Artifact, ArtifactKind, Availability, Boxed, Capabilities, Capability, Download, Options, Sandbox, Status,
    Submission, Vendor,
};
use crate::secret::Secret;

/// The global cloud. Regional ones have a prefix: `https://eu.wildfire.paloaltonetworks.com`.
pub const WILDFIRE_CLOUD: &str = "https://wildfire.paloaltonetworks.com";
/// Bytes of an answer that holds ids or verdicts and no report.
const MAX_SMALL: u64 = 1 << 20;
/// Bytes that tell an error from what was asked for.
const PEEKED: usize = 256;
/// What [`Submission::others`] calls the address, where one was submitted: WildFire is asked for those by address, and for files by hash.
const LINK: &str = "link";

/// How a WildFire is reached.
#[derive(Debug, Clone)]
pub struct WildFireSettings {
    /// Where it is, without `/publicapi`.
    pub http: Settings,
    /// The key.
    pub key: Secret,
    /// Whose key it is, where it is not WildFire's own: `pcc` of Prisma Cloud Compute, `prismaaccessapi` of Prisma Access.
    pub agent: Option<String>,
}

/// A WildFire.
///
/// - Its verdicts are numbers: 0 benign is clean with score 0, 1 malware is malicious with 100, 2 grayware is suspicious with 40, 4 phishing is
///   malicious with 80, 5 command-and-control is malicious with 90. Those below zero say that there is none; those and unknown ones are unknown.
/// - A file's id is its SHA-256, so that a file that is known is finished at once.
/// - A report is fetched after the verdict: the report says only whether it is malware.
/// - Keys go in the form, as the vendor wants it, and never in an address.
#[derive(Debug)]
pub struct WildFire {
    transport: Transport,
    key: Secret,
    agent: Option<String>,
}

impl WildFire {
    /// For an address.
    ///
    /// # Errors
    /// The address or another setting is wrong.
    pub fn new(settings: WildFireSettings) -> Result<Self> {
        let secrets = vec![settings.key.clone()];
        let transport = Transport::new(address::secure(settings.http), Vendor::WildFire, secrets)?;
        Ok(Self { transport, key: settings.key, agent: settings.agent })
    }

    /// The fields that go with everything.
    fn credentials(&self) -> Vec<(String, String)> {
        let key = ("apikey".to_owned(), self.key.reveal().to_owned());
        let agent = self.agent.iter().map(|agent| ("agent".to_owned(), agent.clone()));
        std::iter::once(key).chain(agent).collect()
    }

    /// A question: sent as POST, but it changes nothing.
    fn question<const N: usize>(&self, step: Step, what: &str, fields: [(&str, &str); N]) -> Call {
        let mut form = self.credentials();
        form.extend(fields.map(|(name, value)| (name.to_owned(), value.to_owned())));
        Call::post(step, ["publicapi", "get", what], Body::Form(form)).harmless()
    }

    /// Something new.
    fn submission(&self, what: &str, parts: Vec<Part>) -> Call {
        let own = self.credentials().into_iter().map(|(name, value)| Part::field(name, value));
        Call::post(Step::Submit, ["publicapi", "submit", what], Body::Multipart(own.chain(parts).collect()))
    }

    /// Sends; anything but 200 is an error, and so is 200 with an error in it.
    async fn send(&self, step: Step, call: Call) -> Result<Answer> {
        let mut answer = self.transport.send(call).await?;
        if answer.status() != 200 || answer::is_error(answer.peek(PEEKED).await?) {
            return Err(self.failure(step, answer).await);
        }
        Ok(answer)
    }

    /// The error that an answer is, in its own words.
    async fn failure(&self, step: Step, answer: Answer) -> crate::Error {
        let (status, retry_after) = (answer.status().as_u16(), answer.retry_after());
        let body = answer.bytes_within(MAX_SMALL).await.unwrap_or_default();
        self.transport.error(step, answer::error_kind(status, &body, retry_after))
    }

    fn malformed(&self, step: Step, problem: impl Into<String>) -> crate::Error {
        self.transport.error(step, ErrorKind::Malformed(problem.into()))
    }

    /// Sends what is answered with a little XML.
    async fn small(&self, step: Step, call: Call) -> Result<Value> {
        let body = self.send(step, call).await?.bytes_within(MAX_SMALL).await?;
        answer::small(&body).map_err(|problem| self.malformed(step, problem))
    }

    /// By which name WildFire is asked for a submission.
    fn asked_by(submission: &Submission) -> (&'static str, &str) {
        match submission.others.get(LINK) {
            Some(link) => ("url", link),
            None => ("hash", &submission.id),
        }
    }

    async fn verdict_by(&self, step: Step, (name, subject): (&str, &str)) -> Result<WildFireVerdict> {
        let answer = self.small(step, self.question(step, "verdict", [(name, subject)])).await?;
        let found = ruling::verdicts(&answer).map_err(|problem| self.malformed(step, problem))?;
        let [verdict] = <[_; 1]>::try_from(found).map_err(|_| self.malformed(step, "not one verdict"))?;
        if verdict.is_about_another(subject) {
            return Err(self.malformed(step, "a verdict about something else"));
        }
        Ok(verdict)
    }

    /// What a verdict is to somebody who wants to read about it.
    fn decided(&self, step: Step, verdict: &WildFireVerdict) -> Result<()> {
        let kind = match verdict.ruling {
            WildFireRuling::Pending => ErrorKind::NotReady(verdict.ruling.meaning().to_owned()),
            WildFireRuling::Failed => ErrorKind::AnalysisFailed(verdict.ruling.meaning().to_owned()),
            WildFireRuling::NotFound => ErrorKind::NotFound(verdict.ruling.meaning().to_owned()),
            WildFireRuling::InvalidHash => ErrorKind::Invalid(verdict.ruling.meaning().to_owned()),
            _ => return Ok(()),
        };
        Err(self.transport.error(step, kind))
    }

    fn refuse(&self, options: &Options) -> Result<()> {
        let what = match options {
            Options { analysis_time: Some(_), .. } => "no time of the analysis",
            Options { archive_password: Some(_), .. } => "no password of an archive",
            Options { environment: Some(_), .. } => "no machine: it chooses them itself",
            _ => return Ok(()),
        };
        Err(self.transport.error(Step::Submit, ErrorKind::Invalid(format!("WildFire takes {what}"))))
    }

    async fn take(&self, sample: &Sample, options: &Options) -> Result<Submission> {
        self.refuse(options)?;
        let mut parts: Vec<Part> = options.vendor.iter().map(|(name, value)| Part::field(name, value)).collect();
        let link = match sample {
            Sample::Url(address) => {
                parts.push(Part::field("link", address));
                Some(address)
            }
            Sample::File { name, origin } => {
                parts.push(Part::file("file", name, origin));
                None
            }
        };
        let what = if link.is_some() { "link" } else { "file" };
        let answer = self.small(Step::Submit, self.submission(what, parts)).await?;
        let mut found = answer::submissions(&answer).map_err(|problem| self.malformed(Step::Submit, problem))?;
        if found.len() != 1 {
            return Err(self.malformed(Step::Submit, "not one id"));
        }
        let mut submission = found.remove(0);
        if let Some(link) = link {
            submission.others.entry(LINK.to_owned()).or_insert_with(|| link.clone());
        }
        Ok(submission)
    }

    async fn read(&self, submission: &Submission) -> Result<Report> {
        let subject = Self::asked_by(submission);
        let verdict = self.verdict_by(Step::Report, subject).await?;
        self.decided(Step::Report, &verdict)?;
        let format = if subject.0 == "url" { "json" } else { "xml" };
        let call = self.question(Step::Report, "report", [subject, ("format", format)]);
        let answer = self.send(Step::Report, call).await?;
        if subject.0 == "url" {
            /// Nothing is looked at: the vendor documents no member.
            #[derive(serde::Deserialize)]
            struct Any {}
            let (raw, Any {}) = answer.report().await?;
            return Ok(report::of_link(subject.1, &verdict, raw));
        }
        let raw = answer.spool().await?;
        // Minutes of a processor, where a report is large.
        let read = tokio::task::spawn_blocking(move || {
            let found = report::read(&raw);
            (raw, found)
        });
        let (raw, found) = read.await.map_err(|_| self.malformed(Step::Report, "it cannot be read"))?;
        let found = found.map_err(|problem| self.malformed(Step::Report, problem.to_string()))?;
        if found.is_about_another(&submission.id) {
            return Err(self.malformed(Step::Report, "a report about another file"));
        }
        Ok(found.into_report(&verdict, raw))
    }

    async fn bring(&self, submission: &Submission, artifact: Artifact) -> Result<Download> {
        let subject = Self::asked_by(submission);
        let report = |format: &str| self.question(Step::Artifact, "report", [subject, ("format", format)]);
        let of_hash = |what| self.question(Step::Artifact, what, [("hash", submission.id.as_str())]);
        let call = match (artifact.kind, artifact.name.as_deref()) {
            (ArtifactKind::Pdf, _) => report("pdf"),
            (ArtifactKind::Xml, _) => report("xml"),
            (ArtifactKind::Sample, _) => of_hash("sample"),
            (ArtifactKind::Pcap, None) => of_hash("pcap"),
            (ArtifactKind::Pcap, Some(platform)) => {
                self.question(Step::Artifact, "pcap", [("hash", &submission.id), ("platform", platform)])
            }
            (_, None) => {
                let problem = "which? `maec`, `json`, `screenshot`, `download_files`".to_owned();
                return Err(self.transport.error(Step::Artifact, ErrorKind::Invalid(problem)));
            }
            (_, Some(kinds @ ("screenshot" | "download_files" | "screenshot,download_files"))) => {
                self.question(Step::Artifact, "webartifacts", [subject, ("types", kinds)])
            }
            (_, Some(format)) => report(format),
        };
        Ok(self.send(Step::Artifact, call).await?.download())
    }
}

impl Sandbox for WildFire {
    fn name(&self) -> &str {
        self.transport.name()
    }

    fn vendor(&self) -> Vendor {
        Vendor::WildFire
    }

    fn capabilities(&self) -> Capabilities {
        use ArtifactKind::{Other, Pcap, Pdf, Sample, Xml};
        let artifacts = [Pdf, Xml, Pcap, Sample, Other].map(Capability::Artifact);
        Capabilities::of([Capability::SubmitUrl, Capability::LookUp].into_iter().chain(artifacts))
    }

    /// There is no question for this: that one may only be asked with POST is how WildFire is known. The key is not looked at.
    fn available(&self) -> Boxed<'_, Availability> {
        Box::pin(async {
            let step = Step::Availability;
            let answer = self.transport.send(Call::get(step, ["publicapi", "get", "sample"])).await?;
            if answer.status() == 405 {
                let remark = "whether the key is right is known only when something is asked".to_owned();
                return Ok(Availability { version: None, remarks: vec![remark] });
            }
            if answer.status().is_success() {
                answer.bytes_within(MAX_SMALL).await?;
                return Err(self.malformed(step, "it takes a GET where WildFire wants POST: something else is there"));
            }
            Err(self.failure(step, answer).await)
        })
    }

    fn submit<'a>(&'a self, sample: &'a Sample, options: &'a Options) -> Boxed<'a, Submission> {
        Box::pin(self.take(sample, options))
    }

    fn look_up<'a>(&'a self, hash: &'a Hash) -> Boxed<'a, Option<Submission>> {
        Box::pin(async {
            let verdict = self.verdict_by(Step::LookUp, ("hash", hash.as_str())).await?;
            match verdict.ruling {
                WildFireRuling::NotFound | WildFireRuling::Pending | WildFireRuling::Failed => return Ok(None),
                WildFireRuling::Other(_) => return Ok(None),
                _ => self.decided(Step::LookUp, &verdict)?,
            }
            let mut submission = Submission::new(verdict.sha256.unwrap_or_else(|| hash.as_str().to_owned()));
            submission.others.extend(verdict.md5.map(|md5| ("md5".to_owned(), md5)));
            Ok(Some(submission))
        })
    }

    fn status<'a>(&'a self, submission: &'a Submission) -> Boxed<'a, Status> {
        Box::pin(async {
            let verdict = self.verdict_by(Step::Status, Self::asked_by(submission)).await?;
            Ok(match verdict.ruling {
                WildFireRuling::Pending => Status::Running,
                WildFireRuling::Failed => Status::Failed(verdict.ruling.meaning().to_owned()),
                WildFireRuling::Other(number) => {
                    tracing::warn!(
                        number,
                        "WildFire gives a verdict that is not known; it is taken for one on the way."
                    );
                    Status::Running
                }
                _ => {
                    self.decided(Step::Status, &verdict)?;
                    Status::Finished
                }
            })
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
}
