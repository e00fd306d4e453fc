//! What Prometheus collects. Labels take few values, whatever callers send.

use std::sync::atomic::Ordering;
use std::time::Duration;

use belljar_execute::{ExecuteError, Response, Traffic};
use belljar_sandbox::{End, Limit};
use http::{Method, StatusCode};
use prometheus_client::encoding::{EncodeLabelSet, text};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

use crate::backend::Gauges;

/// The content type of what [`Metrics::print`] prints.
pub(crate) const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Upper bounds of the buckets for the duration of requests, in seconds: around what a warm sandbox takes, up to what a
/// request that waits and uses its whole budget does.
const BUCKETS: [f64; 14] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0];

/// All metrics of the server.
#[derive(Debug)]
pub(crate) struct Metrics {
    registry: Registry,
    requests: Family<RequestLabels, Counter>,
    durations: Family<RouteLabel, Histogram, fn() -> Histogram>,
    executions: Family<OutcomeLabel, Counter>,
    sandboxes: Family<StateLabel, Gauge>,
    waiting: Gauge,
    environments: Gauge,
    environment_bytes: Gauge,
    egress_connections: Family<VerdictLabel, Counter>,
    egress_bytes: Family<DirectionLabel, Counter>,
    /// Open connections.
    pub(crate) connections: Gauge,
    /// Requests without a valid key.
    pub(crate) refused_keys: Counter,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RequestLabels {
    route: &'static str,
    method: &'static str,
    status: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RouteLabel {
    route: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OutcomeLabel {
    outcome: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct VerdictLabel {
    verdict: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct DirectionLabel {
    direction: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct StateLabel {
    state: &'static str,
}

impl Metrics {
    pub(crate) fn new() -> Self {
        let mut registry = Registry::with_prefix("belljar");
        let durations: Family<RouteLabel, Histogram, fn() -> Histogram> =
            Family::new_with_constructor(|| Histogram::new(BUCKETS));
        let metrics = Self {
            requests: Family::default(),
            durations,
            executions: Family::default(),
            sandboxes: Family::default(),
            waiting: Gauge::default(),
            environments: Gauge::default(),
            environment_bytes: Gauge::default(),
            egress_connections: Family::default(),
            egress_bytes: Family::default(),
            connections: Gauge::default(),
            refused_keys: Counter::default(),
            registry: Registry::default(),
        };
        registry.register("http_requests", "Requests answered, or given up by the client", metrics.requests.clone());
        registry.register(
            "http_request_duration_seconds",
            "Time from the headers of a request to those of its answer",
            metrics.durations.clone(),
        );
        registry.register("http_connections", "Open connections", metrics.connections.clone());
        registry.register("http_refused_keys", "Requests without a valid API key", metrics.refused_keys.clone());
        registry.register("executions", "Executions by how their last command ended", metrics.executions.clone());
        registry.register("sandboxes", "Sandboxes of the pool by state", metrics.sandboxes.clone());
        registry.register("waiting_requests", "Executions that wait for a sandbox", metrics.waiting.clone());
        registry.register("environments", "Saved environments", metrics.environments.clone());
        registry.register(
            "environments_bytes",
            "Disk space of the archives of saved environments",
            metrics.environment_bytes.clone(),
        );
        registry.register(
            "egress_connections",
            "Connections of sandboxes to the network by verdict: allowed, refused, or allowed and failed",
            metrics.egress_connections.clone(),
        );
        registry.register(
            "egress_bytes",
            "Bytes between sandboxes and the network by direction, seen from the sandbox",
            metrics.egress_bytes.clone(),
        );
        Self { registry, ..metrics }
    }

    /// Counts a request that was answered.
    pub(crate) fn answered(&self, route: &'static str, method: &Method, status: StatusCode, duration: Duration) {
        let status = match status.as_u16() / 100 {
            2 => "2xx",
            3 => "3xx",
            4 => "4xx",
            _ => "5xx",
        };
        self.requests.get_or_create(&RequestLabels { route, method: method_label(method), status }).inc();
        self.durations.get_or_create(&RouteLabel { route }).observe(duration.as_secs_f64());
    }

    /// Counts a request whose client went away.
    pub(crate) fn abandoned(&self, route: &'static str, method: &Method) {
        let labels = RequestLabels { route, method: method_label(method), status: "abandoned" };
        self.requests.get_or_create(&labels).inc();
    }

    /// Counts an execution.
    pub(crate) fn executed(&self, result: Result<&Response, &ExecuteError>) {
        let outcome = match result {
            Ok(response) => response.executions.last().map_or("setup_failed", |last| outcome_label(&last.outcome.end)),
            Err(ExecuteError::Busy { .. }) => "busy",
            Err(
                ExecuteError::UnknownEnvironment(_)
                | ExecuteError::Archive(_)
                | ExecuteError::DoesNotFit
                | ExecuteError::TooLargeToSave { .. }
                | ExecuteError::CannotSave(_),
            ) => "refused",
            Err(_) => "error",
        };
        self.executions.get_or_create(&OutcomeLabel { outcome }).inc();
    }

    /// Everything, as text, with these gauges.
    pub(crate) fn print(&self, gauges: Gauges) -> String {
        for (state, number) in [("idle", gauges.idle), ("busy", gauges.busy), ("preparing", gauges.preparing)] {
            self.sandboxes.get_or_create(&StateLabel { state }).set(signed(number));
        }
        self.waiting.set(signed(gauges.waiting));
        if let Some((environments, bytes)) = gauges.stored {
            self.environments.set(signed(environments));
            self.environment_bytes.set(signed(bytes));
        }
        if let Some(traffic) = gauges.traffic {
            let Traffic { allowed, refused, failed, sent, received } = traffic;
            for (verdict, count) in [("allowed", allowed), ("refused", refused), ("failed", failed)] {
                set(&self.egress_connections.get_or_create(&VerdictLabel { verdict }), count);
            }
            for (direction, bytes) in [("sent", sent), ("received", received)] {
                set(&self.egress_bytes.get_or_create(&DirectionLabel { direction }), bytes);
            }
        }
        let mut printed = String::new();
        // Writing to a string cannot fail.
        let _ = text::encode(&mut printed, &self.registry);
        printed
    }
}

/// What is counted elsewhere.
fn set(counter: &Counter, count: u64) {
    counter.inner().store(count, Ordering::Relaxed);
}

fn signed(number: impl TryInto<i64>) -> i64 {
    number.try_into().unwrap_or(i64::MAX)
}

fn method_label(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::OPTIONS => "OPTIONS",
        _ => "other",
    }
}

fn outcome_label(end: &End) -> &'static str {
    match end {
        End::Exited { code: 0 } => "success",
        End::Exited { .. } => "failure",
        End::Signaled { .. } => "signal",
        End::LimitReached { limit } => match limit {
            Limit::WallTime => "wall_time",
            Limit::CpuTime => "cpu_time",
            Limit::Memory => "memory",
            Limit::Processes => "processes",
            Limit::FileSize => "file_size",
            Limit::Disk => "disk",
            Limit::Inodes => "inodes",
            Limit::Output => "output",
        },
        End::Cancelled => "cancelled",
        End::SetupFailed { .. } => "setup_failed",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metrics_are_printed() {
        let metrics = Metrics::new();
        metrics.answered("execute", &Method::POST, StatusCode::OK, Duration::from_millis(3));
        metrics.answered("unknown", &Method::from_bytes(b"BREW").unwrap(), StatusCode::NOT_FOUND, Duration::ZERO);
        metrics.abandoned("execute", &Method::POST);
        metrics.executed(Err(&ExecuteError::Busy { retry_after: Duration::from_secs(1) }));
        let printed = metrics.print(Gauges {
            busy: 2,
            stored: Some((7, 4096)),
            traffic: Some(Traffic { refused: 3, sent: 5, ..Traffic::default() }),
            ..Gauges::default()
        });
        for line in [
            "belljar_http_requests_total{route=\"execute\",method=\"POST\",status=\"2xx\"} 1",
            "belljar_http_requests_total{route=\"unknown\",method=\"other\",status=\"4xx\"} 1",
            "belljar_http_requests_total{route=\"execute\",method=\"POST\",status=\"abandoned\"} 1",
            "belljar_http_request_duration_seconds_bucket{le=\"0.005\",route=\"execute\"} 1",
            "belljar_executions_total{outcome=\"busy\"} 1",
            "belljar_sandboxes{state=\"busy\"} 2",
            "belljar_sandboxes{state=\"idle\"} 0",
            "belljar_waiting_requests 0",
            "belljar_environments 7",
            "belljar_environments_bytes 4096",
            "belljar_egress_connections_total{verdict=\"refused\"} 3",
            "belljar_egress_bytes_total{direction=\"sent\"} 5",
        ] {
            assert!(printed.lines().any(|printed| printed == line), "{line} in\n{printed}");
        }
    }
}
