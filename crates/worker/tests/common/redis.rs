//! Redis, as Debian packages it.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use tempfile::TempDir;

use super::{Process, Unavailable, free_port, wait_until};

const SERVER: &str = "/usr/bin/redis-server";

/// A Redis of our own. Gone when it is dropped. What it has is in memory, and in no file.
#[derive(Debug)]
pub(crate) struct Redis {
    // Goes before its directory.
    server: Option<Process>,
    directory: TempDir,
    port: u16,
}

impl Redis {
    /// Starts a server and waits until it answers.
    pub(crate) fn start() -> Result<Self, Unavailable> {
        if !Path::new(SERVER).exists() {
            return Err(Unavailable::Missing("redis-server".to_owned()));
        }
        let failed = |error: std::io::Error| Unavailable::Failed(format!("cannot prepare a Redis: {error}"));
        let directory = TempDir::with_prefix("belljar-redis-").map_err(failed)?;
        let port = free_port().map_err(failed)?;
        let mut redis = Self { server: None, directory, port };
        redis.start_again()?;
        Ok(redis)
    }

    /// Starts a server that was killed, at the same port, empty.
    pub(crate) fn start_again(&mut self) -> Result<(), Unavailable> {
        let mut server = Process::start(SERVER, |command| {
            let (port, directory) = (self.port.to_string(), self.directory.path());
            command
                .args(["--port", &port, "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir"])
                .arg(directory);
            command.env_clear().stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        })?;
        let port = self.port;
        wait_until("a Redis answers", || if server.is_alive() { answers(port).then_some(true) } else { Some(false) })?
            .then_some(())
            .ok_or_else(|| Unavailable::Failed("the Redis ended".to_owned()))?;
        self.server = Some(server);
        Ok(())
    }

    /// SIGKILL: all that it had is gone.
    pub(crate) fn kill(&mut self) {
        self.server = None;
    }

    /// Where it listens, on 127.0.0.1.
    pub(crate) const fn port(&self) -> u16 {
        self.port
    }

    /// Where it is, with the number of a database.
    pub(crate) fn url(&self, database: u32) -> String {
        format!("redis://127.0.0.1:{}/{database}", self.port)
    }
}

fn answers(port: u16) -> bool {
    let Ok(mut socket) = TcpStream::connect((Ipv4Addr::LOCALHOST, port)) else { return false };
    let mut pong = [0; 5];
    socket.set_read_timeout(Some(Duration::from_secs(5))).is_ok()
        && socket.write_all(b"PING\r\n").is_ok()
        && socket.read_exact(&mut pong).is_ok()
        && &pong == b"+PONG"
}
