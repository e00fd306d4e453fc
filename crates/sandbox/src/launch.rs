//! Making one sandbox: the owner's side of the clone. Runs in a process with a single thread: the launcher, or `belljar run`.

use std::cell::Cell;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::Path;
use std::rc::Rc;
use std::time::{Duration, Instant};

use belljar_sys::init::{self, Setup, Warm};
use belljar_sys::plan::Slots;
use belljar_sys::wire::{Reply, Request, RequestKind};
use belljar_sys::{Errno, SingleThreaded, call, hold_user_namespace};
use rustix::event::{PollFd, PollFlags};
use rustix::mount::OpenTreeFlags;
use rustix::net::{AddressFamily, SendFlags, SocketFlags, SocketType};
use rustix::process::{Pid, PidfdFlags, Signal, WaitOptions};

use crate::agent;
use crate::cgroup::{self, Controller, Group, GroupLimits, Hierarchies};
use crate::error::SandboxError;
use crate::init_socket;
use crate::layer::{Layer, LayerReport, Strictness};
use crate::machine::Machine;
use crate::policy::{Policy, Reuse, User};
use crate::prepare::{Prepared, Source, slot};
use crate::privileges::{Granted, Sealed};
use crate::report;

/// Users of the host that sandboxes are mapped to begin here: above what Debian gives to people (below 60,000), to `/etc/subuid`
/// (from 100,000) and to systemd's containers (up to 0x6fffffff).
const FIRST_HOST_USER: u32 = 0x7000_0000;
/// Users of one sandbox.
const USERS: u32 = 65_536;
/// Sandboxes whose users differ; after so many the numbers begin again. Only the living ones matter.
const USER_RANGES: u32 = 16_384;
/// All users of the host that sandboxes are mapped to.
pub(crate) const HOST_USERS: std::ops::Range<u32> = FIRST_HOST_USER..FIRST_HOST_USER + USERS * USER_RANGES;
/// How long a set-up may take before it counts as failed.
const PATIENCE: Duration = Duration::from_secs(20);

/// What is needed to make sandboxes.
#[derive(Debug)]
pub(crate) struct Launch {
    hierarchies: Hierarchies,
    machine: Machine,
    made: u32,
    /// The last policy and its plans: pools ask for the same again and again.
    prepared: Option<(Policy, Reuse, Rc<Prepared>)>,
    /// What may be made, where that is not anything.
    sealed: Option<Rc<Sealed>>,
    /// Whether what a killed predecessor left may still be there.
    unswept: Cell<bool>,
}

/// A sandbox that is ready.
#[derive(Debug)]
pub(crate) struct Made {
    /// Requests to its init.
    pub(crate) socket: OwnedFd,
    /// Its init.
    pub(crate) pidfd: OwnedFd,
    /// Its init's process id, for reaping.
    pub(crate) pid: Pid,
    /// What its control groups and its user range hang on.
    pub(crate) group: Option<Group>,
    /// What is enforced.
    pub(crate) layers: Vec<LayerReport>,
    /// Sockets that listen inside, in the order of the policy.
    pub(crate) listeners: Vec<OwnedFd>,
}

impl Launch {
    /// Looks at the machine. What a killed predecessor left behind is removed with the first sandbox, while that one sets itself up.
    pub(crate) fn new() -> Self {
        let hierarchies = Hierarchies::discover();
        let machine = Machine::inspect(&hierarchies);
        Self {
            hierarchies,
            machine,
            made: first_number(std::process::id()),
            prepared: None,
            sealed: None,
            unswept: Cell::new(true),
        }
    }

    /// The same for a launcher that makes only what was granted.
    pub(crate) fn sealed(sealed: Rc<Sealed>) -> Self {
        let (hierarchies, machine) = (sealed.hierarchies.clone(), sealed.machine.clone());
        Self {
            hierarchies,
            machine,
            made: first_number(std::process::id()),
            prepared: None,
            sealed: Some(sealed),
            unswept: Cell::new(false),
        }
    }

    /// Makes a sandbox.
    ///
    /// # Errors
    /// A required layer is missing, the policy is contradictory, or a step failed. Nothing is left then.
    pub(crate) fn make(&mut self, policy: &Policy, reuse: Reuse) -> Result<Made, SandboxError> {
        let witness = SingleThreaded::check().map_err(|errno| problem("looking for other threads", errno))?;
        let sealed = self.sealed.clone();
        let granted = sealed.as_ref().map(|sealed| sealed.granted(policy, reuse)).transpose()?;
        let prepared = match granted {
            Some(granted) => Rc::clone(&granted.prepared),
            None => self.prepare(policy, reuse)?,
        };
        let number = self.made;
        self.made = self.made.wrapping_add(1);

        let group = self.group(policy, number)?;
        let counters = match &group {
            Some(group) => group.counters().map_err(|error| SandboxError::setup(error.to_string(), other(&error)))?,
            None => cgroup::Counters::default(),
        };
        let entrances = group.as_ref().map_or(Ok(Vec::new()), Group::entrances);
        let entrances = entrances.map_err(|error| SandboxError::setup(error.to_string(), other(&error)))?;
        let join: Vec<_> = entrances.iter().map(AsRawFd::as_raw_fd).collect();
        let trees = open_sources(witness, &prepared.sources, granted, number)?;
        let mut slots = Slots::EMPTY;
        for (source, tree) in prepared.sources.iter().zip(&trees) {
            slots.put(source.slot, tree.as_raw_fd());
        }
        let (ours, theirs) =
            rustix::net::socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)
                .map_err(|errno| SandboxError::setup("socketpair", errno))?;
        let setup = Setup {
            namespaces: prepared.namespaces,
            init: &prepared.init,
            layer: &prepared.layer,
            world: &prepared.world,
            drop: &prepared.drop,
            filter: &prepared.filter,
            watch: &prepared.watch,
            watched: &prepared.watched,
            join: &join,
            counters: report::counters(&counters, reuse),
            slots,
            layer_slot: slot::LAYER,
            last_pid_slot: slot::LAST_PID,
            proc_slot: slot::PROC,
            listen: &prepared.listen,
            once: reuse == Reuse::Never,
            agent: agent::perform,
            warm: prepared.warm.as_ref().map(|warm| Warm {
                program: &warm.program,
                arguments: &warm.arguments,
                variables: &warm.variables,
                directory: &warm.directory,
                user: warm.user,
                stack: warm.stack,
            }),
        };
        let pid = init::start(witness, &setup, theirs.as_raw_fd()).map_err(|errno| {
            let hint = if self.machine.privileged { "clone3" } else { "clone3 (user namespaces may be switched off)" };
            problem(hint, errno)
        })?;
        drop(theirs);
        let pid = Pid::from_raw(pid).ok_or(SandboxError::Died)?;
        let pidfd = rustix::process::pidfd_open(pid, PidfdFlags::empty())
            .map_err(|errno| SandboxError::setup("pidfd_open", errno))?;
        // From here on a failure kills and reaps: nothing is left of a sandbox that could not be made.
        match self.bring_up(policy, &prepared, pid, number, &ours, group.as_ref()) {
            Ok((layers, listeners)) => Ok(Made { socket: ours, pidfd, pid, group, layers, listeners }),
            Err(error) => {
                let _ = rustix::process::pidfd_send_signal(&pidfd, Signal::KILL);
                let _ = rustix::process::waitpid(Some(pid), WaitOptions::empty());
                Err(error)
            }
        }
    }

    fn prepare(&mut self, policy: &Policy, reuse: Reuse) -> Result<Rc<Prepared>, SandboxError> {
        if let Some((known, known_reuse, prepared)) = &self.prepared
            && known == policy
            && *known_reuse == reuse
        {
            return Ok(Rc::clone(prepared));
        }
        let prepared = Rc::new(Prepared::new(policy, &self.machine, reuse)?);
        self.prepared = Some((policy.clone(), reuse, Rc::clone(&prepared)));
        Ok(prepared)
    }

    fn group(&self, policy: &Policy, number: u32) -> Result<Option<Group>, SandboxError> {
        let asked = |layer| policy.strictness(layer) != Strictness::Off;
        if ![Layer::MemoryLimit, Layer::ProcessLimit, Layer::CpuAccounting].into_iter().any(asked) {
            return Ok(None);
        }
        let mut limits = GroupLimits::from(&policy.limits);
        // The init, the spawner, and the zygote, if there is one.
        let ours = 2 + u32::from(policy.warm.is_some());
        limits.processes = limits.processes.map(|processes| processes.saturating_add(ours.into()));
        let group = Group::create(&self.hierarchies, &format!("box-{number}"), &limits)
            .map_err(|error| SandboxError::setup(error.to_string(), other(&error)))?;
        Ok(Some(group))
    }

    fn bring_up(
        &self,
        policy: &Policy,
        prepared: &Prepared,
        pid: Pid,
        number: u32,
        socket: &OwnedFd,
        group: Option<&Group>,
    ) -> Result<(Vec<LayerReport>, Vec<OwnedFd>), SandboxError> {
        if policy.strictness(Layer::UserNamespace) != Strictness::Off {
            self.map_users(pid, policy, number)?;
        }
        if let Some(group) = group {
            group
                .attach_rest(pid.as_raw_nonzero().get())
                .map_err(|error| SandboxError::setup(error.to_string(), other(&error)))?;
        }
        if self.machine.privileged {
            // The program is killed when memory runs out, not the process that tells about it. Best effort.
            let _ = write_process_file(pid, "oom_score_adj", "-1000");
        }
        rustix::net::send(socket, &Request::plain(RequestKind::Begin).encode(), SendFlags::NOSIGNAL)
            .map_err(|errno| SandboxError::setup("waking the sandbox", errno))?;
        if self.unswept.replace(false) {
            sweep(&self.hierarchies);
        }
        let (reply, listeners) = receive_reply(socket.as_fd(), PATIENCE)?;
        match reply {
            Reply::Ready { missing, errno } => {
                let layers = report::layers(policy, &self.machine, group.map(Group::enforced), missing, Errno(errno))?;
                Ok((layers, listeners))
            }
            Reply::SetupFailed { phase, step, errno } => Err(problem(prepared.step_name(phase, step), Errno(errno))),
            Reply::Ended(_) => Err(SandboxError::Died),
        }
    }

    fn map_users(&self, pid: Pid, policy: &Policy, number: u32) -> Result<(), SandboxError> {
        let write = |file: &str, content: &str| {
            write_process_file(pid, file, content)
                .map_err(|error| SandboxError::setup(format!("writing {file}"), error))
        };
        // It takes no rights to write this one, and what is written once stays: a program could leave it to a later run. Where this
        // fails, the namespace above has no projects, and a program could not do it either.
        let _ = write_process_file(pid, "projid_map", "0 0 1");
        if self.machine.privileged {
            let first = first_user(number);
            write("uid_map", &format!("0 {first} {USERS}"))?;
            return write("gid_map", &format!("0 {first} {USERS}"));
        }
        // Without privileges only our own user can be mapped, and groups must be given up for good first (user_namespaces(7)).
        let (uid, gid) = (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw());
        write("setgroups", "deny")?;
        write("uid_map", &format!("{} {uid} 1", policy.user.uid))?;
        write("gid_map", &format!("{} {gid} 1", policy.user.gid))
    }

    /// What this machine would enforce, by availability alone.
    pub(crate) fn availability(&self, controller: Controller) -> Result<(), String> {
        self.hierarchies.availability(controller).map(drop)
    }
}

/// Removes the groups that a killed predecessor left behind.
pub(crate) fn sweep(hierarchies: &Hierarchies) {
    let swept = cgroup::sweep(hierarchies);
    if swept.groups > 0 {
        tracing::info!(groups = swept.groups, processes = swept.processes, "removed what a killed process left");
    }
}

/// Where a process begins to count: two that run at the same time, such as a server and a `belljar run`, must not give their
/// sandboxes the same users, for whom the kernel keeps quotas. Neighbouring process ids begin far apart, because each goes on from
/// there; the factor is odd, so no two below the number of ranges begin at the same place, and its share of that number is the golden
/// ratio, which spreads them evenly.
const fn first_number(process: u32) -> u32 {
    const FACTOR: u32 = 10_125;
    process.wrapping_mul(FACTOR) % USER_RANGES
}

fn first_user(number: u32) -> u32 {
    FIRST_HOST_USER + (number % USER_RANGES) * USERS
}

fn write_process_file(pid: Pid, file: &str, content: &str) -> std::io::Result<()> {
    std::fs::write(Path::new("/proc").join(pid.as_raw_nonzero().to_string()).join(file), content)
}

/// Opens the trees that only the host's user can reach, their files shown as the sandbox's user's.
fn open_sources(
    witness: SingleThreaded,
    sources: &[Source],
    granted: Option<&Granted>,
    number: u32,
) -> Result<Vec<OwnedFd>, SandboxError> {
    let mut trees = Vec::with_capacity(sources.len());
    // Made once for the layers of an image, which all have one owner.
    let mut maps: Vec<((u32, u32), User, OwnedFd)> = Vec::new();
    for source in sources {
        let step = |name: &str| format!("{name} {}", source.path.display());
        let flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC | OpenTreeFlags::AT_RECURSIVE;
        let tree = match granted.map(|granted| granted.pins.get(&source.path)) {
            None => rustix::mount::open_tree(rustix::fs::CWD, &source.path, flags),
            Some(Some(pin)) => rustix::mount::open_tree(&pin.file, "", flags | OpenTreeFlags::AT_EMPTY_PATH),
            Some(None) => Err(rustix::io::Errno::PERM),
        };
        let tree = tree.map_err(|errno| SandboxError::setup(step("open_tree"), errno))?;
        // A copy of a shared mount would go on to receive what is mounted there on the host, without the attributes that are
        // set here; so it is cut off first.
        call::make_tree_private(tree.as_raw_fd()).map_err(|errno| problem(step("mount_setattr(MS_PRIVATE)"), errno))?;
        call::set_mount_attributes(tree.as_raw_fd(), source.attributes, true, None)
            .map_err(|errno| problem(step("mount_setattr"), errno))?;
        let same = |(owner, shown_as, _): &_| (*owner, *shown_as) == (source.owner, source.shown_as);
        let known = match maps.iter().position(same) {
            Some(known) => known,
            None => {
                let first = first_user(number);
                let inside = (first + source.shown_as.uid, first + source.shown_as.gid);
                let map = user_map(witness, source.owner, inside)
                    .map_err(|error| SandboxError::setup(step("making an id map for"), error))?;
                maps.push((source.owner, source.shown_as, map));
                maps.len() - 1
            }
        };
        let (_, _, map) = &maps[known];
        if let Err(errno) = call::set_mount_attributes(tree.as_raw_fd(), 0, false, Some(map.as_raw_fd())) {
            // File systems without id maps (some network and FUSE ones) show their files as somebody else's.
            tracing::debug!(path = %source.path.display(), %errno, "no id map");
        }
        trees.push(tree);
    }
    Ok(trees)
}

/// A user namespace that is nothing but a table: `owner` on disk is `inside` on the mount.
fn user_map(witness: SingleThreaded, owner: (u32, u32), inside: (u32, u32)) -> std::io::Result<OwnedFd> {
    let (until, release) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC)?;
    let pid =
        hold_user_namespace(witness, until.as_raw_fd()).map_err(|errno| std::io::Error::from_raw_os_error(errno.0))?;
    let pid = Pid::from_raw(pid).ok_or(std::io::ErrorKind::InvalidData)?;
    let open = || {
        write_process_file(pid, "uid_map", &format!("{} {} 1", owner.0, inside.0))?;
        write_process_file(pid, "gid_map", &format!("{} {} 1", owner.1, inside.1))?;
        std::fs::File::open(format!("/proc/{}/ns/user", pid.as_raw_nonzero()))
    };
    let namespace = open();
    drop(release);
    rustix::process::waitpid(Some(pid), WaitOptions::empty())?;
    Ok(namespace?.into())
}

fn receive_reply(socket: BorrowedFd<'_>, patience: Duration) -> Result<(Reply, Vec<OwnedFd>), SandboxError> {
    let deadline = Instant::now() + patience;
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(SandboxError::setup("waiting for the sandbox", std::io::ErrorKind::TimedOut));
        }
        let timeout = rustix::event::Timespec::try_from(left).ok();
        match rustix::event::poll(&mut [PollFd::new(&socket, PollFlags::IN)], timeout.as_ref()) {
            Ok(0) | Err(rustix::io::Errno::INTR) => continue,
            Ok(_) => {}
            Err(errno) => return Err(SandboxError::setup("poll", errno)),
        }
        let (bytes, listeners) = init_socket::receive_reply(socket)
            .map_err(|errno| SandboxError::setup("receiving from the sandbox", errno))?;
        return Ok((Reply::decode(&bytes).map_err(|_| SandboxError::Died)?, listeners));
    }
}

fn problem(step: impl Into<String>, errno: Errno) -> SandboxError {
    SandboxError::setup(step, std::io::Error::from_raw_os_error(errno.0))
}

fn other(error: &cgroup::CgroupError) -> std::io::Error {
    std::io::Error::other(error.to_string())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn processes_begin_to_count_at_places_of_their_own() {
        let first: BTreeSet<u32> = (30_000..30_000 + USER_RANGES).map(first_number).collect();
        assert_eq!(first.len(), USER_RANGES as usize);
        let mut close: Vec<u32> = (1000..1032).map(first_number).collect();
        close.sort_unstable();
        assert!(close.windows(2).all(|pair| pair[1] - pair[0] > 200), "{close:?}");
    }
}
