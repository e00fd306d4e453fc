//! Questions to VMRay: every answer is `{"result": …, "data": …}`, and lists come in pages.

use http::Method;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::{
    VmRay, VmRayAnalysis, VmRayBilling, VmRayJob, VmRaySample, VmRaySubmission, VmRaySystem, VmRayTechnique, summary,
};
use crate::error::{ErrorKind, Result, Step};
use crate::http::{Answer, Call};
use crate::report::{Finding, Indicator};
use crate::sample::Hash;
use crate::sandbox::Download;
use crate::vendors::loose;

/// Pages of a list that are followed.
const MAX_PAGES: usize = 100;
/// Members of a list, at most.
const MAX_ITEMS: usize = 20_000;
/// What VMRay calls what is not there.
const NO_SUCH: &str = "no such element";

/// What every answer is.
#[derive(Debug, Deserialize)]
pub(super) struct Envelope<T> {
    #[serde(default, deserialize_with = "loose::text")]
    result: Option<String>,
    #[serde(default, deserialize_with = "loose::text")]
    error_msg: Option<String>,
    #[serde(default, deserialize_with = "loose::text")]
    continuation_id: Option<String>,
    data: Option<T>,
}

impl VmRay {
    /// Sends; any status but one of success is an error, in the server's words.
    pub(super) async fn send(&self, call: Call) -> Result<Answer> {
        let answer = self.transport.send(self.call(call)).await?;
        if answer.status().is_success() { Ok(answer) } else { Err(answer.into_error_as(words, kind).await) }
    }

    async fn envelope<T: DeserializeOwned + Send + 'static>(&self, step: Step, call: Call) -> Result<Envelope<T>> {
        let envelope: Envelope<T> = self.send(call).await?.json().await?;
        if envelope.result.as_deref() == Some("error") || (envelope.data.is_none() && envelope.error_msg.is_some()) {
            let message = envelope.error_msg.unwrap_or_else(|| "an error without a text".to_owned());
            return Err(self.transport.error(step, refusal(message)));
        }
        Ok(envelope)
    }

    pub(super) async fn data<T: DeserializeOwned + Send + 'static>(&self, step: Step, call: Call) -> Result<T> {
        let data = self.envelope(step, call).await?.data;
        data.ok_or_else(|| self.malformed(step, "an answer without `data`"))
    }

    /// A list, page by page; members that are something else are left out.
    async fn list<T: DeserializeOwned + Send + 'static>(&self, step: Step, call: Call) -> Result<Vec<T>> {
        let mut items = Vec::new();
        let mut call = call;
        for _ in 0..MAX_PAGES {
            let page: Envelope<Vec<Member<T>>> = self.envelope(step, call).await?;
            let found = page.data.ok_or_else(|| self.malformed(step, "a list without `data`"))?;
            items.extend(found.into_iter().filter_map(|Member(item)| item));
            if items.len() > MAX_ITEMS {
                return Err(self
                    .transport
                    .error(step, ErrorKind::TooLarge { what: "a list, in members", limit: MAX_ITEMS as u64 }));
            }
            let Some(next) = page.continuation_id else { return Ok(items) };
            call = Call::get(step, ["rest", "continuation", &next]);
        }
        // To go on as if this were all of it could miss what counts.
        Err(self.transport.error(step, ErrorKind::TooLarge { what: "a list, in pages", limit: MAX_PAGES as u64 }))
    }

    /// What the server is.
    ///
    /// # Errors
    /// The call failed.
    pub async fn system(&self) -> Result<VmRaySystem> {
        self.system_for(Step::Other("asking for the system")).await
    }

    pub(super) async fn system_for(&self, step: Step) -> Result<VmRaySystem> {
        self.data(step, Call::get(step, ["rest", "system_info"])).await
    }

    /// What is left of the quotas.
    ///
    /// # Errors
    /// This version, or this key, is not told; or the call failed.
    pub async fn billing(&self) -> Result<VmRayBilling> {
        let step = Step::Other("asking for the quotas");
        self.data(step, Call::get(step, ["rest", "billing_info"])).await
    }

    /// A sample.
    ///
    /// # Errors
    /// There is no such sample, or the call failed.
    pub async fn sample(&self, id: &str) -> Result<VmRaySample> {
        self.sample_for(Step::Other("asking for the sample"), id).await
    }

    pub(super) async fn sample_for(&self, step: Step, id: &str) -> Result<VmRaySample> {
        self.data(step, Call::get(step, ["rest", "sample", id])).await
    }

    /// Samples of a hash.
    ///
    /// # Errors
    /// There is none, or the call failed.
    pub async fn samples_by_hash(&self, hash: &Hash) -> Result<Vec<VmRaySample>> {
        let call = Call::get(Step::LookUp, ["rest", "sample", hash.kind().name(), hash.as_str()]);
        self.list(Step::LookUp, call).await
    }

    /// A submission.
    ///
    /// # Errors
    /// There is no such submission, or the call failed.
    pub async fn submission(&self, id: &str) -> Result<VmRaySubmission> {
        self.submission_for(Step::Other("asking for the submission"), id).await
    }

    pub(super) async fn submission_for(&self, step: Step, id: &str) -> Result<VmRaySubmission> {
        self.data(step, Call::get(step, ["rest", "submission", id])).await
    }

    /// All submissions of a sample.
    ///
    /// # Errors
    /// There is no such sample, or the call failed.
    pub async fn submissions_of_sample(&self, sample: &str) -> Result<Vec<VmRaySubmission>> {
        self.submissions_of_sample_for(Step::Other("asking for submissions"), sample).await
    }

    pub(super) async fn submissions_of_sample_for(&self, step: Step, sample: &str) -> Result<Vec<VmRaySubmission>> {
        self.list(step, Call::get(step, ["rest", "submission", "sample", sample])).await
    }

    /// All analyses of a sample, those that failed among them.
    ///
    /// # Errors
    /// There is no such sample, or the call failed.
    pub async fn analyses(&self, sample: &str) -> Result<Vec<VmRayAnalysis>> {
        self.analyses_for(Step::Other("asking for analyses"), sample).await
    }

    pub(super) async fn analyses_for(&self, step: Step, sample: &str) -> Result<Vec<VmRayAnalysis>> {
        self.list(step, Call::get(step, ["rest", "analysis", "sample", sample])).await
    }

    /// All analyses of a submission.
    ///
    /// # Errors
    /// There is no such submission, or the call failed.
    pub async fn analyses_of_submission(&self, submission: &str) -> Result<Vec<VmRayAnalysis>> {
        let step = Step::Other("asking for analyses");
        self.list(step, Call::get(step, ["rest", "analysis"]).query("analysis_submission_id", submission)).await
    }

    /// An analysis.
    ///
    /// # Errors
    /// There is no such analysis, or the call failed.
    pub async fn analysis(&self, id: &str) -> Result<VmRayAnalysis> {
        let step = Step::Other("asking for the analysis");
        self.data(step, Call::get(step, ["rest", "analysis", id])).await
    }

    /// The jobs of a sample that have not ended.
    ///
    /// # Errors
    /// There is none, or the call failed.
    pub async fn jobs(&self, sample: &str) -> Result<Vec<VmRayJob>> {
        self.jobs_for(Step::Other("asking for jobs"), sample).await
    }

    pub(super) async fn jobs_for(&self, step: Step, sample: &str) -> Result<Vec<VmRayJob>> {
        self.list(step, Call::get(step, ["rest", "job", "sample", sample])).await
    }

    /// What reputation services said for a submission, as it comes.
    ///
    /// # Errors
    /// There is no such submission, or the call failed.
    pub async fn reputation(&self, submission: &str) -> Result<Value> {
        let step = Step::Other("asking for the reputation");
        self.data(step, Call::get(step, ["rest", "reputation_lookup", "submission", submission])).await
    }

    /// What to look for elsewhere because of a sample.
    ///
    /// # Errors
    /// There is no such sample, or the call failed.
    pub async fn iocs(&self, sample: &str) -> Result<Vec<Indicator>> {
        self.iocs_for(Step::Other("asking for indicators"), sample).await
    }

    pub(super) async fn iocs_for(&self, step: Step, sample: &str) -> Result<Vec<Indicator>> {
        let found: summary::Iocs = self.data(step, Call::get(step, ["rest", "sample", sample, "iocs"])).await?;
        Ok(found.into_indicators())
    }

    /// What was found in all analyses of a sample, the weightiest first.
    ///
    /// # Errors
    /// There is no such sample, or the call failed.
    pub async fn threat_indicators(&self, sample: &str) -> Result<Vec<Finding>> {
        self.threat_indicators_for(Step::Other("asking for threat indicators"), sample).await
    }

    pub(super) async fn threat_indicators_for(&self, step: Step, sample: &str) -> Result<Vec<Finding>> {
        let call = Call::get(step, ["rest", "sample", sample, "threat_indicators"]);
        let found: summary::ThreatIndicators = self.data(step, call).await?;
        Ok(found.into_findings())
    }

    /// The techniques of ATT&CK that were seen in analyses of a sample.
    ///
    /// # Errors
    /// There is no such sample, or the call failed.
    pub async fn mitre_attack(&self, sample: &str) -> Result<Vec<VmRayTechnique>> {
        #[derive(Deserialize)]
        struct Found {
            #[serde(default, deserialize_with = "loose::values")]
            mitre_attack_techniques: Vec<VmRayTechnique>,
            #[serde(default, deserialize_with = "loose::values")]
            techniques: Vec<VmRayTechnique>,
        }
        let step = Step::Other("asking for techniques");
        let found: Found = self.data(step, Call::get(step, ["rest", "sample", sample, "mitre_attack"])).await?;
        Ok(found.mitre_attack_techniques.into_iter().chain(found.techniques).collect())
    }

    /// The sample itself, in an archive of the server's.
    ///
    /// # Errors
    /// There is no such sample, or the call failed.
    pub async fn sample_file(&self, id: &str) -> Result<Download> {
        self.download(Call::get(Step::Artifact, ["rest", "sample", id, "file"])).await
    }

    /// All files of an analysis in an archive, or those whose paths match a pattern: `screenshots/*`.
    ///
    /// # Errors
    /// There is no such analysis, or the call failed.
    pub async fn archive(&self, analysis: &str, pattern: Option<&str>) -> Result<Download> {
        let call = Call::get(Step::Artifact, ["rest", "analysis", analysis, "archive"]);
        self.download(match pattern {
            Some(pattern) => call.query("filenames", pattern),
            None => call,
        })
        .await
    }

    /// One file of an analysis, by its path in the archive: `logs/flog.txt`.
    ///
    /// # Errors
    /// There is no such file, or the call failed.
    pub async fn archive_file(&self, analysis: &str, path: &str) -> Result<Download> {
        self.download(archived(Step::Artifact, analysis, path)).await
    }

    async fn download(&self, call: Call) -> Result<Download> {
        Ok(self.send(call).await?.download())
    }

    /// Deletes a sample with all its submissions and analyses, whoever made them.
    ///
    /// # Errors
    /// There is no such sample, this key may not, or the call failed.
    pub async fn delete_sample(&self, id: &str) -> Result<()> {
        self.delete_at(["rest", "sample", id]).await
    }

    /// Deletes a submission with its analyses; the sample stays.
    ///
    /// # Errors
    /// There is no such submission, this key may not, or the call failed.
    pub async fn delete_submission(&self, id: &str) -> Result<()> {
        self.delete_at(["rest", "submission", id]).await
    }

    async fn delete_at(&self, path: [&str; 3]) -> Result<()> {
        let call = Call::new(Step::Delete, Method::DELETE, path);
        let answer = self.send(call).await?;
        if answer.status() == http::StatusCode::NO_CONTENT {
            return Ok(());
        }
        let envelope: Envelope<Value> = answer.json().await?;
        match envelope.result.as_deref() {
            Some("error") => {
                let message = envelope.error_msg.unwrap_or_else(|| "an error without a text".to_owned());
                Err(self.transport.error(Step::Delete, refusal(message)))
            }
            _ => Ok(()),
        }
    }
}

/// A file of an analysis.
pub(super) fn archived(step: Step, analysis: &str, path: &str) -> Call {
    let file = path.split('/').filter(|segment| !segment.is_empty());
    Call::get(step, ["rest", "analysis", analysis, "archive"].into_iter().chain(file))
}

/// A member of a list; nothing where it is something else.
#[derive(Debug, Deserialize)]
#[serde(bound = "T: DeserializeOwned")]
struct Member<T>(#[serde(deserialize_with = "loose::maybe")] Option<T>);

/// What an error says.
pub(super) fn words(body: &Value) -> Option<String> {
    body["error_msg"].as_str().map(str::to_owned)
}

/// What an error means, where its words say more than its status.
fn kind(body: &Value, otherwise: ErrorKind) -> ErrorKind {
    match (words(body), &otherwise) {
        (Some(_), ErrorKind::Quota { .. }) | (None, _) => otherwise,
        (Some(message), ErrorKind::Status { retry_after, .. }) if loose::says_quota(&message) => {
            ErrorKind::Quota { retry_after: *retry_after, message }
        }
        (Some(message), _) if loose::says_quota(&message) => ErrorKind::Quota { message, retry_after: None },
        (Some(message), _) if message.to_ascii_lowercase().contains(NO_SUCH) => ErrorKind::NotFound(message),
        _ => otherwise,
    }
}

/// What a refusal means that came with a status of success.
pub(super) fn refusal(message: String) -> ErrorKind {
    let lower = message.to_ascii_lowercase();
    if loose::says_quota(&message) {
        ErrorKind::Quota { message, retry_after: None }
    } else if lower.contains(NO_SUCH) {
        ErrorKind::NotFound(message)
    } else if lower.contains("api key") {
        ErrorKind::Unauthenticated(message)
    } else {
        ErrorKind::Refused(message)
    }
}
