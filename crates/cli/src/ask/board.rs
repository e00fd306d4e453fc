//! Progress: on a terminal a table that is drawn over and over, one row for each sandbox; else a line for each thing that happens.

use std::fmt::Write as _;
use std::io::{self, IsTerminal as _, Write as _};
use std::time::{Duration, Instant};

use belljar_client::Status;
use belljar_client::fleet::{Event, Happened, Way};

use super::plain;
use super::samples::short;
use crate::failure::say;

/// How often the table is drawn while nothing happens: its clock goes on.
pub(super) const TICK: Duration = Duration::from_millis(250);
/// Between two drawings, at least.
const INTERVAL: Duration = Duration::from_millis(80);
/// Columns where a terminal does not say how many it has.
const WIDTH: usize = 80;

/// One sandbox's row.
#[derive(Debug)]
struct Row {
    name: String,
    vendor: &'static str,
    /// What happened last; with one sample that is the row.
    state: String,
    done: usize,
    failed: usize,
    at_it: usize,
    ended: Option<Duration>,
}

/// What is known of all sandboxes.
#[derive(Debug)]
pub(super) struct Board {
    rows: Vec<Row>,
    samples: Vec<String>,
    /// Whether each is waiting to be told of its end: by sample and sandbox.
    open: Vec<bool>,
    began: Instant,
    drawn: Option<Instant>,
    /// Lines on the terminal that are ours.
    lines: usize,
    terminal: bool,
    quiet: bool,
}

impl Board {
    /// Nothing has happened yet. When `quiet`, nothing is shown where there is no terminal.
    pub(super) fn new(sandboxes: Vec<(String, &'static str)>, samples: Vec<String>, quiet: bool) -> Self {
        let row = |(name, vendor)| Row {
            name,
            vendor,
            state: "waiting for its turn".to_owned(),
            done: 0,
            failed: 0,
            at_it: 0,
            ended: None,
        };
        let open = vec![false; sandboxes.len() * samples.len()];
        let terminal = io::stderr().is_terminal();
        let rows = sandboxes.into_iter().map(row).collect();
        Self { rows, samples, open, began: Instant::now(), drawn: None, lines: 0, terminal, quiet }
    }

    /// Takes note of something.
    pub(super) fn hear(&mut self, event: &Event) {
        let state = state(&event.happened);
        let ended = matches!(event.happened, Happened::Judged(_) | Happened::Failed(_));
        let place = event.sample * self.rows.len() + event.member;
        let elapsed = self.began.elapsed();
        let (Some(row), Some(open)) = (self.rows.get_mut(event.member), self.open.get_mut(place)) else { return };
        match (*open, ended) {
            (false, false) => row.at_it += 1,
            (true, true) => row.at_it = row.at_it.saturating_sub(1),
            _ => {}
        }
        *open = !ended;
        match event.happened {
            Happened::Judged(_) => row.done += 1,
            Happened::Failed(_) => row.failed += 1,
            _ => {}
        }
        if ended && row.done + row.failed >= self.samples.len() {
            row.ended = Some(elapsed);
        }
        row.state.clone_from(&state);
        if self.terminal {
            self.draw(false);
        } else if !self.quiet {
            let sample = self.samples.get(event.sample).map_or("", String::as_str);
            say(format_args!("{}: {}: {state}", row.name, plain(sample)));
        }
    }

    /// Draws it anew, unless that was done just now.
    pub(super) fn draw(&mut self, at_once: bool) {
        if !self.terminal || (!at_once && self.drawn.is_some_and(|at| at.elapsed() < INTERVAL)) {
            return;
        }
        self.drawn = Some(Instant::now());
        let size = rustix::termios::tcgetwinsize(io::stderr()).ok().filter(|size| size.ws_col > 0 && size.ws_row > 1);
        let (width, height) = size.map_or((WIDTH, 24), |size| (size.ws_col.into(), size.ws_row.into()));
        let text = self.text(width, height);
        // Line over line, so that nothing flickers (ECMA-48: CPL, EL, ED).
        let mut drawn = if self.lines == 0 { String::new() } else { format!("\u{1b}[{}F", self.lines) };
        self.lines = text.lines().count();
        drawn.push_str(&text.replace('\n', "\u{1b}[K\n"));
        drawn.push_str("\u{1b}[J");
        let _ = io::stderr().lock().write_all(drawn.as_bytes());
    }

    /// Takes it off the terminal, for something else to be written there.
    pub(super) fn clear(&mut self) {
        if self.terminal && self.lines > 0 {
            let _ = io::stderr().lock().write_all(self.erasing().as_bytes());
            self.lines = 0;
        }
    }

    /// Up to its first line, and away with all below (ECMA-48: CPL, ED).
    fn erasing(&self) -> String {
        if self.lines == 0 { String::new() } else { format!("\u{1b}[{}F\u{1b}[J", self.lines) }
    }

    fn text(&self, width: usize, height: usize) -> String {
        let names = self.rows.iter().map(|row| row.name.len()).max().unwrap_or(0);
        let vendors = self.rows.iter().map(|row| row.vendor.len()).max().unwrap_or(0);
        let mut text = String::new();
        // The last line is where the cursor is: nothing of ours may scroll away, or it could not be drawn over.
        let room = height.saturating_sub(2).max(1);
        for row in self.rows.iter().take(room) {
            let clock = row.ended.unwrap_or_else(|| self.began.elapsed()).as_secs();
            let counts = match self.samples.len() {
                1 => String::new(),
                all => format!("{} of {all} done, {} failed, {} at it  ", row.done, row.failed, row.at_it),
            };
            let line = format!(
                "{:names$}  {:vendors$}  {:>3}:{:02}  {counts}{}",
                row.name,
                row.vendor,
                clock / 60,
                clock % 60,
                plain(&row.state)
            );
            let line: String = line.chars().take(width.saturating_sub(1)).collect();
            // A String takes all that is written.
            let _ = writeln!(text, "{line}");
        }
        if self.rows.len() > room {
            let _ = writeln!(text, "and {} more", self.rows.len() - room);
        }
        text
    }
}

/// What happened, in a few words.
fn state(happened: &Happened) -> String {
    match happened {
        Happened::LookingUp => "looking its hash up".to_owned(),
        Happened::Submitting => "submitting".to_owned(),
        Happened::There(submission, way) => {
            let id = short(&submission.id, 48);
            match way {
                Way::Submitted => format!("submitted as {id}"),
                Way::Known => format!("known already, as {id}"),
                Way::Resumed => format!("submitted before, as {id}"),
            }
        }
        Happened::Pausing(time, why) => format!("pausing for {} s: {why}", time.as_secs()),
        Happened::Status(Status::Queued) => "queued".to_owned(),
        Happened::Status(Status::Running) => "running".to_owned(),
        Happened::Status(Status::Finished) => "finished".to_owned(),
        Happened::Status(Status::Failed(why)) => format!("failed: {why}"),
        Happened::Fetching => "fetching the report".to_owned(),
        Happened::Judged(verdict) => match verdict.score {
            Some(score) => format!("{}, {score} of 100", verdict.verdict),
            None => verdict.verdict.to_string(),
        },
        Happened::Failed(why) => format!("no verdict: {why}"),
    }
}

#[cfg(test)]
mod tests {
    use belljar_client::{Submission, Verdict};

    use super::*;

    fn board(samples: usize) -> Board {
        let sandboxes = vec![("lab".to_owned(), "cuckoo"), ("second".to_owned(), "pt")];
        let samples = (0..samples).map(|number| format!("{number}.exe")).collect();
        Board { terminal: false, ..Board::new(sandboxes, samples, true) }
    }

    fn hear(board: &mut Board, sample: usize, member: usize, happened: Happened) {
        board.hear(&Event { sample, member, happened });
    }

    #[test]
    fn a_table_has_a_row_for_each_sandbox() {
        let raw = belljar_client::Raw { scale: String::new(), value: None, label: None };
        let judged = || Happened::Judged(Verdict::unknown("x", raw.clone()));
        let mut one = board(1);
        hear(&mut one, 0, 0, Happened::There(Submission::new("7\u{1b}[2J"), Way::Submitted));
        hear(&mut one, 0, 1, Happened::Failed("no key".to_owned()));
        assert_eq!(
            one.text(80, 24),
            "lab     cuckoo    0:00  submitted as 7\\u{1b}[2J\nsecond  pt        0:00  no verdict: no key\n"
        );
        assert_eq!(one.text(20, 24), "lab     cuckoo    0\nsecond  pt        0\n");
        assert_eq!(one.text(80, 3), "lab     cuckoo    0:00  submitted as 7\\u{1b}[2J\nand 1 more\n");
        let mut many = board(3);
        for sample in 0..3 {
            hear(&mut many, sample, 0, Happened::Submitting);
        }
        hear(&mut many, 0, 0, judged());
        hear(&mut many, 1, 0, Happened::Failed("x".to_owned()));
        // One that ends without having begun, as with what was judged before.
        hear(&mut many, 0, 1, judged());
        let text = many.text(100, 24);
        assert!(
            text.contains("1 of 3 done, 1 failed, 1 at it") && text.contains("1 of 3 done, 0 failed, 0 at it"),
            "{text}"
        );
    }

    #[test]
    fn what_is_drawn_over_is_erased() {
        let mut board = board(1);
        assert_eq!(board.erasing(), "");
        board.lines = 3;
        assert_eq!(board.erasing(), "\u{1b}[3F\u{1b}[J");
    }
}
