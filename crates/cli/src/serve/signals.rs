//! Signals that end a service.

use anyhow::Context;
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::failure::Failure;

/// The signals that end a service.
pub(crate) struct StopSignals {
    terminate: Signal,
    interrupt: Signal,
}

/// A signal that arrived.
pub(crate) struct Arrived {
    pub(crate) name: &'static str,
    pub(crate) number: u8,
}

impl StopSignals {
    /// Listens from now on: none ends the process any more.
    ///
    /// # Errors
    /// The system does not let us.
    pub(crate) fn listen() -> Result<Self, Failure> {
        let listen = |kind| signal(kind).context("cannot wait for signals");
        Ok(Self { terminate: listen(SignalKind::terminate())?, interrupt: listen(SignalKind::interrupt())? })
    }

    /// The next one.
    pub(crate) async fn next(&mut self) -> Arrived {
        tokio::select! {
            _ = self.terminate.recv() => Arrived { name: "SIGTERM", number: 15 },
            _ = self.interrupt.recv() => Arrived { name: "SIGINT", number: 2 },
        }
    }
}
