//! Dynamic analysis of MetaDefender Cloud, by its API v4.

use std::collections::BTreeMap;
use std::sync::Arc;

use http::HeaderName;
use serde::Deserialize;
use serde_json::Value;

use super::MAX_SMALL;
use crate::error::{ErrorKind, Result, Step};
use crate::http::{Answer, Body, Call, Part, Settings, Transport};
use crate::report::{Report, ReportFormat};
use crate::sample::{Hash, Sample};
use crate::sandbox::{
    Artifact, ArtifactKind, Availability, Boxed, Capabilities, Capability, Download, Options, Sandbox, Status,
    Submission, Vendor,
};
use crate::secret::Secret;
use crate::vendors::{address, loose};
use crate::verdict::{Raw, Verdict, Word};

/// The cloud.
pub const METADEFENDER_CLOUD: &str = "https://api.metadefender.com";
/// The machine where none is named.
pub const METADEFENDER_PROFILE: &str = "windows7";
/// Where the key goes, and where the machine.
const KEY: HeaderName = HeaderName::from_static("apikey");
const PROFILE: HeaderName = HeaderName::from_static("sandbox");
/// What [`Submission::others`] calls the id of the analysis, and the hash of the file.
const ANALYSIS: &str = "sandbox_id";
const HASH: &str = "sha256";

/// How MetaDefender Cloud is reached.
#[derive(Debug, Clone)]
pub struct MetaDefenderCloudSettings {
    /// Where it is, without `/v4`.
    pub http: Settings,
    /// The key.
    pub key: Secret,
    /// The machine where a submission names none: [`METADEFENDER_PROFILE`], for example.
    pub profile: String,
}

/// Dynamic analysis of MetaDefender Cloud.
///
/// - Its infection score is 0 to 100: from 70 on malicious, from 40 on suspicious, else unknown, because a number alone never says clean.
/// - The vendor gives an id to the analysis only a little after the upload. Until then, and where it gives none, it is asked for by hash.
#[derive(Debug)]
pub struct MetaDefenderCloud {
    transport: Transport,
    key: Secret,
    profile: String,
}

impl MetaDefenderCloud {
    /// For an address.
    ///
    /// # Errors
    /// The address or another setting is wrong.
    pub fn new(settings: MetaDefenderCloudSettings) -> Result<Self> {
        let mut http = address::secure(settings.http);
        let trimmed = http.address.trim_end_matches('/').trim_end_matches("/v4").len();
        http.address.truncate(trimmed);
        let transport = Transport::new(http, Vendor::MetaDefenderCloud, vec![settings.key.clone()])?;
        Ok(Self { transport, key: settings.key, profile: settings.profile })
    }

    /// Sends; anything but a status of success is an error, in the server's words.
    async fn send(&self, call: Call) -> Result<Answer> {
        let answer = self.transport.send(call.header(KEY, self.key.reveal())).await?;
        if answer.status().is_success() { Ok(answer) } else { Err(answer.into_error(words).await) }
    }

    fn malformed(&self, step: Step, problem: &str) -> crate::Error {
        self.transport.error(step, ErrorKind::Malformed(problem.to_owned()))
    }

    fn invalid(&self, problem: &str) -> crate::Error {
        self.transport.error(Step::Submit, ErrorKind::Invalid(problem.to_owned()))
    }

    /// Where an analysis is.
    fn place(step: Step, submission: &Submission) -> Call {
        let analysis = submission.others.get(ANALYSIS);
        match submission.others.get(HASH) {
            Some(hash) if analysis.is_none() && *hash == submission.id => {
                Call::get(step, ["v4", "hash", hash, "sandbox"])
            }
            _ => Call::get(step, ["v4", "sandbox", analysis.unwrap_or(&submission.id)]),
        }
    }

    async fn take(&self, sample: &Sample, options: &Options) -> Result<Submission> {
        let step = Step::Submit;
        let Sample::File { name, origin } = sample else {
            let kind = ErrorKind::Unsupported(Capability::SubmitUrl);
            return Err(self.transport.error(step, kind));
        };
        if options.analysis_time.is_some() || options.archive_password.is_some() {
            return Err(self.invalid("MetaDefender Cloud takes neither a time of the analysis nor a password"));
        }
        let profile = options.environment.as_deref().unwrap_or(&self.profile);
        if profile.is_empty() || !profile.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(self.invalid("a machine's name has letters and digits"));
        }
        let fields = options.vendor.iter().map(|(name, value)| Part::field(name, value));
        let parts = fields.chain([Part::file("file", name, origin)]).collect();
        let call = Call::post(step, ["v4", "file"], Body::Multipart(parts)).header(PROFILE, profile);
        let answer: Value = self.send(call).await?.json_within(MAX_SMALL).await?;
        let hash = answer["sha256"].as_str().filter(|hash| !hash.is_empty());
        let hash = hash.ok_or_else(|| self.malformed(step, "no `sha256`"))?.to_owned();
        let mut submission = Submission::new(hash.clone());
        submission.others.insert(HASH.to_owned(), hash.clone());
        submission.others.extend(loose::id(&answer["data_id"]).map(|id| ("data_id".to_owned(), id)));
        // It has been taken, so nothing that goes wrong from here on is an error of the submission.
        let call = Call::get(step, ["v4", "hash", &hash, "sandbox"]);
        let analysis = match self.send(call).await {
            Ok(answer) => answer.json_within::<Value>(MAX_SMALL).await.ok(),
            Err(_) => None,
        };
        if let Some(analysis) = analysis.and_then(|answer| loose::id(&answer["scan_in_progress"])) {
            submission.id.clone_from(&analysis);
            submission.others.insert(ANALYSIS.to_owned(), analysis);
        }
        Ok(submission)
    }

    async fn found(&self, step: Step, submission: &Submission) -> Result<(crate::Spooled, Found)> {
        self.send(Self::place(step, submission)).await?.report::<Found>().await
    }

    async fn read(&self, submission: &Submission) -> Result<Report> {
        let step = Step::Report;
        let (raw, found) = self.found(step, submission).await?;
        if found.in_progress.0 {
            let progress = "the analysis is in progress".to_owned();
            return Err(self.transport.error(step, ErrorKind::NotReady(progress)));
        }
        let hash = submission.others.get(HASH).map(|hash| (HASH.to_owned(), hash.clone()));
        Ok(Report {
            verdict: found.verdict(),
            name: None,
            hashes: hash.into_iter().collect(),
            environment: None,
            findings: Vec::new(),
            indicators: Vec::new(),
            link: None,
            format: ReportFormat::Json,
            raw: Arc::new(raw),
        })
    }

    async fn look_for(&self, hash: &Hash) -> Result<Option<Submission>> {
        let mut submission = Submission::new(hash.as_str());
        submission.others.insert(HASH.to_owned(), hash.as_str().to_owned());
        match self.found(Step::LookUp, &submission).await {
            Ok((_, found)) => Ok(found.is_finished().then_some(submission)),
            Err(error) if matches!(error.kind, ErrorKind::NotFound(_)) => Ok(None),
            Err(error) => Err(error),
        }
    }
}

impl Sandbox for MetaDefenderCloud {
    fn name(&self) -> &str {
        self.transport.name()
    }

    fn vendor(&self) -> Vendor {
        Vendor::MetaDefenderCloud
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities::of([Capability::LookUp, Capability::Artifact(ArtifactKind::Json)])
    }

    fn available(&self) -> Boxed<'_, Availability> {
        Box::pin(async {
            /// Any object will do: what is in it, the vendor does not document.
            #[derive(Deserialize)]
            struct Any {}
            let Any {} =
                self.send(Call::get(Step::Availability, ["v4", "status"])).await?.json_within(MAX_SMALL).await?;
            Ok(Availability { version: None, remarks: Vec::new() })
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
            let (_, found) = self.found(Step::Status, submission).await?;
            Ok(if found.is_finished() { Status::Finished } else { Status::Running })
        })
    }

    fn report<'a>(&'a self, submission: &'a Submission) -> Boxed<'a, Report> {
        Box::pin(self.read(submission))
    }

    fn artifact<'a>(&'a self, submission: &'a Submission, artifact: Artifact) -> Boxed<'a, Download> {
        if artifact.kind != ArtifactKind::Json {
            return crate::sandbox::unsupported(self, Step::Artifact, Capability::Artifact(artifact.kind));
        }
        Box::pin(async { Ok(self.send(Self::place(Step::Artifact, submission)).await?.download()) })
    }
}

/// What is looked at of an analysis.
#[derive(Debug, Default, Deserialize)]
struct Found {
    #[serde(default, rename = "scan_in_progress")]
    in_progress: There,
    #[serde(default, rename = "scan_results", deserialize_with = "loose::members")]
    results: BTreeMap<String, Passed>,
    #[serde(default, deserialize_with = "loose::section")]
    analysis: Analysis,
}

#[derive(Debug, Default, Deserialize)]
struct Analysis {
    #[serde(default, rename = "infection_score", deserialize_with = "loose::number")]
    score: Option<f64>,
}

/// Something that is passed over as it is read: results are large.
#[derive(Debug, Default, Deserialize)]
struct Passed {}

/// Whether there is something, whatever it is: anything but nothing, false and null.
#[derive(Debug, Default)]
struct There(bool);

impl<'de> Deserialize<'de> for There {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let there = match Value::deserialize(deserializer)? {
            Value::Null => false,
            Value::Bool(there) => there,
            Value::String(text) => !text.is_empty(),
            Value::Array(list) => !list.is_empty(),
            Value::Object(members) => !members.is_empty(),
            Value::Number(_) => true,
        };
        Ok(Self(there))
    }
}

impl Found {
    fn is_finished(&self) -> bool {
        !self.in_progress.0 && !self.results.is_empty()
    }

    fn verdict(&self) -> Verdict {
        let score = self.analysis.score;
        let raw = Raw { scale: "0-100".to_owned(), value: score.map(Into::into), label: None };
        let Some(score) = score else { return Verdict::unknown("the report has no score", raw) };
        let score = loose::percent(score);
        let reasons = Vec::new();
        Verdict {
            verdict: Word::of_score(score),
            score: Some(score),
            confidence: None,
            families: Vec::new(),
            reasons,
            raw,
        }
    }
}

/// What an error says.
fn words(answer: &Value) -> Option<String> {
    let error = &answer["error"];
    let messages = error["messages"].as_array().map(Vec::as_slice).unwrap_or_default();
    let said: Vec<&str> = messages.iter().filter_map(Value::as_str).collect();
    if said.is_empty() { error.as_str().map(str::to_owned) } else { Some(said.join("; ")) }
}
