//! One request from its headers to those of its answer, whatever the dialect.

use std::net::IpAddr;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::FutureExt as _;
use http::header::{CACHE_CONTROL, EXPECT, WWW_AUTHENTICATE};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, StatusCode};
use hyper::body::Body;
use tracing::{Instrument as _, debug, error, info, info_span};
use uuid::Uuid;

use crate::backend::Backend;
use crate::body::{Pace, RequestBody, full};
use crate::keys::{ApiKeys, Refusals};
use crate::metrics::{self, Metrics};
use crate::premierlangage::{self, Answer, Dialect, Route, not_found_page, server_error_page, with_body, without_body};
use crate::settings::Config;

/// Bytes of a refused body that are read and dropped so that its client sees the answer.
const LINGER_BYTES: u64 = 16 << 20;

/// How long that may take.
const LINGER_TIME: Duration = Duration::from_secs(2);

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Everything that is served.
#[derive(Debug)]
pub(crate) struct Site<B> {
    dialect: Dialect<B>,
    backend: B,
    keys: ApiKeys,
    refusals: Refusals,
    pace: Pace,
    pub(crate) metrics: Arc<Metrics>,
}

/// What a path names.
#[derive(Debug)]
enum Target {
    /// The process lives.
    Health,
    /// Executions can begin.
    Readiness,
    Metrics,
    PremierLangage(Route),
    Nothing,
}

impl Target {
    /// Each dialect is asked in turn; the first that knows the path has it.
    fn of(path: &str) -> Self {
        match path {
            "/healthz" => Self::Health,
            "/readyz" => Self::Readiness,
            "/metrics" => Self::Metrics,
            _ => Route::of(path).map_or(Self::Nothing, Self::PremierLangage),
        }
    }

    /// The name in metrics and logs.
    const fn name(&self) -> &'static str {
        match self {
            Self::Health => "healthz",
            Self::Readiness => "readyz",
            Self::Metrics => "metrics",
            Self::PremierLangage(route) => route.name(),
            Self::Nothing => "unknown",
        }
    }

    /// Whether machines ask for it every few seconds.
    const fn is_routine(&self) -> bool {
        matches!(self, Self::Health | Self::Readiness | Self::Metrics)
    }
}

impl<B: Backend> Site<B> {
    pub(crate) fn new(config: &Config, backend: B) -> Self {
        let metrics = Arc::new(Metrics::new());
        Self {
            dialect: Dialect::new(backend.clone(), Arc::clone(&metrics)),
            backend,
            keys: config.keys.clone(),
            refusals: Refusals::default(),
            pace: Pace { idle: config.body_idle_timeout, total: config.body_timeout },
            metrics,
        }
    }

    /// Answers a request. Whatever happens on the way, there is an answer, a line in the log and a count.
    pub(crate) async fn serve<R>(&self, request: Request<R>, peer: IpAddr) -> Answer
    where
        R: Body<Data = Bytes> + Send + 'static,
        R::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let started = Instant::now();
        let (parts, body) = request.into_parts();
        let target = Target::of(parts.uri.path());
        let id = Uuid::now_v7();
        let span = info_span!("request", %id, %peer, method = %parts.method, route = target.name());
        let mut watch = Watch { metrics: &self.metrics, route: target.name(), method: &parts.method, answered: false };
        let mut body = RequestBody::new(body, self.pace);
        let work = self.respond(&target, &parts.method, &parts.headers, &mut body, peer);
        // A panic is one request's: nothing that it could have left half done is shared with others, but for counters.
        let outcome = AssertUnwindSafe(work).catch_unwind().instrument(span.clone()).await;
        let mut answer = outcome.unwrap_or_else(|_| {
            // The panic hook has told what and where.
            error!(parent: &span, "The handler of a request panicked.");
            server_error_page()
        });
        // Reading a body asks the client for it, if it waits to be asked: not for one that is not wanted.
        if body.is_begun() || !parts.headers.contains_key(EXPECT) {
            body.drain(LINGER_BYTES, LINGER_TIME).await;
        }
        if parts.method == Method::HEAD {
            answer = without_body(answer);
        }
        if let Ok(id) = HeaderValue::from_str(&id.to_string()) {
            answer.headers_mut().insert(REQUEST_ID, id);
        }
        watch.answered = true;
        let duration = started.elapsed();
        self.metrics.answered(target.name(), &parts.method, answer.status(), duration);
        let (status, seconds) = (answer.status().as_u16(), duration.as_secs_f64());
        if target.is_routine() {
            debug!(parent: &span, status, seconds, "A request was answered.");
        } else {
            // After the answer is on its way, which the client waits for, and not for this.
            tokio::spawn(async move { info!(parent: &span, status, seconds, "A request was answered.") });
        }
        answer
    }

    async fn respond(
        &self,
        target: &Target,
        method: &Method,
        headers: &HeaderMap,
        body: &mut RequestBody,
        peer: IpAddr,
    ) -> Answer {
        // Whoever watches the process needs no key; everything else tells something or does something.
        if !matches!(target, Target::Health) && !self.keys.admit(headers) {
            self.refusals.note(peer);
            self.metrics.refused_keys.inc();
            return unauthorized();
        }
        match target {
            Target::PremierLangage(route) => self.dialect.respond(route, method, headers, body).await,
            Target::Nothing => not_found_page(),
            _ if method != Method::GET && method != Method::HEAD => {
                let mut answer = status_line(StatusCode::METHOD_NOT_ALLOWED, "only GET and HEAD");
                answer.headers_mut().insert(http::header::ALLOW, HeaderValue::from_static("GET, HEAD"));
                answer
            }
            Target::Health => status_line(StatusCode::OK, "alive"),
            Target::Readiness => match self.backend.ready() {
                Ok(()) => status_line(StatusCode::OK, "ready"),
                Err(reason) => status_line(StatusCode::SERVICE_UNAVAILABLE, &reason.to_string()),
            },
            Target::Metrics => {
                let printed = self.metrics.print(self.backend.gauges().await);
                with_body(StatusCode::OK, HeaderValue::from_static(metrics::CONTENT_TYPE), full(printed))
            }
        }
    }
}

/// Counts a request as abandoned if it is dropped before it was answered, as happens when its client closes the connection.
struct Watch<'a> {
    metrics: &'a Metrics,
    route: &'static str,
    method: &'a Method,
    answered: bool,
}

impl Drop for Watch<'_> {
    fn drop(&mut self) {
        if !self.answered {
            self.metrics.abandoned(self.route, self.method);
        }
    }
}

/// 401, without telling whether a key was wrong or missing.
fn unauthorized() -> Answer {
    let text = "A valid API key is needed: send it as `Authorization: Bearer KEY` or `X-Api-Key: KEY`";
    let mut answer = premierlangage::text(StatusCode::UNAUTHORIZED, text);
    answer.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    answer
}

/// An answer for machines that watch.
fn status_line(status: StatusCode, text: &str) -> Answer {
    let mut answer = premierlangage::text(status, format!("{text}\n"));
    answer.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    answer
}
