//! Sends requests.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use http::{StatusCode, header};
use tokio::time::{Instant, sleep};

use super::address::passwords_in;
use super::answer::Answer;
use super::call::{Body, Call};
use super::context::{Context, Shared};
use super::multipart;
use super::pace::Pace;
use super::progress::Progress;
use super::settings::Settings;
use crate::error::{Error, ErrorKind, Result, Step};
use crate::sandbox::Vendor;
use crate::secret::Secret;

/// Secrets that a server has given and that are remembered: those in use, and those of requests still under way.
const MAX_GIVEN: usize = 8;
/// Before the first retry; doubled for each later one, with as much again at random.
const FIRST_PAUSE: Duration = Duration::from_millis(200);
/// A server that wants a longer pause is told of to the caller instead.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

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
            shared.settings.client().map_err(|problem| context.error(ErrorKind::Invalid(context.hide(&problem))))?;
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
