//! Sends requests.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use http::{HeaderName, HeaderValue, Method, StatusCode, header};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use tokio::time::{Instant, sleep, timeout, timeout_at};

use super::address::{passwords_in, without_password};
use super::answer::Answer;
use super::multipart::{self, Part};
use super::pace::Pace;
use super::progress::Progress;
use crate::error::{Error, ErrorKind, Result, Step};
use crate::sample::Origin;
use crate::sandbox::Vendor;
use crate::secret::Secret;

/// What need not be encoded in a segment of a path (RFC 3986, `unreserved`).
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
/// Secrets that a server has given and that are remembered: those in use, and those of requests still under way.
const MAX_GIVEN: usize = 8;
/// Letters of a text that an error quotes.
const MAX_SAID: usize = 1000;
/// Before the first retry; doubled for each later one, with as much again at random.
const FIRST_PAUSE: Duration = Duration::from_millis(200);
/// A server that wants a longer pause is told of to the caller instead.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// How a sandbox is reached. Its `Debug` shows no secrets.
#[derive(Clone)]
pub struct Settings {
    /// Its name in errors and tables.
    pub name: String,
    /// Where it is: with or without a slash at the end, a path is kept. A user and a password in it are sent as basic authentication.
    pub address: String,
    /// Time for a connection. 10 s by default.
    pub connect_timeout: Duration,
    /// Time without a byte from the server, while it does not take any of an upload either. 60 s by default.
    pub read_timeout: Duration,
    /// Time of a whole call, retries, the upload and an answer that is read whole included, and of a download what comes before its first
    /// byte; none by default, because samples are of any size.
    pub total_timeout: Option<Duration>,
    /// Tries of a request that may be sent again. 3 by default.
    pub tries: u32,
    /// Requests at once. 8 by default.
    pub concurrency: usize,
    /// Requests in a minute; no limit by default.
    pub per_minute: Option<u32>,
    /// A proxy: `http://`, `https://` or `socks5h://`. Variables of the environment are not looked at.
    pub proxy: Option<Secret>,
    /// Certificates that are trusted besides the system's, as PEM.
    pub authorities: Vec<Vec<u8>>,
    /// Whether the server's certificate is checked. True by default.
    pub verify: bool,
    /// Bytes of an answer that is read whole. 256 MiB by default: reports are large.
    pub max_answer_bytes: u64,
    /// The user agent. `belljar-client/VERSION` by default.
    pub user_agent: String,
}

impl fmt::Debug for Settings {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Settings")
            .field("name", &self.name)
            .field("address", &without_password(&self.address))
            .field("verify", &self.verify)
            .finish_non_exhaustive()
    }
}

impl Settings {
    /// The defaults, for a sandbox of this name at this address.
    pub fn new(name: impl Into<String>, address: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            address: address.into(),
            connect_timeout: Duration::from_secs(10),
            read_timeout: Duration::from_secs(60),
            total_timeout: None,
            tries: 3,
            concurrency: 8,
            per_minute: None,
            proxy: None,
            authorities: Vec::new(),
            verify: true,
            max_answer_bytes: 256 << 20,
            user_agent: concat!("belljar-client/", env!("CARGO_PKG_VERSION")).to_owned(),
        }
    }
}

/// What a call sends.
#[derive(Debug, Clone, Default)]
pub enum Body {
    /// Nothing.
    #[default]
    Empty,
    /// A form.
    Form(Vec<(String, String)>),
    /// JSON.
    Json(serde_json::Value),
    /// A form with files.
    Multipart(Vec<Part>),
    /// A file as it is, read anew each time it is sent, as `application/octet-stream`.
    File(Origin),
}

/// One request.
#[derive(Debug, Clone)]
pub struct Call {
    step: Step,
    method: Method,
    path: String,
    query: Vec<(String, String)>,
    headers: Vec<(HeaderName, HeaderValue)>,
    body: Body,
    again: bool,
    /// Also after a 503, although it may not be sent again otherwise.
    after_unavailable: bool,
    /// A segment is `.` or `..`, encoded or not: addresses are shortened by those wherever they are read.
    dots: bool,
}

impl Call {
    /// A request for `path`, whose segments are encoded one by one; a slash at its end is kept. One that only reads is sent again when it fails.
    pub fn new(step: Step, method: Method, path: impl IntoIterator<Item = impl AsRef<str>>) -> Self {
        let mut dots = false;
        let segments = path.into_iter().map(|segment| {
            dots |= matches!(segment.as_ref(), "." | "..");
            utf8_percent_encode(segment.as_ref(), SEGMENT).to_string()
        });
        let path = segments.collect::<Vec<_>>().join("/");
        let again = method == Method::GET || method == Method::HEAD;
        Self {
            step,
            method,
            path,
            query: Vec::new(),
            headers: Vec::new(),
            body: Body::Empty,
            again,
            after_unavailable: false,
            dots,
        }
    }

    /// A GET of what a server has named: a path with a query, encoded already, without a slash at its beginning.
    pub(crate) fn located(step: Step, target: &str) -> Self {
        Self { path: target.to_owned(), ..Self::get(step, [""; 0]) }
    }

    /// A GET.
    pub fn get(step: Step, path: impl IntoIterator<Item = impl AsRef<str>>) -> Self {
        Self::new(step, Method::GET, path)
    }

    /// A POST.
    pub fn post(step: Step, path: impl IntoIterator<Item = impl AsRef<str>>, body: Body) -> Self {
        Self { body, ..Self::new(step, Method::POST, path) }
    }

    /// Sends this, whatever the method.
    #[must_use]
    pub fn with(mut self, body: Body) -> Self {
        self.body = body;
        self
    }

    /// A PUT. What it sets is the same after it was sent twice, so that it is sent again when it fails.
    pub fn put(step: Step, path: impl IntoIterator<Item = impl AsRef<str>>, body: Body) -> Self {
        Self { body, again: true, ..Self::new(step, Method::PUT, path) }
    }

    /// A DELETE. Sent once: when it is not known whether it has arrived, asking shows.
    pub fn delete(step: Step, path: impl IntoIterator<Item = impl AsRef<str>>) -> Self {
        Self::new(step, Method::DELETE, path)
    }

    /// What it is for.
    #[must_use]
    pub const fn step(&self) -> Step {
        self.step
    }

    /// Adds to the query.
    #[must_use]
    pub fn query(mut self, name: &str, value: impl Into<String>) -> Self {
        self.query.push((name.to_owned(), value.into()));
        self
    }

    /// Adds a header; one with impossible characters is left out, and the server will say what it misses.
    #[must_use]
    pub fn header(mut self, name: HeaderName, value: &str) -> Self {
        if let Ok(mut value) = HeaderValue::from_str(value) {
            value.set_sensitive(true);
            self.headers.push((name, value));
        }
        self
    }

    /// It changes something, although it is a GET: it must not be sent again.
    #[must_use]
    pub const fn once(mut self) -> Self {
        self.again = false;
        self
    }

    /// It changes nothing, although it is no GET: it may be sent again.
    #[must_use]
    pub const fn harmless(mut self) -> Self {
        self.again = true;
        self
    }

    /// Here a 503 says that nothing has happened: it may be sent again after one, and only then.
    #[must_use]
    pub const fn again_when_unavailable(mut self) -> Self {
        self.after_unavailable = true;
        self
    }
}

/// What errors need to know, and what they must not say.
#[derive(Debug, Clone)]
pub(super) struct Context {
    shared: Arc<Shared>,
    step: Step,
    /// When the call must be over.
    end: Option<Instant>,
}

#[derive(Debug)]
struct Shared {
    settings: Settings,
    vendor: Vendor,
    secrets: Vec<Secret>,
    /// Secrets that the server has given, the newest last.
    given: RwLock<VecDeque<Secret>>,
    pace: Pace,
}

impl Context {
    pub(super) fn max_answer_bytes(&self) -> u64 {
        self.shared.settings.max_answer_bytes
    }

    /// An error. Whoever made its text may have quoted the server: secrets are taken out here, and no more is kept than somebody reads.
    pub(super) fn error(&self, kind: ErrorKind) -> Error {
        let kind = kind.saying(|text| self.said(text));
        Error { sandbox: self.shared.settings.name.clone(), vendor: self.shared.vendor, step: self.step, kind }
    }

    /// The server has been silent for too long.
    pub(super) fn silent(&self) -> Error {
        self.error(ErrorKind::TimedOut { limit: "read", after: self.shared.settings.read_timeout })
    }

    /// Waits for something of the server, as long as it may be silent.
    pub(super) async fn heard<T>(&self, next: impl Future<Output = T>) -> Result<T> {
        timeout(self.shared.settings.read_timeout, next).await.map_err(|_| self.silent())
    }

    /// Keeps a part of the call to the time of the whole.
    pub(super) async fn in_time<T>(&self, part: impl Future<Output = Result<T>>) -> Result<T> {
        let (Some(end), Some(after)) = (self.end, self.shared.settings.total_timeout) else { return part.await };
        match timeout_at(end, part).await {
            Ok(done) => done,
            Err(_) => Err(self.error(ErrorKind::TimedOut { limit: "total", after })),
        }
    }

    /// A text without secrets.
    pub(super) fn hide(&self, text: &str) -> String {
        let given = self.shared.given.read().unwrap_or_else(PoisonError::into_inner);
        self.shared.secrets.iter().chain(&*given).fold(text.to_owned(), |text, secret| secret.hide_in(&text))
    }

    /// A server's words, without secrets and as far as somebody reads them.
    pub(super) fn said(&self, text: &str) -> String {
        let mut said = self.hide(text);
        if let Some((end, _)) = said.char_indices().nth(MAX_SAID) {
            said.truncate(end);
            said.push('…');
        }
        said
    }

    /// Bytes without secrets; nothing where there are none in them.
    pub(super) fn hide_bytes(&self, bytes: &[u8]) -> Option<Vec<u8>> {
        let text = String::from_utf8_lossy(bytes);
        let hidden = self.hide(&text);
        (hidden != text).then(|| hidden.into_bytes())
    }

    /// The beginning of an answer, on one line.
    pub(super) fn shown(&self, body: &[u8], most: usize) -> String {
        let text = String::from_utf8_lossy(body);
        let line = self.hide(&text.split_whitespace().collect::<Vec<_>>().join(" "));
        match line.char_indices().nth(most) {
            Some((end, _)) => format!("{}…", &line[..end]),
            None => line,
        }
    }

    pub(super) fn transport(&self, error: &reqwest::Error, sent: bool) -> Error {
        let settings = &self.shared.settings;
        if error.is_timeout() {
            let (limit, after) = match error.is_connect() {
                true => ("connect", settings.connect_timeout),
                false => ("read", settings.read_timeout),
            };
            return self.error(ErrorKind::TimedOut { limit, after });
        }
        let mut reason = String::new();
        let mut cause: Option<&dyn std::error::Error> = std::error::Error::source(error);
        while let Some(inner) = cause {
            // The innermost says what happened; those around it say that something did.
            reason = inner.to_string();
            cause = inner.source();
        }
        let reason = if reason.is_empty() { "the connection broke".to_owned() } else { self.hide(&reason) };
        self.error(ErrorKind::Transport { reason, sent: sent && !error.is_connect() })
    }
}

/// Sends requests to one sandbox.
#[derive(Debug, Clone)]
pub struct Transport {
    client: reqwest::Client,
    shared: Arc<Shared>,
}

impl Transport {
    /// For a sandbox; `secrets` are kept out of all that is said.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`] for an address, proxy or certificate that is none.
    pub fn new(settings: Settings, vendor: Vendor, mut secrets: Vec<Secret>) -> Result<Self> {
        secrets.extend(settings.proxy.clone());
        secrets.extend(passwords_in(&settings.address));
        let pace = Pace::new(settings.concurrency, settings.per_minute);
        let shared = Arc::new(Shared { settings, vendor, secrets, given: RwLock::default(), pace });
        let context = Context { shared: Arc::clone(&shared), step: Step::Other("reading the settings"), end: None };
        let client =
            build(&shared.settings).map_err(|problem| context.error(ErrorKind::Invalid(context.hide(&problem))))?;
        Ok(Self { client, shared })
    }

    /// The sandbox's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.shared.settings.name
    }

    /// Keeps a secret that the server has given, a token of a session, out of all that is said from now on. Of the oldest of more than
    /// eight nothing is known any more: they have expired.
    pub fn keep_secret(&self, secret: Secret) {
        let mut given = self.shared.given.write().unwrap_or_else(PoisonError::into_inner);
        // One that is given again is the newest again, and pushes nothing out.
        given.retain(|known| *known != secret);
        given.push_back(secret);
        if given.len() > MAX_GIVEN {
            given.pop_front();
        }
    }

    /// An error of a step, for what an answer says.
    #[must_use]
    pub fn error(&self, step: Step, kind: ErrorKind) -> Error {
        self.context(step).error(kind)
    }

    /// What a server says, for people: without secrets, and no more than somebody reads.
    #[must_use]
    pub fn said(&self, text: &str) -> String {
        self.context(Step::Other("")).said(text)
    }

    fn context(&self, step: Step) -> Context {
        Context { shared: Arc::clone(&self.shared), step, end: None }
    }

    /// Sends a request, and again where that is safe: one that may be repeated, after no answer or one of 429, 502, 503 and 504; any other only
    /// where no connection came about, or after a 429. `Retry-After` is kept to.
    ///
    /// # Errors
    /// The last try's. An answer of any status is no error here.
    pub async fn send(&self, call: Call) -> Result<Answer> {
        let mut context = self.context(call.step);
        if call.dots {
            let problem = "a name that is `.` or `..` cannot be asked for".to_owned();
            return Err(context.error(ErrorKind::Invalid(problem)));
        }
        context.end = self.shared.settings.total_timeout.and_then(|total| Instant::now().checked_add(total));
        context.in_time(self.attempts(call, &context)).await
    }

    async fn attempts(&self, call: Call, context: &Context) -> Result<Answer> {
        let mut pause = FIRST_PAUSE;
        for left in (0..self.shared.settings.tries.max(1)).rev() {
            let answer = self.attempt(&call, context).await;
            let wanted = match &answer {
                Ok(answer) => match answer.status() {
                    StatusCode::TOO_MANY_REQUESTS => true,
                    StatusCode::SERVICE_UNAVAILABLE => call.again || call.after_unavailable,
                    StatusCode::BAD_GATEWAY | StatusCode::GATEWAY_TIMEOUT => call.again,
                    _ => false,
                },
                Err(error) => match &error.kind {
                    ErrorKind::Transport { sent, .. } => call.again || !sent,
                    ErrorKind::TimedOut { limit, .. } => call.again || *limit == "connect",
                    _ => false,
                },
            };
            let asked = answer.as_ref().ok().and_then(Answer::retry_after);
            if let Some(asked) = asked.filter(|asked| *asked <= LONGEST_PAUSE) {
                self.shared.pace.hold(asked);
            }
            if !wanted || left == 0 || asked.is_some_and(|asked| asked > LONGEST_PAUSE) {
                return answer;
            }
            let (name, step) = (self.name(), call.step);
            tracing::debug!(sandbox = name, %step, left, "A request is sent again.");
            drop(answer);
            sleep(asked.unwrap_or_default().max(pause + jitter(pause))).await;
            pause *= 2;
        }
        Err(context.error(ErrorKind::Invalid("no try is allowed".to_owned())))
    }

    async fn attempt(&self, call: &Call, context: &Context) -> Result<Answer> {
        // Held until the head of the answer is there; what comes then is the server's business as much as ours.
        let _place = self.shared.pace.enter().await;
        let progress = Progress::default();
        let base = self.shared.settings.address.trim_end_matches('/');
        let mut request = self.client.request(call.method.clone(), format!("{base}/{}", call.path));
        if !call.query.is_empty() {
            request = request.query(&call.query);
        }
        for (name, value) in &call.headers {
            request = request.header(name.clone(), value.clone());
        }
        request = match &call.body {
            Body::Empty => request,
            Body::Form(fields) => request.form(fields),
            Body::Json(value) => request.json(value),
            Body::Multipart(parts) => {
                let form = multipart::open(parts).await.map_err(|error| context.error(ErrorKind::Sample(error)))?;
                request
                    .header(header::CONTENT_TYPE, form.content_type)
                    .header(header::CONTENT_LENGTH, form.length)
                    .body(reqwest::Body::wrap_stream(progress.watched(form.bytes)))
            }
            Body::File(origin) => {
                let (length, bytes) = origin.open().await.map_err(|error| context.error(ErrorKind::Sample(error)))?;
                request
                    .header(header::CONTENT_TYPE, "application/octet-stream")
                    .header(header::CONTENT_LENGTH, length)
                    .body(reqwest::Body::wrap_stream(bytes))
            }
        };
        let response = progress
            .within(self.shared.settings.read_timeout, request.send())
            .await
            .map_err(|_| context.silent())?
            .map_err(|error| context.transport(&error, true))?;
        Ok(Answer { response, ahead: bytes::Bytes::new(), context: context.clone() })
    }
}

/// At random, up to this long.
fn jitter(most: Duration) -> Duration {
    // The random bits of an id: no generator of random numbers is needed for this.
    let bits = (uuid::Uuid::new_v4().as_u128() & 0xffff) as u32;
    most * bits / 0xffff
}

fn build(settings: &Settings) -> std::result::Result<reqwest::Client, String> {
    let address = reqwest::Url::parse(&settings.address).map_err(|error| format!("the address is none: {error}"))?;
    if !matches!(address.scheme(), "http" | "https") {
        return Err(format!("the address begins with {}://, not with http:// or https://", address.scheme()));
    }
    // Who installed one before has chosen.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let mut client = reqwest::Client::builder()
        .user_agent(&settings.user_agent)
        // The time between two bytes is kept by the transport: the library's counts an upload as silence.
        .connect_timeout(settings.connect_timeout)
        // A redirected upload is an upload to somebody else, and a redirected key is lost.
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy()
        .tls_danger_accept_invalid_certs(!settings.verify);
    if let Some(proxy) = &settings.proxy {
        client =
            client.proxy(reqwest::Proxy::all(proxy.reveal()).map_err(|error| format!("the proxy is none: {error}"))?);
    }
    for pem in &settings.authorities {
        let certificates =
            reqwest::Certificate::from_pem_bundle(pem).map_err(|error| format!("a certificate is none: {error}"))?;
        client = client.tls_certs_merge(certificates);
    }
    client.build().map_err(|error| format!("no client can be made: {error}"))
}
