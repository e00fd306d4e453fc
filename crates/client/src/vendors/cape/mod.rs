//! CAPE, by its apiv2.

mod artifact;
mod control;
mod envelope;
mod report;
mod submit;

use serde_json::Value;

pub use self::control::CapeFilter;
use self::envelope::SWITCHED_OFF;
pub(super) use self::envelope::{texts, words};
use super::cuckoo::{CuckooTask, is_number};
use super::{address, loose};
use crate::error::{Error, ErrorKind, Result, Step};
use crate::http::{Body, Call, Settings, Transport, without_password};
use crate::report::Report;
use crate::sample::{Hash, Sample};
use crate::sandbox::{
    Artifact, ArtifactKind, Availability, Boxed, Capabilities, Capability, Download, Options, Queue, Sandbox, Status,
    Submission, Vendor,
};
use crate::secret::Secret;

/// The port that a CAPE has when nobody changes it.
pub const CAPE_PORT: u16 = 8000;
/// The password of archives with something harmful in them, unless the server's `zip_pwd` says another.
const ZIP_PASSWORD: &str = "infected";
/// Bytes of an answer that is held in memory as values, at most: of all but reports and artifacts.
const CONTROL_BYTES: u64 = 16 << 20;
/// Tasks that replaced one another, at most.
const MAX_RECOVERIES: usize = 4;

/// How a CAPE is reached.
#[derive(Debug, Clone)]
pub struct CapeSettings {
    /// Where its web interface is, with or without `/apiv2`. A host alone is enough: then it is `http` and [`CAPE_PORT`].
    pub http: Settings,
    /// A key of its API, where it asks for one (`token_auth_enabled`).
    pub token: Option<Secret>,
}

/// A CAPE.
///
/// - The verdict is CAPE's own `malstatus`: `Undetected` and `Failed` are unknown. Reports without it have `malscore`, of 0 to 10: from 7 on
///   malicious, from 4 on suspicious, else unknown.
/// - Most of its errors come with status 200; here they are errors like all others. What a server has switched off in its `api.conf` is
///   [`ErrorKind::Forbidden`], a file that it has already, where `unique` is asked for, [`ErrorKind::Duplicate`].
/// - Ids are numbers and nothing else, because `1-400` in their place would be 400 tasks.
#[derive(Debug)]
pub struct Cape {
    transport: Transport,
    token: Option<Secret>,
    /// Where the pages for people are.
    pages: String,
}

/// The whole path, with the slash at its end without which there is a redirect or an error.
fn path<'a>(path: &[&'a str]) -> Vec<&'a str> {
    ["apiv2"].into_iter().chain(path.iter().copied()).chain([""]).collect()
}

fn get(step: Step, of: &[&str]) -> Call {
    Call::get(step, path(of))
}

impl Cape {
    /// For an address.
    ///
    /// # Errors
    /// The address or another setting is wrong.
    pub fn new(settings: CapeSettings) -> Result<Self> {
        let mut http = address::complete(settings.http, CAPE_PORT);
        let root = http.address.trim_end_matches('/');
        http.address = root.strip_suffix("/apiv2").unwrap_or(root).to_owned();
        let pages = without_password(&http.address).trim_end_matches('/').to_owned();
        let secrets = settings.token.iter().cloned().collect();
        Ok(Self { transport: Transport::new(http, Vendor::Cape, secrets)?, token: settings.token, pages })
    }

    /// Gets a key for a user, where the server has keys.
    ///
    /// # Errors
    /// [`ErrorKind::Unauthenticated`] when there is no such user with such a password, and as with any call.
    pub async fn log_in(http: Settings, username: &str, password: &Secret) -> Result<Secret> {
        let cape = Self::new(CapeSettings { http, token: None })?;
        cape.transport.keep_secret(password.clone());
        let fields = [("username", username), ("password", password.reveal())];
        let form = Body::Form(fields.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect());
        // It is the same key each time.
        let call = Call::post(Step::LogIn, path(&["api-token-auth"]), form).harmless();
        match cape.ask(Step::LogIn, call).await {
            Ok(body) => match body["token"].as_str() {
                Some(token) if !token.is_empty() => Ok(Secret::new(token)),
                _ => Err(cape.malformed(Step::LogIn, "no `token`")),
            },
            Err(mut error) => {
                if let ErrorKind::Status { status: 400, message, .. } = error.kind {
                    error.kind = ErrorKind::Unauthenticated(message);
                }
                Err(error)
            }
        }
    }

    fn malformed(&self, step: Step, problem: &str) -> Error {
        self.transport.error(step, ErrorKind::Malformed(problem.to_owned()))
    }

    /// The number of a task.
    fn id<'a>(&self, step: Step, submission: &'a Submission) -> Result<&'a str> {
        if is_number(&submission.id) {
            return Ok(&submission.id);
        }
        let problem = "that is no id of CAPE's: they are numbers".to_owned();
        Err(self.transport.error(step, ErrorKind::Invalid(problem)))
    }

    async fn view(&self, step: Step, id: &str) -> Result<CuckooTask> {
        let body = self.ask(step, get(step, &["tasks", "view", id])).await?;
        serde_json::from_value(loose::member(body, "data")).map_err(|_| self.malformed(step, "`data` is no task"))
    }

    async fn state(&self, step: Step, id: &str) -> Result<String> {
        let body = self.ask(step, get(step, &["tasks", "status", id])).await?;
        let state = body["data"].as_str().filter(|state| !state.is_empty());
        state.map(str::to_owned).ok_or_else(|| self.malformed(step, "`data` is no status"))
    }

    /// A task that was replaced says by which, and the server answers for that one.
    async fn progress(&self, id: &str) -> Result<Status> {
        let mut id = id.to_owned();
        for _ in 0..MAX_RECOVERIES {
            let state = self.state(Step::Status, &id).await?;
            if state == "recovered" {
                let custom = self.view(Step::Status, &id).await?.custom.unwrap_or_default();
                match custom.strip_prefix("Recovery_").filter(|other| is_number(other)) {
                    Some(other) => id = other.to_owned(),
                    None => return Ok(CuckooTask { state, ..CuckooTask::default() }.status()),
                }
                continue;
            }
            if state.starts_with("failed_")
                && let Ok(task) = self.view(Step::Status, &id).await
                && task.state == state
            {
                return Ok(task.status());
            }
            return Ok(CuckooTask { state, ..CuckooTask::default() }.status());
        }
        Ok(Status::Failed("it was replaced by other tasks again and again".to_owned()))
    }

    async fn fetch_report(&self, id: &str) -> Result<Report> {
        let call = get(Step::Report, &["tasks", "get", "report", id, "json"]);
        let (raw, found) = self.file(Step::Report, call).await?.report::<report::Found>().await?;
        Ok(found.into_report(raw, format!("{}/analysis/{id}/", self.pages)))
    }

    /// Only what is `reported` is deleted without its status being named.
    async fn remove(&self, id: &str) -> Result<()> {
        let state = self.state(Step::Delete, id).await?;
        let task = CuckooTask { state, ..CuckooTask::default() };
        if task.status() == Status::Running {
            let problem = format!("it is {}, and can be deleted when it is finished", task.state);
            return Err(self.transport.error(Step::Delete, ErrorKind::NotReady(problem)));
        }
        let call = match task.state.as_str() {
            "reported" => get(Step::Delete, &["tasks", "delete", id]),
            other => get(Step::Delete, &["tasks", "delete", id, other]),
        };
        // A GET that must not be sent twice: the second time there is nothing.
        self.ask(Step::Delete, call.once()).await.map(drop)
    }
}

impl Sandbox for Cape {
    fn name(&self) -> &str {
        self.transport.name()
    }

    fn vendor(&self) -> Vendor {
        Vendor::Cape
    }

    fn capabilities(&self) -> Capabilities {
        use Capability::{Artifact, Delete, LookUp, Queue, SubmitUrl};
        let artifacts = ArtifactKind::ALL.into_iter().map(Artifact);
        Capabilities::of([SubmitUrl, LookUp, Delete, Queue].into_iter().chain(artifacts))
    }

    fn available(&self) -> Boxed<'_, Availability> {
        Box::pin(async {
            let status = match self.server_status().await {
                Ok(status) => status,
                // Off by default. The key has been looked at all the same.
                Err(Error { kind: ErrorKind::Forbidden(problem), .. }) if problem.starts_with(SWITCHED_OFF) => {
                    return Ok(Availability { version: None, remarks: vec![problem] });
                }
                Err(error) => return Err(error),
            };
            let version = status["version"].as_str().map(str::to_owned);
            let count = |name: &str| status["machines"][name].as_u64();
            let machines = count("available").zip(count("total"));
            let remarks = machines.map(|(free, all)| format!("{free} of {all} machines are free"));
            Ok(Availability { version, remarks: remarks.into_iter().collect() })
        })
    }

    fn submit<'a>(&'a self, sample: &'a Sample, options: &'a Options) -> Boxed<'a, Submission> {
        Box::pin(self.submit_one(sample, options))
    }

    fn look_up<'a>(&'a self, hash: &'a Hash) -> Boxed<'a, Option<Submission>> {
        Box::pin(async {
            let tasks = self.search(hash).await?;
            // An extraction or a capture is not what a submission would give.
            let run = |task: &&CuckooTask| !matches!(task.category.as_deref(), Some("static" | "pcap"));
            let finished = |task: &&CuckooTask| task.state == "reported" && is_number(&task.id);
            let number = |task: &CuckooTask| task.id.parse::<u128>().unwrap_or_default();
            let newest = tasks.iter().filter(finished).filter(run).max_by_key(|task| number(task));
            Ok(newest.map(|task| Submission::new(&task.id)))
        })
    }

    fn status<'a>(&'a self, submission: &'a Submission) -> Boxed<'a, Status> {
        Box::pin(async { self.progress(self.id(Step::Status, submission)?).await })
    }

    fn report<'a>(&'a self, submission: &'a Submission) -> Boxed<'a, Report> {
        Box::pin(async { self.fetch_report(self.id(Step::Report, submission)?).await })
    }

    fn artifact<'a>(&'a self, submission: &'a Submission, artifact: Artifact) -> Boxed<'a, Download> {
        Box::pin(async move { self.fetch(self.id(Step::Artifact, submission)?, &artifact).await })
    }

    fn delete<'a>(&'a self, submission: &'a Submission) -> Boxed<'a, ()> {
        Box::pin(async { self.remove(self.id(Step::Delete, submission)?).await })
    }

    fn queue(&self) -> Boxed<'_, Queue> {
        Box::pin(async {
            let body = self.ask(Step::Queue, get(Step::Queue, &["cuckoo", "status"])).await?;
            let tasks: &Value = &body["data"]["tasks"];
            let waiting = tasks["pending"].as_u64().ok_or_else(|| self.malformed(Step::Queue, "no `tasks.pending`"))?;
            Ok(Queue { waiting, running: tasks["running"].as_u64() })
        })
    }
}
