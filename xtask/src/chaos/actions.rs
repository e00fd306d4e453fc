//! What clients do: run programs that behave well and badly, and behave badly themselves.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::thread::sleep;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};

use super::random::Random;
use super::saves::Saves;
use crate::bench::http::{Client, execute_form};

/// Longer than any limit of the server that is at work here: who waits longer is stuck.
const PATIENCE: Duration = Duration::from_secs(60);

/// What a program does, with the status that the protocol has for it where only one is right.
const PROGRAMS: [(&str, Option<i64>); 16] = [
    ("true", Some(0)),
    ("echo hello; echo there >&2", Some(0)),
    ("exit 3", Some(3)),
    ("kill -9 $$", None),
    // The limit is half a second.
    ("sleep 1000", Some(-2)),
    ("trap '' TERM HUP INT; while :; do :; done", Some(-2)),
    // Memory, output, processes, files, disk.
    ("head -c 1G /dev/zero | tail", None),
    ("yes", None),
    ("yes >&2 & yes", None),
    ("f() { f | f & }; f; sleep 0.1", None),
    ("for i in $(seq 3000); do : > f$i; done", None),
    ("head -c 1G /dev/zero > f", None),
    // Left behind: in the background, in a session of its own, stopped, without streams.
    ("sleep 1000 >/dev/null 2>&1 & setsid sleep 1000 >/dev/null 2>&1 & true", Some(0)),
    ("sleep 1000 & kill -STOP $!; true", None),
    // Against everybody inside, the sandbox's own processes among them.
    ("kill -9 -1", None),
    ("kill -STOP -1", None),
];

/// A client of a server that may be in trouble.
#[derive(Debug)]
pub(super) struct Actor<'a> {
    pub(super) address: SocketAddr,
    pub(super) random: Random,
    pub(super) saves: &'a Saves,
    /// Nobody kills anything of ours meanwhile, so every answer has to be right.
    pub(super) calm: bool,
    /// Makes what is saved differ.
    pub(super) name: String,
}

impl Actor<'_> {
    /// Does one thing, and says what it was.
    ///
    /// # Errors
    ///
    /// What must not be, with what was done.
    pub(super) fn act(&mut self) -> Result<&'static str> {
        let (what, done) = match self.random.below(20) {
            0..=8 => ("run", self.run()),
            9..=11 => ("save", self.save()),
            12..=13 => ("restore", self.restore()),
            14 => ("upload", self.upload()),
            15..=16 => ("disconnect", self.disconnect()),
            17 => ("half a body", self.half_a_body()),
            18 => ("slow body", self.slow_body()),
            _ => ("nonsense", self.nonsense()),
        };
        done.with_context(|| format!("{}: {what}", self.name))?;
        Ok(what)
    }

    /// The answer to a request: `None` when there is none, which only a server in trouble may do.
    fn ask(&self, config: &Value) -> Result<Option<Value>> {
        let exchange = || {
            let mut client = Client::connect(self.address)?;
            client.set_patience(PATIENCE)?;
            client.exchange("/execute/", "application/x-www-form-urlencoded", &execute_form(config))
        };
        match exchange() {
            Ok((200, body)) => Ok(Some(serde_json::from_slice(&body).context("the answer is not JSON")?)),
            Ok((status @ (500 | 503), _)) if !self.calm => {
                let _ = status;
                Ok(None)
            }
            Ok((status, body)) => bail!("{config} was answered with {status}: {}", String::from_utf8_lossy(&body)),
            // A server that was killed breaks connections; one that is stuck runs into the patience.
            Err(error) if self.calm || is_timeout(&error) => Err(error.context(format!("{config} has no answer"))),
            Err(_) => Ok(None),
        }
    }

    fn run(&mut self) -> Result<()> {
        let Some((program, status)) = self.random.choose(&PROGRAMS).copied() else { return Ok(()) };
        let config = json!({"commands": [{"command": program, "timeout": 0.5}]});
        let Some(answer) = self.ask(&config)? else { return Ok(()) };
        if let (true, Some(status)) = (self.calm, status) {
            ensure!(answer.get("status") == Some(&json!(status)), "{program}: not {status} but {answer}");
        }
        Ok(())
    }

    fn save(&mut self) -> Result<()> {
        let marker = format!("{}-{:x}", self.name, self.random.next());
        let config = json!({"commands": [format!("echo {marker} > marker")], "save": true});
        let Some(answer) = self.ask(&config)? else { return Ok(()) };
        self.saves.acknowledged(&answer, &marker);
        ensure!(!self.calm || answer.get("environment").is_some(), "nothing was saved: {answer}");
        Ok(())
    }

    fn restore(&mut self) -> Result<()> {
        let Some(saved) = self.saves.choose(&mut self.random) else { return Ok(()) };
        match self.ask(&saved.request())? {
            // A program that was killed with its sandbox shows nothing.
            Some(answer) if self.calm || answer.get("status") == Some(&json!(0)) => saved.check(&answer),
            _ => Ok(()),
        }
    }

    /// An archive that is none, or ends too early.
    fn upload(&mut self) -> Result<()> {
        let length = self.random.below(5000);
        let noise: Vec<u8> = (0..length).map(|_| self.random.next().to_le_bytes()[0]).collect();
        let mut client = match Client::connect(self.address) {
            Ok(client) => client,
            Err(error) if self.calm => return Err(error),
            Err(_) => return Ok(()),
        };
        client.set_patience(PATIENCE)?;
        match client.execute_with(&json!({"commands": ["true"]}), &mut noise.as_slice(), length) {
            Ok(answer) => bail!("an archive of noise was taken: {answer}"),
            Err(error) if is_timeout(&error) => Err(error),
            Err(_) => Ok(()),
        }
    }

    /// Goes away while the program runs, or just before, or just after.
    fn disconnect(&mut self) -> Result<()> {
        let command = *self.random.choose(&["true", "sleep 1000", "yes", "sleep 0.02"]).unwrap_or(&"true");
        let body = execute_form(&json!({"commands": [command], "save": true}));
        let Some(mut stream) = self.open(&head(body.len()))? else { return Ok(()) };
        let _ = stream.write_all(body.as_bytes());
        self.pause(60);
        Ok(())
    }

    /// Sends less than was announced and goes away.
    fn half_a_body(&mut self) -> Result<()> {
        let body = execute_form(&json!({"commands": ["true"]}));
        let sent = usize::try_from(self.random.below(u64::try_from(body.len())?))?;
        let Some(mut stream) = self.open(&head(body.len()))? else { return Ok(()) };
        let _ = stream.write_all(&body.as_bytes()[..sent]);
        self.pause(60);
        Ok(())
    }

    /// Sends less than was announced and waits: the server has to give up first.
    fn slow_body(&mut self) -> Result<()> {
        let Some(mut stream) = self.open(&head(1000))? else { return Ok(()) };
        stream.set_read_timeout(Some(PATIENCE))?;
        let _ = stream.write_all(b"config=");
        let mut answer = Vec::new();
        match stream.read_to_end(&mut answer) {
            Err(error) if is_waited_for(&error) => bail!("the server waits for a body for ever"),
            _ => Ok(()),
        }
    }

    /// Sends what is no request.
    fn nonsense(&mut self) -> Result<()> {
        let mut noise: Vec<u8> = (0..self.random.below(400)).map(|_| self.random.next().to_le_bytes()[0]).collect();
        noise.extend_from_slice(b"\r\n\r\n");
        let Some(mut stream) = self.open("")? else { return Ok(()) };
        stream.set_read_timeout(Some(PATIENCE))?;
        let _ = stream.write_all(&noise);
        let mut answer = [0; 64];
        match stream.read(&mut answer) {
            Ok(read) if answer[..read].starts_with(b"HTTP/1.1 2") => bail!("nonsense was answered with success"),
            Err(error) if is_waited_for(&error) => bail!("nonsense is not answered"),
            _ => Ok(()),
        }
    }

    fn open(&self, head: &str) -> Result<Option<TcpStream>> {
        let open = || {
            let mut stream = TcpStream::connect(self.address)?;
            stream.write_all(head.as_bytes())?;
            Ok::<_, std::io::Error>(stream)
        };
        match open() {
            Ok(stream) => Ok(Some(stream)),
            Err(error) if self.calm => Err(error).context("cannot connect"),
            Err(_) => Ok(None),
        }
    }

    fn pause(&mut self, most_ms: u64) {
        sleep(Duration::from_millis(self.random.below(most_ms)));
    }
}

fn head(length: usize) -> String {
    format!(
        "POST /execute/ HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-www-form-urlencoded\r\n\
         Content-Length: {length}\r\n\r\n"
    )
}

fn is_timeout(error: &anyhow::Error) -> bool {
    error.chain().filter_map(|cause| cause.downcast_ref()).any(is_waited_for)
}

fn is_waited_for(error: &std::io::Error) -> bool {
    matches!(error.kind(), std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut)
}
