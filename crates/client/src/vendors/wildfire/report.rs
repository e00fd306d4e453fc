//! WildFire's reports: read while they come from where they are kept, and never held as a tree.

use std::collections::BTreeSet;
use std::io::BufReader;
use std::net::IpAddr;
use std::sync::Arc;

use super::ruling::WildFireVerdict;
use crate::report::{Finding, Indicator, IndicatorKind, Report, ReportFormat};
use crate::spool::Spooled;
use crate::verdict::{Verdict, Word};
use crate::xml::{Attributes, Limits, Visit, XmlError, walk};

/// Findings that are kept, and indicators.
const MAX_FOUND: usize = 10_000;
/// Machines that are named.
const MAX_MACHINES: usize = 16;
/// Reasons of a verdict.
const MAX_REASONS: usize = 10;
/// Letters of a text that is kept.
const MAX_TEXT: usize = 4096;

/// What is looked at of a report.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// Names of the elements that are open, with a slash before each.
    path: String,
    /// Where each begins in `path`.
    begins: Vec<usize>,
    /// The text of the innermost element, where it is wanted.
    text: Option<String>,
    is_report: bool,
    hashes: Vec<(&'static str, String)>,
    machines: Vec<String>,
    findings: Vec<(f64, Finding)>,
    indicators: BTreeSet<Indicator>,
}

/// Reads a report.
pub(super) fn read(raw: &Spooled) -> Result<Found, XmlError> {
    // How much of it there is at all has been limited when it was fetched.
    let limits = Limits { bytes: u64::MAX, elements: u64::MAX, ..Limits::default() };
    let mut found = Found::default();
    walk(BufReader::with_capacity(1 << 16, raw.reader()), &limits, &mut found)?;
    match found.is_report {
        true => Ok(found),
        false => Err(XmlError::Malformed { at: 0, problem: "it does not begin with `wildfire`".to_owned() }),
    }
}

/// Below `task_info`.
const REPORT: &str = "/wildfire/task_info/report";

impl Visit for Found {
    fn start(&mut self, name: &str, attributes: &Attributes<'_>) -> Result<(), XmlError> {
        self.begins.push(self.path.len());
        self.path.push('/');
        self.path.push_str(name);
        self.text = None;
        self.is_report |= self.path == "/wildfire";
        let below = self.path.strip_prefix(REPORT).unwrap_or("");
        match below {
            "" if matches!(name, "md5" | "sha1" | "sha256") => self.text = Some(String::new()),
            "/software" => self.text = Some(String::new()),
            "/summary/entry" => {
                self.text = Some(String::new());
                self.entry(attributes)?;
            }
            "/network/TCP" | "/network/UDP" | "/network/dns" | "/network/url" | "/process_list/process" => {
                self.indicators_of(name, attributes)?;
            }
            below if below.starts_with("/process_list/process/mutex/") => self.indicators_of("mutex", attributes)?,
            below if below.starts_with("/process_list/process/registry/") => {
                self.indicators_of("registry", attributes)?;
            }
            _ => {}
        }
        Ok(())
    }

    fn text(&mut self, text: &str) {
        if let Some(kept) = &mut self.text {
            let room = MAX_TEXT.saturating_sub(kept.chars().count());
            kept.extend(text.chars().take(room));
        }
    }

    fn end(&mut self) {
        if let Some(text) = self.text.take() {
            let text = text.trim();
            let name = |path: &str| path.strip_prefix("/wildfire/file_info/").map(str::to_owned);
            match (self.path.as_str(), name(&self.path).as_deref()) {
                (_, _) if text.is_empty() => {}
                (_, Some("md5")) => self.hashes.push(("md5", text.to_ascii_lowercase())),
                (_, Some("sha1")) => self.hashes.push(("sha1", text.to_ascii_lowercase())),
                (_, Some("sha256")) => self.hashes.push(("sha256", text.to_ascii_lowercase())),
                ("/wildfire/task_info/report/software", _) => {
                    let known = self.machines.iter().any(|machine| machine == text);
                    if !known && self.machines.len() < MAX_MACHINES {
                        self.machines.push(text.to_owned());
                    }
                }
                ("/wildfire/task_info/report/summary/entry", _) => {
                    if let Some((_, finding)) = self.findings.last_mut() {
                        text.clone_into(&mut finding.name);
                    }
                }
                _ => {}
            }
        }
        self.path.truncate(self.begins.pop().unwrap_or(0));
    }
}

impl Found {
    /// Begins a finding, whose text is still to come.
    fn entry(&mut self, attributes: &Attributes<'_>) -> Result<(), XmlError> {
        // Scores are there to be compared with each other: what the greatest is, the vendor does not say.
        let mut finding = Finding { name: String::new(), description: None, severity: None, techniques: Vec::new() };
        let mut weight = 0.0;
        attributes.each(|name, value| match name {
            "score" => {
                weight = value.trim().parse().ok().filter(|score: &f64| score.is_finite()).unwrap_or(0.0);
            }
            "id" if finding.name.is_empty() => finding.name = cut(value),
            "details" if !value.is_empty() => finding.description = Some(cut(value)),
            _ => {}
        })?;
        if self.findings.len() < MAX_FOUND {
            self.findings.push((weight, finding));
        } else {
            self.text = None;
        }
        Ok(())
    }

    fn indicators_of(&mut self, element: &str, attributes: &Attributes<'_>) -> Result<(), XmlError> {
        let (mut host, mut path) = (String::new(), String::new());
        let indicators = &mut self.indicators;
        let mut keep = |kind, value: &str| {
            if !value.is_empty() && value.chars().count() <= MAX_TEXT && indicators.len() < MAX_FOUND {
                indicators.insert(Indicator { kind, value: value.to_owned() });
            }
        };
        let is_address = |value: &str| value.parse::<IpAddr>().is_ok();
        let named = |value: &str| if is_address(value) { IndicatorKind::Address } else { IndicatorKind::Domain };
        attributes.each(|name, value| match (element, name) {
            ("TCP" | "UDP", "ip") => keep(IndicatorKind::Address, value),
            ("dns", "query") => keep(named(value), value),
            ("dns", "response") if is_address(value) => keep(IndicatorKind::Address, value),
            ("url", "host") => host = cut(value),
            ("url", "uri") => path = cut(value),
            ("process", "command") => keep(IndicatorKind::Command, value),
            ("mutex", "name") => keep(IndicatorKind::Mutex, value),
            ("registry", "key") => keep(IndicatorKind::Registry, value),
            _ => {}
        })?;
        if !host.is_empty() {
            let name = host.rsplit_once(':').map_or(host.as_str(), |(name, _)| name);
            keep(named(name), name);
            // The report does not say whether by HTTP or HTTPS, so there is no scheme.
            keep(IndicatorKind::Url, &if path.contains("://") { path } else { format!("{host}{path}") });
        }
        Ok(())
    }

    /// Whether it names another file than the one that was asked for.
    pub(super) fn is_about_another(&self, asked: &str) -> bool {
        let sha256 = self.hashes.iter().find(|(name, _)| *name == "sha256");
        asked.len() == 64 && sha256.is_some_and(|(_, found)| !found.eq_ignore_ascii_case(asked))
    }

    pub(super) fn into_report(mut self, verdict: &WildFireVerdict, raw: Spooled) -> Report {
        self.findings.sort_by(|(one, _), (other, _)| other.total_cmp(one));
        let mut verdict = verdict.verdict();
        if matches!(verdict.verdict, Word::Malicious | Word::Suspicious) {
            let weighty = self.findings.iter().filter(|(weight, _)| *weight > 0.0).map(|(_, finding)| finding);
            verdict.reasons.extend(weighty.map(|finding| finding.name.clone()).take(MAX_REASONS - 1));
        }
        Report {
            name: None,
            hashes: self.hashes.into_iter().map(|(name, hash)| (name.to_owned(), hash)).collect(),
            environment: (!self.machines.is_empty()).then(|| self.machines.join(", ")),
            findings: self.findings.into_iter().map(|(_, finding)| finding).collect(),
            indicators: self.indicators.into_iter().collect(),
            ..bare(verdict, ReportFormat::Xml, raw)
        }
    }
}

/// As much of a text as is kept.
fn cut(text: &str) -> String {
    text.chars().take(MAX_TEXT).collect()
}

/// The report about an address: its JSON has no documented members, so the verdict is all that is known.
pub(super) fn of_link(link: &str, verdict: &WildFireVerdict, raw: Spooled) -> Report {
    Report { name: Some(link.to_owned()), ..bare(verdict.verdict(), ReportFormat::Json, raw) }
}

fn bare(verdict: Verdict, format: ReportFormat, raw: Spooled) -> Report {
    Report {
        verdict,
        name: None,
        hashes: std::collections::BTreeMap::new(),
        environment: None,
        findings: Vec::new(),
        indicators: Vec::new(),
        link: None,
        format,
        raw: Arc::new(raw),
    }
}
