//! What of the machine must be the same after an attack as before it.
//!
//! A snapshot is a table of lines, from what is looked at to what is there. Things that come anew with each sandbox, such as process
//! ids, are left out, and what remains is counted: a pool that is full again looks as it did before.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// How long the kernel and belljar may take to clean up in the background.
const PATIENCE: Duration = Duration::from_secs(12);
/// Memory that may come and go.
const MEMORY: u64 = 64 << 20;
/// A clock that was set jumps further; one that is being adjusted does not.
const CLOCK: Duration = Duration::from_millis(250);
/// The first of the users that belljar gives to sandboxes.
const FIRST_SANDBOX_USER: u32 = 0x7000_0000;
/// Larger files are known by size and times alone.
const HASHED: u64 = 1 << 20;

/// Values below `/proc/sys` that change by themselves.
const VOLATILE: [&str; 12] = [
    "kernel/random/",
    "kernel/ns_last_pid",
    "kernel/pty/nr",
    "fs/dentry-state",
    "fs/file-nr",
    "fs/inode-nr",
    "fs/inode-state",
    "fs/aio-nr",
    "fs/quota/",
    "net/netfilter/nf_conntrack_count",
    "vm/stat_refresh",
    "kernel/perf_cpu_time_max_percent",
];

/// What is looked at.
#[derive(Debug, Clone, Default)]
pub(crate) struct Watched {
    /// Trees of which every file is looked at, with its content.
    pub(crate) trees: Vec<PathBuf>,
    /// Directories of which the names are looked at.
    pub(crate) listings: Vec<PathBuf>,
    /// Directories of control groups.
    pub(crate) groups: Vec<PathBuf>,
    /// Processes whose open descriptors are counted.
    pub(crate) processes: Vec<u32>,
}

/// How the machine looks.
#[derive(Debug, Clone, Default)]
pub(crate) struct Snapshot {
    lines: BTreeMap<String, String>,
    memory: u64,
    /// The wall clock's lead over the monotonic one.
    clock: Duration,
}

impl Watched {
    /// Looks once.
    pub(crate) fn look(&self) -> Snapshot {
        let mut lines = BTreeMap::new();
        processes(&mut lines);
        for pid in &self.processes {
            let count = fs::read_dir(format!("/proc/{pid}/fd")).map_or(0, Iterator::count);
            lines.insert(format!("descriptors of process {pid}"), count.to_string());
        }
        for line in read("/proc/self/mountinfo").lines() {
            // Without the numbers: from the root within the file system on.
            let line = line.split(' ').skip(3).collect::<Vec<_>>().join(" ");
            count(&mut lines, format!("mount {line}"));
        }
        for group in &self.groups {
            groups(group, "", &mut lines);
        }
        self.trees.iter().for_each(|tree| files(tree, &mut lines));
        for directory in &self.listings {
            for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
                lines.insert(format!("name {}", entry.path().display()), String::new());
            }
        }
        sysctls(Path::new("/proc/sys"), &mut lines);
        tables(&mut lines);
        Snapshot { lines, memory: self.memory(), clock: clock() }
    }

    /// Looks until everything is as before, or patience is at its end; returns what is different then.
    pub(crate) fn changes_since(&self, before: &Snapshot) -> Vec<String> {
        self.changes_within(before, PATIENCE)
    }

    pub(crate) fn changes_within(&self, before: &Snapshot, patience: Duration) -> Vec<String> {
        let began = Instant::now();
        loop {
            let changes = before.changes(&self.look());
            if changes.is_empty() || began.elapsed() > patience {
                return changes;
            }
            thread::sleep(Duration::from_millis(50));
        }
    }

    /// Memory of processes and of files in memory, by the control group where there is one for all of us.
    fn memory(&self) -> u64 {
        let Some(stat) = self.groups.iter().find_map(|group| fs::read_to_string(group.join("memory.stat")).ok()) else {
            return 0;
        };
        let names = ["total_rss", "total_shmem", "anon", "shmem"];
        // Version 1 has both with and without the groups below; version 2 has sums only.
        let total = stat.contains("total_rss ");
        let fields = stat.lines().filter_map(|line| line.split_once(' '));
        fields
            .filter(|(name, _)| names.contains(name) && (!total || name.starts_with("total_")))
            .filter_map(|(_, value)| value.trim().parse::<u64>().ok())
            .sum()
    }
}

impl Snapshot {
    /// What is different in a later one.
    pub(crate) fn changes(&self, after: &Self) -> Vec<String> {
        let keys: BTreeSet<&String> = self.lines.keys().chain(after.lines.keys()).collect();
        let mut changes = Vec::new();
        for key in keys {
            let (before, now) = (self.lines.get(key), after.lines.get(key));
            match (before, now) {
                (Some(before), Some(now)) if before != now => changes.push(format!("{key}: {before} -> {now}")),
                (Some(before), None) => changes.push(format!("{key}: gone (was '{before}')")),
                (None, Some(now)) => changes.push(format!("{key}: new ('{now}')")),
                _ => {}
            }
        }
        if after.memory > self.memory + MEMORY {
            changes.push(format!("memory: {} MiB more in use", (after.memory - self.memory) >> 20));
        }
        if self.clock.abs_diff(after.clock) > CLOCK {
            changes.push(format!("the wall clock jumped by {:?}", self.clock.abs_diff(after.clock)));
        }
        changes
    }
}

fn read(path: impl AsRef<Path>) -> String {
    fs::read(path).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default()
}

fn count(lines: &mut BTreeMap<String, String>, key: String) {
    let number = lines.entry(key).or_insert_with(|| "0".to_owned());
    *number = (number.parse::<u64>().unwrap_or(0) + 1).to_string();
}

/// Digits are what differs between one sandbox and the next.
fn without_digits(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '0'..='9' if out.ends_with('#') => {}
            '0'..='9' => out.push('#'),
            other => out.push(other),
        }
    }
    out
}

fn processes(lines: &mut BTreeMap<String, String>) {
    let mut namespaces = BTreeSet::new();
    for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let path = entry.path();
        if entry.file_name().to_str().is_none_or(|name| name.parse::<u32>().is_err()) {
            continue;
        }
        let status = read(path.join("status"));
        let field =
            |name: &str| status.lines().find_map(|line| line.strip_prefix(name)).map(str::trim).unwrap_or_default();
        // It went while we looked.
        if status.is_empty() {
            continue;
        }
        let user = match field("Uid:").split_whitespace().next().and_then(|uid| uid.parse::<u32>().ok()) {
            Some(FIRST_SANDBOX_USER..) => "sandbox".to_owned(),
            user => user.map(|uid| uid.to_string()).unwrap_or_default(),
        };
        let state = if field("State:").starts_with('Z') { " zombie" } else { "" };
        count(lines, format!("process '{}' of user {user}{state}", without_digits(field("Name:"))));
        for namespace in fs::read_dir(path.join("ns")).into_iter().flatten().flatten() {
            if let Ok(target) = fs::read_link(namespace.path()) {
                namespaces.insert(target.to_string_lossy().into_owned());
            }
        }
    }
    for namespace in namespaces {
        let kind = namespace.split(':').next().unwrap_or_default().to_owned();
        count(lines, format!("namespaces of kind {kind}"));
    }
}

fn groups(directory: &Path, below: &str, lines: &mut BTreeMap<String, String>) {
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            let name = format!("{below}/{}", without_digits(&entry.file_name().to_string_lossy()));
            count(lines, format!("control group {name} of {}", directory_of(directory, below)));
            groups(&entry.path(), &name, lines);
        }
    }
}

fn directory_of(directory: &Path, below: &str) -> String {
    let depth = below.matches('/').count();
    directory.ancestors().nth(depth).unwrap_or(directory).display().to_string()
}

fn files(path: &Path, lines: &mut BTreeMap<String, String>) {
    let Ok(data) = fs::symlink_metadata(path) else { return };
    let mut line = format!(
        "mode {:o}, owner {}:{}, size {}, modified {}.{:09}, changed {}.{:09}",
        data.mode(),
        data.uid(),
        data.gid(),
        data.size(),
        data.mtime(),
        data.mtime_nsec(),
        data.ctime(),
        data.ctime_nsec()
    );
    if data.is_file() && data.size() <= HASHED {
        let mut hasher = DefaultHasher::new();
        fs::read(path).unwrap_or_default().hash(&mut hasher);
        let _ = write!(line, ", hash {:x}", hasher.finish());
    }
    lines.insert(format!("file {}", path.display()), line);
    if data.is_dir() {
        for entry in fs::read_dir(path).into_iter().flatten().flatten() {
            files(&entry.path(), lines);
        }
    }
}

fn sysctls(directory: &Path, lines: &mut BTreeMap<String, String>) {
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        let path = entry.path();
        let name = path.strip_prefix("/proc/sys").unwrap_or(&path).to_string_lossy().into_owned();
        if VOLATILE.iter().any(|volatile| name.starts_with(volatile)) {
            continue;
        }
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            sysctls(&path, lines);
        } else if entry.metadata().is_ok_and(|data| data.mode() & 0o444 != 0)
            && let Ok(value) = fs::read(&path)
        {
            lines.insert(format!("sysctl {name}"), String::from_utf8_lossy(&value).trim().to_owned());
        }
    }
}

/// What the kernel lists in one file each.
fn tables(lines: &mut BTreeMap<String, String>) {
    for kind in ["msg", "sem", "shm"] {
        for line in read(format!("/proc/sysvipc/{kind}")).lines().skip(1) {
            count(lines, format!("System V {kind} {}", line.split_whitespace().take(4).collect::<Vec<_>>().join(" ")));
        }
    }
    for line in read("/proc/keys").lines() {
        // Number, flags, uses, expiry, permissions, user, group, type, description. Keyrings come with processes.
        let fields: Vec<&str> = line.split_whitespace().collect();
        if let [_, _, _, _, _, uid, _, kind, description @ ..] = fields.as_slice()
            && *kind != "keyring"
        {
            count(lines, format!("key of user {uid}: {kind} {}", description.join(" ")));
        }
    }
    for (what, file) in [("modules", "/proc/modules"), ("swaps", "/proc/swaps"), ("limits", "/proc/self/limits")] {
        // The uses of a module come and go.
        let names = |line: &str| {
            if what == "modules" { line.split(' ').next().unwrap_or_default().to_owned() } else { line.to_owned() }
        };
        for line in read(file).lines() {
            count(lines, format!("{what}: {}", names(line)));
        }
    }
    lines.insert("oom_score_adj".to_owned(), read("/proc/self/oom_score_adj").trim().to_owned());
    for line in read("/proc/net/dev").lines().skip(2) {
        count(lines, format!("network interface {}", line.split(':').next().unwrap_or_default().trim()));
    }
    for (file, listening) in
        [("tcp", "0A"), ("tcp6", "0A"), ("udp", "07"), ("udp6", "07"), ("raw", "07"), ("raw6", "07")]
    {
        for line in read(format!("/proc/net/{file}")).lines().skip(1) {
            if line.split_whitespace().nth(3) == Some(listening) {
                count(lines, format!("listening socket {file}"));
            }
        }
    }
    for line in read("/proc/net/unix").lines().skip(1) {
        if let Some(path) = line.split_whitespace().nth(7) {
            count(lines, format!("Unix socket {path}"));
        }
    }
}

/// By how much the wall clock leads a clock that nobody sets, which began when this was first asked.
fn clock() -> Duration {
    static BEGAN: LazyLock<Instant> = LazyLock::new(Instant::now);
    let steady = BEGAN.elapsed();
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().saturating_sub(steady)
}

#[cfg(test)]
mod tests;
