//! What VMRay tells of samples, submissions, jobs and analyses, by its own names.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::sample::{Hash, HashKind};
use crate::vendors::loose;

/// What `analysis_result_code` says of an analysis that went well.
const WENT_WELL: f64 = 1.0;

/// A sample. What is not told is absent.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct VmRaySample {
    /// Its id.
    #[serde(deserialize_with = "loose::text")]
    pub sample_id: Option<String>,
    /// Its name.
    #[serde(deserialize_with = "loose::text")]
    pub sample_filename: Option<String>,
    /// Its address, when it is one.
    #[serde(deserialize_with = "loose::text")]
    pub sample_url: Option<String>,
    /// What kind of file it is.
    #[serde(deserialize_with = "loose::text")]
    pub sample_type: Option<String>,
    /// Its MD5.
    #[serde(deserialize_with = "loose::text")]
    pub sample_md5hash: Option<String>,
    /// Its SHA-1.
    #[serde(deserialize_with = "loose::text")]
    pub sample_sha1hash: Option<String>,
    /// Its SHA-256.
    #[serde(deserialize_with = "loose::text")]
    pub sample_sha256hash: Option<String>,
    /// Its fuzzy hash.
    #[serde(deserialize_with = "loose::text")]
    pub sample_ssdeephash: Option<String>,
    /// The hash of its imports.
    #[serde(deserialize_with = "loose::text")]
    pub sample_imphash: Option<String>,
    /// From version 4 on: `clean`, `suspicious`, `malicious` or `not_available`.
    #[serde(deserialize_with = "loose::text")]
    pub sample_verdict: Option<String>,
    /// Why there is no verdict, or this one.
    #[serde(deserialize_with = "loose::text")]
    pub sample_verdict_reason_description: Option<String>,
    /// Before version 4: the worst severity of its analyses.
    #[serde(deserialize_with = "loose::text")]
    pub sample_severity: Option<String>,
    /// The greatest score of its analyses, 0 to 100.
    #[serde(deserialize_with = "loose::number")]
    pub sample_vti_score: Option<f64>,
    /// The same, under its older name.
    #[serde(deserialize_with = "loose::number")]
    pub sample_score: Option<f64>,
    /// Names of its families.
    #[serde(deserialize_with = "loose::list")]
    pub sample_threat_names: Vec<String>,
    /// Its page.
    #[serde(deserialize_with = "loose::text")]
    pub sample_webif_url: Option<String>,
}

impl VmRaySample {
    /// Whether it has this hash; one that tells of none is taken at the server's word.
    pub(super) fn has(&self, hash: &Hash) -> bool {
        let own = match hash.kind() {
            HashKind::Md5 => &self.sample_md5hash,
            HashKind::Sha1 => &self.sample_sha1hash,
            HashKind::Sha256 => &self.sample_sha256hash,
        };
        own.as_ref().is_none_or(|own| own.eq_ignore_ascii_case(hash.as_str()))
    }
}

/// A submission of a sample.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct VmRaySubmission {
    /// Its id.
    #[serde(deserialize_with = "loose::text")]
    pub submission_id: Option<String>,
    /// Of which sample.
    #[serde(deserialize_with = "loose::text")]
    pub submission_sample_id: Option<String>,
    /// Whether all its jobs have ended.
    #[serde(deserialize_with = "loose::flag")]
    pub submission_finished: Option<bool>,
    /// Whether any of them failed.
    #[serde(deserialize_with = "loose::flag")]
    pub submission_has_errors: Option<bool>,
    /// When it came, as the server writes it.
    #[serde(deserialize_with = "loose::text")]
    pub submission_created: Option<String>,
    /// When it ended, as the server writes it.
    #[serde(deserialize_with = "loose::text")]
    pub submission_finish_time: Option<String>,
    /// Its page.
    #[serde(deserialize_with = "loose::text")]
    pub submission_webif_url: Option<String>,
}

impl VmRaySubmission {
    pub(super) fn is_finished(&self) -> bool {
        self.submission_finished == Some(true)
    }

    pub(super) fn is_one_of(&self, ids: &BTreeSet<&str>) -> bool {
        self.submission_id.as_deref().is_some_and(|id| ids.contains(id))
    }
}

/// A job: one analysis to be made.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct VmRayJob {
    /// Its id.
    #[serde(deserialize_with = "loose::text")]
    pub job_id: Option<String>,
    /// `queued`, `inwork` or `finished`.
    #[serde(deserialize_with = "loose::text")]
    pub job_status: Option<String>,
    /// On which machine.
    #[serde(deserialize_with = "loose::text")]
    pub job_vm_name: Option<String>,
}

impl VmRayJob {
    pub(super) fn is_queued(&self) -> bool {
        self.job_status.as_deref().is_some_and(|status| status.eq_ignore_ascii_case("queued"))
    }
}

/// An analysis of a sample.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct VmRayAnalysis {
    /// Its id.
    #[serde(deserialize_with = "loose::text")]
    pub analysis_id: Option<String>,
    /// Of which sample.
    #[serde(deserialize_with = "loose::text")]
    pub analysis_sample_id: Option<String>,
    /// For which submission.
    #[serde(deserialize_with = "loose::text")]
    pub analysis_submission_id: Option<String>,
    /// By which job.
    #[serde(deserialize_with = "loose::text")]
    pub analysis_job_id: Option<String>,
    /// 1 when it went well.
    #[serde(deserialize_with = "loose::number")]
    pub analysis_result_code: Option<f64>,
    /// How it went, in words.
    #[serde(deserialize_with = "loose::text")]
    pub analysis_result_str: Option<String>,
    /// From version 4 on: `clean`, `suspicious`, `malicious` or `not_available`.
    #[serde(deserialize_with = "loose::text")]
    pub analysis_verdict: Option<String>,
    /// Before version 4: `not_suspicious`, `suspicious`, `malicious`, `whitelisted`, `blacklisted`, `unknown` or `error`.
    #[serde(deserialize_with = "loose::text")]
    pub analysis_severity: Option<String>,
    /// The score of VMRay's threat identifiers, 0 to 100.
    #[serde(deserialize_with = "loose::number")]
    pub analysis_vti_score: Option<f64>,
    /// The machine.
    #[serde(deserialize_with = "loose::text")]
    pub analysis_vm_name: Option<String>,
    /// How the machine was set up.
    #[serde(deserialize_with = "loose::text")]
    pub analysis_configuration_name: Option<String>,
    /// What analysed it.
    #[serde(deserialize_with = "loose::text")]
    pub analysis_analyzer_name: Option<String>,
    /// Its page.
    #[serde(deserialize_with = "loose::text")]
    pub analysis_webif_url: Option<String>,
}

impl VmRayAnalysis {
    /// Why it failed, if it did.
    #[must_use]
    pub fn failure(&self) -> Option<String> {
        let code = self.analysis_result_code?;
        if code == WENT_WELL {
            return None;
        }
        let place = self.analysis_vm_name.as_ref().map_or_else(String::new, |name| format!(" on {name}"));
        let text = self.analysis_result_str.as_deref().unwrap_or("no reason is given");
        Some(format!("result {code}{place}: {text}"))
    }
}

/// A technique of ATT&CK that was seen.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct VmRayTechnique {
    /// Its id: `T1055`.
    #[serde(deserialize_with = "loose::text")]
    pub id: Option<String>,
    /// The same, as it is in what is told of a sample.
    #[serde(deserialize_with = "loose::text")]
    pub technique_id: Option<String>,
    /// Its name.
    #[serde(deserialize_with = "loose::text")]
    pub description: Option<String>,
    /// The same, as it is in what is told of a sample.
    #[serde(deserialize_with = "loose::text")]
    pub technique: Option<String>,
    /// What it is for.
    #[serde(deserialize_with = "loose::list")]
    pub tactics: Vec<String>,
}

/// What `system_info` tells.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct VmRaySystem {
    /// The version of the server.
    #[serde(deserialize_with = "loose::text")]
    pub version: Option<String>,
    /// Members of a list in one answer, as it is set.
    #[serde(deserialize_with = "loose::number")]
    pub api_items_per_request: Option<f64>,
    /// Members of a list in one answer, at most.
    #[serde(deserialize_with = "loose::number")]
    pub max_api_items: Option<f64>,
    /// Bytes of a sample, at most.
    #[serde(deserialize_with = "loose::number")]
    pub webif_max_upload_size: Option<f64>,
}

/// What `billing_info` tells of the quotas.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct VmRayBilling {
    /// Verdicts in the period.
    #[serde(deserialize_with = "loose::number")]
    pub verdict_quota: Option<f64>,
    /// Verdicts that are left.
    #[serde(deserialize_with = "loose::number")]
    pub verdict_remaining: Option<f64>,
    /// Reports in the period.
    #[serde(deserialize_with = "loose::number")]
    pub report_quota: Option<f64>,
    /// Reports that are left.
    #[serde(deserialize_with = "loose::number")]
    pub report_remaining: Option<f64>,
    /// When the period ends, as the server writes it.
    #[serde(deserialize_with = "loose::text")]
    pub end_date: Option<String>,
}

impl VmRayBilling {
    /// For people.
    pub(super) fn remarks(&self) -> Vec<String> {
        let remark = |left: Option<f64>, all: Option<f64>, what: &str| {
            left.zip(all).map(|(left, all)| format!("{left} of {all} {what} are left"))
        };
        let verdicts = remark(self.verdict_remaining, self.verdict_quota, "verdicts");
        [verdicts, remark(self.report_remaining, self.report_quota, "reports")].into_iter().flatten().collect()
    }
}
