//! Calls of belljar's own code inside a sandbox: archives in and out, results, members.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use belljar_sys::wire::{Cause, Request, RequestKind};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::unix::pipe::Receiver;

use crate::agent::{ArchiveLimits, Job, Report};
use crate::error::{AgentError, SandboxError};
use crate::sandbox::{Inner, Sandbox};
use crate::streams::{null, output_pipe, read_report};

/// Wall-clock time of one call: enough for gigabytes, short enough to notice a decompressor that was led astray.
pub const AGENT_WALL_TIME: Duration = Duration::from_secs(300);
/// Wall-clock time of a call for a layer of an image, which may come from a pipe or over a network.
pub const LAYER_WALL_TIME: Duration = Duration::from_secs(3600);
/// A report is a line of JSON; a hostile one is cut here.
const MAX_REPORT: u64 = 64 * 1024;
/// Bytes handed on at a time.
const CHUNK: usize = 64 * 1024;

/// What a layer of an image held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LayerContents {
    /// Members, those passed over included.
    pub entries: u64,
    /// Bytes of files.
    pub bytes: u64,
    /// Members passed over: devices, and what is of an unknown kind.
    pub skipped: u64,
    /// Nothing of the layers below shows through.
    pub opaque: bool,
}

/// Writes what a call puts out into `sink`, and counts it. The agent has limits of its own; that it keeps them is not taken on trust.
async fn pour(
    mut output: Receiver,
    sink: &mut (impl AsyncWrite + Unpin + ?Sized),
    max_bytes: u64,
) -> Result<u64, AgentError> {
    let mut written = 0;
    let mut buffer = vec![0; CHUNK];
    loop {
        let count = output.read(&mut buffer).await.map_err(AgentError::Sink)?;
        if count == 0 {
            return Ok(written);
        }
        written += count as u64;
        if written > max_bytes {
            return Err(AgentError::TooLarge(max_bytes));
        }
        sink.write_all(&buffer[..count]).await.map_err(AgentError::Sink)?;
    }
}

/// A call that has begun.
struct Call {
    output: Receiver,
    report: Receiver,
}

impl Sandbox {
    /// Unpacks a gzip-compressed tar into the work directory, over what is there.
    ///
    /// # Errors
    /// [`AgentError::Refused`] says what is wrong with the archive; what was unpacked until then stays in the sandbox.
    pub async fn unpack(&mut self, archive: OwnedFd, limits: ArchiveLimits) -> Result<(), AgentError> {
        let inner = self.get_mut();
        let call = inner.call(&Job::Unpack(limits), Some(archive)).await?;
        inner.finish(call.report).await.map(drop)
    }

    /// Packs the work directory as gzip-compressed tar into `sink`, and returns the number of bytes written.
    ///
    /// # Errors
    /// [`AgentError::TooLarge`] when the archive is larger than `max_bytes`; the sandbox then still packs until it is renewed.
    pub async fn pack(
        &mut self,
        level: u32,
        sink: &mut (impl AsyncWrite + Unpin),
        max_bytes: u64,
    ) -> Result<u64, AgentError> {
        let inner = self.get_mut();
        let Call { output, report } = inner.call(&Job::Pack { level }, None).await?;
        let written = pour(output, sink, max_bytes).await?;
        inner.finish(report).await?;
        Ok(written)
    }

    /// Decompresses what can be read from `input` (gzip, zstd, or neither) into `sink`, and returns the number of bytes written.
    ///
    /// # Errors
    /// [`AgentError::Refused`] for damage, and when there are more than `max_bytes`; [`AgentError::Sink`] when `sink` fails.
    pub async fn decompress(
        &mut self,
        input: OwnedFd,
        sink: &mut (impl AsyncWrite + Unpin),
        max_bytes: u64,
    ) -> Result<u64, AgentError> {
        let inner = self.get_mut();
        let Call { output, report } =
            inner.call_within(&Job::Decompress { max_bytes }, Some(input), LAYER_WALL_TIME).await?;
        let written = pour(output, sink, max_bytes).await?;
        inner.finish(report).await?;
        Ok(written)
    }

    /// Unpacks a layer of an image, a tar that is not compressed, into the work directory, which a [`Mount`](crate::Mount) with
    /// [`Access::Layer`](crate::Access::Layer) has to show.
    ///
    /// # Errors
    /// [`AgentError::Refused`] says what is wrong with the layer; what was unpacked until then stays.
    pub async fn unpack_layer(&mut self, input: OwnedFd, limits: ArchiveLimits) -> Result<LayerContents, AgentError> {
        let inner = self.get_mut();
        let call = inner.call_within(&Job::UnpackLayer(limits), Some(input), LAYER_WALL_TIME).await?;
        let contents = match inner.report(call.report).await? {
            Some(Report::Layer { entries, bytes, skipped, opaque }) => {
                LayerContents { entries, bytes, skipped, opaque }
            }
            other => {
                inner.done(other).await?;
                return Err(AgentError::Failed { step: "no report from inside the sandbox".to_owned(), errno: 0 });
            }
        };
        inner.end().await?;
        Ok(contents)
    }

    /// Reads a file below the work directory.
    ///
    /// # Errors
    /// [`AgentError::Refused`] when there is no such regular file, or it is larger than `max_bytes`.
    pub async fn read_file(&mut self, path: &str, max_bytes: u64) -> Result<Vec<u8>, AgentError> {
        let inner = self.get_mut();
        let call = inner.call(&Job::Read { path: path.to_owned(), max_bytes }, None).await?;
        // The report is complete before the first byte of the file comes.
        let report = inner.report(call.report).await?;
        let size = inner.done(report).await?;
        let mut content = Vec::new();
        let read = call.output.take(size.min(max_bytes)).read_to_end(&mut content).await;
        read.map_err(AgentError::Sink)?;
        inner.end().await?;
        Ok(content)
    }

    /// One member of a gzip-compressed tar (a seekable file): its size, and its bytes to read.
    ///
    /// # Errors
    /// [`AgentError::Refused`] when there is no such member, or it is not a file.
    pub async fn member(
        mut self,
        archive: OwnedFd,
        path: &str,
        limits: ArchiveLimits,
    ) -> Result<(u64, MemberReader), AgentError> {
        let inner = self.get_mut();
        let call = inner.call(&Job::Member { path: path.to_owned(), limits }, Some(archive)).await?;
        let report = inner.report(call.report).await?;
        let size = inner.done(report).await?;
        Ok((size, MemberReader { output: call.output, left: size, _sandbox: self }))
    }
}

impl Inner {
    async fn call(&mut self, job: &Job, input: Option<OwnedFd>) -> Result<Call, AgentError> {
        self.call_within(job, input, AGENT_WALL_TIME).await
    }

    async fn call_within(
        &mut self,
        job: &Job,
        input: Option<OwnedFd>,
        wall_time: Duration,
    ) -> Result<Call, AgentError> {
        let job = serde_json::to_vec(job).map_err(|error| SandboxError::Command(error.to_string()))?;
        // The working directory comes first, empty: the spawner is in the work directory already.
        let mut text = vec![0];
        text.extend_from_slice(&job);
        let request = Request {
            wall_ns: u64::try_from(wall_time.as_nanos()).unwrap_or(u64::MAX),
            text: u32::try_from(text.len()).unwrap_or(u32::MAX),
            ..Request::plain(RequestKind::Agent)
        };
        let input = input.map_or_else(null, Ok)?;
        let (for_output, output) = output_pipe()?;
        let (for_report, report) = output_pipe()?;
        self.start(&request, &text, [input.as_fd(), for_output.as_fd(), for_report.as_fd()]).await?;
        Ok(Call { output, report })
    }

    /// The end of a call that hands nothing on any more.
    async fn finish(&mut self, report: Receiver) -> Result<u64, AgentError> {
        let report = self.report(report).await?;
        let count = self.done(report).await?;
        self.end().await?;
        Ok(count)
    }

    async fn report(&mut self, report: Receiver) -> Result<Option<Report>, AgentError> {
        let bytes = read_report(report, MAX_REPORT).await.map_err(AgentError::Sink)?;
        Ok(serde_json::from_slice(&bytes).ok())
    }

    /// Bytes of content that a report speaks of. Without a usable report, the agent's end says why.
    async fn done(&mut self, report: Option<Report>) -> Result<u64, AgentError> {
        match report {
            Some(Report::Done { bytes, .. } | Report::Layer { bytes, .. }) => Ok(bytes),
            Some(Report::Refused(refusal)) => {
                self.end().await?;
                Err(AgentError::Refused(refusal))
            }
            Some(Report::Failed { step, errno }) => {
                self.end().await?;
                Err(AgentError::Failed { step, errno })
            }
            None => {
                self.end().await?;
                Err(AgentError::Failed { step: "no report from inside the sandbox".to_owned(), errno: 0 })
            }
        }
    }

    /// Waits for the agent's end.
    async fn end(&mut self) -> Result<(), AgentError> {
        let ended = tokio::time::timeout(AGENT_WALL_TIME + Duration::from_secs(10), self.ended())
            .await
            .map_err(|_| SandboxError::Died)??;
        let failed = |step: &str, errno| Err(AgentError::Failed { step: step.to_owned(), errno });
        match (ended.cause, ended.status & 0x7f) {
            (Cause::NotStarted, _) => failed("starting belljar's own code inside the sandbox", ended.errno),
            (Cause::WallTime, _) => failed("it took too long", libc::ETIMEDOUT),
            _ if ended.oom_kills > 0 => failed("the sandbox has too little memory for it", libc::ENOMEM),
            (_, libc::SIGXFSZ) => failed("a file is larger than a sandbox allows", libc::EFBIG),
            (_, 0) => Ok(()),
            (_, signal) => failed(&format!("killed by signal {signal}"), 0),
        }
    }
}

/// The bytes of an archive's member; it keeps its sandbox until it is dropped.
#[derive(Debug)]
pub struct MemberReader {
    output: Receiver,
    left: u64,
    _sandbox: Sandbox,
}

impl AsyncRead for MemberReader {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.left == 0 {
            return Poll::Ready(Ok(()));
        }
        let room = usize::try_from(self.left).unwrap_or(usize::MAX).min(into.remaining());
        let mut part = ReadBuf::new(into.initialize_unfilled_to(room));
        let polled = Pin::new(&mut self.output).poll_read(context, &mut part);
        let count = part.filled().len();
        match polled {
            Poll::Ready(Ok(())) if count == 0 && room > 0 => {
                // Fewer bytes than announced: whoever reads must not take it for the whole.
                Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into()))
            }
            Poll::Ready(Ok(())) => {
                into.advance(count);
                self.left -= count as u64;
                Poll::Ready(Ok(()))
            }
            other => other,
        }
    }
}
