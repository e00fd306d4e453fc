//! What CAPE offers beyond what all sandboxes do.

use std::collections::BTreeMap;

use http::Method;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::envelope::failure;
use super::{CONTROL_BYTES, Cape, get, path};
use crate::error::{ErrorKind, Result, Step};
use crate::http::{Body, Call, Part};
use crate::sample::{Hash, Sample};
use crate::sandbox::{Download, Submission};
use crate::vendors::cuckoo::{CuckooMachine, CuckooSample, CuckooTask, number};
use crate::vendors::loose;

/// Which tasks to list: the ten that were completed last, by default.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CapeFilter {
    /// At most this many; 10 by default. Servers give no more than 50 by default.
    pub limit: u32,
    /// Without the first ones.
    pub offset: u32,
    /// Completed within this many minutes; servers take no more than 1440 by default.
    pub within_minutes: Option<u32>,
    /// Completed after this moment, in seconds since 1970; it counts more than `within_minutes`.
    pub completed_after: Option<u64>,
    /// In this status, in CAPE's word for it.
    pub state: Option<String>,
    /// With this among their options.
    pub option: Option<String>,
    /// Of this category: `file`, `url`, `static`, `pcap`.
    pub category: Option<String>,
}

impl Default for CapeFilter {
    fn default() -> Self {
        Self {
            limit: 10,
            offset: 0,
            within_minutes: None,
            completed_after: None,
            state: None,
            option: None,
            category: None,
        }
    }
}

const LISTING: Step = Step::Other("listing tasks");
const SEARCHING: Step = Step::Other("searching");
const AGAIN: Step = Step::Other("having it analysed again");
const FINISHING: Step = Step::Other("ending the analysis");
const STATISTICS: Step = Step::Other("asking for statistics");
const MACHINES: Step = Step::Other("asking for machines");
const VISIBILITY: Step = Step::Other("changing who may see it");
const RULES: Step = Step::Other("uploading rules");

/// Members of a list that are what they should be.
fn members<T: DeserializeOwned>(list: Value) -> Vec<T> {
    match list {
        Value::Array(members) => members.into_iter().filter_map(|one| serde_json::from_value(one).ok()).collect(),
        _ => Vec::new(),
    }
}

impl Cape {
    /// Tasks, those that were completed last first.
    ///
    /// # Errors
    /// As with any call.
    pub async fn tasks(&self, filter: &CapeFilter) -> Result<Vec<CuckooTask>> {
        let (limit, offset) = (filter.limit.to_string(), filter.offset.to_string());
        let within = filter.within_minutes.map(|minutes| minutes.to_string());
        let mut of = vec!["tasks", "list", &limit, &offset];
        of.extend(within.as_deref());
        let mut call = get(LISTING, &of);
        let after = filter.completed_after.map(|moment| moment.to_string());
        let queries = [
            ("completed_after", &after),
            ("status", &filter.state),
            ("option", &filter.option),
            ("category", &filter.category),
        ];
        for (name, value) in queries {
            call = match value {
                Some(value) => call.query(name, value),
                None => call,
            };
        }
        let body = self.ask(LISTING, call).await?;
        if let Some(warning) = body["warning"].as_str() {
            tracing::warn!(sandbox = self.transport.name(), warning = %self.transport.said(warning), "CAPE warns.");
        }
        self.listed(LISTING, loose::member(body, "data"))
    }

    /// Tasks that were completed in the last hours.
    ///
    /// # Errors
    /// As with any call.
    pub async fn latest(&self, hours: u32) -> Result<Vec<CuckooTask>> {
        let body = self.ask(LISTING, get(LISTING, &["tasks", "get", "latests", &hours.to_string()])).await?;
        self.listed(LISTING, loose::member(body, "ids"))
    }

    fn listed(&self, step: Step, list: Value) -> Result<Vec<CuckooTask>> {
        if list.is_array() { Ok(members(list)) } else { Err(self.malformed(step, "there is no list of tasks")) }
    }

    /// One task.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`], and as with any call.
    pub async fn task(&self, submission: &Submission) -> Result<CuckooTask> {
        self.view(Step::Status, self.id(Step::Status, submission)?).await
    }

    /// The machine that a task runs on, and the port of its screen.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`], and as with any call.
    pub async fn machine_of(&self, submission: &Submission) -> Result<(String, Option<u16>)> {
        let id = self.id(MACHINES, submission)?;
        let body = self.ask(MACHINES, get(MACHINES, &["tasks", "machine", id])).await?;
        let machine = loose::id(&body["machine"]).ok_or_else(|| self.malformed(MACHINES, "no `machine`"))?;
        Ok((machine, body["vnc_port"].as_u64().and_then(|port| u16::try_from(port).ok())))
    }

    /// All tasks of a file.
    ///
    /// # Errors
    /// As with any call.
    pub async fn search(&self, hash: &Hash) -> Result<Vec<CuckooTask>> {
        let call = get(Step::LookUp, &["tasks", "search", hash.kind().name(), hash.as_str()]);
        match self.ask(Step::LookUp, call).await {
            Ok(body) => self.listed(Step::LookUp, loose::member(body, "data")),
            Err(error) if matches!(error.kind, ErrorKind::NotFound(_)) => Ok(Vec::new()),
            Err(error) => Err(error),
        }
    }

    /// Excerpts of reports in which a term has a value: `domain`, `ip`, `detections`, `ttp`, `imphash` and more, at most this many.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`] for a term that the server does not know, and as with any call.
    pub async fn search_reports(&self, term: &str, value: &str, limit: u32) -> Result<Vec<Value>> {
        let fields = [("option", term.to_owned()), ("argument", value.to_owned()), ("search_limit", limit.to_string())];
        let form = Body::Form(fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect());
        let call = Call::post(SEARCHING, path(&["tasks", "extendedsearch"]), form).harmless();
        match self.ask(SEARCHING, call).await {
            Ok(body) => Ok(members(loose::member(body, "data"))),
            // In these words it says that there is none.
            Err(error) if error.to_string().contains("Unable to retrieve records") => Ok(Vec::new()),
            Err(error) => Err(error),
        }
    }

    /// Analyses it again, as a new task.
    ///
    /// # Errors
    /// As with any call.
    pub async fn reschedule(&self, submission: &Submission) -> Result<Submission> {
        let call = get(AGAIN, &["tasks", "reschedule", self.id(AGAIN, submission)?]).once();
        let body = self.ask(AGAIN, call).await?;
        let id = number(&body["data"]["new_task_id"]).ok_or_else(|| self.malformed(AGAIN, "no `new_task_id`"))?;
        Ok(Submission::new(id))
    }

    /// Has the report of a finished or failed analysis written anew.
    ///
    /// # Errors
    /// [`ErrorKind::NotReady`] while it is on its way, and as with any call.
    pub async fn reprocess(&self, submission: &Submission) -> Result<()> {
        let call = get(AGAIN, &["tasks", "reprocess", self.id(AGAIN, submission)?]).once();
        self.ask(AGAIN, call).await.map(drop)
    }

    /// Ends a running analysis; what it has found so far is reported.
    ///
    /// # Errors
    /// [`ErrorKind::Forbidden`] when the task does not run or the server's `user_stop` is off: it does not say which. As with any call.
    pub async fn finish(&self, submission: &Submission) -> Result<()> {
        let form = Body::Form(vec![("status".to_owned(), "finish".to_owned())]);
        let call = Call::post(FINISHING, path(&["tasks", "status", self.id(FINISHING, submission)?]), form);
        let body: Value = self.send(call).await?.json_within(CONTROL_BYTES).await?;
        // Servers say `error: true` when it went well; what tells is whether there is data, or a message.
        if !body["data"].is_null() && body["error_value"].is_null() {
            return Ok(());
        }
        Err(match failure(&body) {
            Some(message) => self.wrong(FINISHING, &message),
            None => {
                let problem = "it does not run, or this server lets nobody end analyses (`user_stop`)".to_owned();
                self.transport.error(FINISHING, ErrorKind::Forbidden(problem))
            }
        })
    }

    /// Deletes several tasks; what became of each, in the server's words: `deleted`, `running`, `not exists`.
    ///
    /// # Errors
    /// As with any call; a task that is not deleted is no error.
    pub async fn delete_many(&self, submissions: &[Submission]) -> Result<BTreeMap<String, String>> {
        let ids: Result<Vec<&str>> = submissions.iter().map(|submission| self.id(Step::Delete, submission)).collect();
        let form = Body::Form(vec![("ids".to_owned(), ids?.join(","))]);
        let call = Call::post(Step::Delete, path(&["tasks", "delete_many"]), form);
        let body: Value = self.send(call).await?.json_within(CONTROL_BYTES).await?;
        let mut told: BTreeMap<String, String> = BTreeMap::new();
        for submission in submissions {
            let became = body[&submission.id].as_str();
            if let Some(became) = became {
                told.insert(submission.id.clone(), became.to_owned());
            }
        }
        match failure(&body) {
            Some(message) if told.is_empty() && !submissions.is_empty() => Err(self.wrong(Step::Delete, &message)),
            _ => Ok(told),
        }
    }

    /// Changes who may see a task, on a server with tenants: `private`, `tenant`, `public`.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`] on a server without tenants, and as with any call.
    pub async fn set_visibility(&self, submission: &Submission, visibility: &str) -> Result<()> {
        let of = path(&["tasks", "visibility", self.id(VISIBILITY, submission)?]);
        let body = Body::Json(json!({ "visibility": visibility }));
        self.ask(VISIBILITY, Call::new(VISIBILITY, Method::PATCH, of).with(body)).await.map(drop)
    }

    /// What to look for elsewhere, as CAPE has it; `detailed` with what was read and resolved, and strings.
    ///
    /// # Errors
    /// [`ErrorKind::NotReady`], [`ErrorKind::NotFound`], [`ErrorKind::TooLarge`] for 16 MiB and more, and as with any call.
    pub async fn indicators(&self, submission: &Submission, detailed: bool) -> Result<Value> {
        let mut of = vec!["tasks", "get", "iocs", self.id(Step::Report, submission)?];
        of.extend(detailed.then_some("detailed"));
        Ok(loose::member(self.ask(Step::Report, get(Step::Report, &of)).await?, "data"))
    }

    /// Configurations of malware that were found, each by the name of its family; of one family only, if it is named.
    ///
    /// # Errors
    /// [`ErrorKind::NotReady`], [`ErrorKind::NotFound`] when there is none, and as with any call.
    pub async fn configurations(&self, submission: &Submission, family: Option<&str>) -> Result<Vec<Value>> {
        let mut of = vec!["tasks", "get", "config", self.id(Step::Report, submission)?];
        of.extend(family);
        Ok(members(loose::member(self.ask(Step::Report, get(Step::Report, &of)).await?, "configs")))
    }

    /// A file from a machine while it runs; with `stored`, one that is with the server already, by its path below the analysis.
    ///
    /// # Errors
    /// [`ErrorKind::NotReady`] when the machine does not run, [`ErrorKind::NotFound`], and as with any call.
    pub async fn file_of_guest(&self, submission: &Submission, file: &str, stored: bool) -> Result<Download> {
        let mut form = vec![("filepath".to_owned(), file.to_owned())];
        form.extend(stored.then(|| ("is_local".to_owned(), "1".to_owned())));
        let of = path(&["tasks", "get", "stream", self.id(Step::Artifact, submission)?]);
        let call = Call::post(Step::Artifact, of, Body::Form(form)).harmless();
        Ok(self.file(Step::Artifact, call).await?.download())
    }

    /// A file that the server knows: `kind` is `md5`, `sha1`, `sha256` or `id`.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`], and as with any call.
    pub async fn sample(&self, kind: &str, which: &str) -> Result<CuckooSample> {
        let body = self.ask(Step::LookUp, get(Step::LookUp, &["files", "view", kind, which])).await?;
        serde_json::from_value(loose::member(body, "data"))
            .map_err(|_| self.malformed(Step::LookUp, "`data` is no sample"))
    }

    /// The bytes of a file that the server knows; `encrypted` as an archive with the password.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`], and as with any call.
    pub async fn sample_bytes(&self, hash: &Hash, encrypted: bool) -> Result<Download> {
        let call = get(Step::Artifact, &["files", "get", hash.kind().name(), hash.as_str()]);
        let call = if encrypted { call.query("encrypted", "1") } else { call };
        let mut download = self.file(Step::Artifact, call).await?.download();
        download.password = encrypted.then_some(super::ZIP_PASSWORD);
        Ok(download)
    }

    /// What the server says about itself: version, machines, tasks, disks, memory. Off by default.
    ///
    /// # Errors
    /// [`ErrorKind::Forbidden`] when it is off, and as with any call.
    pub async fn server_status(&self) -> Result<Value> {
        let call = get(Step::Availability, &["cuckoo", "status"]);
        Ok(loose::member(self.ask(Step::Availability, call).await?, "data"))
    }

    /// All machines. Off by default.
    ///
    /// # Errors
    /// [`ErrorKind::Forbidden`] when it is off, and as with any call.
    pub async fn machines(&self) -> Result<Vec<CuckooMachine>> {
        Ok(members(loose::member(self.ask(MACHINES, get(MACHINES, &["machines", "list"])).await?, "data")))
    }

    /// One machine. Off by default.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`], [`ErrorKind::Forbidden`] when it is off, and as with any call.
    pub async fn machine(&self, name: &str) -> Result<CuckooMachine> {
        let body = self.ask(MACHINES, get(MACHINES, &["machines", "view", name])).await?;
        serde_json::from_value(loose::member(body, "data"))
            .map_err(|_| self.malformed(MACHINES, "`data` is no machine"))
    }

    /// Ways to the network that a task may take, as its option `route`. Off by default.
    ///
    /// # Errors
    /// [`ErrorKind::Forbidden`] when it is off, and as with any call.
    pub async fn exit_nodes(&self) -> Result<Vec<String>> {
        let step = Step::Other("asking for ways to the network");
        Ok(members(loose::member(self.ask(step, get(step, &["exitnodes"])).await?, "data")))
    }

    /// What its modules did, and what was detected, in the last days. Off by default.
    ///
    /// # Errors
    /// [`ErrorKind::Forbidden`] when it is off, and as with any call.
    pub async fn statistics(&self, days: u32) -> Result<Value> {
        let call = get(STATISTICS, &["tasks", "statistics", &days.to_string()]);
        Ok(loose::member(self.ask(STATISTICS, call).await?, "data"))
    }

    /// How many tasks there were in which hour.
    ///
    /// # Errors
    /// As with any call.
    pub async fn task_counts(&self) -> Result<Value> {
        Ok(loose::member(self.ask(STATISTICS, get(STATISTICS, &["tasks", "stats"])).await?, "stats"))
    }

    /// Adds a file of YARA rules: to `binaries`, `urls`, `memory`, `CAPE`, `macro` or `monitor`. Off by default.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`] for rules or a category that it does not take, and as with any call.
    pub async fn add_rules(&self, category: &str, rules: &Sample) -> Result<()> {
        let Sample::File { name, origin } = rules else {
            let problem = "an address is no file of rules".to_owned();
            return Err(self.transport.error(RULES, ErrorKind::Invalid(problem)));
        };
        let parts = vec![Part::field("category", category), Part::file("file", name, origin)];
        let body = self.ask(RULES, Call::post(RULES, path(&["yara_uploader"]), Body::Multipart(parts))).await?;
        if body["status"] == "success" {
            return Ok(());
        }
        let message = body["message"].as_str().unwrap_or("no reason is given");
        Err(self.transport.error(RULES, ErrorKind::Invalid(self.transport.said(message))))
    }
}
