//! A warm interpreter: the *zygote*, which has imported what programs import, and the fork of it that waits to be a program.
//!
//! The zygote is alive from the first run to the last. It belongs to this process, has a user of its own where there are several, keeps
//! the few capabilities that its forks need to enter a run's namespaces, and reads nothing but our messages. A fork enters them and
//! gives everything up by the spawner's own plan before it reads a request; whether it has is not believed but looked up, by
//! comparison with the spawner. Whatever goes wrong with either costs time, never a layer: the program is started by the spawner then.

use core::ffi::CStr;

use super::world::{receive_answer, receive_within};
use super::{Init, PATIENCE_NS};
use crate::Errno;
use crate::call::{self, Fd, Settings};
use crate::process::{Memory, Side, SingleThreaded, fork_with};
use crate::wire::{Request, RequestKind, STREAMS};

/// What of a warm interpreter the owner decides.
#[derive(Debug)]
pub struct Warm<'a, S> {
    /// The interpreter's path inside.
    pub program: &'a S,
    /// All its arguments, its name first.
    pub arguments: &'a [S],
    /// Its whole environment.
    pub variables: &'a [S],
    /// Its working directory.
    pub directory: &'a S,
    /// The user and group that it has to itself, where there is more than one.
    pub user: Option<(u32, u32)>,
    /// Size of its stack: what is mapped below depends on it, so it is the one of programs.
    pub stack: u64,
}

/// The descriptor by which a zygote has its socket.
pub const ZYGOTE_SOCKET: Fd = 3;
/// Asks a zygote for a fork; descriptors travel with it: the fork's socket, the mount namespace, the IPC namespace.
const MAKE: u8 = 1;
/// Asks a zygote to kill everything but itself and process 1.
const SWEEP: u8 = 2;
/// Asks a zygote whether there is anybody but itself and process 1.
const LOOK: u8 = 3;
/// Asks a zygote to go where we are; descriptors travel with it: another socket for it, the network namespace.
const MOVE: u8 = 4;
/// A fork's first message: missing layers, process id, error number.
const BIRTH_BYTES: usize = 16;
/// How long a zygote may take to kill. One that does not get to it is stopped, and killed with all others.
const SWEEP_PATIENCE_NS: u64 = 100_000_000;
/// How long a fork may take to be made, or to take a request, before it counts as stopped by somebody inside.
const FORK_PATIENCE_NS: u64 = 1_000_000_000;
/// Forks have process ids above this one, out of the way of programs' own: below the lowest `pid_max` that is usual (32,768).
const FORK_PIDS: i32 = 32_000;
/// A zygote that failed so often in a row is not started again: each attempt costs what an interpreter costs.
const MAX_FAILURES: u32 = 3;
/// How often it is looked whether everybody is gone, if nobody says so: 5 ms.
const LOOK_AGAIN_NS: u64 = 5_000_000;

/// The warm interpreter of a sandbox, in whatever state it is.
#[derive(Debug, Default)]
pub(super) struct Zygotes {
    alive: Option<Zygote>,
    parked: Option<Parked>,
    /// A fork that is on its way out: nobody's program.
    stray: i32,
    failures: u32,
    /// It is gone, and the next reset starts another.
    lost: bool,
    /// Whether the last program was one for it. Then the next one will be, too.
    pub(super) wanted: bool,
}

#[derive(Debug)]
struct Zygote {
    pid: i32,
    socket: Fd,
    /// What others with its user id could change of it, as it was when there was nobody else. `None` until it is ready.
    settings: Option<Settings>,
    /// Its network namespace.
    network: Network,
}

/// The name of a network namespace (`net:[NUMBER]`).
type Network = [u8; 32];

/// A fork that waits for a request.
#[derive(Debug)]
struct Parked {
    pid: i32,
    socket: Fd,
}

impl Zygotes {
    /// Processes that stay when no program is there.
    pub(super) fn count(&self) -> u64 {
        u64::from(self.alive.is_some()) + u64::from(self.parked.is_some())
    }

    /// Whether the zygote, if there is one, can be asked for a fork.
    pub(super) fn is_ready(&self) -> bool {
        let is_ready = |zygote: &Zygote| zygote.settings.is_some() && !call::is_stopped(zygote.pid);
        self.alive.as_ref().map_or(!self.lost, is_ready)
    }

    /// Takes note of the end of a process. Whether it was one that no program has to answer for.
    pub(super) fn note(&mut self, pid: i32) -> bool {
        if let Some(zygote) = self.alive.take_if(|zygote| zygote.pid == pid) {
            self.lost = true;
            call::close(zygote.socket);
            return true;
        }
        if let Some(parked) = self.parked.take_if(|parked| parked.pid == pid) {
            call::close(parked.socket);
            return true;
        }
        let stray = self.stray == pid;
        if stray {
            self.stray = 0;
        }
        stray
    }

    /// Ends the waiting fork, if there is one.
    fn discard_parked(&mut self) {
        if let Some(parked) = self.parked.take() {
            call::kill(parked.pid, libc::SIGKILL);
            call::close(parked.socket);
            self.stray = parked.pid;
        }
    }

    /// Ends the zygote: it did not do what it should.
    fn fail(&mut self) {
        self.failures += 1;
        self.lost = self.failures < MAX_FAILURES;
        if let Some(zygote) = self.alive.take() {
            call::kill(zygote.pid, libc::SIGKILL);
            call::close(zygote.socket);
            self.stray = zygote.pid;
        }
    }
}

impl<S: AsRef<CStr>> Init<'_, S> {
    /// Starts the zygote where there should be one and is none, or one that somebody has changed. Nobody else is alive in here but it.
    pub(super) fn start_zygote(&mut self) {
        // Process ids begin again.
        self.zygotes.stray = 0;
        let Some(warm) = &self.setup.warm else { return };
        if let Some(zygote) = &self.zygotes.alive {
            let unchanged = zygote.settings.is_some_and(|settings| call::settings_of(zygote.pid) == Ok(settings));
            if unchanged && self.keep_up().is_ok() {
                return;
            }
            // The namespace's only other process.
            self.kill_hard(0);
        }
        self.zygotes.lost = false;
        if self.zygotes.failures >= MAX_FAILURES {
            return;
        }
        let Ok([ours, theirs]) = call::packet_socket_pair() else { return };
        match fork_with(SingleThreaded::clone_of_one(), 0) {
            Ok(Side::Child) => become_zygote(warm, theirs),
            Ok(Side::Parent { child }) => {
                call::close(theirs);
                self.zygotes.alive = Some(Zygote { pid: child, socket: ours, settings: None, network: self.network() });
            }
            Err(_) => {
                call::close(theirs);
                call::close(ours);
            }
        }
    }

    fn network(&self) -> Network {
        let mut name = [0; 32];
        let _ = call::read_link(self.slots.get(self.setup.proc_slot), c"self/ns/net", &mut name);
        name
    }

    /// Takes the zygote along where we have got a new network namespace, with a new socket: the namespace counts them.
    fn keep_up(&mut self) -> Result<(), Errno> {
        let network = self.network();
        let Some(zygote) = self.zygotes.alive.as_mut().filter(|zygote| zygote.network != network) else {
            return Ok(());
        };
        let namespace = call::open(self.slots.get(self.setup.proc_slot), c"self/ns/net", libc::O_RDONLY, 0)?;
        let [ours, theirs] = call::packet_socket_pair()?;
        let asked = call::send(zygote.socket, &[MOVE], &[], &[theirs, namespace]);
        call::close(theirs);
        call::close(namespace);
        call::close(core::mem::replace(&mut zygote.socket, ours));
        zygote.network = network;
        asked.and_then(|()| hear(ours, FORK_PATIENCE_NS)).map(drop)
    }

    /// Waits until the zygote has imported everything, and lets it fork if that will be wanted: all that a run would else wait for.
    pub(super) fn warm_up(&mut self) {
        let Some(zygote) = &self.zygotes.alive else { return };
        if zygote.settings.is_none() {
            // Before the first program: nobody can have changed it yet.
            let (pid, socket) = (zygote.pid, zygote.socket);
            let ready = self.hear_and_report(socket).and_then(|_| call::settings_of(pid));
            match (ready, &mut self.zygotes.alive) {
                (Ok(settings), Some(zygote)) => zygote.settings = Some(settings),
                _ => return self.zygotes.fail(),
            }
            self.set_last_pid(self.spawner.map(|spawner| spawner.pid));
        }
        if self.zygotes.wanted {
            self.park();
        }
    }

    /// The zygote's first word. Modules may make calls that are reported, and wait for us then.
    fn hear_and_report(&mut self, socket: Fd) -> Result<u8, Errno> {
        let until = call::monotonic_ns().saturating_add(PATIENCE_NS);
        loop {
            let left = until.saturating_sub(call::monotonic_ns());
            let ready = match call::poll([socket, self.reports], Some(left)) {
                Err(Errno(libc::EINTR)) => 0,
                ready => ready?,
            };
            if ready & 2 != 0 {
                self.take_report();
            }
            if ready & 1 != 0 || left == 0 {
                return hear(socket, 0);
            }
        }
    }

    /// Sees to it that a fork waits, if this run is for one, and that none is in the way, if it is not.
    pub(super) fn expect(&mut self, request: &Request) {
        if self.setup.warm.is_none() || request.kind != RequestKind::Run {
            return;
        }
        self.zygotes.wanted = request.warm > 0;
        if self.zygotes.wanted { self.park() } else { self.zygotes.discard_parked() }
    }

    /// Makes a fork that waits for a request.
    fn park(&mut self) {
        if self.zygotes.parked.is_some() || self.zygotes.alive.is_none() {
            return;
        }
        self.before = None;
        let last_pid = self.last_pid_counter().read().and_then(|pid| i32::try_from(pid).ok());
        self.set_last_pid(last_pid.map(|_| FORK_PIDS));
        let made = self.make_fork();
        self.set_last_pid(last_pid);
        match made {
            Ok(parked) => {
                self.zygotes.failures = 0;
                self.zygotes.parked = Some(parked);
            }
            Err(_) => self.zygotes.fail(),
        }
    }

    /// What a zygote forked, and when, must not show in the process ids that come after.
    pub(super) fn set_last_pid(&self, last_pid: Option<i32>) {
        let file = self.last_pid_counter().file;
        if let Some(last_pid) = last_pid.filter(|_| file >= 0) {
            let _ = call::write_at_start(file, digits(last_pid, &mut [0; 10]));
        }
    }

    fn make_fork(&mut self) -> Result<Parked, Errno> {
        let gone = Errno(libc::ESRCH);
        let (zygote, world) = (self.zygotes.alive.as_ref().ok_or(gone)?, self.world.ok_or(gone)?);
        let proc = self.slots.get(self.setup.proc_slot);
        let [ours, theirs] = call::packet_socket_pair()?;
        // One that a program stopped goes on.
        call::kill(zygote.pid, libc::SIGCONT);
        let asked = call::send(zygote.socket, &[MAKE], &[], &[theirs, world.mounts, world.ipc]);
        call::close(theirs);
        let made = asked.and_then(|()| {
            let mut birth = [0; BIRTH_BYTES];
            receive_within(ours, &mut birth, call::monotonic_ns().saturating_add(FORK_PATIENCE_NS))?;
            let (words, _) = birth.as_chunks::<4>();
            let [low, high, pid, errno] = [0, 1, 2, 3].map(|index| u32::from_ne_bytes(words[index]));
            let missing = u64::from(low) | u64::from(high) << 32;
            let pid = i32::try_from(pid).map_err(|_| gone)?;
            // The fork's parent has ended, and the fork is ours.
            hear(zygote.socket, FORK_PATIENCE_NS)?;
            let alike =
                confinement(proc, digits(pid, &mut [0; 10])).is_some_and(|fork| Some(fork) == self.confinement.get());
            if errno == 0 && missing & !self.missing.layers == 0 && alike {
                return Ok(pid);
            }
            if pid > 1 {
                call::kill(pid, libc::SIGKILL);
            }
            Err(Errno(libc::EPERM))
        });
        match made {
            Ok(pid) => Ok(Parked { pid, socket: ours }),
            Err(errno) => {
                call::close(ours);
                Err(errno)
            }
        }
    }

    /// Hands the request in `self.packet` to the waiting fork. When it does not take it, the spawner has to start the program.
    pub(super) fn start_warm(&mut self, request: &Request, received: &call::Received, deadline: u64) -> bool {
        if request.warm == 0 {
            return false;
        }
        let Some(parked) = self.zygotes.parked.take() else { return false };
        call::kill(parked.pid, libc::SIGCONT);
        let streams = &received.descriptors[..STREAMS];
        let asked = call::send(parked.socket, &self.packet.bytes()[..received.length], &[], streams);
        let patience = call::monotonic_ns().saturating_add(FORK_PATIENCE_NS);
        let answer = asked.and_then(|()| receive_answer(parked.socket, deadline.min(patience)));
        call::close(parked.socket);
        match answer {
            Ok(answer) if answer.failed_step == 0 && answer.pid == parked.pid => {
                received.descriptors.into_iter().for_each(call::close);
                self.newborn.note(parked.pid);
                true
            }
            _ => {
                // It declined and goes by itself, or somebody of this request stopped it.
                call::kill(parked.pid, libc::SIGKILL);
                self.zygotes.stray = parked.pid;
                false
            }
        }
    }

    /// Kills everything inside but the zygote, which does it, and reaps it. The status of `program` if it was alive; `None` when there is
    /// no zygote that does it.
    pub(super) fn sweep(&mut self, program: i32) -> Option<Option<i32>> {
        self.zygotes.discard_parked();
        let zygote = self.zygotes.alive.as_ref().filter(|zygote| zygote.settings.is_some())?;
        let socket = zygote.socket;
        call::kill(zygote.pid, libc::SIGCONT);
        // With a user of its own nobody can have stopped it: if it is late, the machine is busy.
        let out_of_reach = self.setup.warm.as_ref().is_some_and(|warm| warm.user.is_some());
        let patience = if out_of_reach { FORK_PATIENCE_NS } else { SWEEP_PATIENCE_NS };
        call::send(socket, &[SWEEP], &[], &[]).and_then(|()| hear(socket, patience)).ok()?;
        // One call has reached every process of the namespace at one moment, and a fork that it interrupted has not happened: all
        // that is left is to see them off.
        let until = call::monotonic_ns().saturating_add(PATIENCE_NS);
        let mut status = None;
        while call::monotonic_ns() < until {
            status = self.reap_ended(program).or(status);
            if self.zygotes.alive.is_none() {
                break;
            }
            if self.is_alone_with(socket) {
                return Some(status);
            }
            let _ = call::poll([self.child_events], Some(LOOK_AGAIN_NS));
        }
        Some(self.kill_hard(program).or(status))
    }

    /// Whether there is nobody but this process and the zygote.
    fn is_alone_with(&self, zygote: Fd) -> bool {
        match self.setup.counters.processes.read() {
            Some(processes) => processes == 2,
            // It asks the kernel whether there is anybody to signal. We would get the answer "yes, the zygote".
            None => call::send(zygote, &[LOOK], &[], &[]).and_then(|()| hear(zygote, SWEEP_PATIENCE_NS)) == Ok(1),
        }
    }
}

/// The zygote's word: one byte, 1 unless it is "no".
fn hear(socket: Fd, patience_ns: u64) -> Result<u8, Errno> {
    let mut word = [0; 1];
    receive_within(socket, &mut word, call::monotonic_ns().saturating_add(patience_ns))?;
    Ok(word[0])
}

fn become_zygote<S: AsRef<CStr>>(warm: &Warm<'_, S>, socket: Fd) -> ! {
    let stack = call::set_limit(libc::RLIMIT_STACK, warm.stack, warm.stack);
    let ready = call::close_all_except(&[0, 1, 2, socket])
        .and_then(|()| call::duplicate_to(socket, ZYGOTE_SOCKET))
        .and_then(|()| call::close_all_except(&[0, 1, 2, ZYGOTE_SOCKET]))
        // Ours close when a program is executed; the zygote's forks need something there until they get streams.
        .and_then(|()| [0, 1, 2].into_iter().try_for_each(|stream| call::duplicate_to(stream, stream)))
        .and(stack)
        .and_then(|()| warm.user.map_or(Ok(()), |(uid, gid)| call::set_ids_keeping_capabilities(uid, gid)))
        .and_then(|()| call::new_session())
        .and_then(|()| call::change_directory(warm.directory.as_ref()));
    let words = warm.arguments.len() + warm.variables.len() + 2;
    if let (Ok(()), Ok(mut tables)) = (ready, Memory::new(words * size_of::<*const u8>())) {
        // Fresh memory is zero: each table ends with a null pointer.
        let (arguments, variables) = tables.pointers().split_at_mut(warm.arguments.len() + 1);
        let point = |table: &mut [*const u8], strings: &[S]| {
            for (place, string) in table.iter_mut().zip(strings) {
                *place = string.as_ref().as_ptr().cast();
            }
        };
        point(arguments, warm.arguments);
        point(variables, warm.variables);
        // SAFETY: both tables hold pointers to C strings that outlive the call, and end with null.
        unsafe { call::execute(warm.program.as_ref().as_ptr().cast(), arguments.as_ptr(), variables.as_ptr()) };
    }
    call::exit(1)
}

/// What the kernel says of a process in which a spawner and a fork must not differ, as a number: users, groups, capabilities, no new
/// privileges, filters, limits, namespaces. `name` is its directory in `proc`. `None` when it cannot be read.
pub(super) fn confinement(proc: Fd, name: &[u8]) -> Option<u64> {
    const LINES: [&[u8]; 14] = [
        b"Umask:",
        b"Uid:",
        b"Gid:",
        b"Groups:",
        b"CapInh:",
        b"CapPrm:",
        b"CapEff:",
        b"CapBnd:",
        b"CapAmb:",
        b"NoNewPrivs:",
        b"Seccomp:",
        b"Seccomp_filters:",
        b"Speculation_Store_Bypass:",
        b"SpeculationIndirectBranch:",
    ];
    // FNV-1a.
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    let mut add = |bytes: &[u8]| {
        for &byte in bytes {
            hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
    };
    let mut text = [0; 4096];
    let status = read(proc, name, b"/status", &mut text)?;
    for line in status.split(|&byte| byte == b'\n') {
        if LINES.iter().any(|known| line.starts_with(known)) {
            add(line);
        }
    }
    add(read(proc, name, b"/limits", &mut text)?);
    for kind in ["cgroup", "ipc", "mnt", "net", "pid", "time", "user", "uts"] {
        let mut path = [0; 48];
        let path = join(&mut path, &[name, b"/ns/", kind.as_bytes()])?;
        match call::read_link(proc, path, &mut text) {
            Ok(length) => add(text.get(..length)?),
            // A kind that this kernel does not have.
            Err(Errno(libc::ENOENT)) => {}
            Err(_) => return None,
        }
    }
    Some(hash)
}

fn read<'a>(proc: Fd, name: &[u8], file: &[u8], into: &'a mut [u8]) -> Option<&'a [u8]> {
    let mut path = [0; 48];
    let file = call::open(proc, join(&mut path, &[name, file])?, libc::O_RDONLY, 0).ok()?;
    let length = call::read_at_start(file, into);
    call::close(file);
    into.get(..length.ok()?)
}

fn join<'a>(into: &'a mut [u8; 48], parts: &[&[u8]]) -> Option<&'a CStr> {
    let mut length = 0;
    for part in parts {
        into.get_mut(length..length + part.len())?.copy_from_slice(part);
        length += part.len();
    }
    CStr::from_bytes_until_nul(into).ok()
}

/// A process id as digits.
fn digits(number: i32, into: &mut [u8; 10]) -> &[u8] {
    let (mut rest, mut start) = (number.unsigned_abs(), into.len());
    loop {
        start -= 1;
        into[start] = b'0' + (rest % 10) as u8;
        rest /= 10;
        if rest == 0 || start == 0 {
            return &into[start..];
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{digits, join};

    #[test]
    fn paths_are_put_together() {
        for number in [0, 7, 10, 4_194_304, i32::MAX] {
            let (mut path, mut text) = ([0; 48], [0; 10]);
            let path = join(&mut path, &[digits(number, &mut text), b"/status"]).map(|path| path.to_bytes());
            let rest =
                path.and_then(|path| path.strip_suffix(b"/status")).and_then(|name| core::str::from_utf8(name).ok());
            assert_eq!(rest.and_then(|name| name.parse().ok()), Some(number));
        }
        assert_eq!(join(&mut [0; 48], &[&[b'x'; 48]]), None, "too long");
    }
}
