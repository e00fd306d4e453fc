//! What a sandbox allows. Separate from what is run in it ([`crate::Command`]).

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::layer::{Layer, Strictness};

/// Everything that is decided about a sandbox before a program is chosen.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Policy {
    /// What the root directory holds.
    pub rootfs: Rootfs,
    /// Directories of the host shown inside, besides the rootfs.
    pub mounts: Vec<Mount>,
    /// The directory that commands start in, writable, new and empty in each run (unless a mount covers it).
    pub work_directory: PathBuf,
    /// The user that programs run as.
    pub user: User,
    /// What of the network is reachable.
    pub network: Network,
    /// Host name inside.
    pub hostname: String,
    /// The whole environment of each program; nothing is inherited.
    pub environment: BTreeMap<String, String>,
    /// Limits, all of them always in force.
    pub limits: Limits,
    /// Strictness of layers that differ from [`Policy::strictness`]'s default.
    pub layers: BTreeMap<Layer, Strictness>,
    /// Strictness of all other layers.
    pub default_strictness: Strictness,
    /// An interpreter that is kept warm: programs for it start as forks of it where that makes no difference to them. None by default.
    #[serde(default)]
    pub warm: Option<Warm>,
}

/// An interpreter that is kept warm.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Warm {
    /// A Python interpreter (CPython 3.9 or later, with `ctypes`), by its absolute path inside.
    pub program: PathBuf,
    /// Modules that it has imported before any program comes. One that cannot be imported is left out.
    pub imports: Vec<String>,
}

impl Warm {
    /// The lowest limit of processes with which there can be one: fewer leave no room for a fork on its way.
    pub const MIN_PROCESSES: u32 = 4;

    /// Whether this can be the name of a module: words with dots between them.
    #[must_use]
    pub fn is_module_name(name: &str) -> bool {
        let is_word = |part: &str| !part.is_empty() && part.chars().all(|sign| sign.is_alphanumeric() || sign == '_');
        name.split('.').all(is_word)
    }
}

/// What the root directory holds. A writable, size-limited layer for `/tmp`, `/var/tmp`, `/dev/shm` and the home comes on top.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Rootfs {
    /// A read-only view of the host's `/usr`, `/bin`, `/sbin`, `/lib*` and a made-up `/etc`.
    Host,
    /// This directory of the host, read-only.
    Directory(PathBuf),
    /// The layers of an image, the lowest first, at most [`MAX_LAYERS`]: directories of the host whose whiteouts and opaque
    /// directories are those of overlayfs with `userxattr`. All files belong to root inside. The root directory is read-only, except
    /// for root ([`User::ROOT`]), who writes into a copy that each run discards. Without any layer the root directory is empty.
    Layers(Vec<PathBuf>),
}

/// Layers of one root directory. Their one-letter names, with what separates them, must fit into one option of overlayfs, which
/// the kernel cuts at 255 bytes (`fsconfig(2)`).
pub const MAX_LAYERS: usize = 64;

/// A directory of the host shown inside.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mount {
    /// The directory or file on the host.
    pub source: PathBuf,
    /// The absolute path inside.
    pub target: PathBuf,
    /// What programs may do with it.
    pub access: Access,
}

/// What programs may do with a mount.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Access {
    /// Only read.
    ReadOnly,
    /// Write to a copy that is discarded at the end (overlayfs).
    CopyOnWrite,
    /// Write to the host's files. New ones belong to the owner of the directory; none can be made set-user-id. Archives and results
    /// cannot be handled in a sandbox with such a mount: they need a call that could.
    ReadWrite,
    /// Unpack a layer of an image into an empty directory of the host: with whiteouts, and without running any program.
    Layer,
}

/// The user that programs run as, by its numbers inside the sandbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct User {
    /// User id inside.
    pub uid: u32,
    /// Group id inside.
    pub gid: u32,
}

impl User {
    /// An ordinary user, 1000:1000, named `student` inside.
    pub const ORDINARY: Self = Self { uid: 1000, gid: 1000 };
    /// Root inside, without any capability, and nobody outside.
    pub const ROOT: Self = Self { uid: 0, gid: 0 };
}

/// Whether a sandbox serves more than one caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reuse {
    /// Each caller gets one that nobody has used: all namespaces, mounts and control groups are new.
    Never,
    /// All processes are killed and reaped, and everything that a program can change is made anew; what remains is the same
    /// for everybody. About ten times cheaper.
    #[default]
    AfterReset,
}

/// What of the network is reachable.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Network {
    /// Nothing but a loopback interface of its own.
    None,
    /// Nothing but a loopback interface of its own, where sockets listen that the owner accepts at: see
    /// [`crate::Sandbox::listeners`]. What is behind them is the owner's decision.
    Bridged(Bridge),
    /// The host's network, as any process of the host.
    Host,
}

/// Sockets of the owner inside a sandbox.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bridge {
    /// Where they listen: loopback addresses (127.0.0.0/8) with ports, each once, at most [`Bridge::MOST_LISTENERS`].
    pub listen: Vec<SocketAddrV4>,
    /// Names for such addresses, as `/etc/hosts` shows them. A [`Rootfs::Directory`] without such a file gets none.
    pub hosts: Vec<(String, Ipv4Addr)>,
}

impl Bridge {
    /// Sockets of one sandbox, at most: 128, because they are handed over in one message.
    pub const MOST_LISTENERS: usize = belljar_sys::call::MAX_LISTENERS;
}

/// Limits. Sizes are bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// Wall-clock time of one command.
    pub wall_time: Duration,
    /// CPU time of one command and all that it started, together.
    pub cpu_time: Duration,
    /// Memory of everything in the sandbox, files in its writable layer included.
    pub memory: u64,
    /// Swap on top of the memory.
    pub swap: u64,
    /// Processes and threads at the same time.
    pub processes: u32,
    /// Share of one CPU, in percent; 0 is no limit.
    pub cpu_percent: u32,
    /// Size of one file.
    pub file_size: u64,
    /// Open files of one process.
    pub open_files: u32,
    /// Bytes in the writable layer; see [`Limits::room_for_files`].
    pub disk: u64,
    /// Files in the writable layer.
    pub inodes: u64,
    /// Bytes of standard output and standard error together.
    pub output: u64,
    /// Size of the main thread's stack.
    pub stack: u64,
    /// Block-device bytes per second in each direction; 0 is no limit.
    pub io_bytes_per_second: u64,
}

const MIB: u64 = 1 << 20;

impl Limits {
    /// Bytes that files can really take: [`Limits::disk`], but never more than seven eighths of the memory that they are in. Were they
    /// to fill all of it, the kernel would have to kill the sandbox's own processes.
    #[must_use]
    pub const fn room_for_files(&self) -> u64 {
        let most = self.memory - self.memory / 8;
        if self.disk < most { self.disk } else { most }
    }
}

impl Limits {
    /// What fits a process that waits for messages and answers each in moments: 512 MiB, 64 processes, 32 MiB of files. Its owner
    /// bounds the time and the output of each message; the limit of 30 days is for processes that are never given one, and that of
    /// one hour of CPU time for those that do not wait.
    #[must_use]
    pub fn worker() -> Self {
        Self {
            wall_time: Duration::from_secs(30 * 24 * 3600),
            cpu_time: Duration::from_secs(3600),
            file_size: 32 * MIB,
            disk: 32 * MIB,
            inodes: 4096,
            ..Self::default()
        }
    }
}

impl Default for Limits {
    /// What fits a student's program: 10 s, 512 MiB, 64 processes, 16 MiB of output.
    fn default() -> Self {
        Self {
            wall_time: Duration::from_secs(10),
            cpu_time: Duration::from_secs(10),
            memory: 512 * MIB,
            swap: 0,
            processes: 64,
            cpu_percent: 0,
            file_size: 256 * MIB,
            open_files: 1024,
            disk: 256 * MIB,
            inodes: 65_536,
            output: 16 * MIB,
            stack: 64 * MIB,
            io_bytes_per_second: 0,
        }
    }
}

/// The named starting points of a policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Preset {
    /// Every layer is required.
    Strict,
    /// What escape needs is required; what only some machines have is best effort. The default.
    Standard,
    /// As `standard`, with the limits of a process that is started ahead and waits for messages.
    Worker,
}

impl Policy {
    /// Whether programs may write anywhere below the root directory, into a copy that each run discards: root of an image.
    #[must_use]
    pub fn root_is_writable(&self) -> bool {
        matches!(&self.rootfs, Rootfs::Layers(layers) if !layers.is_empty()) && self.user.uid == 0
    }

    /// A policy from a preset: host rootfs, no network, ordinary user, default limits or [`Limits::worker`].
    #[must_use]
    pub fn preset(preset: Preset) -> Self {
        // Only on some machines: control groups need delegation or root, a time namespace Linux 5.6, Landlock 5.13.
        let dispensable = [
            Layer::TimeNamespace,
            Layer::CgroupNamespace,
            Layer::MemoryLimit,
            Layer::ProcessLimit,
            Layer::CpuAccounting,
            Layer::Landlock,
        ];
        let mut layers = BTreeMap::new();
        if preset != Preset::Strict {
            layers.extend(dispensable.map(|layer| (layer, Strictness::BestEffort)));
        }
        // Limited only when a policy names a bandwidth.
        layers.insert(Layer::IoLimit, Strictness::BestEffort);
        Self {
            rootfs: Rootfs::Host,
            mounts: Vec::new(),
            work_directory: PathBuf::from("/home/student"),
            user: User::ORDINARY,
            network: Network::None,
            hostname: "belljar".to_owned(),
            environment: [
                ("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"),
                ("HOME", "/home/student"),
                ("USER", "student"),
                ("LOGNAME", "student"),
                ("SHELL", "/bin/bash"),
                ("LANG", "C.UTF-8"),
                ("LC_ALL", "C.UTF-8"),
                // The leak checker of gcc and clang wants ptrace, which is refused, and then fails the whole program.
                ("ASAN_OPTIONS", "detect_leaks=0"),
            ]
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect(),
            limits: if preset == Preset::Worker { Limits::worker() } else { Limits::default() },
            layers,
            default_strictness: Strictness::Required,
            warm: None,
        }
    }

    /// How strictly this policy asks for a layer.
    #[must_use]
    pub fn strictness(&self, layer: Layer) -> Strictness {
        self.layers.get(&layer).copied().unwrap_or(self.default_strictness)
    }
}

impl Default for Policy {
    fn default() -> Self {
        Self::preset(Preset::Standard)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_leave_room_for_processes() {
        for (memory, disk, room) in [(512 * MIB, 256 * MIB, 256 * MIB), (64 * MIB, 256 * MIB, 56 * MIB), (0, MIB, 0)] {
            assert_eq!(Limits { memory, disk, ..Limits::default() }.room_for_files(), room);
        }
    }
}
