//! The table of limits: which file of which version takes them, and in what words.

use std::fs;
use std::path::Path;

use super::{CgroupError, Controller, Version, write};
use crate::policy::Limits;

/// Limits of one group; `None` is no limit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct GroupLimits {
    /// Bytes of memory, page cache and kernel objects included; the kernel rounds down to pages.
    pub(crate) memory: Option<u64>,
    /// Bytes of swap besides.
    pub(crate) swap: Option<u64>,
    /// Processes and threads at the same time.
    pub(crate) processes: Option<u64>,
    /// CPU bandwidth in percent of one CPU, at least 1.
    pub(crate) cpu_percent: Option<u32>,
    /// Bytes per second of each block device in each direction.
    pub(crate) io_bytes_per_second: Option<u64>,
}

impl GroupLimits {
    /// The controllers that a group with these limits needs: those that count, always, and those that limit, if asked to. Each
    /// hierarchy more costs time when a process is attached.
    pub(super) fn controllers(&self) -> impl Iterator<Item = Controller> {
        let (cpu, io) = (self.cpu_percent.is_some(), self.io_bytes_per_second.is_some());
        Controller::ALL.into_iter().filter(move |controller| match controller {
            Controller::Memory | Controller::Pids | Controller::Cpuacct => true,
            Controller::Cpu => cpu,
            Controller::Io => io,
        })
    }
}

impl From<&Limits> for GroupLimits {
    fn from(limits: &Limits) -> Self {
        Self {
            memory: Some(limits.memory),
            swap: Some(limits.swap),
            processes: Some(limits.processes.into()),
            cpu_percent: (limits.cpu_percent > 0).then_some(limits.cpu_percent),
            io_bytes_per_second: (limits.io_bytes_per_second > 0).then_some(limits.io_bytes_per_second),
        }
    }
}

/// One row of the table.
#[derive(Clone, Copy)]
struct Setting {
    controller: Controller,
    version: Version,
    file: &'static str,
    /// A kernel without swap accounting has no such file, and then there is nothing to be done.
    optional: bool,
    /// What is written, one write each; nothing when there is no limit. The second argument is the block devices.
    texts: fn(&GroupLimits, &[String]) -> Vec<String>,
}

/// The CPU bandwidth period in microseconds: the kernel's default (`Documentation/scheduler/sched-bwc.rst`).
const CPU_PERIOD_US: u64 = 100_000;

const fn setting(
    controller: Controller,
    version: Version,
    file: &'static str,
    texts: fn(&GroupLimits, &[String]) -> Vec<String>,
) -> Setting {
    Setting { controller, version, file, optional: false, texts }
}

const fn optional(setting: Setting) -> Setting {
    Setting { optional: true, ..setting }
}

/// All rows, in the order in which they have to be written: version 1 takes memory and swap together, and only above memory.
const SETTINGS: [Setting; 13] = [
    setting(Controller::Memory, Version::V1, "memory.limit_in_bytes", |limits, _| one(limits.memory)),
    optional(setting(Controller::Memory, Version::V1, "memory.memsw.limit_in_bytes", |limits, _| {
        one(limits.memory.zip(limits.swap).map(|(memory, swap)| memory.saturating_add(swap)))
    })),
    // Where swap is not accounted for, this at least keeps a group at its limit from being swapped out.
    optional(setting(Controller::Memory, Version::V1, "memory.swappiness", |limits, _| {
        one(limits.swap.filter(|swap| *swap == 0))
    })),
    setting(Controller::Memory, Version::V2, "memory.max", |limits, _| one(limits.memory)),
    optional(setting(Controller::Memory, Version::V2, "memory.swap.max", |limits, _| one(limits.swap))),
    setting(Controller::Pids, Version::V1, "pids.max", |limits, _| one(limits.processes)),
    setting(Controller::Pids, Version::V2, "pids.max", |limits, _| one(limits.processes)),
    setting(Controller::Cpu, Version::V1, "cpu.cfs_period_us", |limits, _| {
        one(limits.cpu_percent.map(|_| CPU_PERIOD_US))
    }),
    setting(Controller::Cpu, Version::V1, "cpu.cfs_quota_us", |limits, _| one(limits.cpu_percent.map(quota_us))),
    setting(Controller::Cpu, Version::V2, "cpu.max", |limits, _| {
        one(limits.cpu_percent.map(|percent| format!("{} {CPU_PERIOD_US}", quota_us(percent))))
    }),
    setting(Controller::Io, Version::V1, "blkio.throttle.read_bps_device", throttle_v1),
    setting(Controller::Io, Version::V1, "blkio.throttle.write_bps_device", throttle_v1),
    setting(Controller::Io, Version::V2, "io.max", |limits, devices| {
        per_device(limits, devices, |device, rate| format!("{device} rbps={rate} wbps={rate}"))
    }),
];

fn throttle_v1(limits: &GroupLimits, devices: &[String]) -> Vec<String> {
    per_device(limits, devices, |device, rate| format!("{device} {rate}"))
}

fn one(value: Option<impl ToString>) -> Vec<String> {
    value.map(|value| value.to_string()).into_iter().collect()
}

fn quota_us(percent: u32) -> u64 {
    u64::from(percent.max(1)) * CPU_PERIOD_US / 100
}

fn per_device(limits: &GroupLimits, devices: &[String], text: fn(&str, u64) -> String) -> Vec<String> {
    limits.io_bytes_per_second.map_or_else(Vec::new, |rate| devices.iter().map(|device| text(device, rate)).collect())
}

/// Writes the limits of one controller into a group's directory.
pub(super) fn apply(
    directory: &Path,
    controller: Controller,
    version: Version,
    limits: &GroupLimits,
    devices: &[String],
) -> Result<(), CgroupError> {
    let rows = SETTINGS.iter().filter(|row| row.controller == controller && row.version == version);
    for row in rows {
        let path = directory.join(row.file);
        if row.optional && !path.exists() {
            continue;
        }
        for text in (row.texts)(limits, devices) {
            write(&path, &text)?;
        }
    }
    Ok(())
}

/// The block devices of the machine, as `major:minor`. Those without a disk behind them are left out, and partitions too: limits
/// are on whole disks.
pub(super) fn block_devices(sys_block: &Path) -> Vec<String> {
    let Ok(entries) = fs::read_dir(sys_block) else {
        return Vec::new();
    };
    let real = entries.flatten().filter(|entry| {
        let name = entry.file_name();
        !["loop", "ram", "zram"].iter().any(|prefix| name.to_string_lossy().starts_with(prefix))
    });
    let mut devices: Vec<_> = real
        .filter_map(|entry| fs::read_to_string(entry.path().join("dev")).ok())
        .map(|number| number.trim().to_owned())
        .collect();
    devices.sort();
    devices
}
