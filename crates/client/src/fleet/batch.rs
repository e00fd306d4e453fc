//! Many samples: each sandbox works through them by itself.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures_util::stream::{self, StreamExt as _};
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::ask::{Known, Question};
use super::journal::{Journal, JournalError};
use super::{Asked, Events, Fleet, Happened, Judged, Member, Plan};
use crate::error::{Error, ErrorKind, Fault, Step};
use crate::sample::Sample;
use crate::verdict::{Consensus, Word, consensus};

/// Files that are read at once to know their hashes.
const HASHED_AT_ONCE: usize = 4;
/// Verdicts that wait to be put together.
const ANSWERS: usize = 256;
/// Beyond its deadline a sandbox's client that does not give way is left alone after this.
const GRACE: std::time::Duration = std::time::Duration::from_secs(5);

impl Fleet {
    /// Many samples to all sandboxes; `hear` is told of each sample when all sandboxes have answered or run out of time. Equal files, and equal
    /// addresses, are submitted once.
    ///
    /// # Errors
    /// The journal cannot be written. Nothing more is sent then.
    pub async fn judge_all(
        &self,
        samples: Vec<Sample>,
        plan: &Plan,
        journal: Option<Arc<Journal>>,
        events: Option<Events>,
        mut hear: impl FnMut(Judged),
    ) -> Result<(), JournalError> {
        let Sorted { known, same, unreadable } = sort(samples).await;
        for (place, error) in unreadable {
            hear(Judged { unreadable: Some(error), ..nobody(place) });
        }
        if self.members.is_empty() {
            for known in known {
                hear(Judged {
                    hash: known.hash.clone(),
                    same: same.get(&known.place).cloned().unwrap_or_default(),
                    ..nobody(known.place)
                });
            }
            return Ok(());
        }
        let known: Vec<Arc<Known>> = known.into_iter().map(Arc::new).collect();
        let (answers, mut answered) = mpsc::channel::<(usize, usize, Result<Asked, JournalError>)>(ANSWERS);
        // Ended with this future: what nobody waits for sends nothing more.
        let mut working = tokio::task::JoinSet::new();
        for (place, member) in self.members.iter().enumerate() {
            let line = Line {
                place,
                member: member.clone(),
                plan: plan.clone(),
                journal: journal.clone(),
                events: events.clone(),
            };
            working.spawn(line.work_through(known.clone(), answers.clone()));
        }
        drop((answers, events));
        let mut open: BTreeMap<usize, Vec<Option<Asked>>> = BTreeMap::new();
        while let Some((sample, member, asked)) = answered.recv().await {
            let row = open.entry(sample).or_insert_with(|| self.members.iter().map(|_| None).collect());
            row[member] = Some(asked?);
            if row.iter().all(Option::is_some) {
                let asked: Vec<Asked> = open.remove(&sample).unwrap_or_default().into_iter().flatten().collect();
                // They are in the order of their places.
                let found = known.binary_search_by_key(&sample, |known| known.place).ok();
                let hash = found.and_then(|found| known[found].hash.clone());
                let consensus = consensus(asked.iter().map(Asked::vote).collect());
                let same = same.get(&sample).cloned().unwrap_or_default();
                hear(Judged { sample, hash, same, asked, consensus, unreadable: None });
            }
        }
        Ok(())
    }
}

/// What is said of a sample that nobody was asked about.
pub(super) fn nobody(sample: usize) -> Judged {
    let consensus =
        Consensus { verdict: Word::Unknown, score: None, reason: "no sandbox was asked".to_owned(), votes: Vec::new() };
    Judged { sample, hash: None, same: Vec::new(), asked: Vec::new(), consensus, unreadable: None }
}

/// Samples, each once.
struct Sorted {
    known: Vec<Known>,
    /// Places of others that are the same, by the place of the first.
    same: BTreeMap<usize, Vec<usize>>,
    unreadable: Vec<(usize, io::Error)>,
}

async fn sort(samples: Vec<Sample>) -> Sorted {
    let hashed = stream::iter(samples.into_iter().enumerate()).map(|(place, sample)| async move {
        let hash = match &sample {
            Sample::File { origin, .. } => origin.sha256().await.map(Some),
            Sample::Url(_) => Ok(None),
        };
        (place, sample, hash)
    });
    let mut hashed = hashed.buffered(HASHED_AT_ONCE);
    let mut sorted = Sorted { known: Vec::new(), same: BTreeMap::new(), unreadable: Vec::new() };
    let mut first: BTreeMap<String, usize> = BTreeMap::new();
    while let Some((place, sample, hash)) = hashed.next().await {
        let hash = match hash {
            Ok(hash) => hash,
            Err(error) => {
                sorted.unreadable.push((place, error));
                continue;
            }
        };
        let key = match &hash {
            Some(hash) => format!("sha256:{hash}"),
            None => format!("url:{}", sample.name()),
        };
        match first.get(&key) {
            Some(first) => sorted.same.entry(*first).or_default().push(place),
            None => {
                first.insert(key.clone(), place);
                sorted.known.push(Known { place, sample, hash, key });
            }
        }
    }
    sorted
}

/// One sandbox and all samples.
struct Line {
    place: usize,
    member: Member,
    plan: Plan,
    journal: Option<Arc<Journal>>,
    events: Option<Events>,
}

impl Line {
    async fn work_through(
        self,
        samples: Vec<Arc<Known>>,
        answers: mpsc::Sender<(usize, usize, Result<Asked, JournalError>)>,
    ) {
        let failures = AtomicUsize::new(0);
        let (line, failures) = (&self, &failures);
        let at_once = line.plan.at_once.max(1);
        let asking = stream::iter(samples).map(|known| async move {
            let place = known.place;
            if failures.load(Ordering::Relaxed) >= line.plan.give_up_after.max(1) {
                return (place, Ok(line.failed(&known, line.given_up())));
            }
            let asked = line.ask(&known).await;
            if let Ok(asked) = &asked {
                // Whose fault it is that nothing came of it says whether the next one has a chance.
                let bad = asked.error.as_ref().is_some_and(|error| {
                    error.fault() != Fault::Caller && !matches!(error.kind, ErrorKind::AnalysisFailed(_))
                });
                let in_a_row = if bad { failures.load(Ordering::Relaxed) + 1 } else { 0 };
                failures.store(in_a_row, Ordering::Relaxed);
            }
            (place, asked)
        });
        let mut asking = asking.buffer_unordered(at_once);
        while let Some((place, asked)) = asking.next().await {
            if answers.send((place, line.place, asked)).await.is_err() {
                return;
            }
        }
    }

    /// Asks in a task of its own: a client that panics, or computes for ever, takes nobody with it.
    async fn ask(&self, known: &Arc<Known>) -> Result<Asked, JournalError> {
        let question = Question {
            place: self.place,
            member: self.member.clone(),
            known: Arc::clone(known),
            plan: self.plan.clone(),
            journal: self.journal.clone(),
            events: self.events.clone(),
        };
        let mut task = tokio::task::JoinSet::new();
        task.spawn(question.ask());
        let limit = self.plan.patience.deadline + GRACE;
        let kind = match timeout(limit, task.join_next()).await {
            Ok(Some(Ok(asked))) => return asked,
            Ok(Some(Err(_)) | None) => ErrorKind::Malformed("its client broke down over an answer".to_owned()),
            Err(_) => ErrorKind::TimedOut { limit: "deadline", after: limit },
        };
        Ok(self.failed(known, kind))
    }

    fn given_up(&self) -> ErrorKind {
        let count = self.plan.give_up_after.max(1);
        ErrorKind::NotReady(format!(
            "given up on after {count} failures in a row; it is asked again when the batch is resumed"
        ))
    }

    fn failed(&self, known: &Known, kind: ErrorKind) -> Asked {
        let sandbox = self.member.sandbox.as_ref();
        let error = Error { sandbox: sandbox.name().to_owned(), vendor: sandbox.vendor(), step: Step::Submit, kind };
        if let Some(events) = &self.events {
            let happened = Happened::Failed(format!("{}: {}", error.step, error.kind));
            let _ = events.try_send(super::Event { sample: known.place, member: self.place, happened });
        }
        Asked { error: Some(error), ..Asked::new(sandbox) }
    }
}
