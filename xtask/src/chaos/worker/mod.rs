//! `cargo xtask chaos worker`: very many messages, while the broker is killed and started again, and apps crash by themselves and by
//! others' hands. Every message must be answered or be in the queue of dead letters.

mod messages;
mod traffic;

use std::path::PathBuf;
use std::time::{Instant, SystemTime};

use anyhow::{Context, Result, anyhow, ensure};

use self::messages::Ledger;
use self::traffic::Traffic;
use crate::bench::binary_of;
use crate::bench::server::room;
use crate::bench::worker::daemon::{Worker, head};
use crate::servers::rabbitmq::RabbitMq;

/// What the app does.
const APP: &str = include_str!("app.js");

/// Apps by their transports' names, and the share of messages for each, in percent.
const APPS: [(&str, u64); 2] = [("quickjs", 95), ("node", 5)];

/// Send very many messages through a worker while its broker and its apps are killed, and count them
#[derive(Debug, clap::Args)]
pub(crate) struct WorkerArguments {
    /// Messages in all
    #[arg(long, default_value_t = 100_000, value_parser = clap::value_parser!(u64).range(100..))]
    messages: u64,

    /// How often the broker is killed and started again
    #[arg(long, default_value_t = 3)]
    restarts: u64,

    /// Messages on their way at any time
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u16).range(1..=2000))]
    window: u16,

    /// Determines what is sent; without one, the clock
    #[arg(long)]
    seed: Option<u64>,

    /// Use this program instead of building one
    #[arg(long, value_name = "PATH")]
    binary: Option<PathBuf>,
}

/// Does what the arguments say.
///
/// # Errors
///
/// A message is lost, something else is not as it must be, or the program cannot be built.
pub(crate) fn worker(arguments: &WorkerArguments) -> Result<()> {
    let binary = binary_of(arguments.binary.as_deref())?;
    let seed = arguments.seed.unwrap_or_else(|| {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        now.as_secs()
    });
    println!("seed {seed}: {} messages, {} restarts", arguments.messages, arguments.restarts);
    let broker = RabbitMq::start().map_err(|why| anyhow!("RabbitMQ: {why}"))?;
    let room = room("belljar-chaos-")?;
    let app = room.path().join("app.js");
    std::fs::write(&app, APP)?;
    let (mut configuration, operations) = head(room.path(), &broker)?;
    for (name, _) in APPS {
        // Limits that loops and floods run into soon.
        configuration.push_str(&format!(
            "\n[apps.{name}]\njavascript_file = \"{}\"\nengine = \"{name}\"\nprefetch = 50\ntimeout = \"3s\"\n\
             recv_limit = 262144\nquickjs_memory = 16777216\n[apps.{name}.resources.kv]\nkeys_per_user_hard = 1000000\n",
            app.display(),
        ));
    }
    let file = room.path().join("worker.toml");
    std::fs::write(&file, configuration)?;
    let worker = Worker::start(&binary, &file, operations)?;
    let began = Instant::now();
    let mut traffic = Traffic {
        broker,
        worker,
        ledger: Ledger::new(seed, arguments.messages),
        window: arguments.window.into(),
        restarts: arguments.restarts,
        restarted: 0,
        killed: 0,
    };
    let flowed = traffic.flow().with_context(|| format!("seed {seed}"));
    let took = began.elapsed().as_secs_f64();
    let Traffic { ledger, worker, broker, restarted, killed, .. } = &traffic;
    println!("{ledger}");
    println!("the broker was killed {restarted} times, {killed} processes of apps were killed; {took:.0} s");
    flowed.with_context(|| format!("the end of the worker's log: {}", tail(&worker.said())))?;
    ensure!(worker.metrics().is_ok(), "the worker does not answer any more: {}", tail(&worker.said()));
    for line in broker.ctl(&["list_queues", "name", "messages"]).lines() {
        let mut fields = line.split_whitespace();
        let (name, count) = (fields.next().unwrap_or_default(), fields.next().unwrap_or_default());
        ensure!(count == "0", "{count} messages are left in {name}");
    }
    println!("all are answered or in the queue of dead letters, and no queue has any left");
    Ok(())
}

fn tail(text: &str) -> String {
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(20)..].join("\n")
}
