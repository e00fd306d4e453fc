//! Falcon Sandbox and Hybrid Analysis, by their API v2.

mod artifacts;
mod gunzip;
mod limits;
mod more;
mod report;
pub(super) mod verdict;

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use http::{HeaderName, StatusCode, header};
use serde_json::Value;

use self::report::{State, Summary};
use super::address::secure;
use super::loose;
use crate::error::{ErrorKind, Result, Step};
use crate::http::{Answer, Body, Call, Part, Settings, Transport};
use crate::report::Report;
use crate::sample::{Hash, HashKind, Sample};
use crate::sandbox::{
    Artifact, Availability, Boxed, Capabilities, Capability, Download, Options, Queue, Sandbox, Status, Submission,
    Vendor,
};
use crate::secret::Secret;

pub use limits::{FalconLimit, FalconLimits};
pub use more::{FalconEnvironment, FalconKey, FalconSystem, QuickScan, Screenshot};

/// The public service, for free keys and paid ones.
pub const HYBRID_ANALYSIS: &str = "https://www.hybrid-analysis.com";
/// The environment that is used where none is named: Windows 10, 64 bits.
pub const FALCON_ENVIRONMENT: &str = "160";
/// What the vendor wants to be asked by: others are refused with 403.
const USER_AGENT: &str = "Falcon Sandbox";
/// Seconds since a server's last heartbeat after which something is wrong with it. It beats every minute.
const OLD_HEARTBEAT: u64 = 600;

/// Who may see what is submitted, besides who submits it.
///
/// Nobody by default. The server's own default is everybody, so both flags are sent with every submission. What a public service does with
/// them is out of our hands: what must not be seen by others does not belong there at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct FalconSharing {
    /// Vendors of anti-virus engines and other third parties may get the sample (`no_share_third_party` is sent as 0).
    pub third_parties: bool,
    /// Other users may download the sample (`allow_community_access` is sent as 1).
    pub community: bool,
}

/// How a Falcon Sandbox is reached.
#[derive(Debug, Clone)]
pub struct FalconSettings {
    /// Where it is: [`HYBRID_ANALYSIS`], or your own. `/api/v2` at the end may be there or not, and so may `https://`.
    pub http: Settings,
    /// The API key.
    pub key: Secret,
    /// The environment where a submission names none: a number, see [`Falcon::environments`]. [`FALCON_ENVIRONMENT`] by default.
    pub environment: String,
    /// Who may see what is submitted. Nobody by default.
    pub sharing: FalconSharing,
}

impl FalconSettings {
    /// The defaults, with this key.
    #[must_use]
    pub fn new(http: Settings, key: Secret) -> Self {
        Self { http, key, environment: FALCON_ENVIRONMENT.to_owned(), sharing: FalconSharing::default() }
    }
}

/// A Falcon Sandbox, or Hybrid Analysis.
///
/// - The vendor's word decides: `whitelisted` is clean, `suspicious` and `malicious` are what they say, `no verdict` and `no specific threat` are
///   unknown. Its `threat_score` is the score (of `no specific threat` 20 at most), else its `threat_level`: 80, 50 or 10.
/// - An analysis that failed is unknown, unless the vendor calls the sample suspicious or malicious all the same.
/// - Keys have levels: what a key may not do is [`ErrorKind::Forbidden`]. A restricted key can ask whether the sandbox is there.
/// - It cannot delete.
#[derive(Debug)]
pub struct Falcon {
    transport: Transport,
    /// Without the API's path.
    address: String,
    key: Secret,
    environment: String,
    sharing: FalconSharing,
    limits: Mutex<FalconLimits>,
}

impl Falcon {
    /// For an address.
    ///
    /// # Errors
    /// The address or another setting is wrong.
    pub fn new(settings: FalconSettings) -> Result<Self> {
        let FalconSettings { http, key, environment, sharing } = settings;
        let mut http = secure(http);
        let address = http.address.trim_end_matches('/');
        let address = address.strip_suffix("/api/v2").unwrap_or(address).to_owned();
        http.address.clone_from(&address);
        if http.user_agent == Settings::new("", "").user_agent {
            USER_AGENT.clone_into(&mut http.user_agent);
        }
        let transport = Transport::new(http, Vendor::Falcon, vec![key.clone()])?;
        Ok(Self { transport, address, key, environment, sharing, limits: Mutex::default() })
    }

    /// How much of the key's quotas is left, as the answers so far have said. Nothing before the first.
    #[must_use]
    pub fn limits(&self) -> FalconLimits {
        self.limits.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Sends; anything but success is an error, in the server's words.
    async fn send(&self, call: Call) -> Result<Answer> {
        let call = call
            .header(HeaderName::from_static("api-key"), self.key.reveal())
            .header(header::ACCEPT, "application/json");
        let answer = self.transport.send(call).await?;
        self.limits.lock().unwrap_or_else(PoisonError::into_inner).keep(answer.headers());
        if answer.status().is_success() { Ok(answer) } else { Err(answer.into_error(message).await) }
    }

    /// Something that is read, as JSON.
    async fn get(&self, step: Step, path: &[&str]) -> Result<Value> {
        self.send(Call::get(step, at(path))).await?.json().await
    }

    /// Something that is asked with a form and changes nothing, as JSON.
    async fn ask(&self, step: Step, path: &[&str], fields: Vec<(String, String)>) -> Result<Value> {
        self.send(Call::post(step, at(path), Body::Form(fields)).harmless()).await?.json().await
    }

    fn malformed(&self, step: Step, problem: &str) -> crate::Error {
        self.transport.error(step, ErrorKind::Malformed(problem.to_owned()))
    }

    /// The fields of a submission; the vendor's own options come last and win.
    fn fields(&self, options: &Options) -> Result<BTreeMap<String, String>> {
        if options.archive_password.is_some() {
            let problem =
                "Falcon opens no archives with a password; that of a document is the `vendor` option document_password";
            return Err(self.transport.error(Step::Submit, ErrorKind::Invalid(problem.to_owned())));
        }
        let flag = |set: bool| if set { "1" } else { "0" }.to_owned();
        let mut fields = BTreeMap::from([
            ("environment_id".to_owned(), options.environment.as_ref().unwrap_or(&self.environment).clone()),
            ("no_share_third_party".to_owned(), flag(!self.sharing.third_parties)),
            ("allow_community_access".to_owned(), flag(self.sharing.community)),
        ]);
        if let Some(time) = options.analysis_time {
            fields.insert("custom_run_time".to_owned(), time.as_secs().to_string());
        }
        if let Some(password) = options.vendor.get("document_password") {
            self.transport.keep_secret(Secret::new(password));
        }
        fields.extend(options.vendor.clone());
        Ok(fields)
    }

    /// Sends a sample to one of the routes that take some. Of an address there are an old and a new one.
    async fn send_sample(&self, place: &str, sample: &Sample, fields: BTreeMap<String, String>) -> Result<Value> {
        let Sample::File { name, origin } = sample else {
            let form: Vec<_> = fields.into_iter().chain([("url".to_owned(), sample.name().to_owned())]).collect();
            let post = |path| Call::post(Step::Submit, at(&[place, path]), Body::Form(form.clone()));
            return match self.send(post("url-for-analysis")).await {
                Err(error) if matches!(error.kind, ErrorKind::NotFound(_)) => self.send(post("url")).await,
                answer => answer,
            }?
            .json()
            .await;
        };
        let mut parts: Vec<Part> = fields.into_iter().map(|(name, value)| Part::field(name, value)).collect();
        parts.push(Part::file("file", name, origin));
        self.send(Call::post(Step::Submit, at(&[place, "file"]), Body::Multipart(parts))).await?.json().await
    }

    /// What an answer to a submission names.
    fn submission(&self, answer: &Value) -> Result<Submission> {
        let mut submission = Submission::new("");
        for name in ["sha256", "environment_id", "submission_id"] {
            submission.others.extend(loose::id(&answer[name]).map(|value| (name.to_owned(), value)));
        }
        let job = loose::id(&answer["job_id"]).or_else(|| loose::id(&answer["id"]));
        // The other name that every question takes.
        let by_hash = || {
            let hash = Hash::parse(submission.others.get("sha256")?).filter(|hash| hash.kind() == HashKind::Sha256)?;
            Some(format!("{hash}:{}", submission.others.get("environment_id")?))
        };
        submission.id =
            job.or_else(by_hash).ok_or_else(|| self.malformed(Step::Submit, "no `job_id` of the submission"))?;
        Ok(submission)
    }

    async fn look_for(&self, hash: &Hash) -> Result<Option<Submission>> {
        let found = match self.search_hash(hash).await {
            Err(error) if matches!(error.kind, ErrorKind::NotFound(_)) => return Ok(None),
            found => found?,
        };
        // Older servers give a list of summaries, newer ones an object with short reports.
        let reports = found.as_array().or_else(|| found["reports"].as_array());
        let reports = reports.ok_or_else(|| self.malformed(Step::LookUp, "neither a list nor `reports`"))?;
        let finished = reports.iter().filter(|report| match report["state"].as_str() {
            Some(state) => state == "SUCCESS",
            None => report["verdict"].is_string(),
        });
        let named =
            finished.filter(|report| loose::id(&report["job_id"]).or_else(|| loose::id(&report["id"])).is_some());
        // Of several without a time the first, which servers give first because it is the newest.
        let newest = named.rev().max_by_key(|report| report["analysis_start_time"].as_str().unwrap_or_default());
        newest.map(|report| self.submission(report)).transpose()
    }

    async fn is_available(&self) -> Result<Availability> {
        let mut remarks = Vec::new();
        let mut answer = self.send(Call::get(Step::Availability, at(&["system", "heartbeat"]))).await;
        let restricted = answer.as_ref().is_err_and(|error| matches!(error.kind, ErrorKind::Forbidden(_)));
        if restricted {
            answer = self.send(Call::get(Step::Availability, at(&["system", "version"]))).await;
            remarks.push("the key is restricted: it may neither see the queue nor fetch artifacts".to_owned());
        }
        let answer = answer?;
        let version = answer.headers().get("webservice-version").and_then(|version| version.to_str().ok());
        let version = version.map(|version| self.transport.said(version));
        let value: Value = answer.json().await?;
        if !value.is_object() {
            return Err(self.malformed(Step::Availability, "no object"));
        }
        let age = value["number_of_seconds_since_last_update"].as_u64().filter(|age| *age > OLD_HEARTBEAT);
        remarks.extend(age.map(|age| format!("its last heartbeat was {age} seconds ago")));
        remarks.extend(self.limits().remarks());
        let version =
            version.or_else(|| ["instance", "sandbox", "api"].iter().find_map(|name| loose::id(&value[name])));
        Ok(Availability { version, remarks })
    }

    async fn summary(&self, id: &str, kind: &str) -> Result<Report> {
        let call = Call::get(Step::Report, at(&["report", id, kind]));
        let (raw, summary) = self.send(call).await?.report::<Summary>().await?;
        Ok(summary.into_report(raw, &self.address))
    }
}

impl Sandbox for Falcon {
    fn name(&self) -> &str {
        self.transport.name()
    }

    fn vendor(&self) -> Vendor {
        Vendor::Falcon
    }

    fn capabilities(&self) -> Capabilities {
        let artifacts = artifacts::KINDS.iter().map(|kind| Capability::Artifact(*kind));
        Capabilities::of([Capability::SubmitUrl, Capability::LookUp, Capability::Queue].into_iter().chain(artifacts))
    }

    fn available(&self) -> Boxed<'_, Availability> {
        Box::pin(self.is_available())
    }

    fn submit<'a>(&'a self, sample: &'a Sample, options: &'a Options) -> Boxed<'a, Submission> {
        Box::pin(async {
            let fields = self.fields(options)?;
            self.submission(&self.send_sample("submit", sample, fields).await?)
        })
    }

    fn look_up<'a>(&'a self, hash: &'a Hash) -> Boxed<'a, Option<Submission>> {
        Box::pin(self.look_for(hash))
    }

    fn status<'a>(&'a self, submission: &'a Submission) -> Boxed<'a, Status> {
        Box::pin(async {
            let call = Call::get(Step::Status, at(&["report", &submission.id, "state"]));
            let state: State = self.send(call).await?.json().await?;
            state.status().ok_or_else(|| self.malformed(Step::Status, "no `state`"))
        })
    }

    fn report<'a>(&'a self, submission: &'a Submission) -> Boxed<'a, Report> {
        Box::pin(self.summary(&submission.id, "summary"))
    }

    fn artifact<'a>(&'a self, submission: &'a Submission, artifact: Artifact) -> Boxed<'a, Download> {
        if !artifacts::KINDS.contains(&artifact.kind) {
            return crate::sandbox::unsupported(self, Step::Artifact, Capability::Artifact(artifact.kind));
        }
        Box::pin(self.fetch(submission, artifact))
    }

    fn queue(&self) -> Boxed<'_, Queue> {
        Box::pin(async {
            let answer = self.get(Step::Queue, &["system", "queue-size"]).await?;
            let waiting = answer["value"].as_u64().or_else(|| answer.as_u64());
            let waiting = waiting.ok_or_else(|| self.malformed(Step::Queue, "no `value`"))?;
            Ok(Queue { waiting, running: None })
        })
    }
}

/// Below the API.
fn at<'a>(path: &[&'a str]) -> Vec<&'a str> {
    ["api", "v2"].into_iter().chain(path.iter().copied()).collect()
}

/// What an error says.
fn message(body: &Value) -> Option<String> {
    if let Some(message) = body["message"].as_str() {
        return Some(message.to_owned());
    }
    let wrong = body["validation_errors"].as_array()?.iter().map(|wrong| match wrong["field"].as_str() {
        Some(field) => {
            let errors = wrong["errors"].as_array().map(Vec::as_slice).unwrap_or_default();
            format!("{field}: {}", errors.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(", "))
        }
        None => wrong.as_str().map_or_else(|| wrong.to_string(), str::to_owned),
    });
    Some(wrong.collect::<Vec<_>>().join("; "))
}

/// Whether a server has never heard of this way of asking.
fn other_method(error: &crate::Error) -> bool {
    matches!(&error.kind, ErrorKind::Status { status, .. } if *status == StatusCode::METHOD_NOT_ALLOWED)
}
