//! A session that a server gives for a while: asked for once, for all who need it.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::{Mutex, OwnedMutexGuard};

use crate::error::{Error, ErrorKind, Result, Step};
use crate::http::Transport;

/// A session, if there is one. While one is being asked for, everybody waits for it; and when that fails, for all who have waited: a wrong
/// password that is tried a hundred times locks a user out.
pub(super) struct Session<T> {
    /// Attempts to log in that have ended.
    ended: Arc<AtomicU64>,
    state: Arc<Mutex<State<T>>>,
}

struct State<T> {
    open: Option<T>,
    failure: Option<Error>,
}

impl<T> Default for Session<T> {
    fn default() -> Self {
        Self { ended: Arc::default(), state: Arc::new(Mutex::new(State { open: None, failure: None })) }
    }
}

impl<T> Clone for Session<T> {
    fn clone(&self) -> Self {
        Self { ended: Arc::clone(&self.ended), state: Arc::clone(&self.state) }
    }
}

impl<T> fmt::Debug for Session<T> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Session")
    }
}

impl<T: Clone + PartialEq + Send + 'static> Session<T> {
    /// The open session, or a new one.
    ///
    /// Who logs in does it to the end, even when nobody waits for it any more: the server counts a session whose name nobody has read.
    pub(super) async fn get(
        &self,
        transport: &Transport,
        valid: impl Fn(&T) -> bool,
        log_in: impl Future<Output = Result<T>> + Send + 'static,
    ) -> Result<T> {
        let before = self.ended.load(Ordering::SeqCst);
        let mut state = self.lock().await;
        if let Some(open) = state.open.as_ref().filter(|open| valid(open)) {
            return Ok(open.clone());
        }
        if let Some(failure) = state.failure.as_ref().filter(|_| self.ended.load(Ordering::SeqCst) != before) {
            return Err(copy(failure));
        }
        let ended = Arc::clone(&self.ended);
        let logging_in = tokio::spawn(async move {
            let opened = log_in.await;
            state.open = opened.as_ref().ok().cloned();
            state.failure = opened.as_ref().err().map(copy);
            ended.fetch_add(1, Ordering::SeqCst);
            opened
        });
        match logging_in.await.map_err(tokio::task::JoinError::try_into_panic) {
            Ok(opened) => opened,
            Err(Ok(panic)) => std::panic::resume_unwind(panic),
            Err(Err(_)) => {
                let reason = "the runtime has ended".to_owned();
                Err(transport.error(Step::LogIn, ErrorKind::Transport { reason, sent: true }))
            }
        }
    }

    /// Forgets this one, unless it has been replaced; says whether it was.
    pub(super) async fn forget(&self, old: &T) -> bool {
        self.lock().await.open.take_if(|open| open == old).is_some()
    }

    /// Ends the open session, if there is one. When that fails it stays.
    pub(super) async fn end<F: Future<Output = Result<()>>>(&self, log_out: impl FnOnce(T) -> F) -> Result<()> {
        let mut state = self.lock().await;
        if let Some(open) = state.open.clone() {
            log_out(open).await?;
            state.open = None;
        }
        Ok(())
    }

    /// Nobody has one, and nobody is asking for one.
    pub(super) fn is_idle(&self) -> bool {
        self.state.try_lock().is_ok_and(|state| state.open.is_none())
    }

    async fn lock(&self) -> OwnedMutexGuard<State<T>> {
        Arc::clone(&self.state).lock_owned().await
    }
}

/// The same error for somebody else.
fn copy(error: &Error) -> Error {
    let kind = match &error.kind {
        ErrorKind::Unauthenticated(text) => ErrorKind::Unauthenticated(text.clone()),
        ErrorKind::Forbidden(text) => ErrorKind::Forbidden(text.clone()),
        ErrorKind::NotFound(text) => ErrorKind::NotFound(text.clone()),
        ErrorKind::Transport { reason, sent } => ErrorKind::Transport { reason: reason.clone(), sent: *sent },
        ErrorKind::TimedOut { limit, after } => ErrorKind::TimedOut { limit, after: *after },
        ErrorKind::Quota { message, retry_after } => {
            ErrorKind::Quota { message: message.clone(), retry_after: *retry_after }
        }
        ErrorKind::Status { status, message, retry_after } => {
            ErrorKind::Status { status: *status, message: message.clone(), retry_after: *retry_after }
        }
        other => ErrorKind::Malformed(other.to_string()),
    };
    Error { sandbox: error.sandbox.clone(), vendor: error.vendor, step: Step::LogIn, kind }
}
