//! PremierLangage's execution API, and so that of `belljar serve`: commands in somebody else's sandbox, and the environments that they leave.
//!
//! ```no_run
//! use belljar_client::execution::{Execution, ExecutionSettings, Request, Status};
//!
//! # async fn example() -> belljar_client::Result<()> {
//! let server = Execution::new(ExecutionSettings::new("lab", "http://127.0.0.1:7000"))?;
//! let request = Request::new(["gcc -o answer answer.c", "./answer"]);
//! let archive = belljar_client::execution::Archive::path("answer.tgz");
//! let outcome = server.execute(&request, Some(&archive)).await?;
//! match outcome.status {
//!     Status::Success => println!("{}", outcome.last_output()),
//!     other => println!("{other}: {}", outcome.last_errors()),
//! }
//! # Ok(())
//! # }
//! ```

mod facts;
mod failure;
mod outcome;
mod request;
mod validate;

use std::path::PathBuf;
use std::time::Duration;

use bytes::Bytes;
use http::{Method, header};
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::io::AsyncRead;

pub use facts::{
    Container, ContainerCpu, ContainerIo, ContainerMemory, Cpu, Fact, Host, Libraries, Memory, Network, Packages,
    Specifications, Usage, UsageCpu, UsageIo,
};
pub use failure::{HttpError, Reason, Response};
pub use outcome::{Executed, Outcome, Status};
pub use request::{Command, Request};
pub use validate::{InvalidConfig, validate};

use crate::config::Given;
use crate::error::{ErrorKind, Result, Step};
use crate::http::{Answer, Body, Call, Part, Settings, Transport};
use crate::sample::Origin;
use crate::sandbox::{Download, Vendor};
use crate::secret::Secret;

/// Time of a whole call by default: a wait for a sandbox (2 s), the commands (10 s), and what is sent before and after.
const TOTAL: Duration = Duration::from_secs(60);
/// What an archive without a name is called. A part without a file name is no file to the server.
const NAMELESS: &str = "environment";

/// How an execution server is reached.
#[derive(Debug, Clone)]
pub struct ExecutionSettings {
    /// Where it is, with or without a slash at the end. The time-outs are here: to connect, between two bytes, and in all.
    pub http: Settings,
    /// A key, where the server has some: belljar's may, PremierLangage's knows none.
    pub key: Option<Secret>,
}

impl ExecutionSettings {
    /// For a server of this name at this address, without a key: 10 s to connect, 60 s without a byte, 60 s in all.
    pub fn new(name: impl Into<String>, address: impl Into<String>) -> Self {
        let mut http = Settings::new(name, address);
        http.total_timeout = Some(TOTAL);
        Self { http, key: None }
    }

    /// Of a configured server, whose product is `premierlangage`; the times that it does not set are those of [`ExecutionSettings::new`].
    #[must_use]
    pub fn of(given: Given) -> Self {
        let key = given.secret("key");
        let mut http = given.http;
        http.total_timeout.get_or_insert(TOTAL);
        Self { http, key }
    }
}

/// A gzip-compressed tar that is unpacked where the commands run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Archive {
    /// A name for it, which servers do not look at.
    pub name: String,
    /// Its bytes.
    pub origin: Origin,
}

impl Archive {
    /// A file on the disk, streamed.
    pub fn path(path: impl Into<PathBuf>) -> Self {
        let path = path.into();
        let name = path.file_name().map_or_else(|| NAMELESS.to_owned(), |name| name.to_string_lossy().into_owned());
        Self { name, origin: Origin::Path(path) }
    }

    /// Bytes in memory.
    pub fn bytes(bytes: impl Into<Bytes>) -> Self {
        Self { name: NAMELESS.to_owned(), origin: Origin::Bytes(bytes.into()) }
    }

    /// What a stream holds, to its end: see [`Origin::read`].
    ///
    /// # Errors
    /// As [`Origin::read`].
    pub async fn read(stream: impl AsyncRead + Send, limit: u64) -> std::io::Result<Self> {
        Ok(Self { name: NAMELESS.to_owned(), origin: Origin::read(stream, limit).await? })
    }
}

/// Whether something is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Presence {
    /// It is not.
    Absent,
    /// It is.
    Present {
        /// Its length in bytes, if it is told.
        length: Option<u64>,
    },
}

impl Presence {
    /// Whether it is there, however long it is.
    #[must_use]
    pub const fn is_present(self) -> bool {
        matches!(self, Self::Present { .. })
    }
}

/// A server that executes.
///
/// - Success is 200 and nothing else; any other status is [`ErrorKind::Http`], with the answer in it. Redirects are not followed.
/// - An execution is sent again only where it cannot have begun: no connection came about, or the server said 503 or 429. What only reads
///   is sent again after a broken connection, too.
/// - Paths and ids are encoded segment by segment. A path with a segment `.` or `..` is refused: it would be another path on its way.
#[derive(Debug, Clone)]
pub struct Execution {
    transport: Transport,
    key: Option<Secret>,
}

impl Execution {
    /// For an address. Nothing is sent.
    ///
    /// # Errors
    /// The address or another setting is wrong.
    pub fn new(settings: ExecutionSettings) -> Result<Self> {
        let secrets = settings.key.iter().cloned().collect();
        Ok(Self { transport: Transport::new(settings.http, Vendor::PremierLangage, secrets)?, key: settings.key })
    }

    /// Its name in the configuration, for errors.
    #[must_use]
    pub fn name(&self) -> &str {
        self.transport.name()
    }

    /// Executes. That a command fails, or is out of time, is no error but an [`Outcome`].
    ///
    /// # Errors
    /// There is no command; the archive cannot be read; the server could not be asked, refused, or answered something else than an outcome.
    pub async fn execute(&self, request: &Request, archive: Option<&Archive>) -> Result<Outcome> {
        if request.commands.is_empty() {
            let problem = ErrorKind::Invalid("there is no command to execute".to_owned());
            return Err(self.transport.error(Step::Execute, problem));
        }
        self.post(&request.to_json(), archive).await?.json().await
    }

    /// Executes what a configuration in the protocol's own JSON says, which is sent as it is, and gives the server's JSON, unread.
    ///
    /// # Errors
    /// As [`Execution::execute`]; that there is no command is for the server to say.
    pub async fn execute_json(&self, config: &Value, archive: Option<&Archive>) -> Result<Value> {
        self.post(config, archive).await?.json().await
    }

    async fn post(&self, config: &Value, archive: Option<&Archive>) -> Result<Answer> {
        let config = config.to_string();
        let body = match archive {
            None => Body::Form(vec![("config".to_owned(), config)]),
            Some(archive) => {
                let name = if archive.name.is_empty() { NAMELESS } else { &archive.name };
                Body::Multipart(vec![Part::field("config", config), Part::file("environment", name, &archive.origin)])
            }
        };
        self.send(Call::post(Step::Execute, ["execute", ""], body).again_when_unavailable()).await
    }

    /// Downloads a saved environment: a gzip-compressed tar. The total time-out does not count for what is streamed, the one between two bytes does.
    ///
    /// # Errors
    /// There is none of this id (any more), or the server could not be asked.
    pub async fn download_environment(&self, id: &str) -> Result<Download> {
        self.download(Step::Other("downloading the environment"), id, None).await
    }

    /// Downloads a file out of a saved environment, by its path relative to the working directory. As [`Execution::download_environment`].
    ///
    /// # Errors
    /// There is no such environment or file, or the server could not be asked.
    pub async fn download_file(&self, id: &str, path: &str) -> Result<Download> {
        self.download(Step::Other("downloading the file"), id, Some(path)).await
    }

    async fn download(&self, step: Step, id: &str, path: Option<&str>) -> Result<Download> {
        let call = self.about(step, Method::GET, id, path)?;
        let mut download = self.send(call).await?.download();
        // The server writes it down unquoted, or in an encoding of its own. It is known here.
        if let Some(name) = path.and_then(|path| path.rsplit('/').find(|name| !name.is_empty())) {
            download.name = Some(name.to_owned());
        }
        Ok(download)
    }

    /// Whether an environment is there, and how long its archive is.
    ///
    /// # Errors
    /// The server could not be asked, or said something else.
    pub async fn check_environment(&self, id: &str) -> Result<Presence> {
        self.check(Step::Other("asking for the environment"), id, None).await
    }

    /// Whether a file is in a saved environment, and how long it is.
    ///
    /// # Errors
    /// The server could not be asked, or said something else.
    pub async fn check_file(&self, id: &str, path: &str) -> Result<Presence> {
        self.check(Step::Other("asking for the file"), id, Some(path)).await
    }

    async fn check(&self, step: Step, id: &str, path: Option<&str>) -> Result<Presence> {
        // Some servers send a body where there must be none. Nobody else shall read it.
        let call = self.about(step, Method::HEAD, id, path)?.header(header::CONNECTION, "close");
        let answer = self.transport.send(self.with_key(call)).await?;
        match answer.status().as_u16() {
            200 => {
                let length = answer.headers().get(header::CONTENT_LENGTH);
                Ok(Presence::Present { length: length.and_then(|length| length.to_str().ok()?.parse().ok()) })
            }
            404 => Ok(Presence::Absent),
            _ => Err(answer.into_http_error().await),
        }
    }

    /// A call about an environment, or a file in it.
    fn about(&self, step: Step, method: Method, id: &str, path: Option<&str>) -> Result<Call> {
        if id.is_empty() || path.is_some_and(str::is_empty) {
            let problem = if id.is_empty() { "the id of the environment is empty" } else { "the path is empty" };
            return Err(self.transport.error(step, ErrorKind::Invalid(problem.to_owned())));
        }
        let root = if path.is_some() { "files" } else { "environments" };
        let segments = [root, id].into_iter().chain(path.into_iter().flat_map(|path| path.split('/'))).chain([""]);
        Ok(Call::new(step, method, segments))
    }

    /// What the server and its sandboxes are.
    ///
    /// # Errors
    /// The server could not be asked, or said something else: releases before 3.0 have another form, see [`Execution::fact`].
    pub async fn specifications(&self) -> Result<Specifications> {
        self.read(Fact::Specifications).await
    }

    /// How busy the server is; nothing from one that has no such question (before 3.0). PremierLangage's takes two seconds for it.
    ///
    /// # Errors
    /// The server could not be asked, or said something else.
    pub async fn usage(&self) -> Result<Option<Usage>> {
        match self.read(Fact::Usage).await {
            Ok(usage) => Ok(Some(usage)),
            Err(error) if matches!(&error.kind, ErrorKind::Http(error) if error.reason() == Reason::NotFound) => {
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// What is installed in the sandboxes.
    ///
    /// # Errors
    /// The server could not be asked, or said something else.
    pub async fn libraries(&self) -> Result<Libraries> {
        self.read(Fact::Libraries).await
    }

    /// A fact as the server's JSON, unread.
    ///
    /// # Errors
    /// The server could not be asked, or said something else than JSON.
    pub async fn fact(&self, fact: Fact) -> Result<Value> {
        self.read(fact).await
    }

    async fn read<T: DeserializeOwned + Send + 'static>(&self, fact: Fact) -> Result<T> {
        self.send(Call::get(fact.step(), [fact.path(), ""])).await?.json().await
    }

    fn with_key(&self, call: Call) -> Call {
        match &self.key {
            Some(key) => call.header(header::AUTHORIZATION, &format!("Bearer {}", key.reveal())),
            None => call,
        }
    }

    /// Sends; anything but 200 is an error that holds the answer.
    async fn send(&self, call: Call) -> Result<Answer> {
        let answer = self.transport.send(self.with_key(call)).await?;
        if answer.status() == 200 { Ok(answer) } else { Err(answer.into_http_error().await) }
    }
}
