//! What the words and numbers of Falcon mean. CrowdStrike's sandbox in the cloud says the same.

use std::collections::BTreeSet;

use serde::Deserialize;

use crate::report::{Finding, Indicator, IndicatorKind};
use crate::vendors::loose;
use crate::verdict::{Raw, Verdict, Word};

/// Reasons of a verdict, at most.
const MAX_REASONS: usize = 10;
/// The score of something without a specific threat, at most: the number may come of what is only unusual.
const NO_THREAT_AT_MOST: f64 = 20.0;
/// The greatest threat level.
const WORST: f64 = 2.0;

/// What a report says of the sample as a whole.
#[derive(Debug, Default)]
pub(in crate::vendors) struct Said<'a> {
    /// The verdict's word.
    pub(in crate::vendors) word: Option<&'a str>,
    /// 0 to 100.
    pub(in crate::vendors) score: Option<f64>,
    /// 2 malicious, 1 suspicious, 0 no threat.
    pub(in crate::vendors) level: Option<f64>,
    /// Why there is no whole analysis.
    pub(in crate::vendors) failure: Option<String>,
    /// Names of the family.
    pub(in crate::vendors) families: Vec<String>,
}

/// The word decides; without a word the level does. The score is the vendor's where it gives one, else 80, 50 and 10 for the levels.
/// An analysis that failed says nothing good of a sample.
pub(in crate::vendors) fn verdict(said: Said<'_>, signatures: &[Signature]) -> Verdict {
    let raw = Raw {
        scale: "verdict, threat_score 0-100".to_owned(),
        value: said.score.map(Into::into),
        label: said.word.map(str::to_owned),
    };
    let plain = said.word.map(|word| word.trim().to_ascii_lowercase().replace(['_', '-'], " "));
    let (of_level, score_of_level) = match said.level {
        Some(2.0) => (Word::Malicious, Some(80.0)),
        Some(1.0) => (Word::Suspicious, Some(50.0)),
        Some(0.0) => (Word::Unknown, Some(10.0)),
        _ => (Word::Unknown, None),
    };
    let scored = said.score.or(score_of_level);
    let no_threat = |score: Option<f64>| score.map(|score| score.min(NO_THREAT_AT_MOST));
    let (word, score) = match plain.as_deref() {
        Some("whitelisted") => (Word::Clean, said.score),
        Some("no verdict") => (Word::Unknown, said.score),
        Some("no specific threat") => (Word::Unknown, no_threat(scored)),
        Some("suspicious") => (Word::Suspicious, scored),
        Some("malicious") => (Word::Malicious, scored),
        Some(other) => {
            tracing::warn!(verdict = other, "Falcon gives a verdict that is not known; its threat level decides.");
            (of_level, scored)
        }
        None if of_level == Word::Unknown => (Word::Unknown, no_threat(scored)),
        None => (of_level, scored),
    };
    if let Some(failure) = said.failure.filter(|_| matches!(word, Word::Clean | Word::Unknown)) {
        return Verdict::unknown(failure, raw);
    }
    let weighty = signatures.iter().filter(|signature| signature.level() > 0.0);
    let mut reasons: Vec<String> = weighty.map(Signature::reason).take(MAX_REASONS).collect();
    if reasons.is_empty() {
        reasons.push(match (&plain, said.level) {
            (Some(plain), _) => format!("Falcon says \"{plain}\""),
            (None, Some(level)) => format!("Falcon gives no verdict, and the threat level {level}"),
            (None, None) => "Falcon gives no verdict".to_owned(),
        });
    }
    Verdict { verdict: word, score: score.map(loose::percent), confidence: None, families: said.families, reasons, raw }
}

/// A signature that matched.
#[derive(Debug, Deserialize)]
pub(in crate::vendors) struct Signature {
    #[serde(default, deserialize_with = "loose::text")]
    name: Option<String>,
    #[serde(default, deserialize_with = "loose::text")]
    description: Option<String>,
    #[serde(default, deserialize_with = "loose::number")]
    threat_level: Option<f64>,
    #[serde(default, deserialize_with = "loose::number")]
    relevance: Option<f64>,
    #[serde(default, deserialize_with = "loose::text")]
    attck_id: Option<String>,
    /// As CrowdStrike's cloud spells it.
    #[serde(default, deserialize_with = "loose::text")]
    attack_id: Option<String>,
}

impl Signature {
    fn technique(&self) -> Option<&String> {
        self.attck_id.as_ref().or(self.attack_id.as_ref())
    }

    fn level(&self) -> f64 {
        self.threat_level.unwrap_or(0.0)
    }

    fn reason(&self) -> String {
        self.name
            .clone()
            .or_else(|| self.description.clone())
            .unwrap_or_else(|| "a signature without a name".to_owned())
    }

    fn into_finding(self) -> Finding {
        Finding {
            name: self.reason(),
            severity: self.threat_level.map(|level| loose::percent(level * 100.0 / WORST)),
            techniques: self.technique().cloned().into_iter().collect(),
            description: self.description,
        }
    }
}

/// A technique of ATT&CK that was seen.
#[derive(Debug, Deserialize)]
pub(in crate::vendors) struct Technique {
    #[serde(default, deserialize_with = "loose::text")]
    tactic: Option<String>,
    #[serde(default, deserialize_with = "loose::text")]
    technique: Option<String>,
    #[serde(default, deserialize_with = "loose::text")]
    attck_id: Option<String>,
    /// As CrowdStrike's cloud spells it.
    #[serde(default, deserialize_with = "loose::text")]
    attack_id: Option<String>,
}

/// The weightiest first.
pub(in crate::vendors) fn sort(signatures: &mut [Signature]) {
    let weight = |signature: &Signature| (signature.level(), signature.relevance.unwrap_or(0.0));
    signatures.sort_by(|one, other| {
        let (one, other) = (weight(one), weight(other));
        other.0.total_cmp(&one.0).then(other.1.total_cmp(&one.1))
    });
}

/// Signatures, and those techniques that none of them names.
pub(in crate::vendors) fn findings(signatures: Vec<Signature>, techniques: Vec<Technique>) -> Vec<Finding> {
    let named: BTreeSet<String> = signatures.iter().filter_map(|signature| signature.technique().cloned()).collect();
    let others = techniques.into_iter().filter_map(|seen| {
        let id = seen.attck_id.or(seen.attack_id).filter(|id| !named.contains(id));
        let name = seen.technique.filter(|_| id.is_some()).or_else(|| id.clone())?;
        Some(Finding { name, description: seen.tactic, severity: None, techniques: id.into_iter().collect() })
    });
    signatures.into_iter().map(Signature::into_finding).chain(others).collect()
}

/// A process that ran.
#[derive(Debug, Deserialize)]
pub(in crate::vendors) struct Process {
    #[serde(default, deserialize_with = "loose::text")]
    command_line: Option<String>,
    #[serde(default, deserialize_with = "loose::list")]
    mutants: Vec<String>,
}

/// A file that appeared.
#[derive(Debug, Deserialize)]
pub(in crate::vendors) struct Extracted {
    #[serde(default, deserialize_with = "loose::text")]
    sha256: Option<String>,
    #[serde(default, deserialize_with = "loose::text")]
    file_path: Option<String>,
}

/// What processes and files leave to look for.
pub(in crate::vendors) fn traces(processes: Vec<Process>, files: Vec<Extracted>) -> impl Iterator<Item = Indicator> {
    let of = |kind| move |value| Indicator { kind, value };
    let processes = processes.into_iter().flat_map(move |process| {
        let commands = process.command_line.into_iter().map(of(IndicatorKind::Command));
        commands.chain(process.mutants.into_iter().map(of(IndicatorKind::Mutex)))
    });
    let files = files.into_iter().flat_map(move |file| {
        file.sha256
            .into_iter()
            .map(of(IndicatorKind::Hash))
            .chain(file.file_path.into_iter().map(of(IndicatorKind::File)))
    });
    processes.chain(files)
}
