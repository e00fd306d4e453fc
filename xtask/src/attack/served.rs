//! A server to be attacked.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use super::process::{USER, as_user};

/// Nothing takes as long.
const PATIENCE: Duration = Duration::from_secs(60);

/// A program that looks for what others left, leaves something itself, and checks itself: whoever runs it next to an attack, or
/// after it, is harmed if it says anything but this.
pub(crate) const UNHARMED: &str = "unharmed";
pub(crate) const PROBE: &str = r#"
set -u; cd "$HOME"
for d in . /tmp /var/tmp /dev/shm; do for f in $(ls -A "$d"); do echo "found $d/$f"; done; done
[ "$(ls -d /proc/[0-9]* | wc -l)" -le 6 ] || echo "strange processes: $(ls -d /proc/[0-9]*)"
for k in msg sem shm; do [ "$(wc -l < /proc/sysvipc/$k)" = 1 ] || echo "System V $k"; done
! grep -q '[@/]' /proc/net/unix || echo "Unix sockets: $(cat /proc/net/unix)"
[ "$(cat /proc/sys/kernel/hostname)" = belljar ] || echo "host name"
echo mine > mine; i=0; while [ $i -lt 400 ]; do i=$((i+1)); done
[ "$i$(cat mine)" = 400mine ] || echo "wrong count"
echo unharmed"#;

/// A running server.
#[derive(Debug)]
pub(crate) struct Server {
    process: Child,
    pub(crate) address: SocketAddr,
    pub(crate) directory: PathBuf,
    pool: usize,
}

impl Server {
    /// Starts one in a new directory, and waits until it is ready.
    ///
    /// # Errors
    ///
    /// It does not start.
    pub(crate) fn start(
        binary: &Path,
        directory: &Path,
        privileged: bool,
        pool: usize,
        settings: &[String],
    ) -> Result<Self> {
        fs::create_dir(directory).with_context(|| format!("cannot make {}", directory.display()))?;
        let mut command = as_user(binary, privileged);
        command.args(["serve", "--listen", "127.0.0.1:0", "--data-dir"]).arg(directory.join("data"));
        let pool_size = format!("execute.pool_size={pool}");
        for setting in settings.iter().chain([&pool_size]) {
            command.args(["--set", setting]);
        }
        if !privileged {
            rustix::fs::chown(directory, Some(rustix::fs::Uid::from_raw(USER)), None)?;
        }
        let log = File::create(directory.join("log")).context("cannot make the log")?;
        let mut process =
            command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(log).spawn().context("cannot start a server")?;
        let mut line = String::new();
        if let Some(output) = process.stdout.take() {
            BufReader::new(output).read_line(&mut line).context("cannot read what the server says")?;
        }
        // From here on it is stopped whatever happens.
        let nowhere = SocketAddr::from(([127, 0, 0, 1], 0));
        let mut server = Self { process, address: nowhere, directory: directory.to_owned(), pool };
        let address =
            line.split_whitespace().find_map(|word| word.strip_prefix("http://")?.trim_end_matches(';').parse().ok());
        let Some(address) = address else { bail!("the server did not start: {}", server.log()) };
        server.address = address;
        server.wait_for_idle()?;
        Ok(server)
    }

    pub(crate) fn log(&self) -> String {
        super::verdict::shortened(&fs::read_to_string(self.directory.join("log")).unwrap_or_default())
    }

    pub(crate) fn id(&self) -> u32 {
        self.process.id()
    }

    /// Whether it has not ended.
    pub(crate) fn lives(&mut self) -> bool {
        matches!(self.process.try_wait(), Ok(None))
    }

    /// Waits until the whole pool is idle.
    ///
    /// # Errors
    ///
    /// It is not in a reasonable time.
    pub(crate) fn wait_for_idle(&self) -> Result<()> {
        let line = format!("belljar_sandboxes{{state=\"idle\"}} {}", self.pool);
        let began = Instant::now();
        loop {
            let metrics = self.request("GET /metrics HTTP/1.1\r\n", b"", Duration::from_secs(5));
            match metrics {
                Ok((200, body)) if String::from_utf8_lossy(&body).lines().any(|printed| printed == line) => {
                    return Ok(());
                }
                other if began.elapsed() > PATIENCE => {
                    let state = other.map(|(status, _)| status);
                    bail!("the pool is not whole after {} s ({state:?}): {}", PATIENCE.as_secs(), self.log())
                }
                _ => thread::sleep(Duration::from_millis(20)),
            }
        }
    }

    /// One request on a connection of its own.
    ///
    /// # Errors
    ///
    /// No answer comes in time.
    pub(crate) fn request(&self, head: &str, body: &[u8], patience: Duration) -> Result<(u16, Vec<u8>)> {
        let mut stream = TcpStream::connect_timeout(&self.address, patience).context("cannot connect")?;
        stream.set_read_timeout(Some(patience))?;
        stream.set_write_timeout(Some(patience))?;
        let length = body.len();
        let head = format!("{head}Host: {}\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n", self.address);
        stream.write_all(head.as_bytes())?;
        stream.write_all(body)?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).context("no answer")?;
        let end = answer.windows(4).position(|window| window == b"\r\n\r\n").context("no headers")?;
        let status = String::from_utf8_lossy(&answer[..end]).split(' ').nth(1).and_then(|status| status.parse().ok());
        Ok((status.context("no status")?, answer.split_off(end + 4)))
    }

    /// Executes one command.
    ///
    /// # Errors
    ///
    /// No answer, or one that makes no sense.
    pub(crate) fn execute(&self, command: &str, timeout: f64, patience: Duration) -> Result<(u16, Value)> {
        let config = json!({"commands": [{"command": command, "timeout": timeout}]}).to_string();
        let boundary = "belljar-attack-4f1d9c1e7a6b4d0f";
        let body = format!(
            "--{boundary}\r\nContent-Disposition: form-data; name=\"config\"\r\n\r\n{config}\r\n--{boundary}--\r\n"
        );
        let head = format!("POST /execute/ HTTP/1.1\r\nContent-Type: multipart/form-data; boundary={boundary}\r\n");
        let (status, answer) = self.request(&head, body.as_bytes(), patience)?;
        Ok((status, serde_json::from_slice(&answer).unwrap_or(Value::Null)))
    }

    /// Whether a request is served as it should be, in a sandbox in which nobody has been.
    ///
    /// # Errors
    ///
    /// What it found.
    pub(crate) fn probe(&self) -> Result<()> {
        let (status, answer) = self.execute(PROBE, 10.0, PATIENCE)?;
        let entry = &answer["execution"][0];
        ensure!(
            status == 200 && entry["stdout"] == UNHARMED && entry["exit_code"] == 0,
            "status {status}: {}",
            super::verdict::shortened(&format!("{} {} {}", entry["exit_code"], entry["stdout"], entry["stderr"]))
        );
        Ok(())
    }

    /// Files of callers that are in the data directory.
    pub(crate) fn listings(&self) -> Vec<PathBuf> {
        ["data/spool", "data/blobs", "data/blobs/incoming", "data"].map(|name| self.directory.join(name)).to_vec()
    }

    /// Tells it to stop, and how it did.
    ///
    /// # Errors
    ///
    /// It does not, or not well.
    pub(crate) fn stop(mut self) -> Result<()> {
        terminate(&self.process);
        let began = Instant::now();
        while began.elapsed() < Duration::from_secs(20) {
            if let Ok(Some(status)) = self.process.try_wait() {
                ensure!(status.success(), "it ended with {status}: {}", self.log());
                return Ok(());
            }
            thread::sleep(Duration::from_millis(5));
        }
        bail!("it does not stop")
    }
}

fn terminate(process: &Child) {
    if let Some(pid) = i32::try_from(process.id()).ok().and_then(Pid::from_raw) {
        let _ = kill_process(pid, Signal::TERM);
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if self.lives() {
            let _ = self.process.kill();
        }
        let _ = self.process.wait();
        let _ = fs::remove_dir_all(&self.directory);
    }
}

/// A command that only needs to be quoted for a shell.
pub(crate) fn quoted(argv: &[String]) -> String {
    argv.iter().map(|word| format!("'{}'", word.replace('\'', "'\\''"))).collect::<Vec<_>>().join(" ")
}
