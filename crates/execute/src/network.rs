//! The network of requests: the proxy beside their commands, and what it has passed on.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use belljar_egress::{Connection, Gate, Journal, Machine, Rules, Verdict};
use belljar_sandbox::{Bridge, Network, Policy, Sandbox};
use tracing::info;

use crate::settings::{Access, NetworkSettings};

/// Connections and bytes of all requests since the start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Connections that were made.
    pub allowed: u64,
    /// Connections that were refused.
    pub refused: u64,
    /// Connections that were allowed and failed.
    pub failed: u64,
    /// Bytes from sandboxes.
    pub sent: u64,
    /// Bytes to sandboxes.
    pub received: u64,
}

/// What sandboxes may reach, where that is neither nothing nor everything.
#[derive(Debug)]
pub(crate) struct Egress {
    rules: Arc<Rules>,
    machine: Arc<Machine>,
    journal: Arc<Counts>,
}

impl Egress {
    pub(crate) fn new(rules: Rules) -> Self {
        Self { rules: Arc::new(rules), machine: Arc::default(), journal: Arc::default() }
    }

    /// The proxy of one run in this sandbox. To be dropped before the sandbox is given back.
    pub(crate) fn gate(&self, sandbox: &Sandbox) -> std::io::Result<Gate> {
        let (machine, journal) = (Arc::clone(&self.machine), Arc::clone(&self.journal));
        Gate::new(Arc::clone(&self.rules), sandbox.listeners()?, machine, journal)
    }

    pub(crate) fn traffic(&self) -> Traffic {
        let Counts { allowed, refused, failed, sent, received } = &*self.journal;
        let [allowed, refused, failed, sent, received] =
            [allowed, refused, failed, sent, received].map(|count| count.load(Ordering::Relaxed));
        Traffic { allowed, refused, failed, sent, received }
    }
}

/// Serves a gate, if there is one, for as long as the work takes, and has all its connections ended then.
pub(crate) async fn beside<T>(gate: Option<Gate>, work: impl Future<Output = T>) -> T {
    let Some(gate) = gate else { return work.await };
    tokio::select! {
        biased;
        done = work => done,
        never = gate.serve() => match never {},
    }
}

/// What the policy of sandboxes says about the network.
pub(crate) fn apply(settings: &NetworkSettings, rules: Option<&Rules>, policy: &mut Policy) {
    policy.network = match (settings.access, rules) {
        (Access::Host, _) => Network::Host,
        (_, Some(rules)) => {
            policy.environment.extend(rules.variables());
            Network::Bridged(Bridge { listen: rules.listen(), hosts: rules.hosts() })
        }
        (Access::None | Access::Allow, None) => Network::None,
    };
}

#[derive(Debug, Default)]
struct Counts {
    allowed: AtomicU64,
    refused: AtomicU64,
    failed: AtomicU64,
    sent: AtomicU64,
    received: AtomicU64,
}

impl Journal for Counts {
    /// One line for each connection; the span around it names the request.
    fn record(&self, connection: Connection) {
        let Connection { way, host, port, address, verdict, reason, ending, sent, received, duration } = connection;
        let count = match verdict {
            Verdict::Allowed => &self.allowed,
            Verdict::Refused(_) => &self.refused,
            Verdict::Failed(_) => &self.failed,
        };
        for (count, by) in [(count, 1), (&self.sent, sent), (&self.received, received)] {
            count.fetch_add(by, Ordering::Relaxed);
        }
        info!(
            verdict = verdict.label(),
            host,
            port,
            address = address.map(tracing::field::display),
            reason,
            ?way,
            ?ending,
            sent,
            received,
            seconds = duration.as_secs_f64(),
            "connection"
        );
    }
}
