//! Many callers at once: whether throughput falls off, whether everybody is served alike, and what an overloaded server answers.

use std::path::Path;
use std::thread;

use anyhow::{Result, anyhow, bail, ensure};
use serde_json::json;

use super::super::http::execute_form;
use super::super::report::{Row, Target};
use super::super::sampling::{Case, in_turns};
use super::super::server::Server;
use super::cases::{Workload, request};
use super::{Results, Scale};

const CROWD: usize = 64;
/// Requests of each of them to the overloaded server.
const REQUESTS: usize = 10;

/// Measures a crowd of callers.
///
/// # Errors
///
/// Something does not work.
pub(super) fn measure(binary: &Path, scale: Scale, results: &mut Results) -> Result<()> {
    let server = Server::start(binary, &[])?;
    let post = |name| Case::new(name, || request(&server, Workload::Shell));
    // As many runs in all by a crowd as by two, twice.
    let cases = [post("few").callers(2), post("crowd").callers(CROWD).slower(10)];
    let samples = in_turns(&cases, scale.rounds, scale.runs)?;
    let [few, crowd] = samples.as_slice() else { bail!("a case was lost") };
    let row = |measure: String, unit| Row::new("scale", measure, unit);
    let what = format!("POST [\"true\"], {CROWD} callers");
    let row_rate = row(what.clone(), "1/s").ours(crowd.rate()).floor(few.rate());
    results.report.add(row_rate.target(Some(Target::AtLeastRatio(0.9))).note("floor: 2 callers"));
    let note = format!("p50 {:.0} ms, p99 {:.0} ms", crowd.p50() * 1e3, crowd.quantile(0.99) * 1e3);
    let unfair = row(format!("{what}, p99 over p50"), "x").ours(crowd.quantile(0.99) / crowd.p50());
    results.report.add(unfair.target(Some(Target::AtMost(2.0))).note(note));
    drop(cases);
    drop(server);

    let Answers { served, refused, strange } = overload(binary)?;
    let note = format!(
        "{CROWD} callers of 2 sandboxes with a wait of 100 ms: {served} served, {refused} told to come back (503); after it all \
         sandboxes are ready, and a request is served"
    );
    let row = row("strange answers of an overloaded server".to_owned(), "").ours(f64::from(strange));
    results.report.add(row.target(Some(Target::AtMost(0.0))).note(note));
    Ok(())
}

#[derive(Debug, Default)]
struct Answers {
    served: u32,
    refused: u32,
    strange: u32,
}

/// Asks for more than there are sandboxes for.
fn overload(binary: &Path) -> Result<Answers> {
    let server = Server::start(binary, &["execute.pool_size=2", "execute.wait_for_sandbox=100ms"])?;
    let form = execute_form(&json!({"commands": ["sleep 0.02"]}));
    let caller = || {
        let mut client = server.connect()?;
        let mut answers = Answers::default();
        for _ in 0..REQUESTS {
            match client.exchange("/execute/", "application/x-www-form-urlencoded", &form)?.0 {
                200 => answers.served += 1,
                503 => answers.refused += 1,
                _ => answers.strange += 1,
            }
        }
        Ok::<_, anyhow::Error>(answers)
    };
    let sum = thread::scope(|scope| {
        let threads: Vec<_> = (0..CROWD).map(|_| scope.spawn(caller)).collect();
        let mut sum = Answers::default();
        for thread in threads {
            let own = thread.join().map_err(|_| anyhow!("a caller panicked"))??;
            sum.served += own.served;
            sum.refused += own.refused;
            sum.strange += own.strange;
        }
        Ok::<_, anyhow::Error>(sum)
    })?;
    ensure!(sum.refused > 0, "the server was not overloaded");
    server.wait_for_idle(2)?;
    request(&server, Workload::Shell)?.run()?;
    Ok(sum)
}
