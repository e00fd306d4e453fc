//! Settings of the sandboxes that programs run in.

use std::path::PathBuf;
use std::time::Duration;

use belljar_image::RootfsChoice;
use belljar_sandbox::units::{ByteSize, optional_duration};
use belljar_sandbox::{Limits, Preset, Reuse, Warm};
use serde::{Deserialize, Serialize};

use super::InvalidSetting;

/// What one sandbox may use. Peer: the keys of `DOCKER_PARAMETERS`, whose names are given.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SandboxSettings {
    /// How strictly isolation is asked for: `standard` (what escape needs is required) or `strict` (everything is).
    pub preset: Preset,
    /// What programs find: `host` for the programs of this machine, the default; `image:NAME` for an image that `belljar image` has
    /// imported into the data directory; `dir:PATH` for a directory that holds a whole system. An image's environment variables
    /// count; its user, directory and command do not, as requests have their own. It is opened when the server starts.
    pub rootfs: RootfsChoice,
    /// Whether a sandbox may serve again after it was reset: `after_reset` or `never`.
    pub reuse: Reuse,
    /// Memory of everything in a sandbox, files included. Default 512M. Peer: `mem_limit`, 100 MiB.
    pub memory: ByteSize,
    /// Swap on top of it. Default none. Peer: `memswap_limit` minus `mem_limit`, 100 MiB.
    pub swap: ByteSize,
    /// Processes and threads at the same time. Default 64. Peer: `pids_limit`, none.
    pub processes: u32,
    /// Share of one CPU in percent, 150 for one and a half; 0 is no limit, the default.
    /// Peer: `cpu_quota` of `cpu_period`, no limit, but all containers on CPU 0 (`cpuset_cpus`).
    pub cpu_percent: u32,
    /// CPU time of a command with all that it started. When absent, wall-clock time alone decides, as with the peer.
    #[serde(with = "optional_duration", skip_serializing_if = "Option::is_none")]
    pub cpu_time: Option<Duration>,
    /// Bytes that can be written. Default 256M. Peer: `storage_opt`, no limit.
    pub disk: ByteSize,
    /// Files and directories that can be made. Default 65536.
    pub files: u64,
    /// Bytes of one file. Default 256M.
    pub file_size: ByteSize,
    /// Open files of one process. Default 1024. Peer: `ulimits`.
    pub open_files: u32,
    /// Bytes that a command may write to standard output and standard error, together. Default 16M. Peer: no limit.
    pub output: ByteSize,
    /// Stack of a process. Default 64M. Peer: `ulimits`.
    pub stack: ByteSize,
    /// Bytes per second from and to block devices, each; 0 is no limit, the default. Peer: `device_read_bps`, `device_write_bps`.
    pub io_per_second: ByteSize,
    /// A Python interpreter that is kept warm in each sandbox, by its path inside, such as `/usr/bin/python3`: commands that only run it
    /// start as forks of it, several times sooner. None by default. What it costs, and what differs: `docs/warm-interpreters.md`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub warm_python: Option<PathBuf>,
    /// Modules that it has imported before any program comes, such as `["json", "random"]`. Default none.
    pub warm_imports: Vec<String>,
}

impl Default for SandboxSettings {
    fn default() -> Self {
        let limits = Limits::default();
        Self {
            preset: Preset::Standard,
            rootfs: RootfsChoice::Host,
            reuse: Reuse::default(),
            memory: ByteSize::from_bytes(limits.memory),
            swap: ByteSize::from_bytes(limits.swap),
            processes: limits.processes,
            cpu_percent: limits.cpu_percent,
            cpu_time: None,
            disk: ByteSize::from_bytes(limits.disk),
            files: limits.inodes,
            file_size: ByteSize::from_bytes(limits.file_size),
            open_files: limits.open_files,
            output: ByteSize::from_bytes(limits.output),
            stack: ByteSize::from_bytes(limits.stack),
            io_per_second: ByteSize::from_bytes(limits.io_bytes_per_second),
            warm_python: None,
            warm_imports: Vec::new(),
        }
    }
}

impl SandboxSettings {
    /// The warm interpreter of the policy.
    #[must_use]
    pub fn warm(&self) -> Option<Warm> {
        let program = self.warm_python.clone()?;
        Some(Warm { program, imports: self.warm_imports.clone() })
    }

    /// What is wrong with them, if something is.
    pub(super) fn validate(&self) -> Result<(), InvalidSetting> {
        let broken = |key, problem| Err(InvalidSetting { key, problem });
        let Some(warm) = self.warm() else {
            return if self.warm_imports.is_empty() {
                Ok(())
            } else {
                broken("sandbox.warm_imports", "must be empty without `sandbox.warm_python`")
            };
        };
        if !warm.program.is_absolute() {
            return broken("sandbox.warm_python", "must be an absolute path");
        }
        if !warm.imports.iter().all(|name| Warm::is_module_name(name)) {
            return broken("sandbox.warm_imports", "must be names of modules");
        }
        if self.processes < Warm::MIN_PROCESSES {
            return broken("sandbox.processes", "must be at least 4 with a warm interpreter");
        }
        Ok(())
    }

    /// The limits of the policy. `wall_time` is the longest that anything may run in a sandbox, on `cpus` processors.
    #[must_use]
    pub fn limits(&self, wall_time: Duration, cpus: u32) -> Limits {
        Limits {
            wall_time,
            // All CPUs busy for the whole wall-clock time cannot use more than this.
            cpu_time: self.cpu_time.unwrap_or_else(|| wall_time.saturating_mul(cpus.max(1))),
            memory: self.memory.bytes(),
            swap: self.swap.bytes(),
            processes: self.processes,
            cpu_percent: self.cpu_percent,
            file_size: self.file_size.bytes(),
            open_files: self.open_files,
            disk: self.disk.bytes(),
            inodes: self.files,
            output: self.output.bytes(),
            stack: self.stack.bytes(),
            io_bytes_per_second: self.io_per_second.bytes(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_are_those_of_the_isolation_core() {
        let wall_time = Limits::default().wall_time;
        let limits = SandboxSettings::default().limits(wall_time, 1);
        assert_eq!(limits, Limits::default());
    }

    #[test]
    fn a_warm_interpreter_must_make_sense() {
        let with = |program: &str, imports: &[&str], processes| SandboxSettings {
            warm_python: (!program.is_empty()).then(|| program.into()),
            warm_imports: imports.iter().map(ToString::to_string).collect(),
            processes,
            ..SandboxSettings::default()
        };
        for (settings, broken) in [
            (with("", &[], 1), None),
            (with("/usr/bin/python3", &["json", "os.path", "_x1"], 4), None),
            (with("", &["json"], 64), Some("sandbox.warm_imports")),
            (with("python3", &[], 64), Some("sandbox.warm_python")),
            (with("/usr/bin/python3", &["json; x"], 64), Some("sandbox.warm_imports")),
            (with("/usr/bin/python3", &["a..b"], 64), Some("sandbox.warm_imports")),
            (with("/usr/bin/python3", &[], 3), Some("sandbox.processes")),
        ] {
            assert_eq!(settings.validate().err().map(|error| error.key), broken, "{settings:?}");
        }
    }

    #[test]
    fn cpu_time_bites_only_when_set() {
        let mut settings = SandboxSettings::default();
        let wall_time = Duration::from_secs(10);
        assert_eq!(settings.limits(wall_time, 4).cpu_time, Duration::from_secs(40));
        assert_eq!(settings.limits(wall_time, 0).cpu_time, wall_time);
        settings.cpu_time = Some(Duration::from_secs(3));
        assert_eq!(settings.limits(wall_time, 4).cpu_time, Duration::from_secs(3));
    }
}
