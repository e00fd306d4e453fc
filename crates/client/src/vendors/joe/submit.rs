//! Submitting to Joe Sandbox: forms, and uploads in pieces.

use std::sync::Arc;

use serde::Deserialize;

use super::{Joe, WEB_ID};
use crate::error::{Error, ErrorKind, Result, Step};
use crate::http::{Answer, Part};
use crate::sample::{Origin, Sample};
use crate::sandbox::{Options, Submission};
use crate::vendors::loose;

/// Pieces of one upload, at most.
const MAX_CHUNKS: u64 = 100_000;
/// Fields that this client fills in.
const OURS: [&str; 8] =
    ["apikey", "accept-tac", "sample", "cookbook", "url", "sample-url", "command-line", "chunked-sample"];

/// What is submitted to Joe Sandbox.
#[derive(Debug, Clone, Copy)]
pub enum JoeSubject<'a> {
    /// A file, or an address to open in a browser.
    Sample(&'a Sample),
    /// An address whose content Joe fetches and runs as a file.
    SampleUrl(&'a str),
    /// A command line to run.
    CommandLine(&'a str),
    /// Nothing but a cookbook.
    Cookbook,
}

impl Joe {
    /// Submits something with a cookbook, Joe's script of what to do with it. Without one, files and addresses are what [`crate::Sandbox::submit`]
    /// is for.
    ///
    /// # Errors
    /// As [`crate::Sandbox::submit`]; the cookbook is an address, or there is nothing to submit.
    pub async fn submit_subject(
        &self,
        subject: JoeSubject<'_>,
        cookbook: Option<&Sample>,
        options: &Options,
    ) -> Result<Submission> {
        let mut parts = self.form(options)?;
        match cookbook {
            None if matches!(subject, JoeSubject::Cookbook) => return Err(self.invalid("there is no cookbook")),
            None => {}
            Some(Sample::Url(_)) => return Err(self.invalid("a cookbook is a file, not an address")),
            Some(Sample::File { name, origin }) => parts.push(Part::file("cookbook", name, origin)),
        }
        match subject {
            JoeSubject::Cookbook => {}
            JoeSubject::SampleUrl(address) => parts.push(Part::field("sample-url", address)),
            JoeSubject::CommandLine(line) => parts.push(Part::field("command-line", line)),
            JoeSubject::Sample(Sample::Url(address)) => parts.push(Part::field("url", address)),
            JoeSubject::Sample(Sample::File { name, origin }) => {
                if let Some(submission) = self.in_chunks(name, origin, &parts).await? {
                    return Ok(submission);
                }
                parts.push(Part::file("sample", name, origin));
            }
        }
        self.create(parts).await
    }

    async fn create(&self, parts: Vec<Part>) -> Result<Submission> {
        #[derive(Deserialize)]
        struct Created {
            #[serde(default, deserialize_with = "loose::text")]
            submission_id: Option<String>,
            /// Where the server tells of it already.
            #[serde(default, deserialize_with = "loose::text")]
            webid: Option<String>,
        }
        let answer = self.send(self.call_with_files(Step::Submit, "submission/new", parts)).await?;
        let created: Created = self.data(Step::Submit, answer).await?;
        let id = created.submission_id.filter(|id| !id.is_empty());
        let id = id.ok_or_else(|| self.malformed(Step::Submit, "no `submission_id`"))?;
        let mut submission = Submission::new(id);
        submission.others.extend(created.webid.map(|web| (WEB_ID.to_owned(), web)));
        Ok(submission)
    }

    /// Sends a large sample in pieces; nothing where it is not large, or where the server knows no pieces.
    async fn in_chunks(&self, name: &str, origin: &Origin, parts: &[Part]) -> Result<Option<Submission>> {
        let Some(chunk) = self.chunk_bytes else { return Ok(None) };
        let failed = |error| self.transport.error(Step::Submit, ErrorKind::Sample(error));
        let length = origin.length().await.map_err(failed)?;
        let count = length.div_ceil(chunk);
        if count < 2 {
            return Ok(None);
        }
        if count > MAX_CHUNKS {
            return Err(self.invalid(&format!("{count} pieces are more than {MAX_CHUNKS}: make them larger")));
        }
        let begun = parts.iter().cloned().chain([Part::field("chunked-sample", name)]).collect();
        let submission = match self.create(begun).await {
            Ok(submission) => submission,
            Err(error) if knows_no_chunks(&error) => {
                tracing::debug!(sandbox = self.transport.name(), "It takes no pieces; the sample is sent whole.");
                return Ok(None);
            }
            Err(error) => return Err(error),
        };
        let whole = Arc::new(origin.clone());
        for index in 0..count {
            let from = index * chunk;
            let part = whole.slice(from, chunk.min(length - from));
            if let Err(error) = self.send_chunk(&submission.id, length, chunk, count, index, &part).await {
                let sandbox = self.transport.name();
                tracing::warn!(
                    sandbox,
                    piece = index + 1,
                    of = count,
                    "An upload broke off; what is there is deleted."
                );
                if let Err(error) = self.delete_submission(&submission.id).await {
                    tracing::warn!(%error, submission = submission.id, "A part of a sample is left.");
                }
                return Err(error);
            }
        }
        Ok(Some(submission))
    }

    async fn send_chunk(
        &self,
        id: &str,
        length: u64,
        chunk: u64,
        count: u64,
        index: u64,
        part: &Origin,
    ) -> Result<Answer> {
        let of_part = part.length().await;
        let of_part = of_part.map_err(|error| self.transport.error(Step::Submit, ErrorKind::Sample(error)))?;
        let number = |name: &str, number: u64| Part::field(name, number.to_string());
        let parts = vec![
            Part::field("submission_id", id),
            number("file-size", length),
            number("chunk-size", chunk),
            number("chunk-count", count),
            number("current-chunk-index", index + 1),
            number("current-chunk-size", of_part),
            Part::file("chunk", "chunk", part),
        ];
        // A piece that comes twice is the same piece of the same submission.
        self.send(self.call_with_files(Step::Submit, "submission/chunked-sample", parts).harmless()).await
    }

    /// All fields but what is submitted.
    fn form(&self, options: &Options) -> Result<Vec<Part>> {
        if !self.accept_tac {
            return Err(self.invalid(
                "Joe Sandbox takes samples only from who accepts the vendor's terms and conditions: read them, and set `accept_tac = true`",
            ));
        }
        let mut parts = vec![Part::field("accept-tac", "1")];
        for (name, value) in &options.vendor {
            match name.as_str() {
                ours if OURS.contains(&ours) => {
                    return Err(self.invalid(&format!("`{ours}` is no option: this client fills it in")));
                }
                "systems" | "systems[]" | "tags" | "tags[]" => {
                    let field = format!("{}[]", name.trim_end_matches("[]"));
                    let items = value.split(',').map(str::trim).filter(|item| !item.is_empty());
                    parts.extend(items.map(|item| Part::field(field.clone(), item)));
                }
                // Under the one name in the vendor's documents, and under the other on the wire.
                "document-password" => parts.push(Part::field("office-files-password", value)),
                _ => parts.push(Part::field(name, value)),
            }
        }
        parts.extend(options.analysis_time.map(|time| Part::field("analysis-time", time.as_secs().to_string())));
        parts.extend(options.archive_password.as_ref().map(|word| Part::field("archive-password", word.reveal())));
        parts.extend(options.environment.as_ref().map(|system| Part::field("systems[]", system)));
        Ok(parts)
    }

    fn invalid(&self, problem: &str) -> Error {
        self.transport.error(Step::Submit, ErrorKind::Invalid(problem.to_owned()))
    }
}

/// Whether the server says that it does not know what a chunked sample is.
fn knows_no_chunks(error: &Error) -> bool {
    matches!(&error.kind, ErrorKind::Invalid(message) if message.contains("chunked-sample"))
}
