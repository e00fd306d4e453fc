//! One message's way through an app.

use std::collections::HashMap;
use std::fmt;
use std::sync::Mutex;

use crate::bus::{BusError, Destination, SharedBus};
use crate::config::Profile;
use crate::message::Message;
use crate::resource::Log;

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
    bus: SharedBus,
    unconfirmed: Mutex<Vec<crate::bus::Boxed<'static, Result<(), BusError>>>>,
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
        Self { sandbox_id, transport_name, profile, originals, log, bus, unconfirmed: Mutex::default() }
    }

    /// Publishes. That it was confirmed is awaited at the end, by [`RunContext::confirmed`].
    pub fn publish(&self, destination: Destination, body: Vec<u8>) {
        let confirmation = self.bus.publish(destination, body);
        self.unconfirmed.lock().unwrap_or_else(std::sync::PoisonError::into_inner).push(confirmation);
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
