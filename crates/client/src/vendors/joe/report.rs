//! Joe Sandbox's reports: `jsonfixed`, the whole, and `irjsonfixed`, the part for those who respond to incidents.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde::Deserialize;
use serde_json::Value;

use super::JoeAnalysis;
use crate::report::{Finding, Indicator, IndicatorKind, Report, ReportFormat};
use crate::spool::Spooled;
use crate::vendors::loose;
use crate::verdict::{Raw, Verdict, Word};

/// Reasons of a verdict, at most.
const MAX_REASONS: usize = 10;
/// The greatest score, when the report does not say which it is.
const MAX_SCORE: f64 = 100.0;

/// What is looked at of a report.
#[derive(Debug, Deserialize)]
pub(super) struct Found {
    #[serde(default, deserialize_with = "loose::section")]
    analysis: Analysis,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Analysis {
    #[serde(deserialize_with = "loose::section")]
    detection: Detection,
    #[serde(deserialize_with = "loose::section")]
    signaturedetections: Strategies,
    #[serde(deserialize_with = "loose::section")]
    signatureinfo: Signatures,
    #[serde(deserialize_with = "loose::section")]
    generalinfo: General,
    #[serde(deserialize_with = "loose::section")]
    fileinfo: File,
    #[serde(deserialize_with = "loose::section")]
    hashes: File,
    #[serde(deserialize_with = "loose::text")]
    id: Option<String>,
    #[serde(deserialize_with = "loose::text")]
    sample: Option<String>,
    #[serde(deserialize_with = "loose::text")]
    url: Option<String>,
    #[serde(deserialize_with = "loose::text")]
    system: Option<String>,
    #[serde(deserialize_with = "loose::section")]
    domaininfo: Rows,
    #[serde(deserialize_with = "loose::section")]
    ipinfo: Rows,
    #[serde(deserialize_with = "loose::section")]
    urlinfo: Rows,
    #[serde(deserialize_with = "loose::section")]
    contacted: Contacted,
    #[serde(deserialize_with = "loose::section")]
    dropped: Rows,
    #[serde(deserialize_with = "loose::section")]
    droppedinfo: Rows,
}

/// The flags: one is set.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Detection {
    #[serde(deserialize_with = "loose::flag")]
    clean: Option<bool>,
    #[serde(deserialize_with = "loose::flag")]
    suspicious: Option<bool>,
    #[serde(deserialize_with = "loose::flag")]
    malicious: Option<bool>,
    #[serde(deserialize_with = "loose::flag")]
    unknown: Option<bool>,
    #[serde(deserialize_with = "loose::number")]
    score: Option<f64>,
    #[serde(deserialize_with = "loose::number")]
    maxscore: Option<f64>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Strategies {
    #[serde(deserialize_with = "loose::list")]
    strategy: Vec<Strategy>,
}

/// One way of judging: the first is that of rules alone, the second is overall.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Strategy {
    #[serde(deserialize_with = "loose::number")]
    score: Option<f64>,
    #[serde(deserialize_with = "loose::text")]
    detection: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Signatures {
    #[serde(deserialize_with = "loose::list")]
    sig: Vec<Signature>,
}

/// A signature; its attributes have an `@` where they were ones of XML.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Signature {
    #[serde(deserialize_with = "loose::text")]
    id: Option<String>,
    #[serde(rename = "@id", deserialize_with = "loose::text")]
    id_of_xml: Option<String>,
    #[serde(deserialize_with = "loose::text")]
    name: Option<String>,
    #[serde(rename = "@name", deserialize_with = "loose::text")]
    name_of_xml: Option<String>,
    #[serde(deserialize_with = "loose::text")]
    desc: Option<String>,
    #[serde(rename = "@desc", deserialize_with = "loose::text")]
    desc_of_xml: Option<String>,
    #[serde(deserialize_with = "loose::text")]
    description: Option<String>,
    #[serde(deserialize_with = "loose::number")]
    impact: Option<f64>,
    #[serde(rename = "@impact", deserialize_with = "loose::number")]
    impact_of_xml: Option<f64>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct General {
    #[serde(deserialize_with = "loose::section")]
    target: Target,
    #[serde(deserialize_with = "loose::text")]
    system: Option<String>,
    #[serde(deserialize_with = "loose::text")]
    systemdescription: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Target {
    #[serde(deserialize_with = "loose::text")]
    sample: Option<String>,
    #[serde(deserialize_with = "loose::text")]
    url: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct File {
    #[serde(deserialize_with = "loose::text")]
    filename: Option<String>,
    #[serde(deserialize_with = "loose::text")]
    md5: Option<String>,
    #[serde(deserialize_with = "loose::text")]
    sha1: Option<String>,
    #[serde(deserialize_with = "loose::text")]
    sha256: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Contacted {
    #[serde(deserialize_with = "loose::section")]
    domains: Rows,
    #[serde(deserialize_with = "loose::section")]
    ips: Rows,
    #[serde(deserialize_with = "loose::section")]
    urls: Rows,
}

/// A list, which Joe puts into an object under the name of its rows.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Rows {
    #[serde(deserialize_with = "loose::list")]
    domain: Vec<Value>,
    #[serde(deserialize_with = "loose::list")]
    ip: Vec<Value>,
    #[serde(deserialize_with = "loose::list")]
    url: Vec<Value>,
    #[serde(deserialize_with = "loose::list")]
    file: Vec<Value>,
    #[serde(deserialize_with = "loose::list")]
    hash: Vec<Value>,
}

impl Rows {
    /// Of each row the first of these that it has, with or without an `@`; a row that is a text is itself.
    fn texts(&self, names: &'static [&'static str]) -> impl Iterator<Item = String> {
        let rows = [&self.domain, &self.ip, &self.url, &self.file, &self.hash];
        rows.into_iter().flatten().filter_map(move |row| {
            let attribute = |name: &&str| row[*name].as_str().or_else(|| row[format!("@{name}")].as_str());
            row.as_str().or_else(|| names.iter().find_map(attribute)).filter(|text| !text.is_empty()).map(str::to_owned)
        })
    }
}

impl Found {
    /// The report; nothing where this is none.
    pub(super) fn into_report(self, raw: Spooled, known: &JoeAnalysis) -> Option<Report> {
        let mut analysis = self.analysis;
        let has_target = analysis.id.is_some() || analysis.sample.is_some() || analysis.generalinfo.target.is_some();
        let has_verdict = analysis.detection.word().is_some()
            || analysis.detection.score.is_some()
            || !analysis.signaturedetections.strategy.is_empty();
        if !has_target && !has_verdict && analysis.fileinfo.filename.is_none() {
            return None;
        }
        let weight = |signature: &Signature| signature.impact.or(signature.impact_of_xml).unwrap_or(0.0);
        analysis.signatureinfo.sig.sort_by(|one, other| weight(other).total_cmp(&weight(one)));
        let findings: Vec<Finding> =
            std::mem::take(&mut analysis.signatureinfo.sig).into_iter().filter_map(Signature::into_finding).collect();
        let verdict = analysis.verdict(known, &findings);
        let indicators = analysis.indicators();
        let (file, hashes, general) = (analysis.fileinfo, analysis.hashes, analysis.generalinfo);
        let target = general.target;
        let hashes = [
            ("md5", file.md5.or(hashes.md5).or_else(|| known.md5.clone())),
            ("sha1", file.sha1.or(hashes.sha1).or_else(|| known.sha1.clone())),
            ("sha256", file.sha256.or(hashes.sha256).or_else(|| known.sha256.clone())),
        ];
        let system = || known.runs.first().and_then(|run| run.system.clone());
        Some(Report {
            verdict,
            name: file.filename.or(target.sample).or(analysis.sample).or(target.url).or(analysis.url),
            hashes: hashes.into_iter().filter_map(|(name, hash)| Some((name.to_owned(), hash?))).collect(),
            environment: analysis.system.or(general.system).or(general.systemdescription).or_else(system),
            findings,
            indicators: indicators.into_iter().collect(),
            link: None,
            format: ReportFormat::Json,
            raw: Arc::new(raw),
        })
    }
}

impl Target {
    const fn is_some(&self) -> bool {
        self.sample.is_some() || self.url.is_some()
    }
}

impl Signature {
    fn into_finding(self) -> Option<Finding> {
        let description = self.desc.or(self.desc_of_xml).or(self.description);
        let (name, id) = (self.name.or(self.name_of_xml), self.id.or(self.id_of_xml));
        let name = name.or(id).or_else(|| description.clone())?;
        // How weighty a signature can be at most is nowhere said: its impact is no share of anything.
        Some(Finding { name, description, severity: None, techniques: Vec::new() })
    }
}

impl Detection {
    fn word(&self) -> Option<Word> {
        let flags = [
            (self.malicious, Word::Malicious),
            (self.suspicious, Word::Suspicious),
            (self.unknown, Word::Unknown),
            (self.clean, Word::Clean),
        ];
        flags.into_iter().find(|(flag, _)| *flag == Some(true)).map(|(_, word)| word)
    }

    fn percent(&self) -> Option<f64> {
        let greatest = self.maxscore.filter(|greatest| *greatest > 0.0).unwrap_or(MAX_SCORE);
        self.score.map(|score| score * 100.0 / greatest)
    }
}

/// Joe's own word, as lists of analyses and old reports have it.
fn word(text: &str) -> Option<Word> {
    Some(match text.to_ascii_lowercase().as_str() {
        "malicious" | "mal" => Word::Malicious,
        "suspicious" | "sus" => Word::Suspicious,
        "unknown" => Word::Unknown,
        "clean" => Word::Clean,
        _ => return None,
    })
}

impl JoeAnalysis {
    /// The verdict that a list of analyses has already: without a report.
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        Analysis::default().verdict(self, &[])
    }
}

impl Analysis {
    /// That of `detection`; what it lacks comes from what is known without the report, and then from the strategies of old reports.
    fn verdict(&self, known: &JoeAnalysis, findings: &[Finding]) -> Verdict {
        let strategies = &self.signaturedetections.strategy;
        let overall = strategies.get(1).or_else(|| strategies.first());
        let of_strategy = overall.and_then(|strategy| strategy.detection.as_deref());
        let label = known.detection.as_deref().or(of_strategy);
        let score = self.detection.percent().or(known.score).or_else(|| overall?.score);
        let value = self.detection.score.or(known.score).or_else(|| overall?.score);
        let label_of_flag = self.detection.word().map(|word| word.to_string());
        let raw = Raw {
            scale: format!("0-{}", self.detection.maxscore.unwrap_or(MAX_SCORE)),
            value: value.map(Into::into),
            label: label_of_flag.or_else(|| label.map(str::to_owned)),
        };
        let score = score.map(loose::percent);
        let said = self.detection.word().or_else(|| label.and_then(word));
        let Some(word) = said.or_else(|| score.map(Word::of_score)) else {
            return Verdict::unknown("Joe Sandbox gives neither a detection nor a score", raw);
        };
        let reason = |finding: &Finding| finding.description.clone().unwrap_or_else(|| finding.name.clone());
        let family = known.threatname.clone().filter(|name| !name.eq_ignore_ascii_case("unknown"));
        Verdict {
            verdict: word,
            score,
            confidence: None,
            families: family.into_iter().collect(),
            reasons: known.failures().chain(findings.iter().map(reason)).take(MAX_REASONS).collect(),
            raw,
        }
    }

    fn indicators(&self) -> BTreeSet<Indicator> {
        let of = |kind| move |value| Indicator { kind, value };
        let domains = self.domaininfo.texts(&["name"]).chain(self.contacted.domains.texts(&["name"]));
        let addresses = self.ipinfo.texts(&["ip", "$"]).chain(self.contacted.ips.texts(&["ip", "$"]));
        let urls = self.urlinfo.texts(&["name", "url"]).chain(self.contacted.urls.texts(&["name", "url"]));
        let hashes = self.dropped.texts(&["sha256"]).chain(self.droppedinfo.texts(&["sha256"]));
        let domains = domains.map(of(IndicatorKind::Domain)).chain(addresses.map(of(IndicatorKind::Address)));
        domains.chain(urls.map(of(IndicatorKind::Url))).chain(hashes.map(of(IndicatorKind::Hash))).collect()
    }
}
