//! What only Triage offers.

use http::{Method, header};
use serde_json::{Value, json};

use super::{MAX_SMALL, Triage, begins_with_error, known, meant, short, words};
use crate::error::{ErrorKind, Result, Step};
use crate::http::{Answer, Body, Call};
use crate::sandbox::{Download, Status, Submission};
use crate::spool::Spooled;
use crate::vendors::loose;

/// Samples of one page, as the vendor limits it.
const PAGE: &str = "200";

/// Whose samples are listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TriageSubset {
    /// One's own.
    Owned,
    /// Those of one's organization.
    Organization,
    /// Everybody's.
    Public,
}

/// A sample in a list.
#[derive(Debug, Clone, PartialEq)]
pub struct TriageSample {
    /// Its id.
    pub id: String,
    /// How far its analysis is.
    pub status: Status,
    /// `file`, `url` or `fetch`.
    pub kind: Option<String>,
    /// The name of a file, or the address.
    pub name: Option<String>,
    /// Only its owner sees it, if that is told.
    pub private: Option<bool>,
    /// When it was submitted, as RFC 3339.
    pub submitted: Option<String>,
    /// When its analysis was finished, as RFC 3339.
    pub completed: Option<String>,
}

/// A part of a list.
#[derive(Debug, Clone, PartialEq)]
pub struct TriagePage {
    /// Its samples.
    pub samples: Vec<TriageSample>,
    /// Where the next page begins; absent on the last.
    pub next: Option<String>,
}

/// How a sample is to be run that waits for somebody to say so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TriageChoice {
    /// On machines that Triage chooses; of an archive these files, or those that it chooses.
    Automatic(Vec<String>),
    /// With these profiles, each for a file of an archive or for the sample itself.
    Profiles(Vec<(String, Option<String>)>),
}

impl Triage {
    /// A request that may take as long as the analysis does: nothing is read of it ahead.
    pub(super) async fn send_as_it_comes(&self, call: Call) -> Result<Answer> {
        let answer =
            self.transport.send(call.header(header::AUTHORIZATION, &format!("Bearer {}", self.key.reveal()))).await?;
        if answer.status().is_success() { Ok(answer) } else { Err(answer.into_error_as(words, meant).await) }
    }

    /// A page of a list.
    pub(super) async fn page(
        &self,
        step: Step,
        what: &'static str,
        query: &[(&str, &str)],
        from: Option<&str>,
    ) -> Result<TriagePage> {
        let mut call = Call::get(step, ["v0", what]).query("limit", PAGE);
        for (name, value) in query.iter().copied().chain(from.map(|from| ("offset", from))) {
            call = call.query(name, value);
        }
        let answer = self.object(step, call).await?;
        let entries = match &answer["data"] {
            Value::Array(entries) => entries.as_slice(),
            Value::Null => &[],
            _ => return Err(self.malformed(step, "`data` is no list")),
        };
        let next = loose::id(&answer["next"]).filter(|next| Some(next.as_str()) != from);
        Ok(TriagePage { samples: entries.iter().filter_map(listed).collect(), next })
    }

    /// Samples, the newest first, up to 200 in a page; `from` is where the page before says that this one begins.
    ///
    /// # Errors
    /// Triage cannot be asked.
    pub async fn samples(&self, subset: TriageSubset, from: Option<&str>) -> Result<TriagePage> {
        let subset = match subset {
            TriageSubset::Owned => "owned",
            TriageSubset::Organization => "org",
            TriageSubset::Public => "public",
        };
        self.page(Step::Other("listing samples"), "samples", &[("subset", subset)], from).await
    }

    /// Samples that a query in Triage's language finds: `family:emotet AND score:10`. By pages as [`Triage::samples`].
    ///
    /// # Errors
    /// Triage cannot be asked, or does not understand the query.
    pub async fn search(&self, query: &str, from: Option<&str>) -> Result<TriagePage> {
        self.page(Step::Other("searching"), "search", &[("query", query)], from).await
    }

    /// The sample as Triage knows it, with its tasks.
    ///
    /// # Errors
    /// It is not there, or Triage cannot be asked.
    pub async fn sample(&self, submission: &Submission) -> Result<Value> {
        let step = Step::Other("asking for a sample");
        self.object(step, Self::about(step, &submission.id, [])).await
    }

    /// The summary: the scores of all tasks.
    ///
    /// # Errors
    /// It is not there yet, or Triage cannot be asked.
    pub async fn summary(&self, submission: &Submission) -> Result<Spooled> {
        Ok(self.short(Step::Report, &submission.id).await?.0)
    }

    /// What was found without running it: what can be chosen from for [`Triage::choose`].
    ///
    /// # Errors
    /// It is not there yet, or Triage cannot be asked.
    pub async fn static_report(&self, submission: &Submission) -> Result<Value> {
        let step = Step::Report;
        self.object(step, Self::about(step, &submission.id, ["reports", "static"])).await
    }

    /// The report of one task (`behavioral1`), with its processes, network traffic and dumps.
    ///
    /// # Errors
    /// There is none, or Triage cannot be asked.
    pub async fn task_report(&self, submission: &Submission, task: &str) -> Result<Spooled> {
        let step = Step::Report;
        let path = [short(&submission.id, task), "report_triage.json"];
        self.send(step, Self::about(step, &submission.id, path)).await?.spool().await
    }

    /// The reports of all tasks that ran it on a machine, by their names. Those without one are left out.
    ///
    /// # Errors
    /// Triage cannot be asked.
    pub async fn task_reports(&self, submission: &Submission) -> Result<Vec<(String, Spooled)>> {
        let (_, summary) = self.short(Step::Report, &submission.id).await?;
        let mut reports = Vec::new();
        for task in summary.detonations() {
            match self.task_report(submission, &task).await {
                Ok(report) => reports.push((task, report)),
                Err(error) if matches!(error.kind, ErrorKind::NotFound(_) | ErrorKind::NotReady(_)) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(reports)
    }

    /// A file that a task left: a dump of memory or a dropped file, by its name in the task's report (`memory/1160-54-memory.dmp`), or its
    /// traffic (`dump.pcapng`).
    ///
    /// # Errors
    /// It is not there, or Triage cannot be asked.
    pub async fn task_file(&self, submission: &Submission, task: &str, file: &str) -> Result<Download> {
        let step = Step::Artifact;
        let path = std::iter::once(short(&submission.id, task)).chain(file.split('/'));
        Ok(self.send(step, Self::about(step, &submission.id, path)).await?.download())
    }

    /// Says how a sample is to be run that was submitted as `interactive` and waits in `static_analysis`.
    ///
    /// # Errors
    /// It does not wait, or Triage cannot be asked.
    pub async fn choose(&self, submission: &Submission, choice: &TriageChoice) -> Result<()> {
        let step = Step::Other("choosing a profile");
        let body = match choice {
            TriageChoice::Automatic(pick) => json!({ "auto": true, "pick": pick }),
            TriageChoice::Profiles(profiles) => {
                let one = |(profile, pick): &(String, Option<String>)| match pick {
                    Some(pick) => json!({ "profile": profile, "pick": pick }),
                    None => json!({ "profile": profile }),
                };
                json!({ "profiles": profiles.iter().map(one).collect::<Vec<_>>() })
            }
        };
        self.done(step, Call::post(step, ["v0", "samples", &submission.id, "profile"], Body::Json(body))).await
    }

    /// All profiles, as Triage writes them.
    ///
    /// # Errors
    /// Triage cannot be asked.
    pub async fn profiles(&self) -> Result<Vec<Value>> {
        let step = Step::Other("listing profiles");
        let mut answer = self.object(step, Call::get(step, ["v0", "profiles"])).await?;
        match answer["data"].take() {
            Value::Array(profiles) => Ok(profiles),
            Value::Null => Ok(Vec::new()),
            _ => Err(self.malformed(step, "`data` is no list")),
        }
    }

    /// One profile, by its id.
    ///
    /// # Errors
    /// It is not there, or Triage cannot be asked.
    pub async fn profile(&self, id: &str) -> Result<Value> {
        let step = Step::Other("asking for a profile");
        self.object(step, Call::get(step, ["v0", "profiles", id])).await
    }

    /// Makes a profile; gives it with its id.
    ///
    /// # Errors
    /// Triage does not take it.
    pub async fn create_profile(&self, profile: &Value) -> Result<Value> {
        let step = Step::Other("making a profile");
        self.object(step, Call::post(step, ["v0", "profiles"], Body::Json(profile.clone()))).await
    }

    /// Replaces a profile.
    ///
    /// # Errors
    /// It is not there, or Triage does not take it.
    pub async fn update_profile(&self, id: &str, profile: &Value) -> Result<()> {
        let step = Step::Other("changing a profile");
        let call = Call::new(step, Method::PUT, ["v0", "profiles", id]).with(Body::Json(profile.clone()));
        self.done(step, call).await
    }

    /// Deletes a profile.
    ///
    /// # Errors
    /// It is not there, or Triage cannot be asked.
    pub async fn delete_profile(&self, id: &str) -> Result<()> {
        let step = Step::Other("deleting a profile");
        self.done(step, Call::new(step, Method::DELETE, ["v0", "profiles", id])).await
    }

    /// Sends what is answered with nothing of use: nothing at all, or JSON. A page that wants a password is neither.
    pub(super) async fn done(&self, step: Step, call: Call) -> Result<()> {
        let body = self.send(step, call).await?.bytes_within(MAX_SMALL).await?;
        match body.trim_ascii() {
            [] => Ok(()),
            body if !begins_with_error(body) && serde_json::from_slice::<Value>(body).is_ok() => Ok(()),
            _ => Err(self.malformed(step, "it is no JSON")),
        }
    }
}

fn listed(entry: &Value) -> Option<TriageSample> {
    let text = |name: &str| loose::id(&entry[name]);
    Some(TriageSample {
        id: text("id")?,
        status: known(entry["status"].as_str()?),
        kind: text("kind"),
        name: text("filename").or_else(|| text("url")),
        private: entry["private"].as_bool(),
        submitted: text("submitted"),
        completed: text("completed"),
    })
}
