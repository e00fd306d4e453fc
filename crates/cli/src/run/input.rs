//! Standard input of a command that gets no terminal of its own.

use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::thread;

use rustix::fs::{FileType, fstat, fstatfs, major, minor};
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::stdio::stdin;

use crate::args::InputSource;

/// `PIPEFS_MAGIC` of `linux/magic.h`: where pipes without a name are.
const PIPES: i64 = 0x5049_5045;
/// The device number of `/dev/null`.
const NULL: (u32, u32) = (1, 3);

/// What is typed on a terminal or stands in a file, and where it goes.
#[derive(Debug)]
pub(crate) struct Typed {
    from: File,
    to: File,
}

/// The descriptor for the command. Whoever holds a descriptor holds more than its bytes: with a terminal's one can write and change
/// its settings, with a file's change the mode and the times of the file, which belongs to the caller, with a directory's reach
/// the sockets of the whole host, because a path may begin there. So the command gets a pipe, which has to be filled by
/// [`Typed::pass_on`], unless the input is a pipe without a name or `/dev/null`, where there is nothing else to gain.
///
/// # Errors
///
/// The file cannot be opened, or is a directory.
pub(crate) fn open(source: &InputSource) -> io::Result<(OwnedFd, Option<Typed>)> {
    let input = match source {
        InputSource::File(path) => File::open(path)?,
        InputSource::Caller => File::from(stdin().try_clone_to_owned()?),
    };
    let status = fstat(&input)?;
    let kind = FileType::from_raw_mode(status.st_mode);
    let harmless = match kind {
        FileType::Directory => return Err(io::ErrorKind::IsADirectory.into()),
        FileType::Fifo => fstatfs(&input)?.f_type == PIPES,
        FileType::CharacterDevice => (major(status.st_rdev), minor(status.st_rdev)) == NULL,
        _ => false,
    };
    if harmless {
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
