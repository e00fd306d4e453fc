//! Triage's reports: the summary of scores, and the overview of what was found.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use serde::Deserialize;
use serde_json::{Value, json};

use super::short;
use crate::report::{Finding, Indicator, IndicatorKind, Report, ReportFormat};
use crate::spool::Spooled;
use crate::vendors::loose;
use crate::verdict::{Raw, Verdict, Word};

/// A score from which on a sample is malicious, of 1 to 10: "likely malicious".
const MALICIOUS_FROM: f64 = 8.0;
/// A score from which on it is suspicious.
const SUSPICIOUS_FROM: f64 = 5.0;
/// Reasons of a verdict.
const MAX_REASONS: usize = 10;
/// Indicators that are kept.
const MAX_INDICATORS: usize = 10_000;
/// Tasks that are looked at one by one.
const MAX_TASKS: usize = 64;

/// What is looked at of a summary.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Summary {
    #[serde(default, deserialize_with = "loose::text")]
    error: Option<String>,
    #[serde(default, deserialize_with = "loose::text")]
    message: Option<String>,
    #[serde(default, deserialize_with = "loose::text")]
    pub(super) sample: Option<String>,
    #[serde(default, deserialize_with = "loose::text")]
    pub(super) status: Option<String>,
    #[serde(default, deserialize_with = "loose::text")]
    target: Option<String>,
    #[serde(default, deserialize_with = "loose::text")]
    pub(super) sha256: Option<String>,
    #[serde(default, deserialize_with = "loose::number")]
    score: Option<f64>,
    #[serde(default, deserialize_with = "loose::members")]
    pub(super) tasks: BTreeMap<String, Task>,
}

/// What is looked at of a task.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Task {
    #[serde(default, deserialize_with = "loose::text")]
    kind: Option<String>,
    #[serde(default, deserialize_with = "loose::text")]
    status: Option<String>,
    #[serde(default, deserialize_with = "loose::number")]
    score: Option<f64>,
    #[serde(default, deserialize_with = "loose::text")]
    resource: Option<String>,
    #[serde(default, deserialize_with = "loose::text")]
    platform: Option<String>,
}

impl Summary {
    /// The error that was answered instead of a summary.
    pub(super) fn failure(&self) -> Option<Value> {
        self.error.as_ref().map(|error| json!({ "error": error, "message": self.message }))
    }

    /// Names of the tasks that ran it on a machine, without the sample's id.
    pub(super) fn detonations(&self) -> impl Iterator<Item = String> {
        let id = self.sample.clone().unwrap_or_default();
        let ran = |name: &str, task: &Task| match task.kind.as_deref() {
            Some(kind) => kind != "static",
            None => !name.contains("static"),
        };
        let names =
            self.tasks.iter().filter(|(name, task)| ran(name, task)).map(|(name, _)| short(&id, name).to_owned());
        names.take(MAX_TASKS).collect::<Vec<_>>().into_iter()
    }
}

/// What is looked at of an overview.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Overview {
    #[serde(default, deserialize_with = "loose::section")]
    pub(super) sample: OverviewSample,
    #[serde(default, deserialize_with = "loose::section")]
    analysis: Analysis,
    #[serde(default, deserialize_with = "loose::list")]
    targets: Vec<Target>,
    #[serde(default, deserialize_with = "loose::list")]
    signatures: Vec<Signature>,
    #[serde(default, deserialize_with = "loose::list")]
    extracted: Vec<Extracted>,
    #[serde(default, deserialize_with = "loose::list")]
    errors: Vec<Failure>,
}

#[derive(Debug, Default, Deserialize)]
pub(super) struct OverviewSample {
    #[serde(default, deserialize_with = "loose::text")]
    pub(super) id: Option<String>,
    #[serde(default, deserialize_with = "loose::text")]
    target: Option<String>,
    #[serde(default, deserialize_with = "loose::text")]
    md5: Option<String>,
    #[serde(default, deserialize_with = "loose::text")]
    sha1: Option<String>,
    #[serde(default, deserialize_with = "loose::text")]
    sha256: Option<String>,
    #[serde(default, deserialize_with = "loose::section")]
    hashes: Hashes,
    #[serde(default, deserialize_with = "loose::section")]
    iocs: Iocs,
}

#[derive(Debug, Default, Deserialize)]
struct Hashes {
    #[serde(default, deserialize_with = "loose::text")]
    md5: Option<String>,
    #[serde(default, deserialize_with = "loose::text")]
    sha1: Option<String>,
    #[serde(default, deserialize_with = "loose::text")]
    sha256: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
struct Iocs {
    #[serde(default, deserialize_with = "loose::words")]
    urls: Vec<String>,
    #[serde(default, deserialize_with = "loose::words")]
    domains: Vec<String>,
    #[serde(default, deserialize_with = "loose::words")]
    ips: Vec<String>,
}

#[derive(Debug, Default, Deserialize)]
struct Analysis {
    #[serde(default, deserialize_with = "loose::number")]
    score: Option<f64>,
    #[serde(default, deserialize_with = "loose::words")]
    family: Vec<String>,
}

#[derive(Debug, Default, Deserialize)]
struct Target {
    #[serde(default, deserialize_with = "loose::words")]
    family: Vec<String>,
    #[serde(default, deserialize_with = "loose::section")]
    iocs: Iocs,
}

#[derive(Debug, Default, Deserialize)]
struct Signature {
    #[serde(default, deserialize_with = "loose::text")]
    name: Option<String>,
    #[serde(default, deserialize_with = "loose::text")]
    label: Option<String>,
    #[serde(default, deserialize_with = "loose::text")]
    desc: Option<String>,
    #[serde(default, deserialize_with = "loose::number")]
    score: Option<f64>,
    #[serde(default, deserialize_with = "loose::words")]
    ttp: Vec<String>,
}

#[derive(Debug, Default, Deserialize)]
struct Extracted {
    #[serde(default, deserialize_with = "loose::section")]
    config: Extract,
    #[serde(default, deserialize_with = "loose::section")]
    ransom_note: Extract,
    #[serde(default, deserialize_with = "loose::section")]
    dropper: Extract,
}

/// What is looked at of a configuration, of a note and of a dropper.
#[derive(Debug, Default, Deserialize)]
struct Extract {
    #[serde(default, deserialize_with = "loose::text")]
    family: Option<String>,
    #[serde(default, deserialize_with = "loose::words")]
    c2: Vec<String>,
    #[serde(default, deserialize_with = "loose::words")]
    mutex: Vec<String>,
    /// Of a note texts, of a dropper objects.
    #[serde(default, deserialize_with = "loose::list")]
    urls: Vec<Value>,
}

#[derive(Debug, Default, Deserialize)]
struct Failure {
    #[serde(default, deserialize_with = "loose::text")]
    task: Option<String>,
    #[serde(default, deserialize_with = "loose::text")]
    reason: Option<String>,
}

impl Overview {
    /// Why tasks failed.
    pub(super) fn failures(&self) -> impl Iterator<Item = String> {
        self.errors.iter().filter_map(|failure| match (&failure.task, &failure.reason) {
            (Some(task), Some(reason)) => Some(format!("{task}: {reason}")),
            (task, reason) => reason.clone().or_else(|| task.clone()),
        })
    }

    /// The sample's hash of a name.
    pub(super) fn hash(&self, name: &str) -> Option<String> {
        let OverviewSample { md5, sha1, sha256, hashes, .. } = &self.sample;
        let found = match name {
            "md5" => md5.as_ref().or(hashes.md5.as_ref()),
            "sha1" => sha1.as_ref().or(hashes.sha1.as_ref()),
            _ => sha256.as_ref().or(hashes.sha256.as_ref()),
        };
        found.map(|hash| hash.to_ascii_lowercase())
    }

    fn indicators(&self) -> BTreeSet<Indicator> {
        let mut kept = BTreeSet::new();
        let mut keep = |kind, value: &str| {
            if !value.is_empty() && kept.len() < MAX_INDICATORS {
                kept.insert(Indicator { kind, value: value.to_owned() });
            }
        };
        for iocs in self.targets.iter().map(|target| &target.iocs).chain([&self.sample.iocs]) {
            iocs.urls.iter().for_each(|url| keep(IndicatorKind::Url, url));
            iocs.domains.iter().for_each(|domain| keep(IndicatorKind::Domain, domain));
            iocs.ips.iter().for_each(|address| keep(IndicatorKind::Address, address));
        }
        for extract in self.extracted.iter().flat_map(|one| [&one.config, &one.ransom_note, &one.dropper]) {
            for server in &extract.c2 {
                let (kind, value) = server_of(server);
                keep(kind, value);
            }
            extract.mutex.iter().for_each(|mutex| keep(IndicatorKind::Mutex, mutex));
            for url in extract.urls.iter().filter_map(|url| url.as_str().or_else(|| url["url"].as_str())) {
                keep(IndicatorKind::Url, url);
            }
        }
        kept
    }
}

/// A server that malware is commanded by: an address, with a port or without, a name, or a URL.
fn server_of(text: &str) -> (IndicatorKind, &str) {
    if text.contains("://") {
        return (IndicatorKind::Url, text);
    }
    if text.parse::<IpAddr>().is_ok() {
        return (IndicatorKind::Address, text);
    }
    let host = text.rsplit_once(':').map_or(text, |(host, _)| host);
    match text.parse::<SocketAddr>() {
        Ok(_) => (IndicatorKind::Address, host.trim_matches(['[', ']'])),
        Err(_) => (IndicatorKind::Domain, host),
    }
}

/// A report of a finished analysis.
pub(super) fn report(
    id: &str,
    summary_raw: Spooled,
    summary: Summary,
    overview: Option<(Spooled, Overview)>,
    link: Option<String>,
) -> Report {
    let (raw, mut overview) = overview.unwrap_or((summary_raw, Overview::default()));
    let weight = |signature: &Signature| signature.score.unwrap_or(0.0);
    overview.signatures.sort_by(|one, other| weight(other).total_cmp(&weight(one)));
    let mut hashes: BTreeMap<String, String> = ["md5", "sha1", "sha256"]
        .into_iter()
        .filter_map(|name| Some((name.to_owned(), overview.hash(name)?)))
        .collect();
    if let Some(sha256) = summary.sha256.as_ref() {
        hashes.entry("sha256".to_owned()).or_insert_with(|| sha256.to_ascii_lowercase());
    }
    let machine = |task: &Task| task.resource.clone().or_else(|| task.platform.clone());
    let machines: BTreeSet<String> = summary.tasks.values().filter_map(machine).take(MAX_TASKS).collect();
    let verdict = verdict(id, &summary, &overview);
    let indicators = overview.indicators();
    Report {
        verdict,
        name: overview.sample.target.or(summary.target),
        hashes,
        environment: (!machines.is_empty()).then(|| machines.into_iter().collect::<Vec<_>>().join(", ")),
        findings: overview.signatures.into_iter().filter_map(finding).collect(),
        indicators: indicators.into_iter().collect(),
        link,
        format: ReportFormat::Json,
        raw: Arc::new(raw),
    }
}

fn finding(signature: Signature) -> Option<Finding> {
    Some(Finding {
        name: signature.name.or(signature.label)?,
        description: signature.desc,
        severity: signature.score.map(|score| loose::percent(score * 10.0)),
        techniques: signature.ttp,
    })
}

fn verdict(id: &str, summary: &Summary, overview: &Overview) -> Verdict {
    let of_tasks = summary.tasks.values().filter_map(|task| task.score).reduce(f64::max);
    let score = of_tasks.or(summary.score).or(overview.analysis.score);
    let raw = Raw { scale: "1-10".to_owned(), value: score.map(Into::into), label: None };
    let failed = |(name, task): (&String, &Task)| {
        (task.status.as_deref() == Some("failed")).then(|| format!("{} failed", short(id, name)))
    };
    let failures: Vec<String> =
        summary.tasks.iter().filter_map(failed).chain(overview.failures()).take(MAX_REASONS).collect();
    let Some(score) = score else {
        let mut unknown = Verdict::unknown("the report has no score", raw);
        unknown.reasons.extend(failures);
        return unknown;
    };
    let of_extracts = overview.extracted.iter().flat_map(|one| [&one.config, &one.ransom_note]);
    let families: BTreeSet<&String> = (overview.analysis.family.iter())
        .chain(overview.targets.iter().flat_map(|target| &target.family))
        .chain(of_extracts.filter_map(|extract| extract.family.as_ref()))
        .collect();
    let weighty = overview.signatures.iter().filter(|signature| signature.score.unwrap_or(0.0) >= SUSPICIOUS_FROM);
    let reasons = weighty.filter_map(|signature| signature.name.clone().or_else(|| signature.label.clone()));
    Verdict {
        verdict: match score {
            MALICIOUS_FROM.. => Word::Malicious,
            SUSPICIOUS_FROM.. => Word::Suspicious,
            _ => Word::Unknown,
        },
        score: Some(loose::percent((score - 1.0) * 100.0 / 9.0)),
        confidence: None,
        families: families.into_iter().cloned().collect(),
        reasons: reasons.chain(failures).take(MAX_REASONS).collect(),
        raw,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_is_an_address_a_name_or_a_url() {
        for (text, kind, value) in [
            ("1.2.3.4", IndicatorKind::Address, "1.2.3.4"),
            ("1.2.3.4:80", IndicatorKind::Address, "1.2.3.4"),
            ("::1", IndicatorKind::Address, "::1"),
            ("[::1]:80", IndicatorKind::Address, "::1"),
            ("evil.test", IndicatorKind::Domain, "evil.test"),
            ("evil.test:8080", IndicatorKind::Domain, "evil.test"),
            ("https://evil.test:1/x", IndicatorKind::Url, "https://evil.test:1/x"),
        ] {
            assert_eq!(server_of(text), (kind, value));
        }
    }
}
