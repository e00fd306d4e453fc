//! FireEye AX, now Trellix Malware Analysis, by its Web Services API.

mod report;
mod session;

use std::collections::BTreeMap;

use http::header;
use serde_json::{Map, Value, json};

use self::report::Found;
use self::session::{Open, basic};
use super::address::secure;
use super::loose;
use super::session::Session;
use crate::error::{ErrorKind, Result, Step};
use crate::http::{Answer, Body, Call, Part, Settings, Transport};
use crate::report::Report;
use crate::sample::Sample;
use crate::sandbox::{
    Artifact, ArtifactKind, Availability, Boxed, Capabilities, Capability, Download, Options, Sandbox, Status,
    Submission, Vendor,
};
use crate::secret::Secret;

/// The profile that is used where none is named.
pub const FIREEYE_PROFILE: &str = "win7x64-sp1";
/// Seconds of an analysis, when nobody says how many.
const TIMEOUT: u64 = 500;
/// Marks submissions of addresses: their reports have ids of their own.
const KIND: &str = "kind";

/// The routes of an appliance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum FireEyeVersion {
    /// 7.x appliances.
    V1_1,
    /// 8.x appliances.
    V1_2,
    /// Newer ones. Only these take addresses.
    V2_0,
}

impl FireEyeVersion {
    /// All, the newest first: in this order they are tried where none is named.
    pub const ALL: [Self; 3] = [Self::V2_0, Self::V1_2, Self::V1_1];

    /// As in addresses and configurations.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::V1_1 => "v1.1.0",
            Self::V1_2 => "v1.2.0",
            Self::V2_0 => "v2.0.0",
        }
    }

    /// By its name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|version| version.name() == name)
    }

    /// Where reports and artifacts are: the newest routes have none of their own.
    fn of_files(self) -> Self {
        self.min(Self::V1_2)
    }
}

/// How an appliance is reached.
#[derive(Debug, Clone)]
pub struct FireEyeSettings {
    /// Where it is, without `/wsapis`.
    pub http: Settings,
    /// The user, who needs the role `api_analyst`.
    pub user: String,
    /// Its password.
    pub password: Secret,
    /// The version of the API; found out when logging in by default.
    pub version: Option<FireEyeVersion>,
    /// The profile where a submission names none; several with commas between. [`FIREEYE_PROFILE`] by default.
    pub profile: String,
}

impl FireEyeSettings {
    /// The defaults, for this user.
    pub fn new(http: Settings, user: impl Into<String>, password: Secret) -> Self {
        Self { http, user: user.into(), password, version: None, profile: FIREEYE_PROFILE.to_owned() }
    }
}

/// An appliance.
///
/// - The worst alert's severity decides: critical 95 and major 80 are malicious; minor 20 is suspicious where malware is named, else unknown.
///   Without an alert it is unknown, 0: an appliance never says that something is clean.
/// - It is logged in when something is asked, by one for all; [`FireEye::log_out`] gives the session back.
/// - Analyses are closed off from the network (`analysistype` 2) unless an option says 1.
/// - It cannot delete, tell its queue or find submissions by a hash; [`FireEye::alerts`] finds alerts by one.
#[derive(Debug)]
pub struct FireEye {
    transport: Transport,
    basic: Secret,
    version: Option<FireEyeVersion>,
    profile: String,
    session: Session<Open>,
}

impl FireEye {
    /// For an address.
    ///
    /// # Errors
    /// The address or another setting is wrong.
    pub fn new(settings: FireEyeSettings) -> Result<Self> {
        let FireEyeSettings { http, user, password, version, profile } = settings;
        let basic = basic(&user, &password);
        let transport = Transport::new(secure(http), Vendor::FireEye, vec![password, basic.clone()])?;
        Ok(Self { transport, basic, version, profile, session: Session::default() })
    }

    async fn get(&self, step: Step, path: &[&str], query: &[(&str, &str)], accept: &str) -> Result<Answer> {
        let made = |version: FireEyeVersion| Ok(get(step, version, path, query, accept));
        self.send(step, made).await
    }

    /// Machines, profiles and applications of the appliance, as it gives them.
    ///
    /// # Errors
    /// No session, or another answer.
    pub async fn configuration(&self) -> Result<Value> {
        let step = Step::Other("asking for its configuration");
        self.get(step, &["config"], &[], "application/json").await?.json().await
    }

    /// Alerts that match all of these: `alert_id`, `duration`, `start_time`, `end_time`, `md5`, `malware_name`, `malware_type`, `url`, `file_name`,
    /// `info_level`. As the appliance gives them.
    ///
    /// # Errors
    /// No session, or another answer.
    pub async fn alerts(&self, terms: &BTreeMap<String, String>) -> Result<Value> {
        let terms: Vec<(&str, &str)> = terms.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        self.get(Step::Other("searching"), &["alerts"], &terms, "application/json").await?.json().await
    }

    fn malformed(&self, step: Step, problem: &str) -> crate::Error {
        self.transport.error(step, ErrorKind::Malformed(problem.to_owned()))
    }

    /// What goes with a submission: texts for old appliances, numbers and truths for new ones. The vendor's own options win.
    fn options(&self, options: &Options, version: FireEyeVersion) -> Result<Map<String, Value>> {
        if options.archive_password.is_some() {
            let problem = "FireEye has no word for the password of an archive".to_owned();
            return Err(self.transport.error(Step::Submit, ErrorKind::Invalid(problem)));
        }
        let time = options.analysis_time.map_or(TIMEOUT, |time| time.as_secs()).to_string();
        let profile = options.environment.as_ref().unwrap_or(&self.profile);
        let own = [
            ("application", "0"),
            ("timeout", time.as_str()),
            ("priority", "0"),
            ("profiles", profile),
            ("analysistype", "2"),
            ("force", "true"),
            ("prefetch", "1"),
        ];
        let mut all: BTreeMap<&str, &str> = own.into_iter().collect();
        all.extend(options.vendor.iter().map(|(name, value)| (name.as_str(), value.as_str())));
        let typed = |name: &str, value: &str| match (name, version) {
            ("profiles", _) => value.split(',').map(str::trim).filter(|name| !name.is_empty()).collect(),
            (_, FireEyeVersion::V2_0) => match (value.parse::<u64>(), value.parse::<bool>()) {
                (Ok(number), _) => number.into(),
                (_, Ok(truth)) => truth.into(),
                _ => value.into(),
            },
            _ => Value::from(value),
        };
        Ok(all.into_iter().map(|(name, value)| (name.to_owned(), typed(name, value))).collect())
    }

    fn file(
        &self,
        path: &[&str],
        sample: (&str, &crate::Origin),
        given: &Options,
        version: FireEyeVersion,
    ) -> Result<Call> {
        let options = Value::Object(self.options(given, version)?).to_string();
        let parts = vec![Part::file("file", sample.0, sample.1), Part::field("options", options)];
        Ok(Call::post(Step::Submit, at(version, path), Body::Multipart(parts))
            .header(header::ACCEPT, "application/json"))
    }

    async fn submit_sample(&self, sample: &Sample, options: &Options) -> Result<Submission> {
        let answer = match sample {
            Sample::File { name, origin } => {
                let sent = |new: &'static [&'static str]| {
                    self.send(Step::Submit, move |version| {
                        let path = if version == FireEyeVersion::V2_0 { new } else { &["submissions"] };
                        self.file(path, (name, origin), options, version)
                    })
                };
                match sent(&["submissions", "file"]).await {
                    // Some appliances have the newest version and this route of the older ones.
                    Err(error) if matches!(error.kind, ErrorKind::NotFound(_)) => sent(&["submissions"]).await,
                    answer => answer,
                }?
            }
            Sample::Url(address) => {
                let made = |version| {
                    if version != FireEyeVersion::V2_0 {
                        return Err(self.transport.error(Step::Submit, ErrorKind::Unsupported(Capability::SubmitUrl)));
                    }
                    let mut body = self.options(options, version)?;
                    body.insert("urls".to_owned(), json!([address]));
                    let body = Body::Json(Value::Object(body));
                    let call = Call::post(Step::Submit, at(version, &["submissions", "url"]), body);
                    Ok(call.header(header::ACCEPT, "application/json"))
                };
                self.send(Step::Submit, made).await?
            }
        };
        let answer: Value = answer.json().await?;
        let mut named = submissions(&answer).into_iter();
        let mut submission = named.next().ok_or_else(|| self.malformed(Step::Submit, "no `ID` of the submission"))?;
        submission.more = named.map(|other| other.id).collect();
        if matches!(sample, Sample::Url(_)) {
            submission.others.insert(KIND.to_owned(), "url".to_owned());
        }
        Ok(submission)
    }

    async fn asked(&self, step: Step, id: &str) -> Result<(Status, Value)> {
        let answer = self.get(step, &["submissions", "status", id], &[], "application/json").await?;
        let answer: Value = answer.json().await?;
        let word = answer["submissionStatus"].as_str().or_else(|| answer["status"].as_str());
        let word = word.ok_or_else(|| self.malformed(step, "no `submissionStatus`"))?.trim().to_ascii_lowercase();
        let status = match word.strip_prefix("submission ").unwrap_or(&word) {
            "done" | "completed" => Status::Finished,
            "queued" | "pending" | "submitted" => Status::Queued,
            "in progress" | "running" | "analyzing" => Status::Running,
            "not found" => return Err(self.transport.error(step, ErrorKind::NotFound(word))),
            failed if ["failed", "error", "aborted"].iter().any(|start| failed.starts_with(start)) => {
                Status::Failed(self.transport.said(&word))
            }
            other => {
                tracing::warn!(
                    status = other,
                    "FireEye gives a status that is not known; it is taken for one on the way."
                );
                Status::Running
            }
        };
        Ok((status, answer))
    }

    /// Results, whose id is that of the submission, but for addresses. While it is being analysed there are none, which appliances call a failure
    /// of their own.
    async fn results(&self, step: Step, submission: &Submission, accept: &str) -> Result<Answer> {
        let mut id = submission.id.clone();
        if submission.others.contains_key(KIND) {
            let (status, answer) = self.asked(step, &id).await?;
            if status != Status::Finished {
                return Err(self.unfinished(step, &status));
            }
            id = submissions(&answer).into_iter().next().map_or(id, |results| results.id);
        }
        let query = [("info_level", "extended")];
        let answer = self.get(step, &["submissions", "results", &id], &query, accept).await;
        if let Err(error) = &answer
            && matches!(error.kind, ErrorKind::Status { status: 500, .. })
            && let Ok((status, _)) = self.asked(step, &submission.id).await
            && status != Status::Finished
        {
            return Err(self.unfinished(step, &status));
        }
        answer
    }

    fn unfinished(&self, step: Step, status: &Status) -> crate::Error {
        self.transport.error(
            step,
            match status {
                Status::Failed(why) => ErrorKind::AnalysisFailed(why.clone()),
                _ => ErrorKind::NotReady("it is being analysed".to_owned()),
            },
        )
    }

    async fn fetch(&self, submission: &Submission, artifact: Artifact) -> Result<Download> {
        let step = Step::Artifact;
        let accept = match artifact.kind {
            ArtifactKind::Xml => "application/xml",
            ArtifactKind::Json => "application/json",
            _ => "*/*",
        };
        if accept != "*/*" {
            return Ok(self.results(step, submission, accept).await?.download());
        }
        let (id, uuid) = match artifact.name {
            Some(name) => (Some(name.clone()), Some(name)),
            None => {
                let (_, found) = self.results(step, submission, "application/json").await?.report::<Found>().await?;
                let none = || self.transport.error(step, ErrorKind::NotFound("it has no alert".to_owned()));
                found.alert().ok_or_else(none)?
            }
        };
        let missing = || self.malformed(step, "an alert without an `id`");
        if artifact.kind == ArtifactKind::Pdf {
            let id = id.ok_or_else(missing)?;
            let query = [
                ("report_type", "alertDetailsReport"),
                ("infection_id", id.as_str()),
                ("infection_type", "malware-object"),
                ("type", "pdf"),
            ];
            let made =
                |version: FireEyeVersion| Ok(get(step, version.of_files(), &["reports", "report"], &query, accept));
            return Ok(self.send(step, made).await?.download());
        }
        let made = |version: FireEyeVersion| match (version, &id, &uuid) {
            (FireEyeVersion::V2_0, _, Some(uuid)) => Ok(get(step, version, &["artifacts", uuid], &[], accept)),
            (_, Some(id), _) => Ok(get(step, version.of_files(), &["artifacts", "malwareobject", id], &[], accept)),
            _ => Err(missing()),
        };
        Ok(self.send(step, made).await?.download())
    }
}

impl Sandbox for FireEye {
    fn name(&self) -> &str {
        self.transport.name()
    }

    fn vendor(&self) -> Vendor {
        Vendor::FireEye
    }

    fn capabilities(&self) -> Capabilities {
        let artifacts = ARTIFACTS.iter().map(|kind| Capability::Artifact(*kind));
        let addresses = self.version.is_none_or(|version| version == FireEyeVersion::V2_0);
        Capabilities::of(addresses.then_some(Capability::SubmitUrl).into_iter().chain(artifacts))
    }

    fn available(&self) -> Boxed<'_, Availability> {
        Box::pin(async {
            let answer = self.get(Step::Availability, &["config"], &[], "application/json").await?;
            let _: Map<String, Value> = answer.json().await?;
            let version = self.open().await?.version;
            Ok(Availability { version: None, remarks: vec![format!("its API is {}", version.name())] })
        })
    }

    fn submit<'a>(&'a self, sample: &'a Sample, options: &'a Options) -> Boxed<'a, Submission> {
        if matches!(sample, Sample::Url(_)) && !self.capabilities().has(Capability::SubmitUrl) {
            return crate::sandbox::unsupported(self, Step::Submit, Capability::SubmitUrl);
        }
        Box::pin(self.submit_sample(sample, options))
    }

    fn status<'a>(&'a self, submission: &'a Submission) -> Boxed<'a, Status> {
        Box::pin(async { Ok(self.asked(Step::Status, &submission.id).await?.0) })
    }

    fn report<'a>(&'a self, submission: &'a Submission) -> Boxed<'a, Report> {
        Box::pin(async {
            let answer = self.results(Step::Report, submission, "application/json").await?;
            let (raw, found) = answer.report::<Found>().await?;
            Ok(found.into_report(raw))
        })
    }

    fn artifact<'a>(&'a self, submission: &'a Submission, artifact: Artifact) -> Boxed<'a, Download> {
        if !ARTIFACTS.contains(&artifact.kind) {
            return crate::sandbox::unsupported(self, Step::Artifact, Capability::Artifact(artifact.kind));
        }
        Box::pin(self.fetch(submission, artifact))
    }

    fn close(&self) -> Boxed<'_, ()> {
        Box::pin(self.log_out())
    }
}

const ARTIFACTS: [ArtifactKind; 4] = [ArtifactKind::Pdf, ArtifactKind::Xml, ArtifactKind::Json, ArtifactKind::All];

fn at<'a>(version: FireEyeVersion, path: &[&'a str]) -> Vec<&'a str> {
    ["wsapis", version.name()].into_iter().chain(path.iter().copied()).collect()
}

fn get(step: Step, version: FireEyeVersion, path: &[&str], query: &[(&str, &str)], accept: &str) -> Call {
    let call = Call::get(step, at(version, path)).header(header::ACCEPT, accept);
    query.iter().fold(call, |call, (name, value)| call.query(name, *value))
}

/// What an answer names: `{"ID"}`, a list of such, or deeper, where a new appliance answers for addresses.
fn submissions(answer: &Value) -> Vec<Submission> {
    let within = [&answer["entity"]["response"], &answer["response"], answer];
    let named = within.into_iter().find(|value| value.is_array()).unwrap_or(answer);
    let items = named.as_array().map_or(std::slice::from_ref(named), Vec::as_slice);
    let submission = |item: &Value| {
        let mut submission = Submission::new(loose::id(&item["ID"]).or_else(|| loose::id(&item["id"]))?);
        let others = item.as_object().into_iter().flatten().filter(|(name, _)| !name.eq_ignore_ascii_case("id"));
        submission.others = others.filter_map(|(name, value)| Some((name.clone(), loose::id(value)?))).collect();
        Some(submission)
    };
    items.iter().filter_map(submission).collect()
}
