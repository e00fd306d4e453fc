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
use std::sync::{Arc, Weak};
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
use crate::privileges::{Charter, Keeper, Kept, keep_if_asked};

/// The name under which our binary is the launcher (`argv[0]`).
pub(crate) const NAME: &str = "belljar-launcher";
/// Largest message in either direction; a policy with a hundred mounts takes some 10 KiB.
pub(crate) const MAX_MESSAGE: usize = 128 * 1024;
/// Descriptors that come with one answer, at most.
const MAX_DESCRIPTORS: usize = 2 + Bridge::MOST_LISTENERS;

/// A sandbox as the launcher hands it over.
#[derive(Debug)]
pub(crate) struct Handed {
    pub(crate) socket: OwnedFd,
    pub(crate) process: Process,
    pub(crate) layers: Vec<LayerReport>,
    pub(crate) listeners: Vec<OwnedFd>,
}

/// The init of a sandbox. It ends by itself when its socket closes; killed, it also ends when a program has found a way to keep it
/// from that.
#[derive(Debug)]
pub(crate) struct Process {
    pub(crate) pidfd: OwnedFd,
    /// The launcher's number for it; sent to the launcher, it means that this sandbox is to end.
    number: u64,
    launcher: Weak<UnixStream>,
}

impl Drop for Process {
    fn drop(&mut self) {
        let killed = rustix::process::pidfd_send_signal(&self.pidfd, rustix::process::Signal::KILL);
        // A server that has become somebody else may not: the launcher does it. A message that does not fit is lost, which takes
        // dozens that the launcher has not read.
        if killed == Err(rustix::io::Errno::PERM)
            && let Some(launcher) = self.launcher.upgrade()
            && let Ok(message) = serde_json::to_vec(&self.number)
        {
            let _ = rustix::net::send(&launcher, &message, SendFlags::NOSIGNAL | SendFlags::DONTWAIT);
        }
    }
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Answer {
    /// Descriptors come with it: the socket, the pidfd, and the sockets that listen inside.
    Made {
        number: u64,
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
    /// Who starts launchers, where that is not this process. After the connection: it ends after its launcher.
    keeper: Option<Keeper>,
}

#[derive(Debug)]
struct Connection {
    socket: Socket,
    /// The launcher, if it is our child.
    process: Option<Child>,
}

/// How long the launcher may take to end its sandboxes and remove their groups before it is killed.
pub(crate) const GRACE: Duration = Duration::from_secs(5);

/// What comes with an answer: the socket of the sandbox, its pidfd, and the sockets that listen inside.
type Descriptors = (OwnedFd, OwnedFd, Vec<OwnedFd>);

#[derive(Debug)]
enum Socket {
    /// Before there is a runtime.
    Plain(Option<OwnedFd>),
    Async(Arc<UnixStream>),
}

/// An answer with what came along.
#[derive(Debug)]
struct Answered {
    answer: Answer,
    descriptors: Option<Descriptors>,
    /// Whom it came from.
    launcher: Weak<UnixStream>,
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
        Ok(Self(Arc::new(Inner { program, connection: Mutex::new(Some(connection)), keeper: None })))
    }

    /// Starts a launcher that makes only what the charter grants, with only the privileges that this takes, for a process that is about
    /// to give up its own. Also returns what it then is, as the kernel tells it. From the running binary, whose `main` must call
    /// [`launcher_main_if_asked`] first.
    ///
    /// # Errors
    /// The process cannot be started, or the charter cannot be carried out here.
    pub fn start_sealed(charter: &Charter) -> Result<(Self, Kept), SandboxError> {
        let program = PathBuf::from("/proc/self/exe");
        let (keeper, first, kept) = Keeper::start(&program, charter)?;
        let connection = Connection { socket: Socket::Plain(Some(first)), process: None };
        let inner = Inner { program, connection: Mutex::new(Some(connection)), keeper: Some(keeper) };
        Ok((Self(Arc::new(inner)), kept))
    }

    /// The process id of the launcher, or of the one that keeps it; absent while there is none.
    pub async fn process_id(&self) -> Option<u32> {
        if let Some(keeper) = &self.0.keeper {
            return Some(keeper.process_id());
        }
        self.0.connection.lock().await.as_ref()?.process.as_ref().map(Child::id)
    }

    /// Waits until there can be no launcher any more: never, unless it was sealed and who keeps it was killed.
    pub async fn lost(&self) {
        match &self.0.keeper {
            Some(keeper) => match keeper.ended().await {
                Ok(()) => {}
                Err(error) => {
                    tracing::warn!(%error, "the launcher cannot be watched");
                    std::future::pending().await
                }
            },
            None => std::future::pending().await,
        }
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
        let answered = asked.unwrap_or_else(|error| Err(SandboxError::Launcher(error.into())))?;
        match (answered.answer, answered.descriptors) {
            (Answer::Made { number, layers }, Some((socket, pidfd, listeners))) => {
                let process = Process { pidfd, number, launcher: answered.launcher };
                Ok(Handed { socket, process, layers, listeners })
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
    async fn ask(&self, message: &[u8]) -> Result<Answered, SandboxError> {
        let mut connection = self.connection.lock().await;
        // Taken out while it is in use: one that failed in the middle is not used again.
        let mut open = match connection.take() {
            Some(open) if open.lives() => open,
            gone => match &self.keeper {
                Some(keeper) => {
                    drop(gone);
                    let socket = keeper.next().await.map_err(SandboxError::Launcher)?;
                    Connection { socket: Socket::Plain(Some(socket)), process: None }
                }
                None => {
                    tracing::warn!("the launcher is gone; starting another");
                    Connection::open(&self.program).map_err(SandboxError::Launcher)?
                }
            },
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
        Ok(Self { socket: Socket::Plain(Some(ours)), process: Some(process) })
    }

    fn lives(&self) -> bool {
        let Some(process) = &self.process else {
            // Nothing is on its way between two exchanges.
            return match &self.socket {
                Socket::Plain(socket) => socket.is_some(),
                Socket::Async(socket) => {
                    let peeked = rustix::net::recv(socket, &mut [0_u8; 1], RecvFlags::PEEK | RecvFlags::DONTWAIT);
                    matches!(peeked, Err(rustix::io::Errno::AGAIN))
                }
            };
        };
        let Some(pid) = i32::try_from(process.id()).ok().and_then(Pid::from_raw) else {
            return false;
        };
        // Peeks: the child is reaped when this is dropped.
        let options = rustix::process::WaitIdOptions::EXITED | rustix::process::WaitIdOptions::NOHANG;
        let id = rustix::process::WaitId::Pid(pid);
        matches!(rustix::process::waitid(id, options | rustix::process::WaitIdOptions::NOWAIT), Ok(None))
    }

    async fn exchange(&mut self, message: &[u8]) -> io::Result<Answered> {
        if let Socket::Plain(socket) = &mut self.socket {
            let socket = socket.take().ok_or(io::ErrorKind::NotConnected)?;
            self.socket = Socket::Async(Arc::new(packet_socket(socket)?));
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
        let descriptors = both.map(|(socket, pidfd)| (socket, pidfd, descriptors.collect()));
        Ok(Answered { answer, descriptors, launcher: Arc::downgrade(socket) })
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        // It ends when its socket closes, after its sandboxes. Killed if it does not: they die with it then.
        self.socket = Socket::Plain(None);
        let Some(process) = &mut self.process else { return };
        let pid = i32::try_from(process.id()).ok().and_then(Pid::from_raw);
        let pidfd = pid.and_then(|pid| rustix::process::pidfd_open(pid, PidfdFlags::empty()).ok());
        if let Some(pidfd) = pidfd {
            let timeout = rustix::event::Timespec::try_from(GRACE).ok();
            let _ = rustix::event::poll(&mut [PollFd::new(&pidfd, PollFlags::IN)], timeout.as_ref());
        }
        let _ = process.kill();
        let _ = process.wait();
    }
}

/// Runs the launcher, and never returns, when this process was started as one. To be called first in `main`.
pub fn launcher_main_if_asked() {
    keep_if_asked();
    if std::env::args_os().next().is_none_or(|name| name != NAME) {
        return;
    }
    let socket = io::stdin();
    let code = match serve(socket.as_fd(), Launch::new(), usize::MAX) {
        Ok(()) => 0,
        Err(error) => {
            tracing::error!(%error, "the launcher ends");
            1
        }
    };
    #[expect(clippy::exit, reason = "this is the launcher's main")]
    std::process::exit(code);
}

/// The sandboxes of a launcher.
#[derive(Debug)]
struct Sandboxes {
    /// By their numbers, each of which is used once: who asks for the end of one that is gone reaches no other.
    living: BTreeMap<u64, Living>,
    made: u64,
    most: usize,
}

/// A living sandbox, as far as the launcher cares.
#[derive(Debug)]
struct Living {
    pidfd: OwnedFd,
    /// Removed with it.
    group: Option<Group>,
}

/// Makes sandboxes on request, at most `most` at the same time.
pub(crate) fn serve(socket: BorrowedFd<'_>, mut launch: Launch, most: usize) -> io::Result<()> {
    // Not killed with the terminal's process group; ends when the server's end of the socket closes.
    let mut sandboxes = Sandboxes { living: BTreeMap::new(), made: 0, most };
    let mut known = None;
    loop {
        let mut entries = vec![PollFd::from_borrowed_fd(socket, PollFlags::IN)];
        entries.extend(sandboxes.living.values().map(|sandbox| PollFd::new(&sandbox.pidfd, PollFlags::IN)));
        match rustix::event::poll(&mut entries, None) {
            Err(rustix::io::Errno::INTR) => continue,
            result => drop(result?),
        }
        let asked = !entries.first().is_none_or(|entry| entry.revents().is_empty());
        drop(entries);
        clean_up(&mut sandboxes.living);
        if !asked {
            continue;
        }
        let (message, _) = receive(socket)?;
        if message.is_empty() {
            // Whatever still lives dies with us (PR_SET_PDEATHSIG); its groups must be empty before they can be removed.
            for (_, sandbox) in std::mem::take(&mut sandboxes.living) {
                let _ = rustix::process::pidfd_send_signal(&sandbox.pidfd, rustix::process::Signal::KILL);
                end(sandbox);
            }
            return Ok(());
        }
        answer(socket, &mut launch, &message, &mut known, &mut sandboxes)?;
    }
}

/// The last request and what it said. Pools ask for the same again and again; reading it anew would write to memory that the inits made
/// before still share with this process, and each would be left with a copy.
type Known = Option<(Vec<u8>, (Policy, Reuse))>;

fn answer(
    socket: BorrowedFd<'_>,
    launch: &mut Launch,
    message: &[u8],
    known: &mut Known,
    sandboxes: &mut Sandboxes,
) -> io::Result<()> {
    // What was cut off is not the whole, even where it could be read.
    let whole = if message.len() > MAX_MESSAGE { Err("the message is too long".to_owned()) } else { Ok(message) };
    if let Some(number) = whole.as_ref().ok().and_then(|message| serde_json::from_slice::<u64>(message).ok()) {
        if let Some(sandbox) = sandboxes.living.get(&number) {
            let _ = rustix::process::pidfd_send_signal(&sandbox.pidfd, rustix::process::Signal::KILL);
        }
        return Ok(());
    }
    let made = whole
        .and_then(|message| read(message, known))
        .and_then(|request| match sandboxes.living.len() < sandboxes.most {
            true => Ok(request),
            false => Err("there are as many sandboxes as the launcher's charter allows".to_owned()),
        })
        .map_err(SandboxError::Policy)
        .and_then(|(policy, reuse)| launch.make(policy, *reuse));
    match made {
        Ok(Made { socket: sandbox, pidfd, group, layers, listeners, .. }) => {
            let number = sandboxes.made;
            sandboxes.made += 1;
            let answer = serde_json::to_vec(&Answer::Made { number, layers })?;
            let mut descriptors = vec![sandbox.as_fd(), pidfd.as_fd()];
            descriptors.extend(listeners.iter().map(AsFd::as_fd));
            let result = send(socket, &answer, &descriptors);
            sandboxes.living.insert(number, Living { pidfd, group });
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

fn read<'a>(message: &[u8], known: &'a mut Known) -> Result<&'a (Policy, Reuse), String> {
    if known.as_ref().is_none_or(|(bytes, _)| bytes != message) {
        let request = serde_json::from_slice(message).map_err(|error| error.to_string())?;
        *known = Some((message.to_vec(), request));
    }
    known.as_ref().map(|(_, request)| request).ok_or_else(String::new)
}

/// Reaps the sandboxes that ended and removes their groups.
fn clean_up(living: &mut BTreeMap<u64, Living>) {
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

pub(crate) fn send(socket: BorrowedFd<'_>, bytes: &[u8], descriptors: &[BorrowedFd<'_>]) -> io::Result<()> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_DESCRIPTORS))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    if !descriptors.is_empty() {
        control.push(SendAncillaryMessage::ScmRights(descriptors));
    }
    rustix::net::sendmsg(socket, &[IoSlice::new(bytes)], &mut control, SendFlags::NOSIGNAL)?;
    Ok(())
}

pub(crate) fn receive(socket: BorrowedFd<'_>) -> io::Result<(Vec<u8>, Vec<OwnedFd>)> {
    // No more than what is there: the launcher shares its memory with all inits until it writes to it. One byte more than there may
    // be, to see that there are more.
    let (_, length) = rustix::net::recv(socket, &mut [0_u8; 0][..], RecvFlags::PEEK | RecvFlags::TRUNC)?;
    let mut bytes = vec![0; length.min(MAX_MESSAGE + 1)];
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
