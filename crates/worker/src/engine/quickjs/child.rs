//! The life of one message's process: a fork of the zygote.

use std::os::fd::BorrowedFd;
use std::time::Duration;

use belljar_sys::seccomp::Instruction;
use belljar_sys::{Errno, call};
use rustix::process::{Resource, Rlimit, setrlimit};

use super::app::{App, Deadline, Fatal};
use super::code;
use super::fresh::Extent;
use super::wire::Load;

/// Lines come and go here.
const LINES: i32 = 0;
/// Standard error.
const ERRORS: i32 = 2;
/// Bytes read at a time: a few lines. Each page of them has to be made.
const CHUNK: usize = 16 * 1024;
/// Bytes of one line, at most: as many as a resource could ever answer with, and far above what one does.
const MAX_LINE: usize = 64 << 20;
/// Lines that wait to be written are written as soon as they are so many bytes.
const FLUSH: usize = 256 * 1024;
/// Memory besides that of QuickJS's own accounts.
const NATIVE_MEMORY: u64 = 96 << 20;

/// What a zygote knows of its children before there are any.
#[derive(Debug)]
pub(super) struct Prepared {
    /// The filter of system calls.
    pub(super) filter: Vec<Instruction>,
    /// Bytes that QuickJS had allocated when all was loaded.
    pub(super) allocated: usize,
    /// Bytes of address space that the zygote has.
    pub(super) address_space: u64,
}

/// Becomes a message's process.
pub(super) fn live(mut app: App, load: &Load, prepared: &Prepared, lines: i32, errors: i32) -> ! {
    let code = match confine(load, prepared, lines, errors) {
        Ok(()) => {
            let ended = run(&mut app, load, prepared);
            finish(&app, ended)
        }
        Err(errno) => {
            say(&format!("belljar: a message's process could not be confined: error {}\n", errno.0));
            code::BROKEN
        }
    };
    // Nothing is given back piece by piece: that would mean to copy first what is shared with all others.
    call::exit(code)
}

fn confine(load: &Load, prepared: &Prepared, lines: i32, errors: i32) -> Result<(), Errno> {
    // The zygote's socket was 0.
    call::duplicate_to(lines, LINES)?;
    call::duplicate_to(errors, ERRORS)?;
    call::duplicate_to(ERRORS, 1)?;
    call::close_all_except(&[LINES, 1, ERRORS])?;
    call::die_with_parent()?;
    call::set_dumpable(false)?;
    // The script is interrupted before that, and says where it was.
    limit(Resource::Cpu, load.cpu_seconds + 1)?;
    limit(Resource::Nofile, load.open_files)?;
    limit(Resource::Fsize, 0)?;
    limit(Resource::As, prepared.address_space + load.message_memory as u64 + NATIVE_MEMORY)?;
    call::unblock_signals();
    call::install_filter(&prepared.filter)
}

fn limit(resource: Resource, most: u64) -> Result<(), Errno> {
    setrlimit(resource, Rlimit { current: Some(most), maximum: Some(most) })
        .map_err(|errno| Errno(errno.raw_os_error()))
}

/// The event loop, in the order of Node's: timers, input, immediates.
fn run(app: &mut App, load: &Load, prepared: &Prepared) -> Result<i32, Fatal> {
    let mut input = Input::default();
    // Nothing happens before there is a message: a process that was made ahead must not tell the time at which it was made.
    if !input.read(None) {
        return Ok(0);
    }
    app.begin_message(prepared.allocated, load.message_memory);
    app.fresh.wake();
    app.set_deadline(Deadline::Cpu(Duration::from_secs(load.cpu_seconds)));
    if load.extent < Extent::App {
        app.load(load)?;
    }
    app.settle()?;
    loop {
        app.begin_turn()?;
        while app.exit_code().is_none() && app.timer()? {
            flush_much(app);
        }
        while let Some(line) = input.line()? {
            app.receive(line)?;
            if let Some(code) = app.exit_code() {
                return Ok(code);
            }
            flush_much(app);
        }
        app.begin_immediates()?;
        while app.exit_code().is_none() && app.immediate()? {
            flush_much(app);
        }
        if let Some(code) = app.exit_code() {
            return Ok(code);
        }
        flush(app);
        if input.ended && !app.is_alive()? {
            return Ok(0);
        }
        input.wait(app.wait()?);
    }
}

/// What there is to be said at the end, and the code to end with.
fn finish(app: &App, ended: Result<i32, Fatal>) -> i32 {
    flush(app);
    // What was thrown to get out of the running code, if it called `process.exit`, is no fault.
    let ended = app.exit_code().map_or(ended, Ok);
    match ended.map_err(|fatal| app.diagnose(fatal)) {
        Ok(code) => code,
        Err(Fatal::Uncaught(text)) => {
            say(&format!("{text}\n"));
            code::UNCAUGHT
        }
        Err(Fatal::Memory(text)) => {
            say(&format!("{text}\n"));
            code::MEMORY
        }
        Err(Fatal::Time(text)) => {
            say(&format!("{text}\n"));
            code::CPU_TIME
        }
    }
}

/// Lines that came.
#[derive(Debug, Default)]
struct Input {
    bytes: Vec<u8>,
    /// Where the next line begins.
    start: usize,
    /// Up to where it was looked for an end of a line.
    seen: usize,
    ended: bool,
}

impl Input {
    /// Waits for input, for so long, and reads some. False at the end.
    fn read(&mut self, timeout: Option<Duration>) -> bool {
        if self.ended {
            // Only time passes.
            if let Some(timeout) = timeout {
                let _ = call::poll([], Some(nanoseconds(timeout)));
            }
            return false;
        }
        if let Ok(0) = call::poll([LINES], timeout.map(nanoseconds)) {
            return true;
        }
        self.begin_chunk();
        let before = self.bytes.len();
        self.bytes.resize(before + CHUNK, 0);
        let count = call::read(LINES, &mut self.bytes[before..]).unwrap_or(0);
        self.bytes.truncate(before + count);
        self.ended = count == 0;
        !self.ended
    }

    fn wait(&mut self, timeout: Option<Duration>) {
        self.read(timeout);
    }

    /// Lets go of what has been told.
    fn begin_chunk(&mut self) {
        self.bytes.drain(..self.start);
        self.seen -= self.start;
        self.start = 0;
    }

    /// The next complete line.
    fn line(&mut self) -> Result<Option<&str>, Fatal> {
        let Some(length) = self.bytes[self.seen..].iter().position(|&byte| byte == b'\n') else {
            self.seen = self.bytes.len();
            if self.bytes.len() - self.start > MAX_LINE {
                return Err(Fatal::Uncaught(format!(
                    "Error: a line of more than {MAX_LINE} bytes came from the worker"
                )));
            }
            return Ok(None);
        };
        let line = self.start..self.seen + length;
        self.start = line.end + 1;
        self.seen = self.start;
        let line = std::str::from_utf8(&self.bytes[line]);
        line.map(Some).map_err(|_| Fatal::Uncaught("Error: a line from the worker is not UTF-8".to_owned()))
    }
}

fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

fn flush_much(app: &App) {
    if app.unwritten() > FLUSH {
        flush(app);
    }
}

/// Writes what scripts wanted to be written.
fn flush(app: &App) {
    write_all(rustix::stdio::stdin(), &app.take_lines());
    say(&app.take_text());
}

fn say(text: &str) {
    write_all(rustix::stdio::stderr(), text.as_bytes());
}

fn write_all(to: BorrowedFd<'_>, mut bytes: &[u8]) {
    while !bytes.is_empty() {
        match rustix::io::write(to, bytes) {
            Ok(count) => bytes = bytes.get(count..).unwrap_or_default(),
            Err(rustix::io::Errno::INTR) => {}
            // Nobody reads: what happens next is for whoever stopped to decide.
            Err(_) => return,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_found_however_they_come() {
        for chunks in
            [&["one\ntwo\n"][..], &["o", "ne", "\ntw", "o\n"], &["one\n", "two\n"], &["one\ntw", "o\n", "thr"]]
        {
            let mut input = Input::default();
            let mut lines = Vec::new();
            for chunk in chunks {
                input.begin_chunk();
                input.bytes.extend_from_slice(chunk.as_bytes());
                while let Some(line) = input.line().expect("all is UTF-8") {
                    lines.push(line.to_owned());
                }
            }
            assert_eq!(lines, ["one", "two"], "{chunks:?}");
        }
        let mut input = Input { bytes: b"\xff\n".to_vec(), ..Input::default() };
        assert!(matches!(input.line(), Err(Fatal::Uncaught(text)) if text.contains("UTF-8")));
    }
}
