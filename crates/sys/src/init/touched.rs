//! Whether a run has left anything behind, and what must be made anew because of it.
//!
//! A run can leave something in five places. The kernel reports three of them as they happen, by a filter (the *watch*, installed in
//! the init and inherited by everything inside) that hands a few rare system calls to the init before it lets them go on: System V
//! objects, sockets of the network, and settings of other processes. The other two are compared afterwards: the directories of the
//! writable layer and that of terminals with how they looked at first, and the processes with their number. Where all five are as
//! they were, there is nothing to renew, and the next run finds what the first one found.

use core::ffi::CStr;

use super::{Init, give_up, phase};
use crate::Errno;
use crate::call::{self, Look};
use crate::plan::Failure;

/// Directories that are compared, at most.
const DIRECTORIES: usize = 8;
/// What is kept of the terminals' file system.
const TERMINALS: [&CStr; 2] = [c"/dev/pts", c"/dev/pts/ptmx"];

/// What the watch has reported since the last renewal. Without a watch everything counts as reported.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Reported {
    /// A socket of the internet families: counters, closed connections and addresses of peers stay in the namespace.
    network: bool,
    /// A setting of some process, perhaps of one of ours (`prlimit(2)`, `sched_setattr(2)`, `setpriority(2)` and the like).
    settings: bool,
    /// A System V object or a message queue: their namespace counts them.
    objects: bool,
}

/// How a world looked before its first program.
#[derive(Debug, Clone, Copy)]
pub(super) struct Untouched {
    directories: [Look; DIRECTORIES],
    /// Free blocks and inodes of the layer.
    free: (u64, u64),
    /// The inode number that the layer gave last.
    inode: u64,
    /// The world's first spawner.
    spawner: i32,
    /// A change from now on has a later time stamp than all of the above.
    since: i128,
}

impl<S: AsRef<CStr>> Init<'_, S> {
    /// Installs the watch. Where the kernel has none, every run counts as having touched everything.
    pub(super) fn begin_watch(&mut self) {
        if !self.setup.watch.is_empty() {
            self.reports = call::install_watch(self.setup.watch).unwrap_or(-1);
        }
    }

    /// Notes what a process inside is about to do, and lets it.
    pub(super) fn take_report(&mut self) {
        let Ok(number) = call::take_report(self.reports) else { return };
        match number.into() {
            libc::SYS_socket => self.reported.network = true,
            libc::SYS_shmget | libc::SYS_semget | libc::SYS_msgget | libc::SYS_mq_open | libc::SYS_mq_unlink => {
                self.reported.objects = true;
            }
            _ => self.reported.settings = true,
        }
    }

    /// Makes anew, or gives the sandbox up for, what outlives a world.
    ///
    /// The init may have the same user id as programs, which then can change its niceness, its limits and the like, and spawners
    /// would inherit that. The network namespace is replaced: what was sent shows in it.
    pub(super) fn restore_lasting(&mut self) {
        let failed = |errno| Failure { step: 5, errno };
        let blind = self.reports < 0;
        let reported = core::mem::take(&mut self.reported);
        let first_time = self.settings.is_none();
        if blind || reported.settings || first_time {
            let settings = match call::own_settings() {
                Ok(settings) => settings,
                Err(errno) => give_up(self.socket, phase::MACHINERY, failed(errno)),
            };
            if self.settings.is_some_and(|first| first != settings) {
                give_up(self.socket, phase::MACHINERY, failed(Errno(libc::EPERM)));
            }
            self.settings = Some(settings);
        }
        if !first_time {
            // A program chooses the times by opening a terminal, and the modes where it has our user id; the terminals are gone.
            for (kept, mode) in TERMINALS.into_iter().zip([0o755, 0o666]) {
                call::renew_attributes(kept, mode);
            }
        }
        let network = if first_time {
            self.open_listeners()
        } else if (blind && self.served || reported.network) && self.owns(libc::CLONE_NEWNET) {
            self.replace_network()
        } else {
            Ok(())
        };
        if let Err(errno) = network {
            give_up(self.socket, phase::MACHINERY, failed(errno));
        }
    }

    /// What still listens in the old namespace, or is connected there, ends with the last descriptor of its owner.
    fn replace_network(&mut self) -> Result<(), Errno> {
        call::unshare(libc::CLONE_NEWNET)?;
        call::raise_loopback()?;
        self.open_listeners()
    }

    /// Remembers how the new world looks; `None` when that proves nothing here.
    pub(super) fn look_around(&self) -> Option<Untouched> {
        let setup = self.setup;
        if self.reports < 0 || setup.watched.is_empty() || setup.watched.len() + TERMINALS.len() > DIRECTORIES {
            return None;
        }
        let layer = self.slots.get(setup.layer_slot);
        let directories = self.look_at_directories()?;
        let free = call::free_space(layer).ok()?;
        let latest = directories.iter().map(Look::latest).max().unwrap_or_default();
        let spawner = self.spawner?.pid;
        Some(Untouched { directories, free, inode: call::nameless_inode(layer).ok()?, spawner, since: latest })
    }

    fn look_at_directories(&self) -> Option<[Look; DIRECTORIES]> {
        let layer = self.slots.get(self.setup.layer_slot);
        let mut looks = [Look::default(); DIRECTORIES];
        let names = self.setup.watched.iter().map(AsRef::as_ref).chain(TERMINALS);
        for (look, name) in looks.iter_mut().zip(names) {
            *look = call::look(layer, name).ok()?;
        }
        Some(looks)
    }

    /// Before a run in a world that counts as untouched: a signal that an earlier one left for the spawner may have come into effect
    /// only now. Then the world is not what it was.
    pub(super) fn replace_lost_spawner(&mut self) {
        if let Some(first) = self.untouched {
            self.reap_ended(0);
            if self.spawner.is_none_or(|spawner| spawner.pid != first.spawner || call::is_stopped(spawner.pid)) {
                self.kill_everything(0);
                self.renew();
            }
        }
    }

    /// Before a run: what it changes has to differ in time from what was there, or nothing is proven by it.
    pub(super) fn expect_run(&mut self) {
        self.served = true;
        if self.untouched.is_some_and(|untouched| call::stamp_ns() <= untouched.since) {
            self.untouched = None;
        }
    }

    /// After a run: whether the next one, whosever it is, finds everything as the first one did. Process ids begin again then.
    pub(super) fn is_untouched(&mut self) -> bool {
        self.untouched = self.untouched.and_then(|first| self.still(first));
        self.untouched.is_some()
    }

    /// What to compare with from now on, if nothing has changed.
    fn still(&self, first: Untouched) -> Option<Untouched> {
        let Reported { network, settings, objects } = self.reported;
        // Whoever could change something while we look would be one process more than this one, the spawner and what is kept warm.
        let alone = self.setup.counters.processes.read() == Some(2 + self.zygotes.count());
        let spawner = self.spawner.filter(|spawner| spawner.pid == first.spawner)?;
        let stopped = call::is_stopped(spawner.pid) || !self.zygotes.is_ready();
        if network || settings || objects || !alone || stopped {
            return None;
        }
        let layer = self.slots.get(self.setup.layer_slot);
        let same = self.look_at_directories()? == first.directories && call::free_space(layer).ok()? == first.free;
        // Files without a name leave nothing but a gap in the numbers.
        let inode = call::nameless_inode(layer).ok()?;
        if !same || inode != first.inode + 1 {
            return None;
        }
        self.set_last_pid(Some(spawner.pid));
        Some(Untouched { inode, ..first })
    }

    /// Whether the init was made with a namespace of this kind.
    pub(super) fn owns(&self, kind: i32) -> bool {
        self.setup.namespaces & u64::from(kind.unsigned_abs()) != 0
    }
}
