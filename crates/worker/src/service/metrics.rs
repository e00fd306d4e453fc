//! What Prometheus collects about apps. Labels take few values, whatever messages hold.

use std::sync::Arc;
use std::time::Duration;

use prometheus_client::encoding::{EncodeLabelSet, text};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

use crate::bus::Queue;

/// The content type of what [`Metrics::print`] prints.
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Upper bounds of the buckets for durations, in seconds: from what a fork of QuickJS takes, to the default time limit.
const BUCKETS: [f64; 15] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0];

type Durations = Family<AppLabel, Histogram, fn() -> Histogram>;

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct AppLabel {
    app: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct QueueLabels {
    app: String,
    queue: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OutcomeLabels {
    app: String,
    outcome: &'static str,
}

/// What became of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    /// The app dealt with it.
    Done,
    /// It was dealt with before, and came again because the broker did not know.
    Repeated,
    /// For an endpoint that the app has not.
    Dropped,
    /// The app failed, twice.
    DeadFailed,
    /// Nobody can deal with it.
    DeadInvalid,
    /// Left to come again.
    Left,
}

impl Outcome {
    const fn label(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Repeated => "repeated",
            Self::Dropped => "dropped",
            Self::DeadFailed => "dead_failed",
            Self::DeadInvalid => "dead_invalid",
            Self::Left => "left",
        }
    }
}

/// The metrics of all apps of a worker.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    received: Family<QueueLabels, Counter>,
    settled: Family<OutcomeLabels, Counter>,
    published: Family<AppLabel, Counter>,
    failures: Family<AppLabel, Counter>,
    retries: Family<AppLabel, Counter>,
    unavailable: Family<AppLabel, Counter>,
    running: Family<AppLabel, Gauge>,
    waiting: Family<AppLabel, Gauge>,
    queued: Family<QueueLabels, Gauge>,
    memory: Family<AppLabel, Gauge>,
    attempt_duration: Durations,
    message_duration: Durations,
}

impl Default for Metrics {
    fn default() -> Self {
        Self::with(|_| {})
    }
}

impl Metrics {
    /// Together with those of others, who register them. All names begin with `belljar_worker`.
    pub fn with(others: impl FnOnce(&mut Registry)) -> Self {
        let mut registry = Registry::with_prefix("belljar_worker");
        others(&mut registry);
        let durations = || -> Durations { Family::new_with_constructor(|| Histogram::new(BUCKETS)) };
        let (received, settled, published) = (Family::default(), Family::default(), Family::default());
        let (failures, retries, unavailable) = (Family::default(), Family::default(), Family::default());
        let (running, waiting, queued, memory) =
            (Family::default(), Family::default(), Family::default(), Family::default());
        let (attempt_duration, message_duration) = (durations(), durations());
        registry.register("messages_received", "Messages and events that came", Family::clone(&received));
        registry.register("messages_settled", "Messages and events by what became of them", Family::clone(&settled));
        registry.register("messages_published", "Messages of apps that the broker has", Family::clone(&published));
        registry.register("attempts_failed", "Runs of apps that failed", Family::clone(&failures));
        registry.register("retries", "Messages that were given to an app a second time", Family::clone(&retries));
        registry.register(
            "attempts_unavailable",
            "Runs that could not begin, because of the worker's surroundings; they are tried again",
            Family::clone(&unavailable),
        );
        registry.register("messages_running", "Messages and events that are worked on", Family::clone(&running));
        registry.register(
            "messages_waiting",
            "Messages and events that wait for one of the same user before them",
            Family::clone(&waiting),
        );
        registry.register("queue_messages", "Messages that wait at the broker", Family::clone(&queued));
        registry.register("engine_memory_bytes", "Memory of the sandboxes of an app", Family::clone(&memory));
        registry.register("attempt_duration_seconds", "Time of one run of an app", Family::clone(&attempt_duration));
        registry.register(
            "message_duration_seconds",
            "Time from when a message came until what the app published was confirmed and the message acknowledged",
            Family::clone(&message_duration),
        );
        Self {
            registry,
            received,
            settled,
            published,
            failures,
            retries,
            unavailable,
            running,
            waiting,
            queued,
            memory,
            attempt_duration,
            message_duration,
        }
    }

    /// Everything, as text.
    #[must_use]
    pub fn print(&self) -> String {
        let mut printed = String::new();
        // Writing into a string does not fail.
        let _ = text::encode(&mut printed, &self.registry);
        printed
    }
}

/// The metrics of one app.
#[derive(Debug, Clone)]
pub(super) struct AppMetrics {
    metrics: Arc<Metrics>,
    app: String,
}

impl AppMetrics {
    pub(super) fn new(metrics: Arc<Metrics>, app: &str) -> Self {
        let new = Self { metrics, app: app.to_owned() };
        // There from the beginning: what has not happened yet is zero, and not absent.
        for outcome in [Outcome::Done, Outcome::DeadFailed, Outcome::DeadInvalid] {
            drop(new.metrics.settled.get_or_create(&new.outcome(outcome)));
        }
        drop(new.metrics.retries.get_or_create(&new.label()));
        drop(new.metrics.failures.get_or_create(&new.label()));
        drop(new.metrics.running.get_or_create(&new.label()));
        drop(new.metrics.waiting.get_or_create(&new.label()));
        new
    }

    fn label(&self) -> AppLabel {
        AppLabel { app: self.app.clone() }
    }

    fn outcome(&self, outcome: Outcome) -> OutcomeLabels {
        OutcomeLabels { app: self.app.clone(), outcome: outcome.label() }
    }

    fn queue(&self, queue: Queue) -> QueueLabels {
        let queue = match queue {
            Queue::Inbound => "inbound",
            Queue::Event => "event",
        };
        QueueLabels { app: self.app.clone(), queue }
    }

    pub(super) fn received(&self, queue: Queue) {
        self.metrics.received.get_or_create(&self.queue(queue)).inc();
    }

    pub(super) fn settled(&self, outcome: Outcome, since: Duration) {
        self.metrics.settled.get_or_create(&self.outcome(outcome)).inc();
        if matches!(outcome, Outcome::Done | Outcome::DeadFailed) {
            self.metrics.message_duration.get_or_create(&self.label()).observe(since.as_secs_f64());
        }
    }

    pub(super) fn published(&self) {
        self.metrics.published.get_or_create(&self.label()).inc();
    }

    pub(super) fn attempted(&self, duration: Duration) {
        self.metrics.attempt_duration.get_or_create(&self.label()).observe(duration.as_secs_f64());
    }

    pub(super) fn failed(&self) {
        self.metrics.failures.get_or_create(&self.label()).inc();
    }

    pub(super) fn retried(&self) {
        self.metrics.retries.get_or_create(&self.label()).inc();
    }

    pub(super) fn unavailable(&self) {
        self.metrics.unavailable.get_or_create(&self.label()).inc();
    }

    /// Counts as running while it lives.
    pub(super) fn running(&self) -> Counted {
        Counted::new(self.metrics.running.get_or_create(&self.label()).clone())
    }

    /// Counts as waiting while it lives.
    pub(super) fn waiting(&self) -> Counted {
        Counted::new(self.metrics.waiting.get_or_create(&self.label()).clone())
    }

    pub(super) fn queued(&self, queue: Queue, messages: u64) {
        self.metrics.queued.get_or_create(&self.queue(queue)).set(signed(messages));
    }

    pub(super) fn memory(&self, bytes: Option<u64>) {
        match bytes {
            Some(bytes) => drop(self.metrics.memory.get_or_create(&self.label()).set(signed(bytes))),
            None => drop(self.metrics.memory.remove(&self.label())),
        }
    }

    /// Forgets what is true of a moment, when the app is no longer served.
    pub(super) fn retire(&self) {
        self.metrics.memory.remove(&self.label());
        for queue in [Queue::Inbound, Queue::Event] {
            self.metrics.queued.remove(&self.queue(queue));
        }
    }
}

fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// Counts in a gauge as long as it lives.
#[derive(Debug)]
pub(super) struct Counted(Option<Gauge>);

impl Counted {
    fn new(gauge: Gauge) -> Self {
        gauge.inc();
        Self(Some(gauge))
    }
}

impl Counted {
    /// No longer.
    pub(super) fn end(&mut self) {
        if let Some(gauge) = self.0.take() {
            gauge.dec();
        }
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.end();
    }
}
