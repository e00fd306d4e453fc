//! The dialect of the PremierLangage sandbox, release 3.0.3: its clients work against this server unmodified.
//!
//! Nothing of the protocol leaks out of this module, and nothing of it is decided elsewhere: forms and JSON as Python reads
//! them, codes, texts, trimming, and the names of facts. Where the other server fails or is unsafe, ours answers clearly:
//! 400 where it says 500, plain text where it says HTML, `Retry-After` with 503.

mod answer;
mod configuration;
mod facts;
mod form;
mod path;
mod pyjson;
mod pyrepr;
mod reply;

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use belljar_execute::{ExecuteError, Request, Response};
use belljar_store::EnvironmentId;
use http::header::{CONNECTION, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use tracing::{debug, error, warn};

use self::configuration::{Configuration, Invalid, Plan};
use self::form::{Form, FormError, FormLimits};
pub(crate) use self::path::Route;
pub(crate) use self::reply::{Answer, not_found_page, server_error_page, text, with_body, without_body};
use crate::backend::Backend;
use crate::body::{BodyError, RequestBody, streamed};
use crate::metrics::Metrics;

/// Bytes of output and result from which on the answer is written in a thread of its own: it takes milliseconds then, in which
/// no other request of this thread would be served.
const LARGE_ANSWER: usize = 256 * 1024;

/// When to come back to a server that is being restarted, or was too slow once.
const SHORT_WAIT: Duration = Duration::from_secs(2);

/// The dialect over an execution service.
#[derive(Debug)]
pub(crate) struct Dialect<B> {
    backend: B,
    metrics: Arc<Metrics>,
}

impl<B: Backend> Dialect<B> {
    pub(crate) const fn new(backend: B, metrics: Arc<Metrics>) -> Self {
        Self { backend, metrics }
    }

    /// Answers a request for one of the routes. An answer to `HEAD` has the body that one to `GET` would have.
    pub(crate) async fn respond(
        &self,
        route: &Route,
        method: &Method,
        headers: &HeaderMap,
        body: &mut RequestBody,
    ) -> Answer {
        match (route, method) {
            (_, &Method::OPTIONS) => reply::options(route.allow()),
            (Route::Execute, &Method::POST) => self.execute(headers, body).await,
            (Route::Execute, _) => reply::method_not_allowed(route.allow()),
            (_, method) if *method != Method::GET && *method != Method::HEAD => {
                reply::method_not_allowed(route.allow())
            }
            (Route::Environment(id), _) => self.environment(*id).await,
            (Route::File { environment, path }, _) => self.file(*environment, path, method).await,
            (Route::Specifications, _) => self.specifications().await,
            (Route::Usages, _) => reply::json(&facts::usages(&self.backend.usage())),
            (Route::Libraries, _) => self.libraries().await,
        }
    }

    async fn execute(&self, headers: &HeaderMap, body: &mut RequestBody) -> Answer {
        let content_type = headers.get(CONTENT_TYPE).map(|value| String::from_utf8_lossy(value.as_bytes()));
        let limits = FormLimits::with_file_bytes(self.backend.limits().upload_bytes);
        let spool = || async { self.backend.spool().await.map_err(Into::into) };
        let form = match form::read(content_type.as_deref().unwrap_or_default(), body, limits, spool).await {
            Ok(form) => form,
            Err(error) => return refused_form(&error),
        };
        let (plan, request) = match self.prepare(form).await {
            Ok(prepared) => prepared,
            Err(answer) => return answer,
        };
        let result = self.backend.execute(request).await;
        self.metrics.executed(result.as_ref());
        match result {
            Ok(response) => self.executed(plan, response).await,
            Err(error) => failed_execution(error),
        }
    }

    /// What is to be run, if the form asks for something that can be. The order of the checks is part of the protocol: it
    /// decides which of several mistakes is answered.
    async fn prepare(&self, form: Form) -> Result<(Plan, Request), Answer> {
        let configuration = Configuration::read(form.config.as_deref()).map_err(invalid)?;
        let base = configuration.environment().map_err(invalid)?;
        if let Some(id) = base {
            self.backend.environment(&id).await.map_err(failed_execution)?;
        }
        let plan = configuration.plan().map_err(invalid)?;
        let request = Request { base, upload: form.environment, ..plan.request() };
        Ok((plan, request))
    }

    async fn executed(&self, plan: Plan, response: Response) -> Answer {
        let cpu_time = self.backend.limits().cpu_time;
        let result = match &response.result {
            Some(belljar_execute::ResultFile::Content(bytes)) => bytes.len(),
            _ => 0,
        };
        let outputs = response.executions.iter().map(|one| one.outcome.stdout.len() + one.outcome.stderr.len());
        if result + outputs.sum::<usize>() < LARGE_ANSWER {
            return reply::json(&answer::answer(&plan, &response, cpu_time));
        }
        let write = move || reply::json(&answer::answer(&plan, &response, cpu_time));
        tokio::task::spawn_blocking(write).await.unwrap_or_else(|error| failed(&error))
    }

    async fn environment(&self, id: EnvironmentId) -> Answer {
        match self.backend.open_environment(&id).await {
            Ok((environment, file)) => {
                let body = streamed(tokio::fs::File::from_std(file), environment.size);
                reply::attachment("application/gzip", &format!("{id}.tgz"), body)
            }
            Err(error) => failed_execution(error),
        }
    }

    async fn file(&self, environment: EnvironmentId, path: &str, method: &Method) -> Answer {
        let wanted = path.trim_end_matches('/');
        let body = if method == Method::HEAD {
            let size = self.backend.member_size(&environment, wanted).await;
            size.map(|size| streamed(tokio::io::empty(), size))
        } else {
            let member = self.backend.member(&environment, wanted).await;
            member.map(|member| streamed(member.content, member.size))
        };
        match body {
            Ok(body) => {
                // Empty after a doubled slash at the end, as with the other server.
                let name = path.rsplit('/').next().unwrap_or_default();
                reply::attachment("application/octet-stream", name, body)
            }
            // What is no file, such as a directory, is not found; the other server fails.
            Err(ExecuteError::UnknownFile { .. }) => reply::text(
                StatusCode::NOT_FOUND,
                format!("The file '{path}' could not be found in environment '{environment}'"),
            ),
            Err(error) => failed_execution(error),
        }
    }

    async fn libraries(&self) -> Answer {
        match self.backend.libraries().await {
            Ok(libraries) => reply::json(&facts::libraries(&libraries)),
            Err(error) => failed_execution(error),
        }
    }

    async fn specifications(&self) -> Answer {
        match self.backend.specifications().await {
            Ok(specifications) => reply::json(&facts::specifications(&specifications)),
            Err(error) => failed_execution(error),
        }
    }
}

/// The answer to a form that could not be read.
fn refused_form(error: &FormError) -> Answer {
    let mut answer = match error {
        FormError::Malformed(reason) => {
            debug!(reason, "A form was refused.");
            return reply::bad_request_page();
        }
        FormError::FileTooLarge { limit } => {
            let text = format!("The uploaded files are larger than {limit} bytes");
            return reply::text(StatusCode::PAYLOAD_TOO_LARGE, text);
        }
        FormError::Spool(_) => return failed(error),
        FormError::Body(BodyError::TooSlow) => {
            reply::text(StatusCode::REQUEST_TIMEOUT, "The request body came too slowly")
        }
        FormError::Body(BodyError::Broken(_)) => reply::bad_request_page(),
    };
    // What the rest of the body would be cannot be told any more.
    answer.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    answer
}

/// The answer to a configuration that was refused.
fn invalid(invalid: Invalid) -> Answer {
    match invalid {
        Invalid::Request(message) => reply::text(StatusCode::BAD_REQUEST, message),
        Invalid::UnknownEnvironment(message) => reply::text(StatusCode::NOT_FOUND, message),
    }
}

fn unknown_environment(id: EnvironmentId) -> Answer {
    invalid(Invalid::unknown_environment(&id.to_string()))
}

/// The answer to what the service could not do.
fn failed_execution(error: ExecuteError) -> Answer {
    match error {
        ExecuteError::UnknownEnvironment(id) => unknown_environment(id),
        ExecuteError::Archive(refusal) => {
            let text = format!("The environment could not be unpacked: {refusal}");
            reply::text(StatusCode::BAD_REQUEST, text)
        }
        ExecuteError::DoesNotFit => reply::text(StatusCode::BAD_REQUEST, "The environment does not fit into a sandbox"),
        ExecuteError::Busy { retry_after } => reply::overloaded(retry_after),
        ExecuteError::Slow { step, limit } => {
            warn!(step, seconds = limit.as_secs_f64(), "A step in a sandbox took too long.");
            reply::overloaded(SHORT_WAIT)
        }
        ExecuteError::Stopping => reply::overloaded(SHORT_WAIT),
        ExecuteError::TooLargeToSave { max_bytes } => {
            let text = format!("The environment to save is larger than {max_bytes} bytes");
            reply::text(StatusCode::PAYLOAD_TOO_LARGE, text)
        }
        ExecuteError::CannotSave(refusal) => {
            let text = format!("The environment cannot be saved: {refusal}");
            reply::text(StatusCode::PAYLOAD_TOO_LARGE, text)
        }
        other => failed(&other),
    }
}

/// 500; what failed goes to the log, with everything that it says of its causes.
fn failed(failure: &(dyn Error + 'static)) -> Answer {
    let mut causes = Vec::new();
    let mut cause = failure.source();
    while let Some(found) = cause {
        causes.push(found.to_string());
        cause = found.source();
    }
    error!(error = %failure, causes = causes.join(": "), "A request failed.");
    reply::server_error_page()
}

#[cfg(test)]
mod tests;
