//! The numbers that a group keeps, as open files. Who reads them is another process, in another namespace.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use super::{CgroupError, Version};

/// One number of a group. It is read by reading the file from its beginning, again and again (`pread`), by whoever holds it:
/// no path, no right and no namespace is needed any more.
#[derive(Debug)]
pub(crate) struct Counter {
    /// The file.
    pub(crate) file: OwnedFd,
    /// The word before the number, at the beginning of its line; empty when the number is the whole file.
    pub(crate) key: &'static str,
    /// What the number is multiplied with to get bytes, nanoseconds or a count.
    pub(crate) unit: u64,
}

/// The numbers of a group; those that this kernel does not keep, or whose controller is missing, are absent.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    /// Highest memory use in bytes, since the group was made or since the last reset.
    pub(crate) memory_peak: Option<Counter>,
    /// What to write at the beginning of [`Self::memory_peak`]'s file to begin a new measurement; absent where the kernel
    /// cannot (version 2 before Linux 6.12). Version 1 resets the group's number; version 2 only what *this open file*,
    /// duplicates included, reads from then on.
    pub(crate) memory_peak_reset: Option<&'static str>,
    /// Memory use now, in bytes.
    pub(crate) memory_current: Option<Counter>,
    /// Processes of the group killed for want of memory, since it was made.
    pub(crate) oom_kills: Option<Counter>,
    /// Times that a new process or thread was refused, since the group was made.
    pub(crate) processes_refused: Option<Counter>,
    /// Processes and threads now.
    pub(crate) processes_current: Option<Counter>,
    /// CPU time used since the group was made, in nanoseconds, by living and dead processes.
    pub(crate) cpu_time: Option<Counter>,
}

impl Counters {
    pub(super) fn open_memory(&mut self, directory: &Path, version: Version) -> Result<(), CgroupError> {
        let (peak, current, oom) = match version {
            Version::V1 => ("memory.max_usage_in_bytes", "memory.usage_in_bytes", "memory.oom_control"),
            Version::V2 => ("memory.peak", "memory.current", "memory.events"),
        };
        if let Some((file, resettable)) = open_peak(&directory.join(peak))? {
            self.memory_peak = Some(Counter { file, key: "", unit: 1 });
            self.memory_peak_reset = resettable.then_some("0");
        }
        self.memory_current = open(directory, current, "", 1)?;
        self.oom_kills = open(directory, oom, "oom_kill", 1)?;
        Ok(())
    }

    pub(super) fn open_pids(&mut self, directory: &Path) -> Result<(), CgroupError> {
        self.processes_refused = open(directory, "pids.events", "max", 1)?;
        self.processes_current = open(directory, "pids.current", "", 1)?;
        Ok(())
    }

    pub(super) fn open_cpu(&mut self, directory: &Path, version: Version) -> Result<(), CgroupError> {
        self.cpu_time = match version {
            Version::V1 => open(directory, "cpuacct.usage", "", 1)?,
            Version::V2 => open(directory, "cpu.stat", "usage_usec", 1000)?,
        };
        Ok(())
    }
}

fn open(directory: &Path, name: &str, key: &'static str, unit: u64) -> Result<Option<Counter>, CgroupError> {
    let path = directory.join(name);
    match File::open(&path) {
        Ok(file) => Ok(Some(Counter { file: file.into(), key, unit })),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(CgroupError::system("open", &path)(error)),
    }
}

/// Opens a peak file, for writing if the kernel can reset it: then its mode says so. (Root could open the others too.)
fn open_peak(path: &Path) -> Result<Option<(OwnedFd, bool)>, CgroupError> {
    let resettable = match path.metadata() {
        Ok(metadata) => metadata.permissions().mode() & 0o200 != 0,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(CgroupError::system("look at", path)(error)),
    };
    let file = OpenOptions::new().read(true).write(resettable).open(path).map_err(CgroupError::system("open", path))?;
    Ok(Some((file.into(), resettable)))
}
