//! Reads reports.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::Value;

use super::session::Meta;
use crate::report::{Indicator, IndicatorKind, Report, ReportFormat};
use crate::spool::Spooled;
use crate::vendors::falcon::verdict::{
    Extracted, Process, Said, Signature, Technique, findings, sort, traces, verdict,
};
use crate::vendors::loose;

/// An answer with one report.
#[derive(Debug, Deserialize)]
pub(super) struct Found {
    #[serde(default, deserialize_with = "loose::section")]
    meta: Value,
    #[serde(default, deserialize_with = "loose::list")]
    errors: Vec<Value>,
    #[serde(default, deserialize_with = "loose::first")]
    pub(super) resources: Option<Resource>,
}

#[derive(Debug, Default, Deserialize)]
pub(super) struct Resource {
    #[serde(default, deserialize_with = "loose::text")]
    verdict: Option<String>,
    #[serde(default, deserialize_with = "loose::number")]
    threat_score: Option<f64>,
    #[serde(default, deserialize_with = "loose::list")]
    intel: Vec<Intel>,
    #[serde(default, deserialize_with = "loose::first")]
    sandbox: Option<Ran>,
}

#[derive(Debug, Deserialize)]
struct Intel {
    #[serde(default, deserialize_with = "loose::list")]
    malware_families: Vec<Value>,
}

/// What one environment has found.
#[derive(Debug, Default, Deserialize)]
struct Ran {
    #[serde(default, deserialize_with = "loose::text")]
    verdict: Option<String>,
    #[serde(default, deserialize_with = "loose::number")]
    threat_score: Option<f64>,
    #[serde(default, deserialize_with = "loose::text")]
    error_type: Option<String>,
    #[serde(default, deserialize_with = "loose::text")]
    error_message: Option<String>,
    #[serde(default, deserialize_with = "loose::text")]
    environment_id: Option<String>,
    #[serde(default, deserialize_with = "loose::text")]
    environment_description: Option<String>,
    #[serde(default, deserialize_with = "loose::text")]
    submit_name: Option<String>,
    #[serde(default, deserialize_with = "loose::text")]
    submit_url: Option<String>,
    #[serde(default, deserialize_with = "loose::text")]
    sha256: Option<String>,
    #[serde(default, deserialize_with = "loose::list")]
    signatures: Vec<Signature>,
    #[serde(default, deserialize_with = "loose::list")]
    mitre_attacks: Vec<Technique>,
    #[serde(default, deserialize_with = "loose::list")]
    processes: Vec<Process>,
    #[serde(default, deserialize_with = "loose::list")]
    extracted_files: Vec<Extracted>,
    #[serde(default, deserialize_with = "loose::list")]
    contacted_hosts: Vec<Contact>,
    #[serde(default, deserialize_with = "loose::list")]
    dns_requests: Vec<Contact>,
    #[serde(default, deserialize_with = "loose::list")]
    http_requests: Vec<Contact>,
}

/// Something in the network.
#[derive(Debug, Deserialize)]
struct Contact {
    #[serde(default, deserialize_with = "loose::text")]
    address: Option<String>,
    #[serde(default, deserialize_with = "loose::text")]
    domain: Option<String>,
    #[serde(default, deserialize_with = "loose::text")]
    url: Option<String>,
}

impl Found {
    pub(super) fn meta(&self) -> Meta {
        let whole = serde_json::json!({"meta": self.meta, "errors": self.errors});
        Meta::deserialize(whole).unwrap_or_default()
    }
}

impl Resource {
    pub(super) fn sha256(&self) -> Option<&str> {
        self.sandbox.as_ref()?.sha256.as_deref()
    }

    /// It was analysed.
    pub(super) fn is_whole(&self) -> bool {
        self.sandbox.as_ref().is_some_and(|ran| ran.error_type.is_none())
    }

    /// Why it could not be analysed.
    pub(super) fn failure(&self) -> Option<String> {
        let ran = self.sandbox.as_ref()?;
        let told: Vec<&str> = [&ran.error_type, &ran.error_message].into_iter().flatten().map(String::as_str).collect();
        (!told.is_empty()).then(|| told.join(": "))
    }

    pub(super) fn into_report(self, raw: Spooled) -> Report {
        let failure = self.failure().map(|why| format!("the analysis failed: {why}"));
        let mut ran = self.sandbox.unwrap_or_default();
        sort(&mut ran.signatures);
        let family = |family: &Value| family.as_str().or_else(|| family["name"].as_str()).map(str::to_owned);
        let families: BTreeSet<String> =
            self.intel.iter().flat_map(|intel| intel.malware_families.iter().filter_map(family)).collect();
        let said = Said {
            word: self.verdict.as_deref().or(ran.verdict.as_deref()),
            score: ran.threat_score.or(self.threat_score),
            level: None,
            failure,
            families: families.into_iter().collect(),
        };
        let verdict = verdict(said, &ran.signatures);
        let contacts = ran.contacted_hosts.into_iter().chain(ran.dns_requests).chain(ran.http_requests);
        let contacts = contacts.flat_map(|contact| {
            let of = |kind, value: Option<String>| value.map(|value| Indicator { kind, value });
            let (address, domain) =
                (of(IndicatorKind::Address, contact.address), of(IndicatorKind::Domain, contact.domain));
            [address, domain, of(IndicatorKind::Url, contact.url)].into_iter().flatten()
        });
        let indicators: BTreeSet<Indicator> = contacts.chain(traces(ran.processes, ran.extracted_files)).collect();
        Report {
            verdict,
            name: ran.submit_name.or(ran.submit_url),
            hashes: ran.sha256.into_iter().map(|hash| ("sha256".to_owned(), hash)).collect(),
            environment: ran.environment_description.or(ran.environment_id),
            findings: findings(ran.signatures, ran.mitre_attacks),
            indicators: indicators.into_iter().collect(),
            link: None,
            format: ReportFormat::Json,
            raw: Arc::new(raw),
        }
    }
}

/// The ids of what a report has left, by the names of the members that hold them, without `_artifact_id` or `_artifact_ids`.
#[derive(Debug, Default)]
pub(super) struct Left(pub(super) BTreeMap<String, Vec<String>>);

/// An answer with one report, of which only that is looked at.
#[derive(Debug, Deserialize)]
pub(super) struct FoundLeft {
    #[serde(default, deserialize_with = "loose::first")]
    pub(super) resources: Option<Left>,
}

impl<'de> Deserialize<'de> for Left {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(LeftVisitor)
    }
}

struct LeftVisitor;

#[derive(Deserialize)]
struct Text(#[serde(deserialize_with = "loose::text")] Option<String>);

#[derive(Deserialize)]
struct Texts(#[serde(deserialize_with = "loose::list")] Vec<String>);

#[derive(Deserialize)]
struct Inner(#[serde(deserialize_with = "loose::first")] Option<Left>);

impl<'de> Visitor<'de> for LeftVisitor {
    type Value = Left;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a report")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Left, A::Error> {
        let mut left = Left::default();
        while let Some(key) = members.next_key::<String>()? {
            if let Some(name) = key.strip_suffix("_artifact_id") {
                let id = members.next_value::<Text>()?.0;
                left.0.extend(id.map(|id| (name.to_owned(), vec![id])));
            } else if let Some(name) = key.strip_suffix("_artifact_ids") {
                left.0.insert(name.to_owned(), members.next_value::<Texts>()?.0);
            } else if key == "sandbox" {
                left.0.extend(members.next_value::<Inner>()?.0.unwrap_or_default().0);
            } else {
                members.next_value::<IgnoredAny>()?;
            }
        }
        Ok(left)
    }
}
