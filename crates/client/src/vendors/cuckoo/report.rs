//! What is looked at of a report of Cuckoo 1 and 2, and of CAPE where its is the same.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::Deserialize;
use serde_json::Value;

use crate::report::{Finding, Indicator, IndicatorKind, Report, ReportFormat};
use crate::spool::Spooled;
use crate::vendors::loose;
use crate::verdict::{Raw, Verdict, Word};

/// A score from which on a sample is malicious, of 0 to 10: what the web interface shows in red, and CAPE's own limit.
const MALICIOUS_FROM: f64 = 7.0;
/// A score from which on it is suspicious.
const SUSPICIOUS_FROM: f64 = 4.0;
/// Severity of the worst signatures.
const WORST: f64 = 3.0;
/// Reasons of a verdict, at most.
const MAX_REASONS: usize = 10;
/// Indicators of a report, at most: what is left out is in the raw report.
const MAX_INDICATORS: usize = 20_000;

#[derive(Debug, Deserialize)]
pub(super) struct Found {
    #[serde(default, deserialize_with = "loose::number")]
    malscore: Option<f64>,
    #[serde(default, deserialize_with = "loose::section")]
    info: Info,
    #[serde(default, deserialize_with = "loose::section")]
    target: Target,
    #[serde(default, deserialize_with = "loose::list")]
    signatures: Vec<Signature>,
    #[serde(default, deserialize_with = "loose::section")]
    network: Network,
    #[serde(default, deserialize_with = "loose::section")]
    behavior: Behavior,
    #[serde(default, deserialize_with = "loose::list")]
    dropped: Vec<File>,
}

#[derive(Debug, Default, Deserialize)]
pub(in crate::vendors) struct Info {
    #[serde(default, deserialize_with = "loose::number")]
    score: Option<f64>,
    #[serde(default, deserialize_with = "loose::section")]
    pub(in crate::vendors) machine: Machine,
}

#[derive(Debug, Default, Deserialize)]
pub(in crate::vendors) struct Machine {
    #[serde(default, deserialize_with = "loose::text")]
    pub(in crate::vendors) name: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
pub(in crate::vendors) struct Target {
    #[serde(default, deserialize_with = "loose::text")]
    url: Option<String>,
    #[serde(default, deserialize_with = "loose::section")]
    pub(in crate::vendors) file: File,
}

impl Target {
    pub(in crate::vendors) fn name(&self) -> Option<String> {
        self.file.name.clone().or_else(|| self.url.clone())
    }
}

#[derive(Debug, Default, Deserialize)]
pub(in crate::vendors) struct File {
    #[serde(default, deserialize_with = "loose::text")]
    name: Option<String>,
    #[serde(default, deserialize_with = "loose::text")]
    md5: Option<String>,
    #[serde(default, deserialize_with = "loose::text")]
    sha1: Option<String>,
    #[serde(default, deserialize_with = "loose::text")]
    sha256: Option<String>,
}

impl File {
    pub(in crate::vendors) fn hashes(self) -> BTreeMap<String, String> {
        let hashes = [("md5", self.md5), ("sha1", self.sha1), ("sha256", self.sha256)];
        hashes.into_iter().filter_map(|(name, hash)| Some((name.to_owned(), hash?))).collect()
    }

    pub(in crate::vendors) fn indicator(self) -> Option<Indicator> {
        Some(Indicator { kind: IndicatorKind::Hash, value: self.sha256? })
    }
}

#[derive(Debug, Deserialize)]
pub(in crate::vendors) struct Signature {
    #[serde(default, deserialize_with = "loose::word")]
    pub(in crate::vendors) name: String,
    #[serde(default, deserialize_with = "loose::text")]
    description: Option<String>,
    #[serde(default, deserialize_with = "loose::number")]
    severity: Option<f64>,
    #[serde(default, deserialize_with = "loose::object")]
    ttp: BTreeMap<String, Value>,
    #[serde(default, deserialize_with = "loose::list")]
    pub(in crate::vendors) families: Vec<String>,
}

impl Signature {
    /// The weightiest first.
    pub(in crate::vendors) fn sort(signatures: &mut [Self]) {
        let weight = |signature: &Self| signature.severity.unwrap_or(0.0);
        signatures.sort_by(|one, other| weight(other).total_cmp(&weight(one)));
    }

    /// The first of them, in words.
    pub(in crate::vendors) fn reasons(signatures: &[Self]) -> Vec<String> {
        let reason = |signature: &Self| signature.description.clone().unwrap_or_else(|| signature.name.clone());
        signatures.iter().map(reason).take(MAX_REASONS).collect()
    }

    pub(in crate::vendors) fn finding(self) -> Finding {
        Finding {
            name: self.name,
            description: self.description,
            severity: self.severity.map(|severity| loose::percent(severity * 100.0 / WORST)),
            techniques: self.ttp.into_keys().collect(),
        }
    }
}

#[derive(Debug, Default, Deserialize)]
pub(in crate::vendors) struct Network {
    #[serde(default, deserialize_with = "loose::list")]
    hosts: Vec<Value>,
    #[serde(default, deserialize_with = "loose::list")]
    domains: Vec<Domain>,
    #[serde(default, deserialize_with = "loose::list")]
    http: Vec<Request>,
}

#[derive(Debug, Deserialize)]
struct Domain {
    domain: String,
}

#[derive(Debug, Deserialize)]
struct Request {
    uri: String,
}

#[derive(Debug, Default, Deserialize)]
pub(in crate::vendors) struct Behavior {
    #[serde(default, deserialize_with = "loose::section")]
    summary: Summary,
}

/// What was touched; the second of each pair is CAPE's name for it.
#[derive(Debug, Default, Deserialize)]
struct Summary {
    #[serde(default, deserialize_with = "loose::list")]
    mutex: Vec<String>,
    #[serde(default, deserialize_with = "loose::list")]
    mutexes: Vec<String>,
    #[serde(default, deserialize_with = "loose::list")]
    command_line: Vec<String>,
    #[serde(default, deserialize_with = "loose::list")]
    executed_commands: Vec<String>,
    #[serde(default, deserialize_with = "loose::list")]
    regkey_written: Vec<String>,
    #[serde(default, deserialize_with = "loose::list")]
    write_keys: Vec<String>,
    #[serde(default, deserialize_with = "loose::list")]
    file_written: Vec<String>,
    #[serde(default, deserialize_with = "loose::list")]
    write_files: Vec<String>,
}

/// What to look for elsewhere.
pub(in crate::vendors) fn indicators(network: Network, behavior: Behavior, files: Vec<File>) -> Vec<Indicator> {
    let kind = |kind| move |value| Indicator { kind, value };
    let host = |host: Value| host.as_str().or_else(|| host["ip"].as_str()).map(str::to_owned);
    let summary = behavior.summary;
    let of = |one: Vec<String>, other: Vec<String>, of| one.into_iter().chain(other).map(kind(of));
    let found = network.domains.into_iter().map(|domain| domain.domain).map(kind(IndicatorKind::Domain));
    let found = found.chain(network.hosts.into_iter().filter_map(host).map(kind(IndicatorKind::Address)));
    let found = found.chain(network.http.into_iter().map(|request| request.uri).map(kind(IndicatorKind::Url)));
    let found = found.chain(files.into_iter().filter_map(File::indicator));
    let found = found.chain(of(summary.mutex, summary.mutexes, IndicatorKind::Mutex));
    let found = found.chain(of(summary.command_line, summary.executed_commands, IndicatorKind::Command));
    let found = found.chain(of(summary.regkey_written, summary.write_keys, IndicatorKind::Registry));
    let found = found.chain(of(summary.file_written, summary.write_files, IndicatorKind::File));
    let once: BTreeSet<Indicator> = found.collect();
    once.into_iter().take(MAX_INDICATORS).collect()
}

/// What a score of 0 to 10 means. It alone never says clean.
pub(in crate::vendors) const fn word(score: f64) -> Word {
    match score {
        MALICIOUS_FROM.. => Word::Malicious,
        SUSPICIOUS_FROM.. => Word::Suspicious,
        _ => Word::Unknown,
    }
}

impl Found {
    pub(super) fn into_report(mut self, raw: Spooled) -> Report {
        Signature::sort(&mut self.signatures);
        Report {
            verdict: verdict(self.malscore.or(self.info.score), &self.signatures),
            name: self.target.name(),
            hashes: self.target.file.hashes(),
            environment: self.info.machine.name,
            findings: self.signatures.into_iter().map(Signature::finding).collect(),
            indicators: indicators(self.network, self.behavior, self.dropped),
            link: None,
            format: ReportFormat::Json,
            raw: Arc::new(raw),
        }
    }
}

fn verdict(score: Option<f64>, signatures: &[Signature]) -> Verdict {
    let raw = Raw { scale: "0-10, without upper end".to_owned(), value: score.map(Into::into), label: None };
    let Some(score) = score else { return Verdict::unknown("the report has no score", raw) };
    let families: BTreeSet<String> = signatures.iter().flat_map(|signature| signature.families.clone()).collect();
    Verdict {
        verdict: word(score),
        score: Some(loose::percent(score * 10.0)),
        confidence: None,
        families: families.into_iter().collect(),
        reasons: Signature::reasons(signatures),
        raw,
    }
}
