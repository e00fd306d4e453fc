//! Log lines about apps, and of the apps themselves: in the worker's log, and the last ones where a page or a console reads them.

use std::borrow::Cow;
use std::collections::VecDeque;
use std::fmt::Write as _;
use std::sync::{Arc, Mutex, PoisonError};

use jiff::Timestamp;
use tokio::sync::watch;

/// Lines that are kept of one app.
pub const KEPT_LINES: usize = 1000;
/// Bytes of text that are kept of one app.
pub const KEPT_BYTES: usize = 1 << 20;
/// Bytes of one line. What is longer is cut, and says so.
pub const MAX_LINE_BYTES: usize = 16 << 10;

/// Levels of log lines, by Python's numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// 10.
    Debug,
    /// 20.
    Info,
    /// 30.
    Warning,
    /// 40.
    Error,
    /// 50.
    Critical,
}

impl Level {
    /// Python's number for it.
    #[must_use]
    pub const fn number(self) -> u8 {
        match self {
            Self::Debug => 10,
            Self::Info => 20,
            Self::Warning => 30,
            Self::Error => 40,
            Self::Critical => 50,
        }
    }

    /// The highest whose number is not above this one; what is below all is [`Level::Debug`].
    #[must_use]
    pub fn of(number: f64) -> Self {
        [Self::Critical, Self::Error, Self::Warning, Self::Info]
            .into_iter()
            .find(|level| number >= f64::from(level.number()))
            .unwrap_or(Self::Debug)
    }

    /// Its name, in small letters.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Debug => "debug",
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Error => "error",
            Self::Critical => "critical",
        }
    }
}

/// A line that is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// Counted per app, from 1.
    pub number: u64,
    /// When it was written.
    pub moment: Timestamp,
    /// Its level.
    pub level: Level,
    /// The tenant.
    pub sandbox_id: String,
    /// The message that it is about.
    pub message_id: Option<String>,
    /// One line without control characters.
    pub text: String,
}

/// The last lines of an app. At most [`KEPT_LINES`], and [`KEPT_BYTES`] of text.
#[derive(Debug)]
pub struct Journal {
    app: String,
    kept: Mutex<Kept>,
    written: watch::Sender<u64>,
}

#[derive(Debug, Default)]
struct Kept {
    lines: VecDeque<Line>,
    bytes: usize,
    written: u64,
}

impl Journal {
    /// For the app with this name.
    #[must_use]
    pub fn new(app: impl Into<String>) -> Self {
        Self { app: app.into(), kept: Mutex::default(), written: watch::Sender::new(0) }
    }

    /// The app's name.
    #[must_use]
    pub fn app(&self) -> &str {
        &self.app
    }

    /// Those that are kept of the lines after this one's number, oldest first; 0 is before all.
    #[must_use]
    pub fn after(&self, number: u64) -> Vec<Line> {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.lines.iter().filter(|line| line.number > number).cloned().collect()
    }

    /// Says each time that there are more lines: the number of the last one.
    #[must_use]
    pub fn written(&self) -> watch::Receiver<u64> {
        self.written.subscribe()
    }

    fn keep(&self, log: &Log, level: Level, text: String) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.written += 1;
        kept.bytes += text.len();
        let line = Line {
            number: kept.written,
            moment: Timestamp::now(),
            level,
            sandbox_id: log.sandbox_id.clone(),
            message_id: log.message_id.clone(),
            text,
        };
        kept.lines.push_back(line);
        while kept.lines.len() > KEPT_LINES || kept.bytes > KEPT_BYTES {
            let Some(oldest) = kept.lines.pop_front() else { break };
            kept.bytes -= oldest.text.len();
        }
        self.written.send_replace(kept.written);
    }
}

/// Where log lines about a run go, and those of the app itself: always into the worker's log, with the app's name, the tenant and
/// the message's id, and into the app's journal.
#[derive(Debug, Clone)]
pub struct Log {
    /// The app.
    pub app: String,
    /// The tenant.
    pub sandbox_id: String,
    /// The message that it is about.
    pub message_id: Option<String>,
    journal: Arc<Journal>,
}

impl Log {
    /// For a run of the journal's app.
    #[must_use]
    pub fn new(journal: &Arc<Journal>, sandbox_id: String, message_id: Option<String>) -> Self {
        Self { app: journal.app.clone(), sandbox_id, message_id, journal: Arc::clone(journal) }
    }

    /// Writes a line: one, whatever is in the text. Control characters are escaped, what is longer than [`MAX_LINE_BYTES`] is cut.
    pub fn write(&self, level: Level, text: &str) {
        let text = one_line(text);
        let Self { app, sandbox_id, message_id, journal } = self;
        macro_rules! line {
            ($level:ident) => {
                tracing::$level!(app, sandbox_id, message_id, level = level.number(), "{text}")
            };
        }
        match level {
            Level::Debug => line!(debug),
            Level::Info => line!(info),
            Level::Warning => line!(warn),
            Level::Error | Level::Critical => line!(error),
        }
        journal.keep(self, level, text.into_owned());
    }
}

/// A text in which nothing begins a new line, commands a terminal or changes the order of what is read.
fn one_line(text: &str) -> Cow<'_, str> {
    let end = text.floor_char_boundary(MAX_LINE_BYTES);
    let (shown, cut) = text.split_at(end);
    if cut.is_empty() && !shown.contains(is_escaped) {
        return Cow::Borrowed(text);
    }
    let mut line = String::with_capacity(shown.len() + 64);
    for sign in shown.chars() {
        match sign {
            '\n' => line.push_str("\\n"),
            '\r' => line.push_str("\\r"),
            '\t' => line.push_str("\\t"),
            // Writing into a string does not fail.
            _ if is_escaped(sign) => {
                let _ = write!(line, "\\u{{{:x}}}", u32::from(sign));
            }
            _ => line.push(sign),
        }
    }
    if !cut.is_empty() {
        let _ = write!(line, "… ({} bytes more)", cut.len());
    }
    Cow::Owned(line)
}

/// Control characters, separators of lines and paragraphs, and what overrides the direction of text.
fn is_escaped(sign: char) -> bool {
    sign.is_control()
        || matches!(sign, '\u{2028}' | '\u{2029}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn journal() -> (Arc<Journal>, Log) {
        let journal = Arc::new(Journal::new("app"));
        let log = Log::new(&journal, "sandbox1".to_owned(), Some("m1".to_owned()));
        (journal, log)
    }

    #[test]
    fn lines_are_kept_with_what_they_are_about() {
        let (journal, log) = journal();
        let written = journal.written();
        log.write(Level::Info, "first");
        log.write(Level::Critical, "second é");
        assert_eq!(*written.borrow(), 2);
        let lines = journal.after(0);
        let seen: Vec<_> = lines.iter().map(|line| (line.number, line.level, line.text.as_str())).collect();
        assert_eq!(seen, [(1, Level::Info, "first"), (2, Level::Critical, "second é")]);
        assert_eq!(lines[0].sandbox_id, "sandbox1");
        assert_eq!(lines[0].message_id.as_deref(), Some("m1"));
        assert_eq!(journal.after(1).len(), 1);
        assert_eq!(journal.after(2), []);
    }

    #[test]
    fn nobody_forges_a_line() {
        let (journal, log) = journal();
        for (text, kept) in [
            ("a\n2026-11-20T00:00:00Z ERROR forged", r"a\n2026-11-20T00:00:00Z ERROR forged"),
            ("\x1b[2Jgone\r\t\0", r"\u{1b}[2Jgone\r\t\u{0}"),
            ("a\u{85}b\u{2028}c\u{202e}d\u{9b}", r"a\u{85}b\u{2028}c\u{202e}d\u{9b}"),
            ("Jürgen 😀", "Jürgen 😀"),
        ] {
            log.write(Level::Info, text);
            assert_eq!(journal.after(0).last().expect("was written").text, kept);
        }
    }

    #[test]
    fn long_lines_are_cut_and_old_ones_go() {
        let (journal, log) = journal();
        log.write(Level::Info, &"é".repeat(MAX_LINE_BYTES));
        let text = &journal.after(0)[0].text;
        assert!(text.len() < MAX_LINE_BYTES + 64 && text.ends_with("(16384 bytes more)"), "{}", &text[16_000..]);
        for _ in 0..KEPT_LINES {
            log.write(Level::Info, "short");
        }
        let lines = journal.after(0);
        assert_eq!((lines.len(), lines[0].number), (KEPT_LINES, 2));
        for _ in 0..100 {
            log.write(Level::Info, &"x".repeat(MAX_LINE_BYTES));
        }
        let lines = journal.after(0);
        let bytes: usize = lines.iter().map(|line| line.text.len()).sum();
        assert!(bytes <= KEPT_BYTES && bytes > KEPT_BYTES - MAX_LINE_BYTES, "{bytes}");
        assert_eq!(lines.last().expect("was written").number, 1101);
    }

    #[test]
    fn numbers_between_levels_are_the_lower_one() {
        for (number, level) in [
            (-1.0, Level::Debug),
            (10.0, Level::Debug),
            (19.9, Level::Debug),
            (20.0, Level::Info),
            (35.0, Level::Warning),
            (40.0, Level::Error),
            (1e9, Level::Critical),
        ] {
            assert_eq!(Level::of(number), level);
        }
    }
}
