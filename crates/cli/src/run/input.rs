//! Standard input of a command that gets no terminal of its own.

use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::thread;

use rustix::pipe::{PipeFlags, pipe_with};
use rustix::stdio::stdin;
use rustix::termios::isatty;

use crate::args::InputSource;

/// What is typed on a terminal, and where it goes.
#[derive(Debug)]
pub(crate) struct Typed {
    from: File,
    to: File,
}

/// The descriptor for the command. A terminal is not handed over, because whoever holds it can write to it too and change its
/// settings: the command gets a pipe then, which has to be filled by [`Typed::pass_on`].
///
/// # Errors
///
/// The file cannot be opened.
pub(crate) fn open(source: &InputSource) -> io::Result<(OwnedFd, Option<Typed>)> {
    let input = match source {
        InputSource::File(path) => File::open(path)?,
        InputSource::Caller => File::from(stdin().try_clone_to_owned()?),
    };
    if !isatty(&input) {
        return Ok((input.into(), None));
    }
    let (theirs, ours) = pipe_with(PipeFlags::CLOEXEC)?;
    Ok((theirs, Some(Typed { from: input, to: File::from(ours) })))
}

impl Typed {
    /// Copies from here on, until the input ends, or the command has ended and the next line is typed.
    ///
    /// # Errors
    ///
    /// No thread can be started.
    pub(crate) fn pass_on(mut self) -> io::Result<()> {
        thread::Builder::new().name("input".to_owned()).spawn(move || {
            // Nobody is there to read on: nothing is lost that anybody wants.
            let _ = io::copy(&mut self.from, &mut self.to);
        })?;
        Ok(())
    }
}
