//! The worker's side of a zygote.

use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use belljar_sandbox::{Command, End, Launcher, Limit, Outcome, Output, Policy, Sandbox, SandboxError, Stdin};
use rustix::net::{AddressFamily, SocketFlags, SocketType};
use rustix::pipe::PipeFlags;
use tokio::net::UnixStream;
use tokio::net::unix::pipe;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinHandle;

use super::forked::{Forked, Processes, listen};
use super::fresh::Extent;
use super::wire::{self, Load, Order, Report, packet_socket, receive_soon, send_soon};
use super::zygote::NAME;
use crate::engine::{EngineError, Process};

/// How long a zygote may take to carry out an order before it counts as broken, and is killed with all that it has forked.
pub(super) const PATIENCE: Duration = Duration::from_secs(5);

/// A zygote in its sandbox. Ends with its last owner; each process that was forked from it is one.
#[derive(Debug)]
pub(super) struct Handle {
    pub(super) socket: Arc<UnixStream>,
    pub(super) processes: Arc<Processes>,
    made: AtomicU64,
    room: Arc<Semaphore>,
    /// Runs the zygote.
    sandbox: AbortOnDrop,
    /// Set when the zygote is gone: why.
    gone: watch::Receiver<Option<Gone>>,
    /// Bytes of memory when it was loaded.
    memory: u64,
}

/// Why a zygote is gone.
#[derive(Debug, Clone)]
pub(super) struct Gone {
    pub(super) for_want_of_memory: bool,
    pub(super) text: String,
}

/// A task that ends with its owner.
#[derive(Debug)]
struct AbortOnDrop(JoinHandle<()>);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// What became of loading.
#[derive(Debug)]
pub(super) enum Loading {
    /// It is ready.
    Ready(Arc<Handle>),
    /// Less can be loaded ahead than was asked for.
    Less(Extent),
}

impl Handle {
    /// Makes a sandbox and a zygote in it, and loads the app. There are at most `room` processes at the same time.
    pub(super) async fn start(
        launcher: &Launcher,
        policy: &Policy,
        load: &Load,
        room: u32,
    ) -> Result<Loading, EngineError> {
        let text = serde_json::to_vec(load).map_err(|error| system("writing the app down", error.into()))?;
        let file = wire::nameless_file(&text).map_err(|error| system("handing the app over", error))?;
        let flags = SocketFlags::CLOEXEC;
        let (ours, theirs) = rustix::net::socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, flags, None)
            .map_err(|errno| system("making a socket", errno.into()))?;
        let mut sandbox = Sandbox::by(launcher, policy).await?;
        let (tell, mut gone) = watch::channel(None);
        let run = AbortOnDrop(tokio::spawn(async move {
            let command = Command { stdin: Stdin::Descriptor(theirs), output: Output::Collect, ..Command::new([NAME]) };
            let outcome = sandbox.run(command).await;
            tell.send_replace(Some(why(outcome)));
        }));
        let socket = packet_socket(ours).map_err(|error| system("making a socket", error))?;
        let loaded = async {
            send_soon(&socket, &Order::Load, &[file]).await?;
            receive_soon(&socket).await
        };
        let loaded = tokio::select! {
            // One that is gone has closed its end.
            loaded = loaded => loaded.ok().flatten(),
            () = tokio::time::sleep(Duration::from_millis(load.load_ms) + PATIENCE) => {
                return Err(EngineError::App("the app takes too long to load".to_owned()));
            }
        };
        match loaded {
            Some(Report::Loaded { extent, .. }) if extent < load.extent => Ok(Loading::Less(extent)),
            Some(Report::Loaded { memory, .. }) => {
                let (socket, processes) = (Arc::new(socket), Arc::<Processes>::default());
                let sandbox = run.0.abort_handle();
                tokio::spawn(listen(Arc::clone(&socket), Arc::clone(&processes), gone.clone(), sandbox));
                Ok(Loading::Ready(Arc::new(Self {
                    socket,
                    processes,
                    made: AtomicU64::new(0),
                    room: Arc::new(Semaphore::new(usize::try_from(room).unwrap_or(Semaphore::MAX_PERMITS))),
                    sandbox: run,
                    gone,
                    memory,
                })))
            }
            Some(Report::Refused(text)) => Err(EngineError::App(text)),
            Some(Report::Ended { .. } | Report::Failed { .. }) | None => {
                Err(EngineError::App(format!("the app cannot be loaded: {}", reason(&mut gone).await.text)))
            }
        }
    }

    /// Whether it can still be forked.
    pub(super) fn is_there(&self) -> bool {
        self.gone.borrow().is_none() && !self.sandbox.0.is_finished()
    }

    /// Memory in bytes as of when the app was loaded.
    pub(super) const fn memory(&self) -> u64 {
        self.memory
    }

    /// Kills everything.
    pub(super) fn end(&self) {
        self.sandbox.0.abort();
    }

    /// Kills everything, and waits for it.
    pub(super) async fn ended(&self) {
        self.end();
        let _ = tokio::time::timeout(PATIENCE, self.processes.closed()).await;
    }

    /// A process for a message. Waits while there are as many as there may be.
    pub(super) async fn fork(self: &Arc<Self>) -> Result<Process, EngineError> {
        let room = Arc::clone(&self.room).acquire_owned().await;
        self.fork_into(room.map_err(|error| system("waiting for room", io::Error::other(error)))?).await
    }

    /// A process for a message, unless there are as many as there may be.
    pub(super) async fn fork_if_room(self: &Arc<Self>) -> Option<Result<Process, EngineError>> {
        let room = Arc::clone(&self.room).try_acquire_owned().ok()?;
        Some(self.fork_into(room).await)
    }

    async fn fork_into(self: &Arc<Self>, room: OwnedSemaphorePermit) -> Result<Process, EngineError> {
        let doing = "making the streams of a process";
        let (theirs, [lines, errors]) = streams().map_err(|error| system(doing, error))?;
        let lines = packet_socket(lines).map_err(|error| system(doing, error))?;
        let errors = pipe::Receiver::from_owned_fd(errors).map_err(|error| system(doing, error))?;
        let id = self.made.fetch_add(1, Ordering::Relaxed);
        let forked = Forked::new(id, Arc::clone(self), room);
        send_soon(&self.socket, &Order::Fork(id), &theirs)
            .await
            .map_err(|error| system("asking for a process", error))?;
        let (stdout, stdin) = lines.into_split();
        Ok(Process {
            stdin: Box::new(stdin),
            stdout: Box::new(stdout),
            stderr: Box::new(errors),
            control: Box::new(forked),
        })
    }
}

pub(super) fn system(doing: &str, source: io::Error) -> EngineError {
    EngineError::System { doing: doing.to_owned(), source }
}

/// Descriptors for a process, and our ends of them.
fn streams() -> io::Result<([OwnedFd; 2], [OwnedFd; 2])> {
    let flags = SocketFlags::CLOEXEC;
    let (ours, theirs) = rustix::net::socketpair(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
    let (errors, for_errors) = rustix::pipe::pipe_with(PipeFlags::CLOEXEC)?;
    rustix::io::ioctl_fionbio(&errors, true)?;
    Ok(([theirs, for_errors], [ours, errors]))
}

/// Why the zygote is gone; it is known in a moment.
pub(super) async fn reason(gone: &mut watch::Receiver<Option<Gone>>) -> Gone {
    let known = match tokio::time::timeout(PATIENCE, gone.wait_for(Option::is_some)).await {
        Ok(Ok(known)) => known.clone(),
        _ => None,
    };
    known.unwrap_or_else(|| Gone { for_want_of_memory: false, text: "the app's sandbox was ended".to_owned() })
}

fn why(outcome: Result<Outcome, SandboxError>) -> Gone {
    let out_of_memory = |text: &str| Gone { for_want_of_memory: true, text: text.to_owned() };
    let text = match outcome {
        Err(error) => format!("the app's sandbox is gone: {error}"),
        Ok(outcome) if outcome.limits_reached.contains(&Limit::Memory) => {
            return out_of_memory("the memory of the app's sandbox was used up");
        }
        Ok(Outcome { end: End::SetupFailed { message, .. }, .. }) => message,
        Ok(Outcome { end, stderr, .. }) => {
            let end = match end {
                End::Exited { code } => format!("exited with code {code}"),
                End::Signaled { signal } => format!("was ended by signal {signal}"),
                End::LimitReached { limit } => format!("reached its limit of {limit}"),
                End::Cancelled | End::SetupFailed { .. } => "was ended".to_owned(),
            };
            let text = String::from_utf8_lossy(&stderr);
            format!("the process that the app was loaded in {end} {}", wire::cut(text.trim())).trim_end().to_owned()
        }
    };
    Gone { for_want_of_memory: false, text }
}
