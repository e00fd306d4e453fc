//! What only Falcon X has: samples of its own, searches, dumps of memory.

use std::collections::BTreeMap;

use http::Method;

use super::{FalconX, with_id};
use crate::error::{Result, Step};
use crate::http::Call;
use crate::report::Report;
use crate::sample::Hash;
use crate::sandbox::{Download, Options, Submission};
use crate::vendors::loose;

const SEARCH: Step = Step::Other("searching");

/// What can be searched for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FalconXKind {
    /// Finished analyses.
    Reports,
    /// All that have been ordered.
    Submissions,
}

/// What a dump of memory is wanted as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FalconXDump {
    /// Its bytes.
    Binary,
    /// Its texts.
    Strings,
    /// Its bytes in hexadecimal digits, for people.
    Hex,
}

/// All of it is asked of the server each time. What the API client's scopes do not allow is [`crate::ErrorKind::Forbidden`], what is not there
/// [`crate::ErrorKind::NotFound`], an answer of another form [`crate::ErrorKind::Malformed`].
impl FalconX {
    /// The summary of a report: as a report, with less in it and quicker.
    ///
    /// # Errors
    /// As all of these.
    pub async fn summary(&self, submission: &Submission) -> Result<Report> {
        let (raw, resource) = self.resource(Step::Report, "report-summaries", &submission.id).await?;
        Ok(resource.into_report(raw))
    }

    /// Ids of what a filter in the vendor's query language matches, the newest first: from `offset` on, 5,000 at most.
    ///
    /// # Errors
    /// As all of these.
    pub async fn search(&self, kind: FalconXKind, filter: &str, offset: u32, limit: u16) -> Result<Vec<String>> {
        let kind = match kind {
            FalconXKind::Reports => "reports",
            FalconXKind::Submissions => "submissions",
        };
        let call = Call::get(SEARCH, ["falconx", "queries", kind, "v1"])
            .query("filter", filter)
            .query("sort", "created_timestamp|desc")
            .query("offset", offset.to_string())
            .query("limit", limit.min(5000).to_string());
        Ok(self.ask(call).await?.iter().filter_map(loose::id).collect())
    }

    /// Analyses a sample that has been uploaded before, by its SHA-256.
    ///
    /// # Errors
    /// As all of these, and for options that are refused.
    pub async fn submit_known(&self, sha256: &Hash, options: &Options) -> Result<Submission> {
        let mut order = self.order(options)?;
        order.insert("sha256".to_owned(), sha256.as_str().into());
        self.order_analysis(order, BTreeMap::from([("sha256".to_owned(), sha256.to_string())]), options).await
    }

    /// A sample that has been uploaded, by its SHA-256.
    ///
    /// # Errors
    /// As all of these.
    pub async fn sample(&self, sha256: &str) -> Result<Download> {
        let call = Call::get(Step::Artifact, ["samples", "entities", "samples", "v2"]).query("ids", sha256);
        Ok(self.send(call).await?.download())
    }

    /// Deletes a sample that has been uploaded. Its reports stay.
    ///
    /// # Errors
    /// As all of these.
    pub async fn delete_sample(&self, sha256: &Hash) -> Result<()> {
        let path = ["samples", "entities", "samples", "v2"];
        self.delete_one(Call::new(Step::Delete, Method::DELETE, path).query("ids", sha256.as_str())).await
    }

    /// Something that a report has left, by the id that it names.
    ///
    /// # Errors
    /// As all of these.
    pub async fn left_behind(&self, id: &str) -> Result<Download> {
        let call = Call::get(Step::Artifact, ["falconx", "entities", "artifacts", "v1"]).query("id", id);
        Ok(self.send(call).await?.download())
    }

    /// A dump of a process's memory, by the id that a report names.
    ///
    /// # Errors
    /// As all of these.
    pub async fn memory_dump(&self, id: &str, form: FalconXDump) -> Result<Download> {
        let path = match form {
            FalconXDump::Binary => vec!["falconx", "entities", "memory-dump", "v1"],
            FalconXDump::Strings => vec!["falconx", "entities", "memory-dump", "extracted-strings", "v1"],
            FalconXDump::Hex => vec!["falconx", "entities", "memory-dump", "hex-dump", "v1"],
        };
        Ok(self.send(Call::get(Step::Artifact, path).query("id", id)).await?.download())
    }

    /// Deletes several reports at once.
    ///
    /// # Errors
    /// As all of these.
    pub async fn delete_all(&self, submissions: &[Submission]) -> Result<()> {
        let Some((first, others)) = submissions.split_first() else { return Ok(()) };
        let call = with_id(Step::Delete, Method::DELETE, "reports", &first.id);
        self.delete_one(others.iter().fold(call, |call, other| call.query("ids", &other.id))).await
    }

    /// An answer of success with errors is none, also where it names what was to be deleted.
    pub(super) async fn delete_one(&self, call: Call) -> Result<()> {
        let step = call.step();
        let answer = self.send(call).await?;
        // What is deleted is deleted, whatever the rest of the answer is.
        let Ok(answer) = answer.json::<serde_json::Value>().await else { return Ok(()) };
        let meta = super::Meta::read(&answer);
        match meta.fault() {
            Some(kind) => Err(self.transport.error(step, kind)),
            None => Ok(()),
        }
    }
}
