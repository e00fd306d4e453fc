//! The launcher: a small process with a single thread that makes the sandboxes of a server.
//!
//! A server has threads, and a clone of a threaded process may hardly do anything; it is also large, and a fork costs time for each
//! page. So our own binary runs a second time, before any thread exists, and does nothing but make sandboxes on request, hand out
//! their sockets, and clean up behind those that ended. It ends when the server does, however that ends, and its sandboxes with it.

use std::collections::BTreeMap;
use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags};
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage,
    SendFlags, SocketFlags, SocketType,
};
use rustix::process::{Pid, PidfdFlags, WaitOptions};
use serde::{Deserialize, Serialize};
use tokio::io::Interest;
use tokio::net::UnixStream;
use tokio::sync::Mutex;

use crate::cgroup::Group;
use crate::error::SandboxError;
use crate::init_socket::packet_socket;
use crate::launch::{Launch, Made};
use crate::layer::LayerReport;
use crate::policy::{Bridge, Policy, Reuse};

/// The name under which our binary is the launcher (`argv[0]`).
const NAME: &str = "belljar-launcher";
/// Largest message in either direction; a policy with a hundred mounts takes some 10 KiB.
const MAX_MESSAGE: usize = 128 * 1024;
/// Descriptors that come with one answer, at most.
const MAX_DESCRIPTORS: usize = 2 + Bridge::MOST_LISTENERS;

/// A sandbox as the launcher hands it over.
#[derive(Debug)]
pub(crate) struct Handed {
    pub(crate) socket: OwnedFd,
    pub(crate) pidfd: OwnedFd,
    pub(crate) layers: Vec<LayerReport>,
    pub(crate) listeners: Vec<OwnedFd>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Answer {
    /// Descriptors come with it: the socket, the pidfd, and the sockets that listen inside.
    Made {
        layers: Vec<LayerReport>,
    },
    Failed {
        step: String,
        errno: Option<i32>,
    },
}

/// A handle on the launcher process. Clones share it. When the process dies, the next request starts another.
#[derive(Debug, Clone)]
pub struct Launcher(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    program: PathBuf,
    connection: Mutex<Option<Connection>>,
}

#[derive(Debug)]
struct Connection {
    socket: Socket,
    process: Child,
}

/// How long the launcher may take to end its sandboxes and remove their groups before it is killed.
const GRACE: Duration = Duration::from_secs(5);

/// What comes with an answer: the socket of the sandbox, its pidfd, and the sockets that listen inside.
type Descriptors = (OwnedFd, OwnedFd, Vec<OwnedFd>);

#[derive(Debug)]
enum Socket {
    /// Before there is a runtime.
    Plain(Option<OwnedFd>),
    Async(UnixStream),
}

impl Launcher {
    /// Starts the launcher from the running binary, whose `main` must call [`launcher_main_if_asked`] first.
    ///
    /// # Errors
    /// The process cannot be started.
    pub fn start() -> Result<Self, SandboxError> {
        Self::start_program(PathBuf::from("/proc/self/exe"))
    }

    /// Starts the launcher from another binary that calls [`launcher_main_if_asked`].
    ///
    /// # Errors
    /// The process cannot be started.
    pub fn start_program(program: PathBuf) -> Result<Self, SandboxError> {
        let connection = Connection::open(&program).map_err(SandboxError::Launcher)?;
        Ok(Self(Arc::new(Inner { program, connection: Mutex::new(Some(connection)) })))
    }

    /// The launcher's process id; absent while there is none.
    pub async fn process_id(&self) -> Option<u32> {
        self.0.connection.lock().await.as_ref().map(|connection| connection.process.id())
    }

    /// Makes a sandbox.
    pub(crate) async fn make(&self, policy: &Policy, reuse: Reuse) -> Result<Handed, SandboxError> {
        let message = serde_json::to_vec(&(policy, reuse)).map_err(|error| SandboxError::Policy(error.to_string()))?;
        if message.len() > MAX_MESSAGE {
            return Err(SandboxError::Policy("the policy is too large".to_owned()));
        }
        // A task of its own: a caller that goes away in the middle leaves no half-read answer to the next one, and takes neither
        // the launcher along nor everybody's sandboxes. What was made for nobody is dropped, and ends.
        let inner = Arc::clone(&self.0);
        let asked = tokio::spawn(async move { inner.ask(&message).await }).await;
        match asked.unwrap_or_else(|error| Err(SandboxError::Launcher(error.into())))? {
            (Answer::Made { layers }, Some((socket, pidfd, listeners))) => {
                Ok(Handed { socket, pidfd, layers, listeners })
            }
            (Answer::Failed { step, errno }, _) => Err(SandboxError::Setup {
                step,
                source: errno.map_or_else(|| io::ErrorKind::Unsupported.into(), io::Error::from_raw_os_error),
            }),
            (Answer::Made { .. }, None) => Err(SandboxError::Died),
        }
    }
}

impl Inner {
    async fn ask(&self, message: &[u8]) -> Result<(Answer, Option<Descriptors>), SandboxError> {
        let mut connection = self.connection.lock().await;
        // Taken out while it is in use: one that failed in the middle is not used again.
        let mut open = match connection.take() {
            Some(open) if open.lives() => open,
            _ => {
                tracing::warn!("the launcher is gone; starting another");
                Connection::open(&self.program).map_err(SandboxError::Launcher)?
            }
        };
        let answer = open.exchange(message).await.map_err(SandboxError::Launcher)?;
        *connection = Some(open);
        Ok(answer)
    }
}

impl Connection {
    fn open(program: &std::path::Path) -> io::Result<Self> {
        let flags = SocketFlags::CLOEXEC;
        let (ours, theirs) = rustix::net::socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, flags, None)?;
        let process = Command::new(program)
            .arg0(NAME)
            // Nothing of the server's surroundings reaches the sandboxes' parent, secrets in the environment least of all.
            .env_clear()
            .envs(std::env::var_os("BELLJAR_LOG").map(|filter| ("BELLJAR_LOG", filter)))
            .stdin(Stdio::from(theirs))
            .stdout(Stdio::null())
            .process_group(0)
            .spawn()?;
        Ok(Self { socket: Socket::Plain(Some(ours)), process })
    }

    fn lives(&self) -> bool {
        let Some(pid) = i32::try_from(self.process.id()).ok().and_then(Pid::from_raw) else {
            return false;
        };
        // Peeks: the child is reaped when this is dropped.
        let options = rustix::process::WaitIdOptions::EXITED | rustix::process::WaitIdOptions::NOHANG;
        let id = rustix::process::WaitId::Pid(pid);
        matches!(rustix::process::waitid(id, options | rustix::process::WaitIdOptions::NOWAIT), Ok(None))
    }

    async fn exchange(&mut self, message: &[u8]) -> io::Result<(Answer, Option<Descriptors>)> {
        if let Socket::Plain(socket) = &mut self.socket {
            let socket = socket.take().ok_or(io::ErrorKind::NotConnected)?;
            self.socket = Socket::Async(packet_socket(socket)?);
        }
        let Socket::Async(socket) = &self.socket else {
            return Err(io::ErrorKind::NotConnected.into());
        };
        socket.async_io(Interest::WRITABLE, || Ok(rustix::net::send(socket, message, SendFlags::NOSIGNAL)?)).await?;
        let (bytes, descriptors) = socket.async_io(Interest::READABLE, || receive(socket.as_fd())).await?;
        if bytes.is_empty() {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let answer = serde_json::from_slice(&bytes)?;
        let mut descriptors = descriptors.into_iter();
        let both = descriptors.next().zip(descriptors.next());
        Ok((answer, both.map(|(socket, pidfd)| (socket, pidfd, descriptors.collect()))))
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        // It ends when its socket closes, after its sandboxes. Killed if it does not: they die with it then.
        self.socket = Socket::Plain(None);
        let pid = i32::try_from(self.process.id()).ok().and_then(Pid::from_raw);
        let pidfd = pid.and_then(|pid| rustix::process::pidfd_open(pid, PidfdFlags::empty()).ok());
        if let Some(pidfd) = pidfd {
            let timeout = rustix::event::Timespec::try_from(GRACE).ok();
            let _ = rustix::event::poll(&mut [PollFd::new(&pidfd, PollFlags::IN)], timeout.as_ref());
        }
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Runs the launcher, and never returns, when this process was started as one. To be called first in `main`.
pub fn launcher_main_if_asked() {
    if std::env::args_os().next().is_none_or(|name| name != NAME) {
        return;
    }
    let socket = io::stdin();
    let code = match serve(socket.as_fd()) {
        Ok(()) => 0,
        Err(error) => {
            tracing::error!(%error, "the launcher ends");
            1
        }
    };
    #[expect(clippy::exit, reason = "this is the launcher's main")]
    std::process::exit(code);
}

/// A living sandbox, as far as the launcher cares.
#[derive(Debug)]
struct Living {
    pidfd: OwnedFd,
    /// Removed with it.
    group: Option<Group>,
}

fn serve(socket: BorrowedFd<'_>) -> io::Result<()> {
    // Not killed with the terminal's process group; ends when the server's end of the socket closes.
    let mut launch = Launch::new();
    let mut living: BTreeMap<i32, Living> = BTreeMap::new();
    loop {
        let mut entries = vec![PollFd::from_borrowed_fd(socket, PollFlags::IN)];
        entries.extend(living.values().map(|sandbox| PollFd::new(&sandbox.pidfd, PollFlags::IN)));
        match rustix::event::poll(&mut entries, None) {
            Err(rustix::io::Errno::INTR) => continue,
            result => drop(result?),
        }
        let asked = !entries.first().is_none_or(|entry| entry.revents().is_empty());
        drop(entries);
        clean_up(&mut living);
        if !asked {
            continue;
        }
        let (message, _) = receive(socket)?;
        if message.is_empty() {
            // Whatever still lives dies with us (PR_SET_PDEATHSIG); its groups must be empty before they can be removed.
            for (_, sandbox) in std::mem::take(&mut living) {
                let _ = rustix::process::pidfd_send_signal(&sandbox.pidfd, rustix::process::Signal::KILL);
                end(sandbox);
            }
            return Ok(());
        }
        answer(socket, &mut launch, &message, &mut living)?;
    }
}

fn answer(
    socket: BorrowedFd<'_>,
    launch: &mut Launch,
    message: &[u8],
    living: &mut BTreeMap<i32, Living>,
) -> io::Result<()> {
    // What was cut off is not the whole, even where it could be read.
    let whole = if message.len() > MAX_MESSAGE { Err("the message is too long".to_owned()) } else { Ok(message) };
    let made = whole
        .and_then(|message| serde_json::from_slice::<(Policy, Reuse)>(message).map_err(|error| error.to_string()))
        .map_err(SandboxError::Policy)
        .and_then(|(policy, reuse)| launch.make(&policy, reuse));
    match made {
        Ok(Made { socket: sandbox, pidfd, pid, group, layers, listeners }) => {
            let answer = serde_json::to_vec(&Answer::Made { layers })?;
            let mut descriptors = vec![sandbox.as_fd(), pidfd.as_fd()];
            descriptors.extend(listeners.iter().map(AsFd::as_fd));
            let result = send(socket, &answer, &descriptors);
            living.insert(pid.as_raw_nonzero().get(), Living { pidfd, group });
            result
        }
        Err(error) => {
            let errno = std::error::Error::source(&error)
                .and_then(|source| source.downcast_ref::<io::Error>())
                .and_then(io::Error::raw_os_error);
            let step = match error {
                SandboxError::Setup { step, .. } => step,
                error => error.to_string(),
            };
            send(socket, &serde_json::to_vec(&Answer::Failed { step, errno })?, &[])
        }
    }
}

/// Reaps the sandboxes that ended and removes their groups.
fn clean_up(living: &mut BTreeMap<i32, Living>) {
    let ended = living.extract_if(.., |_, sandbox| {
        let pid = rustix::process::WaitId::PidFd(sandbox.pidfd.as_fd());
        let options = rustix::process::WaitIdOptions::EXITED | rustix::process::WaitIdOptions::NOHANG;
        !matches!(rustix::process::waitid(pid, options), Ok(None))
    });
    for (_, sandbox) in ended {
        remove_group(sandbox.group);
    }
}

fn end(sandbox: Living) {
    let pid = rustix::process::WaitId::PidFd(sandbox.pidfd.as_fd());
    let _ = rustix::process::waitid(pid, rustix::process::WaitIdOptions::EXITED);
    remove_group(sandbox.group);
}

fn remove_group(group: Option<Group>) {
    if let Some(Err(error)) = group.map(Group::remove) {
        tracing::warn!(%error, "a control group was left; the next start removes it");
    }
}

/// For a sandbox that this very process made: kills, reaps, removes.
pub(crate) fn end_alone(pid: Pid, pidfd: &OwnedFd, group: Option<Group>) {
    let _ = rustix::process::pidfd_send_signal(pidfd, rustix::process::Signal::KILL);
    let _ = rustix::process::waitpid(Some(pid), WaitOptions::empty());
    remove_group(group);
}

fn send(socket: BorrowedFd<'_>, bytes: &[u8], descriptors: &[BorrowedFd<'_>]) -> io::Result<()> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_DESCRIPTORS))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    if !descriptors.is_empty() {
        control.push(SendAncillaryMessage::ScmRights(descriptors));
    }
    rustix::net::sendmsg(socket, &[IoSlice::new(bytes)], &mut control, SendFlags::NOSIGNAL)?;
    Ok(())
}

fn receive(socket: BorrowedFd<'_>) -> io::Result<(Vec<u8>, Vec<OwnedFd>)> {
    // One byte more than there may be, to see that there are more.
    let mut bytes = vec![0; MAX_MESSAGE + 1];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_DESCRIPTORS))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let parts = &mut [IoSliceMut::new(&mut bytes)];
    let received = rustix::net::recvmsg(socket, parts, &mut control, RecvFlags::CMSG_CLOEXEC)?;
    let mut descriptors = Vec::new();
    for message in control.drain() {
        if let RecvAncillaryMessage::ScmRights(rights) = message {
            descriptors.extend(rights);
        }
    }
    bytes.truncate(received.bytes);
    Ok((bytes, descriptors))
}
