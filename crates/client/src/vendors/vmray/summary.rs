//! What VMRay found: `summary.json`, `summary_v2.json`, and what it tells of a sample without either.

use std::collections::BTreeSet;

use serde::Deserialize;
use serde_json::Value;

use super::VmRayTechnique;
use crate::report::{Finding, Indicator, IndicatorKind};
use crate::vendors::loose;

/// The score of the weightiest rules: reports show it as of five.
const WORST: f64 = 5.0;

/// What is looked at of a summary. In the first version what was seen is in `artifacts`; in the second it is in tables, and `artifacts` refers to them.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Summary {
    #[serde(deserialize_with = "loose::section")]
    vti: Vti,
    #[serde(deserialize_with = "loose::section")]
    artifacts: Artifacts,
    #[serde(deserialize_with = "loose::section")]
    mitre_attack: Mitre,
    #[serde(deserialize_with = "loose::section")]
    vm_and_analyzer_details: Machine,
    #[serde(deserialize_with = "loose::values")]
    domains: Vec<Seen>,
    #[serde(deserialize_with = "loose::values")]
    ip_addresses: Vec<Seen>,
    #[serde(deserialize_with = "loose::values")]
    urls: Vec<Seen>,
    #[serde(deserialize_with = "loose::values")]
    mutexes: Vec<Seen>,
    #[serde(deserialize_with = "loose::values")]
    registry_records: Vec<Seen>,
    #[serde(deserialize_with = "loose::values")]
    processes: Vec<Seen>,
    #[serde(deserialize_with = "loose::values")]
    filenames: Vec<Seen>,
    #[serde(deserialize_with = "loose::values")]
    files: Vec<Seen>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Vti {
    #[serde(deserialize_with = "loose::number")]
    vti_score: Option<f64>,
    #[serde(deserialize_with = "loose::values")]
    vti_rule_matches: Vec<Rule>,
    #[serde(deserialize_with = "loose::values")]
    matches: Vec<Rule>,
}

/// A rule that matched; a threat indicator of a sample is one, too.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Rule {
    #[serde(deserialize_with = "loose::text")]
    category_desc: Option<String>,
    #[serde(deserialize_with = "loose::text")]
    category: Option<String>,
    #[serde(deserialize_with = "loose::text")]
    operation_desc: Option<String>,
    #[serde(deserialize_with = "loose::text")]
    operation: Option<String>,
    #[serde(deserialize_with = "loose::text")]
    technique_desc: Option<String>,
    #[serde(deserialize_with = "loose::number")]
    rule_score: Option<f64>,
    #[serde(deserialize_with = "loose::number")]
    analysis_score: Option<f64>,
    #[serde(deserialize_with = "loose::number")]
    score: Option<f64>,
    #[serde(deserialize_with = "loose::list")]
    threat_names: Vec<Value>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Mitre {
    #[serde(deserialize_with = "loose::values")]
    techniques: Vec<VmRayTechnique>,
    #[serde(deserialize_with = "loose::section")]
    v4: MitreOfSecond,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct MitreOfSecond {
    #[serde(deserialize_with = "loose::section")]
    techniques: std::collections::BTreeMap<String, Value>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Machine {
    #[serde(deserialize_with = "loose::text")]
    vm_description: Option<String>,
    #[serde(deserialize_with = "loose::text")]
    vm_name: Option<String>,
}

/// What was seen, of the first version, and of a sample's indicators.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Artifacts {
    #[serde(deserialize_with = "loose::list")]
    domains: Vec<Seen>,
    #[serde(deserialize_with = "loose::list")]
    ips: Vec<Seen>,
    #[serde(deserialize_with = "loose::list")]
    urls: Vec<Seen>,
    #[serde(deserialize_with = "loose::list")]
    mutexes: Vec<Seen>,
    #[serde(deserialize_with = "loose::list")]
    registry: Vec<Seen>,
    #[serde(deserialize_with = "loose::list")]
    processes: Vec<Seen>,
    #[serde(deserialize_with = "loose::list")]
    filenames: Vec<Seen>,
    #[serde(deserialize_with = "loose::list")]
    files: Vec<Seen>,
}

/// Something that was seen, whatever it is.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Seen {
    #[serde(deserialize_with = "loose::text")]
    domain: Option<String>,
    #[serde(deserialize_with = "loose::text")]
    ip_address: Option<String>,
    #[serde(deserialize_with = "loose::text")]
    url: Option<String>,
    #[serde(deserialize_with = "loose::text")]
    mutex_name: Option<String>,
    #[serde(deserialize_with = "loose::text")]
    name: Option<String>,
    #[serde(deserialize_with = "loose::text")]
    reg_key_name: Option<String>,
    #[serde(deserialize_with = "loose::text")]
    cmd_line: Option<String>,
    #[serde(deserialize_with = "loose::text")]
    norm_filename: Option<String>,
    #[serde(deserialize_with = "loose::text")]
    filename: Option<String>,
    #[serde(deserialize_with = "loose::list")]
    hashes: Vec<Hashes>,
    #[serde(deserialize_with = "loose::section")]
    hash_values: Hashes,
    /// Of the first version.
    #[serde(deserialize_with = "loose::flag")]
    ioc: Option<bool>,
    /// Of the second.
    #[serde(deserialize_with = "loose::flag")]
    is_ioc: Option<bool>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Hashes {
    #[serde(deserialize_with = "loose::text")]
    sha256_hash: Option<String>,
    #[serde(deserialize_with = "loose::text")]
    sha256: Option<String>,
}

/// `data` of a sample's `iocs`.
#[derive(Debug, Deserialize)]
pub(super) struct Iocs {
    #[serde(deserialize_with = "loose::section")]
    iocs: Artifacts,
}

/// `data` of a sample's `threat_indicators`.
#[derive(Debug, Deserialize)]
pub(super) struct ThreatIndicators {
    #[serde(deserialize_with = "loose::list")]
    threat_indicators: Vec<Rule>,
}

impl Summary {
    /// The score of the analysis, where the summary has one.
    pub(super) const fn score(&self) -> Option<f64> {
        self.vti.vti_score
    }

    pub(super) fn environment(&self) -> Option<String> {
        let machine = &self.vm_and_analyzer_details;
        machine.vm_description.clone().or_else(|| machine.vm_name.clone())
    }

    /// Names of families that rules know.
    pub(super) fn families(&self) -> impl Iterator<Item = String> {
        let rules = self.vti.vti_rule_matches.iter().chain(&self.vti.matches);
        let name = |name: &Value| name.as_str().or_else(|| name["name"].as_str()).map(str::to_owned);
        rules.flat_map(move |rule| rule.threat_names.iter().filter_map(name))
    }

    pub(super) fn into_parts(self) -> (Vec<Finding>, Vec<Indicator>) {
        let mut findings = findings(self.vti.vti_rule_matches.into_iter().chain(self.vti.matches));
        let of_second = self.mitre_attack.v4.techniques.into_iter().map(|(id, technique)| VmRayTechnique {
            id: Some(id.trim_start_matches("technique_").to_owned()),
            description: technique["description"].as_str().map(str::to_owned),
            ..VmRayTechnique::default()
        });
        findings.extend(self.mitre_attack.techniques.into_iter().chain(of_second).filter_map(VmRayTechnique::finding));
        // Tables of the second version hold all that was seen, of which most is harmless.
        let told = |seen: Vec<Seen>| seen.into_iter().filter(|seen| seen.is_ioc == Some(true)).collect();
        let of_second = Artifacts {
            domains: told(self.domains),
            ips: told(self.ip_addresses),
            urls: told(self.urls),
            mutexes: told(self.mutexes),
            registry: told(self.registry_records),
            processes: told(self.processes),
            filenames: told(self.filenames),
            files: told(self.files),
        };
        let indicators = self.artifacts.indicators().chain(of_second.indicators());
        (findings, indicators.collect::<BTreeSet<_>>().into_iter().collect())
    }
}

impl Artifacts {
    /// All but what is said to be harmless.
    fn indicators(&self) -> impl Iterator<Item = Indicator> {
        use IndicatorKind::{Address, Command, Domain, File, Hash, Mutex, Registry, Url};
        type Text = fn(&Seen) -> Option<&String>;
        let groups: [(&Vec<Seen>, IndicatorKind, Text); 9] = [
            (&self.domains, Domain, |seen| seen.domain.as_ref()),
            (&self.ips, Address, |seen| seen.ip_address.as_ref()),
            (&self.urls, Url, |seen| seen.url.as_ref()),
            (&self.mutexes, Mutex, |seen| seen.mutex_name.as_ref().or(seen.name.as_ref())),
            (&self.registry, Registry, |seen| seen.reg_key_name.as_ref()),
            (&self.processes, Command, |seen| seen.cmd_line.as_ref()),
            (&self.filenames, File, |seen| seen.filename.as_ref()),
            (&self.files, File, |seen| seen.norm_filename.as_ref().or(seen.filename.as_ref())),
            (&self.files, Hash, Seen::sha256),
        ];
        groups.into_iter().flat_map(|(group, kind, text)| {
            let looked_for = group.iter().filter(|seen| seen.ioc != Some(false));
            looked_for.filter_map(move |seen| Some(Indicator { kind, value: text(seen)?.clone() }))
        })
    }
}

impl Seen {
    fn sha256(&self) -> Option<&String> {
        let mut all = self.hashes.iter().chain([&self.hash_values]);
        all.find_map(|hashes| hashes.sha256_hash.as_ref().or(hashes.sha256.as_ref()))
    }
}

impl Iocs {
    pub(super) fn into_indicators(self) -> Vec<Indicator> {
        self.iocs.indicators().collect::<BTreeSet<_>>().into_iter().collect()
    }
}

impl ThreatIndicators {
    pub(super) fn into_findings(self) -> Vec<Finding> {
        findings(self.threat_indicators.into_iter())
    }
}

impl VmRayTechnique {
    fn finding(self) -> Option<Finding> {
        let id = self.id.or(self.technique_id)?;
        let name = self.description.or(self.technique).unwrap_or_else(|| id.clone());
        Some(Finding { name, description: None, severity: None, techniques: vec![id] })
    }
}

/// The weightiest first.
fn findings(rules: impl Iterator<Item = Rule>) -> Vec<Finding> {
    let mut findings: Vec<Finding> = rules.filter_map(Rule::into_finding).collect();
    findings.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
    findings
}

impl Rule {
    fn into_finding(self) -> Option<Finding> {
        let (category, operation) = (self.category_desc.or(self.category), self.operation_desc.or(self.operation));
        let name = match (category, operation) {
            (Some(category), Some(operation)) => format!("{category}: {operation}"),
            (Some(one), None) | (None, Some(one)) => one,
            (None, None) => self.technique_desc.clone()?,
        };
        let score = self.rule_score.or(self.analysis_score).or(self.score);
        let severity = score.map(|score| loose::percent(score * 100.0 / WORST));
        Some(Finding { name, description: self.technique_desc, severity, techniques: Vec::new() })
    }
}
