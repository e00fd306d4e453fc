//! What a run costs: everybody in turns.

use std::fmt;
use std::path::Path;

use anyhow::Result;
use serde::Serialize;

use super::super::processes::{processor_of_family, processor_of_reaped};
use super::super::report::{Grid, Row, Target};
use super::super::sampling::{Case, Samples, in_turns};
use super::super::server::Server;
use super::cases::{Workload, process, request, unshare, words};
use super::judge::{self, Judge};
use super::peers::PEERS;
use super::{Results, Scale};

const MILLISECONDS: f64 = 1e3;

const PLAIN: &str = "plain process";
const UNSHARE: &str = "unshare, 7 namespaces";
const COLD: &str = "belljar run";
const POST: &str = "belljar, POST";
const JUDGE: &str = "go-judge, POST";
const JUDGE_UNPRIVILEGED: &str = "go-judge, POST, without control groups";

/// One line of the comparison.
#[derive(Debug, Serialize)]
struct Line {
    what: String,
    workload: Workload,
    callers: usize,
    p50_ms: f64,
    /// The median of the quietest turn.
    best_ms: f64,
    p99_ms: f64,
    runs_per_second: f64,
    cpu_ms: Option<f64>,
}

/// Everybody's figures.
#[derive(Debug, Serialize)]
pub(super) struct Comparison {
    lines: Vec<Line>,
    /// Who did not take part, and why.
    absent: Vec<String>,
}

/// Measures everybody.
///
/// # Errors
///
/// Something of ours does not work.
pub(super) fn measure(binary: &Path, scale: Scale, results: &mut Results) -> Result<()> {
    let comparison = compare(binary, scale)?;
    rows(&comparison, results);
    processor(binary, scale, results)?;
    results.comparison = Some(comparison);
    Ok(())
}

fn compare(binary: &Path, scale: Scale) -> Result<Comparison> {
    let mut absent = Vec::new();
    let mut judge = |privileged: bool, name: &str| match scale.peers.then(|| Judge::start(privileged))? {
        Some(Ok(judge)) => Some(judge),
        Some(Err(error)) => {
            absent.push(format!("{name}: {error:#}"));
            None
        }
        None if privileged => {
            absent.push(format!("go-judge is not installed: {}, or GO_JUDGE=PATH", judge::INSTALL));
            None
        }
        None => None,
    };
    let judges = [(JUDGE, judge(true, JUDGE)), (JUDGE_UNPRIVILEGED, judge(false, JUDGE_UNPRIVILEGED))];
    let mut installed = Vec::new();
    for peer in PEERS.iter().filter(|_| scale.peers) {
        match peer.find() {
            Some(program) => installed.push((peer, program)),
            None => absent.push(format!("{} is not installed: {}", peer.name, peer.install)),
        }
    }

    let server = &Server::start(binary, &[])?;
    let mut cases = Vec::new();
    for callers in [1, 2] {
        for workload in [Workload::True, Workload::Shell, Workload::Python] {
            let ours = |name: &str, prefix: Vec<_>| {
                let prefix = prefix.clone();
                Case::new(name, move || Ok(process(prefix.clone(), workload))).processor(processor_of_reaped)
            };
            cases.push(entry(workload, callers, ours(PLAIN, Vec::new())));
            let post = Case::new(POST, move || request(server, workload));
            cases.push(entry(workload, callers, post.processor(|| processor_of_family(server.id()))));
            for (name, judge) in &judges {
                let Some(judge) = judge else { continue };
                let case = Case::new(*name, move || judge.caller(workload)).dispensable();
                cases.push(entry(workload, callers, case.processor(|| processor_of_family(judge.id()))));
            }
            if workload == Workload::Shell {
                continue;
            }
            cases.push(entry(workload, callers, ours(UNSHARE, unshare())));
            cases.push(entry(workload, callers, ours(COLD, words(binary, &["run", "--"]))));
            for (peer, program) in &installed {
                let case = peer.case(program, workload, callers);
                cases.push(entry(workload, callers, case.processor(processor_of_reaped)));
            }
        }
    }
    let (heads, cases): (Vec<_>, Vec<_>) = cases.into_iter().unzip();
    let samples = in_turns(&cases, scale.rounds, scale.runs)?;
    let mut lines = Vec::new();
    for ((what, workload, callers), samples) in heads.into_iter().zip(samples) {
        let known = absent.iter().any(|known| known.starts_with(&format!("{what} failed")));
        if let Some(trouble) = samples.trouble.as_ref().filter(|_| !known) {
            absent.push(format!("{what} failed, first with {}: {trouble}", workload.name()));
        }
        if !samples.is_empty() {
            lines.push(Line::new(what, workload, callers, &samples));
        }
    }
    Ok(Comparison { lines, absent })
}

/// What is run by how many at once, and the case with as many runs as suit that.
fn entry(workload: Workload, callers: usize, case: Case<'_>) -> ((String, Workload, usize), Case<'_>) {
    // A Python takes as long as ten times nothing.
    let divisor = if workload == Workload::Python { 4 } else { 1 };
    let case = case.callers(callers).slower(divisor * u32::try_from(callers).unwrap_or(u32::MAX));
    ((case.name.clone(), workload, callers), case)
}

/// The rows of what is wanted.
fn rows(comparison: &Comparison, results: &mut Results) {
    use Workload::{Python, Shell, True};
    let report = &mut results.report;
    let mut row = |what: &str, unit, ours: Option<f64>, floor: Option<f64>, target, note: &str| {
        report.add(Row::new("runs", what, unit).measured(ours).against(floor).target(Some(target)).note(note));
    };
    let p50 = |name: &str, workload, callers| Some(comparison.find(name, workload, callers)?.p50_ms);
    let rate = |name: &str, workload| Some(comparison.find(name, workload, 2)?.runs_per_second);
    let above = Target::AboveFloor(0.25);
    let note = "floor: a plain `bash -c true`, which is what the protocol means by it";
    row("POST [\"true\"], 1 caller, p50", "ms", p50(POST, Shell, 1), p50(PLAIN, Shell, 1), above, note);
    let note = "floor: a plain `/bin/true`";
    row("POST [\"/bin/true\"], 1 caller, p50", "ms", p50(POST, True, 1), p50(PLAIN, True, 1), above, note);
    for (judge, times) in [(JUDGE, 5.0), (JUDGE_UNPRIVILEGED, 2.0)] {
        let what = format!("POST [\"/bin/true\"] against {judge}, p50");
        let target = Target::TimesFaster(times);
        row(&what, "ms", p50(POST, True, 1), p50(judge, True, 1), target, "floor: the same program by go-judge");
        let what = format!("POST [\"true\"] against {judge}, p50");
        row(&what, "ms", p50(POST, Shell, 1), p50(judge, Shell, 1), target, "floor: `bash -c true` by go-judge");
    }
    let least = Target::AtLeastRatio(0.7);
    for (what, workload) in [("POST [\"/bin/true\"], 2 callers", True), ("POST [\"true\"], 2 callers", Shell)] {
        let note = format!("floor: plain `{}`", workload.name());
        row(what, "1/s", rate(POST, workload), rate(PLAIN, workload), least, &note);
    }
    let note = "floor: `unshare` with the same namespaces, and nothing else";
    let most = Target::AtMostRatio(1.0);
    row("belljar run -- /bin/true, p50", "ms", p50(COLD, True, 1), p50(UNSHARE, True, 1), most, note);
    let above = Target::AboveFloor(0.5);
    let note = "floor: a plain `python3 -c 1`";
    row("POST [\"python3 -c 1\"], 1 caller, p50", "ms", p50(POST, Python, 1), p50(PLAIN, Python, 1), above, note);
}

/// CPU time needs more runs than the comparison has: a server's is told in clock ticks.
fn processor(binary: &Path, scale: Scale, results: &mut Results) -> Result<()> {
    let server = &Server::start(binary, &[])?;
    let workloads = [Workload::True, Workload::Shell];
    let post =
        |workload| Case::new(POST, move || request(server, workload)).processor(|| processor_of_family(server.id()));
    let plain = |workload| Case::new(PLAIN, move || Ok(process(Vec::new(), workload))).processor(processor_of_reaped);
    let cases: Vec<_> = workloads.into_iter().flat_map(|workload| [post(workload), plain(workload)]).collect();
    let samples = in_turns(&cases, 4, if scale.quick { 50 } else { 500 })?;
    // The shell alone takes as long as is wanted for all.
    let rows = [("POST [\"/bin/true\"]", Some(Target::AtMost(1.0))), ("POST [\"true\"]", None)];
    for (((what, target), workload), samples) in rows.into_iter().zip(workloads).zip(samples.chunks(2)) {
        let cpu = |place: usize| samples.get(place).and_then(Samples::processor).map(|cpu| cpu * MILLISECONDS);
        let row = Row::new("runs", format!("CPU of {what}, server and sandbox included"), "ms");
        let note = format!("floor: plain `{}`", workload.name());
        results.report.add(row.measured(cpu(0)).against(cpu(1)).target(target).note(note));
    }
    Ok(())
}

impl Line {
    fn new(what: String, workload: Workload, callers: usize, samples: &Samples) -> Self {
        Self {
            what,
            workload,
            callers,
            p50_ms: samples.p50() * MILLISECONDS,
            best_ms: samples.best() * MILLISECONDS,
            p99_ms: samples.quantile(0.99) * MILLISECONDS,
            runs_per_second: samples.rate(),
            cpu_ms: samples.processor().map(|cpu| cpu * MILLISECONDS),
        }
    }
}

impl Comparison {
    fn find(&self, what: &str, workload: Workload, callers: usize) -> Option<&Line> {
        self.lines.iter().find(|line| line.what == what && line.workload == workload && line.callers == callers)
    }
}

const HEAD: [&str; 9] = ["", "callers", "p50 ms", "best ms", "p99 ms", "runs/s", "CPU ms", "x plain", "x unshare"];

/// One table for each program, in the order of what a run takes.
impl fmt::Display for Comparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for workload in [Workload::True, Workload::Shell, Workload::Python] {
            let mut grid = Grid::new(HEAD, "-::::::::");
            let mut lines: Vec<_> = self.lines.iter().filter(|line| line.workload == workload).collect();
            lines.sort_by(|a, b| a.callers.cmp(&b.callers).then(a.p50_ms.total_cmp(&b.p50_ms)));
            for line in lines {
                let times = |other: &str| {
                    let other = self.find(other, workload, line.callers);
                    other.map_or_else(String::new, |other| format!("{:.2}", line.best_ms / other.best_ms))
                };
                grid.push([
                    line.what.clone(),
                    line.callers.to_string(),
                    format!("{:.2}", line.p50_ms),
                    format!("{:.2}", line.best_ms),
                    format!("{:.2}", line.p99_ms),
                    format!("{:.0}", line.runs_per_second),
                    line.cpu_ms.map_or_else(String::new, |cpu| format!("{cpu:.2}")),
                    times(PLAIN),
                    times(UNSHARE),
                ]);
            }
            writeln!(f, "`{}`\n\n{grid}", workload.name())?;
        }
        writeln!(
            f,
            "p50 over all runs; best: the median of the quietest turn, which the ratios compare. CPU time is of all"
        )?;
        writeln!(f, "processes that are waited for, and of whole servers.\n")?;
        for absent in &self.absent {
            writeln!(f, "- {absent}")?;
        }
        Ok(())
    }
}
