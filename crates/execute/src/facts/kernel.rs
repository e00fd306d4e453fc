//! Readers of the kernel's texts in `/proc`. What is missing or not understood is left out: these are facts for people, and
//! no reason to fail.

use std::collections::{BTreeMap, BTreeSet};

/// Memory in bytes (`proc_meminfo(5)`).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Memory {
    pub(super) total: u64,
    pub(super) used: u64,
    pub(super) swap_total: u64,
    pub(super) swap_used: u64,
}

/// CPU time of all CPUs since boot, in ticks (`proc_stat(5)`).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct CpuTime {
    pub(super) busy: u64,
    pub(super) total: u64,
}

/// Operations and bytes of a block device since boot.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct DiskCounters {
    pub(super) reads: u64,
    pub(super) read_bytes: u64,
    pub(super) writes: u64,
    pub(super) written_bytes: u64,
}

/// Bytes and packets of all interfaces since boot.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct NetworkCounters {
    pub(super) sent_bytes: u64,
    pub(super) received_bytes: u64,
    pub(super) sent_packets: u64,
    pub(super) received_packets: u64,
}

/// A file system on a block device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Mounted {
    pub(super) device: String,
    pub(super) directory: String,
}

/// The unit of sectors in `/proc/diskstats`, whatever the device's own is.
const SECTOR_BYTES: u64 = 512;

/// Reads `/proc/meminfo`. Used is what neither is free nor could be freed at once, as `free(1)` counted it for long.
pub(super) fn memory(meminfo: &str) -> Memory {
    let kib: BTreeMap<&str, u64> = meminfo
        .lines()
        .filter_map(|line| {
            let (name, value) = line.split_once(':')?;
            Some((name, value.trim().trim_end_matches(" kB").parse().ok()?))
        })
        .collect();
    let bytes = |name| kib.get(name).copied().unwrap_or(0).saturating_mul(1024);
    let available = ["MemFree", "Buffers", "Cached", "SReclaimable"].map(bytes);
    let (total, swap_total) = (bytes("MemTotal"), bytes("SwapTotal"));
    Memory {
        total,
        used: available.into_iter().fold(total, u64::saturating_sub),
        swap_total,
        swap_used: swap_total.saturating_sub(bytes("SwapFree")),
    }
}

/// Reads the first line of `/proc/stat`.
pub(super) fn cpu_time(stat: &str) -> Option<CpuTime> {
    let line = stat.lines().find_map(|line| line.strip_prefix("cpu "))?;
    // user nice system idle iowait irq softirq steal; what follows is counted in user and nice already.
    let ticks: Vec<u64> = line.split_whitespace().take(8).map_while(|field| field.parse().ok()).collect();
    let idle: u64 = ticks.iter().skip(3).take(2).sum();
    let total: u64 = ticks.iter().sum();
    (ticks.len() >= 4).then(|| CpuTime { busy: total.saturating_sub(idle), total })
}

/// Reads the averages of `/proc/loadavg`.
pub(super) fn loads(loadavg: &str) -> [f64; 3] {
    let mut fields = loadavg.split_whitespace().map(|field| field.parse().unwrap_or(0.0));
    std::array::from_fn(|_| fields.next().unwrap_or(0.0))
}

/// Reads `/proc/diskstats`, by the kernel's name of the device (`Documentation/admin-guide/iostats.rst`).
pub(super) fn disks(diskstats: &str) -> BTreeMap<String, DiskCounters> {
    let disk = |line: &str| {
        let mut fields = line.split_whitespace().skip(2);
        let name = fields.next()?.to_owned();
        let numbers: Vec<u64> = fields.map_while(|field| field.parse().ok()).collect();
        let counters = DiskCounters {
            reads: *numbers.first()?,
            read_bytes: numbers.get(2)?.saturating_mul(SECTOR_BYTES),
            writes: *numbers.get(4)?,
            written_bytes: numbers.get(6)?.saturating_mul(SECTOR_BYTES),
        };
        Some((name, counters))
    };
    diskstats.lines().filter_map(disk).collect()
}

/// Adds up the interfaces of `/proc/net/dev`.
pub(super) fn network(dev: &str) -> NetworkCounters {
    let mut sum = NetworkCounters::default();
    for line in dev.lines() {
        let Some((_, counters)) = line.split_once(':') else {
            continue;
        };
        let numbers: Vec<u64> = counters.split_whitespace().map_while(|field| field.parse().ok()).collect();
        // Eight numbers of what was received, then what was sent.
        if let (Some(&[received_bytes, received_packets]), Some(&[sent_bytes, sent_packets])) =
            (numbers.first_chunk(), numbers.get(8..).and_then(<[u64]>::first_chunk))
        {
            sum.received_bytes = sum.received_bytes.saturating_add(received_bytes);
            sum.received_packets = sum.received_packets.saturating_add(received_packets);
            sum.sent_bytes = sum.sent_bytes.saturating_add(sent_bytes);
            sum.sent_packets = sum.sent_packets.saturating_add(sent_packets);
        }
    }
    sum
}

/// Reads `/proc/mounts` and keeps what is on a block device, by the types that `/proc/filesystems` does not call `nodev`.
/// ZFS calls itself that, although its pools are on disks.
pub(super) fn physical_mounts(mounts: &str, filesystems: &str) -> Vec<Mounted> {
    let mut types: BTreeSet<&str> =
        filesystems.lines().filter(|line| !line.starts_with("nodev")).map(str::trim).collect();
    types.insert("zfs");
    let mounted = |line: &str| {
        let mut fields = line.split_whitespace();
        let (device, directory, kind) = (fields.next()?, fields.next()?, fields.next()?);
        let real = types.contains(kind) && device != "none";
        real.then(|| Mounted { device: unescape(device), directory: unescape(directory) })
    };
    mounts.lines().filter_map(mounted).collect()
}

/// Undoes the octal escapes of space, tab, newline and backslash in `/proc/mounts`.
fn unescape(field: &str) -> String {
    let mut parts = field.split('\\');
    let mut text = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let escaped = part.get(..3).and_then(|digits| u8::from_str_radix(digits, 8).ok()).filter(u8::is_ascii);
        match escaped {
            Some(byte) => {
                text.push(char::from(byte));
                text.push_str(&part[3..]);
            }
            None => {
                text.push('\\');
                text.push_str(part);
            }
        }
    }
    text
}

/// Reads the frequencies in `/proc/cpuinfo`, in MHz, averaged; 0 when there are none (not on every architecture).
pub(super) fn frequency_mhz(cpuinfo: &str) -> f64 {
    average(entries(cpuinfo, "cpu MHz").filter_map(|value| value.parse().ok()))
}

/// Counts the physical cores in `/proc/cpuinfo`, where it tells them apart.
pub(super) fn physical_cores(cpuinfo: &str) -> Option<usize> {
    let cores: BTreeSet<(&str, &str)> = cpuinfo
        .split("\n\n")
        .filter_map(|cpu| Some((entries(cpu, "physical id").next()?, entries(cpu, "core id").next()?)))
        .collect();
    (!cores.is_empty()).then_some(cores.len())
}

/// The values of a key in `/proc/cpuinfo`.
fn entries<'a>(cpuinfo: &'a str, key: &str) -> impl Iterator<Item = &'a str> {
    cpuinfo
        .lines()
        .filter_map(|line| line.split_once(':'))
        .filter(move |(name, _)| name.trim() == key)
        .map(|(_, value)| value.trim())
}

/// The average; 0 of nothing.
pub(super) fn average(values: impl Iterator<Item = f64>) -> f64 {
    let (sum, count) = values.fold((0.0, 0.0), |(sum, count), value: f64| (sum + value, count + 1.0));
    if count > 0.0 { sum / count } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_read() {
        let meminfo = "MemTotal:       24684092 kB\nMemFree:        22811880 kB\nMemAvailable:   24209200 kB\n\
            Buffers:            5580 kB\nCached:          1546028 kB\nSwapCached:            0 kB\n\
            SwapTotal:       1000000 kB\nSwapFree:         900000 kB\nSReclaimable:      20604 kB\nHugePages_Total:       0\n";
        let expected = Memory {
            total: 24_684_092 * 1024,
            used: 300_000 * 1024,
            swap_total: 1_000_000 * 1024,
            swap_used: 100_000 * 1024,
        };
        assert_eq!(memory(meminfo), expected);
        assert_eq!(memory("garbage\nMemTotal: many kB\n"), Memory::default());
    }

    #[test]
    fn cpu_time_is_read() {
        let stat = "cpu  42830 10 6892 342595 681 5 71 33 7 8\ncpu0 20491 0 3092 172752 103 0 22 14 0 0\nintr 1\n";
        assert_eq!(cpu_time(stat), Some(CpuTime { busy: 49_841, total: 393_117 }));
        assert_eq!(cpu_time("cpu  1 2 3 4\n"), Some(CpuTime { busy: 6, total: 10 }));
        assert_eq!(cpu_time("cpu0 1 2 3 4\n"), None);
        assert_eq!(cpu_time("cpu  1 2\n"), None);
    }

    #[test]
    fn loads_are_read() {
        assert_eq!(loads("0.54 0.36 0.25 1/92 18939\n"), [0.54, 0.36, 0.25]);
        assert_eq!(loads("0.54"), [0.54, 0.0, 0.0]);
        assert_eq!(loads(""), [0.0; 3]);
    }

    #[test]
    fn disks_are_read() {
        let diskstats = "   7       0 loop0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0\n\
             254       0 vda 5120 30 409600 900 600 70 8192 100 0 700 1000 0 0 0 0 0 0\n   8  0 old\n";
        let found = disks(diskstats);
        assert_eq!(found.len(), 2);
        let vda = DiskCounters { reads: 5120, read_bytes: 209_715_200, writes: 600, written_bytes: 4_194_304 };
        assert_eq!(found["vda"], vda);
        assert_eq!(found["loop0"], DiskCounters::default());
    }

    #[test]
    fn interfaces_are_added_up() {
        let dev = "Inter-|   Receive                  |  Transmit\n face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets\n\
            lo:    3732      38    0    0    0     0          0         0     3732      38    0    0    0     0       0          0\n\
          eth0: 67553941    2893    0    0    0     0          0         0   177537    1712    0    0    0     0       0          0\n\
          bad0: 1 2 3\n";
        let expected = NetworkCounters {
            sent_bytes: 181_269,
            received_bytes: 67_557_673,
            sent_packets: 1750,
            received_packets: 2931,
        };
        assert_eq!(network(dev), expected);
    }

    #[test]
    fn only_what_is_on_a_block_device_counts() {
        let mounts = "proc /proc proc rw 0 0\n/dev/vda / ext4 rw,relatime 0 0\ntmpfs /dev/shm tmpfs rw 0 0\n\
            /dev/vdb1 /mnt/my\\040disk xfs rw 0 0\ntank/home /home zfs rw 0 0\nserver:/x /nfs nfs4 rw 0 0\n\
            none /odd ext4 rw 0 0\nshort\n";
        let filesystems = "nodev\tsysfs\nnodev\ttmpfs\n\text3\n\text4\n\txfs\nnodev\tnfs4\nnodev\tzfs\n";
        let found = physical_mounts(mounts, filesystems);
        let found: Vec<_> = found.iter().map(|m| (m.device.as_str(), m.directory.as_str())).collect();
        assert_eq!(found, [("/dev/vda", "/"), ("/dev/vdb1", "/mnt/my disk"), ("tank/home", "/home")]);
    }

    #[test]
    fn escapes_are_undone() {
        for (field, text) in
            [("a\\040b\\011c\\134d", "a b\tc\\d"), ("\\04", "\\04"), ("\\9é", "\\9é"), ("\\377", "\\377")]
        {
            assert_eq!(unescape(field), text);
        }
    }

    #[test]
    fn cores_and_frequencies_are_read() {
        let cpu = |processor: u32, package: u32, core: u32, mhz: f64| {
            format!(
                "processor\t: {processor}\ncpu MHz\t\t: {mhz}\nphysical id\t: {package}\ncore id\t\t: {core}\nflags\t\t: fpu\n\n"
            )
        };
        let cpuinfo = [cpu(0, 0, 0, 2000.0), cpu(1, 0, 0, 3000.0), cpu(2, 0, 1, 2500.0), cpu(3, 1, 0, 2500.0)].concat();
        assert_eq!(physical_cores(&cpuinfo), Some(3));
        assert!((frequency_mhz(&cpuinfo) - 2500.0).abs() < 1e-9);
        let arm = "processor\t: 0\nBogoMIPS\t: 50.00\nFeatures\t: fp asimd\n\n";
        assert_eq!(physical_cores(arm), None);
        assert_eq!(frequency_mhz(arm).to_bits(), 0.0_f64.to_bits());
    }
}
