//! One message's way through an app.

mod drive;
mod kept;
mod lines;
mod report;
mod runner;
mod script;
mod unknown;

use std::collections::HashMap;
use std::fmt;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::Semaphore;

use crate::bus::{BusError, Destination, SharedBus};
use crate::config::Profile;
use crate::message::Message;
use crate::resource::Log;

pub use drive::{EXIT_GRACE, KILL_GRACE, MAX_IN_FLIGHT, MAX_STDERR_BYTES, MAX_WAITING_INPUT, REQUESTS_GRACE};
pub use kept::{KEPT_FOR, MAX_KEPT};
pub use lines::MAX_LINE_BYTES;
pub use report::{Outcome, RunReport, STDERR_TAIL_BYTES};
pub use runner::Runner;
pub use script::{MAX_SCRIPT_BYTES, Script, Text};

use runner::Setting;

/// Who a run is for and what it may do: fixed when it begins, never taken from a process.
///
/// Resources see nothing of a run but this.
pub struct RunContext {
    /// The tenant: the namespace of its keys and quotas.
    pub sandbox_id: String,
    /// The transport of the app.
    pub transport_name: String,
    /// Whose wording and whose faults.
    pub profile: Profile,
    /// Messages given to this run, by their ids: what can be replied to. Empty for an event.
    pub originals: HashMap<String, Message>,
    /// Where log lines about this run go.
    pub log: Log,
    /// Turns of this run's HTTP requests.
    pub(crate) http_turns: Semaphore,
    bus: SharedBus,
    unconfirmed: Mutex<Vec<crate::bus::Boxed<'static, Result<(), BusError>>>>,
    published: AtomicU64,
}

impl fmt::Debug for RunContext {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("RunContext").field("log", &self.log).finish_non_exhaustive()
    }
}

impl RunContext {
    /// For a message, or an event.
    #[must_use]
    pub fn new(log: Log, transport_name: String, profile: Profile, bus: SharedBus, message: &Message) -> Self {
        let id = message.text("message_id").filter(|_| message.kind() == crate::message::Kind::UserMessage);
        let originals = id.map(|id| (id.to_owned(), message.clone())).into_iter().collect();
        let sandbox_id = log.sandbox_id.clone();
        Self {
            sandbox_id,
            transport_name,
            profile,
            originals,
            log,
            http_turns: Semaphore::new(crate::resource::http::MOST_REQUESTS_PER_RUN),
            bus,
            unconfirmed: Mutex::default(),
            published: AtomicU64::new(0),
        }
    }

    /// Publishes. That it was confirmed is awaited at the end, by [`RunContext::confirmed`].
    pub fn publish(&self, destination: Destination, body: Vec<u8>) {
        if matches!(destination, Destination::Outbound { .. }) {
            self.published.fetch_add(1, Ordering::Relaxed);
        }
        let confirmation = self.bus.publish(destination, body);
        self.unconfirmed.lock().unwrap_or_else(std::sync::PoisonError::into_inner).push(confirmation);
    }

    /// Messages to users that were published.
    #[must_use]
    pub fn published(&self) -> u64 {
        self.published.load(Ordering::Relaxed)
    }

    /// Waits until all that was published is confirmed.
    ///
    /// # Errors
    /// The first that was not.
    pub async fn confirmed(&self) -> Result<(), BusError> {
        let waiting = std::mem::take(&mut *self.unconfirmed.lock().unwrap_or_else(std::sync::PoisonError::into_inner));
        for confirmation in waiting {
            confirmation.await?;
        }
        Ok(())
    }
}
