//! Falcon X, CrowdStrike's sandbox in the Falcon cloud.

mod more;
mod report;
mod session;

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use http::{Method, header};
use serde_json::{Map, Value, json};

use self::report::{Found, FoundLeft, Resource};
use self::session::{Meta, Open};
use super::address::secure;
use super::loose;
use super::session::Session;
use crate::error::{ErrorKind, Result, Step};
use crate::http::{Body, Call, Part, Settings, Transport};
use crate::report::Report;
use crate::sample::{Hash, HashKind, Origin, Sample};
use crate::sandbox::{
    Artifact, ArtifactKind, Availability, Boxed, Capabilities, Capability, Download, Options, Sandbox, Status,
    Submission, Vendor,
};
use crate::secret::Secret;
use crate::spool::Spooled;

pub use more::{FalconXDump, FalconXKind};
pub use session::FalconXQuota;

/// The cloud US-1.
pub const FALCONX_US1: &str = "https://api.crowdstrike.com";
/// The cloud US-2.
pub const FALCONX_US2: &str = "https://api.us-2.crowdstrike.com";
/// The cloud EU-1.
pub const FALCONX_EU1: &str = "https://api.eu-1.crowdstrike.com";
/// The cloud US-GOV-1.
pub const FALCONX_GOV1: &str = "https://api.laggar.gcw.crowdstrike.com";
/// The environment that is used where none is named: Windows 10, 64 bits.
pub const FALCONX_ENVIRONMENT: u64 = 160;
/// Bytes of a sample, at most: 256 MB, the vendor says.
pub const FALCONX_MAX_BYTES: u64 = 256 << 20;
/// Reports of one hash that are looked at, the newest first.
const LOOKED_AT: &str = "10";

/// How Falcon X is reached.
#[derive(Debug, Clone)]
pub struct FalconXSettings {
    /// Where it is: the cloud that the client belongs to, [`FALCONX_US1`] or another.
    pub http: Settings,
    /// The API client's id, with the scopes "Sandbox (Falcon Intelligence)" and "Sample uploads".
    pub client_id: String,
    /// Its secret.
    pub secret: Secret,
    /// The environment where a submission names none. [`FALCONX_ENVIRONMENT`] by default.
    pub environment: u64,
    /// Whether samples are kept from all but the own organization. True by default.
    pub confidential: bool,
}

impl FalconXSettings {
    /// The defaults, for this API client.
    pub fn new(http: Settings, client_id: impl Into<String>, secret: Secret) -> Self {
        Self { http, client_id: client_id.into(), secret, environment: FALCONX_ENVIRONMENT, confidential: true }
    }
}

/// Falcon X.
///
/// - The vendor's word decides, as with [`super::Falcon`]; the score is its `threat_score`.
/// - A file is uploaded and then analysed: the upload may be repeated, the analysis is ordered once.
/// - Tokens last 30 minutes and are renewed before that, by one for all who wait.
/// - Deleting deletes the report; the sample stays until [`FalconX::delete_sample`].
#[derive(Debug)]
pub struct FalconX {
    transport: Transport,
    client_id: String,
    secret: Secret,
    environment: u64,
    confidential: bool,
    session: Session<Open>,
    quota: Mutex<Option<FalconXQuota>>,
}

impl FalconX {
    /// For a cloud.
    ///
    /// # Errors
    /// The address or another setting is wrong.
    pub fn new(settings: FalconXSettings) -> Result<Self> {
        let FalconXSettings { http, client_id, secret, environment, confidential } = settings;
        let transport = Transport::new(secure(http), Vendor::FalconX, vec![secret.clone()])?;
        let (session, quota) = (Session::default(), Mutex::default());
        Ok(Self { transport, client_id, secret, environment, confidential, session, quota })
    }

    /// How many submissions may still be made, as the last answer said that told of it.
    #[must_use]
    pub fn quota(&self) -> Option<FalconXQuota> {
        *self.quota.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn keep(&self, meta: &Meta) {
        if let Some(quota) = meta.quota() {
            *self.quota.lock().unwrap_or_else(PoisonError::into_inner) = Some(quota);
        }
    }

    /// Sends and reads what comes: its resources, or the error that its errors are.
    async fn ask(&self, call: Call) -> Result<Vec<Value>> {
        let step = call.step();
        let answer: Map<String, Value> =
            self.send(call.header(header::ACCEPT, "application/json")).await?.json().await?;
        let mut answer = Value::Object(answer);
        let resources = answer["resources"].take();
        let meta = Meta::read(&answer);
        self.keep(&meta);
        match (resources, meta.fault()) {
            (Value::Array(resources), None) => Ok(resources),
            // What succeeded has succeeded, whatever else is told.
            (Value::Array(resources), Some(_)) if !resources.is_empty() => Ok(resources),
            (_, Some(kind)) => Err(self.transport.error(step, kind)),
            (Value::Null, None) => Ok(Vec::new()),
            _ => Err(self.malformed(step, "`resources` is no list")),
        }
    }

    /// The first resource that comes.
    async fn one(&self, call: Call) -> Result<Value> {
        let step = call.step();
        let none = || self.transport.error(step, ErrorKind::NotFound("the answer has no resources".to_owned()));
        self.ask(call).await?.into_iter().next().ok_or_else(none)
    }

    fn malformed(&self, step: Step, problem: &str) -> crate::Error {
        self.transport.error(step, ErrorKind::Malformed(problem.to_owned()))
    }

    fn invalid(&self, problem: impl Into<String>) -> crate::Error {
        self.transport.error(Step::Submit, ErrorKind::Invalid(problem.into()))
    }

    async fn submit_sample(&self, sample: &Sample, options: &Options) -> Result<Submission> {
        // Before anything is sent.
        let mut order = self.order(options)?;
        let mut others = BTreeMap::new();
        match sample {
            Sample::Url(address) => {
                if let Some(name) =
                    ["comment", "is_confidential"].iter().find(|name| options.vendor.contains_key(**name))
                {
                    return Err(self.invalid(format!("`{name}` is for files")));
                }
                order.insert("url".to_owned(), address.as_str().into());
            }
            Sample::File { name, origin } => {
                let hash = self.upload(name, origin, options).await?;
                order.insert("sha256".to_owned(), hash.as_str().into());
                order.entry("submit_name").or_insert_with(|| name.as_str().into());
                others.insert("sha256".to_owned(), hash.to_string());
            }
        }
        self.order_analysis(order, others, options).await
    }

    async fn order_analysis(
        &self,
        order: Map<String, Value>,
        others: BTreeMap<String, String>,
        options: &Options,
    ) -> Result<Submission> {
        let mut body = json!({"sandbox": [order]});
        if let Some(value) = options.vendor.get("send_email_notification") {
            body["send_email_notification"] = self.truth("send_email_notification", value)?;
        }
        if let Some(tags) = options.vendor.get("user_tags") {
            body["user_tags"] = tags.split(',').map(str::trim).filter(|tag| !tag.is_empty()).collect();
        }
        let call = Call::post(Step::Submit, ["falconx", "entities", "submissions", "v1"], Body::Json(body));
        let made = self.one(call).await?;
        let id = loose::id(&made["id"]).ok_or_else(|| self.malformed(Step::Submit, "no `id` of the submission"))?;
        Ok(Submission { others, ..Submission::new(id) })
    }

    /// What is to be done, without the sample.
    fn order(&self, options: &Options) -> Result<Map<String, Value>> {
        if options.archive_password.is_some() {
            let problem = "Falcon X opens no archives with a password; that of a document is the `vendor` option document_password";
            return Err(self.invalid(problem));
        }
        if options.analysis_time.is_some() {
            return Err(self.invalid("Falcon X has no word for the time of an analysis"));
        }
        let environment = match &options.environment {
            None => self.environment,
            Some(name) => name.parse().map_err(|_| self.invalid(format!("{name} is no number of an environment")))?,
        };
        if let Some(password) = options.vendor.get("document_password") {
            self.transport.keep_secret(Secret::new(password));
        }
        let mut order = Map::from_iter([("environment_id".to_owned(), environment.into())]);
        for (name, value) in &options.vendor {
            let value = match name.as_str() {
                "comment" | "is_confidential" | "send_email_notification" | "user_tags" => continue,
                "enable_tor" => self.truth(name, value)?,
                "environment_id" => return Err(self.invalid("the environment is an option of its own")),
                _ => value.as_str().into(),
            };
            order.insert(name.clone(), value);
        }
        Ok(order)
    }

    fn truth(&self, name: &str, value: &str) -> Result<Value> {
        value.parse::<bool>().map(Value::from).map_err(|_| self.invalid(format!("`{name}` is neither true nor false")))
    }

    /// Uploads a file. To do it twice is to do it once.
    async fn upload(&self, name: &str, origin: &Origin, options: &Options) -> Result<Hash> {
        let length =
            origin.length().await.map_err(|error| self.transport.error(Step::Submit, ErrorKind::Sample(error)))?;
        if length > FALCONX_MAX_BYTES {
            let problem = format!("it has {length} bytes, and Falcon X takes {FALCONX_MAX_BYTES}");
            return Err(self.transport.error(Step::Submit, ErrorKind::Refused(problem)));
        }
        let confidential = options.vendor.get("is_confidential").cloned();
        let mut parts = vec![
            Part::file("sample", name, origin),
            Part::field("file_name", name),
            Part::field("is_confidential", confidential.unwrap_or_else(|| self.confidential.to_string())),
        ];
        parts.extend(options.vendor.get("comment").map(|comment| Part::field("comment", comment)));
        let call =
            Call::post(Step::Submit, ["samples", "entities", "samples", "v2"], Body::Multipart(parts)).harmless();
        let uploaded = self.one(call).await?;
        let hash = uploaded["sha256"].as_str().and_then(Hash::parse).filter(|hash| hash.kind() == HashKind::Sha256);
        hash.ok_or_else(|| self.malformed(Step::Submit, "no `sha256` of the sample"))
    }

    async fn asked(&self, submission: &Submission) -> Result<Status> {
        let found = self.one(with_id(Step::Status, Method::GET, "submissions", &submission.id)).await?;
        let told = || {
            let words = ["error_type", "error_origin", "error_message"].iter().filter_map(|name| found[*name].as_str());
            words.filter(|word| !word.is_empty()).collect::<Vec<_>>().join(": ")
        };
        Ok(match found["state"].as_str().ok_or_else(|| self.malformed(Step::Status, "no `state`"))? {
            "created" => Status::Queued,
            "running" => Status::Running,
            "success" => Status::Finished,
            "error" => {
                let mut why = told();
                if why.is_empty() {
                    // The report may know more; that it cannot be had changes nothing.
                    let summary = self.resource(Step::Status, "report-summaries", &submission.id).await;
                    why = summary.ok().and_then(|(_, found)| found.failure()).unwrap_or_default();
                }
                let why = if why.is_empty() { "Falcon X does not say why".to_owned() } else { why };
                Status::Failed(self.transport.said(&why))
            }
            other => {
                tracing::warn!(
                    state = other,
                    "Falcon X gives a state that is not known; it is taken for one on the way."
                );
                Status::Running
            }
        })
    }

    /// A report or its summary, with the answer as it came.
    async fn resource(&self, step: Step, kind: &str, id: &str) -> Result<(Spooled, Resource)> {
        let call = with_id(step, Method::GET, kind, id).header(header::ACCEPT, "application/json");
        let (raw, found) = self.send(call).await?.report::<Found>().await?;
        let meta = found.meta();
        self.keep(&meta);
        let none = || meta.fault().unwrap_or_else(|| ErrorKind::NotFound("there is no report of this id".to_owned()));
        let resource = found.resources.ok_or_else(|| self.transport.error(step, none()))?;
        Ok((raw, resource))
    }

    async fn look_for(&self, hash: &Hash) -> Result<Option<Submission>> {
        if hash.kind() != HashKind::Sha256 {
            let problem = "Falcon X finds reports by a SHA-256 only".to_owned();
            return Err(self.transport.error(Step::LookUp, ErrorKind::Invalid(problem)));
        }
        let call = Call::get(Step::LookUp, ["falconx", "queries", "reports", "v1"])
            .query("filter", format!("sandbox.sha256:'{hash}'"))
            .query("sort", "created_timestamp|desc")
            .query("limit", LOOKED_AT);
        for id in self.ask(call).await?.iter().filter_map(loose::id) {
            let summary = match self.resource(Step::LookUp, "report-summaries", &id).await {
                Err(error) if matches!(error.kind, ErrorKind::NotFound(_)) => continue,
                summary => summary?.1,
            };
            if summary.is_whole() {
                let mut submission = Submission::new(id);
                submission.others.insert("sha256".to_owned(), hash.to_string());
                return Ok(Some(submission));
            }
        }
        Ok(None)
    }

    async fn fetch(&self, submission: &Submission, artifact: Artifact) -> Result<Download> {
        let step = Step::Artifact;
        let name = match artifact.kind {
            ArtifactKind::Json => {
                return Ok(self.send(with_id(step, Method::GET, "reports", &submission.id)).await?.download());
            }
            ArtifactKind::Sample => {
                let hash = match submission.others.get("sha256") {
                    Some(hash) => hash.clone(),
                    None => {
                        let (_, report) = self.resource(step, "report-summaries", &submission.id).await?;
                        let none = || self.transport.error(step, ErrorKind::NotFound("it was no file".to_owned()));
                        report.sha256().ok_or_else(none)?.to_owned()
                    }
                };
                return self.sample(&hash).await;
            }
            ArtifactKind::Pcap => "pcap_report",
            ArtifactKind::Screenshots => "screenshots",
            ArtifactKind::Memory => "memory_dumps",
            _ => artifact.name.as_deref().unwrap_or_default(),
        };
        let call = with_id(step, Method::GET, "reports", &submission.id).header(header::ACCEPT, "application/json");
        let (_, found) = self.send(call).await?.report::<FoundLeft>().await?;
        let left = found.resources.unwrap_or_default().0;
        let ids = left.get(name).map(Vec::as_slice).unwrap_or_default();
        let number = artifact.name.as_ref().filter(|_| artifact.kind == ArtifactKind::Screenshots);
        let index = number.map_or(Some(0), |number| number.parse::<usize>().ok()?.checked_sub(1));
        let Some(id) = index.and_then(|index| ids.get(index)) else {
            let names: Vec<String> = left.iter().map(|(name, ids)| format!("{name} ({})", ids.len())).collect();
            let problem = format!("the report has no {} {name}; it has {}", artifact.kind, names.join(", "));
            return Err(self.transport.error(step, ErrorKind::NotFound(problem)));
        };
        self.left_behind(id).await
    }
}

impl Sandbox for FalconX {
    fn name(&self) -> &str {
        self.transport.name()
    }

    fn vendor(&self) -> Vendor {
        Vendor::FalconX
    }

    fn capabilities(&self) -> Capabilities {
        let artifacts = ARTIFACTS.iter().map(|kind| Capability::Artifact(*kind));
        Capabilities::of([Capability::SubmitUrl, Capability::LookUp, Capability::Delete].into_iter().chain(artifacts))
    }

    fn available(&self) -> Boxed<'_, Availability> {
        Box::pin(async {
            // A token alone says nothing about what it may do.
            let call = Call::get(Step::Availability, ["falconx", "queries", "submissions", "v1"]).query("limit", "1");
            self.ask(call).await?;
            let quota = self.quota().map(|quota| format!("{} of {} submissions are used", quota.used, quota.total));
            Ok(Availability { version: None, remarks: quota.into_iter().collect() })
        })
    }

    fn submit<'a>(&'a self, sample: &'a Sample, options: &'a Options) -> Boxed<'a, Submission> {
        Box::pin(self.submit_sample(sample, options))
    }

    fn look_up<'a>(&'a self, hash: &'a Hash) -> Boxed<'a, Option<Submission>> {
        Box::pin(self.look_for(hash))
    }

    fn status<'a>(&'a self, submission: &'a Submission) -> Boxed<'a, Status> {
        Box::pin(self.asked(submission))
    }

    fn report<'a>(&'a self, submission: &'a Submission) -> Boxed<'a, Report> {
        Box::pin(async {
            let (raw, resource) = self.resource(Step::Report, "reports", &submission.id).await?;
            Ok(resource.into_report(raw))
        })
    }

    fn artifact<'a>(&'a self, submission: &'a Submission, artifact: Artifact) -> Boxed<'a, Download> {
        if !ARTIFACTS.contains(&artifact.kind) {
            return crate::sandbox::unsupported(self, Step::Artifact, Capability::Artifact(artifact.kind));
        }
        Box::pin(self.fetch(submission, artifact))
    }

    fn delete<'a>(&'a self, submission: &'a Submission) -> Boxed<'a, ()> {
        Box::pin(self.delete_one(with_id(Step::Delete, Method::DELETE, "reports", &submission.id)))
    }
}

const ARTIFACTS: [ArtifactKind; 6] = [
    ArtifactKind::Json,
    ArtifactKind::Pcap,
    ArtifactKind::Screenshots,
    ArtifactKind::Memory,
    ArtifactKind::Sample,
    ArtifactKind::Other,
];

/// One thing of the sandbox, by its id.
fn with_id(step: Step, method: Method, kind: &str, id: &str) -> Call {
    Call::new(step, method, ["falconx", "entities", kind, "v1"]).query("ids", id)
}
