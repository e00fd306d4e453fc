//! A server to be measured: started on a free port, with a data directory of its own, gone with its handle.

use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use super::http::Client;

/// Making a thousand sandboxes takes far less.
const PATIENCE: Duration = Duration::from_secs(60);

/// A directory for a data directory.
///
/// # Errors
///
/// It cannot be made.
pub(crate) fn room(prefix: &str) -> Result<TempDir> {
    let room = tempfile::Builder::new().prefix(prefix).tempdir().context("cannot make a directory")?;
    // Within reach of others: the server may become somebody else.
    fs::set_permissions(room.path(), fs::Permissions::from_mode(0o711))?;
    Ok(room)
}

/// A running server.
#[derive(Debug)]
pub(crate) struct Server {
    process: Child,
    pub(crate) address: SocketAddr,
    data: PathBuf,
    room: Option<TempDir>,
}

impl Server {
    /// Starts one with these settings, and waits until it is ready.
    ///
    /// # Errors
    ///
    /// It does not start.
    pub(crate) fn start(binary: &Path, settings: &[&str]) -> Result<Self> {
        let room = room("belljar-bench-")?;
        let mut server = Self::start_in(binary, &room.path().join("data"), settings)?;
        server.room = Some(room);
        Ok(server)
    }

    /// Starts one with this data directory, which stays.
    ///
    /// # Errors
    ///
    /// It does not start.
    pub(crate) fn start_in(binary: &Path, data: &Path, settings: &[&str]) -> Result<Self> {
        let log = data.with_extension("log");
        let mut command = Command::new(binary);
        command.args(["serve", "--listen", "127.0.0.1:0", "--data-dir"]).arg(data);
        for setting in settings {
            command.args(["--set", setting]);
        }
        let mut process = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(File::create(&log).context("cannot make the log")?)
            .spawn()
            .with_context(|| format!("cannot start {}", binary.display()))?;
        let mut line = String::new();
        if let Some(output) = process.stdout.take() {
            BufReader::new(output).read_line(&mut line).context("cannot read what the server says")?;
        }
        // From here on it is stopped whatever happens.
        let address = SocketAddr::from(([127, 0, 0, 1], 0));
        let mut server = Self { process, address, data: data.to_owned(), room: None };
        let address =
            line.split_whitespace().find_map(|word| word.strip_prefix("http://")?.trim_end_matches(';').parse().ok());
        let Some(address) = address else {
            let said = fs::read_to_string(&log).unwrap_or_default();
            bail!("the server did not start: {}", said.trim());
        };
        server.address = address;
        server.wait_until(|client| Ok(client.status("/readyz")? == 200))?;
        Ok(server)
    }

    /// A new connection to it.
    ///
    /// # Errors
    ///
    /// It is gone.
    pub(crate) fn connect(&self) -> Result<Client> {
        Client::connect(self.address)
    }

    /// Its data directory.
    pub(crate) fn data(&self) -> &Path {
        &self.data
    }

    /// Whether it runs no more.
    pub(crate) fn has_ended(&mut self) -> bool {
        !matches!(self.process.try_wait(), Ok(None))
    }

    /// Waits until it runs no more.
    ///
    /// # Errors
    ///
    /// It cannot be waited for.
    pub(crate) fn wait_for_end(&mut self) -> Result<()> {
        self.process.wait().map(drop).context("cannot wait for the server")
    }

    /// Its process.
    pub(crate) fn id(&self) -> u32 {
        self.process.id()
    }

    /// Waits until so many sandboxes are ready: other work is over then.
    ///
    /// # Errors
    ///
    /// They are not in a reasonable time.
    pub(crate) fn wait_for_idle(&self, sandboxes: usize) -> Result<()> {
        let line = format!("belljar_sandboxes{{state=\"idle\"}} {sandboxes}");
        self.wait_until(|client| {
            let mut metrics = Vec::new();
            client.download("/metrics", &mut metrics)?;
            Ok(String::from_utf8_lossy(&metrics).lines().any(|printed| printed == line))
        })
    }

    fn wait_until(&self, holds: impl Fn(&mut Client) -> Result<bool>) -> Result<()> {
        let began = Instant::now();
        loop {
            if holds(&mut self.connect()?)? {
                return Ok(());
            }
            if began.elapsed() > PATIENCE {
                bail!("the server has no sandboxes after {} s", PATIENCE.as_secs());
            }
            thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Asked first, so that it can clean up behind its sandboxes; killed when it does not listen.
        if let Some(pid) = i32::try_from(self.process.id()).ok().and_then(Pid::from_raw) {
            let _ = kill_process(pid, Signal::TERM);
        }
        let began = Instant::now();
        while began.elapsed() < PATIENCE {
            if !matches!(self.process.try_wait(), Ok(None)) {
                return;
            }
            thread::sleep(Duration::from_millis(10));
        }
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
