//! What a bench ran on: without it the numbers mean nothing.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::thread::available_parallelism;

use serde::Serialize;

/// Facts about the machine and the code.
#[derive(Debug, Serialize)]
pub(crate) struct Machine {
    /// When it was measured, in UTC.
    pub(crate) date: String,
    /// The processor's name.
    pub(crate) cpu: String,
    /// Processors that this process may use.
    pub(crate) cpus: usize,
    /// The kernel's release.
    pub(crate) kernel: String,
    /// Controllers of each version of control groups.
    pub(crate) cgroups: String,
    /// The commit, with `+` when files were changed since.
    pub(crate) commit: String,
    /// Load of the last minute when the bench began: above 0.5 or so, times are somebody else's too.
    pub(crate) load: String,
}

impl Machine {
    pub(crate) fn this(repository: &Path) -> Self {
        let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
        Self {
            date: date(),
            cpu: processor(&read("/proc/cpuinfo")),
            cpus: available_parallelism().map_or(1, usize::from),
            kernel: read("/proc/sys/kernel/osrelease").trim().to_owned(),
            cgroups: cgroups(&read("/proc/self/mounts"), &read("/sys/fs/cgroup/cgroup.controllers")),
            commit: commit(repository),
            load: read("/proc/loadavg").split(' ').next().unwrap_or_default().to_owned(),
        }
    }
}

/// Minutes are enough to find the log of that day.
fn date() -> String {
    let output = Command::new("date").args(["-u", "+%F %R UTC"]).output();
    output.map_or_else(|_| String::new(), |output| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

fn processor(cpuinfo: &str) -> String {
    let name = cpuinfo.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    name.map_or("unknown", |(_, name)| name.trim()).to_owned()
}

/// The hierarchies that are mounted: `v1: cpu, memory; v2: no controllers`.
fn cgroups(mounts: &str, unified: &str) -> String {
    /// Options of every mount, which name no controller.
    const OPTIONS: [&str; 6] = ["rw", "ro", "relatime", "nosuid", "nodev", "noexec"];
    let fields = || mounts.lines().map(|line| line.split(' ').collect::<Vec<_>>());
    let controllers = |options: &str| {
        let named = |option: &&str| !OPTIONS.contains(option) && !option.contains('=');
        options.split(',').filter(named).map(str::to_owned).collect::<Vec<_>>()
    };
    let first: Vec<String> = fields()
        .filter(|fields| fields.get(2) == Some(&"cgroup"))
        .filter_map(|fields| Some(controllers(fields.get(3)?)))
        .flatten()
        .collect();
    let mut parts = Vec::new();
    if !first.is_empty() {
        parts.push(format!("v1: {}", first.join(", ")));
    }
    if fields().any(|fields| fields.get(2) == Some(&"cgroup2")) {
        let unified = unified.trim().replace(' ', ", ");
        parts.push(format!("v2: {}", if unified.is_empty() { "mounted" } else { &unified }));
    }
    if parts.is_empty() { "none".to_owned() } else { parts.join("; ") }
}

fn commit(repository: &Path) -> String {
    let git = |arguments: &[&str]| {
        let output = Command::new("git").arg("-C").arg(repository).args(arguments).output().ok()?;
        output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
    };
    let Some(commit) = git(&["rev-parse", "--short=12", "HEAD"]) else { return "unknown".to_owned() };
    let changed = git(&["status", "--porcelain", "--untracked-files=no"]).is_some_and(|changes| !changes.is_empty());
    if changed { commit + "+" } else { commit }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hierarchies_are_told() {
        let mixed = "tmpfs /sys/fs/cgroup tmpfs rw 0 0\ncgroup /sys/fs/cgroup/cpu cgroup rw,relatime,cpu,cpuacct 0 0\n\
            cgroup /sys/fs/cgroup/systemd cgroup rw,relatime,name=systemd 0 0\ncgroup2 /sys/fs/cgroup/unified cgroup2 rw 0 0\n";
        for (mounts, unified, expected) in [
            (mixed, "", "v1: cpu, cpuacct; v2: mounted"),
            ("cgroup2 /sys/fs/cgroup cgroup2 rw,nsdelegate 0 0\n", "cpu memory pids\n", "v2: cpu, memory, pids"),
            ("proc /proc proc rw 0 0\n", "", "none"),
        ] {
            assert_eq!(cgroups(mounts, unified), expected);
        }
        assert_eq!(processor("processor\t: 0\nmodel name\t: AMD EPYC\n"), "AMD EPYC");
    }
}
