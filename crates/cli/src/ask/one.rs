//! Questions about one submission: `belljar status`, `report`, `verdict` and `delete`.

use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, anyhow};
use belljar_client::{Patience, Report, Sandbox, Status, Submission, Verdict, wait};
use serde_json::json;

use super::artifacts::place;
use super::submit::word_of;
use super::{block_on, load, plain};
use crate::args::{DeleteArgs, ReportArgs, SandboxSources, StatusArgs, Target, VerdictArgs, Waiting};
use crate::exit::ExitCode;
use crate::failure::{Failure, print, say};

/// Findings and indicators that are printed for people, at most: all are in the JSON.
const SHOWN: usize = 50;

/// A sandbox and what is asked about.
pub(super) struct Place {
    pub(super) sandbox: Arc<dyn Sandbox>,
    pub(super) submission: Submission,
}

impl Place {
    pub(super) async fn open(sources: &SandboxSources, name: &str, id: &str) -> Result<Self, Failure> {
        let loaded = load(sources)?;
        Ok(Self { sandbox: loaded.sandboxes.open(name).await?, submission: submission(id)? })
    }

    async fn of(sources: &SandboxSources, target: &Target) -> Result<Self, Failure> {
        Self::open(sources, &target.sandbox, &target.id).await
    }

    /// Within a time.
    pub(super) async fn within<T>(
        &self,
        time: Duration,
        work: impl Future<Output = belljar_client::Result<T>>,
    ) -> Result<T, Failure> {
        match tokio::time::timeout(time, work).await {
            Ok(done) => Ok(done?),
            Err(_) => {
                let name = self.sandbox.name();
                Err(Failure::from(anyhow!("{name}: no answer in {} s", time.as_secs_f32()))
                    .hint("--timeout allows more"))
            }
        }
    }

    /// Gives a session back, whatever came of it.
    pub(super) async fn close(&self) {
        let _ = tokio::time::timeout(Duration::from_secs(5), self.sandbox.close()).await;
    }

    async fn wait(&self, waiting: &Waiting) -> belljar_client::Result<()> {
        let patience = Patience { deadline: waiting.timeout, ..Patience::default() };
        wait(self.sandbox.as_ref(), &self.submission, patience, |_| {}).await
    }

    async fn report(&self, waiting: &Waiting) -> Result<Report, Failure> {
        let fetching = async {
            if waiting.wait {
                self.wait(waiting).await?;
            }
            self.sandbox.report(&self.submission).await
        };
        let found = self.within(waiting.timeout, fetching).await;
        self.close().await;
        found
    }
}

/// What the user calls a submission: its id, or all its names in JSON.
fn submission(text: &str) -> Result<Submission, Failure> {
    if text.trim_start().starts_with('{') {
        return serde_json::from_str(text)
            .context("this is no submission, as submit --json prints them")
            .map_err(Failure::usage);
    }
    match text.trim() {
        "" => Err(Failure::usage(anyhow!("the id is empty"))),
        id => Ok(Submission::new(id)),
    }
}

/// How far it is.
///
/// # Errors
///
/// It cannot be asked.
pub(crate) fn status(args: &StatusArgs) -> Result<ExitCode, Failure> {
    let found = block_on(async {
        let place = Place::of(&args.sources, &args.target).await?;
        let asking = async {
            if args.waiting.wait {
                match place.wait(&args.waiting).await {
                    Ok(()) => return Ok(Status::Finished),
                    Err(error) => match error.kind {
                        belljar_client::ErrorKind::AnalysisFailed(why) => return Ok(Status::Failed(why)),
                        belljar_client::ErrorKind::TimedOut { limit: "wait", .. } => {}
                        _ => return Err(error),
                    },
                }
            }
            place.sandbox.status(&place.submission).await
        };
        // One question more, when the wait was in vain.
        let found = place.within(args.waiting.timeout + Duration::from_secs(10), asking).await;
        place.close().await;
        found
    })?;
    let (word, why) = match &found {
        Status::Queued => ("queued", None),
        Status::Running => ("running", None),
        Status::Finished => ("finished", None),
        Status::Failed(why) => ("failed", Some(why)),
    };
    print(match (args.json, why) {
        (true, why) => format!("{}\n", json!({ "status": word, "why": why })),
        (false, Some(why)) => format!("{word}: {}\n", plain(why)),
        (false, None) => format!("{word}\n"),
    })?;
    Ok(match found {
        Status::Finished => ExitCode::Success,
        Status::Failed(_) => ExitCode::Failure,
        Status::Queued | Status::Running => ExitCode::NotFinished,
    })
}

/// Its report.
///
/// # Errors
///
/// There is none, or it cannot be written.
pub(crate) fn report(args: &ReportArgs) -> Result<ExitCode, Failure> {
    let found = block_on(async { Place::of(&args.sources, &args.target).await?.report(&args.waiting).await })?;
    let text = if args.json {
        let json = serde_json::to_string_pretty(&found).context("the report cannot be written as JSON")?;
        Some(format!("{json}\n"))
    } else if args.raw {
        None
    } else {
        Some(as_text(&found))
    };
    let mut bytes: Box<dyn io::Read + '_> = match &text {
        Some(text) => Box::new(text.as_bytes()),
        None => Box::new(found.raw.reader()),
    };
    match &args.output {
        Some(file) => {
            place(file, args.overwrite, |to| io::copy(&mut bytes, to).map(drop))?;
            say(format_args!("the report is in {}", file.display()));
        }
        None => copy(&mut bytes)?,
    }
    Ok(ExitCode::Success)
}

/// To standard output, in pieces.
fn copy(bytes: &mut dyn io::Read) -> Result<(), Failure> {
    let mut buffer = vec![0; 64 << 10];
    loop {
        let count = bytes.read(&mut buffer).context("cannot read the report")?;
        if count == 0 {
            return Ok(io::stdout()
                .flush()
                .or_else(|error| match error.kind() {
                    io::ErrorKind::BrokenPipe => Ok(()),
                    _ => Err(error),
                })
                .context("cannot write to standard output")?);
        }
        print(&buffer[..count])?;
    }
}

/// Its verdict.
///
/// # Errors
///
/// There is none.
pub(crate) fn verdict(args: &VerdictArgs) -> Result<ExitCode, Failure> {
    let found = block_on(async { Place::of(&args.sources, &args.target).await?.report(&args.waiting).await })?.verdict;
    if args.json {
        print(format!("{}\n", json!(found)))?;
    } else {
        print(verdict_as_text(&found))?;
    }
    let bad = args.fail_on.is_some_and(|least| found.verdict >= word_of(least));
    Ok(if bad { ExitCode::Bad } else { ExitCode::Success })
}

/// Deletes.
///
/// # Errors
///
/// One cannot be deleted; those before it are.
pub(crate) fn delete(args: &DeleteArgs) -> Result<ExitCode, Failure> {
    block_on(async {
        let loaded = load(&args.sources)?;
        let sandbox = loaded.sandboxes.open(&args.sandbox).await?;
        for id in &args.ids {
            let place = Place { sandbox: Arc::clone(&sandbox), submission: submission(id)? };
            let deleted = place.within(args.timeout, sandbox.delete(&place.submission)).await;
            place.close().await;
            deleted?;
            say(format_args!("{}: {} is deleted", args.sandbox, plain(&place.submission.id)));
        }
        Ok(ExitCode::Success)
    })
}

fn verdict_as_text(verdict: &Verdict) -> String {
    let of = |number: Option<u8>| number.map(|number| format!(", {number} of 100")).unwrap_or_default();
    let sure = verdict.confidence.map(|sure| format!(" (sure: {sure} of 100)")).unwrap_or_default();
    let mut text = format!("{}{}{sure}\n", verdict.verdict, of(verdict.score));
    for family in &verdict.families {
        let _ = writeln!(text, "  family  {}", plain(family));
    }
    for reason in &verdict.reasons {
        let _ = writeln!(text, "  {}", plain(reason));
    }
    text
}

fn as_text(report: &Report) -> String {
    let mut text = verdict_as_text(&report.verdict);
    let mut line = |name: &str, value: &str| {
        let _ = writeln!(text, "{name:<12} {}", plain(value));
    };
    for (name, value) in [("sample", &report.name), ("environment", &report.environment), ("page", &report.link)] {
        if let Some(value) = value {
            line(name, value);
        }
    }
    for (name, value) in &report.hashes {
        line(name, value);
    }
    for finding in report.findings.iter().take(SHOWN) {
        let severity = finding.severity.map(|severity| format!("[{severity}] ")).unwrap_or_default();
        let techniques =
            if finding.techniques.is_empty() { String::new() } else { format!(" ({})", finding.techniques.join(", ")) };
        let about = finding.description.as_ref().filter(|about| **about != finding.name);
        let about = about.map(|about| format!(": {about}")).unwrap_or_default();
        line("finding", &format!("{severity}{}{about}{techniques}", finding.name));
    }
    for indicator in report.indicators.iter().take(SHOWN) {
        let kind = json!(indicator.kind);
        line(kind.as_str().unwrap_or("indicator"), &indicator.value);
    }
    let more = report.findings.len().saturating_sub(SHOWN) + report.indicators.len().saturating_sub(SHOWN);
    if more > 0 {
        line("", &format!("and {more} more: --json has all"));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_submission_is_an_id_or_all_its_names() {
        assert_eq!(submission(" 7 ").ok(), Some(Submission::new("7")));
        let all = r#"{"id": "7", "others": {"webid": "9"}, "more": []}"#;
        let read = submission(all).expect("all its names");
        assert_eq!((read.id.as_str(), read.others["webid"].as_str()), ("7", "9"));
        for wrong in ["", " ", "{}", "{"] {
            assert!(submission(wrong).is_err(), "{wrong:?}");
        }
    }
}
