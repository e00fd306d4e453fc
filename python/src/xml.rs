//! XML, for modules that speak a protocol themselves.

use belljar_client::xml::{Limits, to_json};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedBytes;

/// A document as JSON, in the way of `xmltodict`. `ValueError` when it is none, or larger than any that a vendor sends.
#[pyfunction]
#[expect(clippy::needless_pass_by_value, reason = "this is what an argument is read as")]
pub(crate) fn xml_to_json(py: Python<'_>, document: PyBackedBytes) -> PyResult<String> {
    let read = py.detach(|| to_json(&document[..], &Limits::default()));
    read.map(|value| value.to_string()).map_err(|error| PyValueError::new_err(error.to_string()))
}
