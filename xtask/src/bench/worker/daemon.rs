//! A worker to be measured, gone with its handle.

use std::fs::{self, File};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process};

use crate::bench::http::Client;
use crate::servers;
use crate::servers::rabbitmq::{RabbitMq, USER, VHOST};

/// Loading the toolkit many times takes far less.
const PATIENCE: Duration = Duration::from_secs(120);

/// A running `belljar worker`.
#[derive(Debug)]
pub(crate) struct Worker {
    process: Child,
    operations: SocketAddr,
    log: PathBuf,
}

/// What a configuration begins with: where it is heard, and a broker.
///
/// # Errors
///
/// There is no free port.
pub(crate) fn head(room: &Path, broker: &RabbitMq) -> Result<(String, SocketAddr)> {
    let operations = SocketAddr::from((Ipv4Addr::LOCALHOST, servers::free_port()?));
    let head = format!(
        "[worker]\noperations = \"{operations}\"\ndata_dir = \"{}\"\n\n[worker.broker]\nport = {}\nusername = \"{USER}\"\n\
         password = \"{USER}\"\nvhost = \"{VHOST}\"\n\n[log]\nfilter = \"warn\"\n",
        room.join("data").display(),
        broker.port(),
    );
    Ok((head, operations))
}

impl Worker {
    /// Starts one and waits until it is ready.
    ///
    /// # Errors
    ///
    /// It does not start, or is not ready in a reasonable time.
    pub(crate) fn start(binary: &Path, configuration: &Path, operations: SocketAddr) -> Result<Self> {
        let log = configuration.with_extension("log");
        // Ends with us, however we do: nobody else would stop it.
        let process = Command::new("setpriv")
            .args(["--pdeathsig", "TERM", "--"])
            .arg(binary)
            .args(["worker", "--config"])
            .arg(configuration)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(File::create(&log).context("cannot make the log")?)
            .spawn()
            .with_context(|| format!("cannot start {}", binary.display()))?;
        let mut worker = Self { process, operations, log };
        let began = Instant::now();
        while !worker.is_ready() {
            if !matches!(worker.process.try_wait(), Ok(None)) || began.elapsed() > PATIENCE {
                bail!("the worker is not ready after {:.1} s: {}", began.elapsed().as_secs_f64(), worker.said());
            }
            thread::sleep(Duration::from_millis(20));
        }
        Ok(worker)
    }

    fn is_ready(&self) -> bool {
        let status = Client::connect(self.operations).and_then(|mut client| client.status("/readyz"));
        status.is_ok_and(|status| status == 200)
    }

    /// Its process.
    pub(crate) fn id(&self) -> u32 {
        self.process.id()
    }

    /// What it has written into its log.
    pub(crate) fn said(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default().trim().to_owned()
    }

    /// What it counts.
    ///
    /// # Errors
    ///
    /// It does not answer.
    pub(crate) fn metrics(&self) -> Result<String> {
        let mut metrics = Vec::new();
        Client::connect(self.operations)?.download("/metrics", &mut metrics)?;
        Ok(String::from_utf8_lossy(&metrics).into_owned())
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        // Asked first, so that it can clean up behind its sandboxes; killed when it does not listen.
        if let Some(pid) = i32::try_from(self.process.id()).ok().and_then(Pid::from_raw) {
            let _ = kill_process(pid, Signal::TERM);
        }
        let began = Instant::now();
        while began.elapsed() < PATIENCE && matches!(self.process.try_wait(), Ok(None)) {
            thread::sleep(Duration::from_millis(10));
        }
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
