//! Runs of Python that start as forks of a warm interpreter.

use std::path::Path;

use anyhow::{Result, bail, ensure};
use serde_json::{Value, json};

use super::super::http::execute_form;
use super::super::report::{Row, Target};
use super::super::sampling::{Case, Samples, in_turns};
use super::super::server::Server;
use super::cases::{spawn, words};
use super::{Results, Scale};

const PYTHON: &str = "/usr/bin/python3";
/// Modules of the standard library that programs of students import.
const IMPORTS: [&str; 13] = [
    "json",
    "re",
    "collections",
    "random",
    "math",
    "itertools",
    "functools",
    "datetime",
    "subprocess",
    "decimal",
    "typing",
    "unittest",
    "dataclasses",
];
/// Forks of a warm interpreter have process ids above any that a program's first process gets in a new namespace.
const IS_FORK: &str = "import os; print(os.getpid() > 1000)";

/// Measures fresh and warm interpreters, each beside a plain process.
///
/// # Errors
///
/// Something does not work, or a run that should start as a fork does not.
pub(super) fn measure(binary: &Path, scale: Scale, results: &mut Results) -> Result<()> {
    let warm = format!("execute.sandbox.warm_python=\"{PYTHON}\"");
    let imports = format!("execute.sandbox.warm_imports={}", json!(IMPORTS));
    let fresh = Server::start(binary, &[])?;
    let bare = Server::start(binary, &[&warm])?;
    let rich = Server::start(binary, &[&warm, &imports])?;
    for (server, expected) in [(&fresh, "False"), (&bare, "True"), (&rich, "True")] {
        let said = output(server, IS_FORK)?;
        ensure!(said == expected, "is it a fork of a warm interpreter: {said:?} instead of {expected:?}");
    }
    let import = format!("import {}", IMPORTS.join(", "));
    let request = |server: &Server, code: &str| {
        let mut client = server.connect()?;
        let form = execute_form(&json!({"commands": [command(code)]}));
        Ok(Box::new(move || {
            let answer = client.execute_form(&form)?;
            ensure!(answer.get("status") == Some(&Value::from(0)), "unexpected answer: {answer}");
            Ok(())
        }) as Box<_>)
    };
    let plain = |code: &str| {
        let arguments = words(Path::new(PYTHON), &["-c", code]);
        Ok(Box::new(move || spawn(&arguments)) as Box<_>)
    };
    let cases = [
        Case::new("plain", || plain("1")),
        Case::new("fresh", || request(&fresh, "1")),
        Case::new("warm", || request(&bare, "1")),
        Case::new("plain, imports", || plain(&import)).slower(2),
        Case::new("fresh, imports", || request(&fresh, &import)).slower(2),
        Case::new("warm, imports", || request(&rich, &import)),
    ];
    let samples = in_turns(&cases, scale.rounds, scale.runs)?;
    let ms: Vec<_> = samples.iter().map(|samples: &Samples| samples.p50() * 1e3).collect();
    let [plain, fresh, warm, plain_imports, fresh_imports, warm_imports] = ms[..] else { bail!("a case was lost") };
    let row = |what: &str, ours: f64, floor: f64| Row::new("warm", what, "ms").ours(ours).floor(floor);
    let note = "floor: a plain `python3 -c 1`";
    results.report.add(row("POST [\"python3 -c 1\"], fresh, p50", fresh, plain).note(note));
    let most = Some(Target::AtMost(3.0));
    results.report.add(row("POST [\"python3 -c 1\"], warm, p50", warm, plain).target(most).note(note));
    let note = format!("floor: a plain `python3` that imports as much: {}", IMPORTS.join(", "));
    results.report.add(row("POST of 13 imports, fresh, p50", fresh_imports, plain_imports).note(note.as_str()));
    let faster = Some(Target::TimesFaster(20.0));
    results.report.add(row("POST of 13 imports, warm, p50", warm_imports, plain_imports).target(faster).note(note));
    Ok(())
}

fn command(code: &str) -> String {
    format!("{PYTHON} -c '{code}'")
}

/// What a program writes.
fn output(server: &Server, code: &str) -> Result<String> {
    let answer = server.connect()?.execute_form(&execute_form(&json!({"commands": [command(code)]})))?;
    let said = answer.pointer("/execution/0/stdout").and_then(Value::as_str);
    ensure!(said.is_some(), "unexpected answer: {answer}");
    Ok(said.unwrap_or_default().trim().to_owned())
}
