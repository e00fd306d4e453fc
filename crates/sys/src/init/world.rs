//! What each run has of its own: a writable layer, namespaces, a spawner.

use core::ffi::CStr;

use super::{Init, PATIENCE_NS, Spawner, World, give_up, phase, zygote};
use crate::Errno;
use crate::call::{self, Fd};
use crate::plan::{self, Failure, Missing};
use crate::process::{Side, SingleThreaded, fork_with};
use crate::spawner::{self, ANSWER_BYTES, Answer};
use crate::wire::{REPLY_BYTES, Reply};

impl<S: AsRef<CStr>> Init<'_, S> {
    /// Makes everything anew that a program could have changed. Nobody else is alive in here.
    pub(super) fn renew(&mut self) {
        if let Some(alive) = self.setup.counters.processes.read()
            && alive != 1 + self.zygotes.count()
        {
            give_up(self.socket, phase::MACHINERY, Failure { step: 1, errno: Errno(libc::EBUSY) });
        }
        if let Some(world) = self.world.take() {
            call::close(world.mounts);
            self.former_ipc = world.ipc;
        }
        self.restore_lasting();
        self.start_zygote();
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
        self.untouched = self.look_around();
        call::close(core::mem::replace(&mut self.former_ipc, -1));
    }

    /// Forks a spawner, into a new world or into the one that is there.
    pub(super) fn spawn(&mut self, fresh: bool) {
        self.before = None;
        self.untouched = None;
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
        // Never the host's: without a namespace of its own there is nothing to empty.
        let own_ipc = self.owns(libc::CLONE_NEWIPC) && self.former_ipc >= 0;
        if own_ipc && call::set_namespace(self.former_ipc, libc::CLONE_NEWIPC).is_ok() {
            call::remove_ipc_objects();
        }
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
                // Before the limits of programs: the kernel refuses to pass descriptors on for a user that has more of them on
                // their way than the sender may have open, and programs of other sandboxes may be of the same user.
                call::send(socket, &WORLD, &[], &[world.mounts, world.ipc])
                    .map_err(|errno| (phase::MACHINERY, Failure { step: 5, errno }))?;
            }
            plan::execute(self.setup.drop, self.setup.filter, &mut self.slots, &mut missing)
                .map_err(|failure| (phase::DROP, failure))?;
            if self.setup.warm.is_some() {
                self.confinement.set(zygote::confinement(proc, b"self"));
            }
            Ok(())
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
        spawner::serve(socket, &mut self.packet, &self.newborn, self.setup.once, self.setup.agent)
    }
}

/// The packet that brings a new world's namespaces, before what is told of the birth.
const WORLD: [u8; 1] = [0];

/// How a spawner began: what it tells the init before it serves.
#[derive(Debug, Clone, Copy)]
enum Birth {
    Alive { missing: Missing, world: World },
    Dead { phase: u32, failure: Failure },
}

fn send_birth(socket: Fd, birth: Birth) -> Result<(), Errno> {
    match birth {
        Birth::Alive { missing, .. } => {
            let reply = Reply::Ready { missing: missing.layers, errno: missing.errno };
            call::send(socket, &reply.encode(), &[], &[])
        }
        Birth::Dead { phase, failure } => {
            let reply = Reply::SetupFailed { phase, step: failure.step, errno: failure.errno.0 };
            call::send(socket, &reply.encode(), &[], &[])
        }
    }
}

fn receive_birth(socket: Fd) -> Result<Birth, Errno> {
    let mut bytes = [0; REPLY_BYTES];
    let until = call::monotonic_ns().saturating_add(PATIENCE_NS);
    let mut world = World { mounts: -1, ipc: -1 };
    let mut received = receive_within(socket, &mut bytes, until)?;
    if received.length == WORLD.len() {
        world = World { mounts: received.descriptors[0], ipc: received.descriptors[1] };
        received = receive_within(socket, &mut bytes, until)?;
    }
    match Reply::decode(&bytes[..received.length])? {
        Reply::Ready { missing, errno } => Ok(Birth::Alive { missing: Missing { layers: missing, errno }, world }),
        Reply::SetupFailed { phase, step, errno } => {
            Ok(Birth::Dead { phase, failure: Failure { step, errno: Errno(errno) } })
        }
        Reply::Ended(_) => Err(Errno(libc::EBADMSG)),
    }
}

/// What a spawner or a fork of a zygote answers to a request.
pub(super) fn receive_answer(socket: Fd, until: u64) -> Result<Answer, Errno> {
    let mut bytes = [0; ANSWER_BYTES];
    let received = receive_within(socket, &mut bytes, until)?;
    if received.length == ANSWER_BYTES { Ok(Answer::decode(bytes)) } else { Err(Errno(libc::ESRCH)) }
}

pub(super) fn receive_within(socket: Fd, bytes: &mut [u8], until: u64) -> Result<call::Received, Errno> {
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
