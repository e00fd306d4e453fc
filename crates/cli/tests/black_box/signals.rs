//! Signals that reach us are the command's.

use std::io::{BufRead, BufReader, Read};
use std::process::Stdio;

use rustix::process::{Pid, Signal, kill_process};

use crate::support::{Guard, belljar, has_sandboxes};

#[test]
fn signals_are_passed_on() {
    if !has_sandboxes() {
        return;
    }
    let cases = [
        (Signal::INT, "INT"),
        (Signal::TERM, "TERM"),
        (Signal::HUP, "HUP"),
        (Signal::QUIT, "QUIT"),
        (Signal::USR1, "USR1"),
        (Signal::USR2, "USR2"),
        (Signal::WINCH, "WINCH"),
    ];
    for (signal, name) in cases {
        let script = format!("trap 'echo {name}; exit 9' {name}; echo ready; while :; do sleep 0.01; done");
        let (code, output) = signalled(&script, signal);
        assert_eq!((code, output.as_str()), (Some(9), format!("{name}\n").as_str()), "{name}");
    }
}

#[test]
fn a_command_that_does_not_catch_a_signal_dies_of_it() {
    if !has_sandboxes() {
        return;
    }
    let (code, _) = signalled("echo ready; exec sleep 30", Signal::TERM);
    assert_eq!(code, Some(143));
}

/// Sends a signal to `belljar` when its command has said that it is ready; gives its code and what else was said.
fn signalled(script: &str, signal: Signal) -> (Option<i32>, String) {
    let mut child = belljar()
        .args(["run", "--", "bash", "-c", script])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .map(Guard)
        .expect("the binary starts");
    let mut stdout = BufReader::new(child.0.stdout.take().expect("it is piped"));
    let mut line = String::new();
    stdout.read_line(&mut line).expect("text");
    assert_eq!(line, "ready\n");
    kill_process(Pid::from_child(&child.0), signal).expect("it is there");
    let mut rest = String::new();
    stdout.read_to_string(&mut rest).expect("text");
    (child.0.wait().expect("it ends").code(), rest)
}
