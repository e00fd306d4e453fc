//! All that CAPE takes.

use serde_json::Value;

use super::envelope::{failure, texts};
use super::{CONTROL_BYTES, Cape, path};
use crate::error::{ErrorKind, Result, Step};
use crate::http::{Body, Call, Part};
use crate::sample::{Hash, Sample};
use crate::sandbox::{Options, Submission};
use crate::vendors::cuckoo::{Uploads, option_fields};
use crate::vendors::loose;

impl Cape {
    /// Submits several files at once, where the server's `multifile` allows that; it takes only the first one otherwise, without a word.
    ///
    /// # Errors
    /// As with any submission; problems with single ones are in [`Uploads::errors`] as long as one is taken.
    pub async fn submit_files(&self, samples: &[Sample], options: &Options) -> Result<Uploads> {
        let mut parts = self.options(options)?;
        parts.extend(self.files(samples)?);
        Ok(self.create("file", parts).await?.0)
    }

    /// Has a capture of network traffic (pcap or saz) looked at, without running anything.
    ///
    /// # Errors
    /// As with any submission.
    pub async fn submit_capture(&self, capture: &Sample, options: &Options) -> Result<Submission> {
        let mut parts = self.options(options)?;
        parts.push(Part::field("pcap", "1"));
        parts.extend(self.files(std::slice::from_ref(capture))?);
        self.one("file", parts).await
    }

    /// Has the server fetch a file from an address and run it. [`Sample::Url`] is opened in a browser instead.
    ///
    /// # Errors
    /// As with any submission; [`ErrorKind::Refused`] when the server cannot fetch it.
    pub async fn download_and_run(&self, address: &str, options: &Options) -> Result<Submission> {
        let mut parts = self.options(options)?;
        parts.push(Part::field("dlnexec", address));
        self.one("dlnexec", parts).await
    }

    /// Takes configurations out of files without running them: the tasks, and what was found at once.
    ///
    /// # Errors
    /// As with any submission; [`ErrorKind::Invalid`] for options that are about running.
    pub async fn extract(&self, samples: &[Sample], options: &Options) -> Result<(Uploads, Value)> {
        let known = options.vendor.keys().all(|name| name == "options" || name == "priority");
        if !known || options.analysis_time.is_some() || options.environment.is_some() {
            return Err(self.invalid("a static extraction takes `options` and `priority` only: nothing is run"));
        }
        let mut parts = self.options(options)?;
        parts.extend(self.files(samples)?);
        let (uploads, data) = self.create("static", parts).await?;
        Ok((uploads, loose::member(data, "config")))
    }

    /// Has the server fetch files by their hashes from the services that it is set up for.
    ///
    /// # Errors
    /// As with any submission.
    pub async fn submit_hashes(&self, hashes: &[Hash], options: &Options) -> Result<Uploads> {
        let mut parts = self.options(options)?;
        let hashes: Vec<&str> = hashes.iter().map(Hash::as_str).collect();
        parts.push(Part::field("hashes", hashes.join(",")));
        Ok(self.create("download_services", parts).await?.0)
    }

    pub(super) async fn submit_one(&self, sample: &Sample, options: &Options) -> Result<Submission> {
        let mut parts = self.options(options)?;
        match sample {
            Sample::Url(address) => {
                parts.push(Part::field("url", address));
                self.one("url", parts).await
            }
            Sample::File { name, origin } => {
                parts.push(Part::file("file", name, origin));
                self.one("file", parts).await
            }
        }
    }

    async fn one(&self, kind: &str, parts: Vec<Part>) -> Result<Submission> {
        let (uploads, _) = self.create(kind, parts).await?;
        for problem in &uploads.errors {
            tracing::warn!(sandbox = self.transport.name(), problem = %self.transport.said(problem), "CAPE took a part of a submission.");
        }
        uploads.together().ok_or_else(|| self.malformed(Step::Submit, "no `data.task_ids`"))
    }

    /// The tasks, and the answer's data.
    async fn create(&self, kind: &str, parts: Vec<Part>) -> Result<(Uploads, Value)> {
        let call = Call::post(Step::Submit, path(&["tasks", "create", kind]), Body::Multipart(parts));
        let body: Value = self.send(call).await?.json_within(CONTROL_BYTES).await?;
        let mut uploads = Uploads::of(&body["data"]["task_ids"], &Value::Null);
        uploads.errors = texts(&body["errors"]);
        uploads.errors.truncate(Uploads::MAX_ERRORS);
        if uploads.submissions.is_empty() {
            let message = failure(&body).or_else(|| uploads.errors.first().cloned());
            return Err(match message {
                Some(message) => self.wrong(Step::Submit, &message),
                None => self.malformed(Step::Submit, "neither `data.task_ids` nor an error"),
            });
        }
        Ok((uploads, loose::member(body, "data")))
    }

    fn options(&self, options: &Options) -> Result<Vec<Part>> {
        if let Some(password) = &options.archive_password {
            self.transport.keep_secret(password.clone());
        }
        option_fields(options).map_err(|problem| self.invalid(&problem))
    }

    fn files(&self, samples: &[Sample]) -> Result<Vec<Part>> {
        let part = |sample: &Sample| match sample {
            Sample::File { name, origin } => Ok(Part::file("file", name, origin)),
            Sample::Url(_) => Err(self.invalid("an address is no file")),
        };
        if samples.is_empty() {
            return Err(self.invalid("there is no file"));
        }
        samples.iter().map(part).collect()
    }

    fn invalid(&self, problem: &str) -> crate::Error {
        self.transport.error(Step::Submit, ErrorKind::Invalid(problem.to_owned()))
    }
}
