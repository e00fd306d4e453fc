//! What only MetaDefender Sandbox offers.

use serde_json::Value;

use super::{HASH, MetaDefender, REPORT};
use crate::error::{Result, Step};
use crate::http::Call;
use crate::sandbox::Submission;
use crate::vendors::loose;

/// A report in a list.
#[derive(Debug, Clone, PartialEq)]
pub struct MetaDefenderReport {
    /// Its id.
    pub id: String,
    /// The name of its file.
    pub name: Option<String>,
    /// The SHA-256 of its file.
    pub sha256: Option<String>,
    /// The vendor's verdict, in its words.
    pub verdict: Option<String>,
    /// Whether the analysis has ended, and not failed.
    pub finished: bool,
    /// The entry as it came.
    pub raw: Value,
}

impl MetaDefenderReport {
    /// By which the report can be asked for like one of a submission; nothing where its file is not named.
    #[must_use]
    pub fn submission(&self) -> Option<Submission> {
        let mut submission = Submission::new(self.id.clone());
        submission.others.insert(REPORT.to_owned(), self.id.clone());
        submission.others.insert(HASH.to_owned(), self.sha256.clone()?);
        Some(submission)
    }
}

/// A part of a list.
#[derive(Debug, Clone, PartialEq)]
pub struct MetaDefenderPage {
    /// Its reports.
    pub reports: Vec<MetaDefenderReport>,
    /// How many there are on all pages, if that is told.
    pub count: Option<u64>,
}

impl MetaDefender {
    pub(super) async fn reports(&self, step: Step, path: &[&str], query: &[(&str, &str)]) -> Result<MetaDefenderPage> {
        let call = query.iter().fold(Call::get(step, path), |call, (name, value)| call.query(name, *value));
        let answer = self.object(call, step).await?;
        let entries = match &answer["items"] {
            Value::Array(entries) => entries.as_slice(),
            Value::Null => &[],
            _ => return Err(self.malformed(step, "`items` is no list")),
        };
        Ok(MetaDefenderPage { reports: entries.iter().filter_map(listed).collect(), count: answer["count"].as_u64() })
    }

    /// Reports that fit, by the vendor's parameters: `sha256`, `filename`, `verdict`, `tag`, `page`, `page_size` and others.
    ///
    /// # Errors
    /// MetaDefender cannot be asked, or does not know a parameter.
    pub async fn search(&self, query: &[(&str, &str)]) -> Result<MetaDefenderPage> {
        self.reports(Step::Other("searching"), &["api", "reports", "search"], query).await
    }

    /// What one has submitted, as the vendor writes it; pages are counted from 1.
    ///
    /// # Errors
    /// MetaDefender cannot be asked.
    pub async fn uploads(&self, page: u32, page_size: u32) -> Result<Value> {
        let step = Step::Other("listing uploads");
        let call = Call::get(step, ["api", "users", "uploads"]).query("page", page.to_string());
        self.object(call.query("page_size", page_size.to_string()), step).await
    }

    /// What the system says of itself: its version, for example.
    ///
    /// # Errors
    /// MetaDefender cannot be asked, or the key may not.
    pub async fn system_info(&self) -> Result<Value> {
        let step = Step::Other("asking for the system");
        self.object(Call::get(step, ["api", "system", "info"]), step).await
    }

    /// The system's settings.
    ///
    /// # Errors
    /// As [`MetaDefender::system_info`].
    pub async fn system_config(&self) -> Result<Value> {
        let step = Step::Other("asking for the system's settings");
        self.object(Call::get(step, ["api", "system", "config"]), step).await
    }
}

fn listed(entry: &Value) -> Option<MetaDefenderReport> {
    let file = &entry["file"];
    Some(MetaDefenderReport {
        id: loose::id(&entry["id"]).or_else(|| loose::id(&entry["report_id"]))?,
        name: loose::id(&file["name"]).or_else(|| loose::id(&entry["file_name"])),
        sha256: loose::id(&file["sha256"]).or_else(|| loose::id(&entry["sha256"])),
        verdict: loose::id(&entry["verdict"]),
        finished: entry["state"].as_str().is_some_and(|state| state.starts_with("success") || state == "finished"),
        raw: entry.clone(),
    })
}
