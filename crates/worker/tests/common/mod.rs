//! Servers that tests and the bench talk to: real ones, started for them on free loopback ports, with everything of theirs in a
//! directory that goes with them. No server is touched that was not started here.
//!
//! Knows nothing of the crate under test, so that `xtask` can use it, too.

pub(crate) mod rabbitmq;
pub(crate) mod redis;

use std::io;
use std::net::{Ipv4Addr, TcpListener};
use std::process::{Child, Command};
use std::sync::mpsc::{Sender, channel};
use std::sync::{LazyLock, Mutex};
use std::thread;
use std::time::{Duration, Instant};

/// For a server to start or to end, on a machine with much else to do.
pub(crate) const PATIENCE: Duration = Duration::from_secs(120);

/// Why there is no server.
#[derive(Debug)]
pub(crate) enum Unavailable {
    /// It is not installed: a reason to skip a test, unless `BELLJAR_TEST_STRICT` is 1.
    Missing(String),
    /// It did not start: never a reason to skip.
    Failed(String),
}

impl std::fmt::Display for Unavailable {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Missing(what) => write!(formatter, "{what} is not installed"),
            Self::Failed(why) => formatter.write_str(why),
        }
    }
}

/// Whether what is missing is a failure.
pub(crate) fn is_strict() -> bool {
    std::env::var_os("BELLJAR_TEST_STRICT").is_some_and(|value| value == "1")
}

/// A server, or none where none is installed and that may be: then the test says so and is skipped.
#[expect(clippy::print_stdout, reason = "tells why a test is skipped")]
pub(crate) fn or_skip<T>(server: Result<T, Unavailable>) -> Option<T> {
    match server {
        Ok(server) => Some(server),
        Err(Unavailable::Missing(what)) if !is_strict() => {
            println!("skipped: {what} is not installed");
            None
        }
        Err(why) => panic!("{why}"),
    }
}

/// A loopback port that nobody listens at, for now.
pub(crate) fn free_port() -> io::Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port())
}

/// Asks again and again until there is an answer.
pub(crate) fn wait_until<T>(what: &str, mut answer: impl FnMut() -> Option<T>) -> Result<T, Unavailable> {
    let until = Instant::now() + PATIENCE;
    loop {
        if let Some(answer) = answer() {
            return Ok(answer);
        }
        if Instant::now() > until {
            return Err(Unavailable::Failed(format!("{what}: not within {PATIENCE:?}")));
        }
        thread::sleep(Duration::from_millis(20));
    }
}

type Spawned = io::Result<Child>;
type Order = (Command, Sender<Spawned>);

/// Starts processes from a thread that lives as long as this process: they ask to be killed with the *thread* that started them.
static NURSERY: LazyLock<Mutex<Sender<Order>>> = LazyLock::new(|| {
    let (sender, orders) = channel::<Order>();
    thread::spawn(move || {
        for (mut command, answer) in orders {
            // Whoever asked may have gone.
            let _ = answer.send(command.spawn());
        }
    });
    Mutex::new(sender)
});

/// A process that is killed when it is dropped, and when this process ends, however it does.
#[derive(Debug)]
pub(crate) struct Process(Child);

impl Process {
    /// Starts a program. The command that is made ready gets it and its arguments.
    pub(crate) fn start(program: &str, prepare: impl FnOnce(&mut Command)) -> Result<Self, Unavailable> {
        let failed = |error: io::Error| Unavailable::Failed(format!("cannot start {program}: {error}"));
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL", "--", program]);
        prepare(&mut command);
        let (answer, spawned) = channel();
        NURSERY.lock().unwrap_or_else(std::sync::PoisonError::into_inner).send((command, answer)).expect("lives on");
        spawned.recv().expect("always answers").map(Self).map_err(failed)
    }

    /// Sends a signal, if it is there to get one.
    pub(crate) fn signal(&self, signal: rustix::process::Signal) {
        let id = i32::try_from(self.0.id()).ok().and_then(rustix::process::Pid::from_raw);
        let _ = id.map(|id| rustix::process::kill_process(id, signal));
    }

    /// Whether it has not ended.
    pub(crate) fn is_alive(&mut self) -> bool {
        self.0.try_wait().is_ok_and(|ended| ended.is_none())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
