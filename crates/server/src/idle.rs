//! Connections on which nothing is asked, so that some can be closed when others want to be served.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio_util::sync::CancellationToken;

/// The connections that no request is running on, the longest idle first.
#[derive(Debug, Default)]
pub(crate) struct IdleConnections(Mutex<Waiting>);

#[derive(Debug, Default)]
struct Waiting {
    /// Of the next connection that becomes idle.
    number: u64,
    connections: BTreeMap<u64, CancellationToken>,
}

/// One connection: idle, unless a request is running.
#[derive(Debug)]
pub(crate) struct Connection {
    all: Arc<IdleConnections>,
    /// Told when it is to be closed for others.
    close: CancellationToken,
    /// Its place among the idle ones.
    place: Mutex<Option<u64>>,
    /// Whether there was ever a request on it.
    worked: AtomicBool,
}

impl IdleConnections {
    /// Adds a new connection.
    pub(crate) fn open(self: &Arc<Self>) -> Connection {
        let connection = Connection {
            all: Arc::clone(self),
            close: CancellationToken::new(),
            place: Mutex::default(),
            worked: AtomicBool::new(false),
        };
        connection.rest();
        connection
    }

    /// Has the connection closed that has been idle for longest. `false` when none is.
    pub(crate) fn close_longest(&self) -> bool {
        let longest = self.waiting().connections.pop_first();
        longest.inspect(|(_, close)| close.cancel()).is_some()
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Connection {
    /// A request has begun.
    pub(crate) fn work(&self) {
        self.worked.store(true, Ordering::Relaxed);
        self.leave();
    }

    fn leave(&self) {
        if let Some(place) = self.place.lock().unwrap_or_else(PoisonError::into_inner).take() {
            self.all.waiting().connections.remove(&place);
        }
    }

    /// No request is running any more; its answer may still be on the way, and is not cut.
    pub(crate) fn rest(&self) {
        let mut waiting = self.all.waiting();
        let number = waiting.number;
        waiting.number += 1;
        waiting.connections.insert(number, self.close.clone());
        drop(waiting);
        *self.place.lock().unwrap_or_else(PoisonError::into_inner) = Some(number);
    }

    /// Whether a request has ever begun.
    pub(crate) fn has_worked(&self) -> bool {
        self.worked.load(Ordering::Relaxed)
    }

    /// Waits until the connection is to be closed for others.
    pub(crate) async fn closing(&self) {
        self.close.cancelled().await;
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.leave();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_idle_is_closed_first_and_none_that_works() {
        let all = Arc::new(IdleConnections::default());
        let [first, second, third] = [all.open(), all.open(), all.open()];
        first.work();
        first.rest();
        third.work();
        let closing = || [&first, &second, &third].map(|connection| connection.close.is_cancelled());
        assert!(all.close_longest());
        assert_eq!(closing(), [false, true, false]);
        assert!(all.close_longest());
        assert_eq!(closing(), [true, true, false]);
        assert!(!all.close_longest());
        drop(third);
        assert!(all.waiting().connections.is_empty());
    }
}
