//! `belljar doctor`: which layers of isolation this machine can enforce.

use std::env;
use std::io::{self, IsTerminal};

use anyhow::Context;
use belljar_sandbox::{Enforcement, Finding, Strictness};
use comfy_table::presets::NOTHING;
use comfy_table::{ContentArrangement, Table};
use serde_json::{Value, json};

use crate::args::DoctorArgs;
use crate::exit::ExitCode;
use crate::failure::{Failure, print};
use crate::serve::{Outlook, outlook};

/// Columns of a page where there is no terminal that has a width.
const PAGE_WIDTH: u16 = 120;

/// Examines the machine and prints what was found.
///
/// # Errors
///
/// Not even a sandbox with nothing required can be made, or standard output cannot be written.
pub(crate) fn examine(args: &DoctorArgs) -> Result<ExitCode, Failure> {
    let findings = belljar_sandbox::doctor().context("no sandbox at all can be made here")?;
    let usable = is_usable(&findings);
    let outlook = outlook();
    if args.json {
        print(format!("{}\n", as_json(&findings, usable, &outlook)))?;
    } else {
        let stdout = io::stdout();
        let colour = stdout.is_terminal() && env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        let width = rustix::termios::tcgetwinsize(&stdout).ok().map(|size| size.ws_col).filter(|width| *width > 0);
        print(as_text(&findings, usable, width.unwrap_or(PAGE_WIDTH), colour) + &format!("{outlook}\n"))?;
    }
    Ok(if usable { ExitCode::Success } else { ExitCode::Failure })
}

/// Whether all that the default policy insists on can be had.
fn is_usable(findings: &[Finding]) -> bool {
    let stops = |finding: &Finding| {
        finding.strictness == Strictness::Required && matches!(finding.enforcement, Enforcement::Missing(_))
    };
    !findings.iter().any(stops)
}

fn as_json(findings: &[Finding], usable: bool, outlook: &Outlook) -> Value {
    json!({ "usable": usable, "layers": findings, "serve": outlook })
}

fn as_text(findings: &[Finding], usable: bool, width: u16, colour: bool) -> String {
    let mut table = Table::new();
    table.load_style(NOTHING).set_content_arrangement(ContentArrangement::Dynamic).set_width(width);
    table.set_header(["LAYER", "STATE", "WHY", "WHAT TO DO"]);
    for finding in findings {
        let (state, reason) = state(&finding.enforcement);
        let advice = finding.advice.as_deref().unwrap_or_default();
        table.add_row([finding.layer.name(), state, reason.unwrap_or_default(), advice]);
    }
    let verdict = match usable {
        true => "Sandboxes can be made here with the default policy.",
        false => "Sandboxes cannot be made here with the default policy: it requires a layer that is missing.",
    };
    let table = table.trim_fmt();
    let lines: Vec<String> = match colour {
        true => table.lines().map(|line| coloured(line, findings)).collect(),
        false => table.lines().map(str::to_owned).collect(),
    };
    format!("{}\n\n{verdict}\n", lines.join("\n"))
}

/// The state's name, and why it is not "enforced".
fn state(enforcement: &Enforcement) -> (&'static str, Option<&str>) {
    match enforcement {
        Enforcement::Enforced => ("enforced", None),
        Enforcement::Weakened(reason) => ("weakened", Some(reason)),
        Enforcement::Missing(reason) => ("missing", Some(reason)),
        Enforcement::Off => ("off", None),
    }
}

/// The first line of a layer's row with its state in colour. After the fact, because the table would count the escape sequences as
/// letters.
fn coloured(line: &str, findings: &[Finding]) -> String {
    let layer = line.split_whitespace().next();
    let Some(finding) = findings.iter().find(|finding| Some(finding.layer.name()) == layer) else {
        return line.to_owned();
    };
    let (state, _) = state(&finding.enforcement);
    // Colours of ECMA-48, as every terminal has them.
    let code = match finding.enforcement {
        Enforcement::Enforced => 32,
        Enforcement::Weakened(_) => 33,
        Enforcement::Missing(_) => 31,
        Enforcement::Off => 2,
    };
    // A layer's name holds no state's name, so the first one on the line is the state.
    line.replacen(state, &format!("\u{1b}[{code}m{state}\u{1b}[0m"), 1)
}

#[cfg(test)]
mod tests {
    use belljar_sandbox::Layer;

    use super::*;

    fn findings() -> Vec<Finding> {
        let finding = |layer, enforcement, advice: Option<&str>| Finding {
            layer,
            enforcement,
            strictness: Strictness::BestEffort,
            advice: advice.map(str::to_owned),
        };
        vec![
            finding(Layer::UserNamespace, Enforcement::Enforced, None),
            finding(
                Layer::MemoryLimit,
                Enforcement::Weakened("swap is not counted".to_owned()),
                Some("boot with swapaccount=1"),
            ),
            finding(
                Layer::Landlock,
                Enforcement::Missing("the kernel is too old".to_owned()),
                Some("use Linux 5.13 or later"),
            ),
            finding(Layer::IoLimit, Enforcement::Off, None),
        ]
    }

    #[test]
    fn the_table_says_what_and_why() {
        insta::assert_snapshot!(as_text(&findings(), true, 100, false));
    }

    #[test]
    fn colour_changes_nothing_but_colour() {
        let plain = as_text(&findings(), true, 60, false);
        let colour = as_text(&findings(), true, 60, true);
        assert!(colour.contains("\u{1b}[31mmissing\u{1b}[0m"));
        let bare = ["\u{1b}[32m", "\u{1b}[33m", "\u{1b}[31m", "\u{1b}[2m", "\u{1b}[0m"]
            .iter()
            .fold(colour, |text, code| text.replace(code, ""));
        assert_eq!(bare, plain);
    }

    #[test]
    fn a_machine_is_usable_when_it_has_what_the_policy_requires() {
        assert!(is_usable(&findings()), "nothing of it is required");
        let missing = |strictness| Finding {
            layer: Layer::Seccomp,
            enforcement: Enforcement::Missing("no".to_owned()),
            strictness,
            advice: None,
        };
        assert!(is_usable(&[missing(Strictness::BestEffort)]));
        assert!(!is_usable(&[missing(Strictness::Required)]));
        let outlook = Outlook::Impossible { reason: "because".to_owned() };
        let json = as_json(&[missing(Strictness::Required)], false, &outlook);
        assert_eq!(json["serve"], json!({ "privileges": "impossible", "reason": "because" }));
        assert_eq!(json["usable"], false);
        let layer = &json["layers"][0];
        assert_eq!(
            (&layer["layer"], &layer["state"], &layer["reason"]),
            (&json!("seccomp"), &json!("missing"), &json!("no"))
        );
    }
}
