//! Processes that serve more than one message.

use std::collections::HashMap;
use std::future::Future as _;
use std::sync::{Mutex, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use tokio::time::Instant;

use crate::engine::Process;
use crate::message::Kind;

/// Processes that wait for their next message, at most, of all tenants of an app together.
pub const MAX_KEPT: usize = 8;
/// How long one waits, at most.
pub const KEPT_FOR: Duration = Duration::from_secs(300);

/// Whose processes may serve a message: nobody's but those that served the same tenant, with the same kind of message.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Owner {
    pub(super) sandbox_id: String,
    pub(super) kind: Kind,
}

#[derive(Debug)]
pub(super) struct Kept {
    pub(super) process: Process,
    /// Messages that it has served.
    pub(super) served: u32,
    since: Instant,
}

impl Kept {
    pub(super) fn new(process: Process, served: u32) -> Self {
        Self { process, served, since: Instant::now() }
    }

    /// Whether it still is there to hear anything.
    fn lives(&mut self) -> bool {
        let ended = self.process.control.ended();
        matches!(std::pin::pin!(ended).poll(&mut Context::from_waker(Waker::noop())), Poll::Pending)
    }
}

/// The processes of an app that wait.
#[derive(Debug, Default)]
pub(super) struct Keep(Mutex<HashMap<Owner, Vec<Kept>>>);

impl Keep {
    /// The one that served last, so that others grow old. Those that have ended, or are old, are dropped by the way.
    pub(super) fn take(&self, owner: &Owner) -> Option<Kept> {
        let mut all = self.lock();
        all.retain(|_, kept| {
            kept.retain_mut(|kept| kept.since.elapsed() < KEPT_FOR && kept.lives());
            !kept.is_empty()
        });
        all.get_mut(owner).and_then(Vec::pop)
    }

    /// Keeps one; the oldest goes when there are too many.
    pub(super) fn put(&self, owner: Owner, kept: Kept) {
        let mut all = self.lock();
        while all.values().map(Vec::len).sum::<usize>() >= MAX_KEPT {
            let oldest = all.iter().min_by_key(|(_, kept)| kept.first().map(|kept| kept.since));
            let Some(oldest) = oldest.map(|(owner, _)| owner.clone()) else { break };
            if let Some(kept) = all.get_mut(&oldest) {
                kept.remove(0);
            }
            all.retain(|_, kept| !kept.is_empty());
        }
        all.entry(owner).or_default().push(kept);
    }

    pub(super) fn all(&self) -> Vec<Kept> {
        self.lock().drain().flat_map(|(_, kept)| kept).collect()
    }

    pub(super) fn count(&self) -> usize {
        self.lock().values().map(Vec::len).sum()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<Owner, Vec<Kept>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
