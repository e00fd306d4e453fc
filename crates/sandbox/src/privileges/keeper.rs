//! The keeper: the process of root's that stays when a server has become somebody else.
//!
//! It takes the charter, gives up what making sandboxes does not need, and then does nothing but keep one launcher alive: each is a
//! fork of it, and speaks with the server through a socket of its own. A launcher that died is replaced, which the server could not do.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::rc::Rc;
use std::time::Duration;

use belljar_sys::{Errno, SingleThreaded, call};
use rustix::event::{PollFd, PollFlags};
use rustix::fs::{Mode, OFlags};
use rustix::net::{AddressFamily, SendFlags, SocketFlags, SocketType};
use rustix::process::{Pid, PidfdFlags, WaitOptions};
use serde::{Deserialize, Serialize};
use tokio::io::Interest;
use tokio::net::UnixStream;
use tokio::net::unix::pipe::Receiver;
use tokio::sync::Mutex;

use super::{Charter, PrivilegeError, Sealed, Standing};
use crate::error::SandboxError;
use crate::init_socket::packet_socket;
use crate::launch::Launch;
use crate::launcher::{self, GRACE};
use crate::seccomp;

/// The argument that makes a launcher a keeper, whose children the launchers are.
const SEALED: &str = "sealed";
/// How long the keeper may take over a charter; it makes plans and no sandbox.
const PATIENCE: Duration = Duration::from_secs(20);
/// Between the end of a launcher and the next one, so that one that cannot live does not keep a CPU busy.
const PAUSE: Duration = Duration::from_millis(100);

// Capabilities (`linux/capability.h`) that making sandboxes takes, found by taking away one after the other.
/// Maps of user ids other than one's own.
const SETUID: u64 = 1 << 7;
/// The same for groups.
const SETGID: u64 = 1 << 6;
/// Directories of the host as mounts with other owners.
const SYS_ADMIN: u64 = 1 << 21;
/// The init is kept from the out-of-memory killer. Done without where root does not have it.
const SYS_RESOURCE: u64 = 1 << 24;
/// A map that shows our own user, 0, which is all there is where no others can be mapped.
const SETFCAP: u64 = 1 << 31;
// What the keeper has besides, who hears nobody any more.
/// Makes and removes what is ours at the top of the control groups, which nobody may write to (mode 0555).
const DAC_OVERRIDE: u64 = 1 << 1;
/// Takes all of this from launchers' bounding sets.
const SETPCAP: u64 = 1 << 8;

#[derive(Debug, Serialize, Deserialize)]
enum Answer {
    /// The charter is sealed, and this is what the keeper is.
    Sealed(Standing),
    /// Why there is no launcher.
    Refused(String),
    /// A launcher, and what it is; its socket comes with it.
    Launcher(Standing),
}

/// What the processes of root's are that make sandboxes for a server of somebody else's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Kept {
    /// Who starts launchers, and hears nobody.
    pub keeper: Standing,
    /// Who makes sandboxes, and hears the server.
    pub launcher: Standing,
}

/// The server's handle on its keeper.
#[derive(Debug)]
pub(crate) struct Keeper {
    socket: Mutex<Socket>,
    process: Child,
    pidfd: OwnedFd,
    /// The reading end of a pipe into which nobody writes: it ends with the keeper.
    life: OwnedFd,
}

#[derive(Debug)]
enum Socket {
    /// Before there is a runtime.
    Plain(Option<OwnedFd>),
    Async(UnixStream),
}

impl Keeper {
    /// Starts a keeper from a binary and hands the charter over. Also returns the socket of its first launcher.
    pub(crate) fn start(program: &Path, charter: &Charter) -> Result<(Self, OwnedFd, Kept), SandboxError> {
        let message = serde_json::to_vec(charter).map_err(|error| SandboxError::Policy(error.to_string()))?;
        if message.len() > launcher::MAX_MESSAGE {
            return Err(SandboxError::Policy("the charter is too large".to_owned()));
        }
        let flags = SocketFlags::CLOEXEC;
        let pair = rustix::net::socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, flags, None);
        let (ours, theirs) = pair.map_err(|errno| SandboxError::Launcher(errno.into()))?;
        let pipe = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC);
        let (life, alive) = pipe.map_err(|errno| SandboxError::Launcher(errno.into()))?;
        let process = Command::new(program)
            .arg0(launcher::NAME)
            .arg(SEALED)
            .env_clear()
            .stdin(Stdio::from(theirs))
            .stdout(Stdio::from(alive))
            .process_group(0)
            .spawn()
            .map_err(SandboxError::Launcher)?;
        let pid = i32::try_from(process.id()).ok().and_then(Pid::from_raw).ok_or(SandboxError::Died)?;
        let pidfd = rustix::process::pidfd_open(pid, PidfdFlags::empty());
        let pidfd = pidfd.map_err(|errno| SandboxError::Launcher(errno.into()))?;
        // From here on whoever fails reaps it.
        let mut started = Self { socket: Mutex::new(Socket::Plain(None)), process, pidfd, life };
        let sent = rustix::net::send(&ours, &message, SendFlags::NOSIGNAL);
        sent.map_err(|errno| SandboxError::Launcher(errno.into()))?;
        let keeper = match answer_within(&ours, PATIENCE)? {
            (Answer::Sealed(standing), _) => standing,
            (Answer::Refused(reason), _) => return Err(SandboxError::Policy(reason)),
            (Answer::Launcher(_), _) => return Err(SandboxError::Died),
        };
        let (launcher, first) = match answer_within(&ours, PATIENCE)? {
            (Answer::Launcher(standing), Some(socket)) => (standing, socket),
            (Answer::Refused(reason), _) => return Err(SandboxError::Policy(reason)),
            _ => return Err(SandboxError::Died),
        };
        *started.socket.get_mut() = Socket::Plain(Some(ours));
        Ok((started, first, Kept { keeper, launcher }))
    }

    /// The socket of the next launcher, as soon as there is one.
    pub(crate) async fn next(&self) -> io::Result<OwnedFd> {
        let mut socket = self.socket.lock().await;
        if let Socket::Plain(plain) = &mut *socket {
            let plain = plain.take().ok_or(io::ErrorKind::NotConnected)?;
            *socket = Socket::Async(packet_socket(plain)?);
        }
        let Socket::Async(socket) = &*socket else {
            return Err(io::ErrorKind::NotConnected.into());
        };
        match socket.async_io(Interest::READABLE, || next_answer(socket.as_fd())).await? {
            (Answer::Launcher(_), Some(launcher)) => Ok(launcher),
            (Answer::Refused(reason), _) => Err(io::Error::other(reason)),
            _ => Err(io::ErrorKind::InvalidData.into()),
        }
    }

    /// Waits for the end of the keeper, after which there will be no launcher any more.
    pub(crate) async fn ended(&self) -> io::Result<()> {
        Receiver::from_owned_fd(self.life.try_clone()?)?.readable().await
    }

    pub(crate) fn process_id(&self) -> u32 {
        self.process.id()
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        // It ends after its launcher, which ends when our end of its socket is closed.
        *self.socket.get_mut() = Socket::Plain(None);
        let timeout = rustix::event::Timespec::try_from(GRACE).ok();
        let _ = rustix::event::poll(&mut [PollFd::new(&self.pidfd, PollFlags::IN)], timeout.as_ref());
        // Refused where it is root's and we are not: then it is left to itself, and ends as soon as it can.
        let _ = match self.process.kill() {
            Ok(()) => self.process.wait().map(Some),
            Err(_) => self.process.try_wait(),
        };
    }
}

fn answer_within(socket: &OwnedFd, patience: Duration) -> Result<(Answer, Option<OwnedFd>), SandboxError> {
    let timeout = rustix::event::Timespec::try_from(patience).ok();
    match rustix::event::poll(&mut [PollFd::new(socket, PollFlags::IN)], timeout.as_ref()) {
        Ok(1..) => next_answer(socket.as_fd()).map_err(SandboxError::Launcher),
        _ => Err(SandboxError::Launcher(io::ErrorKind::TimedOut.into())),
    }
}

fn next_answer(socket: BorrowedFd<'_>) -> io::Result<(Answer, Option<OwnedFd>)> {
    let (bytes, descriptors) = launcher::receive(socket)?;
    if bytes.is_empty() {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok((serde_json::from_slice(&bytes)?, descriptors.into_iter().next()))
}

/// Runs the keeper, and never returns, when this process was started as one.
pub(crate) fn keep_if_asked() {
    if !std::env::args_os().eq([launcher::NAME, SEALED]) {
        return;
    }
    let code = match keep(io::stdin().as_fd()) {
        Ok(()) => 0,
        Err(_) => 1,
    };
    #[expect(clippy::exit, reason = "this is the keeper's main")]
    std::process::exit(code);
}

fn keep(socket: BorrowedFd<'_>) -> io::Result<()> {
    rustix::thread::set_name(c"belljar-keeper")?;
    let (message, _) = launcher::receive(socket)?;
    let charter = serde_json::from_slice::<Charter>(&message)?;
    let ready = Sealed::new(charter).map_err(|error| in_one_line(&error)).and_then(|sealed| {
        let standing = confine_keeper(&sealed).map_err(|error| in_one_line(&error))?;
        Ok((Rc::new(sealed), standing))
    });
    let (sealed, standing) = match ready {
        Ok(ready) => ready,
        Err(reason) => return answer(socket, &Answer::Refused(reason), &[]),
    };
    answer(socket, &Answer::Sealed(standing), &[])?;
    loop {
        // Of one thread, always: a fork of it may run ordinary code.
        let witness = SingleThreaded::check().map_err(system)?;
        match belljar_sys::fork(witness).map_err(system)? {
            None => return launch(socket, Rc::clone(&sealed)),
            Some(launcher) => wait_for(launcher)?,
        }
        // What a killed launcher left. Its sandboxes died with it.
        sealed.hierarchies.clear();
        if closed(socket) {
            return Ok(());
        }
        std::thread::sleep(PAUSE);
    }
}

/// The life of a launcher.
fn launch(keeper: BorrowedFd<'_>, sealed: Rc<Sealed>) -> io::Result<()> {
    call::die_with_parent().map_err(system)?;
    // The keeper may have died before it was asked to take us along.
    if rustix::process::getppid().is_none_or(Pid::is_init) {
        return Ok(());
    }
    rustix::thread::set_name(c"belljar-launch")?;
    let standing = match confine_launcher(&sealed) {
        Ok(standing) => standing,
        Err(error) => return answer(keeper, &Answer::Refused(in_one_line(&error)), &[]),
    };
    let flags = SocketFlags::CLOEXEC;
    let (ours, theirs) = rustix::net::socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, flags, None)?;
    answer(keeper, &Answer::Launcher(standing), &[theirs.as_fd()])?;
    drop(theirs);
    // The keeper's own socket and its sign of life are not for launchers; their numbers stay taken.
    let null = rustix::fs::open("/dev/null", OFlags::RDWR | OFlags::CLOEXEC, Mode::empty())?;
    rustix::stdio::dup2_stdin(&null)?;
    rustix::stdio::dup2_stdout(&null)?;
    let most = sealed.sandboxes;
    launcher::serve(ours.as_fd(), Launch::sealed(sealed), most)
}

/// Gives up what starting launchers does not need.
fn confine_keeper(sealed: &Sealed) -> Result<Standing, PrivilegeError> {
    call::clear_groups().map_err(failed("setgroups"))?;
    let keep = keep_only(for_sandboxes(sealed) | DAC_OVERRIDE | SETPCAP)?;
    call::no_new_privileges().map_err(failed("no_new_privs"))?;
    let filter = seccomp::compile(&seccomp::launcher()).instructions;
    call::install_filter(&filter).map_err(failed("seccomp"))?;
    verified(keep)
}

/// Gives up what making sandboxes does not need. What is left can still become anything that root is; it is the charter that says what
/// is done with it, and the filter what it could be done by.
fn confine_launcher(sealed: &Sealed) -> Result<Standing, PrivilegeError> {
    verified(keep_only(for_sandboxes(sealed))?)
}

fn for_sandboxes(sealed: &Sealed) -> u64 {
    SETUID | SETGID | SYS_ADMIN | SYS_RESOURCE | if sealed.machine.privileged { 0 } else { SETFCAP }
}

/// Keeps these capabilities, as far as they are held; which they are.
fn keep_only(wanted: u64) -> Result<u64, PrivilegeError> {
    let held = rustix::thread::capabilities(None);
    let keep = wanted & held.map_err(|errno| failed("capget")(Errno(errno.raw_os_error())))?.permitted.bits();
    call::drop_bounding_set_except(keep).map_err(failed("bounding set"))?;
    call::set_capabilities(keep).map_err(failed("capset"))?;
    Ok(keep)
}

/// What this process is, if that is what it should be.
fn verified(keep: u64) -> Result<Standing, PrivilegeError> {
    let unreadable = |source| PrivilegeError::Step { step: "reading /proc/self/status".to_owned(), source };
    let standing = Standing::of_self().map_err(unreadable)?;
    let kept: Vec<_> = (0..u64::BITS).filter(|bit| keep >> bit & 1 == 1).map(super::capability_name).collect();
    let as_wanted = standing.capabilities == kept && standing.attainable == kept && standing.groups.is_empty();
    if as_wanted && standing.no_new_privileges && standing.filtered {
        Ok(standing)
    } else {
        Err(PrivilegeError::Left(standing.to_string()))
    }
}

fn failed(step: &'static str) -> impl FnOnce(Errno) -> PrivilegeError {
    move |errno| PrivilegeError::Step { step: step.to_owned(), source: system(errno) }
}

fn answer(socket: BorrowedFd<'_>, answer: &Answer, descriptors: &[BorrowedFd<'_>]) -> io::Result<()> {
    launcher::send(socket, &serde_json::to_vec(answer)?, descriptors)
}

fn wait_for(child: i32) -> io::Result<()> {
    let pid = Pid::from_raw(child);
    loop {
        match rustix::process::waitpid(pid, WaitOptions::empty()) {
            Ok(_) => return Ok(()),
            Err(rustix::io::Errno::INTR) => {}
            Err(errno) => return Err(errno.into()),
        }
    }
}

/// Whether the other end of a socket is closed. What it may have sent is not for us, and not looked at.
fn closed(socket: BorrowedFd<'_>) -> bool {
    let now = rustix::event::Timespec { tv_sec: 0, tv_nsec: 0 };
    let mut entries = [PollFd::from_borrowed_fd(socket, PollFlags::empty())];
    let polled = rustix::event::poll(&mut entries, Some(&now));
    polled.is_err() || entries[0].revents().intersects(PollFlags::HUP | PollFlags::ERR)
}

fn system(errno: Errno) -> io::Error {
    io::Error::from_raw_os_error(errno.0)
}

fn in_one_line(error: &dyn std::error::Error) -> String {
    match error.source() {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    }
}
