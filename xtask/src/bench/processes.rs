//! What the kernel tells about processes: families, memory, CPU time (`proc_pid_stat(5)`, `proc_pid_smaps(5)`).

use std::collections::BTreeMap;
use std::fs;
use std::time::Duration;

use anyhow::{Context, Result};
use rustix::param::clock_ticks_per_second;

/// Fields of `/proc/PID/stat`, counted from the one after the name.
mod field {
    pub(super) const PARENT: usize = 1;
    pub(super) const USER: usize = 11;
    pub(super) const SYSTEM: usize = 12;
    pub(super) const REAPED_USER: usize = 13;
    pub(super) const REAPED_SYSTEM: usize = 14;
}

/// Each process with its parent.
pub(crate) fn parents() -> Result<BTreeMap<u32, u32>> {
    let mut parents = BTreeMap::new();
    for entry in fs::read_dir("/proc").context("cannot list processes")? {
        let Ok(id) = entry?.file_name().to_string_lossy().parse::<u32>() else { continue };
        // One that has ended meanwhile is nobody's.
        let Ok(stat) = fs::read_to_string(format!("/proc/{id}/stat")) else { continue };
        let parent = number(&stat, field::PARENT).and_then(|parent| parent.try_into().ok());
        parents.extend(parent.map(|parent| (id, parent)));
    }
    Ok(parents)
}

/// A process and all below it, parents before their children.
pub(crate) fn family(of: u32) -> Result<Vec<u32>> {
    let parents = parents()?;
    let mut family = vec![of];
    let mut next = 0;
    while let Some(parent) = family.get(next).copied() {
        family.extend(parents.iter().filter(|(_, its)| **its == parent).map(|(child, _)| *child));
        next += 1;
    }
    Ok(family)
}

/// A server and all below it, by what they are.
#[derive(Debug, Default)]
pub(crate) struct Roles {
    /// What makes sandboxes: the launcher, and who keeps it.
    pub(crate) launchers: Vec<u32>,
    /// The first processes of sandboxes.
    pub(crate) inits: Vec<u32>,
    /// All others in sandboxes.
    pub(crate) inner: Vec<u32>,
}

impl Roles {
    /// Of this server.
    ///
    /// # Errors
    ///
    /// The kernel does not tell.
    pub(crate) fn of(server: u32) -> Result<Self> {
        let mut roles = Self::default();
        let levels = |process| fs::read_to_string(format!("/proc/{process}/status")).ok().and_then(|text| ids(&text));
        let outside = levels(server).map_or(1, |ids| ids.len());
        for process in family(server)?.into_iter().skip(1) {
            match levels(process).as_deref() {
                Some(ids) if ids.len() <= outside => roles.launchers.push(process),
                Some([.., 1]) => roles.inits.push(process),
                Some(_) => roles.inner.push(process),
                // It has ended meanwhile.
                None => {}
            }
        }
        Ok(roles)
    }
}

/// Ids of a process in its process namespaces, from ours inwards (`NSpid` in `proc_pid_status(5)`).
fn ids(status: &str) -> Option<Vec<u32>> {
    let line = status.lines().find_map(|line| line.strip_prefix("NSpid:"))?;
    line.split_whitespace().map(|id| id.parse().ok()).collect()
}

/// CPU time of a process, of all below it, and of all that they have waited for. Exact to some clock ticks.
pub(crate) fn processor_of_family(of: u32) -> Result<Duration> {
    let all = [field::USER, field::SYSTEM, field::REAPED_USER, field::REAPED_SYSTEM];
    // One that ends meanwhile is counted by its parent the next time.
    Ok(family(of)?.into_iter().filter_map(|process| ticks(process, &all).ok()).sum())
}

/// CPU time of all that this process has waited for, and that those have waited for.
pub(crate) fn processor_of_reaped() -> Result<Duration> {
    ticks(std::process::id(), &[field::REAPED_USER, field::REAPED_SYSTEM])
}

fn ticks(process: u32, fields: &[usize]) -> Result<Duration> {
    let path = format!("/proc/{process}/stat");
    let stat = fs::read_to_string(&path).with_context(|| format!("cannot read {path}"))?;
    let ticks: u64 = fields.iter().filter_map(|field| number(&stat, *field)).sum();
    Ok(Duration::from_nanos(ticks * 1_000_000_000 / clock_ticks_per_second()))
}

/// A field by its place after the name, which is in parentheses and may hold anything.
fn number(stat: &str, field: usize) -> Option<u64> {
    stat.rsplit_once(')')?.1.split_whitespace().nth(field)?.parse().ok()
}

/// Memory of a process by the proportional set size, in KiB.
pub(crate) fn proportional(process: u32) -> Result<u64> {
    memory_of(process, "Pss:")
}

/// The part of it that is no file's: pages of the program count the less, the more others run it.
pub(crate) fn anonymous(process: u32) -> Result<u64> {
    memory_of(process, "Pss_Anon:")
}

fn memory_of(process: u32, key: &str) -> Result<u64> {
    let path = format!("/proc/{process}/smaps_rollup");
    let text = fs::read_to_string(&path).with_context(|| format!("cannot read {path}"))?;
    kibibytes(&text, key)
}

/// A number of `/proc/meminfo`, in KiB.
pub(crate) fn of_machine(key: &str) -> Result<u64> {
    kibibytes(&fs::read_to_string("/proc/meminfo").context("cannot read /proc/meminfo")?, key)
}

/// The number of a line such as `Pss:   12 kB`.
pub(crate) fn kibibytes(text: &str, key: &str) -> Result<u64> {
    let number = text.lines().find_map(|line| line.strip_prefix(key)?.split_whitespace().next()?.parse().ok());
    number.with_context(|| format!("the kernel does not tell {key}"))
}

pub(crate) fn in_mib(kibibytes: u64) -> f64 {
    f64::from(u32::try_from(kibibytes).unwrap_or(u32::MAX)) / 1024.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_the_kernel_are_read() {
        let text = "Rss:  99 kB\nPss:                 123 kB\nPss_Dirty: 7 kB\n";
        assert_eq!(kibibytes(text, "Pss:").ok(), Some(123));
        assert!(kibibytes(text, "Swap:").is_err());
        assert_eq!(ids("Name:\ta\nNSpid:\t4711\t1\nNSsid:\t0\n"), Some(vec![4711, 1]));
        let stat = "7 (a) S 1) S 4711 7 7 0 -1 4194560 1 2 3 4 50 60 70 80 20 0";
        let fields = [field::PARENT, field::USER, field::SYSTEM, field::REAPED_USER, field::REAPED_SYSTEM];
        assert_eq!(fields.map(|field| number(stat, field)), [4711, 50, 60, 70, 80].map(Some));
    }

    #[test]
    fn we_belong_to_our_parents_family() {
        let (us, parent) = (std::process::id(), std::os::unix::process::parent_id());
        assert_eq!(parents().expect("/proc is there").get(&us), Some(&parent));
        let family = family(parent).expect("/proc is there");
        assert_eq!(family.first(), Some(&parent));
        assert!(family.contains(&us));
    }

    #[test]
    fn time_of_children_counts_when_they_have_ended() {
        // As much to do on a busy machine: more than a tenth of a second of any processor.
        const WORK: &str = "i=0; while [ $i -lt 400000 ]; do i=$((i + 1)); done";
        let before = processor_of_reaped().expect("told");
        let status = std::process::Command::new("sh").args(["-c", WORK]).status();
        assert!(status.is_ok());
        let used = processor_of_reaped().expect("told") - before;
        assert!(used >= Duration::from_millis(50), "{used:?}");
    }
}
