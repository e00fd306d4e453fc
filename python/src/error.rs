//! Errors as exceptions of the package.

use belljar_client::{Error, ErrorKind, Fault, Step};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict};

use crate::pending::Failure;

/// The exception for a failure.
pub(crate) fn raised(py: Python<'_>, failure: Failure) -> PyErr {
    match failure {
        Failure::Python(error) => error,
        Failure::Client(error) => exception(py, &error),
        Failure::Config(error) => crate::open::raised(py, &error),
    }
}

/// The exception for an error of the client.
pub(crate) fn exception(py: Python<'_>, error: &Error) -> PyErr {
    // Whatever goes wrong here is an exception as well.
    build(py, error).map_or_else(|problem| problem, PyErr::from_value)
}

fn build<'py>(py: Python<'py>, error: &Error) -> PyResult<Bound<'py, PyAny>> {
    let fields = PyDict::new(py);
    fields.set_item("sandbox", &error.sandbox)?;
    fields.set_item("vendor", error.vendor.name())?;
    fields.set_item("step", step(error.step))?;
    fields.set_item(
        "fault",
        match error.fault() {
            Fault::Caller => "caller",
            Fault::Network => "network",
            Fault::Sandbox => "sandbox",
        },
    )?;
    fields.set_item("retryable", error.is_retryable())?;
    fields.set_item("retry_after", error.retry_after().map(|pause| pause.as_secs_f64()))?;
    if let ErrorKind::Status { status, .. } = &error.kind {
        fields.set_item("status", status)?;
    }
    if let ErrorKind::Http(error) = &error.kind {
        let response = &error.response;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let headers: Vec<_> =
            response.headers.iter().map(|(name, value)| (name.as_str(), text(value.as_bytes()))).collect();
        fields.set_item("status", response.status.as_u16())?;
        fields.set_item("url", &response.url)?;
        fields.set_item("headers", headers)?;
        fields.set_item("body", PyBytes::new(py, &response.body))?;
    }
    if let ErrorKind::TimedOut { limit, .. } = &error.kind {
        fields.set_item("limit", limit)?;
    }
    if let ErrorKind::Transport { sent, .. } = &error.kind {
        fields.set_item("sent", sent)?;
    }
    py.import("belljar._errors")?.getattr(class(&error.kind))?.call((error.to_string(),), Some(&fields))
}

const fn class(kind: &ErrorKind) -> &'static str {
    match kind {
        ErrorKind::Unsupported(_) => "UnsupportedError",
        ErrorKind::Invalid(_) => "InvalidError",
        ErrorKind::Sample(_) => "SampleError",
        ErrorKind::Transport { .. } => "TransportError",
        ErrorKind::TimedOut { .. } => "TimedOutError",
        ErrorKind::Unauthenticated(_) => "UnauthenticatedError",
        ErrorKind::Forbidden(_) => "ForbiddenError",
        ErrorKind::NotFound(_) => "NotFoundError",
        ErrorKind::NotReady(_) => "NotReadyError",
        ErrorKind::Quota { .. } => "QuotaError",
        ErrorKind::Refused(_) => "RefusedError",
        ErrorKind::Duplicate(_) => "DuplicateError",
        ErrorKind::AnalysisFailed(_) => "AnalysisFailedError",
        ErrorKind::Status { .. } => "StatusError",
        ErrorKind::Http(_) => "HttpError",
        ErrorKind::Malformed(_) => "MalformedError",
        ErrorKind::TooLarge { .. } => "TooLargeError",
        ErrorKind::Sink(_) => "SinkError",
    }
}

/// The step in a word; what is special to a vendor in its own words.
const fn step(step: Step) -> &'static str {
    match step {
        Step::Execute => "execute",
        Step::LogIn => "log_in",
        Step::Availability => "available",
        Step::Submit => "submit",
        Step::LookUp => "look_up",
        Step::Status => "status",
        Step::Wait => "wait",
        Step::Report => "report",
        Step::Artifact => "artifact",
        Step::Delete => "delete",
        Step::Queue => "queue",
        Step::Other(what) => what,
    }
}
