//! What Cuckoo 3 offers beyond what all sandboxes do.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Value, json};

use super::{Cuckoo3, Cuckoo3Analysis, Cuckoo3Task};
use crate::error::{ErrorKind, Result, Step};
use crate::http::{Body, Call};
use crate::sample::{Hash, HashKind};
use crate::sandbox::{Download, Submission};
use crate::vendors::loose;

const LISTING: Step = Step::Other("listing analyses");
const CHOICES: Step = Step::Other("asking what there is to choose from");
/// Of a part of an analysis.
const VIEWING: Step = Step::Other("asking about the analysis");

impl Cuckoo3 {
    /// Analyses: at most so many, without the first so many.
    ///
    /// # Errors
    /// As with any call.
    pub async fn analyses(&self, limit: u32, offset: u32, newest_first: bool) -> Result<Vec<Cuckoo3Analysis>> {
        self.list(LISTING, limit, offset, newest_first).await
    }

    pub(super) async fn list(&self, step: Step, limit: u32, offset: u32, desc: bool) -> Result<Vec<Cuckoo3Analysis>> {
        #[derive(Deserialize)]
        struct List {
            #[serde(deserialize_with = "loose::list")]
            analyses: Vec<Cuckoo3Analysis>,
        }
        let call = Call::get(step, ["analyses", ""]).query("limit", limit.to_string());
        let call = call.query("offset", offset.to_string()).query("desc", desc.to_string());
        Ok(self.send(call).await?.json::<List>().await?.analyses)
    }

    /// One analysis.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`], and as with any call.
    pub async fn analysis(&self, submission: &Submission) -> Result<Cuckoo3Analysis> {
        Ok(self.view(VIEWING, &submission.id).await?.1)
    }

    /// One task of an analysis, by its number; the first is 1.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`], and as with any call.
    pub async fn task(&self, submission: &Submission, number: u32) -> Result<Cuckoo3Task> {
        let call = Call::get(VIEWING, ["analysis", &submission.id, "task", &task(submission, number)]);
        self.send(call).await?.json().await
    }

    /// The machine that a task was run on.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`], and as with any call.
    pub async fn machine(&self, submission: &Submission, number: u32) -> Result<Value> {
        self.json(Call::get(VIEWING, ["analysis", &submission.id, "task", &task(submission, number), "machine"])).await
    }

    /// What was recognised of the file, and what of it was chosen.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`], and as with any call.
    pub async fn identification(&self, submission: &Submission) -> Result<Value> {
        self.json(Call::get(VIEWING, ["analysis", &submission.id, "identification"])).await
    }

    /// Several parts of an analysis at once: `analysis`, `identification`, `pre`. Parts that are not there yet are empty objects.
    ///
    /// # Errors
    /// [`ErrorKind::TooLarge`] for 16 MiB and more, and as with any call.
    pub async fn parts(&self, submission: &Submission, parts: &[&str]) -> Result<Value> {
        self.composite(&["analysis", &submission.id, "composite"], parts).await
    }

    /// Several parts of a task at once: `task`, `machine`, `post`, and `analysis`. Parts that are not there yet are empty objects.
    ///
    /// # Errors
    /// [`ErrorKind::TooLarge`] for 16 MiB and more, and as with any call.
    pub async fn task_parts(&self, submission: &Submission, number: u32, parts: &[&str]) -> Result<Value> {
        let id = task(submission, number);
        self.composite(&["analysis", &submission.id, "task", &id, "composite"], parts).await
    }

    async fn composite(&self, path: &[&str], parts: &[&str]) -> Result<Value> {
        let body = Body::Json(json!({ "retrieve": parts }));
        self.json(Call::post(VIEWING, path, body).harmless()).await
    }

    /// Platforms, and versions of each: what [`crate::Options::environment`] takes, as `windows 10`.
    ///
    /// # Errors
    /// As with any call.
    pub async fn platforms(&self) -> Result<BTreeMap<String, Vec<String>>> {
        self.platforms_at(CHOICES).await
    }

    pub(super) async fn platforms_at(&self, step: Step) -> Result<BTreeMap<String, Vec<String>>> {
        let body = self.json(Call::get(step, ["submit", "platforms"])).await?;
        let Value::Object(platforms) = body else {
            return Err(self.error(step, ErrorKind::Malformed, "there is no object of platforms"));
        };
        let versions = |versions: Value| match versions {
            Value::Array(versions) => versions.iter().filter_map(loose::id).collect(),
            _ => Vec::new(),
        };
        Ok(platforms.into_iter().map(|(platform, of)| (platform, versions(of))).collect())
    }

    /// Browsers for addresses, for the vendor option `browser`.
    ///
    /// # Errors
    /// As with any call.
    pub async fn browsers(&self) -> Result<Vec<String>> {
        self.send(Call::get(CHOICES, ["submit", "browsers"])).await?.json().await
    }

    /// Ways to the network, for the vendor option `route`.
    ///
    /// # Errors
    /// As with any call.
    pub async fn routes(&self) -> Result<Value> {
        self.json(Call::get(CHOICES, ["submit", "routes"])).await
    }

    /// A file that was submitted, or chosen of what was submitted.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`] for a hash that is no SHA-256, [`ErrorKind::NotFound`], and as with any call.
    pub async fn target_bytes(&self, hash: &Hash) -> Result<Download> {
        if hash.kind() != HashKind::Sha256 {
            return Err(self.error(Step::Artifact, ErrorKind::Invalid, "files are known by their SHA-256"));
        }
        Ok(self.send(Call::get(Step::Artifact, ["targets", "file", hash.as_str()])).await?.download())
    }
}

fn task(submission: &Submission, number: u32) -> String {
    format!("{}_{number}", submission.id)
}
