//! PT Sandbox of Positive Technologies: its Public API, its debug API and the API of its web interface.
//!
//! Three ways in, with two sorts of credentials:
//!
//! - **Public API**, with a key: [`Pt`] itself, and the trait [`Sandbox`](crate::Sandbox) on top of it.
//! - **debug API**, with the same key: [`Pt::analyse_behaviour`], [`Pt::email_headers`].
//! - **the web interface's API**, with a login and a password: [`Pt::ui`], for who runs the installation.
//!
//! Tasks are always created without waiting for their end: a synchronous call keeps a connection silent for minutes, which proxies cut, and
//! cannot be sent again. [`wait`](crate::wait()) waits instead.
//!
//! An answer that cannot be read is [`ErrorKind::Malformed`] here, and never taken for a report that is not ready yet.

mod cookies;
mod licence;
mod options;
mod page;
mod public;
mod report;
mod rescan;
mod sandbox;
mod session;
mod settings;
mod sources;
mod summary;
mod system;
mod tasks;
mod tree;
mod wire;
pub mod words;

use http::{HeaderName, header};
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::sync::Mutex;

use crate::config::Given;
use crate::error::{ErrorKind, Result, Step};
use crate::http::{Answer, Call, Settings, Transport};
use crate::sandbox::Vendor;
use crate::secret::Secret;

pub use licence::{AvEngine, Licence, LicenceState, LicenceUpdate};
pub use options::{
    Behaviour, BehaviourOptions, DebugOptions, ExtraFile, Machine, MachineOptions, Scan, ScanOptions, SourceScan,
};
pub use page::MAX_EMPTY_PAGES;
pub use public::{Image, ListedTask, TaskStatus, Upload, Version};
pub use report::{
    ContentArtifact, Detection, EngineDetails, EngineResult, FileDetails, FileInfo, Log, NetworkObject, Outcome,
    ProblemOf, Process, ScanReport, Stage, SuspiciousBehaviour, VirtualMachine,
};
pub use rescan::MAX_TRACE_BYTES;
pub use session::Account;
pub use settings::{Capacity, ComponentStorage, SystemSettings, patch};
pub use sources::{NewToken, Source, Token, Tokens};
pub use system::{Cluster, Component, Event, Node, Pod, SystemVersion};
pub use tasks::{ColumnsOf, Correlation, FilterValues, Page, QueueOf, QueuedTask, Task, TaskQuery, UNFINISHED};
pub use tree::{NodeInfo, Tree, TreeNode, TreeQuery};

/// Bytes of an answer that is read whole, at most, whatever the settings say: it is held as values, which are larger than their text.
pub const MAX_ANSWER_BYTES: u64 = 32 << 20;

/// The header of the key.
const KEY: HeaderName = HeaderName::from_static("x-api-key");

/// How a PT Sandbox is reached.
#[derive(Debug, Clone)]
pub struct PtSettings {
    /// Where it is: `https://HOST`, for all three of its APIs.
    pub http: Settings,
    /// The key of the Public API. Without one only the web interface's API can be used.
    pub key: Option<Secret>,
    /// The key is bound to a source, which says how its files are scanned (`SCAN_WITH_PREDEFINED_SETTINGS`). False by default: each
    /// scan says that itself (`SCAN_WITH_EXTENDED_SETTINGS`).
    pub source: bool,
    /// Who logs in to the web interface; nobody by default.
    pub account: Option<Account>,
}

/// As a configured sandbox has them: an account is there when both `login` and `password` are.
impl From<Given> for PtSettings {
    fn from(given: Given) -> Self {
        let account = given.text("login").zip(given.secret("password")).map(|(login, password)| Account {
            login,
            password,
            ldap: given.flag("ldap").unwrap_or(false),
            login_host: given.text("login_host"),
        });
        let (key, source) = (given.secret("key"), given.flag("source").unwrap_or(false));
        Self { http: given.http, key, source, account }
    }
}

/// A PT Sandbox.
///
/// - Verdicts are its own words: `CLEAN` is clean, but only of a scan that was `FULL`; `UNWANTED` ("potentially dangerous") is suspicious;
///   `DANGEROUS` is malicious. There is no number, and none is made up.
/// - A report is only given to the key that the scan was started with.
/// - Scans that failed are forgotten after three hours: they are not found then.
/// - It does not look hashes up, does not delete, and tells of its queue only in the web interface.
#[derive(Debug)]
pub struct Pt {
    transport: Transport,
    settings: PtSettings,
    session: Mutex<Option<session::Session>>,
}

impl Pt {
    /// For an address. Nothing is sent.
    ///
    /// # Errors
    /// The address or another setting is wrong.
    pub fn new(mut settings: PtSettings) -> Result<Self> {
        settings.http.max_answer_bytes = settings.http.max_answer_bytes.min(MAX_ANSWER_BYTES);
        let password = settings.account.as_ref().map(|account| account.password.clone());
        let secrets = settings.key.iter().cloned().chain(password).collect();
        let transport = Transport::new(settings.http.clone(), Vendor::Pt, secrets)?;
        Ok(Self { transport, settings, session: Mutex::new(None) })
    }

    /// The web interface's API.
    ///
    /// # Errors
    /// No account is configured.
    pub fn ui(&self) -> Result<Ui<'_>> {
        match &self.settings.account {
            Some(account) => Ok(Ui { pt: self, account }),
            None => {
                let problem = "the web interface's API wants a login and a password, and none is configured";
                Err(self.error(Step::LogIn, ErrorKind::Invalid(problem.to_owned())))
            }
        }
    }

    /// Its page about a task.
    #[must_use]
    pub fn link(&self, scan_id: &str) -> String {
        let id = percent_encoding::utf8_percent_encode(scan_id, percent_encoding::NON_ALPHANUMERIC).to_string();
        format!("{}/tasks/{}", self.settings.http.address.trim_end_matches('/'), id.replace("%2D", "-"))
    }

    fn error(&self, step: Step, kind: ErrorKind) -> crate::Error {
        self.transport.error(step, kind)
    }

    fn malformed(&self, step: Step, problem: impl Into<String>) -> crate::Error {
        self.error(step, ErrorKind::Malformed(problem.into()))
    }

    fn invalid(&self, step: Step, problem: impl Into<String>) -> crate::Error {
        self.error(step, ErrorKind::Invalid(problem.into()))
    }

    /// Sends with the key; anything but success is an error, in the server's words.
    async fn send(&self, step: Step, call: Call) -> Result<Answer> {
        let Some(key) = &self.settings.key else {
            return Err(self.invalid(step, "the Public API wants a key, and none is configured"));
        };
        self.checked(call.header(KEY, key.reveal())).await
    }

    async fn checked(&self, call: Call) -> Result<Answer> {
        let answer = self.transport.send(call).await?;
        if answer.status().is_success() { Ok(answer) } else { Err(answer.into_error(wire::words).await) }
    }

    /// What is inside an envelope.
    async fn opened<T: DeserializeOwned>(&self, step: Step, answer: Answer) -> Result<T> {
        self.open(step, answer.json().await?)
    }

    fn open<T: DeserializeOwned>(&self, step: Step, envelope: wire::Envelope) -> Result<T> {
        if let Some(kind) = envelope.error() {
            return Err(self.error(step, kind));
        }
        let data = envelope.data.ok_or_else(|| self.malformed(step, "there is no `data` in the answer"))?;
        serde_json::from_value(data).map_err(|error| self.malformed(step, error.to_string()))
    }
}

/// The web interface's API: what who runs the installation sees. It is not documented by its vendor, so that members that are not known
/// here are kept, in `others`.
#[derive(Debug, Clone, Copy)]
pub struct Ui<'a> {
    pt: &'a Pt,
    account: &'a Account,
}

impl Ui<'_> {
    /// Sends, logged in, and once more after a new login when the session has ended.
    async fn send(&self, step: Step, call: Call) -> Result<Answer> {
        let mut again = true;
        loop {
            let pass = self.pass(step).await?;
            let with_pass = pass.apply(call.clone().header(header::ACCEPT, "application/json"));
            let answer = self.pt.transport.send(with_pass).await?;
            if answer.status() == 401 && again {
                again = false;
                self.forget(&pass).await;
                continue;
            }
            return if answer.status().is_success() { Ok(answer) } else { Err(answer.into_error(wire::words).await) };
        }
    }

    /// An answer without an envelope.
    async fn flat<T: DeserializeOwned>(&self, step: Step, call: Call) -> Result<T> {
        let wire::Tidy(value) = self.send(step, call).await?.json::<wire::Tidy<Value>>().await?;
        if let Some(kind) = wire::Envelope::of(&value).and_then(|envelope| envelope.error()) {
            return Err(self.pt.error(step, kind));
        }
        serde_json::from_value(value).map_err(|error| self.pt.malformed(step, error.to_string()))
    }

    /// An answer in an envelope.
    async fn enveloped<T: DeserializeOwned>(&self, step: Step, call: Call) -> Result<T> {
        let answer = self.send(step, call).await?;
        self.pt.opened(step, answer).await
    }

    /// Asks for anything, by its path below `/api/ui`, such as `["v2", "system", "status"]`: for what there is no method for. The answer as it
    /// comes, with its envelope if it has one.
    ///
    /// # Errors
    /// As [`Transport::send`]; no login; anything but success.
    pub async fn get(&self, path: &[&str], query: &[(&str, &str)]) -> Result<Value> {
        let step = Step::Other("asking the web interface");
        let call = query.iter().fold(get(step, path), |call, (name, value)| call.query(name, *value));
        self.send(step, call).await?.json().await
    }
}

/// A question to the web interface's API.
fn get(step: Step, path: &[&str]) -> Call {
    Call::get(step, ["api", "ui"].iter().chain(path))
}
