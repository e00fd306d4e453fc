//! The end of groups: one's own, and those of owners that died.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, Signal, getpid, pidfd_open, pidfd_send_signal};

use super::hierarchy::owner_directories;
use super::{CgroupError, Hierarchies, gone, members, write};

/// How long a removal may take. Killed processes end within milliseconds, unless they wait for a device.
pub(super) const REMOVAL_TIME: Duration = Duration::from_secs(2);

/// The first pause before a removal is tried again; each next one is twice as long.
const FIRST_PAUSE: Duration = Duration::from_micros(200);

/// The longest pause.
const LONGEST_PAUSE: Duration = Duration::from_millis(50);

/// What a sweep removed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Swept {
    /// Groups of sandboxes, however many hierarchies they were in.
    pub(crate) groups: usize,
    /// Processes that were still in them and were killed.
    pub(crate) processes: usize,
}

/// Removes all groups whose owner is dead, and kills what is in them. Groups of living owners are left alone; so are groups
/// that hold processes of another process-id namespace, where the owner may live unseen. What cannot be removed is logged.
pub(crate) fn sweep(hierarchies: &Hierarchies) -> Swept {
    let mut groups = BTreeSet::new();
    let mut processes = BTreeSet::new();
    for base in hierarchies.owner().bases() {
        let dead = match owner_directories(base) {
            Ok(directories) => directories.into_iter().filter(|(owner, _)| !owner.lives()),
            Err(error) => {
                tracing::warn!(error = error.reason(), "left control groups cannot be looked for");
                continue;
            }
        };
        for (_, directory) in dead {
            let swept = tree(&directory).and_then(|tree| remove_tree(&tree, &mut processes).map(|()| tree));
            match swept {
                // The last one is the owner's directory, the others are named alike in all hierarchies.
                Ok(tree) => {
                    groups.extend(tree.iter().filter_map(|path| Some(path.strip_prefix(base).ok()?.to_owned())))
                }
                Err(error) => tracing::warn!(error = error.reason(), "a left control group cannot be removed"),
            }
        }
    }
    let groups = groups.iter().filter(|path| path.components().count() > 1).count();
    Swept { groups, processes: processes.len() }
}

/// Removes what is below these groups, and kills what is in there. What cannot be removed is logged.
pub(super) fn clear(owners: impl Iterator<Item = PathBuf>) {
    for directory in owners.filter(|directory| directory.is_dir()) {
        let below = tree(&directory).map(|mut tree| {
            tree.retain(|group| *group != directory);
            tree
        });
        if let Err(error) = below.and_then(|tree| remove_tree(&tree, &mut BTreeSet::new())) {
            tracing::warn!(error = error.reason(), "a left control group cannot be removed");
        }
    }
}

/// A group and all groups below it, children before their parents.
fn tree(directory: &Path) -> Result<Vec<PathBuf>, CgroupError> {
    let mut found = vec![directory.to_owned()];
    let mut next = 0;
    while let Some(parent) = found.get(next).cloned() {
        if members(&parent)?.contains(&0) {
            return Err(CgroupError::Foreign(parent));
        }
        match fs::read_dir(&parent) {
            Ok(entries) => {
                let children = entries.flatten().filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
                found.extend(children.map(|entry| entry.path()));
            }
            Err(error) if gone(&error) => {}
            Err(error) => return Err(CgroupError::system("list", &parent)(error)),
        }
        next += 1;
    }
    found.reverse();
    Ok(found)
}

fn remove_tree(tree: &[PathBuf], killed: &mut BTreeSet<i32>) -> Result<(), CgroupError> {
    for directory in tree {
        killed.extend(remove_directory(directory, REMOVAL_TIME)?);
    }
    Ok(())
}

/// Removes a group without children, killing what is in it. Says whom it killed.
pub(super) fn remove_directory(directory: &Path, time: Duration) -> Result<BTreeSet<i32>, CgroupError> {
    let start = Instant::now();
    let mut killed = BTreeSet::new();
    let mut pause = FIRST_PAUSE;
    loop {
        match fs::remove_dir(directory) {
            Ok(()) => return Ok(killed),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(killed),
            Err(error) if error.kind() == io::ErrorKind::ResourceBusy => {}
            Err(error) => return Err(CgroupError::system("remove", directory)(error)),
        }
        let processes = kill(directory)?;
        killed.extend(processes.iter().map(|(pid, _)| *pid));
        let left = time.saturating_sub(start.elapsed());
        if left.is_zero() {
            let path = directory.to_owned();
            return Err(CgroupError::Busy { path, pids: members(directory)?, waited_ms: start.elapsed().as_millis() });
        }
        wait_for_end(&processes, left);
        // A process leaves its group shortly after its end can be seen, and of that there is no sign to wait for.
        sleep(pause.min(left));
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

/// Kills the processes in a group, but never this one. Says whom, with a descriptor of each to wait for.
fn kill(directory: &Path) -> Result<Vec<(i32, OwnedFd)>, CgroupError> {
    let own = getpid().as_raw_nonzero().get();
    let found = members(directory)?;
    let mut processes = Vec::new();
    for pid in found.iter().copied().filter(|pid| *pid != own) {
        let Some(raw) = Pid::from_raw(pid) else {
            continue;
        };
        match pidfd_open(raw, PidfdFlags::empty()) {
            Ok(descriptor) => processes.push((pid, descriptor)),
            Err(Errno::SRCH) => {}
            Err(error) => {
                return Err(CgroupError::system("open a process of", directory)(error.into()));
            }
        }
    }
    if processes.is_empty() {
        return Ok(processes);
    }
    // Version 2 since Linux 5.14: all at once, and no process can be born meanwhile.
    if !found.contains(&own) && write(&directory.join("cgroup.kill"), "1").is_ok() {
        return Ok(processes);
    }
    // Between the list and the descriptor a process may have ended and its number gone to another. Who is still listed is ours.
    let still: BTreeSet<_> = members(directory)?.into_iter().collect();
    processes.retain(|(pid, _)| still.contains(pid));
    for (_, descriptor) in &processes {
        match pidfd_send_signal(descriptor, Signal::KILL) {
            Ok(()) | Err(Errno::SRCH) => {}
            Err(error) => {
                return Err(CgroupError::system("kill a process of", directory)(error.into()));
            }
        }
    }
    Ok(processes)
}

/// Waits until all these processes have ended, but not longer than `time`.
fn wait_for_end(processes: &[(i32, OwnedFd)], time: Duration) {
    let start = Instant::now();
    for (_, descriptor) in processes {
        let left = time.saturating_sub(start.elapsed());
        let Ok(timeout) = Timespec::try_from(left) else {
            return;
        };
        // An interrupted or failed wait is made up for by the caller's next round.
        let _ = poll(&mut [PollFd::new(descriptor, PollFlags::IN)], Some(&timeout));
    }
}
