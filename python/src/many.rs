//! One sample to several sandboxes.

use std::sync::Arc;
use std::time::Duration;

use belljar_client::fleet::{EVENTS, Event, Fleet, Happened, Member, Plan};
use belljar_client::{Patience, Sample, Vote, consensus as together};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::mpsc;

use crate::error::exception;
use crate::pending::{Failure, Make, Pending, Teller};
use crate::raw::Raw;
use crate::sandbox::{Given, Sandbox, read, sample};

/// How it is to be done.
#[derive(Deserialize)]
struct Wanted {
    timeout: f64,
    first: f64,
    longest: f64,
    wait: bool,
    force: bool,
    keep_reports: bool,
}

impl Wanted {
    fn plan(&self) -> PyResult<Plan> {
        let time = |seconds| {
            Duration::try_from_secs_f64(seconds).map_err(|_| PyValueError::new_err(format!("{seconds} is no time")))
        };
        let patience = Patience {
            deadline: time(self.timeout)?,
            first: time(self.first)?,
            longest: time(self.longest)?,
            ..Patience::default()
        };
        let Self { wait, force, keep_reports, .. } = *self;
        Ok(Plan { patience, wait, force, keep_reports, ..Plan::default() })
    }
}

/// What happened, in a word and with what belongs to it.
fn told(happened: &Happened) -> (&'static str, Value) {
    match happened {
        Happened::LookingUp => ("looking_up", Value::Null),
        Happened::Submitting => ("submitting", Value::Null),
        Happened::There(submission, way) => ("there", json!({"submission": submission, "way": way})),
        Happened::Pausing(pause, why) => ("pausing", json!({"seconds": pause.as_secs_f64(), "why": why})),
        Happened::Status(status) => ("status", json!(status)),
        Happened::Fetching => ("fetching", Value::Null),
        Happened::Judged(verdict) => ("judged", json!(verdict)),
        Happened::Failed(why) => ("failed", json!({"why": why})),
    }
}

async fn tell(mut events: mpsc::Receiver<Event>, names: Vec<String>, teller: Arc<Teller>) {
    while let Some(event) = events.recv().await {
        let (word, about) = told(&event.happened);
        teller.news(json!({"sandbox": names.get(event.member), "happened": word, "about": about}).to_string());
    }
}

/// Submits a sample, or the address, to all of them at once, and puts together what they say.
///
/// Gives the common part as JSON; for each sandbox its report, as JSON and as it came; and for each its exception.
#[pyfunction]
#[pyo3(signature = (sandboxes, given, name, url, options, wanted))]
pub(crate) fn submit_to_many(
    py: Python<'_>,
    sandboxes: Vec<PyRef<'_, Sandbox>>,
    given: Option<Given>,
    name: Option<String>,
    url: Option<String>,
    options: &str,
    wanted: &str,
) -> PyResult<Pending> {
    let plan = read::<Wanted>(wanted)?.plan()?;
    let sample = sample(given, name, url)?;
    let members =
        sandboxes.into_iter().map(|sandbox| sandbox.member(py, options)).collect::<PyResult<Vec<Member>>>()?;
    let names = members.iter().map(|member| member.sandbox.name().to_owned()).collect();
    Pending::start(|teller| async move {
        if let Sample::File { origin, .. } = &sample
            && origin.length().await.is_ok_and(|length| length == 0)
        {
            return Err(Failure::Python(PyValueError::new_err("the sample is empty")));
        }
        let (events, happened) = mpsc::channel(EVENTS);
        let fleet = Fleet::new(members);
        let (judged, ()) = tokio::join!(fleet.judge(sample, &plan, Some(events)), tell(happened, names, teller));
        if let Some(error) = judged.unreadable {
            return Err(Failure::Python(error.into()));
        }
        let (mut asked, mut reports, mut errors) = (Vec::new(), Vec::new(), Vec::new());
        for one in judged.asked {
            let (submission, way) = one.submission.unzip();
            asked.push(json!({
                "sandbox": one.sandbox,
                "vendor": one.vendor,
                "submission": submission,
                "way": way,
                "verdict": one.verdict,
                "uncertain": one.uncertain,
            }));
            reports.push(one.report.map(|report| (json!(report).to_string(), report.raw)));
            errors.push(one.error);
        }
        let hash = judged.hash.map(|hash| hash.to_string());
        let common = json!({"hash": hash, "consensus": judged.consensus, "asked": asked}).to_string();
        let make: Make = Box::new(move |py| {
            let reports: Vec<_> = reports.into_iter().map(|one| one.map(|(text, raw)| (text, Raw(raw)))).collect();
            let errors: Vec<_> =
                errors.iter().map(|one| one.as_ref().map(|error| exception(py, error).into_value(py))).collect();
            Ok((common, reports, errors).into_pyobject(py)?.into_any().unbind())
        });
        Ok(make)
    })
}

/// What several sandboxes say together; votes and answer are JSON.
#[pyfunction]
pub(crate) fn consensus(votes: &str) -> PyResult<String> {
    Ok(json!(together(read::<Vec<Vote>>(votes)?)).to_string())
}
