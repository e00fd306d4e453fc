//! Cuckoo 1 and 2, by their REST API.

mod artifact;
mod control;
pub(in crate::vendors) mod report;
mod task;
mod upload;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::header;
use serde::Deserialize;
use serde_json::Value;

use self::artifact::ARTIFACTS;
pub use self::control::CuckooFilter;
pub use self::task::{CuckooMachine, CuckooSample, CuckooTask};
pub use self::upload::Uploads;
use super::address;
use crate::error::{Error, ErrorKind, Result, Step};
use crate::http::{Answer, Body, Call, Part, Settings, Transport};
use crate::report::Report;
use crate::sample::{Hash, Sample};
use crate::sandbox::{
    Artifact, Availability, Boxed, Capabilities, Capability, Download, Options, Queue, Sandbox, Status, Submission,
    Vendor,
};
use crate::secret::Secret;

pub(in crate::vendors) use self::upload::{is_number, number, option_fields};

/// The port that a Cuckoo has when nobody changes it.
pub const CUCKOO_PORT: u16 = 8090;
/// Analyses of a hash that are looked at, the newest first.
const MAX_LOOKED_AT: usize = 8;
/// Bytes of an answer that is held in memory as values, at most: of all but reports, lists and artifacts.
const CONTROL_BYTES: u64 = 16 << 20;

/// How a Cuckoo is reached.
#[derive(Debug, Clone)]
pub struct CuckooSettings {
    /// Where it is. A host alone is enough: then it is `http` and [`CUCKOO_PORT`].
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
    /// What goes into `Authorization`.
    authorization: Option<Secret>,
}

impl Cuckoo {
    /// For an address.
    ///
    /// # Errors
    /// The address or another setting is wrong.
    pub fn new(settings: CuckooSettings) -> Result<Self> {
        let secrets = settings.token.iter().cloned().collect();
        let authorization = settings.token.map(|token| Secret::new(&format!("Bearer {}", token.reveal())));
        Self::open(settings.http, secrets, authorization)
    }

    /// For an address where a user name and a password are asked for, as by a web server in front of it.
    ///
    /// # Errors
    /// The address or another setting is wrong.
    pub fn with_login(http: Settings, username: &str, password: &Secret) -> Result<Self> {
        let pair = Secret::new(&STANDARD.encode(format!("{username}:{}", password.reveal())));
        let authorization = Secret::new(&format!("Basic {}", pair.reveal()));
        Self::open(http, vec![password.clone(), pair], Some(authorization))
    }

    fn open(http: Settings, secrets: Vec<Secret>, authorization: Option<Secret>) -> Result<Self> {
        let transport = Transport::new(address::complete(http, CUCKOO_PORT), Vendor::Cuckoo, secrets)?;
        Ok(Self { transport, authorization })
    }

    /// Sends; anything but 200 is an error, in the server's words.
    async fn send(&self, call: Call) -> Result<Answer> {
        let call = match &self.authorization {
            Some(authorization) => call.header(header::AUTHORIZATION, authorization.reveal()),
            None => call,
        };
        let answer = self.transport.send(call).await?;
        if answer.status() == 200 { Ok(answer) } else { Err(typed(answer.into_error(message).await)) }
    }

    fn malformed(&self, step: Step, problem: &str) -> crate::Error {
        self.transport.error(step, ErrorKind::Malformed(problem.to_owned()))
    }

    async fn view(&self, step: Step, id: &str) -> Result<CuckooTask> {
        #[derive(Deserialize)]
        struct View {
            task: CuckooTask,
        }
        Ok(self.send(Call::get(step, ["tasks", "view", id])).await?.json::<View>().await?.task)
    }

    async fn view_sample(&self, step: Step, kind: &str, which: &str) -> Result<CuckooSample> {
        #[derive(Deserialize)]
        struct View {
            sample: CuckooSample,
        }
        Ok(self.send(Call::get(step, ["files", "view", kind, which])).await?.json::<View>().await?.sample)
    }

    async fn cuckoo_status(&self, step: Step) -> Result<Value> {
        self.send(Call::get(step, ["cuckoo", "status"])).await?.json_within(CONTROL_BYTES).await
    }

    async fn look_for(&self, hash: &Hash) -> Result<Option<Submission>> {
        let sample = match self.view_sample(Step::LookUp, hash.kind().name(), hash.as_str()).await {
            Ok(sample) => sample,
            Err(error) if matches!(error.kind, ErrorKind::NotFound(_)) => return Ok(None),
            Err(error) => return Err(error),
        };
        for id in sample.tasks.iter().rev().take(MAX_LOOKED_AT).filter(|id| is_number(id)) {
            if self.view(Step::LookUp, id).await?.status() == Status::Finished {
                return Ok(Some(Submission::new(id)));
            }
        }
        Ok(None)
    }

    fn options(&self, options: &Options) -> Result<Vec<Part>> {
        if let Some(password) = &options.archive_password {
            self.transport.keep_secret(password.clone());
        }
        option_fields(options).map_err(|problem| self.transport.error(Step::Submit, ErrorKind::Invalid(problem)))
    }

    fn form(&self, sample: &Sample, options: &Options) -> Result<(&'static str, Vec<Part>)> {
        let mut parts = self.options(options)?;
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
            let status = self.cuckoo_status(Step::Availability).await?;
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
            let answer: Value = self.send(call).await?.json_within(CONTROL_BYTES).await?;
            let mut uploads = Uploads::of(&answer["task_ids"], &Value::Null);
            // Cuckoo 1 and 2 say it in either way.
            let only = number(&answer["task_id"]).map(Submission::new);
            uploads.submissions.splice(0..0, only);
            uploads.together().ok_or_else(|| self.malformed(Step::Submit, "neither `task_id` nor `task_ids`"))
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
            let (raw, found) = self.send(call).await?.report::<report::Found>().await?;
            Ok(found.into_report(raw))
        })
    }

    fn artifact<'a>(&'a self, submission: &'a Submission, artifact: Artifact) -> Boxed<'a, Download> {
        if !ARTIFACTS.contains(&artifact.kind) {
            return crate::sandbox::unsupported(self, Step::Artifact, Capability::Artifact(artifact.kind));
        }
        Box::pin(async move { self.fetch(&submission.id, &artifact).await })
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
            let status = self.cuckoo_status(Step::Queue).await?;
            let tasks = &status["tasks"];
            let waiting = tasks["pending"].as_u64().ok_or_else(|| self.malformed(Step::Queue, "no `tasks.pending`"))?;
            Ok(Queue { waiting, running: tasks["running"].as_u64() })
        })
    }
}

/// What an error says.
fn message(body: &Value) -> Option<String> {
    body["message"].as_str().map(str::to_owned)
}

/// What is said with statuses that say something else.
fn typed(mut error: Error) -> Error {
    if let ErrorKind::Status { message, .. } = &mut error.kind {
        let said = |text: &str| message.contains(text);
        if said("already been submitted") {
            error.kind = ErrorKind::Duplicate(std::mem::take(message));
        } else if said("currently being processed") {
            error.kind = ErrorKind::NotReady(std::mem::take(message));
        } else if said("No files or strings") || said("Invalid report format") {
            error.kind = ErrorKind::Invalid(std::mem::take(message));
        }
    }
    error
}
