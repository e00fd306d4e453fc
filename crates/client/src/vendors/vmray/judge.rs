//! VMRay's verdicts: of samples since version 4, by severities before, and of an archive that of its worst member.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::ask::archived;
use super::summary::Summary;
use super::{VmRay, VmRayAnalysis, VmRaySample, ids};
use crate::error::{ErrorKind, Result, Step};
use crate::report::{Finding, Indicator, Report, ReportFormat};
use crate::sandbox::{Status, Submission};
use crate::spool::Spooled;
use crate::vendors::loose;
use crate::verdict::{Raw, Verdict, Word};

/// Reasons of a verdict, at most.
const MAX_REASONS: usize = 10;
/// A score from which on VMRay itself calls something malicious.
const MALICIOUS_FROM: f64 = 75.0;
/// A score from which on it calls it suspicious.
const SUSPICIOUS_FROM: f64 = 25.0;

/// What is known of one sample.
struct Judged {
    id: String,
    sample: VmRaySample,
    best: Option<VmRayAnalysis>,
    word: Word,
    score: Option<f64>,
    raw: Raw,
    reasons: Vec<String>,
    /// Nothing was found of it that went well.
    failed: Option<String>,
}

impl VmRay {
    pub(super) async fn report_of(&self, submission: &Submission) -> Result<Report> {
        let step = Step::Report;
        match self.state(step, submission).await {
            Ok(Status::Finished) => {}
            Ok(Status::Queued | Status::Running) => {
                let problem = "not all of its submissions are finished".to_owned();
                return Err(self.transport.error(step, ErrorKind::NotReady(problem)));
            }
            Ok(Status::Failed(why)) => return Err(self.transport.error(step, ErrorKind::AnalysisFailed(why))),
            // Submissions may be deleted and their analyses kept.
            Err(error) if matches!(error.kind, ErrorKind::NotFound(_)) => {}
            Err(error) => return Err(error),
        }
        let ours = ids(submission);
        let mut all = Vec::new();
        for sample in self.samples(step, submission)? {
            all.extend(self.judge(sample, &ours).await?);
        }
        if let Some(why) = all.first().and_then(|one| one.failed.clone())
            && all.iter().all(|one| one.failed.is_some())
        {
            return Err(self.transport.error(step, ErrorKind::AnalysisFailed(why)));
        }
        let worse = |worst, other| if order(&all[other]) > order(&all[worst]) { other } else { worst };
        let Some(worst) = (0..all.len()).reduce(worse) else {
            let problem = "there is neither such a sample nor an analysis of it".to_owned();
            return Err(self.transport.error(step, ErrorKind::NotFound(problem)));
        };
        let worst = all.swap_remove(worst);
        self.report_about(worst, &all).await
    }

    /// What is known of a sample; nothing where nothing is.
    async fn judge(&self, id: &str, ours: &BTreeSet<&str>) -> Result<Option<Judged>> {
        let analyses = self.analyses_of(Step::Report, id, ours).await?;
        let sample = match self.sample_for(Step::Report, id).await {
            // Not every key may see samples, and there are stranger ones that have none.
            Err(error) if matches!(error.kind, ErrorKind::NotFound(_) | ErrorKind::Forbidden(_)) => {
                VmRaySample::default()
            }
            other => other?,
        };
        if analyses.is_empty() && sample.sample_id.is_none() {
            return Ok(None);
        }
        Ok(Some(Judged::of(id.to_owned(), sample, analyses)))
    }

    async fn report_about(&self, worst: Judged, rest: &[Judged]) -> Result<Report> {
        let summary = match worst.best.as_ref().and_then(|best| best.analysis_id.as_deref()) {
            Some(analysis) => self.summary(analysis).await?,
            None => None,
        };
        let (raw, score, environment, families, findings, indicators) = match summary {
            Some((raw, summary)) => {
                let (score, environment) = (summary.score(), summary.environment());
                let families: BTreeSet<String> = summary.families().collect();
                let (findings, indicators) = summary.into_parts();
                (raw, score, environment, families, findings, indicators)
            }
            None => {
                let (findings, indicators) = self.without_summary(&worst.id).await?;
                (self.raw(&worst)?, None, None, BTreeSet::new(), findings, indicators)
            }
        };
        let Judged { sample, best, .. } = &worst;
        let best = best.as_ref();
        let hashes = [
            ("md5", &sample.sample_md5hash),
            ("sha1", &sample.sample_sha1hash),
            ("sha256", &sample.sample_sha256hash),
            ("ssdeep", &sample.sample_ssdeephash),
            ("imphash", &sample.sample_imphash),
        ];
        let hashes = hashes.into_iter().filter_map(|(name, hash)| Some((name.to_owned(), hash.clone()?))).collect();
        let link = sample.sample_webif_url.clone().or_else(|| best?.analysis_webif_url.clone());
        let machine =
            || best.and_then(|best| best.analysis_configuration_name.clone().or(best.analysis_vm_name.clone()));
        let name = sample.sample_filename.clone().or_else(|| sample.sample_url.clone());
        Ok(Report {
            name,
            hashes,
            environment: environment.or_else(machine),
            link,
            verdict: worst.into_verdict(score, families, &findings, rest),
            findings,
            indicators,
            format: ReportFormat::Json,
            raw: Arc::new(raw),
        })
    }

    /// The summary of an analysis in the first version, else in the second; nothing where there is neither, or this key may not have it.
    async fn summary(&self, analysis: &str) -> Result<Option<(Spooled, Summary)>> {
        for path in ["logs/summary.json", "logs/summary_v2.json"] {
            match self.send(archived(Step::Report, analysis, path)).await {
                Ok(answer) => return answer.report::<Summary>().await.map(Some),
                Err(error) if matches!(error.kind, ErrorKind::NotFound(_) | ErrorKind::Forbidden(_)) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(None)
    }

    /// What is told of a sample where there is no summary: with contracts that pay for verdicts only, or where nothing was run.
    async fn without_summary(&self, sample: &str) -> Result<(Vec<Finding>, Vec<Indicator>)> {
        fn or_nothing<T: Default>(asked: Result<T>) -> Result<T> {
            match asked {
                Err(error) if matches!(error.kind, ErrorKind::NotFound(_) | ErrorKind::Forbidden(_)) => {
                    Ok(T::default())
                }
                other => other,
            }
        }
        let findings = or_nothing(self.threat_indicators_for(Step::Report, sample).await)?;
        Ok((findings, or_nothing(self.iocs_for(Step::Report, sample).await)?))
    }

    /// What is known without a summary, as JSON.
    fn raw(&self, judged: &Judged) -> Result<Spooled> {
        let mut raw = Spooled::default();
        let known = serde_json::json!({ "sample": judged.sample, "analysis": judged.best });
        raw.push(known.to_string().as_bytes())
            .map_err(|error| self.transport.error(Step::Report, ErrorKind::Sink(error)))?;
        Ok(raw)
    }
}

/// Of several the last is the worst.
fn order(judged: &Judged) -> (Word, f64) {
    (judged.word, judged.score.unwrap_or(-1.0))
}

/// The analysis that went well and has the highest score; the first of equal ones.
pub(super) fn best(analyses: Vec<VmRayAnalysis>) -> Option<VmRayAnalysis> {
    let score = |analysis: &VmRayAnalysis| analysis.analysis_vti_score.unwrap_or(-1.0);
    let well = analyses.into_iter().filter(|analysis| analysis.failure().is_none() && analysis.analysis_id.is_some());
    well.reduce(|best, other| if score(&other) > score(&best) { other } else { best })
}

/// A word of VMRay's, of all its versions; nothing where it says nothing.
fn word(label: &str) -> Option<Word> {
    match label.to_ascii_lowercase().as_str() {
        "" | "null" => None,
        "malicious" | "blacklisted" => Some(Word::Malicious),
        "suspicious" => Some(Word::Suspicious),
        "clean" | "not_suspicious" | "whitelisted" => Some(Word::Clean),
        "not_available" | "unknown" | "error" => Some(Word::Unknown),
        _ => {
            tracing::warn!(verdict = label, "VMRay gives a verdict that is not known; nobody knows what it means.");
            Some(Word::Unknown)
        }
    }
}

/// The worst of what analyses say; those that failed say nothing that is good.
fn worst<'a>(
    analyses: &'a [VmRayAnalysis],
    said: impl Fn(&'a VmRayAnalysis) -> Option<&'a str>,
) -> Option<(Word, String)> {
    let words: Vec<(Word, &str)> = analyses
        .iter()
        .filter(|analysis| analysis.failure().is_none())
        .filter_map(|analysis| said(analysis).and_then(|label| Some((word(label)?, label))))
        .collect();
    let (worst, label) = words.into_iter().max_by_key(|(word, _)| *word)?;
    let failed = analyses.iter().any(|analysis| analysis.failure().is_some());
    Some((if failed { worst.max(Word::Unknown) } else { worst }, label.to_owned()))
}

impl Judged {
    fn of(id: String, sample: VmRaySample, analyses: Vec<VmRayAnalysis>) -> Self {
        let failures: Vec<String> = analyses.iter().filter_map(VmRayAnalysis::failure).collect();
        let of_sample = sample.sample_verdict.as_deref().and_then(|label| Some((word(label)?, label.to_owned())));
        let severity = || {
            let of_sample = sample.sample_severity.as_deref().and_then(|label| Some((word(label)?, label.to_owned())));
            of_sample
                .filter(|_| failures.is_empty())
                .or_else(|| worst(&analyses, |one| one.analysis_severity.as_deref()))
        };
        let said = of_sample
            .map(|said| ("sample_verdict", said))
            .or_else(|| worst(&analyses, |one| one.analysis_verdict.as_deref()).map(|said| ("analysis_verdict", said)))
            .or_else(|| severity().map(|said| ("severity", said)));
        let failed = failures.first().filter(|_| failures.len() == analyses.len() && said.is_none()).cloned();
        let best = best(analyses);
        let score =
            best.as_ref().and_then(|best| best.analysis_vti_score).or(sample.sample_vti_score).or(sample.sample_score);
        let (scale, label, word) = match said {
            Some((scale, (word, label))) => (scale, Some(label), word),
            None => ("vti score, 0-100", None, Word::Unknown),
        };
        let word = if label.is_none() { of_score(score) } else { word };
        let raw = Raw { scale: scale.to_owned(), value: score.map(Into::into), label };
        let why = sample.sample_verdict_reason_description.clone();
        let reasons = why.into_iter().chain(failures).collect();
        Self { id, sample, best, word, score, raw, reasons, failed }
    }

    fn into_verdict(
        mut self,
        score: Option<f64>,
        mut families: BTreeSet<String>,
        findings: &[Finding],
        rest: &[Self],
    ) -> Verdict {
        if self.score.is_none() && self.raw.label.is_none() {
            self.word = of_score(score);
            self.raw.value = score.map(Into::into);
        }
        let score = self.score.or(score).or(match self.word {
            // What VMRay's words are worth, where they are all that there is.
            Word::Clean => Some(10.0),
            Word::Suspicious => Some(50.0),
            Word::Malicious => Some(90.0),
            Word::Unknown => None,
        });
        if self.word == Word::Unknown && self.reasons.is_empty() {
            self.reasons.push(match (&self.raw.label, score) {
                (Some(label), _) => format!("VMRay's verdict is {label}"),
                (None, Some(_)) => "nothing but a low score, which does not say that it is harmless".to_owned(),
                (None, None) => "VMRay gives neither a verdict nor a score".to_owned(),
            });
        }
        let others = rest.iter().map(|one| {
            let name = one.sample.sample_filename.as_deref().unwrap_or(&one.id);
            match &one.failed {
                Some(why) => format!("another sample of it, {name}: the analysis failed: {why}"),
                None => format!("another sample of it, {name}: {}", one.word),
            }
        });
        let found = findings.iter().filter(|finding| finding.severity.is_some()).map(|finding| finding.name.clone());
        families.extend(self.sample.sample_threat_names);
        Verdict {
            verdict: self.word,
            score: score.map(loose::percent),
            confidence: None,
            families: families.into_iter().collect(),
            reasons: self.reasons.into_iter().chain(others).chain(found).take(MAX_REASONS).collect(),
            raw: self.raw,
        }
    }
}

/// By VMRay's own bands, of which the lowest says only that little was found.
fn of_score(score: Option<f64>) -> Word {
    match score {
        Some(MALICIOUS_FROM..) => Word::Malicious,
        Some(SUSPICIOUS_FROM..) => Word::Suspicious,
        _ => Word::Unknown,
    }
}
