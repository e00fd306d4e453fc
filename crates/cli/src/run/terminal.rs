//! A terminal of the command's own: what is typed goes in, what it shows comes out, and the caller's terminal is as it was.
//!
//! The caller's own terminal is not handed over: a program that holds it could change its settings, write to it after its end, and,
//! on some kernels, put words into the caller's mouth (`TIOCSTI`, `ioctl_tty(2)`).

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::thread::{self, JoinHandle};

use rustix::process::Signal;
use rustix::pty::{OpenptFlags, grantpt, ioctl_tiocgptpeer, openpt, unlockpt};
use rustix::stdio::{stdin, stdout};
use rustix::termios::{OptionalActions, Termios, isatty, tcgetattr, tcgetwinsize, tcsetattr, tcsetwinsize};

/// End of transmission, which a terminal in its usual mode takes for the end of input (`termios(3)`, `VEOF`).
const END_OF_TRANSMISSION: u8 = 4;

/// A pseudoterminal (`pty(7)`) between the caller and the command.
#[derive(Debug)]
pub(crate) struct Terminal {
    /// Our end.
    ours: File,
    /// The end that the command gets.
    theirs: OwnedFd,
    /// The caller's terminal, which gets its settings back at the end; absent when standard input is none.
    raw: Option<RawMode>,
}

impl Terminal {
    /// Whether the caller sits at one: standard input and standard output both are terminals.
    pub(crate) fn of_caller() -> bool {
        isatty(stdin()) && isatty(stdout())
    }

    /// Opens a new terminal with the caller's settings and size, and lets each key that the caller presses through to it.
    ///
    /// # Errors
    ///
    /// The system has no more terminals, or the caller's refuses.
    pub(crate) fn open() -> io::Result<Self> {
        let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
        let ours = openpt(flags)?;
        grantpt(&ours)?;
        unlockpt(&ours)?;
        let theirs = ioctl_tiocgptpeer(&ours, flags)?;
        if let Ok(settings) = tcgetattr(stdin()) {
            tcsetattr(&theirs, OptionalActions::Now, &settings)?;
        }
        copy_size(&ours);
        let raw = if isatty(stdin()) { Some(RawMode::enter()?) } else { None };
        Ok(Self { ours: File::from(ours), theirs, raw })
    }

    /// The end for the command.
    ///
    /// # Errors
    ///
    /// Too many open files.
    pub(crate) fn for_command(&self) -> io::Result<OwnedFd> {
        self.theirs.try_clone()
    }

    /// Starts to copy in both directions.
    ///
    /// # Errors
    ///
    /// No thread can be started.
    pub(crate) fn connect(self) -> io::Result<Connection> {
        let mut keyboard = self.ours.try_clone()?;
        let mut screen = self.ours.try_clone()?;
        // Blocked in a read when all is over; ends with the process.
        thread::Builder::new().name("terminal-input".to_owned()).spawn(move || {
            if copy(&mut io::stdin().lock(), &mut keyboard).is_ok() {
                let _ = keyboard.write_all(&[END_OF_TRANSMISSION]);
            }
        })?;
        let output = thread::Builder::new().name("terminal-output".to_owned()).spawn(move || {
            // Ends with an error when nobody has the other end open any more.
            let _ = copy(&mut screen, &mut io::stdout().lock());
        })?;
        Ok(Connection { ours: self.ours, output, raw: self.raw })
    }
}

/// A terminal in use.
#[derive(Debug)]
pub(crate) struct Connection {
    ours: File,
    output: JoinHandle<()>,
    raw: Option<RawMode>,
}

impl Connection {
    /// Takes what a signal means for the terminal: a new size.
    pub(crate) fn notice(&self, signal: Signal) {
        if signal == Signal::WINCH {
            copy_size(&self.ours);
        }
    }

    /// Waits until all that the command wrote is shown, and gives the caller's terminal back. Every other holder of the
    /// command's end must be gone.
    pub(crate) fn finish(self) {
        let Self { ours, output, raw } = self;
        // A panic over there has been told on standard error already.
        let _ = output.join();
        drop((ours, raw));
    }
}

/// Gives the command's terminal the size of the caller's; without one it keeps what it has. The kernel tells the command.
fn copy_size(ours: impl AsFd) {
    if let Ok(size) = tcgetwinsize(stdout()).or_else(|_| tcgetwinsize(stdin())) {
        let _ = tcsetwinsize(ours, size);
    }
}

/// Copies until the end, and shows each piece at once.
fn copy(from: &mut impl Read, to: &mut impl Write) -> io::Result<()> {
    let mut buffer = [0; 16 * 1024];
    loop {
        match from.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(length) => {
                to.write_all(&buffer[..length])?;
                to.flush()?;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// The caller's terminal without line editing, echo and signals from keys, for as long as this lives.
#[derive(Debug)]
struct RawMode {
    before: Termios,
}

impl RawMode {
    fn enter() -> io::Result<Self> {
        let before = tcgetattr(stdin())?;
        let mut settings = before.clone();
        settings.make_raw();
        // Only now can what follows have something to restore.
        let guard = Self { before };
        tcsetattr(stdin(), OptionalActions::Drain, &settings)?;
        Ok(guard)
    }
}

impl Drop for RawMode {
    fn drop(&mut self) {
        // A terminal that has gone away needs nothing.
        let _ = tcsetattr(stdin(), OptionalActions::Drain, &self.before);
    }
}
