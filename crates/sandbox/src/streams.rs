//! The ends of a program's input and output that are ours.

use std::fs::OpenOptions;
use std::io;
use std::os::fd::{AsFd, OwnedFd};

use rustix::event::{PollFd, PollFlags};
use rustix::pipe::PipeFlags;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::unix::pipe::{Receiver, Sender};

use crate::command::{Output, Stdin};
use crate::error::SandboxError;

const CHUNK: usize = 64 * 1024;

/// A descriptor that says end of file and swallows everything.
pub(crate) fn null() -> Result<OwnedFd, SandboxError> {
    let open = OpenOptions::new().read(true).write(true).open("/dev/null");
    open.map(OwnedFd::from).map_err(|error| SandboxError::setup("opening /dev/null", error))
}

/// A pipe whose reading end is ours: (theirs, ours).
pub(crate) fn output_pipe() -> Result<(OwnedFd, Receiver), SandboxError> {
    let make = || {
        let (ours, theirs) = rustix::pipe::pipe_with(PipeFlags::CLOEXEC)?;
        rustix::io::ioctl_fionbio(&ours, true)?;
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
}

#[derive(Debug)]
struct Stream {
    pipe: Receiver,
    to: Destination,
    open: bool,
}

#[derive(Debug)]
enum Destination {
    Memory(Vec<u8>),
    Descriptor(OwnedFd),
}

impl Collector {
    /// The descriptors for the program (stdout, stderr), and what takes from them.
    pub(crate) fn new(output: Output, limit: u64) -> Result<([OwnedFd; 2], Self), SandboxError> {
        let (theirs, streams) = match output {
            Output::Descriptors(stdout, stderr) => ([stdout, stderr], [None, None]),
            Output::Collect => Self::pipes([Destination::Memory(Vec::new()), Destination::Memory(Vec::new())])?,
            Output::Forward(stdout, stderr) => {
                Self::pipes([Destination::Descriptor(stdout), Destination::Descriptor(stderr)])?
            }
        };
        Ok((theirs, Self { streams, buffer: Vec::new(), left: limit, over: false }))
    }

    fn pipes(to: [Destination; 2]) -> Result<([OwnedFd; 2], [Option<Stream>; 2]), SandboxError> {
        let [first, second] = to;
        let (theirs, ours) = output_pipe()?;
        let (theirs_too, ours_too) = output_pipe()?;
        let stream = |pipe, to| Some(Stream { pipe, to, open: true });
        Ok(([theirs, theirs_too], [stream(ours, first), stream(ours_too, second)]))
    }

    /// Whether there was more than the limit.
    pub(crate) const fn over_limit(&self) -> bool {
        self.over
    }

    /// Takes one piece of output; never returns once there is none to come. Cancelling loses nothing.
    pub(crate) async fn collect(&mut self) -> io::Result<()> {
        if self.buffer.is_empty() {
            self.buffer.resize(CHUNK, 0);
        }
        let [first, second] = &self.streams;
        let index = tokio::select! {
            ready = readable(first.as_ref()) => ready.map(|()| 0)?,
            ready = readable(second.as_ref()) => ready.map(|()| 1)?,
        };
        let Some(stream) = &self.streams[index] else {
            return Ok(());
        };
        match stream.pipe.try_read(&mut self.buffer) {
            Ok(count) => self.take(index, count),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Takes what is in the pipes without waiting: the program has ended, and what it left behind does not count.
    pub(crate) fn drain(&mut self) -> io::Result<()> {
        if self.buffer.is_empty() {
            self.buffer.resize(CHUNK, 0);
        }
        for index in 0..2 {
            // A process left behind could write for ever: what it writes counts like everything else, so this ends.
            while let Some(stream) = self.streams[index].as_mut().filter(|stream| stream.open) {
                match rustix::io::read(&stream.pipe, &mut self.buffer) {
                    Ok(count) => self.take(index, count)?,
                    Err(rustix::io::Errno::INTR) => {}
                    Err(rustix::io::Errno::AGAIN) => break,
                    Err(errno) => return Err(errno.into()),
                }
                if self.over {
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    fn take(&mut self, index: usize, count: usize) -> io::Result<()> {
        let Some(stream) = self.streams[index].as_mut() else {
            return Ok(());
        };
        if count == 0 {
            stream.open = false;
            return Ok(());
        }
        let kept = usize::try_from(self.left).unwrap_or(usize::MAX).min(count);
        self.left -= kept as u64;
        self.over |= kept < count;
        let bytes = &self.buffer[..kept];
        match &mut stream.to {
            Destination::Memory(memory) => memory.extend_from_slice(bytes),
            Destination::Descriptor(fd) => {
                if let Err(error) = write_all(fd, bytes) {
                    if error.kind() != io::ErrorKind::BrokenPipe {
                        return Err(error);
                    }
                    // Nobody reads on: the program gets the same signal as it would without us.
                    self.streams[index] = None;
                }
            }
        }
        Ok(())
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

async fn readable(stream: Option<&Stream>) -> io::Result<()> {
    match stream {
        Some(stream) if stream.open => stream.pipe.readable().await,
        _ => std::future::pending().await,
    }
}

/// Writes everything, also to a descriptor that its owner has made non-blocking (a terminal shared with a shell).
fn write_all(fd: &OwnedFd, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        match rustix::io::write(fd, bytes) {
            Ok(count) => bytes = bytes.get(count..).unwrap_or_default(),
            Err(rustix::io::Errno::INTR) => {}
            Err(rustix::io::Errno::AGAIN) => {
                rustix::event::poll(&mut [PollFd::from_borrowed_fd(fd.as_fd(), PollFlags::OUT)], None)?;
            }
            Err(errno) => return Err(errno.into()),
        }
    }
    Ok(())
}

/// Reads a short text to its end, without blocking longer than its writer lives.
pub(crate) async fn read_report(mut pipe: Receiver, limit: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    (&mut pipe).take(limit).read_to_end(&mut bytes).await?;
    Ok(bytes)
}
