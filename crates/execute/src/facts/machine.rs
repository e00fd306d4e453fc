//! Where the kernel's texts are, and what is made of them.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use rustix::fs::statvfs;

use super::kernel::{self, CpuTime, DiskCounters, Memory, Mounted, NetworkCounters};
use super::{HostSpecifications, within_16_bits};

/// The machine, as its kernel describes it. Every method reads files: for threads that may block.
#[derive(Debug, Clone)]
pub(crate) struct Machine {
    proc: PathBuf,
    sys: PathBuf,
}

/// One look at everything that changes.
#[derive(Debug, Clone)]
pub(super) struct Sample {
    pub(super) taken: Instant,
    pub(super) cpu_time: Option<CpuTime>,
    pub(super) frequency_mhz: f64,
    pub(super) loads: [f64; 3],
    pub(super) memory: Memory,
    pub(super) storage: BTreeMap<String, Storage>,
    pub(super) disks: BTreeMap<String, DiskCounters>,
    pub(super) network: NetworkCounters,
    pub(super) processes: i16,
}

/// Size and use of a file system, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Storage {
    pub(super) total: u64,
    pub(super) used: u64,
}

impl Machine {
    /// This machine.
    pub(crate) fn this() -> Self {
        Self { proc: "/proc".into(), sys: "/sys".into() }
    }

    /// What does not change while the program runs, as far as it is known.
    pub(crate) fn specifications(&self) -> HostSpecifications {
        let cpuinfo = self.text("cpuinfo");
        let memory = kernel::memory(&self.text("meminfo"));
        let storage = self.storage(&self.mounts());
        HostSpecifications {
            physical_cores: kernel::physical_cores(&cpuinfo).or_else(|| self.cores_by_topology()).map(within_16_bits),
            logical_cpus: within_16_bits(self.logical_cpus()),
            min_frequency_mhz: self.frequency_mhz("cpuinfo_min_freq"),
            max_frequency_mhz: self.frequency_mhz("cpuinfo_max_freq"),
            memory_bytes: memory.total,
            swap_bytes: memory.swap_total,
            storage_bytes: storage.into_iter().map(|(device, storage)| (device, storage.total)).collect(),
        }
    }

    /// Logical CPUs that are switched on; at least 1.
    pub(crate) fn logical_cpus(&self) -> usize {
        let stat = self.text("stat");
        let listed = stat
            .lines()
            .filter(|line| line.starts_with("cpu") && line.as_bytes().get(3).is_some_and(u8::is_ascii_digit))
            .count();
        listed.max(1)
    }

    pub(super) fn sample(&self) -> Sample {
        let mounts = self.mounts();
        let scaled = self.frequency_mhz("scaling_cur_freq");
        Sample {
            taken: Instant::now(),
            cpu_time: kernel::cpu_time(&self.text("stat")),
            frequency_mhz: if scaled > 0.0 { scaled } else { kernel::frequency_mhz(&self.text("cpuinfo")) },
            loads: kernel::loads(&self.text("loadavg")),
            memory: kernel::memory(&self.text("meminfo")),
            storage: self.storage(&mounts),
            disks: self.disks(&mounts),
            network: kernel::network(&self.text("net/dev")),
            processes: self.processes(),
        }
    }

    fn text(&self, name: &str) -> String {
        // Nothing where it cannot be read: each reader knows what that means.
        fs::read_to_string(self.proc.join(name)).unwrap_or_default()
    }

    fn mounts(&self) -> Vec<Mounted> {
        kernel::physical_mounts(&self.text("mounts"), &self.text("filesystems"))
    }

    /// By device; of several mounts of one device the last counts.
    fn storage(&self, mounts: &[Mounted]) -> BTreeMap<String, Storage> {
        let mut storage = BTreeMap::new();
        for mounted in mounts {
            let Ok(found) = statvfs(Path::new(&mounted.directory)) else {
                continue;
            };
            let bytes = |blocks: u64| blocks.saturating_mul(found.f_frsize);
            let (total, free) = (bytes(found.f_blocks), bytes(found.f_bfree));
            storage.insert(mounted.device.clone(), Storage { total, used: total.saturating_sub(free) });
        }
        storage
    }

    /// The counters of mounted devices, by the paths they are mounted by.
    fn disks(&self, mounts: &[Mounted]) -> BTreeMap<String, DiskCounters> {
        let counters = kernel::disks(&self.text("diskstats"));
        let mut disks = BTreeMap::new();
        for mounted in mounts {
            // `/dev/mapper/NAME` and `/dev/disk/by-...` are links to what the kernel calls the device.
            let device = fs::canonicalize(&mounted.device).unwrap_or_else(|_| PathBuf::from(&mounted.device));
            let name = device.file_name().and_then(|name| name.to_str());
            if let Some(found) = name.and_then(|name| counters.get(name)) {
                disks.insert(mounted.device.clone(), *found);
            }
        }
        disks
    }

    fn processes(&self) -> i16 {
        let Ok(entries) = fs::read_dir(&self.proc) else {
            return 0;
        };
        let is_number = |name: &[u8]| name.iter().all(u8::is_ascii_digit);
        within_16_bits(entries.flatten().filter(|entry| is_number(entry.file_name().as_encoded_bytes())).count())
    }

    /// A frequency of each CPU that has one, in MHz, averaged; the kernel tells kHz (`Documentation/admin-guide/pm/cpufreq.rst`).
    fn frequency_mhz(&self, name: &str) -> f64 {
        let khz = self.cpus().filter_map(|cpu| fs::read_to_string(cpu.join("cpufreq").join(name)).ok());
        kernel::average(khz.filter_map(|khz| khz.trim().parse().ok())) / 1000.0
    }

    /// CPUs of one core all name the same list.
    fn cores_by_topology(&self) -> Option<usize> {
        let lists = self.cpus().filter_map(|cpu| {
            let topology = cpu.join("topology");
            // The second is the name before Linux 5.3.
            ["core_cpus_list", "thread_siblings_list"].iter().find_map(|name| fs::read(topology.join(name)).ok())
        });
        let cores: std::collections::BTreeSet<_> = lists.collect();
        (!cores.is_empty()).then_some(cores.len())
    }

    /// The directories of the CPUs.
    fn cpus(&self) -> impl Iterator<Item = PathBuf> + use<> {
        let entries = fs::read_dir(self.sys.join("devices/system/cpu")).into_iter().flatten().flatten();
        let is_cpu = |name: &str| {
            name.strip_prefix("cpu")
                .is_some_and(|number| !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit()))
        };
        entries.filter(move |entry| entry.file_name().to_str().is_some_and(is_cpu)).map(|entry| entry.path())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A machine made of files.
    fn machine(files: &[(&str, &str)]) -> (tempfile::TempDir, Machine) {
        let root = tempfile::tempdir().unwrap();
        for (path, text) in files {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        let machine = Machine { proc: root.path().join("proc"), sys: root.path().join("sys") };
        (root, machine)
    }

    #[test]
    fn a_machine_that_tells_everything() {
        let (root, machine) = machine(&[
            ("proc/cpuinfo", "processor : 0\ncpu MHz : 2000\n\n"),
            ("proc/meminfo", "MemTotal: 1000 kB\nMemFree: 400 kB\nSwapTotal: 10 kB\nSwapFree: 4 kB\n"),
            ("proc/stat", "cpu  1 2 3 4\ncpu0 1 2 3 4\ncpu1 0 0 0 0\n"),
            ("proc/loadavg", "1.0 2.0 3.0 1/2 3"),
            ("proc/net/dev", "lo: 1 2 0 0 0 0 0 0 3 4"),
            ("proc/1/stat", ""),
            ("proc/23/stat", ""),
            ("proc/self/stat", ""),
            ("sys/devices/system/cpu/cpu0/cpufreq/scaling_cur_freq", "1000000\n"),
            ("sys/devices/system/cpu/cpu1/cpufreq/scaling_cur_freq", "3000000\n"),
            ("sys/devices/system/cpu/cpu0/cpufreq/cpuinfo_min_freq", "800000\n"),
            ("sys/devices/system/cpu/cpu0/cpufreq/cpuinfo_max_freq", "3600000\n"),
            ("sys/devices/system/cpu/cpu0/topology/core_cpus_list", "0-1\n"),
            ("sys/devices/system/cpu/cpu1/topology/thread_siblings_list", "0-1\n"),
            ("sys/devices/system/cpu/cpufreq/boost", "1\n"),
        ]);
        // A device with counters, mounted by a link to it.
        let device = root.path().join("dev/vda");
        let link = root.path().join("dev/mapper-home");
        fs::create_dir_all(root.path().join("dev")).unwrap();
        fs::write(&device, "").unwrap();
        std::os::unix::fs::symlink(&device, &link).unwrap();
        let mount = format!(
            "{} {} ext4 rw 0 0\n/dev/gone /no/such/directory ext4 rw 0 0\n",
            link.display(),
            root.path().display()
        );
        fs::write(root.path().join("proc/mounts"), mount).unwrap();
        fs::write(root.path().join("proc/filesystems"), "\text4\n").unwrap();
        fs::write(root.path().join("proc/diskstats"), "254 0 vda 1 0 2 0 3 0 4 0").unwrap();

        let specifications = machine.specifications();
        assert_eq!(specifications.physical_cores, Some(1));
        assert_eq!(specifications.logical_cpus, 2);
        assert!((specifications.min_frequency_mhz - 800.0).abs() < 1e-9);
        assert!((specifications.max_frequency_mhz - 3600.0).abs() < 1e-9);
        assert_eq!((specifications.memory_bytes, specifications.swap_bytes), (1_024_000, 10_240));
        assert_eq!(specifications.storage_bytes.len(), 1);
        assert!(specifications.storage_bytes[link.to_str().unwrap()] > 0);

        let sample = machine.sample();
        assert!((sample.frequency_mhz - 2000.0).abs() < 1e-9);
        assert_eq!(sample.processes, 2);
        assert_eq!((sample.memory.used, sample.memory.swap_used), (614_400, 6144));
        assert_eq!(sample.disks.len(), 1);
        assert_eq!(sample.disks[link.to_str().unwrap()].written_bytes, 2048);
        assert_eq!(sample.network.sent_packets, 4);
        assert_eq!(sample.loads, [1.0, 2.0, 3.0]);
    }

    #[test]
    fn a_machine_that_tells_nothing() {
        let (_root, machine) = machine(&[]);
        let specifications = machine.specifications();
        assert_eq!((specifications.physical_cores, specifications.logical_cpus), (None, 1));
        assert_eq!(specifications.max_frequency_mhz.to_bits(), 0.0_f64.to_bits());
        assert_eq!(machine.sample().processes, 0);
    }

    #[test]
    fn this_machine_has_processors_memory_and_processes() {
        let machine = Machine::this();
        let specifications = machine.specifications();
        assert!(specifications.logical_cpus >= 1 && specifications.memory_bytes > 0);
        let sample = machine.sample();
        assert!(sample.cpu_time.is_some() && sample.processes >= 1);
        assert!(sample.memory.used > 0 && sample.memory.used < specifications.memory_bytes);
    }
}
