//! What it costs to run a program: a request to the server, and `belljar run`, against processes that nothing confines.

use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};

use super::Scale;
use super::http::execute_form;
use super::report::{Report, Row, Target};
use super::sampling::{Caller, Case, Samples, in_turns};
use super::server::Server;

/// Commands of the request with several.
const SEVERAL: usize = 5;

const MILLISECONDS: f64 = 1e3;

/// Measures requests and cold runs with one caller and with two.
///
/// # Errors
///
/// Something that is measured does not work.
pub(crate) fn measure(binary: &Path, scale: Scale, report: &mut Report) -> Result<()> {
    let server = Server::start(binary, &[])?;
    for callers in [1, 2] {
        let cases = [
            Case::new("a request with one command", || request(&server, 1)),
            Case::new("a plain process", || Ok(plain(1))),
            Case::new("a request with five commands", || request(&server, SEVERAL)),
            Case::new("five plain processes", || Ok(plain(SEVERAL))),
        ];
        let samples = in_turns(&cases.map(|case| case.callers(callers)), scale.rounds, scale.runs)?;
        let [one, plain_one, several, plain_several] = samples.as_slice() else { bail!("a case was lost") };
        let with = if callers == 1 { "1 caller" } else { "2 callers" };
        let alone = callers == 1;
        let target = alone.then_some(Target::AboveFloor(0.5));
        report.add(times(format!("POST /execute/ [\"true\"], {with}, p50"), one, plain_one, target));
        let target = (!alone).then_some(Target::AtLeastRatio(0.4));
        let row = Row::new("spawn", format!("POST /execute/ [\"true\"], {with}"), "1/s").target(target);
        report.add(row.ours(one.rate()).floor(plain_one.rate()));
        let target = alone.then_some(Target::AtMostRatio(1.3));
        report.add(times(format!("{SEVERAL} commands in one request, {with}, p50"), several, plain_several, target));
    }
    drop(server);
    for callers in [1, 2] {
        let cases = [
            Case::new("belljar run", || Ok(process(binary, &["run", "--", "/bin/true"]))),
            Case::new("unshare", || Ok(process(Path::new("unshare"), &UNSHARE))),
        ];
        let samples = in_turns(&cases.map(|case| case.callers(callers)), scale.rounds, scale.runs)?;
        let [cold, unshare] = samples.as_slice() else { bail!("a case was lost") };
        let with = if callers == 1 { "1 caller" } else { "2 callers" };
        let target = (callers == 1).then_some(Target::AtMostRatio(1.5));
        report.add(times(format!("belljar run -- /bin/true, {with}, p50"), cold, unshare, target));
    }
    Ok(())
}

/// The same namespaces, without mounts, limits and filters.
const UNSHARE: [&str; 7] = ["-Urpf", "--mount-proc", "-n", "-i", "-u", "-C", "/bin/true"];

fn times(measure: String, ours: &Samples, floor: &Samples, target: Option<Target>) -> Row {
    let spread =
        |samples: &Samples| format!("{:.2}..{:.2}", samples.fastest() * MILLISECONDS, samples.p90() * MILLISECONDS);
    Row::new("spawn", measure, "ms")
        .ours(ours.p50() * MILLISECONDS)
        .floor(floor.p50() * MILLISECONDS)
        .note(format!("min..p90: ours {}, floor {}", spread(ours), spread(floor)))
        .target(target)
}

/// A caller that has this many commands run by one request.
fn request(server: &Server, commands: usize) -> Result<Caller> {
    let mut client = server.connect()?;
    let form = execute_form(&json!({"commands": vec!["true"; commands]}));
    Ok(Box::new(move || {
        let answer = client.execute_form(&form)?;
        let ran = answer.get("execution").and_then(Value::as_array).map_or(0, Vec::len);
        ensure!(answer.get("status") == Some(&json!(0)) && ran == commands, "unexpected answer: {answer}");
        Ok(())
    }))
}

/// A caller that does the same by processes of its own.
fn plain(count: usize) -> Caller {
    Box::new(move || (0..count).try_for_each(|_| run_process(Path::new("bash"), &["-c", "true"])))
}

fn process(program: &Path, arguments: &'static [&'static str]) -> Caller {
    let program = program.to_owned();
    Box::new(move || run_process(&program, arguments))
}

/// Starts a process (by `posix_spawn`, which is a `vfork`) that reads and writes nothing, and waits for its end.
fn run_process(program: &Path, arguments: &[&str]) -> Result<()> {
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let status = command.status().with_context(|| format!("cannot start {}", program.display()))?;
    ensure!(status.success(), "{} {}: {status}", program.display(), arguments.join(" "));
    Ok(())
}
