//! Whose groups are whose: the process that makes groups leaves its identity in their path.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use rustix::process::{Pid, getpid, test_kill_process};

use super::Controller;

/// What the directories of groups begin with: also the process namespace, where it is not the machine's first one. Process ids mean
/// nothing in another: two containers that share a control group would take each other's sandboxes for left over.
pub(super) fn prefix() -> &'static str {
    /// `PROC_PID_INIT_INO` of `linux/proc_ns.h`.
    const FIRST: &str = "4026531836";
    static PREFIX: OnceLock<String> = OnceLock::new();
    PREFIX.get_or_init(|| {
        let link = fs::read_link("/proc/self/ns/pid").unwrap_or_default();
        let number = link.to_str().and_then(|name| name.strip_prefix("pid:[")?.strip_suffix(']'));
        number.filter(|number| *number != FIRST).map_or("belljar-".to_owned(), |number| format!("belljar-{number}."))
    })
}

/// A process. The start time tells it from a later one with the same id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Owner {
    pid: i32,
    /// In clock ticks since boot: field 22 of `/proc/<pid>/stat` (`proc_pid_stat(5)`).
    start_time: u64,
}

impl Owner {
    /// This process.
    pub(super) fn current() -> io::Result<Self> {
        let stat = fs::read_to_string("/proc/self/stat")?;
        let invalid = || io::Error::new(io::ErrorKind::InvalidData, "/proc/self/stat is not as documented");
        let pid = stat.split(' ').next().and_then(|pid| pid.parse().ok()).ok_or_else(invalid)?;
        let (_, start_time) = state_and_start_time(&stat).ok_or_else(invalid)?;
        Ok(Self { pid, start_time })
    }

    /// The name of its directory.
    pub(super) fn directory_name(self) -> String {
        format!("{}{}-{}", prefix(), self.pid, self.start_time)
    }

    /// The owner that a directory's name tells, if it is such a name.
    pub(super) fn of_directory(name: &str) -> Option<Self> {
        let (pid, start_time) = name.strip_prefix(prefix())?.split_once('-')?;
        let owner = Self { pid: pid.parse().ok()?, start_time: start_time.parse().ok()? };
        // `+1`, `01` and the like are no names of ours.
        (owner.pid > 0 && owner.directory_name() == name).then_some(owner)
    }

    /// Whether this process still runs. When that cannot be seen it does: its groups are better left alone.
    pub(super) fn lives(self) -> bool {
        match fs::read_to_string(format!("/proc/{}/stat", self.pid)) {
            Ok(stat) => match state_and_start_time(&stat) {
                // A zombie makes and removes no groups any more.
                Some((state, start_time)) => start_time == self.start_time && !matches!(state, 'Z' | 'X'),
                None => true,
            },
            // Either gone, or of another user on a machine that hides those (`hidepid` in `proc(5)`).
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                Pid::from_raw(self.pid).is_some_and(|pid| test_kill_process(pid) != Err(rustix::io::Errno::SRCH))
            }
            // It went while we read.
            Err(error) if error.raw_os_error() == Some(rustix::io::Errno::SRCH.raw_os_error()) => false,
            Err(_) => true,
        }
    }
}

/// Fields 3 and 22 of `/proc/<pid>/stat`. Field 2, the program's name, may hold spaces and brackets itself.
fn state_and_start_time(stat: &str) -> Option<(char, u64)> {
    let mut fields = stat.rsplit_once(") ")?.1.split(' ');
    let state = fields.next()?.chars().next()?;
    Some((state, fields.nth(18)?.parse().ok()?))
}

/// The directories of one owner, one below each base; removed with the last group and the last [`super::Hierarchies`].
#[derive(Debug)]
pub(super) struct OwnerDirectories {
    name: String,
    /// The owner; a fork of it has a copy of this, and removes nothing.
    process: Pid,
    bases: BTreeSet<PathBuf>,
    /// Controllers whose directory is made and handed down to groups below.
    prepared: Mutex<BTreeSet<Controller>>,
}

impl OwnerDirectories {
    pub(super) fn new(name: String, bases: BTreeSet<PathBuf>) -> Self {
        Self { name, process: getpid(), bases, prepared: Mutex::new(BTreeSet::new()) }
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) const fn bases(&self) -> &BTreeSet<PathBuf> {
        &self.bases
    }

    pub(super) fn prepared(&self) -> MutexGuard<'_, BTreeSet<Controller>> {
        self.prepared.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for OwnerDirectories {
    fn drop(&mut self) {
        if getpid() != self.process {
            return;
        }
        for base in &self.bases {
            let path = base.join(&self.name);
            if let Err(error) = fs::remove_dir(&path)
                && error.kind() != io::ErrorKind::NotFound
            {
                tracing::warn!(path = %path.display(), %error, "a control group's directory stays behind until the next sweep");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_round_trip_and_strange_names_are_nobodys() {
        let owner = Owner { pid: 4711, start_time: 123_456_789 };
        assert_eq!(Owner::of_directory(&format!("{}4711-123456789", prefix())), Some(owner));
        for name in [
            "belljar-supervisor",
            "belljar-1",
            "belljar-1-",
            "belljar--1",
            "belljar-0-1",
            "belljar-+1-2",
            "belljar-01-2",
            "belljar-1-2-3",
            // Of another process namespace.
            "belljar-4026532000.1-2",
            "belljar-1-2x",
            "other-1-2",
            "",
            "belljar-99999999999-1",
        ] {
            assert_eq!(Owner::of_directory(name), None, "{name}");
        }
    }

    #[test]
    fn program_names_do_not_confuse_the_fields() {
        let rest = "4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 2222 23 24";
        for name in ["sh", "a b", ") S 1 1", "((", "x) Z"] {
            assert_eq!(state_and_start_time(&format!("1 ({name}) R {rest}")), Some(('R', 2222)), "{name}");
        }
        assert_eq!(state_and_start_time("1 (sh) R 4"), None);
        assert_eq!(state_and_start_time(""), None);
    }

    #[test]
    fn life_is_told_by_start_time_and_state() {
        let own = Owner::current().expect("own identity");
        assert!(own.lives());
        assert!(!Owner { start_time: own.start_time + 1, ..own }.lives());
        let mut child = std::process::Command::new("true").stdout(std::process::Stdio::piped()).spawn().expect("child");
        let pid = i32::try_from(child.id()).expect("pid");
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).expect("stat");
        let owner = Owner { pid, start_time: state_and_start_time(&stat).expect("fields").1 };
        // Its end of the pipe closes when it ends: then it is a zombie until it is waited for, or about to be.
        io::copy(&mut child.stdout.take().expect("pipe"), &mut io::sink()).expect("end of file");
        while fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| !stat.contains(") Z ")) {
            std::thread::yield_now();
        }
        assert!(!owner.lives(), "a zombie");
        child.wait().expect("wait");
        assert!(!owner.lives(), "reaped");
    }
}
