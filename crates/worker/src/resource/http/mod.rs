//! Resource `http`: requests to other services.
//!
//! One connection serves one request. The address that was checked is the one that is connected to, so what a name means a moment
//! later does not matter; variables for proxies are not read. One deadline covers all of it: waiting for a turn, resolving, connecting,
//! redirects, headers and the body.

mod body;
mod cookies;
mod destination;
mod exchange;
mod fields;
mod files;
mod problem;
mod python;
mod redirect;
mod tls;

use std::sync::Arc;
use std::time::Duration;

use belljar_egress::{Allowlist, Entry, EntryError, Machine, Outside};
use tokio::sync::Semaphore;
use tokio::time::Instant;

use self::destination::Route;
use self::fields::Request;
use self::problem::Problem;
use self::tls::Tls;
use super::{Level, Resource};
use crate::bus::Boxed;
use crate::config::Profile;
use crate::protocol::{Answer, Fields};
use crate::run::RunContext;

/// Requests of one run at the same time; more wait for their turn.
pub const MOST_REQUESTS_PER_RUN: usize = 16;
/// Requests of one app at the same time, each with a socket and up to `data_limit` bytes; more wait for their turn.
pub const MOST_REQUESTS_PER_APP: usize = 128;
/// Characters of a URL, also of one that is redirected to. What servers take is 8 KiB at most, commonly.
pub const MOST_URL: usize = 16 * 1024;
/// Values of headers in a request.
pub const MOST_HEADERS: usize = 256;
/// Bytes of names and values of headers in a request.
pub const MOST_HEADER_BYTES: usize = 64 * 1024;
/// Bytes of a request's body, decoded files included.
pub const MOST_REQUEST_BODY: usize = 16 * 1024 * 1024;
/// Redirects that are followed for one request, as in Twisted.
pub const MOST_REDIRECTS: usize = 20;

/// An entry of `allow_private` that is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{entry}` in allow_private: {problem}")]
pub struct AllowPrivateError {
    /// As it was written.
    pub entry: String,
    /// What is wrong.
    pub problem: EntryError,
}

/// Resource `http` of one app: get, post, put, delete, head and patch.
#[derive(Debug)]
pub struct Http {
    timeout: Duration,
    data_limit: u64,
    route: Route,
    tls: Tls,
    turns: Semaphore,
}

impl Http {
    /// With a timeout for whole requests, the most bytes of a body (decoded), and the hosts and networks that may be reached although
    /// their addresses are not public: `10.1.0.0/16:8080`, `api.internal.example:443`. A name there is trusted with whatever addresses
    /// it has.
    ///
    /// # Errors
    /// Names the entry of `allow_private` that is none.
    pub fn new(timeout: Duration, data_limit: u64, allow_private: &[String]) -> Result<Self, AllowPrivateError> {
        Self::with(timeout, data_limit, allow_private, Arc::new(Machine::default()), Tls::system())
    }

    fn with(
        timeout: Duration,
        data_limit: u64,
        allow_private: &[String],
        outside: Arc<dyn Outside>,
        tls: Tls,
    ) -> Result<Self, AllowPrivateError> {
        let entries = allow_private
            .iter()
            .map(|text| text.parse::<Entry>().map_err(|problem| AllowPrivateError { entry: text.clone(), problem }));
        let route = Route::new(Allowlist::new(entries.collect::<Result<_, _>>()?), outside);
        Ok(Self { timeout, data_limit, route, tls, turns: Semaphore::new(MOST_REQUESTS_PER_APP) })
    }

    async fn answer(&self, run: &RunContext, method: http::Method, fields: &Fields) -> Result<Answer, Problem> {
        let request = Request::read(method, fields, run.profile)?;
        let deadline = Instant::now() + self.timeout;
        let reply = tokio::time::timeout_at(deadline, async {
            // Neither is ever closed. A run that waits for itself holds nothing that others wait for.
            let _own = run.http_turns.acquire().await;
            let _of_all = self.turns.acquire().await;
            self.follow(request, deadline).await
        });
        let (code, body) = reply.await.unwrap_or(Err(Problem::TimedOut(self.timeout)))?;
        let body = match run.profile {
            Profile::Belljar => String::from_utf8_lossy(&body).into_owned(),
            Profile::Strict => String::from_utf8(body).map_err(|error| Problem::NotText(error.into()))?,
        };
        Ok(Answer::Success(Fields::from_iter([("body".to_owned(), body.into()), ("code".to_owned(), code.into())])))
    }
}

impl Resource for Http {
    fn handle<'a>(&'a self, run: &'a RunContext, command: &'a str, fields: &'a Fields) -> Boxed<'a, Answer> {
        Box::pin(async move {
            let method = match command {
                "get" => http::Method::GET,
                "post" => http::Method::POST,
                "put" => http::Method::PUT,
                "delete" => http::Method::DELETE,
                "head" => http::Method::HEAD,
                "patch" => http::Method::PATCH,
                _ => return Answer::Unknown,
            };
            self.answer(run, method, fields).await.unwrap_or_else(|problem| {
                if matches!(problem, Problem::Guarded { .. }) {
                    run.log.write(Level::Warning, &format!("HTTP request not made: {problem}"));
                }
                Answer::Failure(problem.reason(run.profile))
            })
        })
    }
}

#[cfg(test)]
mod tests;
