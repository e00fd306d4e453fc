//! Cuckoo 1 and 2, by their REST API.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use http::header;
use serde::Deserialize;
use serde_json::Value;

use super::loose;
use crate::error::{ErrorKind, Result, Step};
use crate::http::{Answer, Body, Call, Part, Settings, Transport};
use crate::report::{Finding, Indicator, IndicatorKind, Report, ReportFormat};
use crate::sample::{Hash, Sample};
use crate::sandbox::{
    Artifact, ArtifactKind, Availability, Boxed, Capabilities, Capability, Download, Options, Queue, Sandbox, Status,
    Submission, Vendor,
};
use crate::secret::Secret;
use crate::verdict::{Raw, Verdict, Word};

/// A score from which on a sample is malicious, of 0 to 10: what the web interface shows in red.
const MALICIOUS_FROM: f64 = 7.0;
/// A score from which on it is suspicious.
const SUSPICIOUS_FROM: f64 = 4.0;
/// Severity of the worst signatures.
const WORST: f64 = 3.0;
/// Reasons of a verdict, at most.
const MAX_REASONS: usize = 10;
/// Analyses of a hash that are looked at, the newest first.
const MAX_LOOKED_AT: usize = 8;

/// How a Cuckoo is reached.
#[derive(Debug, Clone)]
pub struct CuckooSettings {
    /// Where it is. Its port is 8090 by default, and there is no path.
    pub http: Settings,
    /// What its `api_token` says, if it has one.
    pub token: Option<Secret>,
}

/// A Cuckoo 1 or 2.
///
/// - Scores have no upper end: 10 and more are 100 here; from 7 on malicious, from 4 on suspicious, else unknown, because Cuckoo never says that
///   something is clean.
/// - `completed` is not finished: the report is written after that.
/// - It has no queue but that of its tasks, deletes with GET, and cannot delete what runs.
#[derive(Debug)]
pub struct Cuckoo {
    transport: Transport,
    token: Option<Secret>,
}

impl Cuckoo {
    /// For an address.
    ///
    /// # Errors
    /// The address or another setting is wrong.
    pub fn new(settings: CuckooSettings) -> Result<Self> {
        let secrets = settings.token.iter().cloned().collect();
        Ok(Self { transport: Transport::new(settings.http, Vendor::Cuckoo, secrets)?, token: settings.token })
    }

    /// Sends; anything but 200 is an error, in the server's words.
    async fn send(&self, call: Call) -> Result<Answer> {
        let call = match &self.token {
            Some(token) => call.header(header::AUTHORIZATION, &format!("Bearer {}", token.reveal())),
            None => call,
        };
        let answer = self.transport.send(call).await?;
        if answer.status() == 200 { Ok(answer) } else { Err(answer.into_error(message).await) }
    }

    fn malformed(&self, step: Step, problem: &str) -> crate::Error {
        self.transport.error(step, ErrorKind::Malformed(problem.to_owned()))
    }

    async fn view(&self, step: Step, id: &str) -> Result<Task> {
        #[derive(Deserialize)]
        struct View {
            task: Task,
        }
        Ok(self.send(Call::get(step, ["tasks", "view", id])).await?.json::<View>().await?.task)
    }

    async fn look_for(&self, hash: &Hash) -> Result<Option<Submission>> {
        let call = Call::get(Step::LookUp, ["files", "view", hash.kind().name(), hash.as_str()]);
        let found = match self.send(call).await {
            Ok(answer) => answer.json::<Value>().await?,
            Err(error) if matches!(error.kind, ErrorKind::NotFound(_)) => return Ok(None),
            Err(error) => return Err(error),
        };
        let tasks = found["sample"]["tasks"].as_array().cloned().unwrap_or_default();
        for id in tasks.iter().rev().take(MAX_LOOKED_AT).filter_map(loose::id) {
            if self.view(Step::LookUp, &id).await?.status() == Status::Finished {
                return Ok(Some(Submission::new(id)));
            }
        }
        Ok(None)
    }

    fn form(&self, sample: &Sample, options: &Options) -> Result<(&'static str, Vec<Part>)> {
        let mut parts: Vec<Part> = options.vendor.iter().map(|(name, value)| Part::field(name, value)).collect();
        parts.extend(options.analysis_time.map(|time| Part::field("timeout", time.as_secs().to_string())));
        parts.extend(options.environment.as_ref().map(|machine| Part::field("machine", machine)));
        if options.archive_password.is_some() {
            let problem = "Cuckoo takes a password as `vendor` option: options = \"password=...\"".to_owned();
            return Err(self.transport.error(Step::Submit, ErrorKind::Invalid(problem)));
        }
        Ok(match sample {
            Sample::Url(address) => {
                parts.push(Part::field("url", address));
                ("url", parts)
            }
            Sample::File { name, origin } => {
                parts.push(Part::file("file", name, origin));
                ("file", parts)
            }
        })
    }
}

impl Sandbox for Cuckoo {
    fn name(&self) -> &str {
        self.transport.name()
    }

    fn vendor(&self) -> Vendor {
        Vendor::Cuckoo
    }

    fn capabilities(&self) -> Capabilities {
        use Capability::{Artifact, Delete, LookUp, Queue, SubmitUrl};
        let artifacts = ARTIFACTS.iter().map(|kind| Artifact(*kind));
        Capabilities::of([SubmitUrl, LookUp, Delete, Queue].into_iter().chain(artifacts))
    }

    fn available(&self) -> Boxed<'_, Availability> {
        Box::pin(async {
            let status: Value = self.send(Call::get(Step::Availability, ["cuckoo", "status"])).await?.json().await?;
            let version = status["version"].as_str().map(str::to_owned);
            let count = |name: &str| status["machines"][name].as_u64();
            let machines = count("available").zip(count("total"));
            let remarks = machines.map(|(free, all)| format!("{free} of {all} machines are free"));
            Ok(Availability { version, remarks: remarks.into_iter().collect() })
        })
    }

    fn submit<'a>(&'a self, sample: &'a Sample, options: &'a Options) -> Boxed<'a, Submission> {
        Box::pin(async move {
            let (kind, parts) = self.form(sample, options)?;
            let call = Call::post(Step::Submit, ["tasks", "create", kind], Body::Multipart(parts));
            let answer: Value = self.send(call).await?.json().await?;
            let all = answer["task_ids"].as_array().map(Vec::as_slice).unwrap_or_default();
            let mut ids = loose::id(&answer["task_id"]).into_iter().chain(all.iter().filter_map(loose::id));
            let first = ids.next().ok_or_else(|| self.malformed(Step::Submit, "neither `task_id` nor `task_ids`"))?;
            let mut submission = Submission::new(first.clone());
            submission.more = ids.filter(|id| *id != first).collect();
            Ok(submission)
        })
    }

    fn look_up<'a>(&'a self, hash: &'a Hash) -> Boxed<'a, Option<Submission>> {
        Box::pin(self.look_for(hash))
    }

    fn status<'a>(&'a self, submission: &'a Submission) -> Boxed<'a, Status> {
        Box::pin(async { Ok(self.view(Step::Status, &submission.id).await?.status()) })
    }

    fn report<'a>(&'a self, submission: &'a Submission) -> Boxed<'a, Report> {
        Box::pin(async {
            let call = Call::get(Step::Report, ["tasks", "report", &submission.id, "json"]);
            let (raw, found) = self.send(call).await?.report::<Found>().await?;
            Ok(found.into_report(raw))
        })
    }

    fn artifact<'a>(&'a self, submission: &'a Submission, artifact: Artifact) -> Boxed<'a, Download> {
        if !ARTIFACTS.contains(&artifact.kind) {
            return crate::sandbox::unsupported(self, Step::Artifact, Capability::Artifact(artifact.kind));
        }
        Box::pin(async move {
            let id = submission.id.as_str();
            let sample;
            let path = match artifact.kind {
                ArtifactKind::Pcap => vec!["pcap", "get", id],
                ArtifactKind::Screenshots => vec!["tasks", "screenshots", id],
                ArtifactKind::Sample => {
                    let task = self.view(Step::Artifact, id).await?;
                    sample = task.sample.sha256.ok_or_else(|| {
                        self.transport.error(Step::Artifact, ErrorKind::NotFound("it was no file".to_owned()))
                    })?;
                    vec!["files", "get", &sample]
                }
                ArtifactKind::Html => vec!["tasks", "report", id, "html"],
                ArtifactKind::Dropped => vec!["tasks", "report", id, "dropped"],
                ArtifactKind::All => vec!["tasks", "report", id, "all"],
                _ => vec!["tasks", "report", id, "json"],
            };
            Ok(self.send(Call::get(Step::Artifact, path)).await?.download())
        })
    }

    fn delete<'a>(&'a self, submission: &'a Submission) -> Boxed<'a, ()> {
        Box::pin(async {
            // A GET that must not be sent twice: the second time there is nothing.
            let call = Call::get(Step::Delete, ["tasks", "delete", &submission.id]).once();
            self.send(call).await.map(drop)
        })
    }

    fn queue(&self) -> Boxed<'_, Queue> {
        Box::pin(async {
            let status: Value = self.send(Call::get(Step::Queue, ["cuckoo", "status"])).await?.json().await?;
            let tasks = &status["tasks"];
            let waiting = tasks["pending"].as_u64().ok_or_else(|| self.malformed(Step::Queue, "no `tasks.pending`"))?;
            Ok(Queue { waiting, running: tasks["running"].as_u64() })
        })
    }
}

const ARTIFACTS: [ArtifactKind; 7] = [
    ArtifactKind::Html,
    ArtifactKind::Json,
    ArtifactKind::Pcap,
    ArtifactKind::Dropped,
    ArtifactKind::Screenshots,
    ArtifactKind::Sample,
    ArtifactKind::All,
];

/// What an error says.
fn message(body: &Value) -> Option<String> {
    body["message"].as_str().map(str::to_owned)
}

/// What is looked at of a task.
#[derive(Debug, Deserialize)]
struct Task {
    #[serde(default)]
    status: String,
    #[serde(default, deserialize_with = "loose::list")]
    errors: Vec<String>,
    #[serde(default, deserialize_with = "loose::object")]
    sample: TaskSample,
}

#[derive(Debug, Default, Deserialize)]
struct TaskSample {
    sha256: Option<String>,
}

impl Task {
    fn status(&self) -> Status {
        match self.status.as_str() {
            "pending" => Status::Queued,
            "reported" => Status::Finished,
            failed if failed.starts_with("failed_") => {
                let why = self.errors.first().map_or(String::new(), |error| format!(": {error}"));
                Status::Failed(format!("{failed}{why}"))
            }
            "recovered" => Status::Failed("it was replaced by another task (rescheduled)".to_owned()),
            "running" | "completed" => Status::Running,
            other => {
                tracing::warn!(
                    status = other,
                    "Cuckoo gives a status that is not known; it is taken for one on the way."
                );
                Status::Running
            }
        }
    }
}

/// What is looked at of a report.
#[derive(Debug, Deserialize)]
struct Found {
    #[serde(default, deserialize_with = "loose::number")]
    malscore: Option<f64>,
    #[serde(default, deserialize_with = "loose::object")]
    info: Info,
    #[serde(default, deserialize_with = "loose::object")]
    target: Target,
    #[serde(default, deserialize_with = "loose::list")]
    signatures: Vec<Signature>,
    #[serde(default, deserialize_with = "loose::section")]
    network: Network,
}

#[derive(Debug, Default, Deserialize)]
struct Info {
    #[serde(default, deserialize_with = "loose::number")]
    score: Option<f64>,
    #[serde(default, deserialize_with = "loose::object")]
    machine: Machine,
}

#[derive(Debug, Default, Deserialize)]
struct Machine {
    #[serde(default, deserialize_with = "loose::text")]
    name: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
struct Target {
    url: Option<String>,
    #[serde(default, deserialize_with = "loose::object")]
    file: File,
}

#[derive(Debug, Default, Deserialize)]
struct File {
    name: Option<String>,
    md5: Option<String>,
    sha1: Option<String>,
    sha256: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Signature {
    #[serde(default)]
    name: String,
    description: Option<String>,
    #[serde(default, deserialize_with = "loose::number")]
    severity: Option<f64>,
    #[serde(default, deserialize_with = "loose::object")]
    ttp: BTreeMap<String, Value>,
    #[serde(default, deserialize_with = "loose::list")]
    families: Vec<String>,
}

#[derive(Debug, Default, Deserialize)]
struct Network {
    #[serde(default, deserialize_with = "loose::list")]
    hosts: Vec<Value>,
    #[serde(default, deserialize_with = "loose::list")]
    domains: Vec<Domain>,
    #[serde(default, deserialize_with = "loose::list")]
    http: Vec<Request>,
}

#[derive(Debug, Deserialize)]
struct Domain {
    domain: String,
}

#[derive(Debug, Deserialize)]
struct Request {
    uri: String,
}

impl Found {
    fn into_report(mut self, raw: crate::spool::Spooled) -> Report {
        let weight = |signature: &Signature| signature.severity.unwrap_or(0.0);
        self.signatures.sort_by(|one, other| weight(other).total_cmp(&weight(one)));
        let hashes =
            [("md5", self.target.file.md5), ("sha1", self.target.file.sha1), ("sha256", self.target.file.sha256)];
        let hashes = hashes.into_iter().filter_map(|(name, hash)| Some((name.to_owned(), hash?)));
        let kind = |kind| move |value| Indicator { kind, value };
        let host = |host: Value| host.as_str().or_else(|| host["ip"].as_str()).map(str::to_owned);
        let addresses = self.network.hosts.into_iter().filter_map(host).map(kind(IndicatorKind::Address));
        let domains = self.network.domains.into_iter().map(|domain| domain.domain).map(kind(IndicatorKind::Domain));
        let urls = self.network.http.into_iter().map(|request| request.uri).map(kind(IndicatorKind::Url));
        let indicators: BTreeSet<Indicator> = addresses.chain(domains).chain(urls).collect();
        Report {
            verdict: verdict(self.malscore.or(self.info.score), &self.signatures),
            name: self.target.file.name.or(self.target.url),
            hashes: hashes.collect(),
            environment: self.info.machine.name,
            findings: self.signatures.into_iter().map(finding).collect(),
            indicators: indicators.into_iter().collect(),
            link: None,
            format: ReportFormat::Json,
            raw: Arc::new(raw),
        }
    }
}

fn finding(signature: Signature) -> Finding {
    Finding {
        name: signature.name,
        description: signature.description,
        severity: signature.severity.map(|severity| loose::percent(severity * 100.0 / WORST)),
        techniques: signature.ttp.into_keys().collect(),
    }
}

fn verdict(score: Option<f64>, signatures: &[Signature]) -> Verdict {
    let raw = Raw { scale: "0-10, without upper end".to_owned(), value: score.map(Into::into), label: None };
    let Some(score) = score else { return Verdict::unknown("the report has no score", raw) };
    let families: BTreeSet<String> = signatures.iter().flat_map(|signature| signature.families.clone()).collect();
    let reason = |signature: &Signature| signature.description.clone().unwrap_or_else(|| signature.name.clone());
    Verdict {
        verdict: match score {
            MALICIOUS_FROM.. => Word::Malicious,
            SUSPICIOUS_FROM.. => Word::Suspicious,
            _ => Word::Unknown,
        },
        score: Some(loose::percent(score * 10.0)),
        confidence: None,
        families: families.into_iter().collect(),
        reasons: signatures.iter().map(reason).take(MAX_REASONS).collect(),
        raw,
    }
}
