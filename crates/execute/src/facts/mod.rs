//! Facts about the machine: what it is, and how busy it is.
//!
//! The values and their meaning are those that callers of the PremierLangage sandbox know from `/specifications/` and
//! `/usages/`; a real caller stores some of them in columns of 16 bits, with a sign, so those are an [`i16`] here and what is
//! larger is told as 32767.

mod kernel;
mod machine;
mod sampler;

use std::collections::BTreeMap;

pub(crate) use machine::Machine;
pub(crate) use sampler::Sampler;

/// What the machine and its sandboxes are.
#[derive(Debug, Clone, PartialEq)]
pub struct Specifications {
    /// The machine.
    pub host: HostSpecifications,
    /// Each sandbox.
    pub sandbox: SandboxSpecifications,
}

/// What the machine is.
#[derive(Debug, Clone, PartialEq)]
pub struct HostSpecifications {
    /// Physical CPU cores; absent when the kernel does not tell.
    pub physical_cores: Option<i16>,
    /// Logical CPUs, as the kernel schedules.
    pub logical_cpus: i16,
    /// Lowest CPU frequency in MHz, averaged over the CPUs; 0 when the kernel does not tell, as in most virtual machines.
    pub min_frequency_mhz: f64,
    /// Highest CPU frequency in MHz, averaged over the CPUs; 0 when the kernel does not tell.
    pub max_frequency_mhz: f64,
    /// Memory in bytes.
    pub memory_bytes: u64,
    /// Swap in bytes.
    pub swap_bytes: u64,
    /// Size in bytes of each mounted file system on a block device, by the path of the device.
    pub storage_bytes: BTreeMap<String, u64>,
}

/// What a sandbox may use. From the policy, not measured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SandboxSpecifications {
    /// Number of sandboxes, and so of requests that run at the same time.
    pub count: i16,
    /// CPUs that it can keep busy: its share rounded up, all CPUs without a limit.
    pub cpus: i16,
    /// The period that `cpu_quota_us` is a part of, in microseconds.
    pub cpu_period_us: i16,
    /// CPU time in each period, in microseconds; 0 is no limit.
    pub cpu_quota_us: i16,
    /// Weight against other control groups; 1024 is the kernel's default.
    pub cpu_shares: i16,
    /// Memory in bytes.
    pub memory_bytes: u64,
    /// Swap in bytes, on top of the memory.
    pub swap_bytes: u64,
    /// Bytes that can be written.
    pub storage_bytes: u64,
    /// Bytes per second from, and to, block devices; absent without a limit.
    pub io_bytes_per_second: Option<u64>,
    /// Processes and threads at the same time.
    pub processes: i16,
    /// What holds the working directory: a device, or the kind of a file system that has none.
    pub work_directory_device: &'static str,
}

/// How busy the machine is.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Usage {
    /// The machine.
    pub host: HostUsage,
    /// Sandboxes that are not ready to take: in use, or being made new.
    pub sandboxes_taken: i16,
}

/// How busy the machine is, as of the last sample, at most about a second ago. Rates are over the time between the last two
/// samples, and 0 until there are two.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct HostUsage {
    /// CPU frequency in MHz, averaged over the CPUs; 0 when the kernel does not tell.
    pub cpu_frequency_mhz: f64,
    /// Part of all CPU time that was used, 0 to 1.
    pub cpu_busy: f64,
    /// Load averages of 1, 5 and 15 minutes (`proc_loadavg(5)`), divided by the number of logical CPUs; may exceed 1.
    pub load_per_cpu: [f64; 3],
    /// Memory in use in bytes, without buffers and cache.
    pub memory_bytes: u64,
    /// Swap in use in bytes.
    pub swap_bytes: u64,
    /// Bytes in use on each mounted file system on a block device, by the path of the device.
    pub storage_bytes: BTreeMap<String, u64>,
    /// What goes from and to each of these devices.
    pub disks: BTreeMap<String, DiskRates>,
    /// What goes over all network interfaces together, loopback included.
    pub network: NetworkRates,
    /// Number of processes.
    pub processes: i16,
}

/// What goes from and to a block device, per second.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct DiskRates {
    /// Finished reads.
    pub reads: u64,
    /// Bytes read.
    pub read_bytes: u64,
    /// Finished writes.
    pub writes: u64,
    /// Bytes written.
    pub written_bytes: u64,
}

/// What goes over the network, per second.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct NetworkRates {
    /// Bytes sent.
    pub sent_bytes: u64,
    /// Bytes received.
    pub received_bytes: u64,
    /// Packets sent.
    pub sent_packets: u64,
    /// Packets received.
    pub received_packets: u64,
}

/// A number in 16 bits; the largest that fits for what does not.
pub(crate) fn within_16_bits(number: impl TryInto<i16>) -> i16 {
    number.try_into().unwrap_or(i16::MAX)
}
