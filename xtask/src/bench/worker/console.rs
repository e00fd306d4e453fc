//! The bus within the process: `belljar worker --console`, which a script may use as well as a person.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use super::apps::{Engine, Kind, Store};
use super::{Bench, name, transport};
use crate::bench::report::{Report, Row, Target};
use crate::bench::sampling::{Caller, Case, Work, in_turns};

/// A conversation with one app.
#[derive(Debug)]
struct Console {
    process: Child,
    says: Option<ChildStdin>,
    hears: BufReader<ChildStdout>,
    kind: Kind,
    turn: usize,
}

impl Console {
    /// Begins one.
    ///
    /// # Errors
    ///
    /// It does not start.
    fn start(binary: &Path, configuration: &Path, app: &str, kind: Kind, log: &Path) -> Result<Self> {
        let log = std::fs::File::create(log).context("cannot make the log")?;
        let mut process = Command::new(binary)
            .args(["worker", "--console", "--json", "--app", app, "--config"])
            .arg(configuration)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .with_context(|| format!("cannot start {}", binary.display()))?;
        let says = process.stdin.take();
        let hears = BufReader::new(process.stdout.take().context("its output is not to be had")?);
        Ok(Self { process, says, hears, kind, turn: 0 })
    }
}

impl Work for Console {
    /// Says the next thing and hears the answer.
    fn run(&mut self) -> Result<()> {
        let turn = self.kind.turn(self.turn);
        let line = format!("{}\n", turn.says.unwrap_or("/new"));
        self.says.as_mut().context("it has ended")?.write_all(line.as_bytes())?;
        let mut answer = String::new();
        self.hears.read_line(&mut answer)?;
        let message: Value = serde_json::from_str(&answer).with_context(|| format!("no answer but {answer:?}"))?;
        let content = message.get("content").and_then(Value::as_str).unwrap_or_default();
        ensure!(content.starts_with(turn.hears), "expected {:?} and heard {content:?}", turn.hears);
        self.turn += 1;
        Ok(())
    }
}

impl Drop for Console {
    fn drop(&mut self) {
        // The end of what is said is the end of it.
        drop(self.says.take());
        let _ = self.process.wait();
    }
}

/// Messages of a turn; on Node fewer.
const RUNS: u32 = 400;

/// Measures one user after the other, so to speak: the console sends a line when the one before has been dealt with.
///
/// # Errors
///
/// The worker does not work.
pub(super) fn measure(bench: &Bench<'_>, report: &mut Report) -> Result<()> {
    let apps: Vec<_> = bench.cases.iter().map(|(kind, engine)| (transport(*kind, *engine), *kind, *engine)).collect();
    let room = bench.room.path().join("console");
    std::fs::create_dir_all(&room)?;
    let head = format!("[worker]\ndata_dir = {}\n", serde_json::json!(room.join("data").to_string_lossy()));
    let configuration = bench.place.configure(&head, &apps, Store::Embedded, 1, &room)?;
    let cases: Vec<Case<'_>> = apps
        .iter()
        .map(|(app, kind, engine)| {
            let (configuration, log) = (&configuration, room.join(app));
            let start = move || {
                let console = Console::start(bench.binary, configuration, app, *kind, &log)?;
                Ok(Box::new(console) as Caller)
            };
            Case::new(app.as_str(), start).divisor(if *engine == Engine::QuickJs { 1 } else { 10 })
        })
        .collect();
    let runs = if bench.turn < std::time::Duration::from_secs(2) { RUNS / 8 } else { RUNS };
    let measured = in_turns(&cases, bench.rounds, runs)?;
    for ((_, kind, engine), samples) in apps.iter().zip(&measured) {
        let name = name(*kind, *engine);
        let target = (*kind == Kind::Toolkit && *engine == Engine::QuickJs).then_some(Target::AtMost(10.0));
        let row = |what: &str, unit| Row::new("console", format!("{name}, in process, one user: {what}"), unit);
        let p99 = samples.quantile(0.99) * 1e3;
        report.add(row("p50", "ms").ours(samples.p50() * 1e3).target(target).note(format!("p99 {p99:.1} ms")));
        report.add(row("messages", "/s").ours(samples.rate()));
    }
    Ok(())
}
