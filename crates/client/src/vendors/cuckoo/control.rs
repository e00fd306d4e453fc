//! What Cuckoo offers beyond what all sandboxes do.

use serde::Deserialize;
use serde_json::Value;

use super::{CONTROL_BYTES, Cuckoo, CuckooMachine, CuckooSample, CuckooTask, Uploads};
use crate::error::{ErrorKind, Result, Step};
use crate::http::{Body, Call, Part};
use crate::sample::Sample;
use crate::sandbox::{Download, Options, Submission};
use crate::vendors::loose;

/// Which tasks to list: all of them by default.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CuckooFilter {
    /// At most this many; no limit by default.
    pub limit: Option<u32>,
    /// Without the first ones; only where there is a limit.
    pub offset: u32,
    /// In this status, in Cuckoo's word for it.
    pub state: Option<String>,
    /// Of this owner.
    pub owner: Option<String>,
    /// Completed after this moment, in seconds since 1970.
    pub completed_after: Option<u64>,
}

impl Cuckoo {
    /// Tasks, those that are not completed first, then the oldest.
    ///
    /// # Errors
    /// As with any call.
    pub async fn tasks(&self, filter: &CuckooFilter) -> Result<Vec<CuckooTask>> {
        let mut path = vec!["tasks".to_owned(), "list".to_owned()];
        match filter.limit {
            Some(limit) => path.extend([limit.to_string(), filter.offset.to_string()]),
            None if filter.offset > 0 => {
                let problem = "Cuckoo takes an offset only together with a limit".to_owned();
                return Err(self.transport.error(LISTING, ErrorKind::Invalid(problem)));
            }
            None => {}
        }
        let mut call = Call::get(LISTING, path);
        let after = filter.completed_after.map(|moment| moment.to_string());
        for (name, value) in [("completed_after", &after), ("owner", &filter.owner), ("status", &filter.state)] {
            call = match value {
                Some(value) => call.query(name, value),
                None => call,
            };
        }
        self.list(call).await
    }

    /// All tasks of a sample, by the number that [`CuckooSample::id`] has.
    ///
    /// # Errors
    /// As with any call.
    pub async fn tasks_of_sample(&self, sample: &str) -> Result<Vec<CuckooTask>> {
        self.list(Call::get(LISTING, ["tasks", "sample", sample])).await
    }

    async fn list(&self, call: Call) -> Result<Vec<CuckooTask>> {
        #[derive(Deserialize)]
        struct List {
            #[serde(deserialize_with = "loose::list")]
            tasks: Vec<CuckooTask>,
        }
        Ok(self.send(call).await?.json::<List>().await?.tasks)
    }

    /// One task.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`], and as with any call.
    pub async fn task(&self, submission: &Submission) -> Result<CuckooTask> {
        self.view(Step::Status, &submission.id).await
    }

    /// Submits several files and strings at once; archives are unpacked, and each selected member becomes a task. A string is a URL, or a hash
    /// that the server looks for at VirusTotal.
    ///
    /// # Errors
    /// As with any submission; problems with single ones are in [`Uploads::errors`].
    pub async fn submit_several(&self, samples: &[Sample], options: &Options) -> Result<Uploads> {
        let mut parts = self.options(options)?;
        let mut strings = Vec::new();
        for sample in samples {
            match sample {
                Sample::Url(address) => strings.push(address.as_str()),
                Sample::File { name, origin } => parts.push(Part::file("files", name, origin)),
            }
        }
        // Strings are looked at only when there is no file, so a mixture would lose them.
        let files = samples.len() - strings.len();
        let lines = strings.iter().any(|string| string.contains(['\r', '\n']));
        if samples.is_empty() || (files > 0 && !strings.is_empty()) || lines {
            let problem = "Cuckoo takes either files or strings of one line at once, and at least one".to_owned();
            return Err(self.transport.error(Step::Submit, ErrorKind::Invalid(problem)));
        }
        if files == 0 {
            parts.push(Part::field("strings", strings.join("\n")));
        }
        let call = Call::post(Step::Submit, ["tasks", "create", "submit"], Body::Multipart(parts));
        let answer: Value = self.send(call).await?.json_within(CONTROL_BYTES).await?;
        Ok(Uploads::of(&answer["task_ids"], &answer["errors"]))
    }

    /// Analyses it again, as a new task. Cuckoo 1 does not say which that is.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`], and as with any call.
    pub async fn reschedule(&self, submission: &Submission, priority: Option<u32>) -> Result<Option<Submission>> {
        let mut path = vec!["tasks".to_owned(), "reschedule".to_owned(), submission.id.clone()];
        path.extend(priority.map(|priority| priority.to_string()));
        let answer: Value =
            self.send(Call::get(Step::Other("rescheduling"), path).once()).await?.json_within(CONTROL_BYTES).await?;
        Ok(loose::id(&answer["task_id"]).map(Submission::new))
    }

    /// Analyses it again from where its machine would be after a restart, as a new task.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`], and as with any call.
    pub async fn reboot(&self, submission: &Submission) -> Result<Submission> {
        const STEP: Step = Step::Other("rebooting");
        let call = Call::get(STEP, ["tasks", "reboot", &submission.id]).once();
        let answer: Value = self.send(call).await?.json_within(CONTROL_BYTES).await?;
        let id = loose::id(&answer["reboot_id"]).ok_or_else(|| self.malformed(STEP, "no `reboot_id`"))?;
        Ok(Submission::new(id))
    }

    /// Has its report written anew. False when there is none yet.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`], and as with any call.
    pub async fn rereport(&self, submission: &Submission) -> Result<bool> {
        const STEP: Step = Step::Other("asking for another report");
        let call = Call::get(STEP, ["tasks", "rereport", &submission.id]).once();
        let answer: Value = self.send(call).await?.json_within(CONTROL_BYTES).await?;
        answer["success"].as_bool().ok_or_else(|| self.malformed(STEP, "no `success`"))
    }

    /// The report without what is large in it: calls, memory, screenshots. Of Cuckoo 2.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] when there is none, [`ErrorKind::TooLarge`] for 16 MiB and more, and as with any call.
    pub async fn summary(&self, submission: &Submission) -> Result<Value> {
        let call = Call::get(Step::Report, ["tasks", "summary", &submission.id]);
        self.send(call).await?.json_within(CONTROL_BYTES).await
    }

    /// One section of the report, such as `info`, where the score is: without the rest on the wire. Of Cuckoo 2.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] when there is no report or no such section, [`ErrorKind::TooLarge`] for 16 MiB and more, and as with any call.
    pub async fn section(&self, submission: &Submission, section: &str) -> Result<Value> {
        let call = Call::get(Step::Report, ["tasks", "report", &submission.id, "json"]).query("elements", section);
        self.send(call).await?.json_within(CONTROL_BYTES).await
    }

    /// The memory dumps of its processes, by names that [`Cuckoo::memory_dump`] takes.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] when there is none, and as with any call.
    pub async fn memory_dumps(&self, submission: &Submission) -> Result<Vec<String>> {
        #[derive(Deserialize)]
        struct Dumps {
            #[serde(deserialize_with = "loose::words")]
            dump_files: Vec<String>,
        }
        let call = Call::get(Step::Artifact, ["memory", "list", &submission.id]);
        Ok(self.send(call).await?.json::<Dumps>().await?.dump_files)
    }

    /// A memory dump of a process.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`], and as with any call.
    pub async fn memory_dump(&self, submission: &Submission, name: &str) -> Result<Download> {
        Ok(self.send(Call::get(Step::Artifact, ["memory", "get", &submission.id, name])).await?.download())
    }

    /// A file that the server knows: `kind` is `md5`, `sha256` or `id`; with Cuckoo 1 also `sha1`.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`], and as with any call.
    pub async fn sample(&self, kind: &str, which: &str) -> Result<CuckooSample> {
        self.view_sample(Step::LookUp, kind, which).await
    }

    /// All machines.
    ///
    /// # Errors
    /// As with any call.
    pub async fn machines(&self) -> Result<Vec<CuckooMachine>> {
        #[derive(Deserialize)]
        struct List {
            #[serde(deserialize_with = "loose::list")]
            machines: Vec<CuckooMachine>,
        }
        Ok(self.send(Call::get(MACHINES, ["machines", "list"])).await?.json::<List>().await?.machines)
    }

    /// One machine.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`], and as with any call.
    pub async fn machine(&self, name: &str) -> Result<CuckooMachine> {
        #[derive(Deserialize)]
        struct View {
            machine: CuckooMachine,
        }
        Ok(self.send(Call::get(MACHINES, ["machines", "view", name])).await?.json::<View>().await?.machine)
    }

    /// What the server says about itself: machines, tasks, disks, load.
    ///
    /// # Errors
    /// As with any call.
    pub async fn server_status(&self) -> Result<Value> {
        self.cuckoo_status(Step::Availability).await
    }

    /// Its VPNs and whether they are up.
    ///
    /// # Errors
    /// A status of 500 where the server has no rooter, and as with any call.
    pub async fn vpns(&self) -> Result<Value> {
        let call = Call::get(Step::Other("asking for VPNs"), ["vpn", "status"]);
        let answer: Value = self.send(call).await?.json_within(CONTROL_BYTES).await?;
        Ok(loose::member(answer, "vpns"))
    }
}

const LISTING: Step = Step::Other("listing tasks");
const MACHINES: Step = Step::Other("asking for machines");
