//! Limits of the engine, and the sandbox that they make.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use belljar_sandbox::{Access, Limits, Mount, Policy, Preset, Rootfs};

use super::zygote::NAME;
use crate::config::App;

const MIB: u64 = 1 << 20;
/// Which time zone the machine is in: tzset(3).
const LOCAL_TIME: &str = "/etc/localtime";
/// What the names of time zones mean.
const TIME_ZONES: &str = "/usr/share/zoneinfo";

/// Limits of one app on QuickJS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QuickJsSettings {
    /// Memory in bytes that a script may allocate for one message, on top of what loading left. 64 MiB by default, as vxsandbox's
    /// `RLIMIT_DATA`.
    pub message_memory: u64,
    /// Memory in bytes that loading may allocate. 128 MiB by default: the largest toolkit that is known takes 10.
    pub load_memory: u64,
    /// How long loading may take. 30 s by default.
    pub load_time: Duration,
    /// CPU time of one message, in whole seconds. 60 s by default, as vxsandbox's `RLIMIT_CPU`.
    pub cpu_time: Duration,
    /// Messages at once, at most; the processes that were made ahead are counted. 64 by default.
    pub processes: u32,
    /// Processes made ahead. 2 by default: as many as there are usually messages at the same time.
    pub ahead: u32,
    /// Memory in bytes of everything in the app's sandbox. 512 MiB by default.
    pub sandbox_memory: u64,
}

impl Default for QuickJsSettings {
    fn default() -> Self {
        Self {
            message_memory: 64 * MIB,
            load_memory: 128 * MIB,
            load_time: Duration::from_secs(30),
            cpu_time: Duration::from_secs(60),
            processes: 64,
            ahead: 2,
            sandbox_memory: 512 * MIB,
        }
    }
}

/// Open files of a message's process: its streams, and modules while they are read.
pub(super) const OPEN_FILES: u32 = 16;
/// Life of a zygote: as long as the worker's. A limit that is reached only where something of ours was forgotten.
const LIFE: Duration = Duration::from_secs(10 * 365 * 24 * 3600);

impl QuickJsSettings {
    /// As an app's configuration says.
    #[must_use]
    pub fn of(app: &App) -> Self {
        let defaults = Self::default();
        // The lower of the two, as it is what ends a process; "no limit" is ours then.
        let cpu = app
            .rlimits
            .get("RLIMIT_CPU")
            .and_then(|&(soft, hard)| [soft, hard].into_iter().filter_map(|seconds| u64::try_from(seconds).ok()).min());
        Self {
            message_memory: app.quickjs_memory,
            cpu_time: cpu.map_or(defaults.cpu_time, Duration::from_secs),
            // Messages and events at the same time, and those that are made ahead.
            processes: 2 * u32::from(app.prefetch.max(1)) + u32::from(app.prestart),
            ahead: app.prestart.into(),
            sandbox_memory: app.memory,
            ..defaults
        }
    }

    /// The sandbox of an app: nothing in it but our own program, the directories of modules and what tells the time zone, all read-only.
    pub(super) fn policy(&self, program: &Path, modules: &[PathBuf], time_zone: Option<&str>) -> Policy {
        let program = (program, Path::new(NAME));
        let zones = Path::new(if time_zone.is_some() { TIME_ZONES } else { LOCAL_TIME });
        let zones = zones.exists().then_some(zones);
        let shown = modules.iter().map(PathBuf::as_path).chain(zones).map(|path| (path, path));
        let mount = |(source, target): (&Path, &Path)| Mount {
            source: source.to_owned(),
            target: target.to_owned(),
            access: Access::ReadOnly,
        };
        Policy {
            rootfs: Rootfs::Layers(Vec::new()),
            mounts: std::iter::once(program).chain(shown).map(mount).collect(),
            environment: time_zone.map(|zone| ("TZ".to_owned(), zone.to_owned())).into_iter().collect(),
            limits: Limits {
                wall_time: LIFE,
                // No limit: each message has one of its own.
                cpu_time: Duration::ZERO,
                memory: self.sandbox_memory,
                // The zygote, and one that was killed and not reaped.
                processes: self.processes.saturating_add(2),
                file_size: MIB,
                // More than a message's: those that are handed over count as well.
                open_files: 4 * OPEN_FILES,
                disk: MIB,
                inodes: 16,
                output: 64 << 10,
                stack: 8 * MIB,
                ..Limits::default()
            },
            ..Policy::preset(Preset::Standard)
        }
    }
}

/// Our own program, as whoever makes sandboxes finds it.
///
/// # Errors
/// It has been replaced, and what is in its place now may speak another language.
pub(super) fn own_program() -> io::Result<PathBuf> {
    // Of one that was replaced, the kernel makes a path at which there is nothing.
    let path = std::env::current_exe()?;
    if path.exists() {
        return Ok(path);
    }
    // It is still there without a path, for a launcher of root's, which is the same program. An unprivileged sandbox's own mounts have
    // nothing without a path.
    if rustix::process::geteuid().is_root() {
        return Ok(PathBuf::from("/proc/self/exe"));
    }
    Err(io::Error::other("it was replaced; restart the worker"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{JavaScriptEngine, Program, Source};

    #[test]
    fn a_configuration_is_followed() {
        let program = Program::JavaScript {
            source: Source::Inline(String::new()),
            app_context: None,
            engine: JavaScriptEngine::QuickJs,
            node_modules: Vec::new(),
        };
        let mut app = App::new("test", program);
        for (limit, seconds) in
            [(None, 60), (Some((5, 7)), 5), (Some((7, 5)), 5), (Some((-1, 30)), 30), (Some((-1, -1)), 60)]
        {
            app.rlimits = limit.map(|limit| ("RLIMIT_CPU".to_owned(), limit)).into_iter().collect();
            assert_eq!(QuickJsSettings::of(&app).cpu_time, Duration::from_secs(seconds), "{limit:?}");
        }
        (app.prefetch, app.prestart, app.quickjs_memory, app.memory) = (7, 3, 5 * MIB, 9 * MIB);
        let settings = QuickJsSettings::of(&app);
        assert_eq!((settings.processes, settings.ahead), (17, 3));
        assert_eq!((settings.message_memory, settings.sandbox_memory), (5 * MIB, 9 * MIB));
    }

    #[test]
    fn a_sandbox_shows_nothing_but_our_program_and_modules() {
        let modules = [PathBuf::from("/srv/a/node_modules"), PathBuf::from("/srv/b/node_modules")];
        let policy = |zone| QuickJsSettings::default().policy(Path::new("/usr/bin/belljar"), &modules, zone);
        let in_a_zone = policy(Some("Africa/Johannesburg"));
        assert_eq!(
            in_a_zone.environment.into_iter().collect::<Vec<_>>(),
            [("TZ".into(), "Africa/Johannesburg".into())]
        );
        let policy = policy(None);
        assert_eq!(policy.rootfs, Rootfs::Layers(Vec::new()));
        assert_eq!(policy.network, belljar_sandbox::Network::None);
        assert!(policy.mounts.iter().all(|mount| mount.access == Access::ReadOnly));
        let mut targets: Vec<_> = policy.mounts.iter().map(|mount| mount.target.clone()).collect();
        targets.retain(|target| target != Path::new(LOCAL_TIME));
        assert_eq!(targets, [Path::new(NAME), &modules[0], &modules[1]]);
        assert!(policy.environment.is_empty());
    }
}
