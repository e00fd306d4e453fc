//! The report of an analysis: its own, that of what was looked at before it ran, and that of each task.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Read as _};
use std::sync::Arc;

use serde::Deserialize;
use serde_json::Value;

use super::{Cuckoo3, Cuckoo3Analysis, Cuckoo3Task};
use crate::error::{ErrorKind, Result, Step};
use crate::http::Call;
use crate::report::{Finding, Indicator, IndicatorKind, Report, ReportFormat};
use crate::sandbox::Status;
use crate::spool::Spooled;
use crate::vendors::loose;
use crate::verdict::{Raw, Verdict, Word};

/// A score from which on Cuckoo says "likely malicious".
const MALICIOUS_FROM: f64 = 8.0;
/// A score from which on it says "suspicious".
const SUSPICIOUS_FROM: f64 = 6.0;
/// Tasks of an analysis whose reports are read.
const MAX_TASKS: usize = 32;
/// Reasons of a verdict, at most.
const MAX_REASONS: usize = 10;
/// Indicators of a report, at most: what is left out is in the raw report.
const MAX_INDICATORS: usize = 20_000;
/// Bytes that are copied at once.
const CHUNK: usize = 64 << 10;

/// What is looked at of the report of one stage.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Stage {
    #[serde(default, deserialize_with = "loose::number")]
    score: Option<f64>,
    #[serde(default, deserialize_with = "loose::list")]
    signatures: Vec<Signature>,
    #[serde(default, deserialize_with = "loose::words")]
    families: Vec<String>,
    #[serde(default, deserialize_with = "loose::section")]
    network: Network,
    #[serde(default, deserialize_with = "loose::list")]
    processes: Vec<Process>,
    #[serde(default, deserialize_with = "loose::list")]
    screenshot: Vec<Picture>,
}

#[derive(Debug, Deserialize)]
struct Signature {
    #[serde(default, deserialize_with = "loose::word")]
    name: String,
    #[serde(default, deserialize_with = "loose::text")]
    short_description: Option<String>,
    #[serde(default, deserialize_with = "loose::text")]
    description: Option<String>,
    #[serde(default, deserialize_with = "loose::number")]
    score: Option<f64>,
    /// Ids, or objects with one.
    #[serde(default, deserialize_with = "loose::list")]
    ttps: Vec<Value>,
    #[serde(default, deserialize_with = "loose::text")]
    family: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
struct Network {
    #[serde(default, deserialize_with = "loose::words")]
    host: Vec<String>,
    #[serde(default, deserialize_with = "loose::words")]
    domain: Vec<String>,
    #[serde(default, deserialize_with = "loose::list")]
    http: Vec<Exchange>,
}

#[derive(Debug, Deserialize)]
struct Exchange {
    request: Request,
}

#[derive(Debug, Deserialize)]
struct Request {
    url: String,
}

#[derive(Debug, Deserialize)]
struct Process {
    #[serde(default, deserialize_with = "loose::text")]
    commandline: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Picture {
    name: String,
}

impl Stage {
    pub(super) fn first_picture(self) -> Option<String> {
        self.screenshot.into_iter().map(|picture| picture.name).next()
    }
}

impl Cuckoo3 {
    /// An analysis, as it came and as it is read.
    pub(super) async fn view(&self, step: Step, id: &str) -> Result<(Spooled, Cuckoo3Analysis)> {
        let answer = self.send(Call::get(step, ["analysis", id])).await?;
        let (raw, analysis) = answer.report::<Cuckoo3Analysis>().await?;
        if analysis.state.is_empty() {
            return Err(self.error(step, ErrorKind::Malformed, "no `state`"));
        }
        Ok((raw, analysis))
    }

    pub(super) async fn whole_report(&self, id: &str) -> Result<Report> {
        let (raw, analysis) = self.view(Step::Report, id).await?;
        match analysis.status() {
            Status::Finished => {}
            Status::Failed(why) => return Err(self.error(Step::Report, ErrorKind::AnalysisFailed, &why)),
            Status::Queued | Status::Running => {
                return Err(self.error(Step::Report, ErrorKind::NotReady, &analysis.state));
            }
        }
        let mut pieces = vec![("analysis".to_owned(), raw)];
        let mut stages = Vec::new();
        let mut left = self.max_report_bytes;
        let pre = Call::get(Step::Report, ["analysis", id, "pre"]);
        let mut calls = vec![("pre".to_owned(), pre)];
        // A task that has another analysis's name is none of this one's.
        let own = |task: &&Cuckoo3Task| {
            let number = task.id.strip_prefix(id).and_then(|rest| rest.strip_prefix('_'));
            number.is_some_and(|number| !number.is_empty() && number.bytes().all(|digit| digit.is_ascii_digit()))
        };
        for task in analysis.tasks.iter().filter(own).take(MAX_TASKS) {
            let call = Call::get(Step::Report, ["analysis", id, "task", &task.id, "post"]);
            calls.push((task.id.clone(), call));
        }
        for (name, call) in calls {
            let (raw, stage) = match self.send(call).await {
                Ok(answer) => answer.report::<Stage>().await?,
                // Of an address nothing is looked at before, and what failed has no report.
                Err(error) if matches!(error.kind, ErrorKind::NotFound(_)) => continue,
                Err(error) => return Err(error),
            };
            left = left.checked_sub(raw.length()).ok_or_else(|| {
                let limit = self.max_report_bytes;
                self.transport.error(Step::Report, ErrorKind::TooLarge { what: "the report of all tasks", limit })
            })?;
            pieces.push((name, raw));
            stages.push(stage);
        }
        let raw = tokio::task::spawn_blocking(move || joined(&pieces)).await;
        let raw = raw.map_err(|_| self.error(Step::Report, ErrorKind::Malformed, "it cannot be put together"))?;
        let raw = raw.map_err(|error| self.transport.error(Step::Report, ErrorKind::Sink(error)))?;
        Ok(together(&analysis, stages, raw))
    }
}

/// One object of all: `analysis`, `pre`, and `tasks` by their ids. Each is JSON already.
fn joined(pieces: &[(String, Spooled)]) -> io::Result<Spooled> {
    let mut raw = Spooled::default();
    let mut add = |name: &str, piece: &Spooled, before: &str| {
        raw.push(format!("{before}{}:", Value::from(name)).as_bytes())?;
        let mut reader = piece.reader();
        let mut buffer = vec![0; CHUNK];
        loop {
            match reader.read(&mut buffer)? {
                0 => return Ok::<_, io::Error>(()),
                count => raw.push(&buffer[..count])?,
            }
        }
    };
    let mut before = "{";
    for (name, piece) in pieces.iter().filter(|(name, _)| name == "analysis" || name == "pre") {
        add(name, piece, before)?;
        before = ",";
    }
    let mut before = ",\"tasks\":{";
    for (name, piece) in pieces.iter().filter(|(name, _)| name != "analysis" && name != "pre") {
        add(name, piece, before)?;
        before = ",";
    }
    let end = if before == "," { "}}" } else { ",\"tasks\":{}}" };
    raw.push(end.as_bytes())?;
    Ok(raw)
}

/// What all stages found, each thing once, with the worst score that it has in any.
fn together(analysis: &Cuckoo3Analysis, stages: Vec<Stage>, raw: Spooled) -> Report {
    let scores = || stages.iter().filter_map(|stage| stage.score);
    let score = analysis.score.or_else(|| scores().max_by(f64::total_cmp));
    let mut families: BTreeSet<String> = analysis.families.iter().cloned().collect();
    let mut signatures: BTreeMap<String, Signature> = BTreeMap::new();
    let mut indicators: BTreeSet<Indicator> = BTreeSet::new();
    for stage in stages {
        let kind = |kind| move |value| Indicator { kind, value };
        indicators.extend(stage.network.domain.into_iter().map(kind(IndicatorKind::Domain)));
        indicators.extend(stage.network.host.into_iter().map(kind(IndicatorKind::Address)));
        let urls = stage.network.http.into_iter().map(|exchange| exchange.request.url);
        indicators.extend(urls.map(kind(IndicatorKind::Url)));
        let commands = stage.processes.into_iter().filter_map(|process| process.commandline);
        indicators.extend(commands.map(kind(IndicatorKind::Command)));
        families.extend(stage.families);
        for signature in stage.signatures {
            families.extend(signature.family.clone());
            let known = signatures.get(&signature.name).and_then(|known| known.score).unwrap_or(-1.0);
            if signature.score.unwrap_or(0.0) > known {
                signatures.insert(signature.name.clone(), signature);
            }
        }
    }
    let mut signatures: Vec<Signature> = signatures.into_values().collect();
    signatures.sort_by(|one, other| other.score.unwrap_or(0.0).total_cmp(&one.score.unwrap_or(0.0)));
    let environments: BTreeSet<String> = analysis.tasks.iter().filter_map(environment).collect();
    let environment = environments.into_iter().collect::<Vec<_>>().join(", ");
    let target = if analysis.target.name().is_some() { &analysis.target } else { &analysis.submitted };
    let hashes = [("md5", &target.md5), ("sha1", &target.sha1), ("sha256", &target.sha256)];
    let hashes = hashes.into_iter().filter_map(|(name, hash)| Some((name.to_owned(), hash.clone()?)));
    Report {
        verdict: verdict(score, families, &signatures, &analysis.tasks),
        name: target.name().map(str::to_owned),
        hashes: hashes.collect(),
        environment: Some(environment).filter(|environment| !environment.is_empty()),
        findings: signatures.into_iter().map(finding).collect(),
        indicators: indicators.into_iter().take(MAX_INDICATORS).collect(),
        link: None,
        format: ReportFormat::Json,
        raw: Arc::new(raw),
    }
}

fn environment(task: &Cuckoo3Task) -> Option<String> {
    let platform = task.platform.as_ref()?;
    Some(task.os_version.as_ref().map_or_else(|| platform.clone(), |version| format!("{platform} {version}")))
}

fn finding(signature: Signature) -> Finding {
    Finding {
        name: signature.name,
        description: signature.description.or(signature.short_description),
        severity: signature.score.map(|score| loose::percent(score * 10.0)),
        techniques: signature.ttps.iter().filter_map(|ttp| loose::id(ttp).or_else(|| loose::id(&ttp["id"]))).collect(),
    }
}

fn verdict(score: Option<f64>, families: BTreeSet<String>, signatures: &[Signature], tasks: &[Cuckoo3Task]) -> Verdict {
    let raw = Raw { scale: "0-10".to_owned(), value: score.map(Into::into), label: None };
    let Some(score) = score else { return Verdict::unknown("the report has no score", raw) };
    let reason = |signature: &Signature| signature.short_description.clone().unwrap_or_else(|| signature.name.clone());
    let failed = tasks.iter().filter(|task| task.state == "fatal_error");
    let failed = failed.map(|task| format!("the task {} failed", task.id));
    Verdict {
        verdict: match score {
            MALICIOUS_FROM.. => Word::Malicious,
            SUSPICIOUS_FROM.. => Word::Suspicious,
            _ => Word::Unknown,
        },
        score: Some(loose::percent(score * 10.0)),
        confidence: None,
        families: families.into_iter().collect(),
        reasons: signatures.iter().map(reason).chain(failed).take(MAX_REASONS).collect(),
        raw,
    }
}
