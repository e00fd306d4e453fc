//! Questions to Joe Sandbox: everything is a form, and every answer has `data` or `errors`.

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::{Joe, JoeAccount, JoeAnalysis, JoePage, JoeSubmission, JoeSystem};
use crate::error::{ErrorKind, Result, Step};
use crate::http::{Answer, Body, Call, Part};
use crate::sandbox::Download;
use crate::vendors::loose;

/// A field and its text.
pub(super) type Fields<'a> = Vec<(&'a str, String)>;

impl Joe {
    /// Asks something that changes nothing.
    pub(super) async fn ask(&self, step: Step, endpoint: &str, fields: Fields<'_>) -> Result<Answer> {
        self.send(self.call(step, endpoint, fields).harmless()).await
    }

    /// Has something done: sent once.
    pub(super) async fn order(&self, step: Step, endpoint: &str, fields: Fields<'_>) -> Result<Answer> {
        self.send(self.call(step, endpoint, fields)).await
    }

    fn call(&self, step: Step, endpoint: &str, fields: Fields<'_>) -> Call {
        let key = ("apikey".to_owned(), self.key.reveal().to_owned());
        let fields = fields.into_iter().map(|(name, text)| (name.to_owned(), text));
        Call::post(step, path(endpoint), Body::Form([key].into_iter().chain(fields).collect()))
    }

    /// The same for a form with files.
    pub(super) fn call_with_files(&self, step: Step, endpoint: &str, parts: Vec<Part>) -> Call {
        let key = Part::field("apikey", self.key.reveal());
        Call::post(step, path(endpoint), Body::Multipart([key].into_iter().chain(parts).collect()))
    }

    pub(super) async fn send(&self, call: Call) -> Result<Answer> {
        let answer = self.transport.send(call).await?;
        if answer.status().is_success() { Ok(answer) } else { Err(answer.into_error_as(words, kind).await) }
    }

    /// What an answer has in `data`.
    pub(super) async fn data<T: DeserializeOwned + Send + 'static>(&self, step: Step, answer: Answer) -> Result<T> {
        let (data, _) = self.envelope(step, answer).await?;
        data.ok_or_else(|| self.malformed(step, "an answer without `data`"))
    }

    /// What an answer has in `data`, and what the next page of it is asked for with.
    async fn envelope<T: DeserializeOwned + Send + 'static>(
        &self,
        step: Step,
        answer: Answer,
    ) -> Result<(Option<T>, Option<String>)> {
        #[derive(Deserialize)]
        struct Envelope<T> {
            data: Option<T>,
            #[serde(default, deserialize_with = "loose::list")]
            errors: Vec<Value>,
            #[serde(default, deserialize_with = "loose::object")]
            pagination: Pagination,
        }
        #[derive(Default, Deserialize)]
        struct Pagination {
            #[serde(default, deserialize_with = "loose::text")]
            next: Option<String>,
        }
        let envelope: Envelope<T> = answer.json().await?;
        if !envelope.errors.is_empty() {
            let body = serde_json::json!({ "errors": envelope.errors });
            let message = words(&body).unwrap_or_else(|| "an error without a text".to_owned());
            let otherwise = ErrorKind::Malformed(format!("success and an error at once: {message}"));
            return Err(self.transport.error(step, kind(&body, otherwise)));
        }
        Ok((envelope.data, envelope.pagination.next))
    }

    /// What is known of a submission.
    ///
    /// # Errors
    /// There is no such submission, or the call failed.
    pub async fn submission_info(&self, id: &str) -> Result<JoeSubmission> {
        self.submission_info_for(Step::Other("asking for the submission"), id).await
    }

    pub(super) async fn submission_info_for(&self, step: Step, id: &str) -> Result<JoeSubmission> {
        let answer = self.ask(step, "submission/info", vec![("submission_id", id.to_owned())]).await?;
        self.data(step, answer).await
    }

    /// What is known of an analysis, by its web id.
    ///
    /// # Errors
    /// There is no such analysis, or the call failed.
    pub async fn analysis_info(&self, web_id: &str) -> Result<JoeAnalysis> {
        self.analysis_info_for(Step::Other("asking for the analysis"), web_id).await
    }

    pub(super) async fn analysis_info_for(&self, step: Step, web_id: &str) -> Result<JoeAnalysis> {
        let answer = self.ask(step, "analysis/info", vec![("webid", web_id.to_owned())]).await?;
        self.data(step, answer).await
    }

    /// Submissions, the newest first: a page of them, the first or the one that `next` of the page before names. Those that others share, too, where
    /// that is wanted.
    ///
    /// # Errors
    /// The call failed.
    pub async fn submissions(&self, next: Option<&str>, include_shared: bool) -> Result<JoePage> {
        let mut fields = paged(next);
        if include_shared {
            fields.push(("include-shared", "1".to_owned()));
        }
        self.page("submission/list", fields).await
    }

    /// Web ids of analyses: a page of them.
    ///
    /// # Errors
    /// The call failed.
    pub async fn analyses(&self, next: Option<&str>) -> Result<JoePage> {
        self.page("analysis/list", paged(next)).await
    }

    async fn page(&self, endpoint: &str, fields: Fields<'_>) -> Result<JoePage> {
        let step = Step::Other("asking for a list");
        let answer = self.ask(step, endpoint, fields).await?;
        let (rows, next) = self.envelope::<Vec<Row>>(step, answer).await?;
        let rows = rows.ok_or_else(|| self.malformed(step, "a list without `data`"))?;
        Ok(JoePage { ids: rows.into_iter().filter_map(Row::id).collect(), next })
    }

    /// Web ids of analyses in which this text is found: a name, a hash, a comment, a URL, a tag.
    ///
    /// # Errors
    /// The call failed.
    pub async fn search(&self, text: &str) -> Result<Vec<String>> {
        self.search_for(Step::Other("searching"), text).await
    }

    pub(super) async fn search_for(&self, step: Step, text: &str) -> Result<Vec<String>> {
        let answer = self.ask(step, "analysis/search", vec![("q", text.to_owned())]).await?;
        let rows: Vec<Row> = self.data(step, answer).await?;
        Ok(rows.into_iter().filter_map(Row::id).collect())
    }

    /// Deletes a submission with all its analyses.
    ///
    /// # Errors
    /// There is no such submission, or the call failed.
    pub async fn delete_submission(&self, id: &str) -> Result<()> {
        let answer = self.order(Step::Delete, "submission/delete", vec![("submission_id", id.to_owned())]).await?;
        self.envelope::<Value>(Step::Delete, answer).await.map(drop)
    }

    /// Deletes an analysis.
    ///
    /// # Errors
    /// There is no such analysis, or the call failed.
    pub async fn delete_analysis(&self, web_id: &str) -> Result<()> {
        let answer = self.order(Step::Delete, "analysis/delete", vec![("webid", web_id.to_owned())]).await?;
        self.envelope::<Value>(Step::Delete, answer).await.map(drop)
    }

    /// A download of any of Joe's types ([`super::JOE_DOWNLOADS`]), of an analysis, of one of its runs (0 is the first) where that is said.
    ///
    /// # Errors
    /// There is no such analysis, it has no such type, or the call failed.
    pub async fn download(&self, web_id: &str, kind: &str, run: Option<u32>) -> Result<Download> {
        Ok(self.download_for(Step::Artifact, web_id, kind, run).await?.download())
    }

    pub(super) async fn download_for(&self, step: Step, web: &str, kind: &str, run: Option<u32>) -> Result<Answer> {
        let mut fields = vec![("webid", web.to_owned()), ("type", kind.to_owned())];
        fields.extend(run.map(|run| ("run", run.to_string())));
        self.ask(step, "analysis/download", fields).await
    }

    pub(super) async fn online(&self) -> Result<bool> {
        #[derive(Deserialize)]
        struct Online {
            online: bool,
        }
        let answer = self.ask(Step::Availability, "server/online", Vec::new()).await?;
        Ok(self.data::<Online>(Step::Availability, answer).await?.online)
    }

    pub(super) async fn queue_size(&self) -> Result<u64> {
        #[derive(Deserialize)]
        struct Info {
            queuesize: u64,
        }
        let answer = self.ask(Step::Queue, "server/info", Vec::new()).await?;
        Ok(self.data::<Info>(Step::Queue, answer).await?.queuesize)
    }

    /// The account of this key, with how much it may still submit.
    ///
    /// # Errors
    /// A server of one's own has no accounts; or the call failed.
    pub async fn account(&self) -> Result<JoeAccount> {
        let step = Step::Other("asking for the account");
        let answer = self.ask(step, "account/info", Vec::new()).await?;
        self.data(step, answer).await
    }

    /// The machines that samples may be run on.
    ///
    /// # Errors
    /// The call failed.
    pub async fn systems(&self) -> Result<Vec<JoeSystem>> {
        let step = Step::Other("asking for the systems");
        let answer = self.ask(step, "server/systems", Vec::new()).await?;
        self.data(step, answer).await
    }

    /// Countries whose addresses a sample may be given (`localized-internet-country`), as the server lists them.
    ///
    /// # Errors
    /// The call failed.
    pub async fn countries(&self) -> Result<Value> {
        let step = Step::Other("asking for the countries");
        let answer = self.ask(step, "server/lia_countries", Vec::new()).await?;
        self.data(step, answer).await
    }

    /// Languages that a machine may be given (`language-and-locale`), as the server lists them.
    ///
    /// # Errors
    /// The call failed.
    pub async fn languages(&self) -> Result<Value> {
        let step = Step::Other("asking for the languages");
        let answer = self.ask(step, "server/languages_and_locales", Vec::new()).await?;
        self.data(step, answer).await
    }
}

/// A row of a list.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Row {
    #[serde(deserialize_with = "loose::text")]
    webid: Option<String>,
    #[serde(deserialize_with = "loose::text")]
    submission_id: Option<String>,
}

impl Row {
    fn id(self) -> Option<String> {
        self.webid.or(self.submission_id)
    }
}

fn paged(next: Option<&str>) -> Fields<'static> {
    let mut fields = vec![("pagination", "1".to_owned())];
    fields.extend(next.map(|next| ("pagination_next", next.to_owned())));
    fields
}

fn path(endpoint: &str) -> impl Iterator<Item = &str> {
    ["v2"].into_iter().chain(endpoint.split('/'))
}

/// What an error says.
fn words(body: &Value) -> Option<String> {
    body["errors"][0]["message"].as_str().map(str::to_owned)
}

/// What an error means, by its code, which says more than the status.
fn kind(body: &Value, otherwise: ErrorKind) -> ErrorKind {
    let error = &body["errors"][0];
    let code = loose::id(&error["code"]).and_then(|code| code.parse::<u32>().ok());
    let Some(message) = words(body) else { return otherwise };
    let retry_after = match otherwise {
        ErrorKind::Quota { .. } => return otherwise,
        ErrorKind::Status { retry_after, .. } => retry_after,
        _ => None,
    };
    if loose::says_quota(&message) {
        return ErrorKind::Quota { message, retry_after };
    }
    let status = |status| ErrorKind::Status { status, message: message.clone(), retry_after };
    match code {
        // A parameter is missing, or one is wrong; with a 404 it is an id that there is not.
        Some(2 | 3) if matches!(otherwise, ErrorKind::NotFound(_)) => otherwise,
        Some(2 | 3) => ErrorKind::Invalid(message),
        Some(4) => ErrorKind::Unauthenticated(message),
        // The server is offline.
        Some(5) => status(503),
        // An error inside.
        Some(6) => status(500),
        Some(7) => ErrorKind::Forbidden(message),
        // There is no such endpoint, which is not that there is no such sample.
        Some(8) => status(404),
        _ => otherwise,
    }
}
