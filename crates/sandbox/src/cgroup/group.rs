//! One sandbox's control group, which is a directory in each hierarchy that it needs.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::limit::{apply, block_devices};
use super::owner::OwnerDirectories;
use super::remove::{REMOVAL_TIME, remove_directory};
use super::{CgroupError, Controller, Counters, GroupLimits, Hierarchies, Version, write};

/// A control group. Dropping it kills what is in it and removes it.
#[derive(Debug)]
pub(crate) struct Group {
    /// The directory of each controller that could be had; several may share one.
    places: BTreeMap<Controller, (Version, PathBuf)>,
    /// Those directories, each once.
    directories: Vec<PathBuf>,
    enforced: BTreeMap<Controller, Result<Version, String>>,
    /// Kept until all groups are removed, then removed itself.
    _owner: Arc<OwnerDirectories>,
}

impl Group {
    /// Makes a group with these limits.
    ///
    /// A controller that cannot be had, or does not take its limit, is no error: [`Self::enforced`] says so and the caller
    /// decides.
    ///
    /// # Errors
    ///
    /// The name is no file name, or this owner has a group of this name already.
    pub(crate) fn create(hierarchies: &Hierarchies, name: &str, limits: &GroupLimits) -> Result<Self, CgroupError> {
        if name.is_empty() || name.starts_with('.') || name.contains(['/', '\0', '\n']) {
            return Err(CgroupError::Name(name.to_owned()));
        }
        let mut group = Self {
            places: BTreeMap::new(),
            directories: Vec::new(),
            enforced: BTreeMap::new(),
            _owner: Arc::clone(hierarchies.owner()),
        };
        for controller in limits.controllers() {
            let state = match hierarchies.prepare(controller) {
                Ok((version, parent)) => match group.add(controller, version, parent.join(name), limits) {
                    Err(error @ CgroupError::Exists(_)) => return Err(error),
                    Err(error) => Err(error.reason()),
                    Ok(()) => Ok(version),
                },
                Err(reason) => Err(reason),
            };
            group.enforced.insert(controller, state);
        }
        Ok(group)
    }

    fn add(
        &mut self,
        controller: Controller,
        version: Version,
        directory: PathBuf,
        limits: &GroupLimits,
    ) -> Result<(), CgroupError> {
        if !self.directories.contains(&directory) {
            fs::create_dir(&directory).map_err(|error| match error.kind() {
                io::ErrorKind::AlreadyExists => CgroupError::Exists(directory.clone()),
                _ => CgroupError::system("make", &directory)(error),
            })?;
            self.directories.push(directory.clone());
        }
        let devices = if controller == Controller::Io { block_devices(Path::new("/sys/block")) } else { Vec::new() };
        apply(&directory, controller, version, limits, &devices)?;
        self.places.insert(controller, (version, directory));
        Ok(())
    }

    /// For each controller that the limits ask for or that counts: how it is in force, or why not.
    pub(crate) const fn enforced(&self) -> &BTreeMap<Controller, Result<Version, String>> {
        &self.enforced
    }

    /// Files of version 1 that a process with a single thread writes `0` to in order to join the group by itself, and the
    /// rest, which [`Self::attach_rest`] does for it.
    ///
    /// The kernel lets a thread move itself without stopping all forks of the machine; that stop (a wait for RCU) takes 7 ms and
    /// more after a while without one, and 30 µs without it, measured. The writer of the file needs no right of its own: the
    /// one who opened it had it.
    ///
    /// # Errors
    ///
    /// Those of `open(2)`.
    pub(crate) fn entrances(&self) -> Result<Vec<OwnedFd>, CgroupError> {
        let open = |directory: &PathBuf| {
            let path = directory.join("tasks");
            let file = fs::OpenOptions::new().write(true).open(&path);
            file.map(OwnedFd::from).map_err(CgroupError::system("open", &path))
        };
        self.directories.iter().filter(|directory| self.is_version_1(directory)).map(open).collect()
    }

    /// Moves a process into the part of the group that [`Self::entrances`] does not lead to.
    ///
    /// # Errors
    ///
    /// As [`Self::attach`].
    pub(crate) fn attach_rest(&self, pid: i32) -> Result<(), CgroupError> {
        let mut rest = self.directories.iter().filter(|directory| !self.is_version_1(directory));
        rest.try_for_each(|directory| write(&directory.join("cgroup.procs"), &pid.to_string()))
    }

    fn is_version_1(&self, directory: &Path) -> bool {
        self.places.values().any(|(version, place)| *version == Version::V1 && place == directory)
    }

    /// Moves a process, with all its threads, into the group. What it starts from then on is born there.
    ///
    /// # Errors
    ///
    /// Those of writing to `cgroup.procs`, such as `ESRCH`. The process may then be in some hierarchies' groups and not in others'.
    #[cfg(test)]
    pub(crate) fn attach(&self, pid: i32) -> Result<(), CgroupError> {
        self.directories.iter().try_for_each(|directory| write(&directory.join("cgroup.procs"), &pid.to_string()))
    }

    /// Opens the group's numbers.
    ///
    /// # Errors
    ///
    /// Those of `open(2)`, but not that a file is missing.
    pub(crate) fn counters(&self) -> Result<Counters, CgroupError> {
        let mut counters = Counters::default();
        for (controller, (version, directory)) in &self.places {
            match controller {
                Controller::Memory => counters.open_memory(directory, *version)?,
                Controller::Pids => counters.open_pids(directory)?,
                Controller::Cpuacct => counters.open_cpu(directory, *version)?,
                Controller::Cpu | Controller::Io => {}
            }
        }
        Ok(counters)
    }

    /// Kills what is left in the group and removes it, within two seconds.
    ///
    /// # Errors
    ///
    /// The first that occurs; the other directories are tried all the same.
    pub(crate) fn remove(mut self) -> Result<(), CgroupError> {
        self.remove_directories()
    }

    fn remove_directories(&mut self) -> Result<(), CgroupError> {
        let mut result = Ok(());
        for directory in self.directories.drain(..) {
            let removed = remove_directory(&directory, REMOVAL_TIME).map(drop);
            result = result.and(removed);
        }
        result
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        if let Err(error) = self.remove_directories() {
            tracing::warn!(error = error.reason(), "a control group stays behind until the next sweep");
        }
    }
}
