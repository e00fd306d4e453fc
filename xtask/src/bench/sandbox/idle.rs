//! What sandboxes take that do nothing: memory, the kernel's included, and whether a run through many of them takes longer.

use std::path::Path;
use std::time::Instant;

use anyhow::{Context, Result, bail};

use super::super::memory::Family;
use super::super::processes::{in_mib, of_machine};
use super::super::report::{Row, Target};
use super::super::sampling::{Case, in_turns};
use super::super::server::Server;
use super::cases::{Workload, request};
use super::{Results, Scale};

/// What the kernel holds, of `/proc/meminfo`: objects, stacks and compiled filters, page tables, memory for each CPU.
const KERNEL: [&str; 4] = ["Slab:", "VmallocUsed:", "PageTables:", "Percpu:"];

/// Measures a server with very many sandboxes.
///
/// # Errors
///
/// It does not work, or the kernel does not tell.
pub(super) fn measure(binary: &Path, scale: Scale, results: &mut Results) -> Result<()> {
    let many: u32 = if scale.quick { 50 } else { 1000 };
    let count = usize::try_from(many)?;
    let report = &mut results.report;
    let row = |measure: String, unit| Row::new("idle", measure, unit);

    let before = Kernel::now()?;
    let began = Instant::now();
    let crowded = Server::start(binary, &[&format!("execute.pool_size={many}")])?;
    crowded.wait_for_idle(count)?;
    let took = began.elapsed().as_secs_f64();
    let kernel = Kernel::now()?;
    let held = kernel.held - before.held;
    let available = before.available - kernel.available;
    let family = Family::of(crowded.id());
    let pss = family.as_ref().ok().map(|family| in_mib(family.sandboxes));
    let note = match &family {
        Ok(family) => format!("PSS of {} processes of {many} sandboxes", family.processes),
        // Only root may ask about processes that have capabilities, if only in their own user namespace.
        Err(error) => format!("{error:#}"),
    };
    let each = row("idle sandbox".to_owned(), "MiB").measured(pss.map(|pss| pss / f64::from(many)));
    report.add(each.target(Some(Target::AtMost(0.5))).note(note));
    let note = format!(
        "PSS {:.0} MiB and what the kernel holds for them (objects, stacks, filters, page tables, per-CPU memory) {held:.0} MiB; \
         memory available is {available:.0} MiB less",
        pss.unwrap_or(f64::NAN)
    );
    let target = Target::AtMost(1.024 * f64::from(many));
    let all = row(format!("{many} idle sandboxes"), "MiB").measured(pss.map(|pss| pss + held));
    report.add(all.target(Some(target)).note(note));
    let note = format!("{:.2} ms each, from the start of the server", took / f64::from(many) * 1e3);
    report.add(row(format!("{many} sandboxes made in"), "s").ours(took).note(note));

    let few = Server::start(binary, &[])?;
    let cases = [("many", &crowded), ("few", &few)]
        .map(|(name, server)| Case::new(name, move || request(server, Workload::Shell)));
    let samples = in_turns(&cases, scale.rounds.min(6), scale.runs)?;
    let [through_many, through_few] = samples.as_slice() else { bail!("a case was lost") };
    let what = format!("POST [\"true\"] through {many} sandboxes, p50");
    let row = row(what, "ms").ours(through_many.p50() * 1e3).floor(through_few.p50() * 1e3);
    report.add(row.note("floor: through the default pool"));
    Ok(())
}

/// Memory of the whole machine, in MiB.
struct Kernel {
    held: f64,
    available: f64,
}

impl Kernel {
    fn now() -> Result<Self> {
        let held = KERNEL.iter().map(|key| of_machine(key)).sum::<Result<u64>>().context("cannot read memory")?;
        Ok(Self { held: in_mib(held), available: in_mib(of_machine("MemAvailable:")?) })
    }
}
