//! Runs at bad times: while other programs use all CPUs, and after nothing has happened for a while.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread::{available_parallelism, sleep};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use super::super::report::{Row, Target};
use super::super::sampling::{Case, Samples, in_turns};
use super::super::server::Server;
use super::cases::{Workload, process, request};
use super::{Results, Scale};

/// After this long without a control group change the kernel's next one takes milliseconds, and caches are cold.
const SILENCE: Duration = Duration::from_secs(1);

/// Measures requests and plain processes at bad times.
///
/// # Errors
///
/// Something does not work.
pub(super) fn measure(binary: &Path, scale: Scale, results: &mut Results) -> Result<()> {
    let server = Server::start(binary, &[])?;
    let cases = || {
        [
            Case::new("POST", || request(&server, Workload::Shell)),
            Case::new("plain", || Ok(process(Vec::new(), Workload::Shell))),
        ]
    };
    let ms = |samples: &Samples| samples.p50() * 1e3;
    let row = |measure| Row::new("busy", measure, "ms");

    let burners = Burners::start()?;
    let samples = in_turns(&cases(), scale.rounds, scale.runs)?;
    drop(burners);
    let [post, plain] = samples.as_slice() else { bail!("a case was lost") };
    let note = "floor: plain `bash -c true` under the same load, one endless loop for each CPU";
    let busy = row("POST [\"true\"] with all CPUs busy, p50").ours(ms(post)).floor(ms(plain));
    results.report.add(busy.target(Some(Target::AboveFloor(0.2))).note(note));

    let mut first = [Samples::default(), Samples::default()];
    let mut crew = [request(&server, Workload::Shell)?, process(Vec::new(), Workload::Shell)];
    for round in 0..(if scale.quick { 3 } else { 20 }) {
        for (caller, samples) in crew.iter_mut().zip(&mut first) {
            server.wait_for_idle(20)?;
            sleep(SILENCE);
            let began = Instant::now();
            caller.run().with_context(|| format!("round {round}"))?;
            samples.add(&[began.elapsed()], SILENCE, Duration::ZERO);
        }
    }
    first.iter_mut().for_each(Samples::sort);
    let steady = in_turns(&cases(), scale.rounds, scale.runs)?;
    let ([first_post, first_plain], [post, plain]) = (&first, steady.as_slice()) else { bail!("a case was lost") };
    let note = format!(
        "floor: the p50 of steady requests; a plain process takes {:.2} ms after as much silence, {:.2} ms steadily",
        ms(first_plain),
        ms(plain)
    );
    let row = row("POST [\"true\"] after a second of silence, p50").ours(ms(first_post)).floor(ms(post));
    results.report.add(row.target(Some(Target::AtMostRatio(1.3))).note(note));
    Ok(())
}

/// Programs that use up all CPUs until this is dropped.
#[derive(Debug)]
struct Burners(Vec<Child>);

impl Burners {
    fn start() -> Result<Self> {
        let mut burners = Self(Vec::new());
        for _ in 0..available_parallelism()?.get() {
            let mut command = Command::new("sh");
            command.args(["-c", "while :; do :; done"]).stdin(Stdio::null());
            burners.0.push(command.spawn().context("cannot start sh")?);
        }
        Ok(burners)
    }
}

impl Drop for Burners {
    fn drop(&mut self) {
        for burner in &mut self.0 {
            let _ = burner.kill();
            let _ = burner.wait();
        }
    }
}
