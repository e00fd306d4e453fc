//! The layers of isolation, how strictly a policy asks for each, and what was really enforced.

use serde::{Deserialize, Serialize};

/// One layer of isolation. The order is the order in which a sandbox puts them on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[repr(u8)]
pub enum Layer {
    /// User namespace: root inside is nobody outside (`user_namespaces(7)`).
    UserNamespace,
    /// Process-id namespace: nothing outside can be seen or signalled, and all dies with its first process.
    PidNamespace,
    /// Mount namespace with `pivot_root`: a root of its own, nothing of the host but what is named.
    MountNamespace,
    /// Network namespace: no interface but its own loopback.
    NetworkNamespace,
    /// System V and POSIX message-queue namespace.
    IpcNamespace,
    /// Host name namespace.
    UtsNamespace,
    /// Control-group namespace: the host's group paths are hidden.
    CgroupNamespace,
    /// Time namespace: boot time of the host is hidden.
    TimeNamespace,
    /// A `/proc` of its own, with the dangerous entries masked.
    PrivateProc,
    /// Memory (and swap) limited by a control group.
    MemoryLimit,
    /// Number of processes limited by a control group.
    ProcessLimit,
    /// CPU bandwidth limited and CPU time of all processes counted by a control group.
    CpuAccounting,
    /// Block device bandwidth limited by a control group.
    IoLimit,
    /// Per-process resource limits (`setrlimit(2)`).
    ResourceLimits,
    /// All capabilities given up, bounding set included, and no new privileges (`capabilities(7)`).
    Privileges,
    /// Landlock rules as a second line behind the mount tree (`landlock(7)`).
    Landlock,
    /// The seccomp allow-list of system calls.
    Seccomp,
}

impl Layer {
    /// All layers, in order.
    pub const ALL: [Self; 17] = [
        Self::UserNamespace,
        Self::PidNamespace,
        Self::MountNamespace,
        Self::NetworkNamespace,
        Self::IpcNamespace,
        Self::UtsNamespace,
        Self::CgroupNamespace,
        Self::TimeNamespace,
        Self::PrivateProc,
        Self::MemoryLimit,
        Self::ProcessLimit,
        Self::CpuAccounting,
        Self::IoLimit,
        Self::ResourceLimits,
        Self::Privileges,
        Self::Landlock,
        Self::Seccomp,
    ];

    /// The name used in configuration, JSON and the doctor's table, such as `user_namespace`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::UserNamespace => "user_namespace",
            Self::PidNamespace => "pid_namespace",
            Self::MountNamespace => "mount_namespace",
            Self::NetworkNamespace => "network_namespace",
            Self::IpcNamespace => "ipc_namespace",
            Self::UtsNamespace => "uts_namespace",
            Self::CgroupNamespace => "cgroup_namespace",
            Self::TimeNamespace => "time_namespace",
            Self::PrivateProc => "private_proc",
            Self::MemoryLimit => "memory_limit",
            Self::ProcessLimit => "process_limit",
            Self::CpuAccounting => "cpu_accounting",
            Self::IoLimit => "io_limit",
            Self::ResourceLimits => "resource_limits",
            Self::Privileges => "privileges",
            Self::Landlock => "landlock",
            Self::Seccomp => "seccomp",
        }
    }
}

/// How strictly a policy asks for a layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Strictness {
    /// Without it no sandbox is made.
    Required,
    /// Used where the kernel allows it; otherwise reported as missing, with the reason.
    BestEffort,
    /// Not used.
    Off,
}

/// What became of one layer in one sandbox.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "state", content = "reason")]
pub enum Enforcement {
    /// In force, wholly.
    Enforced,
    /// In force by a weaker means; says which.
    Weakened(String),
    /// Asked for as best effort and not to be had here; says why.
    Missing(String),
    /// Switched off by the policy.
    Off,
}

/// What was enforced, layer by layer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LayerReport {
    /// The layer.
    pub layer: Layer,
    /// Its state in this sandbox.
    #[serde(flatten)]
    pub enforcement: Enforcement,
}
