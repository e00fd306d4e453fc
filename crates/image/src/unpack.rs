//! One layer, from packed bytes to a directory: two sandboxes and a pipe between them that we look at.
//!
//! The first sandbox decompresses. What it says goes through our hands, where it is counted and hashed but not understood, into
//! the second, which unpacks. So the digest of a layer is ours: neither a layer that breaks the decompressor nor one that breaks the
//! unpacking can pass for another one.

use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use belljar_sandbox::agent::ArchiveLimits;
use belljar_sandbox::{
    Access, AgentError, Launcher, LayerContents, Limits, Mount, Network, Policy, Rootfs, Sandbox, SandboxError,
};
use tokio::io::AsyncWrite;
use tokio::net::unix::pipe::Sender;

use crate::digest::Hasher;
use crate::limits::MAX_USERS_BYTES;
use crate::record::{LayerRecord, Users, VERSION};
use crate::{Digest, ImageError};

/// Where the directory to unpack into is inside.
const INSIDE: &str = "/layer";
/// Memory of each of the two: buffers, a decompressor's window of 128 MiB, and files on their way to the disk.
const MEMORY: u64 = 1 << 30;
/// Bytes that the pipe holds, where we may choose: larger pieces, fewer switches between processes.
const PIPE_BYTES: usize = 1 << 20;

/// What became of a stream.
#[derive(Debug)]
pub(crate) struct Unpacked {
    /// Of the stream when it was not compressed.
    pub(crate) digest: Digest,
    pub(crate) record: LayerRecord,
}

/// Unpacks a tar, compressed or not, into an empty directory of ours. Afterwards nothing is alive that could change it.
pub(crate) async fn unpack(
    launcher: &Launcher,
    what: &str,
    input: OwnedFd,
    into: &Path,
    limits: ArchiveLimits,
) -> Result<Unpacked, ImageError> {
    let mut decompressor = Sandbox::by(launcher, &policy(None)).await?;
    let mut unpacker = Sandbox::by(launcher, &policy(Some(into))).await?;
    let problem = |step: &str| {
        let step = step.to_owned();
        move |source| ImageError::Sandbox(SandboxError::Setup { step, source })
    };
    let (mut sink, packed) = Hashing::pipe().map_err(problem("making a pipe"))?;
    let feed = async {
        let fed = decompressor.decompress(input, &mut sink, limits.max_bytes).await;
        // The end of the archive.
        sink.pipe = None;
        fed
    };
    let (fed, contents) = tokio::join!(feed, unpacker.unpack_layer(packed, limits));
    let contents =
        outcome(fed, contents).map_err(|error| ImageError::Unpack { what: what.to_owned(), source: error.into() })?;
    let mut read = async |path: &str| unpacker.read_file(path, MAX_USERS_BYTES).await.ok();
    let (passwd, group) = (read("etc/passwd").await, read("etc/group").await);
    decompressor.end().await?;
    unpacker.end().await?;
    let (digest, _) = sink.hasher.finish();
    let LayerContents { entries, bytes, skipped, opaque } = contents;
    let users = Users::read(passwd.as_deref(), group.as_deref());
    Ok(Unpacked { digest, record: LayerRecord { version: VERSION, entries, bytes, skipped, opaque, users } })
}

/// Which of two ends tells the reason: when one side fails, the other sees a stream that breaks off.
fn outcome(
    fed: Result<u64, AgentError>,
    contents: Result<LayerContents, AgentError>,
) -> Result<LayerContents, AgentError> {
    match (fed, contents) {
        (Err(error @ AgentError::Refused(_)), _) | (_, Err(error)) | (Err(error), Ok(_)) => Err(error),
        (Ok(_), Ok(contents)) => Ok(contents),
    }
}

/// No program of anybody runs in these: no root directory, no network, and a single directory that can be written to.
fn policy(into: Option<&Path>) -> Policy {
    let layers = Rootfs::Layers(Vec::new());
    let mounts = into.map(|into| Mount { source: into.to_owned(), target: INSIDE.into(), access: Access::Layer });
    let limits = Limits { memory: MEMORY, file_size: u64::MAX >> 1, ..Limits::default() };
    Policy {
        rootfs: layers,
        mounts: mounts.into_iter().collect(),
        work_directory: PathBuf::from(INSIDE),
        network: Network::None,
        limits,
        ..Policy::default()
    }
}

/// Hashes what goes into a pipe. When nobody reads it any more, the rest is hashed all the same: whether that matters is for the
/// reader to say.
#[derive(Debug)]
struct Hashing {
    pipe: Option<Sender>,
    hasher: Hasher,
}

impl Hashing {
    /// The writing end, and the reading end for somebody else.
    fn pipe() -> io::Result<(Self, OwnedFd)> {
        let (theirs, ours) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC)?;
        // Where it is refused, smaller pieces do as well.
        let _ = rustix::pipe::fcntl_setpipe_size(&ours, PIPE_BYTES);
        rustix::io::ioctl_fionbio(&ours, true)?;
        Ok((Self { pipe: Some(Sender::from_owned_fd_unchecked(ours)?), hasher: Hasher::default() }, theirs))
    }
}

impl AsyncWrite for Hashing {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let mut count = bytes.len();
        if let Some(pipe) = &mut self.pipe {
            match ready!(Pin::new(pipe).poll_write(context, bytes)) {
                Ok(written) => count = written,
                Err(error) if error.kind() == io::ErrorKind::BrokenPipe => self.pipe = None,
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
        self.hasher.add(&bytes[..count]);
        Poll::Ready(Ok(count))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
