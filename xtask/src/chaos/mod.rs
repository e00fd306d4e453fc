//! `cargo xtask chaos`: random requests against a server some of whose processes are killed, and whether it always recovers.
//!
//! The seed determines what is done; when exactly it happens is up to the machine. Between volleys the server comes to rest, and then
//! nothing may be left: no process, descriptor, mount, namespace, control group or file; all sandboxes are ready; whatever was
//! acknowledged as saved is there.

mod actions;
mod random;
mod sabotage;
mod saves;
mod worker;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use anyhow::{Context, Result, anyhow, bail, ensure};
use serde_json::json;

use self::actions::Actor;
use self::random::Random;
use self::sabotage::{Crowd, Victim};
use self::saves::Saves;
use crate::bench::binary_of;
use crate::bench::holdings::Holdings;
use crate::bench::server::{Server, room};

const POOL: usize = 4;
/// Small limits, so that programs run into them soon. Clients wait longer for a sandbox than all before them can take.
const SETTINGS: [&str; 12] = [
    "execute.pool_size=4",
    "execute.wait_for_sandbox=30s",
    "execute.timeout=2s",
    "execute.sandbox.memory=64M",
    "execute.sandbox.disk=16M",
    "execute.sandbox.files=2000",
    "execute.sandbox.processes=32",
    "execute.sandbox.output=256K",
    "server.header_timeout=3s",
    "server.body_idle_timeout=1s",
    "server.body_timeout=2s",
    "log.filter=error",
];
/// Clients at once: more than sandboxes.
const ACTORS: u64 = 6;
/// What each of them does in a volley.
const ACTIONS: u64 = 12;
/// How long it may take until nothing is left of a volley.
const PATIENCE: Duration = Duration::from_secs(20);
/// Descriptors of connections to the database that were not needed before. A leak would add up to more.
const CONNECTIONS: usize = 16;
/// Growth of memory that does not count, in MiB: the allocator keeps what a burst needed.
const SLACK: f64 = 8.0;

/// Send random requests to a server, kill its processes, and check that nothing is left, stuck or lost
#[derive(Debug, Default, clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct ChaosArguments {
    #[command(subcommand)]
    pub(crate) against: Option<Against>,

    /// How long
    #[arg(long, default_value_t = 1.0)]
    pub(crate) minutes: f64,

    /// Determines what is done; without one, the clock
    #[arg(long)]
    pub(crate) seed: Option<u64>,

    /// Use this program instead of building one
    #[arg(long, value_name = "PATH")]
    pub(crate) binary: Option<PathBuf>,
}

/// Against something else than a server.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Against {
    Worker(worker::WorkerArguments),
}

/// Does what the arguments say.
///
/// # Errors
///
/// What must not be, with the seed and the volley; or the program cannot be built.
pub(crate) fn chaos(arguments: &ChaosArguments) -> Result<()> {
    if let Some(Against::Worker(arguments)) = &arguments.against {
        return worker::worker(arguments);
    }
    let binary = binary_of(arguments.binary.as_deref())?;
    let seed = arguments.seed.unwrap_or_else(|| {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        now.as_secs()
    });
    println!("seed {seed}");
    let until = Instant::now() + Duration::from_secs_f64(arguments.minutes * 60.0);
    let room = room("belljar-chaos-")?;
    let mut stage = Stage::open(&binary, room.path(), seed)?;
    let mut volleys = 0;
    while Instant::now() < until {
        stage.volley(volleys).with_context(|| format!("seed {seed}, volley {volleys}"))?;
        volleys += 1;
    }
    stage.saves.verify(&mut stage.server.connect()?, usize::MAX)?;
    let Stage { saves, done, ends, .. } = &stage;
    let done = done.iter().map(|(what, count)| format!("{count} x {what}")).collect::<Vec<_>>().join(", ");
    println!(
        "{volleys} volleys: {done}\nkilled: {ends:?}\n{} saves, all there; nothing left behind, nothing stuck",
        saves.count()
    );
    Ok(())
}

/// A server and what is known of it.
struct Stage {
    binary: PathBuf,
    data: PathBuf,
    seed: u64,
    server: Server,
    /// What it holds at rest.
    rest: Holdings,
    saves: Saves,
    done: BTreeMap<&'static str, u32>,
    ends: BTreeMap<String, u32>,
}

impl Stage {
    fn open(binary: &Path, room: &Path, seed: u64) -> Result<Self> {
        let data = room.join("data");
        let server = Server::start_in(binary, &data, &SETTINGS)?;
        let mut stage = Self {
            binary: binary.to_owned(),
            data,
            seed,
            server,
            rest: Holdings::default(),
            saves: Saves::default(),
            done: BTreeMap::new(),
            ends: BTreeMap::new(),
        };
        // What is made once and kept is there after every sandbox has run something.
        stage.requests(u64::MAX, Victim::Nobody)?;
        stage.server.wait_for_idle(POOL)?;
        stage.rest = Holdings::of(&stage.server)?;
        Ok(stage)
    }

    fn volley(&mut self, number: u64) -> Result<()> {
        let victim = Victim::choose(&mut Random::branch(self.seed, number));
        let before = Crowd::of(self.server.id())?;
        self.requests(number, victim).with_context(|| format!("against {victim:?}"))?;
        self.revive(victim)?;
        self.come_to_rest(victim, &before).with_context(|| format!("after {victim:?}"))?;
        self.saves.verify(&mut self.server.connect()?, 5)
    }

    /// All clients at once, and somebody who kills.
    fn requests(&mut self, number: u64, victim: Victim) -> Result<()> {
        let (address, seed, saves) = (self.server.address, self.seed, &self.saves);
        let actor = |which: u64| {
            let random = Random::branch(seed, number.wrapping_mul(ACTORS + 1).wrapping_add(which + 1));
            let name = format!("{number}-{which}");
            let mut actor = Actor { address, random, saves, calm: victim == Victim::Nobody, name };
            (0..ACTIONS).map(|_| actor.act()).collect::<Result<Vec<_>>>()
        };
        let actor = &actor;
        let server = &mut self.server;
        let (done, kills) = thread::scope(|scope| {
            let threads: Vec<_> = (0..ACTORS).map(|which| scope.spawn(move || actor(which))).collect();
            let mut random = Random::branch(!seed, number);
            let mut kills = 0;
            while threads.iter().any(|thread| !thread.is_finished()) {
                thread::sleep(Duration::from_millis(10 + random.below(300)));
                if kills < victim.most() && victim.kill(server.id(), &mut random)? {
                    kills += 1;
                }
                if victim == Victim::Server && kills > 0 {
                    // Until its parent, which is us, has waited for it, it looks alive.
                    server.wait_for_end()?;
                }
            }
            let mut done = Vec::new();
            for thread in threads {
                done.extend(thread.join().map_err(|_| anyhow!("a client panicked"))??);
            }
            Ok::<_, anyhow::Error>((done, kills))
        })?;
        for what in done {
            *self.done.entry(what).or_default() += 1;
        }
        if kills > 0 {
            *self.ends.entry(format!("{victim:?}")).or_default() += kills;
        }
        ensure!(victim != Victim::Nobody || !self.server.has_ended(), "the server ended by itself");
        Ok(())
    }

    /// Starts a server again that was killed, or ended because who keeps its launchers was killed.
    fn revive(&mut self, victim: Victim) -> Result<()> {
        if self.server.has_ended() && matches!(victim, Victim::Server | Victim::Launcher) {
            self.server = Server::start_in(&self.binary, &self.data, &SETTINGS).context("after the server ended")?;
        }
        Ok(())
    }

    /// Waits until nothing is left of what was done.
    fn come_to_rest(&mut self, victim: Victim, before: &Crowd) -> Result<()> {
        let began = Instant::now();
        loop {
            let mut grown = self.unfinished()?;
            // A sandbox that died while it was idle is missed, and replaced, when it is taken; one may be dying still.
            if let Err(error) = self.take_all() {
                grown.push(format!("{error:#}"));
            }
            if let Err(error) = self.server.wait_for_idle(POOL) {
                grown.push(format!("the pool is not full again: {error:#}"));
            }
            match Holdings::of(&self.server) {
                Ok(mut now) => {
                    // What is saved is on purpose, and the database opens another connection when several save.
                    now.files = self.rest.files;
                    now.descriptors = now.descriptors.saturating_sub(CONNECTIONS);
                    grown.extend(now.grown_since(&self.rest, SLACK));
                }
                // Some of what it holds goes while it is looked at.
                Err(error) => grown.push(format!("{error:#}")),
            }
            if grown.is_empty() {
                let gone = before.clone().without(&Crowd::of(self.server.id())?);
                return gone.wait_for_end(PATIENCE);
            }
            if began.elapsed() > PATIENCE {
                bail!("not at rest after {} s: {}", PATIENCE.as_secs(), grown.join(", "));
            }
            thread::sleep(Duration::from_millis(50));
            self.revive(victim)?;
        }
    }

    /// Runs something in every sandbox at the same time.
    fn take_all(&self) -> Result<()> {
        let run = || {
            let answer = self.server.connect()?.execute(&json!({"commands": ["sleep 0.05"]}))?;
            ensure!(answer.get("status") == Some(&json!(0)), "unexpected answer at rest: {answer}");
            Ok(())
        };
        thread::scope(|scope| {
            let threads: Vec<_> = (0..POOL).map(|_| scope.spawn(run)).collect();
            threads.into_iter().try_for_each(|thread| thread.join().map_err(|_| anyhow!("a client panicked"))?)
        })
    }

    /// Uploads and archives that nobody writes any more.
    fn unfinished(&self) -> Result<Vec<String>> {
        let mut found = Vec::new();
        for directory in ["spool", "blobs/incoming"] {
            let entries =
                fs::read_dir(self.data.join(directory)).with_context(|| format!("cannot list {directory}"))?;
            found.extend(entries.flatten().map(|entry| entry.path().display().to_string()));
        }
        Ok(found)
    }
}
