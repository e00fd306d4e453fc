//! Execution servers, as the Python code sees them.

use std::sync::{Arc, Mutex, PoisonError};

use belljar_client::Origin;
use belljar_client::config::{ConfigError, Entry, Sandboxes};
use belljar_client::execution::{Archive, Execution as Client, ExecutionSettings, Fact, Presence};
use bytes::Bytes;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use serde_json::Value;

use crate::download::Download;
use crate::open;
use crate::pending::{Make, Outcome, Pending};
use crate::process::{Owned, runtime};
use crate::sandbox::{Given, plain, read};

/// As configurations have it.
const PRODUCT: &str = "premierlangage";

/// One execution server.
#[pyclass(frozen, module = "belljar._native")]
pub(crate) struct Execution {
    entry: Entry,
    /// Made anew in a child process. Locked only by who holds the interpreter.
    client: Mutex<Owned<Arc<Client>>>,
}

async fn made(entry: &Entry) -> Result<Arc<Client>, ConfigError> {
    Ok(Arc::new(Client::new(ExecutionSettings::of(entry.given().await?))?))
}

fn begin(entry: Entry) -> PyResult<Pending> {
    Pending::start(|_| async move {
        let client = made(&entry).await?;
        let make: Make =
            Box::new(
                move |py| Ok(Py::new(py, Execution { entry, client: Mutex::new(Owned::new(client)) })?.into_any()),
            );
        Ok(make)
    })
}

/// Opens an execution server; `settings` are a JSON object as a configuration has them.
#[pyfunction]
pub(crate) fn open_execution(py: Python<'_>, name: &str, settings: &str) -> PyResult<Pending> {
    let read = Sandboxes::read([(name.to_owned(), read::<Value>(settings)?)]);
    let found = read.and_then(|sandboxes| sandboxes.of_product(Some(name), PRODUCT).cloned());
    begin(found.map_err(|error| open::raised(py, &error))?)
}

/// Opens the execution server of this name in a configuration, which is the text of a TOML file.
#[pyfunction]
pub(crate) fn open_configured_execution(py: Python<'_>, toml: &str, name: &str) -> PyResult<Pending> {
    let read = Sandboxes::from_toml(toml);
    let found = read.and_then(|sandboxes| sandboxes.of_product(Some(name), PRODUCT).cloned());
    begin(found.map_err(|error| open::raised(py, &error))?)
}

impl Execution {
    fn begin<F>(&self, py: Python<'_>, operation: impl FnOnce(Arc<Client>) -> F) -> PyResult<Pending>
    where
        F: Future<Output = Outcome> + Send + 'static,
    {
        let held = self.client.lock().unwrap_or_else(PoisonError::into_inner).get().map(Arc::clone);
        let client = match held {
            Some(client) => client,
            None => {
                // Without the lock: a command that gives the key may take its time, and meanwhile others run and may fork.
                let runtime = runtime()?;
                let opened =
                    py.detach(|| runtime.block_on(made(&self.entry))).map_err(|error| open::raised(py, &error))?;
                *self.client.lock().unwrap_or_else(PoisonError::into_inner) = Owned::new(Arc::clone(&opened));
                opened
            }
        };
        Pending::start(|_| operation(client))
    }
}

#[pymethods]
impl Execution {
    #[getter]
    fn name(&self) -> &str {
        self.entry.name()
    }

    /// Where it is, without a password that may be in it.
    #[getter]
    fn address(&self) -> String {
        self.entry.address()
    }

    /// Executes what a configuration says, which is JSON.
    fn execute(&self, py: Python<'_>, config: &str, archive: Option<Given>, name: Option<String>) -> PyResult<Pending> {
        let config: Value = read(config)?;
        let archive = archive.map(|given| match given {
            Given::Bytes(bytes) => {
                let origin = Origin::Bytes(Bytes::from_owner(bytes));
                Archive { name: name.unwrap_or_default(), origin }
            }
            Given::Path(path) => Archive::path(path),
        });
        self.begin(py, |client| async move { plain(&client.execute_json(&config, archive.as_ref()).await?) })
    }

    fn download(&self, py: Python<'_>, id: String, path: Option<String>) -> PyResult<Pending> {
        self.begin(py, |client| async move {
            let download = match path {
                None => client.download_environment(&id).await?,
                Some(path) => client.download_file(&id, &path).await?,
            };
            let download = Download::new(download, client.name().to_owned(), belljar_client::Vendor::PremierLangage);
            let make: Make = Box::new(move |py| Ok(Py::new(py, download)?.into_any()));
            Ok(make)
        })
    }

    /// Whether it is there, and how long it is if that is told.
    fn check(&self, py: Python<'_>, id: String, path: Option<String>) -> PyResult<Pending> {
        self.begin(py, |client| async move {
            let presence = match path {
                None => client.check_environment(&id).await?,
                Some(path) => client.check_file(&id, &path).await?,
            };
            match presence {
                Presence::Absent => plain(&(false, None::<u64>)),
                Presence::Present { length } => plain(&(true, length)),
            }
        })
    }

    fn fact(&self, py: Python<'_>, which: &str) -> PyResult<Pending> {
        let fact = match which {
            "specifications" => Fact::Specifications,
            "usage" => Fact::Usage,
            "libraries" => Fact::Libraries,
            other => return Err(PyValueError::new_err(format!("there is no fact '{other}'"))),
        };
        self.begin(py, |client| async move { plain(&client.fact(fact).await?) })
    }
}
