//! Operations that have begun.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use tokio::runtime::Handle;
use tokio::task::AbortHandle;

use crate::error;
use crate::process::{Owned, runtime};

/// Between two looks at whether a signal (Ctrl-C) has come.
const SIGNALS: Duration = Duration::from_millis(100);
/// News that nobody has fetched, at most; older ones are dropped.
const MAX_NEWS: usize = 4096;
/// For calls into the interpreter that are under way when it ends.
const LAST_CALLS: Duration = Duration::from_secs(2);

/// What an operation gives, made into an object when somebody wants it.
pub(crate) type Make = Box<dyn FnOnce(Python<'_>) -> PyResult<Py<PyAny>> + Send>;

/// Why it gives nothing.
pub(crate) enum Failure {
    /// The sandbox or the way to it.
    Client(Box<belljar_client::Error>),
    /// A setting.
    Config(Box<belljar_client::config::ConfigError>),
    /// What was asked for.
    Python(PyErr),
}

impl From<belljar_client::Error> for Failure {
    fn from(error: belljar_client::Error) -> Self {
        Self::Client(Box::new(error))
    }
}

/// What an operation ends with.
pub(crate) type Outcome = Result<Make, Failure>;

#[derive(Default)]
struct State {
    news: VecDeque<String>,
    /// The outcome, until it is fetched.
    outcome: Option<Outcome>,
    ended: bool,
    listener: Option<Py<PyAny>>,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The end of an operation that its own side holds. Dropped without an outcome it was cancelled.
pub(crate) struct Teller {
    shared: Arc<Shared>,
    runtime: Handle,
}

impl Teller {
    /// Tells something before the end.
    pub(crate) fn news(&self, text: String) {
        let mut state = self.shared.lock();
        if state.news.len() == MAX_NEWS {
            state.news.pop_front();
        }
        state.news.push_back(text);
        self.tell(state);
    }

    fn end(&self, outcome: Outcome) {
        let mut state = self.shared.lock();
        state.outcome = Some(outcome);
        state.ended = true;
        self.tell(state);
    }

    fn tell(&self, state: MutexGuard<'_, State>) {
        let listens = state.listener.is_some();
        drop(state);
        self.shared.changed.notify_all();
        if listens {
            let shared = Arc::clone(&self.shared);
            // The interpreter may be busy for long; threads that send and receive do not wait for it.
            self.runtime.spawn_blocking(move || call(&shared));
        }
    }
}

impl Drop for Teller {
    fn drop(&mut self) {
        if !self.shared.lock().ended {
            self.end(Err(Failure::Python(PyRuntimeError::new_err("it was cancelled"))));
        }
    }
}

static CLOSED: AtomicBool = AtomicBool::new(false);
static CALLING: AtomicUsize = AtomicUsize::new(0);

/// Calls the listener, unless the interpreter is about to end.
fn call(shared: &Shared) {
    CALLING.fetch_add(1, Ordering::SeqCst);
    if !CLOSED.load(Ordering::SeqCst) {
        Python::try_attach(|py| {
            let listener = shared.lock().listener.as_ref().map(|listener| listener.clone_ref(py));
            if let Some(listener) = listener
                && let Err(error) = listener.call0(py)
            {
                error.write_unraisable(py, Some(listener.bind(py)));
            }
        });
    }
    CALLING.fetch_sub(1, Ordering::SeqCst);
}

/// Ends all calls into the interpreter, which is about to end: a thread that waits for it then is never heard of again.
#[pyfunction]
pub(crate) fn close(py: Python<'_>) {
    CLOSED.store(true, Ordering::SeqCst);
    let end = Instant::now() + LAST_CALLS;
    py.detach(|| {
        while CALLING.load(Ordering::SeqCst) > 0 && Instant::now() < end {
            std::thread::sleep(Duration::from_millis(1));
        }
    });
}

struct Running {
    shared: Arc<Shared>,
    task: AbortHandle,
}

/// An operation that has begun. It ends when this is dropped.
#[pyclass(frozen, module = "belljar._native")]
pub(crate) struct Pending(Owned<Running>);

impl Pending {
    /// Begins one.
    pub(crate) fn start<F>(operation: impl FnOnce(Arc<Teller>) -> F) -> PyResult<Self>
    where
        F: Future<Output = Outcome> + Send + 'static,
    {
        let runtime = runtime()?;
        let shared = Arc::new(Shared::default());
        let teller = Arc::new(Teller { shared: Arc::clone(&shared), runtime: runtime.clone() });
        let operation = operation(Arc::clone(&teller));
        let task = runtime.spawn(async move {
            let outcome = operation.await;
            teller.end(outcome);
        });
        Ok(Self(Owned::new(Running { shared, task: task.abort_handle() })))
    }

    fn running(&self) -> PyResult<&Running> {
        self.0.get().ok_or_else(|| PyRuntimeError::new_err("it was begun by another process, before a fork"))
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        if let Some(running) = self.0.get() {
            running.task.abort();
        }
    }
}

enum Seen {
    News(Vec<String>),
    Ended(Option<Outcome>),
    Nothing,
}

#[pymethods]
impl Pending {
    /// Waits for its end without holding the interpreter, and gives what came of it, once. Signals are heard: Ctrl-C cancels it.
    #[pyo3(signature = (hear = None))]
    fn result(&self, py: Python<'_>, hear: Option<&Bound<'_, PyAny>>) -> PyResult<Py<PyAny>> {
        let running = self.running()?;
        loop {
            let seen = py.detach(|| {
                let waits = |state: &mut State| !state.ended && state.news.is_empty();
                let state = running.shared.lock();
                let waited = running.shared.changed.wait_timeout_while(state, SIGNALS, waits);
                let mut state = waited.unwrap_or_else(PoisonError::into_inner).0;
                match (state.news.is_empty(), state.ended) {
                    (false, _) => Seen::News(state.news.drain(..).collect()),
                    (true, true) => Seen::Ended(state.outcome.take()),
                    (true, false) => Seen::Nothing,
                }
            });
            match seen {
                Seen::Ended(outcome) => {
                    let outcome = outcome.ok_or_else(|| PyRuntimeError::new_err("its outcome was fetched before"))?;
                    return outcome.map_or_else(|failure| Err(error::raised(py, failure)), |make| make(py));
                }
                Seen::News(news) => {
                    for text in hear.into_iter().flat_map(|hear| news.iter().map(move |text| (hear, text))) {
                        text.0.call1((text.1,)).inspect_err(|_| running.task.abort())?;
                    }
                }
                Seen::Nothing => {}
            }
            py.check_signals().inspect_err(|_| running.task.abort())?;
        }
    }

    /// Has something called, from a thread of its own, each time there is news, and at the end; at once if that was before.
    fn listen(&self, listener: Py<PyAny>) -> PyResult<()> {
        let running = self.running()?;
        let mut state = running.shared.lock();
        let late = state.ended || !state.news.is_empty();
        state.listener = Some(listener);
        drop(state);
        if late {
            let shared = Arc::clone(&running.shared);
            runtime()?.spawn_blocking(move || call(&shared));
        }
        Ok(())
    }

    /// What was told since the last time.
    fn news(&self) -> PyResult<Vec<String>> {
        Ok(self.running()?.shared.lock().news.drain(..).collect())
    }

    /// Whether it has ended.
    fn ended(&self) -> PyResult<bool> {
        Ok(self.running()?.shared.lock().ended)
    }

    /// Ends it.
    fn cancel(&self) {
        if let Some(running) = self.0.get() {
            running.task.abort();
        }
    }
}
