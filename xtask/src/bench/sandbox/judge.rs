//! go-judge: the peer that is a server, too, and keeps its sandboxes.

use std::fs::File;
use std::net::{SocketAddr, TcpListener};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::super::http::Client;
use super::super::sampling::Caller;
use super::cases::Workload;
use super::peers::find;

pub(super) const INSTALL: &str = "see github.com/criyle/go-judge/releases";
/// `nobody` of most systems: without root it cannot make control groups, and takes limits of processes instead.
const UNPRIVILEGED: u32 = 65534;
const PATIENCE: Duration = Duration::from_secs(10);

/// A running go-judge.
pub(super) struct Judge {
    process: Child,
    address: SocketAddr,
    _room: TempDir,
}

impl Judge {
    /// Starts one, if it is installed, as this user or without privileges.
    ///
    /// # Errors
    ///
    /// It does not start.
    pub(super) fn start(privileged: bool) -> Option<Result<Self>> {
        find("go-judge", "GO_JUDGE").map(|program| Self::start_program(&program, privileged))
    }

    fn start_program(program: &Path, privileged: bool) -> Result<Self> {
        let room = tempfile::Builder::new().prefix("go-judge-").tempdir().context("cannot make a directory")?;
        let (address, monitor) = (free_port()?, free_port()?);
        let mut command = Command::new(program);
        command
            .args([format!("-http-addr={address}"), format!("-monitor-addr={monitor}")])
            .args(["-parallelism=2", "-pre-fork=2", "-release", "-silent"])
            .arg(format!("-dir={}", room.path().display()))
            .current_dir(room.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(File::create(room.path().join("log"))?);
        if !privileged {
            std::os::unix::fs::chown(room.path(), Some(UNPRIVILEGED), Some(UNPRIVILEGED))?;
            command.uid(UNPRIVILEGED).gid(UNPRIVILEGED);
        }
        let process = command.spawn().with_context(|| format!("cannot start {}", program.display()))?;
        let mut judge = Self { process, address, _room: room };
        let began = Instant::now();
        while Client::connect(address).is_err() {
            if began.elapsed() > PATIENCE || !matches!(judge.process.try_wait(), Ok(None)) {
                bail!("go-judge does not listen");
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(judge)
    }

    /// Its process.
    pub(super) fn id(&self) -> u32 {
        self.process.id()
    }

    /// A caller that has it run something, over one connection that is kept.
    ///
    /// # Errors
    ///
    /// It is gone.
    pub(super) fn caller(&self, workload: Workload) -> Result<Caller> {
        let mut client = Client::connect(self.address)?;
        let body = json!({"cmd": [{
            "args": workload.program(),
            "env": ["PATH=/usr/bin:/bin"],
            "files": [{"content": ""}, {"name": "stdout", "max": 65536}, {"name": "stderr", "max": 65536}],
            "cpuLimit": 10_000_000_000_u64,
            "clockLimit": 20_000_000_000_u64,
            "memoryLimit": 256 << 20,
            "procLimit": 50,
        }]});
        let body = body.to_string();
        Ok(Box::new(move || {
            let answer = client.post("/run", "application/json", &body)?;
            ensure!(answer.pointer("/0/status") == Some(&Value::from("Accepted")), "unexpected answer: {answer}");
            Ok(())
        }))
    }
}

impl Drop for Judge {
    fn drop(&mut self) {
        if let Some(pid) = i32::try_from(self.process.id()).ok().and_then(Pid::from_raw) {
            let _ = kill_process(pid, Signal::TERM);
        }
        let began = Instant::now();
        while began.elapsed() < PATIENCE {
            if !matches!(self.process.try_wait(), Ok(None)) {
                return;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A port of the loopback that nobody listens on. Somebody else may take it before it is used, which then shows.
fn free_port() -> Result<SocketAddr> {
    let listener = TcpListener::bind("127.0.0.1:0").context("no port is free")?;
    Ok(listener.local_addr()?)
}
