//! Clients of all vendors: by settings that Python has, or by a name in a configuration file.

use belljar_client::Vendor;
use belljar_client::config::{ConfigError, Entry, Kind, PRODUCTS, Product, Sandboxes};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use serde_json::{Value, json};

use crate::error::exception;
use crate::pending::{Failure, Make, Pending};
use crate::sandbox::Sandbox;

impl From<ConfigError> for Failure {
    fn from(error: ConfigError) -> Self {
        Self::Config(Box::new(error))
    }
}

/// The exception for a setting that is wrong.
pub(crate) fn raised(py: Python<'_>, error: &ConfigError) -> PyErr {
    if let ConfigError::Client(error) = error {
        return exception(py, error);
    }
    let class = if matches!(error, ConfigError::Public { .. }) { "PublicError" } else { "ConfigError" };
    let built = py.import("belljar._errors").and_then(|errors| errors.getattr(class)?.call1((error.to_string(),)));
    built.map_or_else(|problem| problem, PyErr::from_value)
}

fn begin(entry: Entry) -> PyResult<Pending> {
    Pending::start(|_| async move {
        let client = entry.open().await?;
        let make: Make = Box::new(move |py| Ok(Py::new(py, Sandbox::new(entry, client))?.into_any()));
        Ok(make)
    })
}

/// Opens a sandbox; `settings` are a JSON object as a configuration has them.
#[pyfunction]
pub(crate) fn open(py: Python<'_>, name: &str, settings: &str) -> PyResult<Pending> {
    let settings: Value = serde_json::from_str(settings).map_err(|error| PyValueError::new_err(error.to_string()))?;
    let read = Sandboxes::read([(name.to_owned(), settings)]);
    let entry = read.and_then(|sandboxes| sandboxes.entry(name).cloned()).map_err(|error| raised(py, &error))?;
    begin(entry)
}

/// Opens the sandbox of this name in a configuration, which is the text of a TOML file.
#[pyfunction]
pub(crate) fn open_configured(py: Python<'_>, toml: &str, name: &str) -> PyResult<Pending> {
    let read = Sandboxes::from_toml(toml);
    let entry = read.and_then(|sandboxes| sandboxes.entry(name).cloned()).map_err(|error| raised(py, &error))?;
    begin(entry)
}

/// What can be opened, as JSON.
#[pyfunction]
pub(crate) fn products() -> String {
    let described = |product: &Product| {
        let keys = product.keys.iter().map(|key| {
            let (kind, choices) = match key.kind {
                Kind::Secret => ("secret", &[][..]),
                Kind::Text => ("text", &[][..]),
                Kind::Flag => ("flag", &[][..]),
                Kind::Number => ("number", &[][..]),
                Kind::OneOf(choices) => ("text", choices),
            };
            json!({"name": key.name, "kind": kind, "choices": choices, "required": key.required, "about": key.about})
        });
        json!({"name": product.name, "title": product.title, "address": product.address, "settings": keys.collect::<Vec<_>>()})
    };
    let analyses = |product: &&Product| Vendor::ALL.iter().any(|vendor| vendor.name() == product.name);
    PRODUCTS.iter().filter(analyses).map(described).collect::<Value>().to_string()
}
