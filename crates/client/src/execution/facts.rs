//! What a server says about itself.
//!
//! What it leaves out is 0, empty or absent here; what a later release adds is in [`super::Execution::fact`] only.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::error::Step;

/// A question about the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Fact {
    /// What the server and its sandboxes are.
    Specifications,
    /// How busy it is.
    Usage,
    /// What is installed in the sandboxes.
    Libraries,
}

impl Fact {
    pub(crate) const fn path(self) -> &'static str {
        match self {
            Self::Specifications => "specifications",
            Self::Usage => "usages",
            Self::Libraries => "libraries",
        }
    }

    pub(crate) const fn step(self) -> Step {
        Step::Other(match self {
            Self::Specifications => "asking for the specifications",
            Self::Usage => "asking for the usage",
            Self::Libraries => "asking for the libraries",
        })
    }
}

/// What the server and its sandboxes are.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Specifications {
    /// The machine.
    pub host: Host,
    /// Each of its sandboxes.
    pub container: Container,
}

/// The machine.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Host {
    /// Its processors.
    pub cpu: Cpu,
    /// Its memory.
    pub memory: Memory,
    /// What makes the sandboxes, and its version.
    #[serde(default)]
    pub docker_version: String,
    /// Release of the protocol.
    #[serde(default)]
    pub sandbox_version: String,
}

/// Processors of the machine.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Cpu {
    /// Cores, if known.
    #[serde(default)]
    pub core: Option<i64>,
    /// Logical processors.
    #[serde(default)]
    pub logical: Option<i64>,
    /// Lowest frequency in MHz, 0 if not known.
    #[serde(default)]
    pub freq_min: f64,
    /// Highest frequency in MHz, 0 if not known.
    #[serde(default)]
    pub freq_max: f64,
}

/// Memory in bytes: there, or in use.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Memory {
    /// RAM.
    #[serde(default)]
    pub ram: i64,
    /// Swap.
    #[serde(default)]
    pub swap: i64,
    /// Disks, by their devices.
    #[serde(default)]
    pub storage: BTreeMap<String, i64>,
}

/// Limits of a sandbox. -1 is no limit.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Container {
    /// Sandboxes in the pool.
    #[serde(default)]
    pub count: i64,
    /// Processors.
    pub cpu: ContainerCpu,
    /// Memory.
    pub memory: ContainerMemory,
    /// Disks.
    #[serde(default)]
    pub io: ContainerIo,
    /// Processes.
    #[serde(default)]
    pub process: i64,
    /// Device of the working directories.
    #[serde(default)]
    pub working_dir_device: String,
}

/// Processors of a sandbox.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContainerCpu {
    /// How many.
    #[serde(default)]
    pub count: i64,
    /// Period in microseconds.
    #[serde(default)]
    pub period: i64,
    /// Weight beside others.
    #[serde(default)]
    pub shares: i64,
    /// Microseconds of each period; 0 is no limit.
    #[serde(default)]
    pub quota: i64,
}

/// Memory of a sandbox in bytes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContainerMemory {
    /// RAM.
    #[serde(default)]
    pub ram: i64,
    /// Swap.
    #[serde(default)]
    pub swap: i64,
    /// Disk.
    #[serde(default)]
    pub storage: i64,
}

/// Limits on disks, in the form of the server's settings: by device, or a list.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ContainerIo {
    /// Reads in a second.
    #[serde(default)]
    pub read_iops: Value,
    /// Bytes read in a second.
    #[serde(default)]
    pub read_bps: Value,
    /// Writes in a second.
    #[serde(default)]
    pub write_iops: Value,
    /// Bytes written in a second.
    #[serde(default)]
    pub write_bps: Value,
}

/// How busy the server is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Usage {
    /// Processors.
    pub cpu: UsageCpu,
    /// Memory in use.
    pub memory: Memory,
    /// Disks.
    #[serde(default)]
    pub io: UsageIo,
    /// The network.
    #[serde(default)]
    pub network: Network,
    /// Processes of the machine.
    #[serde(default)]
    pub process: i64,
    /// Sandboxes that are not free.
    #[serde(default)]
    pub container: i64,
}

/// Processors at work.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct UsageCpu {
    /// Frequency in MHz.
    #[serde(default)]
    pub frequency: f64,
    /// Share that is busy, 0 to 1.
    #[serde(default)]
    pub usage: f64,
    /// Load of 1, 5 and 15 minutes for each logical processor; 1 is as much as they can do.
    #[serde(default)]
    pub usage_avg: Vec<f64>,
}

/// Disks at work, by their devices.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct UsageIo {
    /// Reads in a second.
    #[serde(default)]
    pub read_iops: BTreeMap<String, i64>,
    /// Bytes read in a second.
    #[serde(default)]
    pub read_bps: BTreeMap<String, i64>,
    /// Writes in a second.
    #[serde(default)]
    pub write_iops: BTreeMap<String, i64>,
    /// Bytes written in a second.
    #[serde(default)]
    pub write_bps: BTreeMap<String, i64>,
}

/// The network in a second.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Network {
    /// Bytes sent.
    #[serde(default)]
    pub sent_bytes: i64,
    /// Bytes received.
    #[serde(default)]
    pub received_bytes: i64,
    /// Packets sent.
    #[serde(default)]
    pub sent_packets: i64,
    /// Packets received.
    #[serde(default)]
    pub received_packets: i64,
}

/// What is installed in the sandboxes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Libraries {
    /// Packages and libraries.
    pub libraries: Packages,
    /// Programs.
    #[serde(default)]
    pub bin: Vec<String>,
}

/// Names with their versions, `?` where one is not known.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Packages {
    /// Of the system.
    #[serde(default)]
    pub system: BTreeMap<String, String>,
    /// Of Python.
    #[serde(default)]
    pub python: BTreeMap<String, String>,
    /// Of Perl.
    #[serde(default)]
    pub perl: BTreeMap<String, String>,
    /// Shared libraries.
    #[serde(default)]
    pub c: BTreeMap<String, String>,
}
