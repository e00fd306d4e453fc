//! The Public API and the debug API, call by call.

use std::sync::Arc;

use futures_util::TryStreamExt as _;
use futures_util::stream::Stream;
use http::HeaderName;
use serde::Deserialize;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::Pt;
use super::options::{Behaviour, Scan, SourceScan};
use super::page::{self, Paged};
use super::report::{Outcome, ScanReport};
use super::wire::{Envelope, Tidy, model};
use super::words::{ScanState, Verdict};
use crate::error::{ErrorKind, Result, Step};
use crate::http::{Answer, Body, Call};
use crate::sample::Origin;
use crate::sandbox::Download;
use crate::spool::Spooled;

/// What asking for tasks is called.
const LIST: Step = Step::Other("listing tasks");
/// What uploading is called.
const UPLOAD: Step = Step::Other("uploading");

/// A file on the server, for some time.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct Upload {
    /// What it is called there. It cannot be downloaded by this.
    pub file_uri: String,
    /// Seconds that it is kept when no scan uses it.
    #[serde(default)]
    pub ttl: u64,
}

/// How far a scan is.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[non_exhaustive]
pub struct TaskStatus {
    /// The scan's id.
    #[serde(default)]
    pub scan_id: String,
    /// What came of it; absent while nothing is known.
    pub result: Option<Outcome>,
    /// The result is not the last word: virtual machines are running.
    #[serde(default)]
    pub is_preflight: bool,
}

model! {
    /// An image of a virtual machine.
    Image {
        /// Its id, for [`Machine::image_id`](super::Machine::image_id).
        #[serde(alias = "name", alias = "id")]
        image_id: String,
        /// `base`, `custom` or `user`.
        #[serde(rename = "type")]
        kind: String,
        /// Its version.
        version: String,
        /// The system in it: `name`, `version`, `architecture`, `service_pack`, `locale`.
        os: serde_json::Map<String, Value>,
    }

    /// The version of the product.
    Version {
        /// As 5.25.0.12345.
        version: String,
        /// Empty on normal builds.
        edition: String,
    }

    /// A task as the Public API lists it.
    ListedTask {
        /// The scan's id.
        id: String,
        /// The file's name, a subject, an address.
        name: String,
        /// The id of the source that it came from.
        entry_point_id: String,
        /// Which sort of source that is.
        entry_point_type: super::words::SourceType,
        /// When it began, in seconds since 1970.
        start_time: f64,
        /// How much was done.
        scan_state: ScanState,
        /// Seconds that it took.
        duration: Option<f64>,
        /// The same with waiting and storing.
        duration_full: Option<f64>,
        /// What was found.
        verdict: Verdict,
        /// The class of the malware.
        threat: String,
    }
}

impl Pt {
    /// Uploads a file. It is sent again when it fails.
    ///
    /// # Errors
    /// No key; the file cannot be read or is too large for the server ([`ErrorKind::Refused`]); anything but success.
    pub async fn upload(&self, origin: &Origin) -> Result<Upload> {
        let call = Call::post(UPLOAD, ["api", "v1", "storage", "uploadScanFile"], Body::File(origin.clone()));
        let answer = self.send(UPLOAD, call.harmless()).await?;
        let upload: Upload = self.opened(UPLOAD, answer).await?;
        if upload.file_uri.is_empty() {
            return Err(self.malformed(UPLOAD, "`file_uri` is empty"));
        }
        Ok(upload)
    }

    /// Scans what was uploaded. The scan's id.
    ///
    /// # Errors
    /// Options out of range; no key; anything but success.
    pub async fn scan(&self, file_uri: &str, scan: &Scan) -> Result<String> {
        scan.check().map_err(|problem| self.invalid(Step::Submit, problem))?;
        self.create("createScanTask", json!({"file_uri": file_uri}), scan).await
    }

    /// Scans what is at an address; the server downloads it. The scan's id.
    ///
    /// # Errors
    /// As [`Pt::scan`].
    pub async fn scan_url(&self, address: &str, scan: &Scan) -> Result<String> {
        scan.check().map_err(|problem| self.invalid(Step::Submit, problem))?;
        self.create("createScanURLTask", json!({"url": address}), scan).await
    }

    pub(super) async fn create(&self, task: &str, of: Value, scan: &Scan) -> Result<String> {
        let mut body = of;
        body["options"] = serde_json::to_value(&scan.options)
            .map_err(|error| self.invalid(Step::Submit, format!("options: {error}")))?;
        self.created(&["api", "v1", "analysis", task], body, scan.name.as_deref(), scan.priority).await
    }

    /// Runs what was uploaded in a virtual machine, without unpacking and without a scan (debug API). The scan's id.
    ///
    /// # Errors
    /// As [`Pt::scan`].
    pub async fn analyse_behaviour(&self, file_uri: &str, behaviour: &Behaviour) -> Result<String> {
        behaviour.check().map_err(|problem| self.invalid(Step::Submit, problem))?;
        let mut sandbox = serde_json::to_value(&behaviour.options)
            .map_err(|error| self.invalid(Step::Submit, format!("options: {error}")))?;
        if sandbox["vnc_mode"] == "" {
            sandbox["vnc_mode"] = "DISABLED".into();
        }
        let body = json!({"file_uri": file_uri, "sandbox": sandbox});
        let path = ["api", "debug", "analysis", "createBAScanTask"];
        self.created(&path, body, behaviour.name.as_deref(), behaviour.priority).await
    }

    /// Creates a task; never sent again when it may have arrived.
    async fn created(&self, path: &[&str], mut body: Value, name: Option<&str>, priority: u8) -> Result<String> {
        // The server refuses `null`, so that what is not known is left out.
        if let Some(name) = name {
            body["file_name"] = name.into();
        }
        body["priority"] = priority.into();
        body["async_result"] = true.into();
        body["short_result"] = false.into();
        let answer = self.send(Step::Submit, Call::post(Step::Submit, path, Body::Json(body))).await?;
        self.scan_id(answer).await
    }

    async fn scan_id(&self, answer: Answer) -> Result<String> {
        let data: Value = self.opened(Step::Submit, answer).await?;
        let id = data["scan_id"].as_str().unwrap_or_default();
        match uuid::Uuid::parse_str(id) {
            Ok(_) => Ok(id.to_owned()),
            Err(_) => Err(self.malformed(Step::Submit, "`scan_id` is no UUID")),
        }
    }

    /// Scans a file as the source of the key says. The scan's id. Not sent again when it may have arrived.
    ///
    /// # Errors
    /// As [`Pt::scan`].
    pub async fn check_file(&self, origin: &Origin, scan: &SourceScan) -> Result<String> {
        let path = ["api", "v1", "scan", "checkFile"];
        let mut call = self.of_source(Call::post(Step::Submit, path, Body::File(origin.clone())), scan)?;
        let fields = [("short_result", "true".to_owned()), ("async_result", "true".to_owned())];
        let named = scan.name.as_ref().map(|name| ("file_name", name.clone()));
        let passwords = (!scan.passwords.is_empty()).then(|| ("passwords_for_unpack", ascii_json(&scan.passwords)));
        let priority = ("priority", scan.priority.to_string());
        for (name, value) in fields.into_iter().chain([priority]).chain(named).chain(passwords) {
            call = call.query(name, value);
        }
        let answer = self.send(Step::Submit, call).await?;
        self.scan_id(answer).await
    }

    /// Scans what is at an address as the source of the key says. The scan's id.
    ///
    /// # Errors
    /// As [`Pt::scan`].
    pub async fn check_url(&self, address: &str, scan: &SourceScan) -> Result<String> {
        let mut body = json!({
            "url": address, "short_result": true, "async_result": true, "priority": scan.priority,
        });
        if let Some(name) = &scan.name {
            body["file_name"] = name.as_str().into();
        }
        if !scan.passwords.is_empty() {
            body["passwords_for_unpack"] = json!(scan.passwords);
        }
        let call = Call::post(Step::Submit, ["api", "v1", "scan", "checkURL"], Body::Json(body));
        let answer = self.send(Step::Submit, self.of_source(call, scan)?).await?;
        self.scan_id(answer).await
    }

    fn of_source(&self, call: Call, scan: &SourceScan) -> Result<Call> {
        scan.check().map_err(|problem| self.invalid(Step::Submit, problem))?;
        let call = match &scan.product {
            Some(product) => call.header(HeaderName::from_static("x-source-product"), product),
            None => call,
        };
        if scan.metadata.is_empty() {
            return Ok(call);
        }
        let all: Vec<&str> = scan.metadata.iter().flat_map(|(name, value)| [name.as_str(), value.as_str()]).collect();
        Ok(call.header(HeaderName::from_static("x-source-metadata"), &all.join(",")))
    }

    /// How far a scan is.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`], also of a scan that failed more than three hours ago; no key; anything but success.
    pub async fn task(&self, scan_id: &str) -> Result<TaskStatus> {
        let (family, method) = if self.settings.source { ("scan", "getStatus") } else { ("analysis", "checkTask") };
        let body = json!({"scan_id": scan_id, "allow_preflight": true});
        let call = Call::post(Step::Status, ["api", "v1", family, method], Body::Json(body)).harmless();
        let answer = self.send(Step::Status, call).await.map_err(forgotten)?;
        self.opened(Step::Status, answer).await
    }

    /// The report of a scan, and as it came.
    ///
    /// # Errors
    /// [`ErrorKind::NotReady`] while the scan is running; [`ErrorKind::Malformed`] for a report that cannot be read;
    /// [`ErrorKind::NotFound`] as [`Pt::task`].
    pub async fn scan_report(&self, scan_id: &str) -> Result<(Arc<Spooled>, ScanReport)> {
        self.report_at(Step::Report, scan_id).await
    }

    pub(super) async fn report_at(&self, step: Step, scan_id: &str) -> Result<(Arc<Spooled>, ScanReport)> {
        let (family, method) = if self.settings.source { ("scan", "getFullReport") } else { ("analysis", "report") };
        let body = Body::Json(json!({"scan_id": scan_id}));
        let call = Call::post(step, ["api", "v1", family, method], body).harmless();
        let answer = self.send(step, call).await.map_err(forgotten)?;
        let (raw, envelope) = answer.report::<Envelope>().await?;
        let report: ScanReport = self.open(step, envelope)?;
        if report.result.is_none() {
            return Err(self.error(step, ErrorKind::NotReady("the scan is running".to_owned())));
        }
        Ok((Arc::new(raw), report))
    }

    /// All tasks, the newest first; needs a key with `TASKS_VIEW_ALL`. `query` is in PT Sandbox's query language, and empty for all.
    pub fn listed_tasks<'a>(&'a self, query: &str) -> impl Stream<Item = Result<ListedTask>> + Send + use<'a> {
        let query = query.to_owned();
        page::all(move |cursor: Option<String>| {
            let mut body = json!({"query": query, "limit": page::AT_ONCE, "offset": 0, "utc_offset_seconds": 0});
            if let Some(cursor) = &cursor {
                body["next_cursor"] = cursor.as_str().into();
            }
            async move {
                let call = Call::post(LIST, ["api", "v1", "analysis", "listTasks"], Body::Json(body));
                let answer = self.send(LIST, call.harmless()).await?;
                let Tidy(page) = answer.json::<Tidy<ListedPage>>().await?;
                if let Some(kind) = page.errors.error() {
                    return Err(self.error(LIST, kind));
                }
                let Some(tasks) = page.tasks else { return Err(self.malformed(LIST, "there are no `tasks` in it")) };
                Ok(Paged { items: tasks, next: page.next_cursor, of: self, step: LIST })
            }
        })
    }

    /// The images of virtual machines that are there.
    ///
    /// # Errors
    /// No key; anything but success.
    pub async fn images(&self) -> Result<Vec<Image>> {
        self.images_at(Step::Other("listing images")).await
    }

    pub(super) async fn images_at(&self, step: Step) -> Result<Vec<Image>> {
        let call = Call::post(step, ["api", "v1", "engines", "sandbox", "getImages"], Body::Empty).harmless();
        let answer = self.send(step, call).await?;
        self.opened(step, answer).await
    }

    /// What it says of its health: `OK`.
    ///
    /// # Errors
    /// No key; anything but success.
    pub async fn health(&self) -> Result<String> {
        let call = Call::get(Step::Availability, ["api", "v1", "maintenance", "checkHealth"]);
        let answer = self.send(Step::Availability, call).await?;
        let data: Value = self.opened(Step::Availability, answer).await?;
        match data["status"].as_str() {
            Some(status) if !status.is_empty() => Ok(status.to_owned()),
            _ => Err(self.malformed(Step::Availability, "there is no `status` in it")),
        }
    }

    /// Its version.
    ///
    /// # Errors
    /// No key; anything but success.
    pub async fn version(&self) -> Result<Version> {
        let call = Call::get(Step::Availability, ["api", "v1", "maintenance", "getVersion"]);
        let answer = self.send(Step::Availability, call).await?;
        self.opened(Step::Availability, answer).await
    }

    /// The header of a mail, as it is in the mail (debug API).
    ///
    /// # Errors
    /// No key; the mail cannot be read; anything but success.
    pub async fn email_headers(&self, mail: &Origin) -> Result<Download> {
        let step = Step::Other("reading a mail's header");
        let call = Call::post(step, ["api", "debug", "analysis", "getHeaders"], Body::File(mail.clone()));
        Ok(self.send(step, call.harmless()).await?.download())
    }

    /// A file of one's own scans, by `sha256:` and digits, or `md5:` or `sha1:`. What comes is checked against its SHA-256, where that was what
    /// it was asked for by.
    ///
    /// # Errors
    /// No key; there is none; anything but success. Within the bytes, [`ErrorKind::Malformed`] at their end if they are others.
    pub async fn download(&self, file_uri: &str) -> Result<Download> {
        let body = Body::Json(json!({"file_uri": file_uri}));
        let call = Call::post(Step::Artifact, ["api", "v1", "storage", "downloadArtifact"], body).harmless();
        let mut download = self.send(Step::Artifact, call).await?.download();
        if let Some(digits) = file_uri.strip_prefix("sha256:") {
            let wrong = self.malformed(Step::Artifact, "what came has another SHA-256 than it was asked for by");
            download.bytes = Box::pin(checked(download.bytes, digits.to_ascii_lowercase(), wrong));
        }
        Ok(download)
    }
}

#[derive(Deserialize)]
struct ListedPage {
    tasks: Option<Vec<ListedTask>>,
    #[serde(default)]
    next_cursor: String,
    #[serde(flatten)]
    errors: Envelope,
}

/// The bytes, and an error after them if they have another hash.
fn checked(
    bytes: futures_util::stream::BoxStream<'static, Result<bytes::Bytes>>,
    digits: String,
    wrong: crate::Error,
) -> impl Stream<Item = Result<bytes::Bytes>> + Send {
    let start = (bytes, Sha256::new(), digits, wrong);
    futures_util::stream::try_unfold(start, |(mut bytes, mut hasher, digits, wrong)| async move {
        if let Some(piece) = bytes.try_next().await? {
            hasher.update(&piece);
            return Ok(Some((piece, (bytes, hasher, digits, wrong))));
        }
        let found: String = hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
        if found == digits { Ok(None) } else { Err(wrong) }
    })
}

/// A list as JSON in ASCII.
fn ascii_json(texts: &[String]) -> String {
    let mut written = String::new();
    for sign in json!(texts).to_string().chars() {
        if sign.is_ascii() {
            written.push(sign);
        } else {
            let mut units = [0; 2];
            for unit in sign.encode_utf16(&mut units) {
                written.push_str(&format!("\\u{unit:04x}"));
            }
        }
    }
    written
}

/// What "not found" may mean of a scan.
fn forgotten(error: crate::Error) -> crate::Error {
    match error.kind {
        ErrorKind::NotFound(message) => {
            let message = format!("{message} (scans that failed are forgotten after three hours)");
            crate::Error { kind: ErrorKind::NotFound(message), ..error }
        }
        _ => error,
    }
}
