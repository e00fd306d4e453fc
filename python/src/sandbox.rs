//! A sandbox, as the Python code sees it.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use belljar_client::config::Entry;
use belljar_client::fleet::Member;
use belljar_client::{
    Artifact, ArtifactKind, Capability, ErrorKind, Hash, Options, Origin, Patience, Sample, Secret, Step, Submission,
    wait,
};
use bytes::Bytes;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedBytes;
use serde::{Deserialize, Serialize};

use crate::download::Download;
use crate::open;
use crate::pending::{Failure, Make, Outcome, Pending};
use crate::process::{Owned, runtime};
use crate::raw::Raw;

type Client = Arc<dyn belljar_client::Sandbox>;

/// One sandbox.
#[pyclass(frozen, module = "belljar._native")]
pub(crate) struct Sandbox {
    entry: Entry,
    /// Made anew in a child process, whose connections would be those of its parent. Locked only by who holds the interpreter.
    client: Mutex<Owned<Client>>,
}

/// Plain data, as JSON.
pub(crate) fn plain(value: &impl Serialize) -> Outcome {
    let text = serde_json::to_string(value).map_err(|error| invalid(&error.to_string()))?;
    let make: Make = Box::new(move |py| Ok(text.into_pyobject(py)?.into_any().unbind()));
    Ok(make)
}

fn invalid(problem: &str) -> Failure {
    Failure::Python(PyValueError::new_err(problem.to_owned()))
}

pub(crate) fn read<'a, T: Deserialize<'a>>(json: &'a str) -> PyResult<T> {
    serde_json::from_str(json).map_err(|error| PyValueError::new_err(error.to_string()))
}

/// How a sample is to be analysed.
#[derive(Deserialize)]
struct Wishes {
    analysis_time: Option<f64>,
    archive_password: Option<String>,
    environment: Option<String>,
    vendor: BTreeMap<String, String>,
    public: bool,
}

impl Wishes {
    /// Before those of the configuration.
    fn options(self, configured: &Options) -> PyResult<Options> {
        let time = |seconds| {
            Duration::try_from_secs_f64(seconds)
                .map_err(|_| PyValueError::new_err(format!("analysis_time: {seconds} is no time")))
        };
        let mut options = configured.clone();
        options.analysis_time = self.analysis_time.map(time).transpose()?.or(options.analysis_time);
        options.archive_password = self.archive_password.as_deref().map(Secret::new).or(options.archive_password);
        options.environment = self.environment.or(options.environment);
        options.vendor.extend(self.vendor);
        Ok(options)
    }
}

/// Where the bytes of a sample are.
#[derive(FromPyObject)]
pub(crate) enum Given {
    Bytes(PyBackedBytes),
    Path(PathBuf),
}

/// A sample, or an address.
pub(crate) fn sample(given: Option<Given>, name: Option<String>, url: Option<String>) -> PyResult<Sample> {
    match (given, name, url) {
        (Some(Given::Bytes(bytes)), name, None) => {
            Ok(Sample::bytes(name.unwrap_or_else(|| "sample".to_owned()), Bytes::from_owner(bytes)))
        }
        (Some(Given::Path(path)), None, None) => Ok(Sample::path(path)),
        (Some(Given::Path(path)), Some(name), None) => Ok(Sample::File { name, origin: Origin::Path(path) }),
        (None, _, Some(address)) => Ok(Sample::Url(address)),
        _ => Err(PyValueError::new_err("it is either a sample or a URL")),
    }
}

impl Sandbox {
    pub(crate) fn new(entry: Entry, client: Client) -> Self {
        Self { entry, client: Mutex::new(Owned::new(client)) }
    }

    fn client(&self, py: Python<'_>) -> PyResult<Client> {
        if let Some(client) = self.client.lock().unwrap_or_else(PoisonError::into_inner).get() {
            return Ok(Arc::clone(client));
        }
        // Without the lock: a command that gives the key may take its time, and meanwhile others run and may fork.
        let runtime = runtime()?;
        let opened = py.detach(|| runtime.block_on(self.entry.open())).map_err(|error| open::raised(py, &error))?;
        *self.client.lock().unwrap_or_else(PoisonError::into_inner) = Owned::new(Arc::clone(&opened));
        Ok(opened)
    }

    fn begin<F>(&self, py: Python<'_>, operation: impl FnOnce(Client) -> F) -> PyResult<Pending>
    where
        F: Future<Output = Outcome> + Send + 'static,
    {
        let client = self.client(py)?;
        Pending::start(|_| operation(client))
    }

    /// It with its options, as a part of a fleet.
    pub(crate) fn member(&self, py: Python<'_>, options: &str) -> PyResult<Member> {
        Ok(Member { options: self.wishes(py, options)?, sandbox: self.client(py)? })
    }

    /// What is wished, if samples may be sent there.
    fn wishes(&self, py: Python<'_>, options: &str) -> PyResult<Options> {
        let wishes: Wishes = read(options)?;
        self.entry.may_be_sent_to(wishes.public).map_err(|error| open::raised(py, &error))?;
        wishes.options(self.entry.options())
    }

    fn submitted(&self, py: Python<'_>, sample: Sample, options: &str) -> PyResult<Pending> {
        let options = self.wishes(py, options)?;
        self.begin(py, |client| async move {
            if let Sample::File { origin, .. } = &sample {
                let error = |problem| belljar_client::Error {
                    sandbox: client.name().to_owned(),
                    vendor: client.vendor(),
                    step: Step::Submit,
                    kind: ErrorKind::Sample(problem),
                };
                // What no sandbox can say anything about is most often a mistake: a file that was read to its end before.
                if origin.length().await.map_err(error)? == 0 {
                    return Err(error(std::io::Error::new(std::io::ErrorKind::InvalidData, "it is empty")).into());
                }
            }
            plain(&client.submit(&sample, &options).await?)
        })
    }
}

#[pymethods]
impl Sandbox {
    #[getter]
    fn name(&self) -> &str {
        self.entry.name()
    }

    #[getter]
    fn vendor(&self) -> &'static str {
        self.entry.product().name
    }

    /// Where it is, without a password that may be in it.
    #[getter]
    fn address(&self) -> String {
        self.entry.address()
    }

    /// What is questionable about its settings, for people.
    #[getter]
    fn warnings(&self) -> Vec<String> {
        self.entry.warnings().iter().map(ToString::to_string).collect()
    }

    #[getter]
    fn capabilities(&self, py: Python<'_>) -> PyResult<Vec<String>> {
        let names = self.client(py)?.capabilities().0.into_iter().map(|capability| match capability {
            Capability::SubmitUrl => "submit_url".to_owned(),
            Capability::LookUp => "look_up".to_owned(),
            Capability::Delete => "delete".to_owned(),
            Capability::Queue => "queue".to_owned(),
            Capability::Artifact(kind) => format!("artifact:{kind}"),
        });
        Ok(names.collect())
    }

    fn available(&self, py: Python<'_>) -> PyResult<Pending> {
        self.begin(py, |client| async move { plain(&client.available().await?) })
    }

    fn submit(&self, py: Python<'_>, sample: Given, name: Option<String>, options: &str) -> PyResult<Pending> {
        let sample = self::sample(Some(sample), name, None)?;
        self.submitted(py, sample, options)
    }

    fn submit_url(&self, py: Python<'_>, address: String, options: &str) -> PyResult<Pending> {
        self.submitted(py, Sample::Url(address), options)
    }

    fn look_up(&self, py: Python<'_>, hash: &str) -> PyResult<Pending> {
        let hash = Hash::parse(hash)
            .ok_or_else(|| PyValueError::new_err("neither an MD5, nor a SHA-1, nor a SHA-256 in hexadecimal digits"))?;
        self.begin(py, |client| async move { plain(&client.look_up(&hash).await?) })
    }

    fn status(&self, py: Python<'_>, submission: &str) -> PyResult<Pending> {
        let submission: Submission = read(submission)?;
        self.begin(py, |client| async move { plain(&client.status(&submission).await?) })
    }

    /// Waits; statuses are told as they change.
    fn wait(&self, py: Python<'_>, submission: &str, deadline: f64, first: f64, longest: f64) -> PyResult<Pending> {
        let submission: Submission = read(submission)?;
        let time = |seconds| {
            Duration::try_from_secs_f64(seconds).map_err(|_| PyValueError::new_err(format!("{seconds} is no time")))
        };
        let patience =
            Patience { deadline: time(deadline)?, first: time(first)?, longest: time(longest)?, ..Patience::default() };
        let client = self.client(py)?;
        Pending::start(|teller| async move {
            let hear = |status: &belljar_client::Status| {
                if let Ok(text) = serde_json::to_string(status) {
                    teller.news(text);
                }
            };
            wait(&*client, &submission, patience, hear).await?;
            plain(&())
        })
    }

    /// The common part as JSON, and the vendor's report.
    fn report(&self, py: Python<'_>, submission: &str) -> PyResult<Pending> {
        let submission: Submission = read(submission)?;
        self.begin(py, |client| async move {
            let report = client.report(&submission).await?;
            let text = serde_json::to_string(&report).map_err(|error| invalid(&error.to_string()))?;
            let make: Make = Box::new(move |py| Ok((text, Raw(report.raw)).into_pyobject(py)?.into_any().unbind()));
            Ok(make)
        })
    }

    fn artifact(&self, py: Python<'_>, submission: &str, kind: &str, name: Option<String>) -> PyResult<Pending> {
        let submission: Submission = read(submission)?;
        let kind = ArtifactKind::ALL.into_iter().find(|known| known.to_string() == kind).ok_or_else(|| {
            let all = ArtifactKind::ALL.map(|kind| kind.to_string()).join(", ");
            PyValueError::new_err(format!("there is no artifact '{kind}', there are {all}"))
        })?;
        self.begin(py, |client| async move {
            let download = client.artifact(&submission, Artifact { kind, name }).await?;
            let download = Download::new(download, client.name().to_owned(), client.vendor());
            let make: Make = Box::new(move |py| Ok(Py::new(py, download)?.into_any()));
            Ok(make)
        })
    }

    fn delete(&self, py: Python<'_>, submission: &str) -> PyResult<Pending> {
        let submission: Submission = read(submission)?;
        self.begin(py, |client| async move { plain(&client.delete(&submission).await?) })
    }

    /// Gives back what the vendor counts while it is open.
    fn close(&self, py: Python<'_>) -> PyResult<Pending> {
        self.begin(py, |client| async move { plain(&client.close().await?) })
    }

    fn queue(&self, py: Python<'_>) -> PyResult<Pending> {
        self.begin(py, |client| async move { plain(&client.queue().await?) })
    }
}
