//! The first process of a sandbox: it sets the sandbox up, then waits for requests of the owner, and kills, reaps and counts.

use core::ffi::CStr;

use crate::Errno;
use crate::call::{self, Fd, Reaped};
use crate::plan::{self, Entry, Failure, Missing, Slot, Slots};
use crate::process::{Memory, Side, SingleThreaded, fork_with};
use crate::seccomp::Instruction;
use crate::spawner::{self, ANSWER_BYTES, Answer};
use crate::wire::{Cause, Ended, MAX_PACKET, REPLY_BYTES, Reply, Request, RequestKind, StartStep};

/// How long the machinery (never a user's program) may take before it counts as broken: 10 s.
const PATIENCE_NS: u64 = 10_000_000_000;
/// The shortest pause between two looks at the CPU time: with it a limit is exact to about a millisecond.
const MIN_CPU_CHECK_NS: u64 = 500_000;

/// Phases of the set-up, as [`Reply::SetupFailed`] numbers them.
pub mod phase {
    /// The init's own plan.
    pub const INIT: u32 = 0;
    /// The writable layer.
    pub const LAYER: u32 = 1;
    /// The namespaces and mounts of a run.
    pub const WORLD: u32 = 2;
    /// Giving everything up.
    pub const DROP: u32 = 3;
    /// Forks, sockets and checks.
    pub const MACHINERY: u32 = 4;
}

/// A number that the kernel keeps in a file which is open already.
#[derive(Debug, Clone, Copy)]
pub struct Counter {
    /// The file; -1 when there is none.
    pub file: Fd,
    /// The word before the number on its line; empty when the number is all.
    pub key: &'static str,
    /// Factor to our unit.
    pub unit: u64,
}

impl Counter {
    /// No such counter.
    pub const NONE: Self = Self { file: -1, key: "", unit: 1 };

    fn read(&self) -> Option<u64> {
        if self.file < 0 {
            return None;
        }
        let mut text = [0; 1024];
        let length = call::read_at_start(self.file, &mut text).ok()?;
        let text = text.get(..length)?;
        let number = |digits: &[u8]| {
            core::str::from_utf8(digits).ok().and_then(|digits| digits.trim_ascii().parse::<u64>().ok())
        };
        let value = if self.key.is_empty() {
            number(text)?
        } else {
            text.split(|&byte| byte == b'\n').find_map(|line| {
                let rest = line.strip_prefix(self.key.as_bytes())?.strip_prefix(b" ")?;
                number(rest)
            })?
        };
        Some(value.saturating_mul(self.unit))
    }
}

/// The control group's counters, made by the owner, read by the init.
#[derive(Debug, Clone, Copy)]
pub struct Counters {
    /// CPU nanoseconds used.
    pub cpu: Counter,
    /// Highest memory use in bytes; writing to it starts it anew.
    pub memory_peak: Counter,
    /// Processes killed for want of memory.
    pub oom_kills: Counter,
    /// Processes and threads alive.
    pub processes: Counter,
    /// Refused processes.
    pub process_refusals: Counter,
}

impl Counters {
    /// None of them.
    pub const NONE: Self = Self {
        cpu: Counter::NONE,
        memory_peak: Counter::NONE,
        oom_kills: Counter::NONE,
        processes: Counter::NONE,
        process_refusals: Counter::NONE,
    };
}

/// Everything that the owner decides before the clone.
#[derive(Debug)]
pub struct Setup<'a, S> {
    /// `CLONE_NEW*` of the init.
    pub namespaces: u64,
    /// The init's own plan, once.
    pub init: &'a [Entry<S>],
    /// Makes the writable layer, for each run anew; by the init.
    pub layer: &'a [Entry<S>],
    /// Namespaces and mounts of a run, for each run anew; by the spawner while it is still privileged.
    pub world: &'a [Entry<S>],
    /// Gives everything up; by each spawner.
    pub drop: &'a [Entry<S>],
    /// The seccomp filter.
    pub filter: &'a [Instruction],
    /// Counters.
    pub counters: Counters,
    /// Descriptors that the plans begin with.
    pub slots: Slots,
    /// The slot of the writable layer's mount.
    pub layer_slot: Slot,
    /// The slot of `/proc/sys/kernel/ns_last_pid`, if a plan opens it.
    pub last_pid_slot: Slot,
    /// The slot of a `/proc` directory; a run's namespaces are kept by its files.
    pub proc_slot: Slot,
    /// What the agent does with a job.
    pub agent: fn(&[u8]) -> i32,
}

/// Clones the init of a new sandbox; it waits for `Begin` on `socket`, its end of a packet socket pair. Returns its process id.
///
/// When the other end of the pair is closed everywhere, the sandbox ends.
///
/// # Errors
/// As `clone3(2)`: `EPERM` and `ENOSPC` mean that namespaces are not to be had.
pub fn start<S: AsRef<CStr>>(witness: SingleThreaded, setup: &Setup<'_, S>, socket: Fd) -> Result<i32, Errno> {
    match fork_with(witness, setup.namespaces)? {
        Side::Child => Init::begin(setup, socket),
        Side::Parent { child } => Ok(child),
    }
}

/// The namespaces that a run lives in, kept so that a new spawner can enter them.
#[derive(Debug, Clone, Copy)]
struct World {
    mounts: Fd,
    ipc: Fd,
}

#[derive(Debug, Clone, Copy)]
struct Spawner {
    pid: i32,
    socket: Fd,
}

/// What one run has used so far, as far as it was reaped.
#[derive(Debug, Clone, Copy, Default)]
struct Used {
    user_us: u64,
    system_us: u64,
    peak_memory: u64,
}

struct Init<'a, S> {
    setup: &'a Setup<'a, S>,
    socket: Fd,
    child_events: Fd,
    packet: Memory,
    slots: Slots,
    missing: Missing,
    spawner: Option<Spawner>,
    world: Option<World>,
    used: Used,
    cpus: u64,
}

impl<S: AsRef<CStr>> Init<'_, S> {
    fn begin(setup: &Setup<'_, S>, socket: Fd) -> ! {
        call::quiet_signals();
        let mut init = match Self::prepare(setup, socket) {
            Ok(init) => init,
            Err(errno) => give_up(socket, phase::MACHINERY, Failure { step: 0, errno }),
        };
        if !matches!(init.receive(), Some((Request { kind: RequestKind::Begin, .. }, _))) {
            call::exit(0);
        }
        let done = plan::execute(setup.init, setup.filter, &mut init.slots, &mut init.missing);
        if let Err(failure) = done {
            give_up(socket, phase::INIT, failure);
        }
        init.renew();
        init.answer(Reply::Ready { missing: init.missing.layers, errno: init.missing.errno });
        init.serve()
    }

    fn prepare<'b>(setup: &'b Setup<'b, S>, socket: Fd) -> Result<Init<'b, S>, Errno> {
        let counters = &setup.counters;
        let mut keep = [-1; plan::SLOTS + 6];
        keep[..plan::SLOTS].copy_from_slice(&setup.slots.0);
        keep[plan::SLOTS..].copy_from_slice(&[
            socket,
            counters.cpu.file,
            counters.memory_peak.file,
            counters.oom_kills.file,
            counters.processes.file,
            counters.process_refusals.file,
        ]);
        call::close_all_except(&keep)?;
        // Modes are exactly what the plans say; the spawner sets the mask that programs get.
        call::set_umask(0);
        // Whatever is not given a stream gets this one, and the numbers 0 to 2 are never free for anything else.
        loop {
            let null = call::open(call::CURRENT_DIRECTORY, c"/dev/null", libc::O_RDWR, 0)?;
            if null > 2 {
                call::close(null);
                break;
            }
        }
        Ok(Init {
            setup,
            socket,
            child_events: call::child_events()?,
            packet: Memory::new(MAX_PACKET)?,
            slots: setup.slots,
            missing: Missing::default(),
            spawner: None,
            world: None,
            used: Used::default(),
            cpus: call::usable_cpus(),
        })
    }

    fn serve(&mut self) -> ! {
        loop {
            let ready = call::poll([self.socket, self.child_events], None).unwrap_or(0);
            if ready & 2 != 0 {
                self.reap_ended(0);
            }
            if ready & 1 == 0 {
                continue;
            }
            let Some((request, received)) = self.receive() else { call::exit(0) };
            match request.kind {
                RequestKind::Run | RequestKind::Agent => {
                    let ended = self.run(&request, received);
                    self.answer(Reply::Ended(ended));
                }
                RequestKind::Settle => {
                    self.settle();
                    self.answer(Reply::Ready { missing: self.missing.layers, errno: self.missing.errno });
                }
                RequestKind::Reset => {
                    self.kill_everything(0);
                    self.renew();
                    self.answer(Reply::Ready { missing: self.missing.layers, errno: self.missing.errno });
                }
                // Both may arrive just after the run that they were meant for has ended by itself.
                RequestKind::Signal | RequestKind::Kill => {}
                RequestKind::Begin => call::exit(0),
            }
        }
    }

    /// The next request; `None` when the owner is gone or talks nonsense.
    fn receive(&mut self) -> Option<(Request, call::Received)> {
        let received = loop {
            match call::receive(self.socket, self.packet.bytes(), 0) {
                Err(Errno(libc::EINTR)) => {}
                other => break other.ok()?,
            }
        };
        let request = Request::decode(self.packet.bytes().get(..received.length)?).ok()?;
        Some((request, received))
    }

    fn answer(&self, reply: Reply) {
        if call::send(self.socket, &reply.encode(), &[], &[]).is_err() {
            call::exit(0);
        }
    }

    // ---- a run ----

    fn run(&mut self, request: &Request, received: call::Received) -> Ended {
        let counters = &self.setup.counters;
        self.used = Used::default();
        if counters.memory_peak.file >= 0 {
            let _ = call::write_at_start(counters.memory_peak.file, b"0");
        }
        let before = Readings::take(self);
        let started = call::monotonic_ns();
        let deadline = if request.wall_ns == 0 { u64::MAX } else { started.saturating_add(request.wall_ns) };

        let answer = self.start_program(received, deadline);
        let mut end = None;
        let mut cause = Cause::Itself;
        if answer.failed_step != 0 {
            // A limit shorter than a start takes is reached like any other.
            cause = if call::monotonic_ns() >= deadline { Cause::WallTime } else { Cause::NotStarted };
            self.reap_ended(0);
        } else {
            while end.is_none() {
                match self.wait(request, answer.pid, deadline, before.cpu) {
                    Wait::Ended(status) => end = Some(status),
                    Wait::Again => {}
                    Wait::Kill(why) => {
                        // The program may have ended in this very moment; then that is how it ended.
                        end = self.reap_ended(answer.pid);
                        if end.is_none() {
                            cause = why;
                            end = self.kill_everything(answer.pid).or(Some(libc::SIGKILL));
                        }
                    }
                }
            }
        }
        let wall_ns = call::monotonic_ns().saturating_sub(started);
        let after = Readings::take(self);
        let (blocks, inodes) = call::free_space(self.slots.get(self.setup.layer_slot)).unwrap_or((1, 1));
        Ended {
            cause,
            status: end.unwrap_or(0),
            wall_ns,
            user_us: self.used.user_us,
            system_us: self.used.system_us,
            cpu_ns: if counters.cpu.file < 0 { u64::MAX } else { after.cpu.saturating_sub(before.cpu) },
            peak_memory: counters.memory_peak.read().unwrap_or(self.used.peak_memory),
            created: after.last_pid.saturating_sub(before.last_pid),
            oom_kills: after.oom_kills.saturating_sub(before.oom_kills),
            process_refusals: after.process_refusals.saturating_sub(before.process_refusals),
            disk_full: blocks == 0,
            inodes_full: inodes == 0,
            failed_step: answer.failed_step,
            errno: answer.errno,
        }
    }

    /// Hands the request in `self.packet` to the spawner and waits for its answer.
    fn start_program(&mut self, received: call::Received, deadline: u64) -> Answer {
        if self.spawner.is_none() {
            self.spawn(false);
        }
        let Some(spawner) = self.spawner else {
            return Answer::failed(StartStep::Spawner, Errno(libc::ESRCH));
        };
        let streams = &received.descriptors[..crate::wire::STREAMS];
        let packet = &self.packet.bytes()[..received.length];
        let sent = call::send(spawner.socket, packet, &[], streams);
        received.descriptors.into_iter().for_each(call::close);
        let patience = deadline.min(call::monotonic_ns().saturating_add(PATIENCE_NS));
        let answer = sent.and_then(|()| receive_answer(spawner.socket, patience));
        answer.unwrap_or_else(|errno| {
            // Only a process that an earlier command left running can have stopped or killed the spawner.
            self.kill_everything(0);
            Answer::failed(StartStep::Spawner, errno)
        })
    }

    /// Waits for something to happen to the running program.
    fn wait(&mut self, request: &Request, program: i32, deadline: u64, cpu_before: u64) -> Wait {
        let now = call::monotonic_ns();
        if now >= deadline {
            return Wait::Kill(Cause::WallTime);
        }
        let mut timeout = deadline - now;
        if request.cpu_ns > 0 {
            let left = request.cpu_ns.saturating_sub(self.cpu_ns().saturating_sub(cpu_before));
            if left == 0 {
                return Wait::Kill(Cause::CpuTime);
            }
            // All CPUs together cannot use up what is left in less time than this.
            timeout = timeout.min((left / self.cpus).max(MIN_CPU_CHECK_NS));
        }
        let timeout = (timeout < u64::MAX / 2).then_some(timeout);
        let ready = call::poll([self.socket, self.child_events], timeout).unwrap_or(0);
        if ready & 1 != 0 {
            match self.receive() {
                Some((Request { kind: RequestKind::Signal, signal, .. }, _)) => call::kill(-program, signal),
                Some((Request { kind: RequestKind::Kill, .. }, _)) => return Wait::Kill(Cause::Cancelled),
                // Gone, or not in step with us: ending this process ends the sandbox.
                _ => call::exit(0),
            }
        }
        if ready & 2 != 0
            && let Some(status) = self.reap_ended(program)
        {
            return Wait::Ended(status);
        }
        Wait::Again
    }

    /// CPU time of everything inside, by the control group or else by asking each process.
    fn cpu_ns(&self) -> u64 {
        if let Some(used) = self.setup.counters.cpu.read() {
            return used;
        }
        let reaped = (self.used.user_us + self.used.system_us).saturating_mul(1000);
        living_cpu_ns().saturating_add(reaped)
    }

    // ---- ends ----

    /// Reaps what has ended; the status of `program` if it is among it.
    fn reap_ended(&mut self, program: i32) -> Option<i32> {
        // One read takes all pending notices: they say "look", not "who".
        let mut notice = [0; 128];
        let _ = call::read(self.child_events, &mut notice);
        let mut status = None;
        while let Ok(Some(reaped)) = call::reap(false) {
            self.note(&reaped);
            if reaped.pid == program {
                status = Some(reaped.status);
            }
        }
        status
    }

    /// Kills everything inside and reaps it: afterwards this process is alone. The status of `program` if it was alive.
    fn kill_everything(&mut self, program: i32) -> Option<i32> {
        let mut status = None;
        loop {
            // One call reaches every process of the namespace at one moment; a fork that it interrupts does not happen.
            call::kill(-1, libc::SIGKILL);
            match call::reap(true) {
                Ok(Some(reaped)) => {
                    self.note(&reaped);
                    if reaped.pid == program {
                        status = Some(reaped.status);
                    }
                }
                Ok(None) | Err(Errno(libc::EINTR)) => {}
                Err(_) => return status,
            }
        }
    }

    fn note(&mut self, reaped: &Reaped) {
        self.used.user_us += reaped.user_us;
        self.used.system_us += reaped.system_us;
        self.used.peak_memory = self.used.peak_memory.max(reaped.peak_memory);
        if let Some(spawner) = self.spawner
            && spawner.pid == reaped.pid
        {
            call::close(spawner.socket);
            self.spawner = None;
        }
    }

    /// Ends every program, keeps the files.
    fn settle(&mut self) {
        self.reap_ended(0);
        // This process and the spawner.
        let alone = self.spawner.is_some() && self.setup.counters.processes.read() == Some(2);
        if !alone {
            self.kill_everything(0);
            self.spawn(false);
        }
    }

    // ---- what each run has of its own ----

    /// Makes everything anew that a program could have changed. Nobody else is alive in here.
    fn renew(&mut self) {
        if let Some(alive) = self.setup.counters.processes.read()
            && alive != 1
        {
            give_up(self.socket, phase::MACHINERY, Failure { step: 1, errno: Errno(libc::EBUSY) });
        }
        if let Some(world) = self.world.take() {
            call::close(world.mounts);
            call::close(world.ipc);
        }
        self.slots.close(self.setup.layer_slot);
        // The first program has the same process id in every run.
        let last_pid = self.slots.get(self.setup.last_pid_slot);
        if last_pid >= 0 {
            let _ = call::write_at_start(last_pid, b"1");
        }
        let done = plan::execute(self.setup.layer, self.setup.filter, &mut self.slots, &mut self.missing);
        if let Err(failure) = done {
            give_up(self.socket, phase::LAYER, failure);
        }
        self.spawn(true);
    }

    /// Forks a spawner, into a new world or into the one that is there.
    fn spawn(&mut self, fresh: bool) {
        let trouble = |errno| Failure { step: 2, errno };
        let [ours, theirs] = match call::packet_socket_pair() {
            Ok(pair) => pair,
            Err(errno) => give_up(self.socket, phase::MACHINERY, trouble(errno)),
        };
        match fork_with(SingleThreaded::clone_of_one(), 0) {
            Err(errno) => give_up(self.socket, phase::MACHINERY, trouble(errno)),
            Ok(Side::Child) => self.become_spawner(theirs, fresh),
            Ok(Side::Parent { child }) => {
                call::close(theirs);
                match receive_birth(ours) {
                    Ok(Birth::Alive { missing, world }) => {
                        self.missing.layers |= missing.layers;
                        if self.missing.errno == 0 {
                            self.missing.errno = missing.errno;
                        }
                        if fresh {
                            self.world = Some(world);
                        }
                        self.spawner = Some(Spawner { pid: child, socket: ours });
                    }
                    Ok(Birth::Dead { phase, failure }) => give_up(self.socket, phase, failure),
                    Err(errno) => give_up(self.socket, phase::MACHINERY, Failure { step: 3, errno }),
                }
            }
        }
    }

    fn become_spawner(&mut self, socket: Fd, fresh: bool) -> ! {
        call::close(self.socket);
        let mut missing = self.missing;
        let mut world = World { mounts: -1, ipc: -1 };
        let entered = match self.world {
            Some(world) if !fresh => call::set_namespace(world.mounts, libc::CLONE_NEWNS)
                .and_then(|()| call::set_namespace(world.ipc, libc::CLONE_NEWIPC))
                .map_err(|errno| (phase::WORLD, Failure { step: u32::MAX, errno })),
            _ => plan::execute(self.setup.world, self.setup.filter, &mut self.slots, &mut missing)
                .map_err(|failure| (phase::WORLD, failure)),
        };
        let ready = entered.and_then(|()| {
            let proc = self.slots.get(self.setup.proc_slot);
            let open = |path| call::open(proc, path, libc::O_RDONLY, 0);
            if fresh {
                world = World { mounts: open(c"self/ns/mnt").unwrap_or(-1), ipc: open(c"self/ns/ipc").unwrap_or(-1) };
                if world.mounts < 0 || world.ipc < 0 {
                    return Err((phase::MACHINERY, Failure { step: 4, errno: Errno::last() }));
                }
            }
            plan::execute(self.setup.drop, self.setup.filter, &mut self.slots, &mut missing)
                .map_err(|failure| (phase::DROP, failure))
        });
        let birth = match ready {
            Ok(()) => Birth::Alive { missing, world },
            Err((phase, failure)) => Birth::Dead { phase, failure },
        };
        if send_birth(socket, birth).is_err() || matches!(birth, Birth::Dead { .. }) {
            call::exit(1);
        }
        if call::close_all_except(&[0, 1, 2, socket]).is_err() {
            call::exit(1);
        }
        spawner::serve(socket, &mut self.packet, self.setup.agent)
    }
}

enum Wait {
    Ended(i32),
    Again,
    Kill(Cause),
}

/// Counters at one moment.
#[derive(Debug, Clone, Copy)]
struct Readings {
    cpu: u64,
    oom_kills: u64,
    process_refusals: u64,
    last_pid: u32,
}

impl Readings {
    fn take<S: AsRef<CStr>>(init: &Init<'_, S>) -> Self {
        let counters = &init.setup.counters;
        let last_pid = Counter { file: init.slots.get(init.setup.last_pid_slot), key: "", unit: 1 };
        Self {
            cpu: init.cpu_ns(),
            oom_kills: counters.oom_kills.read().unwrap_or(0),
            process_refusals: counters.process_refusals.read().unwrap_or(0),
            last_pid: last_pid.read().and_then(|pid| u32::try_from(pid).ok()).unwrap_or(0),
        }
    }
}

/// How a spawner began: what it tells the init before it serves.
#[derive(Debug, Clone, Copy)]
enum Birth {
    Alive { missing: Missing, world: World },
    Dead { phase: u32, failure: Failure },
}

fn send_birth(socket: Fd, birth: Birth) -> Result<(), Errno> {
    match birth {
        Birth::Alive { missing, world } => {
            let reply = Reply::Ready { missing: missing.layers, errno: missing.errno };
            let both = [world.mounts, world.ipc];
            call::send(socket, &reply.encode(), &[], if world.mounts < 0 { &[] } else { &both })
        }
        Birth::Dead { phase, failure } => {
            let reply = Reply::SetupFailed { phase, step: failure.step, errno: failure.errno.0 };
            call::send(socket, &reply.encode(), &[], &[])
        }
    }
}

fn receive_birth(socket: Fd) -> Result<Birth, Errno> {
    let mut bytes = [0; REPLY_BYTES];
    let received = receive_within(socket, &mut bytes, call::monotonic_ns().saturating_add(PATIENCE_NS))?;
    match Reply::decode(&bytes[..received.length])? {
        Reply::Ready { missing, errno } => Ok(Birth::Alive {
            missing: Missing { layers: missing, errno },
            world: World { mounts: received.descriptors[0], ipc: received.descriptors[1] },
        }),
        Reply::SetupFailed { phase, step, errno } => {
            Ok(Birth::Dead { phase, failure: Failure { step, errno: Errno(errno) } })
        }
        Reply::Ended(_) => Err(Errno(libc::EBADMSG)),
    }
}

fn receive_answer(socket: Fd, until: u64) -> Result<Answer, Errno> {
    let mut bytes = [0; ANSWER_BYTES];
    let received = receive_within(socket, &mut bytes, until)?;
    if received.length == ANSWER_BYTES { Ok(Answer::decode(bytes)) } else { Err(Errno(libc::ESRCH)) }
}

fn receive_within(socket: Fd, bytes: &mut [u8], until: u64) -> Result<call::Received, Errno> {
    loop {
        let left = until.saturating_sub(call::monotonic_ns());
        match call::poll([socket], Some(left)) {
            Ok(0) if left == 0 => return Err(Errno(libc::ETIMEDOUT)),
            Ok(0) | Err(Errno(libc::EINTR)) => {}
            Ok(_) => {
                let received = call::receive(socket, bytes, libc::MSG_DONTWAIT)?;
                return if received.length == 0 { Err(Errno(libc::ESRCH)) } else { Ok(received) };
            }
            Err(errno) => return Err(errno),
        }
    }
}

fn give_up(socket: Fd, phase: u32, failure: Failure) -> ! {
    let reply = Reply::SetupFailed { phase, step: failure.step, errno: failure.errno.0 };
    let _ = call::send(socket, &reply.encode(), &[], &[]);
    call::exit(1)
}

/// CPU time of all living processes of this namespace but the first.
fn living_cpu_ns() -> u64 {
    let Ok(directory) = call::open(call::CURRENT_DIRECTORY, c"/proc", libc::O_RDONLY | libc::O_DIRECTORY, 0) else {
        return 0;
    };
    let mut sum = 0_u64;
    let mut entries = [0; 2048];
    let mut rewind = true;
    while let Ok(length @ 1..) = call::read_directory(directory, &mut entries, rewind) {
        rewind = false;
        let mut rest = &entries[..length];
        // struct linux_dirent64: 16 bytes of numbers, 2 of record length, 1 of type, then the name.
        while let [.., _] = rest
            && let Some(&[low, high]) = rest.get(16..18)
        {
            let record = usize::from(u16::from_ne_bytes([low, high]));
            let name = rest.get(19..record).and_then(|name| CStr::from_bytes_until_nul(name).ok());
            let pid = name.and_then(|name| name.to_str().ok()).and_then(|name| name.parse::<i32>().ok());
            if let Some(pid @ 2..) = pid {
                sum = sum.saturating_add(call::process_cpu_ns(pid).unwrap_or(0));
            }
            rest = rest.get(record.max(1)..).unwrap_or_default();
        }
    }
    call::close(directory);
    sum
}
