//! Control groups, which limit and count what a whole sandbox uses (`cgroups(7)`), of version 1, version 2 or both at once.
//!
//! The version is decided for each controller, not for the machine: many machines mount some controllers as version 1 and the
//! rest as version 2. Groups are made below the group that belljar itself is in, so belljar's own limits go on holding, in
//!
//! ```text
//! <own group>/belljar-[<process namespace>.]<pid>-<start time>/<name>
//! ```
//!
//! where pid and start time are those of the process that called [`Hierarchies::discover`]. [`sweep`] removes what such
//! processes left behind when they died.

mod counter;
mod group;
mod hierarchy;
mod limit;
mod owner;
mod remove;
#[cfg(test)]
mod tests;

use std::fs::{self, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

pub(crate) use counter::{Counter, Counters};
pub(crate) use group::Group;
pub(crate) use hierarchy::Hierarchies;
pub(crate) use limit::GroupLimits;
pub(crate) use remove::sweep;

/// What is limited or counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Controller {
    /// Memory and swap.
    Memory,
    /// Number of processes and threads.
    Pids,
    /// CPU bandwidth.
    Cpu,
    /// CPU time used. A controller in version 1; in version 2 a part of every group.
    Cpuacct,
    /// Bandwidth of block devices (`blkio` in version 1).
    Io,
}

impl Controller {
    /// All of them.
    pub(crate) const ALL: [Self; 5] = [Self::Memory, Self::Pids, Self::Cpu, Self::Cpuacct, Self::Io];

    /// Its name in version 1.
    pub(crate) const fn name_v1(self) -> &'static str {
        match self {
            Self::Memory => "memory",
            Self::Pids => "pids",
            Self::Cpu => "cpu",
            Self::Cpuacct => "cpuacct",
            Self::Io => "blkio",
        }
    }

    /// Its name in version 2; none when every group has it without asking.
    pub(crate) const fn name_v2(self) -> Option<&'static str> {
        match self {
            Self::Memory => Some("memory"),
            Self::Pids => Some("pids"),
            Self::Cpu => Some("cpu"),
            Self::Cpuacct => None,
            Self::Io => Some("io"),
        }
    }
}

/// Version of the interface that a controller is used through.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Version {
    /// One tree of groups per controller.
    V1,
    /// One tree for all.
    V2,
}

/// Why something could not be done to a control group.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CgroupError {
    /// The name is empty, hidden, or more than one path component.
    #[error("'{0}' cannot name a control group")]
    Name(String),
    /// Making a group that is there already, so that its counters would be another's too.
    #[error("the control group {0} exists already")]
    Exists(PathBuf),
    /// A system call failed.
    #[error("cannot {step} {path}")]
    System {
        /// What was being done, such as `write to`.
        step: &'static str,
        /// To which file or directory.
        path: PathBuf,
        /// The cause.
        #[source]
        source: io::Error,
    },
    /// The group could not be emptied in time.
    #[error("the control group {path} still holds processes ({pids:?}) after {waited_ms} ms")]
    Busy {
        /// The group.
        path: PathBuf,
        /// The processes in it that can be seen from here.
        pids: Vec<i32>,
        /// How long it was waited for, in milliseconds.
        waited_ms: u128,
    },
    /// The group holds processes of another process-id namespace, whose owner cannot be judged from here.
    #[error("the control group {0} holds processes of another process-id namespace")]
    Foreign(PathBuf),
}

impl CgroupError {
    fn system(step: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::System { step, path, source }
    }

    /// The error and its cause in one sentence, for a report of what is not enforced.
    fn reason(&self) -> String {
        match self {
            Self::System { source, .. } => format!("{self}: {source}"),
            _ => self.to_string(),
        }
    }
}

/// Writes to a control file, in one call as these files want it. Never makes a file.
fn write(path: &Path, text: &str) -> Result<(), CgroupError> {
    let written = OpenOptions::new().write(true).open(path).and_then(|mut file| file.write_all(text.as_bytes()));
    written.map_err(CgroupError::system("write to", path))
}

/// Reads a control file.
fn read(path: &Path) -> Result<String, CgroupError> {
    // Files of /proc do not tell their size; with room from the start they are made up once, not for each piece.
    let mut text = String::with_capacity(16 * 1024);
    let read = fs::File::open(path).and_then(|mut file| file.read_to_string(&mut text));
    read.map(|_| text).map_err(CgroupError::system("read", path))
}

/// Makes a directory; one that is there already is fine.
fn make_directory(path: &Path) -> Result<(), CgroupError> {
    match fs::create_dir(path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(CgroupError::system("make", path)(error)),
        _ => Ok(()),
    }
}

/// The processes in a group; 0 stands for one of another process-id namespace.
fn members(directory: &Path) -> Result<Vec<i32>, CgroupError> {
    let text = match fs::read_to_string(directory.join("cgroup.procs")) {
        Err(error) if gone(&error) => String::new(),
        other => other.map_err(CgroupError::system("read the processes of", directory))?,
    };
    Ok(text.lines().filter_map(|line| line.trim().parse().ok()).collect())
}

/// The file's group has been removed: before it was opened, or since.
fn gone(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::NotFound || error.raw_os_error() == Some(rustix::io::Errno::NODEV.raw_os_error())
}
