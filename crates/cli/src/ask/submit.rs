//! `belljar submit`.

use std::fmt::Write as _;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context, anyhow};
use belljar_client::config::{Entry, Sandboxes};
use belljar_client::fleet::{Asked, EVENTS, Fleet, Journal, JournalError, Judged, Member, Plan, Way};
use belljar_client::{Patience, Secret, Word};
use comfy_table::Table;
use comfy_table::presets::NOTHING;
use serde_json::{Value, json};

use super::board::{Board, TICK};
use super::samples::collect;
use super::{block_on, error_as_json, load, plain};
use crate::args::{SecretPlace, SubmitArgs, Threshold};
use crate::exit::ExitCode;
use crate::failure::{Failure, advise, print, say};

/// Submits, and waits for the verdicts if that is wanted.
///
/// # Errors
///
/// The configuration, a sample or the journal cannot be used, or samples must not be sent to a sandbox.
pub(crate) fn submit(args: &SubmitArgs) -> Result<ExitCode, Failure> {
    let loaded = load(&args.sources)?;
    let entries = chosen(&loaded.sandboxes, &args.to)?;
    for entry in &entries {
        entry.may_be_sent_to(args.public)?;
    }
    block_on(async {
        let password = password(args).await?;
        let (names, samples): (Vec<_>, Vec<_>) = collect(args).await?.into_iter().unzip();
        let mut members = Vec::new();
        for entry in &entries {
            members.push(Member { sandbox: entry.open().await?, options: options(entry, args, password.as_ref())? });
        }
        let journal = args.resume.as_ref().map(Journal::open).transpose()?.map(Arc::new);
        let rows = entries.iter().map(|entry| (entry.name().to_owned(), entry.product().name)).collect();
        let board = Arc::new(Mutex::new(Board::new(rows, names.clone(), args.json)));
        let fleet = Fleet::new(members);
        let tally = run(&fleet, samples, &plan(args), journal, args, &names, &board).await;
        board.lock().unwrap_or_else(PoisonError::into_inner).clear();
        fleet.close().await;
        Ok(tally?.code())
    })
}

/// The sandboxes that are meant.
fn chosen<'a>(sandboxes: &'a Sandboxes, to: &[String]) -> Result<Vec<&'a Entry>, Failure> {
    let all: Vec<&Entry> = sandboxes.analysing().collect();
    let names = || all.iter().map(|entry| entry.name()).collect::<Vec<_>>().join(", ");
    if all.is_empty() {
        return Err(Failure::usage(anyhow!("no sandbox is configured")).hint("see belljar sandboxes add --help"));
    }
    if to.iter().any(|name| name == "all") {
        return Ok(all);
    }
    if to.is_empty() {
        return match all.as_slice() {
            [one] => Ok(vec![one]),
            _ => {
                Err(Failure::usage(anyhow!("say to which sandboxes with --to")).hint(format!("there are: {}", names())))
            }
        };
    }
    let mut chosen: Vec<&Entry> = Vec::new();
    for name in to {
        let entry = sandboxes.entry(name)?;
        if !all.iter().any(|known| known.name() == name) {
            return Err(Failure::usage(anyhow!("'{name}' runs programs and analyses nothing")));
        }
        if !chosen.iter().any(|known| known.name() == name) {
            chosen.push(entry);
        }
    }
    Ok(chosen)
}

/// How one of them is to analyse: as its configuration says, and over that the command line.
fn options(entry: &Entry, args: &SubmitArgs, password: Option<&Secret>) -> Result<belljar_client::Options, Failure> {
    let mut options = entry.options().clone();
    options.analysis_time = args.analysis_time.or(options.analysis_time);
    options.environment = args.environment.clone().or(options.environment);
    options.archive_password = password.cloned();
    for (key, value) in &args.options {
        match key.split_once('.') {
            Some((name, key)) if name == entry.name() => drop(options.vendor.insert(key.to_owned(), value.clone())),
            // For another of those that are asked.
            Some((name, _)) if args.to.iter().any(|to| to == name) => {}
            _ => drop(options.vendor.insert(key.clone(), value.clone())),
        }
    }
    Ok(options)
}

async fn password(args: &SubmitArgs) -> Result<Option<Secret>, Failure> {
    let Some(place) = &args.archive_password else { return Ok(None) };
    let text = match place {
        SecretPlace::Variable(name) => std::env::var(name).with_context(|| format!("environment variable {name}")),
        SecretPlace::File(path) => std::fs::read_to_string(path).with_context(|| format!("cannot read {path}")),
        SecretPlace::Stdin if args.samples.iter().any(|sample| sample == "-") => {
            Err(anyhow!("standard input can be a sample or a password, and not both"))
        }
        SecretPlace::Stdin => {
            let read = tokio::task::spawn_blocking(|| std::io::read_to_string(std::io::stdin())).await;
            read.context("standard input").and_then(|read| read.context("standard input"))
        }
    };
    Ok(Some(Secret::new(&text.map_err(Failure::usage)?)))
}

fn plan(args: &SubmitArgs) -> Plan {
    Plan {
        patience: Patience { deadline: args.timeout, ..Patience::default() },
        wait: args.wait || args.fail_on.is_some(),
        force: args.force,
        at_once: args.at_once,
        ..Plan::default()
    }
}

/// Does it, and prints what comes of each sample as it comes.
async fn run(
    fleet: &Fleet,
    samples: Vec<belljar_client::Sample>,
    plan: &Plan,
    journal: Option<Arc<Journal>>,
    args: &SubmitArgs,
    names: &[String],
    board: &Arc<Mutex<Board>>,
) -> Result<Tally, Failure> {
    let (events, mut heard) = tokio::sync::mpsc::channel(EVENTS);
    let drawing = Arc::clone(board);
    let draw = tokio::spawn(async move {
        let mut clock = tokio::time::interval(TICK);
        loop {
            tokio::select! {
                event = heard.recv() => match event {
                    Some(event) => drawing.lock().unwrap_or_else(PoisonError::into_inner).hear(&event),
                    None => return,
                },
                _ = clock.tick() => drawing.lock().unwrap_or_else(PoisonError::into_inner).draw(true),
            }
        }
    });
    let mut tally = Tally { fail_on: args.fail_on, waits: plan.wait, ..Tally::default() };
    let mut printed = Ok(());
    let judging = fleet.judge_all(samples, plan, journal, Some(events), |judged| {
        tally.count(&judged);
        let text = if args.json { as_json(&judged, names, plan) } else { as_text(&judged, names, plan) };
        let mut board = board.lock().unwrap_or_else(PoisonError::into_inner);
        board.clear();
        if printed.is_ok() {
            printed = print(text);
        }
    });
    let judged = judging.await;
    // What is still to be told is told before the end.
    let _ = draw.await;
    printed?;
    judged?;
    if tally.uncertain > 0 && args.resume.is_none() {
        advise(
            "some submissions may have arrived although nobody said so; with --resume FILE they would be looked up before they are sent again",
        );
    }
    if tally.samples > 1 && !args.json {
        board.lock().unwrap_or_else(PoisonError::into_inner).clear();
        say(tally.summary());
    }
    Ok(tally)
}

/// What came of all samples.
#[derive(Debug, Default)]
struct Tally {
    fail_on: Option<Threshold>,
    waits: bool,
    samples: usize,
    same: usize,
    nothing: usize,
    partial: usize,
    bad: usize,
    uncertain: usize,
    words: [usize; 4],
}

impl Tally {
    fn count(&mut self, judged: &Judged) {
        let answered = judged.asked.iter().filter(|asked| has_answered(asked, self.waits)).count();
        self.samples += 1;
        self.same += judged.same.len();
        self.uncertain += judged.asked.iter().filter(|asked| asked.uncertain).count();
        self.nothing += usize::from(answered == 0);
        self.partial += usize::from(answered > 0 && answered < judged.asked.len());
        // Of a sample that nobody has an opinion about, nobody said that it is bad; that fails in another way.
        let word = judged.consensus.verdict;
        self.bad += usize::from(answered > 0 && self.fail_on.is_some_and(|least| word >= word_of(least)));
        if let Some(count) = self.words.get_mut(word as usize).filter(|_| answered > 0 && self.waits) {
            *count += 1;
        }
    }

    /// The worst that happened, for who does not read.
    const fn code(&self) -> ExitCode {
        match self {
            Self { bad: 1.., .. } => ExitCode::Bad,
            Self { nothing: 1.., .. } => ExitCode::Failure,
            Self { partial: 1.., .. } => ExitCode::Partial,
            _ => ExitCode::Success,
        }
    }

    fn summary(&self) -> String {
        let mut text = format!("{} samples", self.samples);
        if self.same > 0 {
            let _ = write!(text, " ({} more were the same)", self.same);
        }
        if self.waits {
            let [clean, unknown, suspicious, malicious] = self.words;
            let _ = write!(text, ": {malicious} malicious, {suspicious} suspicious, {unknown} unknown, {clean} clean");
        }
        if self.nothing > 0 {
            let _ = write!(text, "; {} without any answer", self.nothing);
        }
        if self.partial > 0 {
            let _ = write!(text, "; {} not answered by all", self.partial);
        }
        text
    }
}

/// Whether a sandbox has done what was asked of it.
const fn has_answered(asked: &Asked, waits: bool) -> bool {
    if waits { asked.verdict.is_some() } else { asked.submission.is_some() }
}

pub(super) const fn word_of(threshold: Threshold) -> Word {
    match threshold {
        Threshold::Unknown => Word::Unknown,
        Threshold::Suspicious => Word::Suspicious,
        Threshold::Malicious => Word::Malicious,
    }
}

fn way(way: Way) -> &'static str {
    match way {
        Way::Submitted => "submitted",
        Way::Known => "known already",
        Way::Resumed => "submitted before",
    }
}

/// A table for one sample.
fn as_text(judged: &Judged, names: &[String], plan: &Plan) -> String {
    let name = |place: usize| plain(names.get(place).map_or("", String::as_str));
    let mut text = String::new();
    let same: Vec<String> = judged.same.iter().map(|place| name(*place)).collect();
    let same = if same.is_empty() { String::new() } else { format!(" (the same: {})", same.join(", ")) };
    let outcome = match &judged.unreadable {
        Some(error) => format!("cannot be read: {error}"),
        None if plan.wait => {
            let score = judged.consensus.score.map(|score| format!(", {score} of 100")).unwrap_or_default();
            format!("{}{score}: {}", judged.consensus.verdict, plain(&judged.consensus.reason))
        }
        None => {
            let there = judged.asked.iter().filter(|asked| asked.submission.is_some()).count();
            format!("at {there} of {} sandboxes", judged.asked.len())
        }
    };
    // A String takes all that is written.
    let _ = writeln!(text, "{}{same}: {outcome}", name(judged.sample));
    let mut table = Table::new();
    table.load_style(NOTHING);
    for asked in &judged.asked {
        let id = asked.submission.as_ref().map_or_else(String::new, |(submission, _)| plain(&submission.id));
        let (word, score) = match &asked.verdict {
            Some(verdict) => (verdict.verdict.to_string(), verdict.score.map(|score| score.to_string())),
            None if asked.error.is_none() => {
                (asked.submission.as_ref().map_or("", |(_, by)| way(*by)).to_owned(), None)
            }
            None => ("no answer".to_owned(), None),
        };
        let why = match (&asked.error, &asked.verdict) {
            (Some(error), _) => {
                let perhaps = if asked.uncertain { " (it may have been submitted)" } else { "" };
                format!("{}{perhaps}", error.kind)
            }
            (None, Some(verdict)) => {
                verdict.families.iter().chain(verdict.reasons.first()).cloned().collect::<Vec<_>>().join(", ")
            }
            (None, None) => String::new(),
        };
        table.add_row([&asked.sandbox, &word, &score.unwrap_or_default(), &id, &plain(&why)]);
    }
    if !judged.asked.is_empty() {
        let _ = writeln!(text, "{}", table.trim_fmt());
    }
    text
}

/// One line for one sample.
fn as_json(judged: &Judged, names: &[String], plan: &Plan) -> String {
    let asked = |asked: &Asked| {
        let (submission, by) = match &asked.submission {
            Some((submission, by)) => (json!(submission), json!(by)),
            None => (Value::Null, Value::Null),
        };
        json!({
            "sandbox": asked.sandbox,
            "vendor": asked.vendor,
            "submission": submission,
            "way": by,
            "verdict": asked.verdict,
            "error": asked.error.as_ref().map(error_as_json),
            "uncertain": asked.uncertain,
        })
    };
    let consensus = &judged.consensus;
    let line = json!({
        "sample": names.get(judged.sample),
        "sha256": judged.hash.as_ref().map(ToString::to_string),
        "same": judged.same.iter().filter_map(|place| names.get(*place)).collect::<Vec<_>>(),
        "verdict": plan.wait.then_some(consensus.verdict),
        "score": consensus.score,
        "reason": plan.wait.then_some(&consensus.reason),
        "error": judged.unreadable.as_ref().map(ToString::to_string),
        "sandboxes": judged.asked.iter().map(asked).collect::<Vec<_>>(),
    });
    format!("{line}\n")
}

impl From<JournalError> for Failure {
    fn from(error: JournalError) -> Self {
        match error {
            JournalError::InUse(_) | JournalError::NoJournal { .. } => Self::usage(error),
            error => Self::from(anyhow::Error::new(error)),
        }
    }
}
