//! What outlives a run. It is compared before the next one, and made anew or given up when a program has changed it.

use core::ffi::CStr;

use super::{Init, give_up, phase};
use crate::Errno;
use crate::call::{self, Fd, Settings};
use crate::plan::Failure;

/// What was there before the first program.
#[derive(Debug, Clone, Copy)]
pub(super) struct Lasting {
    settings: Settings,
    network: Option<u64>,
}

impl<S: AsRef<CStr>> Init<'_, S> {
    /// Sees to it that programs find what the first one found.
    ///
    /// The init may have the same user id as programs, which then can change its niceness, its limits and the like, and spawners
    /// would inherit that: such a sandbox is given up. The network namespace keeps counters, closed connections and addresses of
    /// peers: where there was any traffic at all, it is replaced. It costs too much to be new each time.
    pub(super) fn restore_lasting(&mut self) {
        let failed = |errno| Failure { step: 5, errno };
        let settings = match call::own_settings() {
            Ok(settings) => settings,
            Err(errno) => give_up(self.socket, phase::MACHINERY, failed(errno)),
        };
        if self.lasting.is_none()
            && let Err(errno) = self.open_listeners()
        {
            give_up(self.socket, phase::MACHINERY, failed(errno));
        }
        let mut network = self.network_traces();
        if let Some(first) = &self.lasting {
            // A program chooses the times by opening a terminal, and the modes where it has our user id; the terminals are gone.
            for (kept, mode) in [(c"/dev/pts", 0o755), (c"/dev/pts/ptmx", 0o666)] {
                call::renew_attributes(kept, mode);
            }
            if first.settings != settings {
                give_up(self.socket, phase::MACHINERY, failed(Errno(libc::EPERM)));
            }
            if first.network != network {
                if let Err(errno) = self.replace_network() {
                    give_up(self.socket, phase::MACHINERY, failed(errno));
                }
                network = self.network_traces();
            }
        }
        self.lasting = Some(Lasting { settings, network });
    }

    /// What still listens in the old namespace, or is connected there, ends with the last descriptor of its owner.
    fn replace_network(&mut self) -> Result<(), Errno> {
        call::unshare(libc::CLONE_NEWNET)?;
        call::raise_loopback()?;
        self.open_listeners()
    }

    /// Whether the init was made with a namespace of this kind.
    pub(super) fn owns(&self, kind: i32) -> bool {
        self.setup.namespaces & u64::from(kind.unsigned_abs()) != 0
    }

    /// A number that differs once there was traffic, even in vain; `None` when the network is not ours.
    fn network_traces(&self) -> Option<u64> {
        if !self.owns(libc::CLONE_NEWNET) {
            return None;
        }
        let proc = self.slots.get(self.setup.proc_slot);
        // The last for sockets that were connected and sent nothing: routes count their users.
        let files = [c"self/net/dev", c"self/net/snmp", c"self/net/snmp6", c"self/net/ipv6_route"];
        // FNV-1a.
        Some(files.into_iter().fold(0xcbf2_9ce4_8422_2325, |hash, file| digest(proc, file, hash)))
    }
}

fn digest(directory: Fd, file: &CStr, mut hash: u64) -> u64 {
    // A kernel without IPv6 lacks the last two.
    let Ok(file) = call::open(directory, file, libc::O_RDONLY, 0) else { return hash };
    let mut text = [0; 4096];
    while let Ok(length @ 1..) = call::read(file, &mut text) {
        for &byte in text.get(..length).unwrap_or_default() {
            hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }
    call::close(file);
    hash
}
