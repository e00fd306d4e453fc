//! What an operator can set, with defaults that fit an ordinary machine.
//!
//! Where the PremierLangage sandbox (release 3.0.3) has a setting of the same meaning, its name and default are given.

mod libraries;
mod network;
mod sandbox;

use std::time::Duration;

use belljar_image::RootfsChoice;
use belljar_sandbox::agent::ArchiveLimits;
use belljar_sandbox::units::{ByteSize, duration};
use serde::{Deserialize, Serialize};

pub use libraries::{Alias, ExternalLibrary, InvalidLibrary, LibrarySettings, Protocol, RepositoryUrl};
pub use network::{Access, NetworkSettings};
pub use sandbox::SandboxSettings;

/// Settings of the job "run". Sizes are written as `256M`, times as `10s`; unknown keys are errors.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Sandboxes kept ready, and so requests that run at the same time. 1 to 1024, default 20.
    ///
    /// Peer: `DOCKER_COUNT`, 20. The same here although ours are cheap to make: it is the number that operators have sized
    /// their machines and classes for, an idle sandbox costs about a process, and more than this compete for the same CPUs until
    /// programs run out of wall-clock time.
    pub pool_size: usize,
    /// How long a request waits for a sandbox before it is told to come back. Default 2 s.
    ///
    /// Peer: `WAIT_FOR_CONTAINER_DURATION`, 2 s.
    #[serde(with = "duration")]
    pub wait_for_sandbox: Duration,
    /// Wall-clock time of all commands of a request together, and of each command that names no limit. Default 10 s.
    ///
    /// Peer: `EXECUTE_TIMEOUT`, 10 s.
    #[serde(with = "duration")]
    pub timeout: Duration,
    /// Time for each step of ours inside a sandbox: unpacking an archive, reading the result, packing what is saved.
    /// Default 30 s. A request that takes longer fails and its sandbox is thrown away.
    ///
    /// Peer: no limit.
    #[serde(with = "duration")]
    pub archive_timeout: Duration,
    /// How long a saved environment can be used. Default one day.
    ///
    /// Peer: `ENVIRONMENT_EXPIRATION`, 86400 s.
    #[serde(with = "duration")]
    pub environment_lifetime: Duration,
    /// How often expired environments are removed from the disk; they are gone for callers at once. Default one minute.
    ///
    /// Peer: every hour at minute 30.
    #[serde(with = "duration")]
    pub sweep_interval: Duration,
    /// Bytes of an uploaded archive, compressed. Default 64M. Peer: no limit.
    pub max_upload: ByteSize,
    /// Bytes of an archive unpacked, all files together; never above the sandbox's disk. Default 256M. Peer: no limit.
    pub max_unpacked: ByteSize,
    /// Files and directories of an archive; never above the sandbox's number of files. Default 20000. Peer: no limit.
    pub max_archive_entries: u64,
    /// Bytes of the file that a request returns. Kept in memory. Default 16M. Peer: no limit.
    pub max_result: ByteSize,
    /// Bytes of a saved environment, compressed. Default 64M. Peer: no limit.
    pub max_saved: ByteSize,
    /// How hard saved environments are compressed, 0 (not at all) to 9. Default 1: saving is on the path of the answer, and
    /// higher levels cost far more time than they save bytes.
    ///
    /// Peer: 9.
    pub compression_level: u32,
    /// The sandboxes.
    pub sandbox: SandboxSettings,
    /// What programs may reach of the network.
    pub network: NetworkSettings,
    /// What programs find at `/utils/libs`, and what is told about installed software.
    pub libraries: LibrarySettings,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            pool_size: 20,
            wait_for_sandbox: Duration::from_secs(2),
            timeout: Duration::from_secs(10),
            archive_timeout: Duration::from_secs(30),
            environment_lifetime: Duration::from_secs(86_400),
            sweep_interval: Duration::from_secs(60),
            max_upload: ByteSize::from_mib(64),
            max_unpacked: ByteSize::from_mib(256),
            max_archive_entries: 20_000,
            max_result: ByteSize::from_mib(16),
            max_saved: ByteSize::from_mib(64),
            compression_level: 1,
            sandbox: SandboxSettings::default(),
            network: NetworkSettings::default(),
            libraries: LibrarySettings::default(),
        }
    }
}

/// A setting that has a readable value which makes no sense.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{key}` {problem}")]
pub struct InvalidSetting {
    /// The key, with dots between the levels.
    pub key: &'static str,
    /// What must hold, as the rest of a sentence.
    pub problem: &'static str,
}

/// Times longer than this cannot be told from a typing error, and would overflow a calendar somewhere. 100 years.
const LONGEST: Duration = Duration::from_secs(100 * 365 * 86_400);

impl Settings {
    /// Checks what the types cannot say.
    ///
    /// # Errors
    ///
    /// The first setting that is out of range.
    pub fn validate(&self) -> Result<(), InvalidSetting> {
        let times = [
            ("timeout", self.timeout),
            ("archive_timeout", self.archive_timeout),
            ("environment_lifetime", self.environment_lifetime),
            ("sweep_interval", self.sweep_interval),
            ("network.connect_timeout", self.network.connect_timeout),
            ("network.idle_timeout", self.network.idle_timeout),
            ("libraries.refresh_interval", self.libraries.refresh_interval),
            ("libraries.git_timeout", self.libraries.git_timeout),
            ("libraries.listing_lifetime", self.libraries.listing_lifetime),
        ];
        let sizes = [
            ("max_upload", self.max_upload.bytes()),
            ("max_unpacked", self.max_unpacked.bytes()),
            ("max_archive_entries", self.max_archive_entries),
            ("max_result", self.max_result.bytes()),
            ("max_saved", self.max_saved.bytes()),
            ("sandbox.memory", self.sandbox.memory.bytes()),
            ("sandbox.disk", self.sandbox.disk.bytes()),
            ("sandbox.files", self.sandbox.files),
            ("sandbox.file_size", self.sandbox.file_size.bytes()),
            ("sandbox.output", self.sandbox.output.bytes()),
            ("sandbox.processes", self.sandbox.processes.into()),
            ("sandbox.open_files", self.sandbox.open_files.into()),
            ("sandbox.stack", self.sandbox.stack.bytes()),
            ("network.sent", self.network.sent.bytes()),
            ("network.received", self.network.received.bytes()),
        ];
        let broken = |key, problem| Err(InvalidSetting { key, problem });
        if !(1..=1024).contains(&self.pool_size) {
            return broken("pool_size", "must be from 1 to 1024");
        }
        if self.compression_level > 9 {
            return broken("compression_level", "must be from 0 to 9");
        }
        if self.wait_for_sandbox > LONGEST {
            return broken("wait_for_sandbox", "must be at most 100 years");
        }
        for (key, time) in times {
            if time.is_zero() || time > LONGEST {
                return broken(key, "must be more than nothing and at most 100 years");
            }
        }
        for (key, size) in sizes {
            if size == 0 {
                return broken(key, "must be more than 0");
            }
        }
        self.sandbox.validate()?;
        self.network.validate()?;
        if let RootfsChoice::Directory(path) = &self.sandbox.rootfs
            && (!path.is_absolute() || path.parent().is_none())
        {
            return broken("sandbox.rootfs", "must name its directory absolutely, and not the root directory");
        }
        self.libraries.validate()
    }

    /// Bounds of an uploaded archive: what is set, and never more than a sandbox can hold, so that too large an archive is told
    /// from a full disk.
    #[must_use]
    pub fn archive_limits(&self) -> ArchiveLimits {
        ArchiveLimits {
            max_entries: self.max_archive_entries.min(self.sandbox.files),
            max_bytes: self.max_unpacked.bytes().min(self.sandbox.disk.bytes()),
        }
    }

    /// Bounds of a saved archive: what a sandbox can hold, since that is where it comes from. What commands make may be more
    /// than may be uploaded, and must be usable nevertheless.
    #[must_use]
    pub fn saved_archive_limits(&self) -> ArchiveLimits {
        ArchiveLimits { max_entries: self.sandbox.files, max_bytes: self.sandbox.disk.bytes() }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn defaults_are_valid_and_survive_being_shown() {
        let settings = Settings::default();
        assert_eq!(settings.validate(), Ok(()));
        let shown = serde_json::to_value(&settings).unwrap();
        assert_eq!(shown["timeout"], "10s");
        assert_eq!(shown["max_upload"], "64M");
        assert_eq!(shown["libraries"]["refresh_interval"], "2h");
        assert_eq!(serde_json::from_value::<Settings>(shown).unwrap(), settings);
        assert_eq!(serde_json::from_value::<Settings>(json!({})).unwrap(), settings);
    }

    #[test]
    fn what_is_written_replaces_the_default() {
        let settings: Settings = serde_json::from_value(json!({
            "pool_size": 5,
            "timeout": "1500ms",
            "sandbox": {"memory": "1G", "cpu_percent": 50},
            "libraries": {"external": [{"url": "https://example.org/pl.git", "alias": "pl"}]},
        }))
        .unwrap();
        assert_eq!(settings.validate(), Ok(()));
        assert_eq!(settings.timeout, Duration::from_millis(1500));
        assert_eq!(settings.sandbox.memory.bytes(), 1 << 30);
        assert_eq!(settings.libraries.external[0].alias.as_str(), "pl");
        assert_eq!(settings.max_result, Settings::default().max_result);
    }

    #[test]
    fn unknown_keys_and_wrong_types_are_errors() {
        for written in [
            json!({"pool": 5}),
            json!({"sandbox": {"ram": "1G"}}),
            json!({"libraries": {"external": [{"url": "https://example.org/a", "alias": "a", "tag": "v1"}]}}),
            json!({"timeout": "soon"}),
            json!({"max_upload": "1 MB"}),
            json!({"pool_size": -1}),
        ] {
            assert!(serde_json::from_value::<Settings>(written.clone()).is_err(), "{written}");
        }
    }

    #[test]
    fn values_out_of_range_are_named() {
        let set = |path: &[&str], value: Value| {
            let mut written = serde_json::to_value(Settings::default()).unwrap();
            let mut place = &mut written;
            for key in path {
                place = &mut place[*key];
            }
            *place = value;
            serde_json::from_value::<Settings>(written).unwrap()
        };
        let library = json!({"url": "https://example.org/a", "alias": "a"});
        for (path, value) in [
            (&["pool_size"][..], json!(0)),
            (&["pool_size"], json!(1025)),
            (&["wait_for_sandbox"], json!("40000d")),
            (&["timeout"], json!(0)),
            (&["environment_lifetime"], json!("0s")),
            (&["sweep_interval"], json!("40000d")),
            (&["compression_level"], json!(10)),
            (&["max_result"], json!(0)),
            (&["sandbox", "processes"], json!(0)),
            (&["libraries", "refresh_interval"], json!(0)),
            (&["libraries", "external"], json!([library, library])),
        ] {
            let problem = set(path, value.clone()).validate().unwrap_err();
            assert_eq!(problem.key, path.join("."), "{value}");
        }
        let mut settings = set(&["libraries", "external"], json!([library]));
        assert_eq!(settings.validate(), Ok(()));
        settings.libraries.protocols.remove(&Protocol::Https);
        assert_eq!(settings.validate().unwrap_err().key, "libraries.external");
    }

    #[test]
    fn archives_are_never_allowed_more_than_a_sandbox_holds() {
        let mut settings = Settings::default();
        settings.sandbox.disk = ByteSize::from_mib(1);
        settings.sandbox.files = 10;
        assert_eq!(settings.archive_limits(), ArchiveLimits { max_entries: 10, max_bytes: 1 << 20 });
        settings.max_unpacked = ByteSize::from_kib(1);
        settings.max_archive_entries = 5;
        assert_eq!(settings.archive_limits(), ArchiveLimits { max_entries: 5, max_bytes: 1 << 10 });
    }
}
