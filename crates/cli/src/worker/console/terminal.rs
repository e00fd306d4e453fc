//! The terminal, or what stands in for it.

use std::fmt::Display;
use std::io::{self, BufRead, IsTerminal, Read, Write};
use std::thread;

use anyhow::Context;
use belljar_worker::resource::Level;
use tokio::sync::mpsc;

use crate::failure::{Failure, print};

/// Bytes of a line, at most: as many as a terminal takes (`termios(3)`), times sixteen.
const MAX_LINE_BYTES: usize = 64 * 1024;

/// What Node's runner says about itself in every run. It is in the log with RabbitMQ, as it always was; here it would hide the rest.
const ROUTINE: [&str; 4] = ["Starting sandbox ...", "Loading sandboxed code ...", "Done.", "Exiting sandbox."];

/// Whether somebody types.
pub(super) fn is_typed() -> bool {
    io::stdin().is_terminal()
}

/// Lines of standard input.
#[derive(Debug)]
pub(super) struct Lines(mpsc::Receiver<io::Result<String>>);

impl Lines {
    /// Begins to read, in a thread of its own: what waits for a key cannot be told to stop.
    pub(super) fn of_standard_input() -> Self {
        let (sender, lines) = mpsc::channel(1);
        thread::spawn(move || {
            let mut input = io::stdin().lock();
            while let Some(line) = read_line(&mut input).transpose() {
                let failed = line.is_err();
                if sender.blocking_send(line).is_err() || failed {
                    break;
                }
            }
        });
        Self(lines)
    }

    /// The next one; none at the end.
    ///
    /// # Errors
    /// It cannot be read.
    pub(super) async fn next(&mut self) -> Result<Option<String>, Failure> {
        let line = self.0.recv().await.transpose().context("cannot read standard input")?;
        Ok(line)
    }
}

fn read_line(input: &mut impl BufRead) -> io::Result<Option<String>> {
    let mut line = Vec::new();
    if input.take(MAX_LINE_BYTES as u64 + 1).read_until(b'\n', &mut line)? == 0 {
        return Ok(None);
    }
    if line.last() == Some(&b'\n') {
        line.pop();
        if line.last() == Some(&b'\r') {
            line.pop();
        }
    } else if line.len() > MAX_LINE_BYTES {
        return Err(io::Error::other(format!("a line is longer than {MAX_LINE_BYTES} bytes")));
    }
    String::from_utf8(line).map(Some).map_err(|_| io::Error::other("a line is not UTF-8"))
}

/// What is said to the one at the terminal.
#[derive(Debug)]
pub(super) struct Talk {
    /// Messages as they are, one a line.
    pub(super) json: bool,
    typed: bool,
    colour: bool,
}

impl Talk {
    pub(super) fn new(json: bool) -> Self {
        let plain = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        Self { json, typed: is_typed(), colour: io::stderr().is_terminal() && !plain }
    }

    /// Something of the app's, for standard output.
    ///
    /// # Errors
    /// It cannot be written.
    pub(super) fn line(&self, text: &str) -> Result<(), Failure> {
        print(format!("{text}\n"))
    }

    /// Something of ours.
    pub(super) fn note(&self, text: impl Display) {
        self.aside(&text.to_string());
    }

    /// A line of the app's log.
    pub(super) fn log(&self, level: Level, text: &str) {
        if level > Level::Debug && !ROUTINE.contains(&text) {
            self.aside(&format!("{}: {text}", level.name()));
        }
    }

    /// Asks for a line.
    pub(super) fn prompt(&self, user: &str) {
        if self.typed {
            write(&format!("{}> ", harmless(user)));
        }
    }

    /// Something is to be said although a line was asked for.
    pub(super) fn interrupt(&self) {
        if self.typed {
            write("\n");
        }
    }

    /// Nothing more is typed.
    pub(super) fn end(&self) {
        self.interrupt();
    }

    /// Dimmed, so that the conversation stands out.
    fn aside(&self, text: &str) {
        let (on, off) = if self.colour { ("\x1b[2m", "\x1b[0m") } else { ("", "") };
        write(&text.lines().map(|line| format!("{on}{line}{off}\n")).collect::<String>());
    }
}

/// To standard error. What becomes of it is no reason to fail.
fn write(text: &str) {
    let mut stderr = io::stderr().lock();
    let _ = stderr.write_all(text.as_bytes()).and_then(|()| stderr.flush());
}

/// A text that commands no terminal: apps are not trusted. Lines stay lines.
pub(super) fn harmless(text: &str) -> String {
    let is_harmless = |sign: char| {
        let direction = matches!(sign, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
        matches!(sign, '\n' | '\t') || !(sign.is_control() || direction)
    };
    text.chars().map(|sign| if is_harmless(sign) { sign } else { '\u{fffd}' }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_read_to_the_last_and_have_a_limit() {
        let mut input: &[u8] = b"one\n\r\ntwo\r\nthree";
        let mut lines = Vec::new();
        while let Some(line) = read_line(&mut input).expect("text") {
            lines.push(line);
        }
        assert_eq!(lines, ["one", "", "two", "three"]);
        assert!(read_line(&mut &b"\xff\n"[..]).is_err());
        let most = [vec![b'x'; MAX_LINE_BYTES], b"\n".to_vec()].concat();
        assert_eq!(read_line(&mut &most[..]).expect("text").map(|line| line.len()), Some(MAX_LINE_BYTES));
        assert!(read_line(&mut &vec![b'x'; MAX_LINE_BYTES + 1][..]).is_err());
    }

    #[test]
    fn apps_do_not_command_the_terminal() {
        assert_eq!(harmless("a\n\tb\x1b[2J\u{202e}c\r\u{9b}é"), "a\n\tb\u{fffd}[2J\u{fffd}c\u{fffd}\u{fffd}é");
    }
}
