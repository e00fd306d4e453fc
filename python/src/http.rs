//! Single requests, for modules that speak a protocol themselves.

use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use ::http::{HeaderName, Method};
use belljar_client::http::{Body, Call, Part, Settings, Transport};
use belljar_client::{Origin, Secret, Step, Vendor};
use bytes::Bytes;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedBytes;
use serde::Deserialize;

use crate::download::Download;
use crate::error::exception;
use crate::pending::{Make, Pending};
use crate::process::Owned;

/// Times without an end end after this.
const LONGEST: Duration = Duration::from_secs(30 * 86400);

/// How a server is reached. A time that is not there has no end.
#[derive(Deserialize, Clone)]
#[serde(deny_unknown_fields)]
struct Given {
    name: String,
    address: String,
    connect_timeout: Option<f64>,
    read_timeout: Option<f64>,
    total_timeout: Option<f64>,
    proxy: Option<String>,
    verify: bool,
    user_agent: String,
    headers: Vec<(String, String)>,
    secrets: Vec<String>,
}

impl Given {
    fn open(&self, py: Python<'_>) -> PyResult<Transport> {
        let time = |seconds: f64| {
            Duration::try_from_secs_f64(seconds).map_err(|_| PyValueError::new_err(format!("{seconds} is no time")))
        };
        let within = |seconds: Option<f64>| seconds.map_or(Ok(LONGEST), time);
        let mut settings = Settings::new(&self.name, &self.address);
        settings.connect_timeout = within(self.connect_timeout)?;
        settings.read_timeout = within(self.read_timeout)?;
        settings.total_timeout = self.total_timeout.map(time).transpose()?;
        settings.proxy = self.proxy.as_deref().map(Secret::new);
        settings.verify = self.verify;
        settings.user_agent.clone_from(&self.user_agent);
        // Who speaks the protocol knows what may be sent again.
        settings.tries = 1;
        // Nor is it here that callers wait for one another.
        settings.concurrency = usize::from(u16::MAX);
        let secrets = self.secrets.iter().map(|secret| Secret::new(secret)).collect();
        Transport::new(settings, Vendor::PremierLangage, secrets).map_err(|error| exception(py, &error))
    }
}

/// What is sent as a file.
#[derive(FromPyObject)]
enum Content {
    Bytes(PyBackedBytes),
    Path(PathBuf),
}

/// A server.
#[pyclass(frozen, module = "belljar._native")]
pub(crate) struct Http {
    given: Given,
    /// Made anew in a child process. Locked only by who holds the interpreter.
    transport: Mutex<Owned<Transport>>,
}

impl Http {
    fn transport(&self, py: Python<'_>) -> PyResult<Transport> {
        let mut transport = self.transport.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(transport) = transport.get() {
            return Ok(transport.clone());
        }
        let opened = self.given.open(py)?;
        *transport = Owned::new(opened.clone());
        Ok(opened)
    }
}

fn body(fields: Vec<(String, String)>, files: Vec<(String, String, Content)>) -> Body {
    if files.is_empty() {
        return if fields.is_empty() { Body::Empty } else { Body::Form(fields) };
    }
    let mut parts: Vec<Part> = fields.into_iter().map(|(name, text)| Part::field(name, text)).collect();
    parts.extend(files.into_iter().map(|(field, name, content)| {
        let origin = match content {
            Content::Bytes(bytes) => Origin::Bytes(Bytes::from_owner(bytes)),
            Content::Path(path) => Origin::Path(path),
        };
        Part::file(field, &name, &origin)
    }));
    Body::Multipart(parts)
}

#[pymethods]
impl Http {
    /// `settings` are JSON.
    #[new]
    fn new(py: Python<'_>, settings: &str) -> PyResult<Self> {
        let given: Given = serde_json::from_str(settings).map_err(|error| PyValueError::new_err(error.to_string()))?;
        let transport = Mutex::new(Owned::new(given.open(py)?));
        Ok(Self { given, transport })
    }

    /// Sends a request once. The path's segments are encoded one by one; fields without files make an ordinary form.
    ///
    /// Gives status, headers (names in lower case), and the body on its way. No status is an error.
    #[pyo3(signature = (method, path, query = Vec::new(), headers = Vec::new(), fields = Vec::new(), files = Vec::new()))]
    #[expect(clippy::too_many_arguments, reason = "a request has these parts")]
    fn send(
        &self,
        py: Python<'_>,
        method: &str,
        path: Vec<String>,
        query: Vec<(String, String)>,
        headers: Vec<(String, String)>,
        fields: Vec<(String, String)>,
        files: Vec<(String, String, Content)>,
    ) -> PyResult<Pending> {
        let wrong = |what: &str| PyValueError::new_err(format!("this is no {what}"));
        let method = Method::from_bytes(method.as_bytes()).map_err(|_| wrong("method"))?;
        let body = body(fields, files);
        let step = Step::Other("asking");
        let mut call = match body {
            Body::Empty => Call::new(step, method, path),
            _ if method == Method::POST => Call::post(step, path, body),
            _ => return Err(PyValueError::new_err("only a POST has a form")),
        };
        for (name, value) in query {
            call = call.query(&name, value);
        }
        for (name, value) in self.given.headers.iter().cloned().chain(headers) {
            let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| wrong("header"))?;
            call = call.header(name, &value);
        }
        let (transport, name) = (self.transport(py)?, self.given.name.clone());
        Pending::start(|_| async move {
            let answer = transport.send(call).await?;
            let status = answer.status().as_u16();
            let text = |bytes: &[u8]| bytes.iter().map(|byte| char::from(*byte)).collect::<String>();
            let headers: Vec<(String, String)> =
                answer.headers().iter().map(|(name, value)| (name.to_string(), text(value.as_bytes()))).collect();
            let download = Download::new(answer.download(), name, Vendor::PremierLangage);
            let make: Make = Box::new(move |py| {
                Ok((status, headers, Py::new(py, download)?).into_pyobject(py)?.into_any().unbind())
            });
            Ok(make)
        })
    }
}
