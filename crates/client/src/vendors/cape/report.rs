//! What is looked at of a report of CAPE.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::de::IgnoredAny;
use serde::{Deserialize, Deserializer};
use serde_json::Value;

use crate::report::{Report, ReportFormat};
use crate::spool::Spooled;
use crate::vendors::cuckoo::report::{Behavior, File, Info, Network, Signature, Target, indicators, word};
use crate::vendors::loose;
use crate::verdict::{Raw, Verdict, Word};

#[derive(Debug, Default, Deserialize)]
pub(super) struct Found {
    #[serde(default, deserialize_with = "loose::number")]
    malscore: Option<f64>,
    #[serde(default, deserialize_with = "loose::text")]
    malstatus: Option<String>,
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
    #[serde(default, deserialize_with = "loose::section", rename = "CAPE")]
    extracted: Extracted,
    #[serde(default, deserialize_with = "families")]
    detections: Vec<String>,
    #[serde(default, deserialize_with = "loose::list")]
    ttps: Vec<Techniques>,
}

/// What was taken out of memory.
#[derive(Debug, Default, Deserialize)]
struct Extracted {
    #[serde(default, deserialize_with = "loose::list")]
    payloads: Vec<File>,
    /// Each by the name of its family.
    #[serde(default, deserialize_with = "loose::list")]
    configs: Vec<BTreeMap<String, IgnoredAny>>,
}

#[derive(Debug, Deserialize)]
struct Techniques {
    #[serde(default, deserialize_with = "loose::word")]
    signature: String,
    #[serde(default, deserialize_with = "loose::list")]
    ttps: Vec<String>,
}

/// A name, or a list of names or of objects with one.
fn families<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    Ok(match Value::deserialize(deserializer)? {
        Value::String(one) if !one.is_empty() => vec![one],
        Value::Array(several) => {
            several.iter().filter_map(|one| loose::id(one).or_else(|| loose::id(&one["family"]))).collect()
        }
        _ => Vec::new(),
    })
}

impl Found {
    pub(super) fn into_report(mut self, raw: Spooled, link: String) -> Report {
        Signature::sort(&mut self.signatures);
        let verdict = self.verdict();
        let mut techniques: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for of_signature in self.ttps {
            techniques.entry(of_signature.signature).or_default().extend(of_signature.ttps);
        }
        let mut findings: Vec<_> = self.signatures.into_iter().map(Signature::finding).collect();
        for finding in &mut findings {
            finding.techniques.extend(techniques.get(&finding.name).into_iter().flatten().cloned());
        }
        let files = self.dropped.into_iter().chain(self.extracted.payloads).collect();
        Report {
            verdict,
            name: self.target.name(),
            hashes: self.target.file.hashes(),
            environment: self.info.machine.name,
            findings,
            indicators: indicators(self.network, self.behavior, files),
            link: Some(link),
            format: ReportFormat::Json,
            raw: Arc::new(raw),
        }
    }

    /// CAPE's own word, where it has one; else what its score means. `Clean` is a statement of CAPE's (something was looked at, and weighs little);
    /// `Undetected` and `Failed` are none.
    fn verdict(&self) -> Verdict {
        let value = self.malscore.map(Into::into);
        let raw = Raw { scale: "malstatus, 0-10".to_owned(), value, label: self.malstatus.clone() };
        let of_score = || self.malscore.map_or(Word::Unknown, word);
        let said = self.malstatus.as_deref().map(str::to_ascii_lowercase);
        let mut reasons = Signature::reasons(&self.signatures);
        let (word, score) = match said.as_deref() {
            Some("malicious") => (Word::Malicious, self.malscore),
            Some("suspicious") => (Word::Suspicious, self.malscore),
            Some("clean") => (Word::Clean, self.malscore),
            Some("undetected") => {
                reasons.insert(0, "CAPE detected nothing".to_owned());
                (Word::Unknown, self.malscore)
            }
            Some("failed") => {
                reasons.insert(0, "CAPE says that the analysis failed".to_owned());
                (Word::Unknown, None)
            }
            Some(other) => {
                tracing::warn!(malstatus = other, "CAPE gives a word that is not known; its score is taken instead.");
                (of_score(), self.malscore)
            }
            None if self.malscore.is_none() => {
                return Verdict::unknown("the report has neither `malstatus` nor `malscore`", raw);
            }
            None => (of_score(), self.malscore),
        };
        let of_signatures = self.signatures.iter().flat_map(|signature| &signature.families);
        let of_configs = self.extracted.configs.iter().flat_map(BTreeMap::keys);
        let families: BTreeSet<&String> = self.detections.iter().chain(of_configs).chain(of_signatures).collect();
        Verdict {
            verdict: word,
            score: score.map(|score| loose::percent(score * 10.0)),
            confidence: None,
            families: families.into_iter().cloned().collect(),
            reasons,
            raw,
        }
    }
}
