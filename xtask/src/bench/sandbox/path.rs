//! What a run waits for: the kernel's read-copy-update, whose grace periods take tens of microseconds to milliseconds, and the disk.
//!
//! Seen by the kernel's own tracer, in an instance of ours (`Documentation/trace/ftrace.rst`, `events.rst`), which follows the processes
//! that take part and whatever they fork: where they stood when they fell asleep without an ear for signals. A request counts until its answer is sent; what its sandbox
//! does afterwards does not.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use rustix::time::{ClockId, clock_gettime};

use super::super::processes::family;
use super::super::report::{Row, Target};
use super::super::server::Server;
use super::cases::{Workload, process, request, unshare, words};
use super::{Results, Scale};

const TRACEFS: &str = "/sys/kernel/tracing";
/// Functions that wait for a grace period begin like this.
const WAITS: [&str; 2] = ["synchronize_rcu", "synchronize_srcu"];
/// Falls asleep: with state 2, which is `TASK_UNINTERRUPTIBLE`.
const SWITCH: &str = "sched_switch";
const FORK: &str = "sched_process_fork";
/// A packet is sent.
const SENT: &str = "net_dev_queue";
/// Bytes of a packet that is more than an acknowledgement.
const MESSAGE: usize = 100;
/// A request for a disk, whoever has to wait for it.
const DISK: &str = "block_bio_queue";

/// Measures requests and cold runs.
///
/// # Errors
///
/// Something of ours does not work. Where the kernel cannot trace, the rows say so.
pub(super) fn measure(binary: &Path, scale: Scale, results: &mut Results) -> Result<()> {
    let runs = if scale.quick { 5 } else { 50 };
    let server = Server::start(binary, &[])?;
    let rows = [
        ("waits for RCU, a POST", "writes to the disk, a POST"),
        ("waits for RCU, belljar run", "writes to the disk, belljar run"),
    ];
    let seen = traced(binary, &server, runs);
    let mut add = |what: &str, ours: Option<f64>, note: &str| {
        let row = Row::new("path", what, "").measured(ours).target(Some(Target::AtMost(0.0)));
        results.report.add(row.note(note));
    };
    match seen {
        Ok(Seen { ours, control }) => {
            let note = format!("on average of {runs} runs; `unshare` with the same namespaces: {control}");
            for ((waits, writes), seen) in rows.into_iter().zip(ours) {
                add(waits, Some(seen.waits), &note);
                add(writes, Some(seen.writes), &note);
            }
        }
        Err(error) => {
            for row in rows.into_iter().flat_map(|(waits, writes)| [waits, writes]) {
                add(row, None, &format!("{error:#}"));
            }
        }
    }
    Ok(())
}

/// Checks that a request waits for neither; `None` where the kernel cannot tell.
///
/// # Errors
///
/// It does wait, or does not work.
pub(crate) fn check(binary: &Path) -> Result<Option<()>> {
    let Ok(tracer) = Tracer::new() else { return Ok(None) };
    drop(tracer);
    let server = Server::start(binary, &[])?;
    let Seen { ours: [Counts { waits, writes }, _], .. } = traced(binary, &server, 20)?;
    ensure!(waits == 0.0, "a request waits {waits} times for RCU");
    ensure!(writes == 0.0, "a request writes {writes} times to the disk");
    Ok(Some(()))
}

struct Seen {
    /// Requests, cold runs.
    ours: [Counts; 2],
    /// Waits of something that is known to wait.
    control: f64,
}

fn traced(binary: &Path, server: &Server, runs: u32) -> Result<Seen> {
    let us = std::process::id();
    let tracer = Tracer::new()?;
    let mut control = process(unshare(), Workload::True);
    let control = tracer.watch(&[us], runs, || Ok(()), || control.run())?;
    ensure!(control.waits > 0.0, "the tracer sees no waits where there are some");
    let mut client = request(server, Workload::Shell)?;
    let requests = tracer.watch(&family(server.id())?, runs, || server.wait_for_idle(20), || client.run())?;
    let mut cold = process(words(binary, &["run", "--"]), Workload::True);
    let cold = tracer.watch(&[us], runs, || Ok(()), || cold.run())?;
    Ok(Seen { ours: [requests, cold], control: control.waits })
}

/// What was seen, for one run on average.
#[derive(Debug, Default, PartialEq)]
struct Counts {
    waits: f64,
    writes: f64,
}

/// An instance of the kernel's tracer.
#[derive(Debug)]
struct Tracer(PathBuf);

impl Tracer {
    fn new() -> Result<Self> {
        let instance = Path::new(TRACEFS).join(format!("instances/belljar-bench-{}", std::process::id()));
        fs::create_dir(&instance).context("the kernel's tracer is not to be had (tracefs, root)")?;
        // From here on it is removed whatever happens.
        let tracer = Self(instance);
        tracer.write("trace_clock", "mono")?;
        tracer.write("options/event-fork", "1")?;
        tracer.write("options/stacktrace", "1")?;
        tracer.write("buffer_size_kb", "8192")?;
        tracer.write(&format!("events/sched/{SWITCH}/filter"), "prev_state == 2")?;
        for event in
            [format!("sched/{SWITCH}"), format!("sched/{FORK}"), format!("net/{SENT}"), format!("block/{DISK}")]
        {
            tracer.write(&format!("events/{event}/enable"), "1")?;
        }
        Ok(tracer)
    }

    fn write(&self, file: &str, text: &str) -> Result<()> {
        fs::write(self.0.join(file), text).with_context(|| format!("cannot write to {file} of the tracer"))
    }

    /// Counts while `run` runs, for these processes and what they fork.
    fn watch(
        &self,
        processes: &[u32],
        runs: u32,
        mut before: impl FnMut() -> Result<()>,
        mut run: impl FnMut() -> Result<()>,
    ) -> Result<Counts> {
        let mut tasks = Vec::new();
        for process in processes {
            // One that has ended meanwhile does nothing any more.
            let Ok(entries) = fs::read_dir(format!("/proc/{process}/task")) else { continue };
            tasks.extend(entries.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned()));
        }
        self.write("set_event_pid", &tasks.join(" "))?;
        self.write("trace", "")?;
        let mut spans = Vec::new();
        for _ in 0..runs {
            before()?;
            let began = now();
            run()?;
            spans.push((began, now()));
        }
        let trace = fs::read_to_string(self.0.join("trace")).context("cannot read the trace")?;
        count(&trace, &tasks, &spans)
    }
}

impl Drop for Tracer {
    fn drop(&mut self) {
        let _ = fs::remove_dir(&self.0);
    }
}

/// The clock that the tracer uses, too.
fn now() -> f64 {
    let now = clock_gettime(ClockId::Monotonic);
    #[expect(clippy::cast_precision_loss, reason = "microseconds of some weeks fit")]
    let seconds = now.tv_sec as f64;
    #[expect(clippy::cast_precision_loss, reason = "less than a second")]
    let fraction = now.tv_nsec as f64;
    seconds + fraction / 1e9
}

/// Counts what happened to these tasks and what they forked, within runs. An event is a line, and more with where it happened:
///
/// ```text
/// comm-pid [000] ..... 12.345678: sched_switch: prev_comm=comm prev_pid=7 prev_prio=120 prev_state=D ==> ...
/// comm-pid [000] ..... 12.345678: <stack trace>
///  => schedule
///  => synchronize_rcu
/// comm-pid [000] ..... 12.345678: sched_process_fork: comm=comm pid=7 child_comm=comm child_pid=8
/// comm-pid [000] ..... 12.345678: net_dev_queue: dev=lo skbaddr=000000007a7e len=354
/// comm-pid [000] ..... 12.345678: block_bio_queue: 254,0 WS 8 + 8 [comm]
/// ```
fn count(trace: &str, tasks: &[String], spans: &[(f64, f64)]) -> Result<Counts> {
    ensure!(!spans.is_empty(), "nothing ran");
    let mut family: BTreeSet<&str> = tasks.iter().map(String::as_str).collect();
    let (mut waits, mut writes) = (0_u32, 0_u32);
    let mut answered = BTreeSet::new();
    // One of the family fell asleep, and it is not known yet what for.
    let mut asleep = false;
    for line in trace.lines().filter(|line| !line.starts_with('#')) {
        ensure!(!line.contains("LOST"), "the tracer lost events");
        if let Some(function) = line.trim_start().strip_prefix("=> ") {
            if asleep && WAITS.iter().any(|wait| function.starts_with(wait)) {
                waits += 1;
                asleep = false;
            }
            continue;
        }
        let mut words = line.split_whitespace();
        let Some(at) = words.find_map(time) else { continue };
        let event = words.next().unwrap_or_default().trim_end_matches(':');
        if event == "<stack" {
            continue;
        }
        let value = |key: &str| line.split_whitespace().find_map(|word| word.strip_prefix(key)?.strip_prefix('='));
        asleep = false;
        let run = spans.iter().position(|(from, to)| (*from..=*to).contains(&at));
        let running = run.is_some_and(|run| !answered.contains(&run));
        match event {
            FORK if value("pid").is_some_and(|pid| family.contains(pid)) => family.extend(value("child_pid")),
            SWITCH => asleep = running && value("prev_pid").is_some_and(|pid| family.contains(pid)),
            SENT if value("len")
                .and_then(|length| length.parse().ok())
                .is_some_and(|length: usize| length > MESSAGE) =>
            {
                answered.extend(run);
            }
            // Device and kind: W for a write, D for a discard, F for a flush.
            DISK if running => writes += u32::from(words.nth(1).is_some_and(|kind| kind.contains(['W', 'D', 'F']))),
            _ => {}
        }
    }
    let runs = f64::from(u32::try_from(spans.len())?);
    Ok(Counts { waits: f64::from(waits) / runs, writes: f64::from(writes) / runs })
}

/// A word that is a time. A process may be named like anything, but hardly like this.
fn time(word: &str) -> Option<f64> {
    let word = word.strip_suffix(':')?;
    let (_, fraction) = word.split_once('.')?;
    (fraction.len() == 6).then(|| word.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_and_writes_within_runs_are_counted() {
        let switch = |pid: u32, at: &str, function: &str| {
            format!(
                "a 5: b-{pid} [001] ..... {at}: sched_switch: prev_comm=a prev_pid={pid} prev_state=D ==> next_pid=7\n\
                 a 5: b-{pid} [001] ..... {at}: <stack trace>\n => schedule\n => {function}\n => {function}\n"
            )
        };
        let fork = "a-7 [000] ..... 10.000001: sched_process_fork: comm=a pid=7 child_comm=a child_pid=8\n";
        let answer = "a-7 [000] ..... 10.000002: net_dev_queue: dev=lo skbaddr=000000007a7e4f2e len=354\n";
        let disk = |kind: &str| format!("a-8 [000] ..... 10.000001: block_bio_queue: 254,0 {kind} 100 + 8 [a]\n");
        let traced = |trace: &str| count(trace, &["7".to_owned()], &[(10.0, 11.0), (12.0, 13.0)]).expect("a trace");
        for (trace, waits, writes) in [
            ("# tracer: nop\n".to_owned(), 0.0, 0.0),
            (switch(7, "10.000005", "synchronize_rcu_expedited"), 0.5, 0.0),
            (switch(7, "10.000005", "io_schedule"), 0.0, 0.0),
            (switch(7, "20.000005", "synchronize_rcu"), 0.0, 0.0),
            (switch(9, "10.000005", "synchronize_rcu"), 0.0, 0.0),
            (fork.to_owned() + &switch(8, "10.000005", "synchronize_rcu"), 0.5, 0.0),
            (answer.to_owned() + &switch(7, "10.000005", "synchronize_rcu"), 0.0, 0.0),
            (answer.replace("354", "52") + &switch(7, "12.000005", "synchronize_rcu"), 0.5, 0.0),
            (disk("WS") + &disk("R") + &disk("DS"), 0.0, 1.0),
        ] {
            assert_eq!(traced(&trace), Counts { waits, writes }, "{trace}");
        }
        assert!(count("CPU:0 [LOST 5 EVENTS]\n", &[], &[(0.0, 1.0)]).is_err());
        assert!(count("", &[], &[]).is_err());
    }
}
