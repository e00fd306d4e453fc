//! Any executable that speaks the protocol of lines.
//!
//! Each process has a sandbox of its own, made from the preset `worker`: its environment is exactly the app's `env` (and `PWD` and
//! `SHLVL`, which vxsandbox's shell adds), its working directory the app's `path`, shown read-only. Of the host it sees the programs
//! and libraries, `path`, the executable, files that its arguments name, the directories that `PATH`, `PYTHONPATH`, `NODE_PATH` and
//! `LD_LIBRARY_PATH` of `env` name, and what [`App::show`] lists. It has no network; whatever it starts ends with it.

use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use belljar_sandbox::{Launcher, Policy, Preset};

use super::rlimits;
use super::sandboxed::{Launch, Places, Sandboxed};
use super::shown::Shown;
use super::{Engine, EngineError, Process};
use crate::bus::Boxed;
use crate::config::{App, Profile, Program};
use crate::run::MAX_KEPT;

/// Processes of one app that serve messages at the same time, at most. Other messages wait for a sandbox.
pub const MAX_PROCESSES: u16 = 16;
/// Where programs are looked up when `env` has no `PATH`: as bash does.
const DEFAULT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
/// CPU time that a process may take besides what its messages may, such as for its start.
const START_CPU_TIME: Duration = Duration::from_secs(60);

/// Starts a process for each message.
pub struct ProcessEngine {
    sandboxed: Sandboxed,
}

impl fmt::Debug for ProcessEngine {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("ProcessEngine").field("sandboxed", &self.sandboxed).finish()
    }
}

impl ProcessEngine {
    /// For an app whose program is an executable, or Node with the runner script of its operator. Sandboxes are made in the
    /// background; to be called within a tokio runtime.
    ///
    /// # Errors
    /// The executable is not there, or a limit has no such name.
    pub fn new(launcher: &Launcher, app: &App) -> Result<Self, EngineError> {
        let plan = Plan::of(app)?;
        Ok(Self { sandboxed: Sandboxed::new(launcher, plan.policy, places(app), plan.launch)? })
    }

    /// The policy of the sandboxes of such an app: for a charter.
    ///
    /// # Errors
    /// As [`ProcessEngine::new`].
    pub fn policy(app: &App) -> Result<Policy, EngineError> {
        Plan::of(app).map(|plan| plan.policy)
    }
}

impl Engine for ProcessEngine {
    fn process(&self) -> Boxed<'_, Result<Process, EngineError>> {
        Box::pin(async { self.sandboxed.start().await.map(Process::from) })
    }

    fn reload(&self) -> Boxed<'_, Result<(), EngineError>> {
        // Nothing is ahead of its message.
        Box::pin(async { Ok(()) })
    }

    fn close(&self) -> Boxed<'_, ()> {
        Box::pin(self.sandboxed.close())
    }

    fn memory(&self) -> Option<u64> {
        None
    }

    fn wants_initialize(&self) -> bool {
        true
    }

    fn serves_again(&self) -> bool {
        true
    }
}

/// The sandboxes of an app, besides those of processes that are ahead of need.
pub(super) fn places(app: &App) -> Places {
    // Two queues.
    let serving = usize::from(app.prefetch.saturating_mul(2).clamp(1, MAX_PROCESSES));
    let kept = if app.messages_per_process > 1 { MAX_KEPT } else { 0 };
    let busy = serving.min(2 * cpus());
    Places { kept: busy, more: serving - busy + kept }
}

fn cpus() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
}

/// How a process of an app is started.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) policy: Policy,
    pub(super) launch: Launch,
}

impl Plan {
    fn of(app: &App) -> Result<Self, EngineError> {
        match &app.program {
            Program::Executable { executable, args } => {
                Self::new(app, executable, args.iter().map(OsString::from).collect(), Shown::default())
            }
            Program::JavaScript { .. } => Err(EngineError::App("the app's program is JavaScript".to_owned())),
        }
    }

    /// For this program, which also sees this.
    pub(super) fn new(
        app: &App,
        executable: &Path,
        args: Vec<OsString>,
        mut shown: Shown,
    ) -> Result<Self, EngineError> {
        let search = app.env.get("PATH").map_or(DEFAULT_PATH, String::as_str);
        let executable = find(executable, search)?;
        shown.add_file(&executable);
        args.iter().for_each(|argument| shown.add_file(Path::new(argument)));
        app.path.iter().chain(&app.show).for_each(|path| shown.add(path));
        shown.add_searched(&app.env);

        let limits = match app.profile {
            // vxsandbox's defaults stop current versions of Node at their start.
            Profile::Belljar => app.rlimits.clone(),
            Profile::Strict => rlimits::with_defaults(&app.rlimits),
        };
        let mut policy = Policy::preset(Preset::Worker);
        policy.environment.clear();
        policy.mounts = shown.into_mounts();
        policy.limits.memory = app.memory;
        policy.limits.cpu_time = cpu_time(app);
        rlimits::make_room(&limits, &mut policy);
        let program = std::iter::once(executable.into_os_string()).chain(args);
        let argv = rlimits::behind(&limits, &policy, program)?;

        let mut environment = app.env.clone();
        // As a shell leaves them behind that becomes the program.
        environment.entry("SHLVL".to_owned()).or_insert_with(|| "0".to_owned());
        let directory = app.path.clone().unwrap_or_else(|| policy.work_directory.clone());
        environment.entry("PWD".to_owned()).or_insert_with(|| directory.display().to_string());
        Ok(Self { policy, launch: Launch { argv, environment, directory: Some(directory) } })
    }
}

/// What all messages that a process serves may take together on all CPUs, and more for its start. It ends those that do not wait for a
/// message; those that serve one are ended by the message's `timeout`.
fn cpu_time(app: &App) -> Duration {
    let messages = app.messages_per_process.max(1);
    let all = app.timeout.saturating_mul(messages).saturating_mul(u32::try_from(cpus()).unwrap_or(u32::MAX));
    // Nanoseconds of it are added to clocks.
    all.saturating_add(START_CPU_TIME).min(Duration::from_secs(365 * 24 * 3600))
}

/// The path of a program that is named as for a shell.
fn find(executable: &Path, search: &str) -> Result<PathBuf, EngineError> {
    let missing = |path: &Path| EngineError::App(format!("there is no program '{}'", path.display()));
    if executable.components().count() > 1 {
        let absolute = std::path::absolute(executable).map_err(|_| missing(executable))?;
        return if absolute.is_file() { Ok(absolute) } else { Err(missing(executable)) };
    }
    let found = std::env::split_paths(search).map(|directory| directory.join(executable)).find(|path| path.is_file());
    found.ok_or_else(|| missing(executable))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn app(executable: &str) -> App {
        App::new("t", Program::Executable { executable: executable.into(), args: Vec::new() })
    }

    #[test]
    fn an_app_sees_its_own_environment_and_limits() {
        let mut app = app("sh");
        app.env.insert("A".to_owned(), "b".to_owned());
        let plan = Plan::of(&app).unwrap();
        assert!(plan.policy.environment.is_empty());
        let names: Vec<_> = plan.launch.environment.keys().map(String::as_str).collect();
        assert_eq!(names, ["A", "PWD", "SHLVL"]);
        assert_eq!(plan.launch.argv, ["/usr/bin/sh"]);
        assert_eq!(plan.policy.limits.memory, app.memory);
        app.profile = Profile::Strict;
        assert_eq!(Plan::of(&app).unwrap().launch.argv[0], "/bin/bash", "vxsandbox's own limits");
        app.rlimits.insert("RLIMIT_NOFILE".to_owned(), (5000, 5000));
        assert_eq!(Plan::of(&app).unwrap().policy.limits.open_files, 5000);
    }

    #[test]
    fn sandboxes_are_as_many_as_can_be_busy() {
        let mut app = app("sh");
        for (prefetch, again, all) in [(0, 1, 1), (1, 1, 2), (5, 1, 10), (20, 1, 16), (u16::MAX, 1, 16), (20, 2, 24)] {
            (app.prefetch, app.messages_per_process) = (prefetch, again);
            let Places { kept, more } = places(&app);
            assert_eq!(kept + more, all, "{prefetch} {again}");
            assert!((1..=2 * cpus()).contains(&kept));
        }
    }

    #[test]
    fn a_program_that_is_not_there_is_named() {
        for name in ["no-such-program", "/no/such/program"] {
            let error = Plan::of(&app(name)).unwrap_err();
            assert!(matches!(&error, EngineError::App(problem) if problem.contains(name)), "{error}");
        }
    }
}
