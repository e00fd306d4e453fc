//! How exactly limits are kept.

use std::hint::black_box;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use super::Scale;
use super::report::{Report, Row, Target};
use super::server::Server;

const WALL_TIME: f64 = 0.2;
const CPU_TIME: f64 = 0.2;
const OUTPUT: usize = 1 << 20;
const MEMORY: usize = 200 << 20;

/// Measures wall-clock time, output and memory.
///
/// # Errors
///
/// Something that is measured does not work.
pub(crate) fn measure(binary: &Path, scale: Scale, report: &mut Report) -> Result<()> {
    measure_all(binary, scale.limit_runs, report)
}

/// The same, with so many runs into each limit of time.
///
/// # Errors
///
/// As [`measure`].
pub(crate) fn measure_all(binary: &Path, runs: u32, report: &mut Report) -> Result<()> {
    let row = |measure: String, unit| Row::new("limits", measure, unit);

    let mut late = 0.0_f64;
    for _ in 0..runs {
        let outcome = run(binary, &["--wall-time", "200ms", "--", "sleep", "5"])?;
        let end = outcome.pointer("/end/limit");
        ensure!(end == Some(&json!("wall_time")), "not killed for its time: {outcome}");
        late = late.max(number(&outcome, "/usage/wall_time_s")? - WALL_TIME);
    }
    let note = format!("the latest of {runs} runs with a limit of 200 ms");
    report.add(
        row("belljar run: late by".to_owned(), "ms")
            .ours(late * 1e3)
            .target(Some(Target::AtMost(3.0)))
            .note(note.clone()),
    );

    let mut late = 0.0_f64;
    for _ in 0..runs {
        let outcome = run(binary, &["--cpu-time", "200ms", "--", "sh", "-c", "while :; do :; done"])?;
        let end = outcome.pointer("/end/limit");
        ensure!(end == Some(&json!("cpu_time")), "not killed for its CPU time: {outcome}");
        // Told as a whole by a control group only.
        let parts = |_| {
            Ok::<_, anyhow::Error>(number(&outcome, "/usage/user_time_s")? + number(&outcome, "/usage/system_time_s")?)
        };
        late = late.max(number(&outcome, "/usage/cpu_time_s").or_else(parts)? - CPU_TIME);
    }
    let row_cpu = row("belljar run: CPU time over the limit".to_owned(), "ms").ours(late * 1e3);
    report.add(row_cpu.target(Some(Target::AtMost(5.0))).note(note.clone()));

    let server = Server::start(binary, &["execute.pool_size=2"])?;
    let mut client = server.connect()?;
    let mut late = 0.0_f64;
    for _ in 0..runs {
        let answer = client.execute(&json!({"commands": [{"command": "sleep 5", "timeout": WALL_TIME}]}))?;
        ensure!(answer.get("status") == Some(&json!(-2)), "not killed for its time: {answer}");
        late = late.max(number(&answer, "/execution/0/time")? - WALL_TIME);
    }
    report.add(
        row("POST /execute/: late by".to_owned(), "ms").ours(late * 1e3).target(Some(Target::AtMost(3.0))).note(note),
    );
    drop(server);

    let outcome = run(binary, &["--output", "1M", "--", "yes"])?;
    ensure!(outcome.pointer("/end/limit") == Some(&json!("output")), "not killed for its output: {outcome}");
    let text = |key: &str| outcome.get(key).and_then(Value::as_str).unwrap_or_default().len();
    let kept = text("stdout") + text("stderr");
    let row_kept = row("output kept of an endless one".to_owned(), "B").ours(float(kept)).floor(float(OUTPUT));
    report.add(row_kept.target(Some(Target::Exactly)));
    let took = number(&outcome, "/usage/wall_time_s")? * 1e3;
    report.add(row("endless output: killed after".to_owned(), "ms").ours(took).note("limit 1 MiB"));

    let probe = std::env::current_exe().context("cannot tell what runs")?;
    let probe = probe.to_str().context("the path of this program is not UTF-8")?;
    let occupy = |bytes: usize| {
        let (directory, bytes) = (format!("{probe}:ro"), bytes.to_string());
        let outcome = run(binary, &["--dir", &directory, "--", probe, "bench", "occupy", &bytes])?;
        ensure!(outcome.pointer("/end/code") == Some(&json!(0)), "it failed: {outcome}");
        number(&outcome, "/usage/peak_memory_bytes")
    };
    let told = occupy(MEMORY)? - occupy(0)?;
    let off = (told / float(MEMORY) - 1.0).abs() * 100.0;
    let note = "peak with 200 MiB less peak with nothing, against 200 MiB";
    report.add(row("memory peak: off by".to_owned(), "%").ours(off).target(Some(Target::AtMost(1.0))).note(note));
    Ok(())
}

/// Takes up memory, all of it touched.
pub(crate) fn occupy(bytes: usize) {
    let memory = vec![1_u8; bytes];
    black_box(&memory);
}

/// The outcome of `belljar run --json`.
fn run(binary: &Path, arguments: &[&str]) -> Result<Value> {
    let mut command = Command::new(binary);
    command.args(["run", "--json"]).args(arguments).stdin(Stdio::null());
    let output = command.output().with_context(|| format!("cannot start {}", binary.display()))?;
    serde_json::from_slice(&output.stdout).with_context(|| {
        let said = String::from_utf8_lossy(&output.stderr);
        format!("belljar run {} printed no outcome: {}", arguments.join(" "), said.trim())
    })
}

fn number(value: &Value, pointer: &str) -> Result<f64> {
    value.pointer(pointer).and_then(Value::as_f64).with_context(|| format!("no number at {pointer} in {value}"))
}

fn float(count: usize) -> f64 {
    u32::try_from(count).map_or(f64::MAX, f64::from)
}
