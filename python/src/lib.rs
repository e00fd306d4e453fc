//! The compiled part of the Python package `belljar`: everything that talks to sandboxes, without any blocking of the interpreter.
//!
//! Each operation begins at once and gives a [`Pending`](pending::Pending), which the Python code waits for: a thread without holding the
//! interpreter, a coroutine without holding its thread. What is plain data goes over as JSON and becomes a data class there.

mod download;
mod error;
mod execution;
mod http;
mod many;
mod open;
mod pending;
mod process;
mod raw;
mod sandbox;
mod xml;

use pyo3::prelude::*;

/// The compiled part of belljar. Use the package.
#[pymodule]
mod _native {
    #[pymodule_export]
    use crate::download::Download;
    #[pymodule_export]
    use crate::execution::{Execution, open_configured_execution, open_execution};
    #[pymodule_export]
    use crate::http::Http;
    #[pymodule_export]
    use crate::many::{consensus, submit_to_many};
    #[pymodule_export]
    use crate::open::{open, open_configured, products};
    #[pymodule_export]
    use crate::pending::{Pending, close};
    #[pymodule_export]
    use crate::raw::Raw;
    #[pymodule_export]
    use crate::sandbox::Sandbox;
    #[pymodule_export]
    use crate::xml::xml_to_json;

    use super::*;

    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
        module.add("__version__", env!("CARGO_PKG_VERSION"))
    }
}
