//! Reports of MetaDefender Sandbox: one for each file, of a submission that may be an archive.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::Deserialize;

use crate::report::{Finding, Indicator, IndicatorKind, Report, ReportFormat};
use crate::sample::Hash;
use crate::sandbox::Status;
use crate::spool::Spooled;
use crate::vendors::loose;
use crate::verdict::{Raw, Verdict, Word};

/// A threat level from which on a file is malicious: "likely malicious".
const LIKELY_FROM: f64 = 0.75;
/// A threat level from which on the vendor is sure.
const SURE_FROM: f64 = 1.0;
/// A threat level from which on it is suspicious.
const SUSPICIOUS_FROM: f64 = 0.5;
/// Confidence in what is likely, at most.
const LIKELY: u8 = 75;
/// Reasons of a verdict.
const MAX_REASONS: usize = 10;
/// Indicators, and findings, that are kept.
const MAX_FOUND: usize = 10_000;

/// How far a submission is.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Progress {
    #[serde(default, rename = "flowId", deserialize_with = "loose::text")]
    pub(super) flow: Option<String>,
    #[serde(default, rename = "allFinished", deserialize_with = "loose::flag")]
    finished: Option<bool>,
    /// Seconds.
    #[serde(default, rename = "pollPause", deserialize_with = "loose::number")]
    pub(super) pause: Option<f64>,
    #[serde(default, deserialize_with = "loose::members")]
    reports: BTreeMap<String, State>,
}

#[derive(Debug, Default, Deserialize)]
struct State {
    #[serde(default, rename = "overallState", deserialize_with = "loose::text")]
    state: Option<String>,
}

impl Progress {
    /// Nothing, where the answer does not say. Of a report that was found, its own state says it.
    pub(super) fn status(&self, found: bool) -> Option<Status> {
        let states = || self.reports.values().map(|report| report.state.as_deref());
        status(self.finished.or_else(|| found.then(|| ended(states()))), states())
    }
}

/// Whether there are reports, and all have ended.
fn ended<'a>(states: impl Iterator<Item = Option<&'a str>>) -> bool {
    let mut states = states.peekable();
    states.peek().is_some()
        && states.all(|state| state.is_some_and(|state| state == "failed" || state.starts_with("success")))
}

/// Failed is what has ended without a single report that did not.
fn status<'a>(finished: Option<bool>, states: impl Iterator<Item = Option<&'a str>>) -> Option<Status> {
    if !finished? {
        return Some(Status::Running);
    }
    let (mut all, mut failed) = (0, 0);
    for state in states {
        all += 1;
        failed += usize::from(state == Some("failed"));
    }
    Some(match all > 0 && all == failed {
        true => Status::Failed("MetaDefender could not analyse it, and does not say why".to_owned()),
        false => Status::Finished,
    })
}

/// What is looked at of a submission's reports.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Flow {
    #[serde(default, rename = "flowId", deserialize_with = "loose::text")]
    pub(super) flow: Option<String>,
    #[serde(default, rename = "allFinished", deserialize_with = "loose::flag")]
    finished: Option<bool>,
    #[serde(default, deserialize_with = "loose::members")]
    reports: BTreeMap<String, One>,
}

#[derive(Debug, Default, Deserialize)]
struct One {
    #[serde(default, rename = "finalVerdict", deserialize_with = "loose::section")]
    verdict: Judged,
    #[serde(default, rename = "overallState", deserialize_with = "loose::text")]
    state: Option<String>,
    #[serde(default, rename = "allTags", deserialize_with = "loose::list")]
    tags: Vec<Tagged>,
    #[serde(default, rename = "taskReference", deserialize_with = "loose::section")]
    task: Task,
    #[serde(default, rename = "allSignalGroups", deserialize_with = "loose::list")]
    groups: Vec<Group>,
    #[serde(default, deserialize_with = "loose::section")]
    iocs: Iocs,
    #[serde(default, deserialize_with = "loose::section")]
    file: File,
    #[serde(default, rename = "isRoot", deserialize_with = "loose::flag")]
    root: Option<bool>,
}

#[derive(Debug, Default, Deserialize)]
struct Judged {
    #[serde(default, deserialize_with = "loose::text")]
    verdict: Option<String>,
    #[serde(default, rename = "threatLevel", deserialize_with = "loose::number")]
    level: Option<f64>,
    #[serde(default, deserialize_with = "loose::number")]
    confidence: Option<f64>,
}

#[derive(Debug, Default, Deserialize)]
struct Tagged {
    #[serde(default, rename = "isMalwareFamilyTag", deserialize_with = "loose::flag")]
    family: Option<bool>,
    #[serde(default, deserialize_with = "loose::section")]
    tag: Tag,
}

#[derive(Debug, Default, Deserialize)]
struct Tag {
    #[serde(default, deserialize_with = "loose::text")]
    name: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
struct Task {
    #[serde(default, rename = "additionalInfo", deserialize_with = "loose::section")]
    more: Additional,
}

#[derive(Debug, Default, Deserialize)]
struct Additional {
    #[serde(default, rename = "submitName", deserialize_with = "loose::text")]
    name: Option<String>,
    #[serde(default, deserialize_with = "loose::section")]
    digests: Digests,
}

#[derive(Debug, Default, Deserialize)]
struct Digests {
    #[serde(default, alias = "MD5", deserialize_with = "loose::text")]
    md5: Option<String>,
    #[serde(default, alias = "SHA-1", alias = "SHA1", deserialize_with = "loose::text")]
    sha1: Option<String>,
    #[serde(default, alias = "SHA-256", alias = "SHA256", deserialize_with = "loose::text")]
    sha256: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
struct File {
    #[serde(default, deserialize_with = "loose::text")]
    name: Option<String>,
    /// Its SHA-256.
    #[serde(default, deserialize_with = "loose::text")]
    hash: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
struct Group {
    #[serde(default, deserialize_with = "loose::text")]
    identifier: Option<String>,
    #[serde(default, deserialize_with = "loose::text")]
    description: Option<String>,
    #[serde(default, rename = "allMitreTechniques", deserialize_with = "loose::list")]
    techniques: Vec<Technique>,
    #[serde(default, rename = "finalSignalStrength", deserialize_with = "loose::number")]
    strength: Option<f64>,
    #[serde(default, deserialize_with = "loose::section")]
    verdict: Judged,
}

#[derive(Debug, Default, Deserialize)]
struct Technique {
    #[serde(default, rename = "ID", deserialize_with = "loose::text")]
    id: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
struct Iocs {
    #[serde(default, deserialize_with = "loose::list")]
    md5: Vec<Ioc>,
    #[serde(default, deserialize_with = "loose::list")]
    sha1: Vec<Ioc>,
    #[serde(default, deserialize_with = "loose::list")]
    sha256: Vec<Ioc>,
    #[serde(default, deserialize_with = "loose::list")]
    sha512: Vec<Ioc>,
    #[serde(default, deserialize_with = "loose::list")]
    ip: Vec<Ioc>,
    #[serde(default, deserialize_with = "loose::list")]
    domain: Vec<Ioc>,
    #[serde(default, deserialize_with = "loose::list")]
    url: Vec<Ioc>,
}

#[derive(Debug, Default, Deserialize)]
struct Ioc {
    #[serde(default, deserialize_with = "loose::text")]
    data: Option<String>,
    #[serde(default, rename = "isInteresting", deserialize_with = "loose::flag")]
    interesting: Option<bool>,
}

/// What one report says of its file.
fn word(judged: &Judged) -> Word {
    let of_word = match judged.verdict.as_deref().map(str::to_ascii_uppercase).as_deref() {
        Some("MALICIOUS" | "LIKELY_MALICIOUS") => Some(Word::Malicious),
        Some("SUSPICIOUS") => Some(Word::Suspicious),
        Some("BENIGN") => Some(Word::Clean),
        Some(_) => Some(Word::Unknown),
        None => None,
    };
    let of_level = judged.level.map(|level| match level {
        LIKELY_FROM.. => Word::Malicious,
        SUSPICIOUS_FROM.. => Word::Suspicious,
        level if level < 0.0 => Word::Clean,
        _ => Word::Unknown,
    });
    // Where they differ, the worse of them: also so that neither alone makes clean what the other does not.
    of_word.max(of_level).unwrap_or(Word::Unknown)
}

/// 0 to 1, as 0 to 100.
fn scaled(number: f64) -> u8 {
    loose::percent(number * 100.0)
}

impl Flow {
    /// Nothing, where the answer does not say. Of a report that was found, its own state says it.
    pub(super) fn status(&mut self, found: bool) -> Option<Status> {
        if found && self.finished.is_none() {
            self.finished = Some(ended(self.reports.values().map(|report| report.state.as_deref())));
        }
        status(self.finished, self.reports.values().map(|report| report.state.as_deref()))
    }

    /// The report that the others came of, as far as that is told, or the first.
    fn root(&self) -> Option<(&String, &One)> {
        self.reports.iter().find(|(_, report)| report.root == Some(true)).or_else(|| self.reports.iter().next())
    }

    /// The id of a report, and the hash of its file.
    pub(super) fn one(&self, wanted: Option<&str>) -> Option<(String, Option<String>)> {
        let (id, report) = match wanted {
            Some(wanted) => self.reports.get_key_value(wanted)?,
            None => self.root()?,
        };
        let hash = report.file.hash.clone().or_else(|| report.task.more.digests.sha256.clone());
        Some((id.clone(), hash))
    }

    /// Whether this one of its reports is about this file.
    pub(super) fn is_of(&self, report: &str, hash: &Hash) -> bool {
        let Some(report) = self.reports.get(report) else { return false };
        let Digests { md5, sha1, sha256 } = &report.task.more.digests;
        let all = [md5, sha1, sha256, &report.file.hash];
        all.into_iter().flatten().any(|found| found.eq_ignore_ascii_case(hash.as_str()))
    }

    pub(super) fn into_report(self, raw: Spooled) -> Report {
        let verdict = self.verdict();
        let root = self.root().map(|(_, report)| report);
        let digests = root.map(|report| &report.task.more.digests);
        let of_file = root.and_then(|report| report.file.hash.as_ref());
        let hashes = digests.into_iter().flat_map(|digests| {
            [
                ("md5", digests.md5.as_ref()),
                ("sha1", digests.sha1.as_ref()),
                ("sha256", digests.sha256.as_ref().or(of_file)),
            ]
        });
        let hashes = hashes.filter_map(|(name, hash)| Some((name.to_owned(), hash?.to_ascii_lowercase()))).collect();
        let name = root.and_then(|report| report.file.name.clone().or_else(|| report.task.more.name.clone()));
        let indicators = self.indicators();
        let mut groups: Vec<Group> = self.reports.into_values().flat_map(|report| report.groups).collect();
        let weight = |group: &Group| group.strength.or(group.verdict.level).unwrap_or(0.0);
        groups.sort_by(|one, other| weight(other).total_cmp(&weight(one)));
        Report {
            verdict,
            name,
            hashes,
            environment: None,
            findings: groups.into_iter().filter_map(finding).take(MAX_FOUND).collect(),
            indicators: indicators.into_iter().collect(),
            link: None,
            format: ReportFormat::Json,
            raw: Arc::new(raw),
        }
    }

    fn indicators(&self) -> BTreeSet<Indicator> {
        let mut kept = BTreeSet::new();
        for iocs in self.reports.values().map(|report| &report.iocs) {
            for (kind, list) in [
                (IndicatorKind::Hash, &iocs.md5),
                (IndicatorKind::Hash, &iocs.sha1),
                (IndicatorKind::Hash, &iocs.sha256),
                (IndicatorKind::Hash, &iocs.sha512),
                (IndicatorKind::Address, &iocs.ip),
                (IndicatorKind::Domain, &iocs.domain),
                (IndicatorKind::Url, &iocs.url),
            ] {
                // The vendor also lists what is of no interest: schemas that a document names, for example.
                let of_interest = list.iter().filter(|ioc| ioc.interesting != Some(false));
                for value in of_interest.filter_map(|ioc| ioc.data.clone()) {
                    if kept.len() < MAX_FOUND {
                        kept.insert(Indicator { kind, value });
                    }
                }
            }
        }
        kept
    }

    fn verdict(&self) -> Verdict {
        let judged = || self.reports.values().map(|report| (word(&report.verdict), &report.verdict));
        let level = |judged: &Judged| judged.level.unwrap_or(f64::NEG_INFINITY);
        let worst = judged()
            .max_by(|(one, of_one), (other, of_other)| one.cmp(other).then(level(of_one).total_cmp(&level(of_other))));
        let scale = "-1 to 1".to_owned();
        let Some((word, worst)) = worst else {
            return Verdict::unknown("there is no report in it", Raw { scale, value: None, label: None });
        };
        let greatest = judged().filter_map(|(_, judged)| judged.level).reduce(f64::max);
        let raw = Raw { scale, value: greatest.map(Into::into), label: worst.verdict.clone() };
        let failed = self.reports.values().filter(|report| report.state.as_deref() == Some("failed")).count();
        let whole = self.finished == Some(true) && failed == 0;
        if word == Word::Clean && !whole {
            return Verdict::unknown("benign as far as it was analysed, which is not all of it", raw);
        }
        let said = worst.confidence.map(scaled);
        // By the level, or where there is none by the word.
        let likely = match worst.level {
            Some(level) => level < SURE_FROM,
            None => worst.verdict.as_deref() == Some("LIKELY_MALICIOUS"),
        };
        let confidence = match word {
            Word::Malicious if likely => Some(said.map_or(LIKELY, |said| said.min(LIKELY))),
            _ => said,
        };
        let groups = self.reports.values().flat_map(|report| &report.groups);
        let bad = groups.filter(|group| matches!(self::word(&group.verdict), Word::Malicious | Word::Suspicious));
        let mut reasons: Vec<String> = bad
            .filter_map(|group| group.description.clone().or_else(|| group.identifier.clone()))
            .take(MAX_REASONS)
            .collect();
        if failed > 0 {
            reasons.push(format!("{failed} of {} files could not be analysed", self.reports.len()));
        }
        let tags = self.reports.values().flat_map(|report| &report.tags).filter(|tag| tag.family == Some(true));
        let families: BTreeSet<String> = tags.filter_map(|tag| tag.tag.name.clone()).collect();
        Verdict {
            verdict: word,
            score: greatest.map(scaled),
            confidence,
            families: families.into_iter().collect(),
            reasons,
            raw,
        }
    }
}

fn finding(group: Group) -> Option<Finding> {
    Some(Finding {
        name: group.identifier.or_else(|| group.description.clone())?,
        description: group.description,
        severity: group.strength.or(group.verdict.level).map(scaled),
        techniques: group.techniques.into_iter().filter_map(|technique| technique.id).collect(),
    })
}
