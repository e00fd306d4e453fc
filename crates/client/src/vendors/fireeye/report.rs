//! Reads results.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::Deserialize;
use serde_json::Value;

use crate::report::{Finding, Indicator, IndicatorKind, Report, ReportFormat};
use crate::spool::Spooled;
use crate::vendors::loose;
use crate::verdict::{Raw, Verdict, Word};

/// Reasons of a verdict, at most.
const MAX_REASONS: usize = 10;

/// What is looked at of results.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Found {
    #[serde(default, deserialize_with = "loose::many")]
    alert: Option<Vec<Alert>>,
    #[serde(default, rename = "alertsCount", deserialize_with = "loose::number")]
    count: Option<f64>,
}

#[derive(Debug, Deserialize)]
struct Alert {
    #[serde(default, deserialize_with = "loose::text")]
    id: Option<String>,
    #[serde(default, deserialize_with = "loose::text")]
    uuid: Option<String>,
    #[serde(default, deserialize_with = "loose::text")]
    name: Option<String>,
    #[serde(default, deserialize_with = "loose::text")]
    severity: Option<String>,
    #[serde(default, deserialize_with = "loose::text")]
    action: Option<String>,
    #[serde(default, rename = "alertUrl", deserialize_with = "loose::text")]
    url: Option<String>,
    #[serde(default, deserialize_with = "loose::object")]
    explanation: Explanation,
}

#[derive(Debug, Default, Deserialize)]
struct Explanation {
    #[serde(default, rename = "malwareDetected", deserialize_with = "loose::object")]
    detected: Detected,
    #[serde(default, rename = "osChanges", deserialize_with = "loose::many")]
    changes: Option<Vec<BTreeMap<String, Value>>>,
    #[serde(default, rename = "cncServices", deserialize_with = "loose::object")]
    services: Services,
}

#[derive(Debug, Default, Deserialize)]
struct Detected {
    #[serde(default, deserialize_with = "loose::many")]
    malware: Option<Vec<Malware>>,
}

#[derive(Debug, Deserialize)]
struct Malware {
    #[serde(default, deserialize_with = "loose::text")]
    name: Option<String>,
    #[serde(default, deserialize_with = "loose::text")]
    original: Option<String>,
    #[serde(default, rename = "md5Sum", deserialize_with = "loose::text")]
    md5: Option<String>,
    #[serde(default, deserialize_with = "loose::text")]
    sha1: Option<String>,
    #[serde(default, deserialize_with = "loose::text")]
    sha256: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
struct Services {
    #[serde(default, rename = "cncService", deserialize_with = "loose::many")]
    all: Option<Vec<Service>>,
}

#[derive(Debug, Deserialize)]
struct Service {
    #[serde(default, deserialize_with = "loose::text")]
    address: Option<String>,
}

impl Alert {
    /// 0 to 100; nothing of a severity that is none.
    fn score(&self) -> Option<u8> {
        match self.severity.as_deref()?.trim().to_ascii_lowercase().as_str() {
            "crit" | "critical" => Some(95),
            "majr" | "major" => Some(80),
            "minr" | "minor" => Some(20),
            _ => None,
        }
    }

    fn malware(&self) -> impl Iterator<Item = &Malware> {
        self.explanation.detected.malware.iter().flatten()
    }

    fn names(&self) -> BTreeSet<String> {
        self.malware().filter_map(|malware| malware.name.clone()).collect()
    }

    fn title(&self) -> String {
        let names: Vec<String> = self.names().into_iter().collect();
        if names.is_empty() { self.name.clone().unwrap_or_else(|| "an alert".to_owned()) } else { names.join(", ") }
    }

    fn finding(&self) -> Finding {
        let words = [&self.name, &self.severity, &self.action];
        let words: Vec<&str> = words.into_iter().flatten().map(String::as_str).collect();
        Finding {
            name: self.title(),
            description: (!words.is_empty()).then(|| words.join(", ")),
            severity: self.score(),
            techniques: Vec::new(),
        }
    }
}

impl Found {
    /// The worst alert's names: its id, and its id for artifacts.
    pub(super) fn alert(self) -> Option<(Option<String>, Option<String>)> {
        let worst = self.alert.into_iter().flatten().rev().max_by_key(Alert::score)?;
        Some((worst.id, worst.uuid))
    }

    pub(super) fn into_report(self, raw: Spooled) -> Report {
        let told = self.alert.is_some();
        let mut alerts = self.alert.unwrap_or_default();
        // Of several that weigh the same, in the appliance's order.
        alerts.sort_by_key(|alert| std::cmp::Reverse(alert.score()));
        let detected = || alerts.iter().flat_map(Alert::malware);
        let hash = |of: fn(&Malware) -> &Option<String>| detected().find_map(|malware| of(malware).clone());
        let hashes = [
            ("md5", hash(|malware| &malware.md5)),
            ("sha1", hash(|malware| &malware.sha1)),
            ("sha256", hash(|malware| &malware.sha256)),
        ];
        let web = |url: &String| url.starts_with("https://") || url.starts_with("http://");
        let changes = || alerts.iter().flat_map(|alert| alert.explanation.changes.iter().flatten());
        Report {
            verdict: verdict(&alerts, self.count, told),
            name: detected().find_map(|malware| malware.original.clone()),
            hashes: hashes.into_iter().filter_map(|(name, hash)| Some((name.to_owned(), hash?))).collect(),
            environment: changes().find_map(system),
            findings: alerts.iter().map(Alert::finding).collect(),
            indicators: indicators(&alerts).into_iter().collect(),
            link: alerts.iter().filter_map(|alert| alert.url.clone()).find(web),
            format: ReportFormat::Json,
            raw: Arc::new(raw),
        }
    }
}

fn verdict(alerts: &[Alert], count: Option<f64>, told: bool) -> Verdict {
    let worst = alerts.first();
    let raw = Raw {
        scale: "severity".to_owned(),
        value: worst.and_then(|alert| alert.severity.clone()).map(Into::into),
        label: worst.and_then(|alert| alert.name.clone()),
    };
    let Some(worst) = worst else {
        let none = count.map_or(told, |count| count == 0.0);
        let reason = if none { "it was analysed without an alert" } else { "the report has no alerts" };
        return Verdict { score: none.then_some(0), ..Verdict::unknown(reason, raw) };
    };
    let named = alerts.iter().any(|alert| !alert.names().is_empty());
    let word = match worst.score() {
        Some(80..) => Word::Malicious,
        Some(_) if named => Word::Suspicious,
        _ => Word::Unknown,
    };
    let families: BTreeSet<String> = alerts.iter().flat_map(Alert::names).collect();
    Verdict {
        verdict: word,
        score: worst.score(),
        confidence: None,
        families: families.into_iter().collect(),
        reasons: alerts.iter().map(Alert::title).take(MAX_REASONS).collect(),
        raw,
    }
}

/// The system that was changed.
fn system(change: &BTreeMap<String, Value>) -> Option<String> {
    let system = change.get("os")?;
    let name = system.as_str().or_else(|| system["name"].as_str())?;
    let version = system["version"].as_str().map(|version| format!(" {version}")).unwrap_or_default();
    Some(format!("{name}{version}"))
}

/// What to look for: changes of the system, and who was asked for orders.
fn indicators(alerts: &[Alert]) -> BTreeSet<Indicator> {
    let mut found = BTreeSet::new();
    let mut add = |kind, value: Option<&str>| {
        let value = value.map(str::trim).filter(|value| !value.is_empty());
        found.extend(value.map(|value| Indicator { kind, value: value.to_owned() }));
    };
    for alert in alerts {
        for service in alert.explanation.services.all.iter().flatten() {
            let address = service.address.as_deref();
            let kind = |address: &str| match address.parse::<std::net::IpAddr>() {
                Ok(_) => IndicatorKind::Address,
                Err(_) => IndicatorKind::Domain,
            };
            add(address.map_or(IndicatorKind::Address, kind), address);
        }
        for change in alert.explanation.changes.iter().flatten() {
            for (what, entries) in change {
                let entries = entries.as_array().map_or(std::slice::from_ref(entries), Vec::as_slice);
                for entry in entries {
                    let value = entry.as_str().or_else(|| entry["value"].as_str());
                    match what.as_str() {
                        "file" => add(IndicatorKind::File, value),
                        "regkey" => add(IndicatorKind::Registry, value),
                        "mutex" => add(IndicatorKind::Mutex, value),
                        "process" => add(IndicatorKind::Command, entry["cmdline"].as_str().or(value)),
                        "network" => {
                            add(IndicatorKind::Address, entry["ipaddress"].as_str());
                            add(IndicatorKind::Domain, entry["hostname"].as_str());
                        }
                        _ => {}
                    }
                }
            }
        }
    }
    found
}
