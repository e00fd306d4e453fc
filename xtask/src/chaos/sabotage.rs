//! Processes of ours that are killed, each by its exact id, and what must not be left of them.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

use super::random::Random;
use crate::bench::processes::{Roles, family};

/// Whom a volley is against.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Victim {
    /// Nobody: all answers have to be right.
    Nobody,
    /// The init of a sandbox.
    Init,
    /// A process within a sandbox: its spawner, or a program.
    Inner,
    /// A launcher, or who keeps it.
    Launcher,
    Server,
}

impl Victim {
    pub(super) fn choose(random: &mut Random) -> Self {
        match random.below(10) {
            0..=3 => Self::Nobody,
            4..=5 => Self::Init,
            6 => Self::Inner,
            7..=8 => Self::Launcher,
            _ => Self::Server,
        }
    }

    /// How many are killed in one volley, at most.
    pub(super) const fn most(self) -> u32 {
        match self {
            Self::Nobody => 0,
            Self::Init | Self::Inner => 20,
            Self::Launcher => 4,
            Self::Server => 1,
        }
    }

    /// Kills one below this server; `false` when there is none just now.
    ///
    /// # Errors
    ///
    /// The kernel does not tell.
    pub(super) fn kill(self, server: u32, random: &mut Random) -> Result<bool> {
        let Roles { launchers, inits, inner } = Roles::of(server)?;
        let chosen = match self {
            Self::Nobody => Vec::new(),
            Self::Server => vec![server],
            Self::Launcher => launchers,
            Self::Init => inits,
            Self::Inner => inner,
        };
        let Some(victim) = random.choose(&chosen).copied() else { return Ok(false) };
        let Some(pid) = i32::try_from(victim).ok().and_then(Pid::from_raw) else { return Ok(false) };
        let Ok(pidfd) = pidfd_open(pid, PidfdFlags::empty()) else { return Ok(false) };
        // The id may have become somebody else's before it was opened, but not since.
        if !family(server)?.contains(&victim) {
            return Ok(false);
        }
        Ok(pidfd_send_signal(&pidfd, Signal::KILL).is_ok())
    }
}

/// Processes by their id and start time, which tells them from later ones with the same id.
#[derive(Debug, Clone)]
pub(super) struct Crowd(BTreeMap<u32, u64>);

impl Crowd {
    /// A server and all below it.
    ///
    /// # Errors
    ///
    /// The kernel does not tell.
    pub(super) fn of(server: u32) -> Result<Self> {
        let started = |process| started(process).map(|started| (process, started));
        Ok(Self(family(server)?.into_iter().filter_map(started).collect()))
    }

    /// Those that are not in the other one.
    pub(super) fn without(mut self, other: &Self) -> Self {
        self.0.retain(|process, started| other.0.get(process) != Some(started));
        self
    }

    /// Waits until none of them lives any more, and no control group that one of them made is left.
    ///
    /// # Errors
    ///
    /// Some are still there after this long.
    pub(super) fn wait_for_end(&self, patience: Duration) -> Result<()> {
        let began = Instant::now();
        loop {
            let alive: Vec<u32> = self
                .0
                .iter()
                .filter(|(process, since)| started(**process) == Some(**since))
                .map(|(id, _)| *id)
                .collect();
            let groups = self.groups();
            if alive.is_empty() && groups.is_empty() {
                return Ok(());
            }
            if began.elapsed() > patience {
                bail!("left behind after {} s: processes {alive:?}, control groups {groups:?}", patience.as_secs());
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Directories of control groups that tell one of them as their owner.
    fn groups(&self) -> Vec<String> {
        let own: Vec<String> = self.0.iter().map(|(process, started)| format!("belljar-{process}-{started}")).collect();
        let mut found = Vec::new();
        let mut left = vec![Path::new("/sys/fs/cgroup").to_owned()];
        while let Some(directory) = left.pop() {
            let Ok(entries) = fs::read_dir(&directory) else { continue };
            for entry in entries.flatten().filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir())) {
                match own.contains(&entry.file_name().to_string_lossy().into_owned()) {
                    true => found.push(entry.path().display().to_string()),
                    false => left.push(entry.path()),
                }
            }
        }
        found
    }
}

/// Start time of a process in clock ticks: field 22 (`proc_pid_stat(5)`); `None` when it has ended.
fn started(process: u32) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).context("no such process").ok()?;
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace();
    // One that nobody has waited for yet holds nothing any more.
    (fields.next() != Some("Z")).then(|| fields.nth(18)?.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_lives_is_left_behind() {
        let mut child = std::process::Command::new("sleep").arg("1000").spawn().expect("sleep is there");
        let crowd = Crowd::of(child.id()).expect("/proc is there");
        let left = crowd.wait_for_end(Duration::from_millis(1)).expect_err("it lives").to_string();
        assert!(left.contains(&child.id().to_string()), "{left}");
        assert!(crowd.clone().without(&crowd).wait_for_end(Duration::ZERO).is_ok());
        assert!(Victim::Server.kill(child.id(), &mut Random::branch(1, 1)).expect("/proc is there"));
        child.wait().expect("it was killed");
        assert!(crowd.wait_for_end(Duration::from_secs(10)).is_ok());
    }
}
