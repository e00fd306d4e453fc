//! What the test process and its launcher hold: it must be the same before and after each test.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::time::Instant;

use crate::bench::Bench;

/// How long what ended may take to be gone: the launcher cleans up in the background.
const PATIENCE: Duration = Duration::from_secs(10);

/// What is held at one moment.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Holdings {
    /// Names of all processes below this one.
    processes: Vec<String>,
    mounts: Vec<String>,
    groups: BTreeSet<PathBuf>,
    own_descriptors: usize,
    launcher_descriptors: usize,
    files: BTreeSet<PathBuf>,
}

impl Holdings {
    pub(crate) async fn take(bench: &Bench) -> Self {
        // A launcher that a test killed is started again by the next request only.
        let launcher = bench.launcher.process_id().await;
        Self {
            processes: descendants(std::process::id()).into_values().collect(),
            mounts: fs::read_to_string("/proc/self/mountinfo").unwrap().lines().map(str::to_owned).collect(),
            groups: launcher.map(groups_of).unwrap_or_default(),
            own_descriptors: descriptors(std::process::id()).unwrap_or(0),
            launcher_descriptors: launcher.and_then(descriptors).unwrap_or(0),
            files: fs::read_dir(bench.scratch()).unwrap().map(|entry| entry.unwrap().path()).collect(),
        }
    }

    /// Waits until nothing more is held than before.
    pub(crate) async fn compare(&self, bench: &Bench) -> Result<(), String> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let now = Self::take(bench).await;
            if now == *self {
                return Ok(());
            }
            if Instant::now() > deadline {
                let lines = |holdings: &Self| format!("{holdings:#?}").lines().map(str::to_owned).collect::<Vec<_>>();
                let (before, after) = (lines(self), lines(&now));
                let only = |lines: &[String], others: &[String]| {
                    lines
                        .iter()
                        .filter(|line| !others.contains(line))
                        .map(|line| line.trim().to_owned())
                        .collect::<Vec<_>>()
                };
                return Err(format!("leaked: {:#?}\ninstead of {:#?}", only(&after, &before), only(&before, &after)));
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }
}

/// All processes below one, with their names.
pub(crate) fn descendants(ancestor: u32) -> BTreeMap<u32, String> {
    let mut parents = BTreeMap::new();
    for entry in fs::read_dir("/proc").unwrap().flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse::<u32>().ok()) else { continue };
        let Ok(stat) = fs::read_to_string(entry.path().join("stat")) else { continue };
        let Some((name, rest)) = stat.split_once(") ") else { continue };
        let parent = rest.split(' ').nth(1).and_then(|parent| parent.parse::<u32>().ok());
        let name = name.split_once('(').map_or("", |(_, name)| name).to_owned();
        parents.insert(pid, (parent.unwrap_or(0), name));
    }
    let is_below = |mut pid: u32| {
        while let Some(&(parent, _)) = parents.get(&pid) {
            if parent == ancestor {
                return true;
            }
            pid = parent;
        }
        false
    };
    parents.iter().filter(|(pid, _)| is_below(**pid)).map(|(pid, (_, name))| (*pid, name.clone())).collect()
}

/// Number of descriptors that a process has open.
pub(crate) fn descriptors(pid: u32) -> Option<usize> {
    fs::read_dir(format!("/proc/{pid}/fd")).ok().map(Iterator::count)
}

/// The boxes in control groups that a launcher with this process id made.
pub(crate) fn groups_of(launcher: u32) -> BTreeSet<PathBuf> {
    let mut found = BTreeSet::new();
    search(Path::new("/sys/fs/cgroup"), &format!("belljar-{launcher}-"), &mut found);
    found
}

fn search(directory: &Path, prefix: &str, found: &mut BTreeSet<PathBuf>) {
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        if !entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            continue;
        }
        if entry.file_name().to_string_lossy().starts_with(prefix) {
            let boxes = fs::read_dir(entry.path()).into_iter().flatten().flatten();
            found.extend(boxes.filter(|entry| entry.path().is_dir()).map(|entry| entry.path()));
        } else {
            search(&entry.path(), prefix, found);
        }
    }
}
