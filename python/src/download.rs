//! Artifacts on their way.

use std::io::Write as _;
use std::path::PathBuf;
use std::sync::Arc;

use belljar_client::{Error, ErrorKind, Step, Vendor};
use bytes::Bytes;
use futures_util::StreamExt as _;
use futures_util::stream::BoxStream;
use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use pyo3::types::PyBytes;
use tokio::sync::Mutex;

use crate::pending::{Failure, Make, Pending};
use crate::process::Owned;
use crate::raw::unfinished;

struct Coming {
    bytes: Arc<Mutex<BoxStream<'static, belljar_client::Result<Bytes>>>>,
    sandbox: String,
    vendor: Vendor,
}

impl Coming {
    /// Errors of what comes.
    fn errors(&self) -> impl Fn(ErrorKind) -> Failure + Send + use<> {
        let (sandbox, vendor) = (self.sandbox.clone(), self.vendor);
        move |kind| Error { sandbox: sandbox.clone(), vendor, step: Step::Artifact, kind }.into()
    }
}

/// Bytes on their way.
#[pyclass(frozen, module = "belljar._native")]
pub(crate) struct Download {
    #[pyo3(get)]
    name: Option<String>,
    #[pyo3(get)]
    content_type: Option<String>,
    #[pyo3(get)]
    length: Option<u64>,
    #[pyo3(get)]
    password: Option<&'static str>,
    coming: Owned<Coming>,
}

impl Download {
    pub(crate) fn new(download: belljar_client::Download, sandbox: String, vendor: Vendor) -> Self {
        let belljar_client::Download { name, content_type, length, password, bytes } = download;
        // Who asks on after the end is told again that it is the end.
        let bytes = Arc::new(Mutex::new(bytes.fuse().boxed()));
        let coming = Owned::new(Coming { bytes, sandbox, vendor });
        Self { name, content_type, length, password, coming }
    }

    fn coming(&self) -> PyResult<&Coming> {
        self.coming.get().ok_or_else(|| PyRuntimeError::new_err("it was begun by another process, before a fork"))
    }
}

#[pymethods]
impl Download {
    /// The next bytes; nothing at the end.
    fn next(&self) -> PyResult<Pending> {
        let bytes = Arc::clone(&self.coming()?.bytes);
        Pending::start(|_| async move {
            let piece = bytes.lock().await.next().await.transpose()?;
            let make: Make = Box::new(move |py| match piece {
                Some(piece) => Ok(PyBytes::new(py, &piece).into_any().unbind()),
                None => Ok(py.None()),
            });
            Ok(make)
        })
    }

    /// All that is still to come, held in memory. More than `limit` bytes are an error.
    fn read(&self, limit: u64) -> PyResult<Pending> {
        let coming = self.coming()?;
        let bytes = Arc::clone(&coming.bytes);
        let error = coming.errors();
        Pending::start(|_| async move {
            let mut bytes = bytes.lock().await;
            let mut whole = Vec::new();
            while let Some(piece) = bytes.next().await.transpose()? {
                if whole.len() as u64 + piece.len() as u64 > limit {
                    return Err(error(ErrorKind::TooLarge { what: "the artifact", limit }));
                }
                whole.extend_from_slice(&piece);
            }
            let make: Make = Box::new(move |py| Ok(PyBytes::new(py, &whole).into_any().unbind()));
            Ok(make)
        })
    }

    /// Writes what is still to come to a file, which is there whole or not at all; its length. More than `limit` bytes are an error.
    fn save(&self, path: PathBuf, limit: u64) -> PyResult<Pending> {
        let coming = self.coming()?;
        let bytes = Arc::clone(&coming.bytes);
        let error = coming.errors();
        Pending::start(|_| async move {
            let sink = |problem| error(ErrorKind::Sink(problem));
            let mut file = unfinished(&path).map_err(sink)?;
            let mut bytes = bytes.lock().await;
            let mut length = 0_u64;
            while let Some(piece) = bytes.next().await.transpose()? {
                length += piece.len() as u64;
                if length > limit {
                    return Err(error(ErrorKind::TooLarge { what: "the artifact", limit }));
                }
                tokio::task::block_in_place(|| file.write_all(&piece)).map_err(sink)?;
            }
            file.persist(&path).map_err(|problem| sink(problem.error))?;
            let make: Make = Box::new(move |py| Ok(length.into_pyobject(py)?.into_any().unbind()));
            Ok(make)
        })
    }
}
