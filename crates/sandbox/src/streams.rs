//! The ends of a program's input and output that are ours.

use std::fs::OpenOptions;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::OnceLock;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::io::Errno;
use rustix::pipe::PipeFlags;
use tokio::io::unix::AsyncFd;
use tokio::io::{AsyncReadExt, AsyncWriteExt, Interest};
use tokio::net::unix::pipe::{Receiver, Sender};
use tokio::time::Instant;

use crate::command::{Output, Stdin};
use crate::error::SandboxError;

const CHUNK: usize = 64 * 1024;
/// What a pipe takes in one piece, `PIPE_BUF` of `pipe(7)`.
const PIPE_BUF: usize = 4096;

/// How long output that nobody waits for stays in its pipe: a program that has ended by then is read once, without being woken for, by
/// the way, the end of each of its pipes.
const QUIET: Duration = Duration::from_millis(2);

/// A descriptor that says end of file and swallows everything.
pub(crate) fn null() -> Result<OwnedFd, SandboxError> {
    // Opened once; a copy costs a tenth.
    static NULL: OnceLock<OwnedFd> = OnceLock::new();
    let open = || match NULL.get() {
        Some(null) => null.try_clone(),
        None => {
            let null = OpenOptions::new().read(true).write(true).open("/dev/null")?;
            NULL.get_or_init(|| OwnedFd::from(null)).try_clone()
        }
    };
    open().map_err(|error| SandboxError::setup("opening /dev/null", error))
}

/// A pipe whose reading end is ours and does not block: (theirs, ours).
fn pipe() -> io::Result<(OwnedFd, OwnedFd)> {
    let (ours, theirs) = rustix::pipe::pipe_with(PipeFlags::CLOEXEC)?;
    rustix::io::ioctl_fionbio(&ours, true)?;
    Ok((theirs, ours))
}

/// A pipe whose reading end is ours: (theirs, ours).
pub(crate) fn output_pipe() -> Result<(OwnedFd, Receiver), SandboxError> {
    let make = || {
        let (theirs, ours) = pipe()?;
        Ok::<_, io::Error>((theirs, Receiver::from_owned_fd_unchecked(ours)?))
    };
    make().map_err(|error| SandboxError::setup("making a pipe", error))
}

/// What is written to a program's input, while it runs.
#[derive(Debug)]
pub(crate) struct Feeder {
    pipe: Option<Sender>,
    bytes: Vec<u8>,
    written: usize,
}

impl Feeder {
    /// The descriptor for the program, and what feeds it.
    pub(crate) fn new(stdin: Stdin) -> Result<(OwnedFd, Self), SandboxError> {
        let idle = Self { pipe: None, bytes: Vec::new(), written: 0 };
        match stdin {
            Stdin::Empty => Ok((null()?, idle)),
            Stdin::Descriptor(fd) => Ok((fd, idle)),
            Stdin::Bytes(bytes) => {
                let make = || {
                    let (theirs, ours) = rustix::pipe::pipe_with(PipeFlags::CLOEXEC)?;
                    rustix::io::ioctl_fionbio(&ours, true)?;
                    Ok::<_, io::Error>((theirs, Sender::from_owned_fd_unchecked(ours)?))
                };
                let (theirs, ours) = make().map_err(|error| SandboxError::setup("making a pipe", error))?;
                Ok((theirs, Self { pipe: Some(ours), bytes, written: 0 }))
            }
        }
    }

    /// Writes as much as fits; never returns once there is nothing to write. Cancelling loses nothing.
    pub(crate) async fn feed(&mut self) {
        let Some(pipe) = &mut self.pipe else {
            return std::future::pending().await;
        };
        match pipe.write(&self.bytes[self.written..]).await {
            Ok(count) => {
                self.written += count;
                if self.written >= self.bytes.len() {
                    self.pipe = None;
                }
            }
            // The program does not read its input, which is its business.
            Err(_) => self.pipe = None,
        }
    }
}

/// Takes a program's output, up to a limit over both streams.
#[derive(Debug)]
pub(crate) struct Collector {
    streams: [Option<Stream>; 2],
    buffer: Vec<u8>,
    left: u64,
    over: bool,
    /// When to begin to wait for output.
    quiet_until: Instant,
}

#[derive(Debug)]
struct Stream {
    pipe: Source,
    to: Destination,
    open: bool,
}

/// The reading end of a pipe.
#[derive(Debug)]
enum Source {
    /// Nobody waits for it yet.
    Quiet(OwnedFd),
    /// Known to the runtime; taken out only while it becomes so.
    Watched(Option<Receiver>),
}

impl Source {
    /// Lets the runtime know it.
    fn watch(&mut self) -> io::Result<()> {
        if let Self::Quiet(_) = self
            && let Self::Quiet(fd) = std::mem::replace(self, Self::Watched(None))
        {
            *self = Self::Watched(Some(Receiver::from_owned_fd_unchecked(fd)?));
        }
        Ok(())
    }

    /// Reads without waiting, past the runtime, which learns of what is in a pipe a moment later.
    fn read(&self, into: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Quiet(fd) => Ok(rustix::io::read(fd, into)?),
            Self::Watched(Some(receiver)) => Ok(rustix::io::read(receiver, into)?),
            Self::Watched(None) => Ok(0),
        }
    }
}

#[derive(Debug)]
enum Destination {
    Memory(Vec<u8>),
    Descriptor(Sink),
}

/// A descriptor of somebody else's that output goes to, at the pace of whoever reads it.
#[derive(Debug)]
struct Sink {
    fd: OwnedFd,
    /// A second handle, to wait for room; absent for what always has room, such as a file.
    ready: Option<AsyncFd<OwnedFd>>,
    /// What was read from the program and is not written yet. Until it is, no more is read.
    pending: Vec<u8>,
}

impl Sink {
    fn new(fd: OwnedFd) -> Result<Self, SandboxError> {
        let copy = fd.try_clone().map_err(|error| SandboxError::setup("duplicating a descriptor", error))?;
        // Files and some devices cannot be waited for, and need not be.
        #[expect(
            deprecated,
            reason = "the replacement is unsafe, for handles whose descriptor changes; an OwnedFd's does not"
        )]
        let ready = AsyncFd::with_interest(copy, Interest::WRITABLE).ok();
        Ok(Self { fd, ready, pending: Vec::new() })
    }

    /// Writes a part of what is pending. Cancelling loses nothing.
    async fn write(&mut self) -> io::Result<()> {
        let count = match &self.ready {
            None => rustix::io::write(&self.fd, &self.pending)?,
            Some(ready) => loop {
                let mut guard = ready.writable().await?;
                // The descriptor is shared with others, so it cannot be made non-blocking. A pipe with room at all takes this
                // much at once.
                let part = &self.pending[..self.pending.len().min(PIPE_BUF)];
                let written = if has_room(&self.fd) { rustix::io::write(&self.fd, part) } else { Err(Errno::AGAIN) };
                match written {
                    Ok(count) => break count,
                    Err(Errno::AGAIN) => guard.clear_ready(),
                    Err(Errno::INTR) => {}
                    Err(errno) => return Err(errno.into()),
                }
            },
        };
        self.pending.drain(..count);
        Ok(())
    }
}

fn has_room(fd: &OwnedFd) -> bool {
    let mut entries = [PollFd::from_borrowed_fd(fd.as_fd(), PollFlags::OUT)];
    // A hang-up or an error is for the write to tell.
    rustix::event::poll(&mut entries, Some(&Timespec::default())).is_ok_and(|count| count > 0)
}

impl Collector {
    /// The descriptors for the program (stdout, stderr), and what takes from them.
    pub(crate) fn new(output: Output, limit: u64) -> Result<([OwnedFd; 2], Self), SandboxError> {
        let (theirs, streams) = match output {
            Output::Descriptors(stdout, stderr) => ([stdout, stderr], [None, None]),
            Output::Collect => Self::pipes([Destination::Memory(Vec::new()), Destination::Memory(Vec::new())])?,
            Output::Forward(stdout, stderr) => {
                Self::pipes([Destination::Descriptor(Sink::new(stdout)?), Destination::Descriptor(Sink::new(stderr)?)])?
            }
        };
        let quiet_until = Instant::now() + QUIET;
        Ok((theirs, Self { streams, buffer: Vec::new(), left: limit, over: false, quiet_until }))
    }

    fn pipes(to: [Destination; 2]) -> Result<([OwnedFd; 2], [Option<Stream>; 2]), SandboxError> {
        let problem = |error| SandboxError::setup("making a pipe", error);
        let ((theirs, ours), (theirs_too, ours_too)) = (pipe().map_err(problem)?, pipe().map_err(problem)?);
        let [first, second] = to;
        let stream = |ours, to| {
            let mut pipe = Source::Quiet(ours);
            // Somebody may wait for what is handed on.
            if matches!(to, Destination::Descriptor(_)) {
                pipe.watch().map_err(problem)?;
            }
            Ok(Some(Stream { pipe, to, open: true }))
        };
        Ok(([theirs, theirs_too], [stream(ours, first)?, stream(ours_too, second)?]))
    }

    /// Whether there was more than the limit.
    pub(crate) const fn over_limit(&self) -> bool {
        self.over
    }

    /// Takes one piece of output, or hands one on; never returns once there is none to come. Cancelling loses nothing.
    pub(crate) async fn collect(&mut self) -> io::Result<()> {
        for stream in self.streams.iter_mut().flatten() {
            if let Source::Quiet(_) = stream.pipe {
                tokio::time::sleep_until(self.quiet_until).await;
                stream.pipe.watch()?;
            }
        }
        let [first, second] = &mut self.streams;
        let (index, wrote) = tokio::select! {
            moved = moved(first) => (0, moved),
            moved = moved(second) => (1, moved),
        };
        match wrote {
            Moved::In => self.read(index, try_read).map(drop),
            Moved::Out(written) => self.check(index, written),
        }
    }

    /// Takes what is in the pipes, without waiting for more: the program has ended, and what it left behind does not count. Waits
    /// for whoever reads what is handed on.
    pub(crate) async fn drain(&mut self) -> io::Result<()> {
        for index in 0..2 {
            loop {
                self.flush(index).await?;
                // A process left behind could write for ever: what it writes counts like everything else, so this ends.
                if self.over || !self.read(index, Source::read)? {
                    break;
                }
            }
        }
        Ok(())
    }

    async fn flush(&mut self, index: usize) -> io::Result<()> {
        while let Some(Stream { to: Destination::Descriptor(sink), .. }) = &mut self.streams[index]
            && !sink.pending.is_empty()
        {
            let written = sink.write().await;
            self.check(index, written)?;
        }
        Ok(())
    }

    fn check(&mut self, index: usize, written: io::Result<()>) -> io::Result<()> {
        match written {
            // Nobody reads on: the program gets the same signal as it would without us.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {
                self.streams[index] = None;
                Ok(())
            }
            other => other,
        }
    }

    /// Reads once, without waiting; whether there was something.
    fn read(&mut self, index: usize, read: impl Fn(&Source, &mut [u8]) -> io::Result<usize>) -> io::Result<bool> {
        if self.buffer.is_empty() {
            self.buffer.resize(CHUNK, 0);
        }
        let Some(stream) = self.streams[index].as_mut().filter(|stream| stream.open) else {
            return Ok(false);
        };
        let count = match read(&stream.pipe, &mut self.buffer) {
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => return Ok(true),
            Err(error) => return Err(error),
        };
        if count == 0 {
            stream.open = false;
            return Ok(false);
        }
        let kept = usize::try_from(self.left).unwrap_or(usize::MAX).min(count);
        self.left -= kept as u64;
        self.over |= kept < count;
        let bytes = &self.buffer[..kept];
        match &mut stream.to {
            Destination::Memory(memory) => memory.extend_from_slice(bytes),
            Destination::Descriptor(sink) => sink.pending.extend_from_slice(bytes),
        }
        Ok(true)
    }

    /// What was collected.
    pub(crate) fn into_bytes(self) -> (Vec<u8>, Vec<u8>) {
        let [first, second] = self.streams.map(|stream| match stream {
            Some(Stream { to: Destination::Memory(bytes), .. }) => bytes,
            _ => Vec::new(),
        });
        (first, second)
    }
}

/// What can be done with a stream next.
enum Moved {
    /// There is something to read.
    In,
    /// A part of what was pending is written.
    Out(io::Result<()>),
}

/// Reads by the runtime, which then knows that nothing is left.
fn try_read(source: &Source, into: &mut [u8]) -> io::Result<usize> {
    match source {
        Source::Watched(Some(receiver)) => receiver.try_read(into),
        other => other.read(into),
    }
}

async fn moved(stream: &mut Option<Stream>) -> Moved {
    match stream {
        Some(Stream { to: Destination::Descriptor(sink), .. }) if !sink.pending.is_empty() => {
            Moved::Out(sink.write().await)
        }
        Some(Stream { pipe: Source::Watched(Some(pipe)), open: true, .. }) => match pipe.readable().await {
            Ok(()) => Moved::In,
            Err(error) => Moved::Out(Err(error)),
        },
        _ => std::future::pending().await,
    }
}

/// Reads a short text to its end, without blocking longer than its writer lives.
pub(crate) async fn read_report(mut pipe: Receiver, limit: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    (&mut pipe).take(limit).read_to_end(&mut bytes).await?;
    Ok(bytes)
}
