//! Numbers that an app counts.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};

use jiff::Timestamp;
use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue, LabelValueEncoder};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;
use serde_json::Value;

use super::{Resource, shown};
use crate::bus::{Boxed, Destination};
use crate::config::Profile;
use crate::protocol::{Answer, Fields, to_ascii};
use crate::python;
use crate::run::RunContext;

/// Metrics of one app, with their stores and aggregators, that are told to Prometheus. Others go to the bus only, and are counted.
pub const MAX_NAMES: usize = 1000;
/// Characters of a name, at most.
const MAX_NAME: usize = 101;

/// What becomes of a metric's numbers within a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Aggregator {
    Sum,
    Avg,
    Min,
    Max,
    Last,
}

impl Aggregator {
    fn of(name: &str) -> Option<Self> {
        [Self::Sum, Self::Avg, Self::Min, Self::Max, Self::Last].into_iter().find(|known| known.name() == name)
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Sum => "sum",
            Self::Avg => "avg",
            Self::Min => "min",
            Self::Max => "max",
            Self::Last => "last",
        }
    }
}

impl EncodeLabelValue for Aggregator {
    fn encode(&self, encoder: &mut LabelValueEncoder<'_>) -> std::fmt::Result {
        EncodeLabelValue::encode(&self.name(), encoder)
    }
}

/// A number, checked.
#[derive(Debug, Clone, PartialEq)]
struct Datum {
    store: String,
    metric: String,
    value: f64,
    aggregator: Aggregator,
}

impl Datum {
    /// The first check that fails gives the reason: their order is part of the protocol.
    fn of(profile: Profile, fields: &Fields) -> Result<Self, String> {
        let store = name(profile, "store", fields.get("store").unwrap_or(&"default".into()))?;
        let metric = name(profile, "metric", fields.get("metric").unwrap_or(&Value::Null))?;
        let value = fields.get("value");
        let number = value.and_then(python::float).filter(|number| number.is_finite() || profile == Profile::Strict);
        let number = number.ok_or_else(|| format!("Invalid metric value {}.", shown(profile, value)))?;
        let aggregator = match fields.get("agg") {
            Some(Value::String(name)) => Aggregator::of(name)
                .ok_or_else(|| format!("Invalid metric aggregator {}.", shown(profile, fields.get("agg"))))?,
            other => return Err(format!("Invalid metric aggregator {}", shown(profile, other))),
        };
        Ok(Self { store, metric, value: number, aggregator })
    }

    /// As Vumi's metrics are sent: names, aggregators, and seconds with numbers.
    fn body(&self, prefix: &str, moment: Timestamp) -> Vec<u8> {
        let name = to_ascii(&format!("{prefix}.stores.{}.{}", self.store, self.metric).into());
        let value = match self.value {
            value if value.is_nan() => "NaN".to_owned(),
            value if value.is_infinite() => if value > 0.0 { "Infinity" } else { "-Infinity" }.to_owned(),
            value => python::repr_float(value),
        };
        let (aggregator, second) = (self.aggregator.name(), moment.as_second());
        format!("{{\"datapoints\": [[{name}, [\"{aggregator}\"], [[{second}, {value}]]]]}}").into_bytes()
    }
}

/// A name of a store or a metric.
fn name(profile: Profile, what: &str, value: &Value) -> Result<String, String> {
    let text = match value {
        Value::Null => return Err(format!("Missing {what} name.")),
        Value::String(text) => text,
        other => return Err(format!("Invalid type for {what} name: {}", shown(profile, Some(other)))),
    };
    // Python's `$` is before a last line feed, too.
    let checked = text.strip_suffix('\n').filter(|_| profile == Profile::Strict).unwrap_or(text);
    let is_name = checked.len() <= MAX_NAME
        && checked.starts_with(|sign: char| sign.is_ascii_alphabetic())
        && checked.chars().all(|sign| sign.is_ascii_alphanumeric() || matches!(sign, '.' | '_' | '-'));
    if is_name { Ok(text.clone()) } else { Err(format!("Invalid {what} name: {}.", shown(profile, Some(value)))) }
}

/// `fire`: one number, sent to Vumi's exchange of metrics at once, and told to Prometheus.
#[derive(Debug, Clone)]
pub struct Metrics {
    prefix: String,
    app: String,
    fired: Fired,
}

impl Metrics {
    /// For an app. Names on the bus begin with the prefix.
    #[must_use]
    pub fn new(prefix: impl Into<String>, app: impl Into<String>, fired: Fired) -> Self {
        Self { prefix: prefix.into(), app: app.into(), fired }
    }
}

impl Resource for Metrics {
    fn handle<'a>(&'a self, run: &'a RunContext, command: &'a str, fields: &'a Fields) -> Boxed<'a, Answer> {
        Box::pin(async move {
            if command != "fire" {
                return Answer::Unknown;
            }
            match Datum::of(run.profile, fields) {
                Ok(datum) => {
                    run.publish(Destination::Metrics, datum.body(&self.prefix, Timestamp::now()));
                    self.fired.count(&self.app, &datum);
                    Answer::success()
                }
                Err(reason) => Answer::Failure(reason),
            }
        })
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Labels {
    app: String,
    store: String,
    metric: String,
    aggregator: Aggregator,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct AppLabel {
    app: String,
}

type Number = Gauge<f64, std::sync::atomic::AtomicU64>;

/// What the apps of a worker have fired, for Prometheus. Clones share it.
///
/// Of one app at most [`MAX_NAMES`] metrics are told: names come from apps, and each costs memory here and there.
#[derive(Debug, Clone, Default)]
pub struct Fired {
    times: Family<Labels, Counter>,
    numbers: Family<Labels, Number>,
    untold: Family<AppLabel, Counter>,
    known: Arc<Mutex<HashSet<Labels>>>,
}

impl Fired {
    /// Registers what is told.
    pub fn register(&self, registry: &mut Registry) {
        registry.register("app_metric_fired", "How often an app has fired a metric", self.times.clone());
        registry.register(
            "app_metric",
            "What an app has fired since the worker's start: sums and averages added up, else the lowest, highest or last number",
            self.numbers.clone(),
        );
        registry.register(
            "app_metric_untold",
            "Numbers that are not here because the app has fired too many different metrics",
            self.untold.clone(),
        );
    }

    fn count(&self, app: &str, datum: &Datum) {
        let Datum { store, metric, value, aggregator } = datum.clone();
        let app_label = AppLabel { app: app.to_owned() };
        let labels = Labels { app: app.to_owned(), store, metric, aggregator };
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let first = !known.contains(&labels);
        if first {
            if !value.is_finite() || known.iter().filter(|known| known.app == app).count() >= MAX_NAMES {
                self.untold.get_or_create(&app_label).inc();
                return;
            }
            known.insert(labels.clone());
        } else if !value.is_finite() {
            self.untold.get_or_create(&app_label).inc();
            return;
        }
        self.times.get_or_create(&labels).inc();
        let number = self.numbers.get_or_create(&labels);
        match aggregator {
            Aggregator::Sum | Aggregator::Avg => {
                number.inc_by(value);
            }
            Aggregator::Min if !first => {
                number.set(number.get().min(value));
            }
            Aggregator::Max if !first => {
                number.set(number.get().max(value));
            }
            Aggregator::Min | Aggregator::Max | Aggregator::Last => {
                number.set(value);
            }
        }
    }
}
