//! One `git` command at a time, as a process that asks nobody, ends in time and takes its children with it.

use std::ffi::{OsStr, OsString};
use std::io;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::{Child, Command};
use tokio::time::timeout;

use crate::settings::{Protocol, RepositoryUrl};

/// What is kept of a stream of git's output; the rest is read and thrown away.
const OUTPUT_LIMIT: u64 = 16 << 10;
/// What git gets to remove its lock files after it was told to end.
const GRACE: Duration = Duration::from_secs(2);
/// Variables that would point git at another repository than the one named (`git rev-parse --local-env-vars`): belljar may
/// itself have been started by git, from a hook.
const REPOSITORY_VARIABLES: [&str; 15] = [
    "GIT_ALTERNATE_OBJECT_DIRECTORIES",
    "GIT_COMMON_DIR",
    "GIT_CONFIG",
    "GIT_CONFIG_COUNT",
    "GIT_CONFIG_PARAMETERS",
    "GIT_DIR",
    "GIT_GRAFT_FILE",
    "GIT_IMPLICIT_WORK_TREE",
    "GIT_INDEX_FILE",
    "GIT_NO_REPLACE_OBJECTS",
    "GIT_OBJECT_DIRECTORY",
    "GIT_PREFIX",
    "GIT_REPLACE_REF_BASE",
    "GIT_SHALLOW_FILE",
    "GIT_WORK_TREE",
];

/// Why a repository could not be updated.
#[derive(Debug, thiserror::Error)]
pub(super) enum GitError {
    #[error("cannot run git: is it installed?")]
    Start(#[source] io::Error),
    #[error("git {command} took longer than {}", belljar_sandbox::units::print_duration(*limit))]
    Slow { command: &'static str, limit: Duration },
    #[error("git {command} failed: {message}")]
    Failed { command: &'static str, message: String },
    #[error("the directory is there already and holds no git repository")]
    NotARepository,
    #[error("cannot {step}")]
    File {
        step: &'static str,
        #[source]
        source: io::Error,
    },
}

/// How git is run.
#[derive(Debug)]
pub(super) struct Git<'a> {
    pub(super) url: &'a RepositoryUrl,
    pub(super) protocols: &'a std::collections::BTreeSet<Protocol>,
    /// For each command.
    pub(super) limit: Duration,
}

impl Git<'_> {
    /// Runs `git ARGUMENTS...` and returns what it printed. `command` is its name for people.
    pub(super) async fn run<A: AsRef<OsStr>>(
        &self,
        command: &'static str,
        arguments: impl IntoIterator<Item = A>,
    ) -> Result<String, GitError> {
        let mut child = Group(self.process(arguments).spawn().map_err(GitError::Start)?);
        let (stdout, stderr) = (child.0.stdout.take(), child.0.stderr.take());
        let ended = async { tokio::join!(read(stdout), read(stderr), child.0.wait()) };
        let Ok((stdout, stderr, status)) = timeout(self.limit, ended).await else {
            child.end().await;
            return Err(GitError::Slow { command, limit: self.limit });
        };
        let status = status.map_err(|source| GitError::File { step: "wait for git", source })?;
        if status.success() {
            return Ok(stdout);
        }
        // An address can hold a password.
        let message = stderr.trim().replace(self.url.as_str(), &self.url.to_string());
        let message = if message.is_empty() { status.to_string() } else { message };
        Err(GitError::Failed { command, message })
    }

    fn process<A: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = A>) -> Command {
        let protocols: Vec<_> = self.protocols.iter().map(|protocol| protocol.name()).collect();
        // The shell only sets the umask: sandboxes read the files as somebody else. What it runs are arguments, not its text.
        let mut process = Command::new("/bin/sh");
        process.args(["-c", "umask 022 && exec git \"$@\"", "git"]);
        // Neither hooks nor commands from a repository or a template run outside of a sandbox.
        process.args(["-c", "core.hooksPath=/dev/null", "-c", "core.fsmonitor=false", "-c", "gc.autoDetach=false"]);
        process.args(arguments);
        for name in REPOSITORY_VARIABLES {
            process.env_remove(name);
        }
        if std::env::var_os("GIT_SSH_COMMAND").is_none() {
            process.env("GIT_SSH_COMMAND", "ssh -oBatchMode=yes");
        }
        process
            .env("GIT_ALLOW_PROTOCOL", protocols.join(":"))
            .env("GIT_TERMINAL_PROMPT", "0")
            .env_remove("SSH_ASKPASS")
            .env("LC_ALL", "C")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0);
        process
    }
}

/// A child that leads a process group, which is told to end when this is dropped.
struct Group(Child);

impl Group {
    fn signal(&self, signal: Signal) {
        // No number any more: it was waited for.
        let Some(pid) = self.0.id().and_then(|id| Pid::from_raw(id.cast_signed())) else {
            return;
        };
        if let Err(errno) = kill_process_group(pid, signal) {
            tracing::debug!(%errno, "git's process group could not be told to end");
        }
    }

    async fn end(&mut self) {
        self.signal(Signal::TERM);
        if timeout(GRACE, self.0.wait()).await.is_err() {
            self.signal(Signal::KILL);
            if let Err(error) = self.0.wait().await {
                tracing::warn!(%error, "git could not be waited for");
            }
        }
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.signal(Signal::TERM);
    }
}

/// Reads a stream to its end and keeps its beginning.
async fn read(stream: Option<impl AsyncRead + Unpin>) -> String {
    let mut kept = Vec::new();
    if let Some(mut stream) = stream {
        let read = async {
            (&mut stream).take(OUTPUT_LIMIT).read_to_end(&mut kept).await?;
            tokio::io::copy(&mut stream, &mut tokio::io::sink()).await
        };
        if let Err(error) = read.await {
            tracing::debug!(%error, "git's output could not be read to its end");
        }
    }
    String::from_utf8_lossy(&kept).into_owned()
}

/// `--NAME=PATH` without taking the path apart.
pub(super) fn option(name: &str, path: &Path) -> OsString {
    let mut option = OsString::from(name);
    option.push(path);
    option
}
