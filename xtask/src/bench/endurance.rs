//! `cargo xtask bench endurance`: very many runs through one server, and whether anything grows by them.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Instant;

use anyhow::{Context, Result, anyhow, ensure};
use serde_json::{Value, json};

use super::binary_of;
use super::holdings::Holdings;
use super::http::execute_form;
use super::report::Grid;
use super::server::Server;

/// Turns into which the runs are divided. The first fills caches and pools; what the others add is drift.
const TURNS: u64 = 10;

/// Growth of memory that still counts as none, in MiB.
const NO_DRIFT: f64 = 1.0;

/// Sandboxes of the default pool.
const POOL: usize = 20;

/// Run very many programs through one server, and fail when anything has grown
///
/// Nine of ten do nothing, one of twenty writes files, one of twenty leaves a process behind.
#[derive(Debug, clap::Args)]
pub(crate) struct EnduranceArguments {
    /// Runs in all
    #[arg(long, default_value_t = 100_000, value_parser = clap::value_parser!(u64).range(TURNS..))]
    runs: u64,

    /// Callers at once
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u32).range(1..=20))]
    callers: u32,

    /// Use this program instead of building one
    #[arg(long, value_name = "PATH")]
    binary: Option<PathBuf>,
}

/// Does what the arguments say, and tells whether everything stayed as it was.
///
/// # Errors
///
/// Something does not work.
pub(crate) fn endurance(arguments: &EnduranceArguments) -> Result<bool> {
    let binary = binary_of(arguments.binary.as_deref())?;
    let server = Server::start(&binary, &[&format!("execute.pool_size={POOL}"), "log.filter=warn"])?;
    server.wait_for_idle(POOL)?;
    println!("{} runs by {} callers at once", arguments.runs, arguments.callers);
    let began = Instant::now();
    let mut steps = vec![Holdings::of(&server)?];
    let of_turn = arguments.runs / TURNS;
    for turn in 1..=TURNS {
        work(&server, of_turn, arguments.callers)?;
        server.wait_for_idle(POOL)?;
        let holdings = Holdings::of(&server)?;
        eprintln!("{} runs after {:.0} s: {holdings}", turn * of_turn, began.elapsed().as_secs_f64());
        steps.push(holdings);
    }
    let mut grid = Grid::new(Holdings::HEAD, "::::::::::");
    for (step, holdings) in steps.iter().enumerate() {
        grid.push(holdings.cells(of_turn * u64::try_from(step)?));
    }
    println!("\n{grid}");
    let (Some(first), Some(last)) = (steps.get(1), steps.last()) else { return Ok(false) };
    let grown = last.grown_since(first, NO_DRIFT);
    for what in &grown {
        println!("GROWN: {what}");
    }
    let rate = f64::from(u32::try_from(arguments.runs).unwrap_or(u32::MAX)) / began.elapsed().as_secs_f64();
    println!(
        "{} runs, {rate:.0} a second: {}",
        of_turn * TURNS,
        if grown.is_empty() { "all flat" } else { "NOT FLAT" }
    );
    Ok(grown.is_empty())
}

/// So many requests, by all callers together.
fn work(server: &Server, runs: u64, callers: u32) -> Result<()> {
    let forms = ["true", "mkdir a && echo a > a/b && cp a/b /tmp/c", "sleep 1000 >/dev/null 2>&1 </dev/null &"]
        .map(|command| execute_form(&json!({"commands": [command]})));
    let next = AtomicU64::new(0);
    let caller = || {
        let mut client = server.connect()?;
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            if number >= runs {
                return Ok(());
            }
            let kind = match number % 20 {
                7 => 1,
                17 => 2,
                _ => 0,
            };
            let answer = client.execute_form(&forms[kind]).with_context(|| format!("run {number}"))?;
            ensure!(answer.get("status") == Some(&Value::from(0)), "unexpected answer to run {number}: {answer}");
        }
    };
    thread::scope(|scope| {
        let threads: Vec<_> = (0..callers).map(|_| scope.spawn(caller)).collect();
        threads.into_iter().try_for_each(|thread| thread.join().map_err(|_| anyhow!("a caller panicked"))?)
    })
}
