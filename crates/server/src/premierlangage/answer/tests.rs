use belljar_execute::Command;
use belljar_sandbox::{Outcome, Usage};
use belljar_store::{BlobId, Environment};

use super::*;
use crate::premierlangage::pyjson;

fn planned(script: &str, ignore_failure: bool) -> PlannedCommand {
    let command = Command { script: script.to_owned(), timeout: None, ignore_failure };
    PlannedCommand { command, printed_timeout: "0.2".to_owned() }
}

fn plan(commands: Vec<PlannedCommand>) -> Plan {
    Plan { commands, variables: Vec::new(), result_path: None, save: false }
}

fn execution(command: usize, end: End, stdout: &[u8], stderr: &[u8]) -> Execution {
    let outcome = Outcome {
        end,
        limits_reached: Vec::new(),
        stdout: stdout.to_vec(),
        stderr: stderr.to_vec(),
        output_truncated: false,
        usage: Usage::default(),
        layers: Vec::new(),
    };
    Execution { command, limit: TimeLimit::Budget(10.0), time: Duration::from_millis(14), outcome }
}

fn response(executions: Vec<Execution>) -> Response {
    Response { executions, total_time: Duration::from_secs(1), result: None, saved: None }
}

fn exited(code: i32) -> End {
    End::Exited { code }
}

fn print(plan: &Plan, response: &Response) -> String {
    pyjson::write(&answer(plan, response, Some(Duration::from_secs(20))))
}

/// The entry of the one command that ended like this.
fn entry(limit: TimeLimit, end: End, stdout: &[u8], stderr: &[u8]) -> (i32, String, String) {
    let execution = Execution { limit, ..execution(0, end, stdout, stderr) };
    let entry = Entry::new(&planned("c", false), &execution, Some(Duration::from_secs(20)));
    (entry.exit_code, entry.stdout, entry.stderr)
}

// Behaviours 41, 42, 45 and the shape of the answer.
#[test]
fn answers_have_the_keys_of_the_protocol() {
    let plan = plan(vec![planned("true", false), planned("echo é", false), planned("false", true)]);
    let executions = vec![
        execution(0, exited(0), b"", b""),
        execution(1, exited(0), "é\n".as_bytes(), b""),
        execution(2, exited(1), b"", b""),
    ];
    let mut response = response(executions);
    insta::assert_snapshot!(print(&plan, &response), @r#"{"status": 0, "execution": [{"command": "true", "exit_code": 0, "stdout": "", "stderr": "", "time": 0.014}, {"command": "echo \u00e9", "exit_code": 0, "stdout": "\u00e9", "stderr": "", "time": 0.014}, {"command": "false", "exit_code": 1, "stdout": "", "stderr": "", "time": 0.014}], "total_time": 1.0}"#);

    response.result = Some(ResultFile::Content(b"Hello World !\n".to_vec()));
    response.executions.truncate(1);
    response.saved = Some(Environment {
        id: "39a843f6-0f46-4f90-b2af-b7724106f954".parse().unwrap(),
        blob: BlobId::from_digest([0; 32]),
        size: 1,
        created: Timestamp::UNIX_EPOCH,
        expires: "2026-11-21T15:53:08.415288Z".parse().unwrap(),
    });
    insta::assert_snapshot!(print(&plan, &response), @r#"{"status": 0, "execution": [{"command": "true", "exit_code": 0, "stdout": "", "stderr": "", "time": 0.014}], "total_time": 1.0, "environment": "39a843f6-0f46-4f90-b2af-b7724106f954", "expire": "2026-11-21T15:53:08.415288+00:00", "result": "Hello World !\n"}"#);
}

#[test]
fn status_is_the_first_failure_that_counts() {
    let three = || plan(vec![planned("a", true), planned("b", false), planned("c", false)]);
    let timeout = || End::LimitReached { limit: Limit::WallTime };
    let content = |bytes: &[u8]| Some(ResultFile::Content(bytes.to_vec()));
    let missing = || Some(ResultFile::Unavailable("no such file".to_owned()));
    let ends =
        |ends: Vec<End>| ends.into_iter().enumerate().map(|(at, end)| execution(at, end, b"", b"")).collect::<Vec<_>>();
    for (executions, result, status, told) in [
        (ends(vec![exited(0), exited(0), exited(0)]), None, 0, 3),
        (ends(vec![exited(1), exited(3)]), None, 3, 2),
        (ends(vec![timeout(), exited(0), exited(0)]), None, 0, 3),
        (ends(vec![exited(1), timeout()]), None, -2, 2),
        (ends(vec![exited(0), End::Signaled { signal: 9 }]), None, 137, 2),
        (ends(vec![End::Cancelled]), None, -1, 1),
        // Output that is not UTF-8 ends the run whatever the hyphen says.
        (vec![execution(0, exited(0), b"\xff", b""), execution(1, exited(0), b"", b"")], None, -1, 1),
        (ends(vec![exited(0), exited(3)]), content(b"x"), 3, 2),
        (ends(vec![exited(0), exited(3)]), missing(), -3, 2),
        (ends(vec![exited(0), timeout()]), missing(), -3, 2),
        (ends(vec![exited(0), exited(3)]), content(b"\xff"), -4, 2),
        (ends(vec![exited(0), exited(0), exited(0)]), content(b"\xff"), -4, 3),
    ] {
        let readable = matches!(&result, Some(ResultFile::Content(bytes)) if bytes.is_ascii());
        let response = Response { result, ..response(executions) };
        let answer = answer(&three(), &response, Some(Duration::from_secs(20)));
        assert_eq!(answer.get("status"), Some(&Value::from(status)));
        let Some(Value::Array(entries)) = answer.get("execution") else { panic!("no entries") };
        assert_eq!(entries.len(), told);
        assert_eq!(answer.get("result").is_some(), readable);
        assert_eq!((answer.get("environment"), answer.get("expire")), (None, None));
    }
}

// Behaviour 44.
#[test]
fn time_outs_tell_the_limit_as_python_prints_it() {
    let wall = || End::LimitReached { limit: Limit::WallTime };
    for (limit, end, expected) in [
        (TimeLimit::Own, wall(), "0.2"),
        (TimeLimit::Budget(10.0), wall(), "10.0"),
        (TimeLimit::Budget(8.973_445_653_915_405), wall(), "8.973445653915405"),
        (TimeLimit::Budget(-0.017_817_974_090_576_172), wall(), "-0.017817974090576172"),
        (TimeLimit::Own, End::LimitReached { limit: Limit::CpuTime }, "20.0"),
    ] {
        let expected = format!("Command timed out after {expected} seconds\n");
        assert_eq!(entry(limit, end, b"partial", b"\xff"), (-2, String::new(), expected));
    }
}

#[test]
fn ends_become_exit_codes() {
    let setup = |step: &str, errno| End::SetupFailed { step: step.to_owned(), errno, message: "bash: no".to_owned() };
    let unknown = "An unknown error occurred on the sandbox\n";
    let killed = |limit| End::LimitReached { limit };
    for (end, stdout, stderr, expected) in [
        (exited(255), &b" a b\n"[..], &b"\x1cc\x1f"[..], (255, "a b", "c")),
        (End::Signaled { signal: 11 }, b"a", b"", (139, "a", "")),
        (exited(0), b"\xff", b"b", (-1, "", unknown)),
        (exited(7), b"a", b"\xff", (-1, "", unknown)),
        (End::Cancelled, b"a", b"", (-1, "", unknown)),
        (setup("mount", 1), b"", b"", (-1, "", unknown)),
        (setup("execve", 2), b"", b"", (127, "", "bash: no")),
        (setup("execve", 13), b"", b"", (126, "", "bash: no")),
        (killed(Limit::Memory), b"out\n", b"", (137, "out", "Command killed, limit reached: memory")),
        (
            killed(Limit::Output),
            b"\xc3",
            b"err\n",
            (137, "\u{FFFD}", "err\nCommand killed, limit reached: output size"),
        ),
    ] {
        let expected = (expected.0, expected.1.to_owned(), expected.2.to_owned());
        assert_eq!(entry(TimeLimit::Own, end, stdout, stderr), expected);
    }
}

#[test]
fn texts_are_trimmed_and_results_are_not() {
    assert_eq!(strip("\u{1c}\u{1f}\u{85}\u{a0}\u{3000}\u{2028} a \n b\r\n"), "a \n b");
    assert_eq!(strip("\u{200b}a\u{feff}"), "\u{200b}a\u{feff}");
    assert_eq!(with_unix_lines("\u{feff} a\r\nb\rc\n\r\n"), "\u{feff} a\nb\nc\n\n");
}

#[test]
fn times_are_printed_as_python_does() {
    for (time, expected) in [
        ("2026-11-21T15:53:08.415288Z", "2026-11-21T15:53:08.415288+00:00"),
        ("2026-11-21T15:53:08.000001Z", "2026-11-21T15:53:08.000001+00:00"),
        ("2026-11-21T15:53:08Z", "2026-11-21T15:53:08+00:00"),
    ] {
        assert_eq!(isoformat(time.parse().unwrap()), expected);
    }
}
