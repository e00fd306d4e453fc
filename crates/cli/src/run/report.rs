//! What the caller is told about the end of a command, on standard error.

use std::ffi::OsStr;
use std::io;

use belljar_sandbox::units::{ByteSize, print_duration};
use belljar_sandbox::{End, Enforcement, Layer, LayerReport, Limit, Limits, Outcome};

use crate::exit::{ExitCode, limit_behind, option_of};

/// The lines about an outcome, without hints; most have none.
pub(crate) fn lines(outcome: &Outcome, limits: &Limits, program: &OsStr) -> Vec<String> {
    let mut lines = Vec::new();
    let end = &outcome.end;
    match end {
        End::Exited { .. } => {}
        End::Signaled { signal } => lines.extend(signal_name(*signal).map(|name| format!("killed by {name}"))),
        End::LimitReached { limit } => lines.push(format!("killed: {}", reached(*limit, limits))),
        End::Cancelled => lines.push("cancelled".to_owned()),
        End::SetupFailed { errno, message, .. } => lines.push(match ExitCode::of_end(end) {
            ExitCode::NotFound => format!("error: '{}' was not found in the sandbox", program.display()),
            ExitCode::NotExecutable => {
                format!("error: '{}' cannot be executed: {}", program.display(), io::Error::from_raw_os_error(*errno))
            }
            _ => format!("error: {message}"),
        }),
    }
    // What the command met and went on after may be why it failed.
    if let Some(limit) = limit_behind(outcome).filter(|limit| *end != End::LimitReached { limit: *limit }) {
        lines.push(format!("failed: {}", reached(limit, limits)));
    }
    lines
}

fn reached(limit: Limit, limits: &Limits) -> String {
    let option = if limit == Limit::Disk && limits.room_for_files() < limits.disk {
        "--memory, which files are in"
    } else {
        option_of(limit)
    };
    format!("{} reached ({option})", describe(limit, limits))
}

/// Warnings about limits that the caller asked for by name and that this machine does not keep.
pub(crate) fn warnings(layers: &[LayerReport], asked_for: &[Limit]) -> Vec<String> {
    let of_layer = |layer: Layer| asked_for.iter().find(|limit| layer_of(**limit) == Some(layer));
    layers
        .iter()
        .filter_map(|report| {
            let limit = of_layer(report.layer)?;
            let (state, reason) = match &report.enforcement {
                Enforcement::Weakened(reason) => ("only weakly kept", reason),
                Enforcement::Missing(reason) => ("not kept", reason),
                Enforcement::Enforced | Enforcement::Off => return None,
            };
            Some(format!("warning: {} is {state} on this machine: {reason}", option_of(*limit)))
        })
        .collect()
}

/// The layer that keeps a limit, where it is one that a machine may not have.
const fn layer_of(limit: Limit) -> Option<Layer> {
    match limit {
        Limit::Memory => Some(Layer::MemoryLimit),
        Limit::Processes => Some(Layer::ProcessLimit),
        Limit::CpuTime => Some(Layer::CpuAccounting),
        _ => None,
    }
}

/// The limit and its size, such as `wall time limit of 1s`.
fn describe(limit: Limit, limits: &Limits) -> String {
    let size = |bytes| ByteSize::from_bytes(bytes).to_string();
    let value = match limit {
        Limit::WallTime => print_duration(limits.wall_time),
        Limit::CpuTime => print_duration(limits.cpu_time),
        Limit::Memory => size(limits.memory),
        Limit::Processes => limits.processes.to_string(),
        Limit::FileSize => size(limits.file_size),
        Limit::Disk => size(limits.room_for_files()),
        Limit::Inodes => limits.inodes.to_string(),
        Limit::Output => size(limits.output),
    };
    format!("{limit} limit of {value}")
}

/// The name of a signal worth telling about: not of those that the caller sent by a key or by leaving.
fn signal_name(signal: i32) -> Option<String> {
    const NAMES: [(i32, &str); 12] = [
        (1, "SIGHUP"),
        (3, "SIGQUIT"),
        (4, "SIGILL (illegal instruction)"),
        (5, "SIGTRAP"),
        (6, "SIGABRT (aborted)"),
        (7, "SIGBUS (bus error)"),
        (8, "SIGFPE (arithmetic error)"),
        (9, "SIGKILL"),
        (11, "SIGSEGV (invalid memory access)"),
        (15, "SIGTERM"),
        (25, "SIGXFSZ (file too large)"),
        (31, "SIGSYS (forbidden system call)"),
    ];
    match signal {
        2 | 13 => None,
        _ => Some(
            NAMES
                .iter()
                .find(|(number, _)| *number == signal)
                .map_or_else(|| format!("signal {signal}"), |(_, name)| (*name).to_owned()),
        ),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::exit::tests::outcome;

    #[test]
    fn one_clear_line_per_thing_worth_knowing() {
        let limits = Limits { wall_time: Duration::from_secs(1), ..Limits::default() };
        let killed = |limit| End::LimitReached { limit };
        let setup = |step: &str, errno, message: &str| End::SetupFailed {
            step: step.to_owned(),
            errno,
            message: message.to_owned(),
        };
        let cases: [(End, &[Limit], &[&str]); 12] = [
            (End::Exited { code: 0 }, &[Limit::Processes], &[]),
            (End::Exited { code: 3 }, &[], &[]),
            (End::Exited { code: 3 }, &[Limit::Processes], &["failed: processes limit of 64 reached (--processes)"]),
            (End::Signaled { signal: 2 }, &[], &[]),
            (End::Signaled { signal: 11 }, &[], &["killed by SIGSEGV (invalid memory access)"]),
            (End::Signaled { signal: 40 }, &[], &["killed by signal 40"]),
            (killed(Limit::WallTime), &[Limit::WallTime], &["killed: wall time limit of 1s reached (--wall-time)"]),
            (killed(Limit::Memory), &[], &["killed: memory limit of 512M reached (--memory)"]),
            (killed(Limit::Output), &[], &["killed: output size limit of 16M reached (--output)"]),
            (setup("execve", 2, "no such file"), &[], &["error: 'x' was not found in the sandbox"]),
            (
                setup("execve", 13, "permission denied"),
                &[],
                &["error: 'x' cannot be executed: Permission denied (os error 13)"],
            ),
            (setup("chdir", 2, "it cannot be entered"), &[], &["error: it cannot be entered"]),
        ];
        for (end, reached, expected) in cases {
            assert_eq!(lines(&outcome(end.clone(), reached), &limits, OsStr::new("x")), expected, "{end:?}");
        }
    }

    #[test]
    fn a_limit_asked_for_and_not_kept_is_told() {
        let report = |layer, enforcement| LayerReport { layer, enforcement };
        let layers = [
            report(Layer::MemoryLimit, Enforcement::Missing("no control group".to_owned())),
            report(Layer::ProcessLimit, Enforcement::Missing("no control group".to_owned())),
            report(Layer::CpuAccounting, Enforcement::Enforced),
        ];
        let told = warnings(&layers, &[Limit::Memory, Limit::CpuTime, Limit::WallTime]);
        assert_eq!(told, ["warning: --memory is not kept on this machine: no control group"]);
    }
}
