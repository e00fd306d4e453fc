//! Reports as the vendor sent them.

use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use belljar_client::Spooled;
use pyo3::exceptions::PyOSError;
use pyo3::prelude::*;
use pyo3::types::PyBytes;

/// What a vendor sent, in memory or in a nameless file.
#[pyclass(frozen, module = "belljar._native")]
pub(crate) struct Raw(pub(crate) Arc<Spooled>);

#[pymethods]
impl Raw {
    fn __len__(&self) -> PyResult<usize> {
        usize::try_from(self.0.length()).map_err(|_| PyOSError::new_err("it is larger than the memory"))
    }

    /// All of it.
    fn bytes<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyBytes>> {
        PyBytes::new_with(py, self.__len__()?, |buffer| {
            self.0.reader().read_exact(buffer).map_err(|error| PyOSError::new_err(error.to_string()))
        })
    }

    /// Writes it to a file, which is there whole or not at all, and says how long it is.
    #[expect(clippy::needless_pass_by_value, reason = "this is what an argument is read as")]
    fn save(&self, py: Python<'_>, path: PathBuf) -> PyResult<u64> {
        Ok(py.detach(|| write_whole(&path, |file| io::copy(&mut self.0.reader(), file)))?)
    }
}

/// Writes a file that is there whole or not at all.
pub(crate) fn write_whole<T>(path: &Path, write: impl FnOnce(&mut std::fs::File) -> io::Result<T>) -> io::Result<T> {
    let mut file = unfinished(path)?;
    let written = write(file.as_file_mut())?;
    file.persist(path).map_err(|error| error.error)?;
    Ok(written)
}

/// A file beside the one that it will become; gone when it does not.
pub(crate) fn unfinished(path: &Path) -> io::Result<tempfile::NamedTempFile> {
    use std::os::unix::fs::PermissionsExt as _;
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    // As any new file: the process's mask takes away what it must not have.
    tempfile::Builder::new().permissions(std::fs::Permissions::from_mode(0o666)).tempfile_in(directory)
}
