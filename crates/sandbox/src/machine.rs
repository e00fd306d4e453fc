//! What this machine's kernel, and our own privileges on it, allow. Found out once.

use std::path::Path;

use crate::cgroup::{Controller, Hierarchies};

/// Facts that plans depend on.
#[derive(Debug, Clone)]
#[expect(clippy::struct_excessive_bools, reason = "independent facts, not states")]
pub(crate) struct Machine {
    /// We are root and may map any user: sandboxes get users of their own.
    pub(crate) privileged: bool,
    /// Landlock's version, 0 without.
    pub(crate) landlock_version: u32,
    /// The kernel has time namespaces.
    pub(crate) time_namespace: bool,
    /// The kernel tells the last process id of a namespace.
    pub(crate) last_pid: bool,
    /// A control group limits memory.
    pub(crate) cgroup_memory: bool,
    /// A control group limits processes.
    pub(crate) cgroup_processes: bool,
    /// Hard limits of our own process, by `RLIMIT_*`; they cannot be raised in a user namespace.
    hard_limits: [u64; 16],
}

impl Machine {
    /// Looks around.
    pub(crate) fn inspect(hierarchies: &Hierarchies) -> Self {
        Self {
            privileged: rustix::process::geteuid().is_root() && may_map_users(),
            landlock_version: belljar_sys::call::landlock_version(),
            time_namespace: Path::new("/proc/self/ns/time").exists(),
            last_pid: Path::new("/proc/sys/kernel/ns_last_pid").exists(),
            cgroup_memory: hierarchies.availability(Controller::Memory).is_ok(),
            cgroup_processes: hierarchies.availability(Controller::Pids).is_ok(),
            hard_limits: hard_limits(),
        }
    }

    /// The hard limit that we are under ourselves; `u64::MAX` is none.
    pub(crate) fn hard_limit(&self, resource: u32) -> u64 {
        usize::try_from(resource).ok().and_then(|index| self.hard_limits.get(index)).copied().unwrap_or(u64::MAX)
    }

    #[cfg(test)]
    pub(crate) const fn for_tests() -> Self {
        Self {
            privileged: false,
            landlock_version: 0,
            time_namespace: true,
            last_pid: true,
            cgroup_memory: true,
            cgroup_processes: true,
            hard_limits: [u64::MAX; 16],
        }
    }
}

/// Root of a container may lack what a map of many users needs: `CAP_SETUID`, `CAP_SETGID` and `CAP_SYS_ADMIN`, and the numbers.
fn may_map_users() -> bool {
    use rustix::thread::CapabilitySet;
    let needed = CapabilitySet::SETUID | CapabilitySet::SETGID | CapabilitySet::SYS_ADMIN;
    let held = rustix::thread::capabilities(None).is_ok_and(|sets| sets.effective.contains(needed));
    held && maps_all_users(&std::fs::read_to_string("/proc/self/uid_map").unwrap_or_default())
}

/// Whether a user map is the initial namespace's: all numbers, unchanged.
fn maps_all_users(map: &str) -> bool {
    map.split_ascii_whitespace().eq(["0", "0", "4294967295"])
}

fn hard_limits() -> [u64; 16] {
    let mut limits = [u64::MAX; 16];
    let text = std::fs::read_to_string("/proc/self/limits").unwrap_or_default();
    // The kernel prints a name of 25 characters, then soft limit, hard limit and unit (proc_pid_limits(5)).
    let names = [
        ("Max cpu time", libc::RLIMIT_CPU),
        ("Max file size", libc::RLIMIT_FSIZE),
        ("Max data size", libc::RLIMIT_DATA),
        ("Max stack size", libc::RLIMIT_STACK),
        ("Max processes", libc::RLIMIT_NPROC),
        ("Max open files", libc::RLIMIT_NOFILE),
        ("Max locked memory", libc::RLIMIT_MEMLOCK),
        ("Max pending signals", libc::RLIMIT_SIGPENDING),
        ("Max msgqueue size", libc::RLIMIT_MSGQUEUE),
    ];
    for line in text.lines() {
        let Some((name, values)) = line.split_at_checked(25) else {
            continue;
        };
        let known = names.iter().find(|(known, _)| *known == name.trim_end());
        let hard = values.split_ascii_whitespace().nth(1).and_then(|hard| hard.parse().ok());
        if let (Some((_, resource)), Some(hard)) = (known, hard)
            && let Some(place) = usize::try_from(*resource).ok().and_then(|index| limits.get_mut(index))
        {
            *place = hard;
        }
    }
    limits
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_initial_map_counts_as_all_users() {
        assert!(maps_all_users("         0          0 4294967295\n"));
        assert!(!maps_all_users("         0       1000          1\n"));
        assert!(!maps_all_users("         0     100000      65536\n"));
        assert!(!maps_all_users(""));
    }

    #[test]
    fn our_own_limits_are_read() {
        let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile);
        assert_eq!(hard_limits()[libc::RLIMIT_NOFILE as usize], limit.maximum.unwrap_or(u64::MAX));
    }
}
