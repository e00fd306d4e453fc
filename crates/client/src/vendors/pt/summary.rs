//! PT Sandbox's report in the form that all vendors have.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::report::{ContentArtifact, Outcome, ScanReport, SuspiciousBehaviour, VirtualMachine};
use super::words::{EngineSubsystem, NetworkObjectType, ScanState, Verdict as Said};
use crate::report::{Finding, Indicator, IndicatorKind, Report, ReportFormat};
use crate::spool::Spooled;
use crate::vendors::loose;
use crate::verdict::{Raw, Verdict, Word};

/// Reasons of a verdict, and names of families, at most.
const MAX_REASONS: usize = 10;

impl ScanReport {
    /// The common form.
    pub(super) fn into_report(self, raw: Arc<Spooled>, link: String) -> Report {
        let root = self.artifacts.first();
        let file = root.and_then(|root| root.file_info.as_ref());
        let known = |text: &String| (!text.is_empty()).then(|| text.clone());
        let hashes = file.into_iter().flat_map(|file| {
            let hashes = [("md5", &file.md5), ("sha1", &file.sha1), ("sha256", &file.sha256)];
            hashes.into_iter().filter_map(|(name, hash)| Some((name.to_owned(), known(hash)?)))
        });
        let images: BTreeSet<String> =
            self.machines().iter().filter_map(|machine| known(&machine.image.image_id)).collect();
        let address = root.and_then(|root| root.network_objects.first()).map(|object| object.value.clone());
        Report {
            verdict: self.verdict(),
            name: file.and_then(|file| known(&file.file_path)).or(address),
            hashes: hashes.collect(),
            environment: (!images.is_empty()).then(|| images.into_iter().collect::<Vec<_>>().join(", ")),
            findings: self.findings(),
            indicators: self.indicators().into_iter().collect(),
            link: Some(link),
            format: ReportFormat::Json,
            raw,
        }
    }

    /// The verdict, by PT Sandbox's own words for it: `UNWANTED` is "potentially dangerous". `CLEAN` counts only when all was looked at
    /// (`FULL`): of a scan that is `PARTIAL`, what was not looked at may be anything.
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        let nothing = Outcome::default();
        let outcome = self.result.as_ref().unwrap_or(&nothing);
        let said = outcome.verdict.as_str();
        let raw = Raw {
            scale: "verdict".to_owned(),
            value: (!said.is_empty()).then(|| said.into()),
            label: (!said.is_empty()).then(|| format!("{said}, {}", outcome.scan_state)),
        };
        let failed = outcome.told();
        let verdict = match (&outcome.verdict, &outcome.scan_state) {
            (Said::Dangerous, _) => Word::Malicious,
            (Said::Unwanted, _) => Word::Suspicious,
            (Said::Clean, ScanState::Full) => Word::Clean,
            (Said::Clean, state) => {
                let reason = format!("clean is what was looked at, and not all was (scan {state}){failed}");
                return Verdict::unknown(reason, raw);
            }
            (_, state) => return Verdict::unknown(format!("there is no verdict (scan {state}){failed}"), raw),
        };
        let mut names: BTreeSet<&str> = BTreeSet::new();
        let artifacts = self.all_artifacts();
        let engines = artifacts.iter().flat_map(|artifact| &artifact.engine_results);
        for engine in engines {
            names.extend(engine.detections.iter().map(|detection| detection.detect.as_str()));
        }
        names.remove("");
        let class = Some(outcome.threat.as_str()).filter(|threat| !matches!(*threat, "" | "NONE" | "UNKNOWN"));
        let findings = self.findings().into_iter().map(|finding| finding.description.unwrap_or(finding.name));
        Verdict {
            verdict,
            score: None,
            confidence: None,
            families: names.into_iter().take(MAX_REASONS).map(str::to_owned).collect(),
            reasons: class.map(str::to_owned).into_iter().chain(findings).take(MAX_REASONS).collect(),
            raw,
        }
    }

    /// What engines found, then what programs did, by weight.
    fn findings(&self) -> Vec<Finding> {
        let mut findings: Vec<Finding> = Vec::new();
        let mut behaviours: Vec<&SuspiciousBehaviour> = Vec::new();
        for artifact in self.all_artifacts() {
            for engine in &artifact.engine_results {
                for detection in &engine.detections {
                    let by = match engine.engine_subsystem {
                        EngineSubsystem::Sandbox => "behaviour".to_owned(),
                        _ => engine.engine_code_name.clone(),
                    };
                    let description = format!("{} ({}, by {by})", detection.detect, detection.threat);
                    let (name, techniques) = (detection.detect.clone(), Vec::new());
                    findings.push(Finding { name, description: Some(description), severity: None, techniques });
                }
                behaviours.extend(engine.details.sandbox.iter().flat_map(VirtualMachine::behaviours));
            }
        }
        behaviours.sort_by_key(|behaviour| std::cmp::Reverse(behaviour.weight));
        findings.extend(behaviours.into_iter().map(|behaviour| Finding {
            name: behaviour.name.clone(),
            description: behaviour.description.clone(),
            severity: Some(loose::percent(behaviour.weight as f64)),
            techniques: Some(behaviour.mitre_threat_id.clone()).filter(|id| !id.is_empty()).into_iter().collect(),
        }));
        let mut seen = BTreeSet::new();
        findings.retain(|finding| seen.insert((finding.name.clone(), finding.description.clone())));
        findings
    }

    fn indicators(&self) -> BTreeSet<Indicator> {
        let mut indicators = BTreeSet::new();
        let mut add = |kind, value: &str| {
            if !value.is_empty() {
                indicators.insert(Indicator { kind, value: value.to_owned() });
            }
        };
        for artifact in self.all_artifacts() {
            let runs = artifact.machines().flat_map(|machine| &machine.network_objects);
            for object in artifact.network_objects.iter().chain(runs) {
                match object.kind {
                    NetworkObjectType::Url => add(IndicatorKind::Url, &object.value),
                    NetworkObjectType::Ip => add(IndicatorKind::Address, &object.value),
                    NetworkObjectType::Domain => add(IndicatorKind::Domain, &object.value),
                    NetworkObjectType::Unlisted(_) => {}
                }
            }
            for file in artifact.machines().flat_map(|machine| &machine.artifacts).filter_map(dropped) {
                add(IndicatorKind::Hash, &file.sha256);
                add(IndicatorKind::File, &file.file_path);
            }
        }
        indicators
    }
}

/// A file that was dropped; memory of a process is not one.
fn dropped(artifact: &ContentArtifact) -> Option<&super::report::FileInfo> {
    let file = artifact.file_info.as_ref()?;
    file.details.process_dump.is_none().then_some(file)
}

impl VirtualMachine {
    fn behaviours(&self) -> impl Iterator<Item = &SuspiciousBehaviour> {
        self.suspicious_behaviors.iter().chain(self.stages.iter().flat_map(|stage| &stage.suspicious_behaviors))
    }
}

impl Outcome {
    /// What went wrong, as the end of a sentence.
    pub(super) fn told(&self) -> String {
        let kinds: BTreeSet<&str> = self.errors.iter().map(|problem| problem.kind.as_str()).collect();
        match kinds.is_empty() {
            true => String::new(),
            false => format!(": {}", kinds.into_iter().take(MAX_REASONS).collect::<Vec<_>>().join(", ")),
        }
    }
}
