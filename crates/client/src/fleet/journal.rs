//! What was done, on the disk before it is done: so an interrupted batch goes on where it was, and nothing is submitted twice.
//!
//! A file of JSON lines, only ever appended to. The first says what it is; each other says how a sample stands at a sandbox since then. A line that is
//! not whole can only be the last one, of a process that was killed while it wrote: it is cut off.

use std::collections::HashMap;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, BufRead as _, BufReader, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::thread;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use crate::sandbox::Submission;
use crate::verdict::Verdict;

/// How long somebody else's lock is waited for, before it is taken for another process that uses the journal.
const LOCKED: Duration = Duration::from_millis(500);
/// Bytes of one line, at most.
const MAX_LINE: u64 = 1 << 20;
/// Lines of a journal, at most.
const MAX_LINES: usize = 10_000_000;
/// What the first line says.
const FORMAT: &str = "belljar-journal-1";

/// How a sample stands at a sandbox.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "standing", content = "of")]
pub enum Standing {
    /// Nothing was sent, or nothing of it can have arrived.
    New,
    /// It is being sent: if this is the last that is known, it may have arrived or not.
    Uncertain,
    /// It is there, by this name.
    Submitted(Submission),
    /// There is a verdict.
    Judged(Submission, Verdict),
    /// Its analysis failed, for this reason. It is submitted anew.
    Failed(String),
}

#[derive(Serialize, Deserialize)]
struct Head {
    format: String,
}

#[derive(Serialize, Deserialize)]
struct Line {
    sample: String,
    sandbox: String,
    #[serde(flatten)]
    standing: Standing,
}

/// Why a journal cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum JournalError {
    /// It cannot be read or written.
    #[error("the journal {}: {source}", path.display())]
    Io {
        /// Where it is.
        path: PathBuf,
        /// What happened.
        #[source]
        source: io::Error,
    },
    /// Another process uses it.
    #[error("the journal {} is used by another process", .0.display())]
    InUse(PathBuf),
    /// It is something else, or was changed.
    #[error("{} is no journal of a batch: line {line} {problem}", path.display())]
    NoJournal {
        /// Where it is.
        path: PathBuf,
        /// Which line, from 1.
        line: usize,
        /// What is wrong.
        problem: String,
    },
    /// It failed before, and nobody knows what of it is on the disk.
    #[error("the journal cannot be written any more")]
    Poisoned,
}

/// An open journal. It belongs to one process.
#[derive(Debug)]
pub struct Journal {
    path: PathBuf,
    inner: Mutex<Inner>,
}

#[derive(Debug)]
struct Inner {
    /// Nothing after a write has failed.
    file: Option<File>,
    standings: HashMap<(String, String), Standing>,
}

impl Journal {
    /// Opens a journal, or begins one where there is no file. It is made for its owner alone: it says who was asked about what.
    ///
    /// # Errors
    /// It cannot be read or written, belongs to another process, or is something else.
    pub fn open(path: impl Into<PathBuf>) -> Result<Self, JournalError> {
        let path = path.into();
        let broken = |source| JournalError::Io { path: path.clone(), source };
        let mut options = OpenOptions::new();
        let mut file = options.read(true).append(true).create(true).mode(0o600).open(&path).map_err(broken)?;
        if !file.metadata().map_err(broken)?.is_file() {
            return Err(broken(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file")));
        }
        let began = Instant::now();
        loop {
            match file.try_lock() {
                Ok(()) => break,
                // A program that this process is just starting holds all files until it runs, also those that were closed since.
                Err(TryLockError::WouldBlock) if began.elapsed() < LOCKED => thread::sleep(LOCKED / 20),
                Err(TryLockError::WouldBlock) => return Err(JournalError::InUse(path)),
                Err(TryLockError::Error(source)) => return Err(broken(source)),
            }
        }
        let (standings, whole) = read(&path, &file)?;
        let length = file.metadata().map_err(broken)?.len();
        if whole < length {
            tracing::warn!(journal = %path.display(), "The last line of the journal is not whole; it is cut off.");
            file.set_len(whole).map_err(broken)?;
        }
        if whole == 0 {
            let head =
                serde_json::to_string(&Head { format: FORMAT.to_owned() }).map_err(|error| broken(error.into()))?;
            file.write_all(format!("{head}\n").as_bytes()).map_err(broken)?;
        }
        file.sync_all().map_err(broken)?;
        sync_directory(&path).map_err(broken)?;
        let inner = Mutex::new(Inner { file: Some(file), standings });
        Ok(Self { path, inner })
    }

    /// How a sample stands at a sandbox.
    #[must_use]
    pub fn standing(&self, sample: &str, sandbox: &str) -> Standing {
        let key = (sample.to_owned(), sandbox.to_owned());
        self.inner.lock().ok().and_then(|inner| inner.standings.get(&key).cloned()).unwrap_or(Standing::New)
    }

    /// Writes down how a sample stands; it is on the disk when this returns.
    ///
    /// # Errors
    /// It cannot be written. Then nothing more can: what is on the disk is not known any more.
    pub fn note(&self, sample: &str, sandbox: &str, standing: Standing) -> Result<(), JournalError> {
        let line = Line { sample: sample.to_owned(), sandbox: sandbox.to_owned(), standing };
        let broken = |source| JournalError::Io { path: self.path.clone(), source };
        let mut text = serde_json::to_string(&line).map_err(|error| broken(error.into()))?;
        if text.len() as u64 >= MAX_LINE {
            return Err(broken(io::Error::new(io::ErrorKind::FileTooLarge, "a line of it would be too long")));
        }
        text.push('\n');
        let mut inner = self.inner.lock().map_err(|_| JournalError::Poisoned)?;
        let mut file = inner.file.take().ok_or(JournalError::Poisoned)?;
        file.write_all(text.as_bytes()).and_then(|()| file.sync_data()).map_err(broken)?;
        inner.file = Some(file);
        inner.standings.insert((line.sample, line.sandbox), line.standing);
        Ok(())
    }
}

/// What the journal says, and how many bytes of it are whole lines.
#[expect(clippy::type_complexity, reason = "a table and a number")]
fn read(path: &Path, file: &File) -> Result<(HashMap<(String, String), Standing>, u64), JournalError> {
    let broken = |source| JournalError::Io { path: path.to_owned(), source };
    let mut reader = BufReader::new(file);
    reader.seek(SeekFrom::Start(0)).map_err(broken)?;
    let (mut standings, mut whole, mut bytes) = (HashMap::new(), 0, Vec::new());
    for number in 1..=MAX_LINES {
        bytes.clear();
        let read = io::Read::take(&mut reader, MAX_LINE).read_until(b'\n', &mut bytes).map_err(broken)?;
        let wrong = |problem: &str| JournalError::NoJournal {
            path: path.to_owned(),
            line: number,
            problem: problem.to_owned(),
        };
        if bytes.last() != Some(&b'\n') {
            // Torn; but a file without any line is one that somebody named by mistake, unless it begins as ours do.
            let head = format!("{{\"format\":\"{FORMAT}\"}}\n");
            return match (number, read as u64) {
                (_, MAX_LINE) => Err(wrong("is too long")),
                (1, _) if !head.as_bytes().starts_with(&bytes) => Err(wrong("is not what a journal begins with")),
                _ => Ok((standings, whole)),
            };
        }
        whole += read as u64;
        if number == 1 {
            let head: Head = serde_json::from_slice(&bytes).map_err(|_| wrong("is not what a journal begins with"))?;
            if head.format != FORMAT {
                return Err(wrong("names another format"));
            }
            continue;
        }
        let line: Line = serde_json::from_slice(&bytes).map_err(|error| wrong(&format!("is none of ours: {error}")))?;
        standings.insert((line.sample, line.sandbox), line.standing);
    }
    Err(JournalError::NoJournal { path: path.to_owned(), line: MAX_LINES, problem: "is not the last".to_owned() })
}

/// So that the file's name survives, too.
fn sync_directory(path: &Path) -> io::Result<()> {
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(directory)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verdict::Raw;

    fn submitted(id: &str) -> Standing {
        Standing::Submitted(Submission::new(id))
    }

    #[test]
    fn what_is_noted_is_there_again_and_a_torn_line_is_not() {
        let place = tempfile::tempdir().expect("a directory");
        let path = place.path().join("journal");
        let raw = Raw { scale: "0-10".to_owned(), value: Some(3.into()), label: None };
        let judged = Standing::Judged(Submission::new("8"), Verdict::unknown("why", raw));
        {
            let journal = Journal::open(&path).expect("begun");
            assert!(matches!(Journal::open(&path), Err(JournalError::InUse(_))), "it belongs to one");
            for standing in [Standing::Uncertain, submitted("7")] {
                journal.note("a", "lab", standing).expect("written");
            }
            journal.note("a", "two", judged.clone()).expect("written");
            journal.note("b", "lab", Standing::Uncertain).expect("written");
        }
        let whole = std::fs::read(&path).expect("read");
        for cut in 0..=whole.len() {
            std::fs::write(&path, &whole[..cut]).expect("written");
            let journal = Journal::open(&path).unwrap_or_else(|error| panic!("cut at {cut}: {error}"));
            let lines = whole[..cut].iter().filter(|byte| **byte == b'\n').count();
            let expected = match lines {
                0 | 1 => (Standing::New, Standing::New, Standing::New),
                2 => (Standing::Uncertain, Standing::New, Standing::New),
                3 => (submitted("7"), Standing::New, Standing::New),
                4 => (submitted("7"), judged.clone(), Standing::New),
                _ => (submitted("7"), judged.clone(), Standing::Uncertain),
            };
            let found = (journal.standing("a", "lab"), journal.standing("a", "two"), journal.standing("b", "lab"));
            assert_eq!(found, expected, "cut at {cut}");
            journal.note("c", "lab", submitted("9")).expect("it goes on");
            drop(journal);
            let journal = Journal::open(&path).expect("whole again");
            assert_eq!(journal.standing("c", "lab"), submitted("9"), "cut at {cut}");
        }
    }

    #[test]
    fn what_is_no_journal_is_left_alone() {
        let place = tempfile::tempdir().expect("a directory");
        let path = place.path().join("file");
        let head = format!("{{\"format\":\"{FORMAT}\"}}\n");
        for text in
            ["MZ", "hello\n", "{\"format\":\"other\"}\n", &format!("{head}oops\n{head}"), &format!("{head}{{}}\n")]
        {
            std::fs::write(&path, text).expect("written");
            assert!(matches!(Journal::open(&path), Err(JournalError::NoJournal { .. })), "{text}");
            assert_eq!(std::fs::read_to_string(&path).expect("read"), *text);
        }
        assert!(matches!(Journal::open(place.path()), Err(JournalError::Io { .. })));
    }
}
