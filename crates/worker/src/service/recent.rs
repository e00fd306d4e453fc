//! Which messages are being worked on, and which were a moment ago.
//!
//! A connection that breaks makes the broker deliver anew what was not acknowledged, or whose acknowledgement it did not get; meanwhile the
//! first delivery may still be worked on, or is done. The second one of the same message is not worked on as well: its user would get
//! two answers.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

use sha2::{Digest, Sha256};

use crate::bus::Settle;

/// Messages that are remembered when they are done, of each queue. A broker gets acknowledgements in milliseconds; what it may deliver
/// again is as many as were unsettled when the connection broke.
const REMEMBERED: usize = 4096;

/// A message is what its body is: each has an id of its own in there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Identity([u8; 16]);

impl Identity {
    /// Of a body.
    pub(super) fn of(body: &[u8]) -> Self {
        let mut first = [0; 16];
        first.copy_from_slice(&Sha256::digest(body)[..16]);
        Self(first)
    }
}

/// How a message is to be settled: by its latest delivery, as only that one can still be.
#[derive(Debug, Clone)]
pub(super) struct Open(Arc<Mutex<Option<Settle>>>);

impl Open {
    /// Takes it, to settle it.
    pub(super) fn take(&self) -> Option<Settle> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Whether there is a delivery that waits to be settled.
    pub(super) fn is_waiting(&self) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).is_some()
    }
}

/// What to do with a delivery.
#[derive(Debug)]
pub(super) enum Admitted {
    /// To be worked on.
    New(Open),
    /// It is being worked on, and settled when that is done.
    Known,
    /// It was done: only to be acknowledged.
    Done(Settle),
}

/// The messages of one queue.
#[derive(Debug, Default)]
pub(super) struct Recent(Mutex<Inner>);

#[derive(Debug, Default)]
struct Inner {
    open: HashMap<Identity, Open>,
    done: HashSet<Identity>,
    order: VecDeque<Identity>,
}

impl Recent {
    /// Decides what to do with a delivery. Only one that says that it was delivered before can be known: a message that was published
    /// twice is delivered twice.
    pub(super) fn admit(&self, identity: Identity, redelivered: bool, settle: Settle) -> Admitted {
        let mut inner = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if redelivered {
            if let Some(open) = inner.open.get(&identity) {
                let former = open.0.lock().unwrap_or_else(PoisonError::into_inner).replace(settle);
                drop(inner);
                // Of a connection that is gone; nothing can be settled with it.
                drop(former);
                return Admitted::Known;
            }
            if inner.done.contains(&identity) {
                return Admitted::Done(settle);
            }
        }
        let open = Open(Arc::new(Mutex::new(Some(settle))));
        inner.open.entry(identity).or_insert_with(|| open.clone());
        Admitted::New(open)
    }

    /// No longer worked on; if it is done, it is remembered.
    pub(super) fn close(&self, identity: Identity, open: &Open, done: bool) {
        let mut inner = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // With the same body published twice, it is the other's.
        if inner.open.get(&identity).is_some_and(|known| Arc::ptr_eq(&known.0, &open.0)) {
            inner.open.remove(&identity);
        }
        if done && inner.done.insert(identity) {
            inner.order.push_back(identity);
            if inner.order.len() > REMEMBERED
                && let Some(oldest) = inner.order.pop_front()
            {
                inner.done.remove(&oldest);
            }
        }
    }
}
