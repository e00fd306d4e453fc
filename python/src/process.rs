//! What belongs to one process, and must not be touched by a child that was forked from it: the threads that it counts on are not there.

use std::sync::{Mutex, PoisonError};

use pyo3::PyResult;
use pyo3::exceptions::PyRuntimeError;
use tokio::runtime::{Builder, Handle, Runtime};

/// Threads that send and receive.
const THREADS: usize = 2;

/// Something of this process. In a child it is neither used nor dropped: both could wait for a lock that nobody will release.
#[derive(Debug)]
pub(crate) struct Owned<T> {
    value: Option<T>,
    process: u32,
}

impl<T> Owned<T> {
    pub(crate) fn new(value: T) -> Self {
        Self { value: Some(value), process: std::process::id() }
    }

    /// It, unless this is another process.
    pub(crate) fn get(&self) -> Option<&T> {
        self.value.as_ref().filter(|_| self.process == std::process::id())
    }
}

impl<T> Drop for Owned<T> {
    fn drop(&mut self) {
        if self.process != std::process::id() {
            std::mem::forget(self.value.take());
        }
    }
}

/// Locked only by who holds the interpreter, which is held while it forks: a child finds it open.
static RUNTIME: Mutex<Option<Owned<Runtime>>> = Mutex::new(None);

/// This process's runtime; made when it is wanted for the first time.
pub(crate) fn runtime() -> PyResult<Handle> {
    let mut made = RUNTIME.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(runtime) = made.as_ref().and_then(Owned::get) {
        return Ok(runtime.handle().clone());
    }
    let runtime = Builder::new_multi_thread()
        .worker_threads(THREADS)
        .thread_name("belljar")
        .enable_all()
        .build()
        .map_err(|error| PyRuntimeError::new_err(format!("no threads can be started: {error}")))?;
    let handle = runtime.handle().clone();
    *made = Some(Owned::new(runtime));
    Ok(handle)
}
