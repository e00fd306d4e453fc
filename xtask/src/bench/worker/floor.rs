//! What it costs without a worker: a Node process for each message, that loads the app, answers and ends.

use std::io::Write;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, ensure};
use serde_json::Value;

use super::apps::{Kind, Place, message};
use super::link::Heard;

/// So many processes at once, one after the other, for some time.
///
/// # Errors
///
/// There is no Node, or it does not answer.
pub(super) fn node(place: &Place, kind: Kind, callers: usize, lasting: Duration) -> Result<Heard> {
    let began = Instant::now();
    let caller = || {
        let mut times = Vec::new();
        while times.is_empty() || began.elapsed() < lasting {
            let began = Instant::now();
            process(place, kind)?;
            times.push(began.elapsed());
        }
        Ok::<_, anyhow::Error>(times)
    };
    let times = thread::scope(|scope| {
        let threads: Vec<_> = (0..callers).map(|_| scope.spawn(caller)).collect();
        let times: Result<Vec<_>> =
            threads.into_iter().map(|thread| thread.join().map_err(|_| anyhow!("a caller panicked"))?).collect();
        Ok::<_, anyhow::Error>(times?.concat())
    })?;
    Ok(Heard { times, took: began.elapsed() })
}

fn process(place: &Place, kind: Kind) -> Result<()> {
    let turn = kind.turn(0);
    let mut node = Command::new("node")
        .arg(place.file("floor.js"))
        .arg(place.file(&format!("{}.js", kind.name())))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .context("cannot start node")?;
    let message = message("floor", "1", "+27", turn.event, turn.says).to_string();
    node.stdin.take().context("it has no input")?.write_all(message.as_bytes())?;
    let output = node.wait_with_output()?;
    let answer: Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
    let content = answer.get("content").and_then(Value::as_str).unwrap_or_default();
    ensure!(
        output.status.success() && content.starts_with(turn.hears),
        "node answered {content:?} ({})",
        output.status
    );
    Ok(())
}
