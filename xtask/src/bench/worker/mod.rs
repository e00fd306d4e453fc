//! `cargo xtask bench worker`: what a message costs, on each engine, over RabbitMQ and within the process, beside a Node process per
//! message.

mod apps;
mod console;
pub(crate) mod daemon;
mod floor;
mod idle;
pub(crate) mod link;
mod rabbitmq;

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};

pub(crate) use self::apps::message;
use self::apps::{Engine, Kind, Place};
use super::machine::Machine;
use super::report::Report;
use super::{binary_of, server};
use crate::cargo::root;

/// Build belljar with optimization, start RabbitMQ and Redis, and measure messages
///
/// Latency is measured with one user, throughput with many. Both servers and the bench itself use the same processors as the worker.
#[derive(Debug, clap::Args)]
pub(crate) struct WorkerArguments {
    /// Rounds in which everything that is compared takes its turn
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,

    /// Seconds of each turn
    #[arg(long, default_value_t = 4.0)]
    seconds: f64,

    /// Users at once, where throughput is measured
    #[arg(long, default_value_t = 32, value_parser = clap::value_parser!(u16).range(1..=1000))]
    users: u16,

    /// Short turns: to see whether it works
    #[arg(long)]
    quick: bool,

    /// Print JSON instead of a table
    #[arg(long)]
    json: bool,

    /// Only parts whose name contains this: rabbitmq, console, idle
    #[arg(long, value_name = "PART")]
    only: Option<String>,

    /// Only apps whose name contains this, such as toolkit_quickjs
    #[arg(long, value_name = "NAME", default_value = "")]
    app: String,

    /// Measure this program instead of building one
    #[arg(long, value_name = "PATH")]
    binary: Option<PathBuf>,
}

/// A part of the bench.
type Part = fn(&Bench<'_>, &mut Report) -> Result<()>;

/// What is measured with what.
#[derive(Debug)]
struct Bench<'a> {
    binary: &'a Path,
    place: Place,
    room: tempfile::TempDir,
    rounds: u32,
    turn: Duration,
    users: usize,
    cases: Vec<(Kind, Engine)>,
}

/// Engines for each app.
const CASES: [(Kind, Engine); 6] = [
    (Kind::Echo, Engine::QuickJs),
    (Kind::Toolkit, Engine::QuickJs),
    (Kind::Echo, Engine::Node),
    (Kind::Toolkit, Engine::Node),
    (Kind::Echo, Engine::NodeAgain),
    (Kind::Toolkit, Engine::NodeAgain),
];

/// What it is called in the report.
fn name(kind: Kind, engine: Engine) -> String {
    let on = match engine {
        Engine::QuickJs => "quickjs",
        Engine::Node => "node",
        Engine::NodeAgain => "node, 1,000 messages a process",
    };
    format!("{} on {on}", kind.name())
}

fn transport(kind: Kind, engine: Engine) -> String {
    format!("{}_{}", kind.name(), engine.name())
}

/// Does what the arguments say.
///
/// # Errors
///
/// Something that is needed cannot be had, or does not work.
pub(crate) fn worker(arguments: &WorkerArguments) -> Result<()> {
    let binary = binary_of(arguments.binary.as_deref())?;
    let (rounds, seconds) = match arguments.quick {
        true => (arguments.rounds.min(2), arguments.seconds.min(1.0)),
        false => (arguments.rounds, arguments.seconds),
    };
    let bench = Bench {
        binary: &binary,
        place: Place::prepare()?,
        room: server::room("belljar-bench-")?,
        rounds,
        turn: Duration::from_secs_f64(seconds),
        users: arguments.users.into(),
        cases: CASES.into_iter().filter(|(kind, engine)| transport(*kind, *engine).contains(&arguments.app)).collect(),
    };
    let mut report = Report::new(Machine::this(root()), rounds);
    let parts: [(&str, Part); 3] =
        [("rabbitmq", rabbitmq::measure), ("console", console::measure), ("idle", idle::measure)];
    for (name, measure) in parts {
        if arguments.only.as_deref().is_none_or(|part| name.contains(part)) {
            eprintln!("measuring: {name} ...");
            measure(&bench, &mut report).with_context(|| format!("cannot measure {name}"))?;
        }
    }
    match arguments.json {
        true => println!("{}", serde_json::to_string_pretty(&report)?),
        false => print!("{report}"),
    }
    Ok(())
}
