//! Cuckoo 3, by its web API.

mod analysis;
mod control;
mod report;
mod settings;

use http::header;
use serde_json::Value;

pub use self::analysis::{Cuckoo3Analysis, Cuckoo3Target, Cuckoo3Task};
use super::address;
use super::cape::{texts, words};
use super::cuckoo::CUCKOO_PORT;
use crate::error::{Error, ErrorKind, Result, Step};
use crate::http::{Answer, Body, Call, Part, Settings, Transport};
use crate::report::Report;
use crate::sample::{Hash, Sample};
use crate::sandbox::{
    Artifact, ArtifactKind, Availability, Boxed, Capabilities, Capability, Download, Options, Sandbox, Status,
    Submission, Vendor,
};
use crate::secret::Secret;

/// Bytes of an answer that is held in memory as values, at most: of all but reports and artifacts.
const CONTROL_BYTES: u64 = 16 << 20;
/// Bytes of an error in which an id is looked for.
const LARGEST_ERROR: usize = 64 << 10;
/// Analyses that are asked for at once when a hash is looked for, and how often.
const PAGE: u32 = 100;
const PAGES: u32 = 10;

/// How a Cuckoo 3 is reached.
#[derive(Debug, Clone)]
pub struct Cuckoo3Settings {
    /// Where its API is, which has an address of its own beside that of its pages. A host alone is enough: then it is `http` and [`CUCKOO_PORT`].
    pub http: Settings,
    /// A key of its API.
    pub key: Secret,
}

/// A Cuckoo 3.
///
/// - An analysis has a task for each platform. The report is that of all of them together, and the raw one an object of `analysis`, `pre` and
///   `tasks`, which has each task's by its id.
/// - Scores are of 0 to 10, in Cuckoo's own steps: 1 for information, 6 suspicious, 8 likely malicious, 9 malicious, 10 known to be bad. From 8 on
///   it is malicious here, from 6 on suspicious, else unknown, because Cuckoo never says that something is clean.
/// - Hashes are looked for among the newest 1000 analyses, because there is no other way.
#[derive(Debug)]
pub struct Cuckoo3 {
    transport: Transport,
    key: Secret,
    max_report_bytes: u64,
}

impl Cuckoo3 {
    /// For an address and a key.
    ///
    /// # Errors
    /// The address or another setting is wrong.
    pub fn new(settings: Cuckoo3Settings) -> Result<Self> {
        let http = address::complete(settings.http, CUCKOO_PORT);
        let max_report_bytes = http.max_answer_bytes;
        let transport = Transport::new(http, Vendor::Cuckoo3, vec![settings.key.clone()])?;
        Ok(Self { transport, key: settings.key, max_report_bytes })
    }

    /// Sends, with the key, whatever is answered.
    async fn try_send(&self, call: Call) -> Result<Answer> {
        self.transport.send(call.header(header::AUTHORIZATION, &format!("token {}", self.key.reveal()))).await
    }

    /// Sends; any status but 2xx is an error, in the server's words.
    async fn send(&self, call: Call) -> Result<Answer> {
        let answer = self.try_send(call).await?;
        if answer.status().is_success() { Ok(answer) } else { Err(failed(answer).await) }
    }

    async fn json(&self, call: Call) -> Result<Value> {
        self.send(call).await?.json_within(CONTROL_BYTES).await
    }

    fn error(&self, step: Step, kind: impl Fn(String) -> ErrorKind, problem: &str) -> Error {
        self.transport.error(step, kind(problem.to_owned()))
    }

    async fn submit_one(&self, sample: &Sample, options: &Options) -> Result<Submission> {
        let settings =
            settings::of(options).map_err(|problem| self.error(Step::Submit, ErrorKind::Invalid, &problem))?;
        if let Some(password) = &options.archive_password {
            self.transport.keep_secret(password.clone());
        }
        let (kind, part) = match sample {
            Sample::Url(address) => ("url", Part::field("url", address)),
            Sample::File { name, origin } => ("file", Part::file("file", name, origin)),
        };
        let parts = vec![Part::field("settings", settings.to_string()), part];
        let call = Call::post(Step::Submit, ["submit", kind], Body::Multipart(parts));
        let mut answer = self.try_send(call).await?;
        if answer.status() == 503 {
            // With an id, it was taken: only nobody works on it before Cuckoo itself runs again.
            let start = answer.peek(LARGEST_ERROR).await?;
            let body: Value = serde_json::from_slice(start).unwrap_or_default();
            if let Some(id) = body["analysis_id"].as_str().filter(|id| !id.is_empty()) {
                tracing::warn!(
                    sandbox = self.transport.name(),
                    "Cuckoo does not run: the submission waits until it does."
                );
                return Ok(Submission::new(id));
            }
        }
        if !answer.status().is_success() {
            return Err(failed(answer).await);
        }
        let body: Value = answer.json_within(CONTROL_BYTES).await?;
        let id = body["analysis_id"].as_str().filter(|id| !id.is_empty());
        id.map(Submission::new).ok_or_else(|| self.error(Step::Submit, ErrorKind::Malformed, "no `analysis_id`"))
    }

    async fn look_for(&self, hash: &Hash) -> Result<Option<Submission>> {
        for page in 0..PAGES {
            let rows = self.list(Step::LookUp, PAGE, page * PAGE, true).await?;
            let full = rows.len() >= PAGE as usize;
            let mut fitting = rows.into_iter().filter(|row| row.status() == Status::Finished && row.target.has(hash));
            if let Some(found) = fitting.next() {
                return Ok(Some(Submission::new(found.id)));
            }
            if !full {
                break;
            }
        }
        Ok(None)
    }

    /// Of several tasks, names begin with the number of one: `2`, `2/44997.jpg`. The first by default.
    async fn fetch(&self, id: &str, artifact: &Artifact) -> Result<Download> {
        let which = artifact.name.as_deref().unwrap_or_default();
        let (task, rest) = match which.split_once('/') {
            Some((task, rest)) => (task, rest),
            None if which.bytes().all(|digit| digit.is_ascii_digit()) => (which, ""),
            None => ("", which),
        };
        let task = format!("{id}_{}", if task.is_empty() { "1" } else { task });
        let picture;
        let path = match (artifact.kind, rest) {
            (ArtifactKind::Json, "") if which.is_empty() => vec!["analysis", id],
            (ArtifactKind::Json, "pre" | "identification") => vec!["analysis", id, rest],
            (ArtifactKind::Json, "") => vec!["analysis", id, "task", &task, "post"],
            (ArtifactKind::Json, "machine") => vec!["analysis", id, "task", &task, "machine"],
            (ArtifactKind::Pcap, "") => vec!["analysis", id, "task", &task, "pcap"],
            (ArtifactKind::Sample, "") if which.is_empty() => vec!["analysis", id, "submittedfile"],
            (ArtifactKind::Screenshots, "") => {
                picture = self.first_picture(id, &task).await?;
                vec!["analysis", id, "task", &task, "screenshot", &picture]
            }
            (ArtifactKind::Screenshots, picture) => vec!["analysis", id, "task", &task, "screenshot", picture],
            (kind, _) => {
                let problem = format!(
                    "there is no {kind} {which}: names are the number of a task, `pre` and `identification` of JSON, and with a picture's name `1/44997.jpg`"
                );
                return Err(self.error(Step::Artifact, ErrorKind::Invalid, &problem));
            }
        };
        Ok(self.send(Call::get(Step::Artifact, path)).await?.download())
    }

    async fn first_picture(&self, id: &str, task: &str) -> Result<String> {
        let call = Call::get(Step::Artifact, ["analysis", id, "task", task, "post"]);
        let (_, post) = self.send(call).await?.report::<report::Stage>().await?;
        let first = post.first_picture();
        first.ok_or_else(|| self.error(Step::Artifact, ErrorKind::NotFound, "there are no screenshots"))
    }
}

/// The error that an answer is. What is wrong with a form is told by the names of its fields.
async fn failed(answer: Answer) -> Error {
    let of_fields = |body: &Value| Some(texts(body).join("; ")).filter(|text| !text.is_empty());
    let mut error = answer.into_error(|body| words(body).or_else(|| of_fields(body))).await;
    if let ErrorKind::Status { status: 400, message, .. } = &mut error.kind {
        error.kind = ErrorKind::Invalid(std::mem::take(message));
    }
    error
}

impl Sandbox for Cuckoo3 {
    fn name(&self) -> &str {
        self.transport.name()
    }

    fn vendor(&self) -> Vendor {
        Vendor::Cuckoo3
    }

    fn capabilities(&self) -> Capabilities {
        use Capability::{Artifact, Delete, LookUp, SubmitUrl};
        let artifacts = ARTIFACTS.into_iter().map(Artifact);
        Capabilities::of([SubmitUrl, LookUp, Delete].into_iter().chain(artifacts))
    }

    fn available(&self) -> Boxed<'_, Availability> {
        Box::pin(async {
            let platforms = self.platforms_at(Step::Availability).await?;
            let remark = |(platform, versions): (&String, &Vec<String>)| {
                format!("{platform} {}", versions.join(", ")).trim_end().to_owned()
            };
            Ok(Availability { version: None, remarks: platforms.iter().map(remark).collect() })
        })
    }

    fn submit<'a>(&'a self, sample: &'a Sample, options: &'a Options) -> Boxed<'a, Submission> {
        Box::pin(self.submit_one(sample, options))
    }

    fn look_up<'a>(&'a self, hash: &'a Hash) -> Boxed<'a, Option<Submission>> {
        Box::pin(self.look_for(hash))
    }

    fn status<'a>(&'a self, submission: &'a Submission) -> Boxed<'a, Status> {
        Box::pin(async { Ok(self.view(Step::Status, &submission.id).await?.1.status()) })
    }

    fn report<'a>(&'a self, submission: &'a Submission) -> Boxed<'a, Report> {
        Box::pin(self.whole_report(&submission.id))
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
            let call = Call::get(Step::Delete, ["analysis", &submission.id, "deleteanalysis"]).once();
            self.send(call).await.map(drop)
        })
    }
}

const ARTIFACTS: [ArtifactKind; 4] =
    [ArtifactKind::Json, ArtifactKind::Pcap, ArtifactKind::Screenshots, ArtifactKind::Sample];
