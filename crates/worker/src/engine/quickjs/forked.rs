//! Processes of messages, as the worker sees them.

use std::collections::HashMap;
use std::io;
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use belljar_sandbox::Usage;
use tokio::net::UnixStream;
use tokio::sync::{Notify, OwnedSemaphorePermit, oneshot, watch};
use tokio::task::AbortHandle;

use super::code;
use super::handle::{Gone, Handle, PATIENCE, reason};
use super::wire::{self, Order, Report, receive_soon};
use crate::bus::Boxed;
use crate::engine::{Control, Ending};

/// `SIGKILL` of signal(7).
const SIGKILL: i32 = 9;
/// `SIGXCPU`.
const SIGXCPU: i32 = 24;

/// The processes of a zygote that have not ended, by their numbers.
#[derive(Debug, Default)]
pub(super) struct Processes {
    running: Mutex<HashMap<u64, Running>>,
    /// The zygote has closed its end, and so has everything that was forked from it.
    closed: AtomicBool,
    closing: Notify,
}

/// A process that has not ended.
#[derive(Debug)]
struct Running {
    ended: oneshot::Sender<(Ending, Option<Usage>)>,
    killed: Arc<AtomicBool>,
    _room: OwnedSemaphorePermit,
}

impl Processes {
    fn running(&self) -> MutexGuard<'_, HashMap<u64, Running>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until none is left, and the zygote is gone.
    pub(super) async fn closed(&self) {
        let closing = self.closing.notified();
        if !self.closed.load(Ordering::Acquire) {
            closing.await;
        }
    }

    /// Whether what is reported can be true.
    fn hear(&self, report: &Report) -> bool {
        let (Report::Ended { id, .. } | Report::Failed { id, .. }) = report else { return false };
        let Some(running) = self.running().remove(id) else { return false };
        let ended = match report {
            Report::Ended { status, usage, .. } => {
                (ending(*status, running.killed.load(Ordering::Relaxed)), Some((*usage).into()))
            }
            Report::Failed { errno, .. } => {
                (Ending::Failed(format!("no process: {}", io::Error::from_raw_os_error(*errno))), None)
            }
            Report::Loaded { .. } | Report::Refused(_) => return false,
        };
        // Nobody may be waiting.
        let _ = running.ended.send(ended);
        true
    }
}

/// Hears what a zygote reports, until it is gone; one that invents something goes at once.
pub(super) async fn listen(
    socket: Arc<UnixStream>,
    processes: Arc<Processes>,
    mut gone: watch::Receiver<Option<Gone>>,
    sandbox: AbortHandle,
) {
    while let Ok(Some(report)) = receive_soon(&socket).await {
        if !processes.hear(&report) {
            tracing::warn!("the process that an app was loaded in reports what cannot be; it is ended");
            break;
        }
    }
    sandbox.abort();
    let reason = reason(&mut gone).await;
    processes.closed.store(true, Ordering::Release);
    let left = std::mem::take(&mut *processes.running());
    for running in left.into_values() {
        let ending = match () {
            () if running.killed.load(Ordering::Relaxed) => Ending::Signaled(SIGKILL),
            () if reason.for_want_of_memory => Ending::Memory,
            () => Ending::Failed(reason.text.clone()),
        };
        let _ = running.ended.send((ending, None));
    }
    processes.closing.notify_waiters();
}

/// How a process ended, by its wait status.
fn ending(status: i32, killed: bool) -> Ending {
    match (status & 0x7f, status >> 8 & 0xff) {
        (0, code::MEMORY) => Ending::Memory,
        (0, code::CPU_TIME) | (SIGXCPU, _) => Ending::CpuTime,
        (0, code::BROKEN) => Ending::Failed("the engine is broken".to_owned()),
        (0, code) => Ending::Exited(code),
        // Nobody but us kills in there, except for the kernel when memory runs out.
        (SIGKILL, _) if !killed => Ending::Memory,
        (signal, _) => Ending::Signaled(signal),
    }
}

/// The other end of a process.
pub(super) struct Forked {
    id: u64,
    handle: Arc<Handle>,
    killed: Arc<AtomicBool>,
    waiting: oneshot::Receiver<(Ending, Option<Usage>)>,
    known: Option<(Ending, Option<Usage>)>,
}

impl Forked {
    /// One that is about to be asked for.
    pub(super) fn new(id: u64, handle: Arc<Handle>, room: OwnedSemaphorePermit) -> Self {
        let (ended, waiting) = oneshot::channel();
        let killed = Arc::new(AtomicBool::new(false));
        let running = Running { ended, killed: Arc::clone(&killed), _room: room };
        handle.processes.running().insert(id, running);
        Self { id, handle, killed, waiting, known: None }
    }
}

impl Control for Forked {
    fn kill(&mut self) {
        let running = || self.handle.processes.running().contains_key(&self.id);
        if self.killed.swap(true, Ordering::Relaxed) || !running() {
            return;
        }
        // A zygote that does not take the order, or does not carry it out, is not what it was, and goes with all that it forked.
        if wire::send(self.handle.socket.as_fd(), &Order::Kill(self.id), &[]).is_err() {
            self.handle.end();
            return;
        }
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        let (id, handle) = (self.id, Arc::clone(&self.handle));
        runtime.spawn(async move {
            tokio::time::sleep(PATIENCE).await;
            if handle.processes.running().contains_key(&id) {
                handle.end();
            }
        });
    }

    fn ended(&mut self) -> Boxed<'_, Ending> {
        Box::pin(async {
            if let Some((ending, _)) = &self.known {
                return ending.clone();
            }
            let lost = |_| (Ending::Failed("the process was forgotten".to_owned()), None);
            let ended = (&mut self.waiting).await.unwrap_or_else(lost);
            self.known.insert(ended).0.clone()
        })
    }

    fn usage(&self) -> Option<Usage> {
        self.known.as_ref()?.1
    }
}

impl Drop for Forked {
    fn drop(&mut self) {
        self.kill();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_status_says_how_a_process_ended() {
        for (status, killed, expected) in [
            (0, false, Ending::Exited(0)),
            (1 << 8, false, Ending::Exited(1)),
            (code::MEMORY << 8, false, Ending::Memory),
            (code::CPU_TIME << 8, false, Ending::CpuTime),
            (SIGXCPU, false, Ending::CpuTime),
            (SIGKILL, true, Ending::Signaled(SIGKILL)),
            (SIGKILL, false, Ending::Memory),
            (11, false, Ending::Signaled(11)),
            // With a core dump.
            (11 | 0x80, false, Ending::Signaled(11)),
        ] {
            assert_eq!(ending(status, killed), expected, "{status:#x}");
        }
        assert!(matches!(ending(code::BROKEN << 8, false), Ending::Failed(_)));
    }

    #[test]
    fn what_was_never_asked_for_cannot_have_ended() {
        let processes = Processes::default();
        for report in [
            Report::Ended { id: 1, status: 0, usage: wire::Used::default() },
            Report::Failed { id: 1, errno: 11 },
            Report::Refused(String::new()),
        ] {
            assert!(!processes.hear(&report), "{report:?}");
        }
    }
}
