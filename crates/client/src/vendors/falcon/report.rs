//! Reads summaries.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde::Deserialize;

use super::verdict::{Extracted, Process, Said, Signature, Technique, findings, sort, traces, verdict};
use crate::report::{Indicator, IndicatorKind, Report, ReportFormat};
use crate::sample::{Hash, HashKind};
use crate::sandbox::Status;
use crate::spool::Spooled;
use crate::vendors::loose;

/// How far an analysis is, and what went wrong.
#[derive(Debug, Deserialize)]
pub(super) struct State {
    #[serde(default, deserialize_with = "loose::text")]
    state: Option<String>,
    #[serde(default, deserialize_with = "loose::text")]
    error_type: Option<String>,
    #[serde(default, deserialize_with = "loose::text")]
    error_origin: Option<String>,
    #[serde(default, deserialize_with = "loose::text")]
    error: Option<String>,
}

impl State {
    /// Nothing when there is none.
    pub(super) fn status(&self) -> Option<Status> {
        Some(match self.state.as_deref()? {
            "IN_QUEUE" => Status::Queued,
            "IN_PROGRESS" => Status::Running,
            "SUCCESS" => Status::Finished,
            "ERROR" => Status::Failed(self.failure()),
            other => {
                tracing::warn!(
                    state = other,
                    "Falcon gives a state that is not known; it is taken for one on the way."
                );
                Status::Running
            }
        })
    }

    fn failure(&self) -> String {
        let told = [&self.error_type, &self.error_origin, &self.error];
        let told: Vec<&str> = told.into_iter().flatten().map(String::as_str).collect();
        if told.is_empty() { "Falcon does not say why".to_owned() } else { told.join(": ") }
    }
}

/// What is looked at of a summary.
#[derive(Debug, Deserialize)]
pub(super) struct Summary {
    #[serde(default, deserialize_with = "loose::text")]
    state: Option<String>,
    #[serde(default, deserialize_with = "loose::text")]
    error_type: Option<String>,
    #[serde(default, deserialize_with = "loose::text")]
    error_origin: Option<String>,
    #[serde(default, deserialize_with = "loose::text")]
    job_id: Option<String>,
    #[serde(default, deserialize_with = "loose::text")]
    submit_name: Option<String>,
    #[serde(default, deserialize_with = "loose::text")]
    target_url: Option<String>,
    #[serde(default, deserialize_with = "loose::text")]
    environment_id: Option<String>,
    #[serde(default, deserialize_with = "loose::text")]
    environment_description: Option<String>,
    #[serde(default, deserialize_with = "loose::text")]
    md5: Option<String>,
    #[serde(default, deserialize_with = "loose::text")]
    sha1: Option<String>,
    #[serde(default, deserialize_with = "loose::text")]
    sha256: Option<String>,
    #[serde(default, deserialize_with = "loose::text")]
    sha512: Option<String>,
    #[serde(default, deserialize_with = "loose::text")]
    ssdeep: Option<String>,
    #[serde(default, deserialize_with = "loose::text")]
    imphash: Option<String>,
    #[serde(default, deserialize_with = "loose::text")]
    verdict: Option<String>,
    #[serde(default, deserialize_with = "loose::number")]
    threat_score: Option<f64>,
    #[serde(default, deserialize_with = "loose::number")]
    threat_level: Option<f64>,
    #[serde(default, deserialize_with = "loose::text")]
    vx_family: Option<String>,
    #[serde(default, deserialize_with = "loose::list")]
    domains: Vec<String>,
    #[serde(default, deserialize_with = "loose::list")]
    hosts: Vec<String>,
    #[serde(default, deserialize_with = "loose::list")]
    compromised_hosts: Vec<String>,
    #[serde(default, deserialize_with = "loose::list")]
    signatures: Vec<Signature>,
    #[serde(default, deserialize_with = "loose::list")]
    mitre_attcks: Vec<Technique>,
    #[serde(default, deserialize_with = "loose::list")]
    processes: Vec<Process>,
    #[serde(default, deserialize_with = "loose::list")]
    extracted_files: Vec<Extracted>,
}

impl Summary {
    pub(super) fn into_report(mut self, raw: Spooled, address: &str) -> Report {
        sort(&mut self.signatures);
        let link = self.link(address);
        let state =
            State { state: self.state, error_type: self.error_type, error_origin: self.error_origin, error: None };
        let failure = match state.status() {
            Some(Status::Failed(why)) => Some(format!("the analysis failed: {why}")),
            Some(Status::Queued | Status::Running) => Some("the analysis is not finished".to_owned()),
            Some(Status::Finished) | None => None,
        };
        let said = Said {
            word: self.verdict.as_deref(),
            score: self.threat_score,
            level: self.threat_level,
            failure,
            families: self.vx_family.into_iter().collect(),
        };
        let verdict = verdict(said, &self.signatures);
        let hashes = [
            ("md5", self.md5),
            ("sha1", self.sha1),
            ("sha256", self.sha256),
            ("sha512", self.sha512),
            ("ssdeep", self.ssdeep),
            ("imphash", self.imphash),
        ];
        let of = |kind| move |value| Indicator { kind, value };
        let addresses = self.hosts.into_iter().chain(self.compromised_hosts).map(of(IndicatorKind::Address));
        let domains = self.domains.into_iter().map(of(IndicatorKind::Domain));
        let indicators: BTreeSet<Indicator> =
            addresses.chain(domains).chain(traces(self.processes, self.extracted_files)).collect();
        Report {
            verdict,
            name: self.submit_name.or(self.target_url),
            hashes: hashes.into_iter().filter_map(|(name, hash)| Some((name.to_owned(), hash?))).collect(),
            environment: self.environment_description.or(self.environment_id),
            findings: findings(self.signatures, self.mitre_attcks),
            indicators: indicators.into_iter().collect(),
            link,
            format: ReportFormat::Json,
            raw: Arc::new(raw),
        }
    }

    /// The page that shows it; only of parts that can be nothing else.
    fn link(&self, address: &str) -> Option<String> {
        let sha256 = Hash::parse(self.sha256.as_deref()?).filter(|hash| hash.kind() == HashKind::Sha256)?;
        let job = self.job_id.as_deref().filter(|job| job.bytes().all(|sign| sign.is_ascii_alphanumeric()));
        let job = job.map(|job| format!("/{job}")).unwrap_or_default();
        Some(format!("{}/sample/{sha256}{job}", address.trim_end_matches('/')))
    }
}
