//! The first process of a sandbox: it sets the sandbox up, then waits for requests of the owner, and kills, reaps and counts.

mod counters;
mod cpu;
mod end;
mod listeners;
mod run;
mod touched;
mod world;
mod zygote;

use core::ffi::CStr;

use crate::Errno;
use crate::call::{self, Endpoint, Fd};
use crate::plan::{self, Entry, Failure, Missing, Slot, Slots};
use crate::process::{Memory, Newborn, Note, Side, SingleThreaded, fork_with};
use crate::seccomp::Instruction;
use crate::wire::{MAX_PACKET, REQUEST_BYTES, Reply, Request, RequestKind};

pub use counters::{Counter, Counters};
pub use zygote::{Warm, ZYGOTE_SOCKET};

/// How long the machinery (never a user's program) may take before it counts as broken: 10 s.
const PATIENCE_NS: u64 = 10_000_000_000;

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
    /// The filter that reports what a run may leave behind: `socket(2)`, calls that make System V objects and message queues, and calls
    /// that change settings of other processes. Empty for a sandbox that is not used again.
    pub watch: &'a [Instruction],
    /// All directories of the writable layer that programs can write to, by name. Empty when there are files in them.
    pub watched: &'a [S],
    /// Files that the init writes `0` to in order to join its control groups.
    pub join: &'a [Fd],
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
    /// Where sockets of the owner's listen inside, at most [`call::MAX_LISTENERS`]; they travel with `Ready` when they are new.
    pub listen: &'a [Endpoint],
    /// The sandbox is not used again.
    pub once: bool,
    /// What the agent does with a job.
    pub agent: fn(&[u8]) -> i32,
    /// The interpreter that is kept warm, if there is one.
    pub warm: Option<Warm<'a, S>>,
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
    /// Shared with the spawners.
    newborn: Newborn,
    slots: Slots,
    missing: Missing,
    spawner: Option<Spawner>,
    /// How the spawner is confined, if a fork of a zygote has to be compared with it.
    confinement: Note,
    zygotes: zygote::Zygotes,
    world: Option<World>,
    /// The IPC namespace of the run before, until it is emptied.
    former_ipc: Fd,
    listeners: listeners::Listeners,
    /// Where the watch reports; -1 without one.
    reports: Fd,
    reported: touched::Reported,
    /// How the world looked at first; `None` once something has changed, or may have.
    untouched: Option<touched::Untouched>,
    /// The init's own, before the first program.
    settings: Option<call::Settings>,
    /// There has been a run.
    served: bool,
    used: Used,
    /// The counters before the next run, if nothing that counts happened since they were read.
    before: Option<run::Readings>,
    cpus: u64,
}

impl<S: AsRef<CStr>> Init<'_, S> {
    fn begin(setup: &Setup<'_, S>, socket: Fd) -> ! {
        call::quiet_signals();
        call::take_short_turns(false);
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
        init.begin_watch();
        init.renew();
        init.answer_ready();
        init.zygotes.wanted = true;
        init.warm_up();
        init.serve()
    }

    fn prepare<'b>(setup: &'b Setup<'b, S>, socket: Fd) -> Result<Init<'b, S>, Errno> {
        let counters = &setup.counters;
        // Before anything is used that a limit counts.
        for &file in setup.join {
            call::write(file, b"0")?;
        }
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
            newborn: Newborn::new()?,
            slots: setup.slots,
            missing: Missing::default(),
            spawner: None,
            confinement: Note::new()?,
            zygotes: zygote::Zygotes::default(),
            world: None,
            former_ipc: -1,
            listeners: listeners::Listeners::NONE,
            reports: -1,
            reported: touched::Reported::default(),
            untouched: None,
            settings: None,
            served: false,
            used: Used::default(),
            before: None,
            cpus: call::usable_cpus(),
        })
    }

    fn serve(&mut self) -> ! {
        loop {
            let ready = self.watch(None, false);
            if ready & 2 != 0 {
                self.reap_ended(0);
            }
            if ready & 4 != 0 {
                self.take_report();
            }
            if ready & 1 == 0 {
                continue;
            }
            let Some((request, received)) = self.receive() else { call::exit(0) };
            match request.kind {
                RequestKind::Run | RequestKind::Agent => {
                    let ended = self.run(&request, received);
                    self.answer(Reply::Ended(ended));
                    if ended.untouched {
                        self.warm_up();
                    }
                    self.begin_counting();
                }
                RequestKind::Settle => {
                    self.settle();
                    self.answer_ready();
                }
                RequestKind::Reset => {
                    self.kill_everything(0);
                    self.renew();
                    self.warm_up();
                    self.begin_counting();
                    self.answer_ready();
                }
                // Both may arrive just after the run that they were meant for has ended by itself.
                RequestKind::Signal | RequestKind::Kill => {}
                RequestKind::Begin => call::exit(0),
            }
        }
    }

    /// Waits for a request (1), the end of a child (2), a report (4) or, if asked to, the spawner (8).
    fn watch(&self, timeout_ns: Option<u64>, for_spawner: bool) -> u32 {
        let spawner = self.spawner.filter(|_| for_spawner).map_or(-1, |spawner| spawner.socket);
        match call::poll([self.socket, self.child_events, self.reports, spawner], timeout_ns) {
            Ok(ready) => ready,
            Err(Errno(libc::EINTR)) => 0,
            // A program with our user id has taken our limit of open files away: deaf, there is nothing left but to end.
            Err(_) => call::exit(1),
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

    /// A request that comes while another is carried out, and has no strings. It must not take the place of that one, which may have
    /// to be handed out a second time.
    fn receive_meanwhile(&self) -> Option<Request> {
        let mut packet = [0; REQUEST_BYTES];
        let received = loop {
            match call::receive(self.socket, &mut packet, 0) {
                Err(Errno(libc::EINTR)) => {}
                other => break other.ok()?,
            }
        };
        Request::decode(packet.get(..received.length)?).ok()
    }

    fn answer(&self, reply: Reply) {
        if call::send(self.socket, &reply.encode(), &[], &[]).is_err() {
            call::exit(0);
        }
    }
}

fn give_up(socket: Fd, phase: u32, failure: Failure) -> ! {
    let reply = Reply::SetupFailed { phase, step: failure.step, errno: failure.errno.0 };
    let _ = call::send(socket, &reply.encode(), &[], &[]);
    call::exit(1)
}
