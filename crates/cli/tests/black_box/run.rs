//! What goes in, what comes out, and with which code.

use std::fs;
use std::io::Read;
use std::net::TcpListener;
use std::process::Stdio;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::support::{Done, Guard, belljar, call_in, has_program, has_sandboxes, run, wait_for};

#[test]
fn the_first_example_prints_42() {
    if !has_sandboxes() || !has_program("python3") {
        return;
    }
    let done = run(&["--", "python3", "-c", "print(6*7)"]);
    assert_eq!((done.code, done.stdout.as_str(), done.stderr.as_str()), (Some(0), "42\n", ""));
}

#[test]
fn exit_codes_are_the_commands_own_or_say_why_there_is_none() {
    if !has_sandboxes() {
        return;
    }
    let cases: [(&[&str], i32, &str); 14] = [
        (&["true"], 0, ""),
        (&["--", "true"], 0, ""),
        (&["false"], 1, ""),
        (&["sh", "-c", "exit 42"], 42, ""),
        (&["sh", "-c", "exit 255"], 255, ""),
        (&["sh", "-c", "kill -KILL $$"], 137, "belljar: killed by SIGKILL\n"),
        (&["sh", "-c", "kill -SEGV $$"], 139, "belljar: killed by SIGSEGV (invalid memory access)\n"),
        (&["sh", "-c", "kill -INT $$"], 130, ""),
        (&["no-such-program"], 127, "belljar: error: 'no-such-program' was not found in the sandbox\n"),
        (&["/no/such/program"], 127, "belljar: error: '/no/such/program' was not found in the sandbox\n"),
        (&["/usr"], 126, "belljar: error: '/usr' cannot be executed: Permission denied (os error 13)\n"),
        (&["/etc/passwd"], 126, "belljar: error: '/etc/passwd' cannot be executed: Permission denied (os error 13)\n"),
        (&["--workdir", "/no/such/place", "true"], 125, "belljar: error: the working directory cannot be entered"),
        (&["--wall-time", "soon", "true"], 2, "error: invalid value 'soon'"),
    ];
    for (arguments, code, stderr) in cases {
        let done = run(arguments);
        assert_eq!(done.code, Some(code), "{arguments:?} {done:?}");
        assert!(
            done.stderr.starts_with(stderr) && stderr.is_empty() == done.stderr.is_empty(),
            "{arguments:?} {done:?}"
        );
        assert_eq!(done.stdout, "", "{arguments:?}");
    }
}

#[test]
fn options_after_the_program_are_the_programs() {
    if !has_sandboxes() {
        return;
    }
    let done = run(&["echo", "--wall-time", "-x", "--", "--json"]);
    assert_eq!((done.code, done.stdout.as_str()), (Some(0), "--wall-time -x -- --json\n"));
}

#[test]
fn both_streams_come_out_where_they_belong() {
    if !has_sandboxes() {
        return;
    }
    let done = run(&["sh", "-c", "echo out; echo err >&2"]);
    assert_eq!((done.stdout.as_str(), done.stderr.as_str()), ("out\n", "err\n"));
}

#[test]
fn output_comes_while_the_command_runs() {
    if !has_sandboxes() {
        return;
    }
    let script = "echo first; read line; echo $line";
    let mut child = belljar()
        .args(["run", "--", "sh", "-c", script])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .map(Guard)
        .expect("the binary starts");
    let mut stdout = child.0.stdout.take().expect("it is piped");
    let mut first = [0; 6];
    stdout.read_exact(&mut first).expect("it comes before the input does");
    assert_eq!(&first, b"first\n");
    std::io::Write::write_all(&mut child.0.stdin.take().expect("it is piped"), b"second\n").expect("written");
    let mut rest = String::new();
    stdout.read_to_string(&mut rest).expect("text");
    assert_eq!(rest, "second\n");
}

#[test]
fn standard_input_is_the_callers_or_a_file() {
    if !has_sandboxes() {
        return;
    }
    let place = tempfile::tempdir().expect("a directory");
    fs::write(place.path().join("in.txt"), "from a file\n").expect("written");
    let cases: [(&[&str], i32, &str); 4] = [
        (&["run", "cat"], 0, "from the caller\n"),
        (&["run", "--stdin", "-", "cat"], 0, "from the caller\n"),
        (&["run", "--stdin", "in.txt", "cat"], 0, "from a file\n"),
        (&["run", "--stdin", "not-there", "cat"], 2, ""),
    ];
    for (arguments, code, stdout) in cases {
        let done = call_in(place.path(), arguments, "from the caller\n");
        assert_eq!((done.code, done.stdout.as_str()), (Some(code), stdout), "{arguments:?} {done:?}");
    }
}

#[test]
fn standard_input_is_bytes_and_never_the_callers_file() {
    if !has_sandboxes() {
        return;
    }
    let place = tempfile::tempdir().expect("a directory");
    let path = place.path().join("in.txt");
    fs::write(&path, "x").expect("written");
    // With a descriptor of the file a program could change its mode and its times, which no view of the host prevents.
    let show = "readlink /proc/self/fd/0; cat; chmod 777 /proc/self/fd/0";
    let redirected = belljar()
        .args(["run", "sh", "-c", show])
        .stdin(fs::File::open(&path).expect("it is there"))
        .output()
        .map(Done::from)
        .expect("it starts");
    let named = call_in(place.path(), ["run", "--stdin", "in.txt", "sh", "-c", show], "");
    for done in [redirected, named] {
        assert!(done.stdout.starts_with("pipe:") && done.stdout.ends_with("]\nx"), "{done:?}");
    }
    // With a directory's it could reach the sockets of the host.
    let directory = fs::File::open("/").expect("it is there");
    let refused = belljar().args(["run", "true"]).stdin(directory).output().map(Done::from).expect("it starts");
    assert_eq!((refused.code, refused.stdout.as_str()), (Some(1), ""), "{refused:?}");
    assert_eq!(call_in(place.path(), ["run", "--stdin", "/", "true"], "").code, Some(2));
}

#[test]
fn the_environment_is_not_the_callers() {
    if !has_sandboxes() {
        return;
    }
    let variables = |arguments: &[&str]| {
        let output = belljar()
            .env("SECRET", "token")
            .env("EDITOR", "ed")
            .args(["run"])
            .args(arguments)
            .arg("env")
            .output()
            .expect("the binary starts");
        String::from_utf8(output.stdout).expect("text")
    };
    assert!(!variables(&[]).contains("SECRET"));
    let set = variables(&["-e", "A=1 2", "-e", "EDITOR", "--env", "NOT_THERE", "-e", "LANG=x"]);
    for line in ["A=1 2", "EDITOR=ed", "LANG=x"] {
        assert!(set.lines().any(|other| other == line), "{line} in {set}");
    }
    assert!(!set.contains("NOT_THERE") && !set.contains("LANG=C.UTF-8"));
}

#[test]
fn json_is_the_whole_outcome_and_all_there_is_on_standard_output() {
    if !has_sandboxes() {
        return;
    }
    let place = tempfile::tempdir().expect("a directory");
    let script = "tr a-z A-Z; echo err >&2; exit 3";
    let done = call_in(place.path(), ["run", "--json", "--", "sh", "-c", script], "hello");
    let outcome: Value = serde_json::from_str(&done.stdout).expect("JSON");
    assert_eq!(done.code, Some(3));
    assert_eq!(outcome["end"], serde_json::json!({ "how": "exited", "code": 3 }));
    assert_eq!((outcome["stdout"].as_str(), outcome["stderr"].as_str()), (Some("HELLO"), Some("err\n")));
    assert_eq!(outcome["output_truncated"], false);
    assert!(outcome["usage"]["wall_time_s"].as_f64().is_some_and(|time| time > 0.0), "{outcome}");
    let states = outcome["layers"].as_array().expect("a list");
    assert!(states.iter().any(|layer| layer["layer"] == "seccomp" && layer["state"] == "enforced"), "{outcome}");

    let done = call_in(place.path(), ["run", "--json", "no-such-program"], "");
    let outcome: Value = serde_json::from_str(&done.stdout).expect("JSON");
    assert_eq!((done.code, outcome["end"]["how"].as_str()), (Some(127), Some("setup_failed")));

    // Nor is there a sandbox to tell from, with more than can be shown.
    let files: Vec<String> = (0..200).map(|number| format!("file{number}")).collect();
    let mut arguments = vec!["run", "--json"];
    for file in &files {
        fs::write(place.path().join(file), "").expect("written");
        arguments.extend(["--dir", file.as_str()]);
    }
    let done = call_in(place.path(), arguments.into_iter().chain(["true"]), "");
    let outcome: Value = serde_json::from_str(&done.stdout).expect("JSON");
    assert_eq!((done.code, outcome["end"]["how"].as_str()), (Some(125), Some("setup_failed")), "{done:?}");
}

#[test]
fn users_are_what_is_asked_for() {
    if !has_sandboxes() {
        return;
    }
    for (user, expected) in [("root", "0:0"), ("1234", "1234:1234"), ("1234:5", "1234:5")] {
        let done = run(&["--user", user, "sh", "-c", "echo $(id -u):$(id -g)"]);
        assert_eq!(done.stdout.trim_end(), expected, "{done:?}");
    }
    assert_eq!(run(&["id", "-u"]).stdout, "1000\n");
}

#[test]
fn the_network_is_there_only_when_asked_for() {
    if !has_sandboxes() || !has_program("python3") {
        return;
    }
    let listener = TcpListener::bind("127.0.0.1:0").expect("bound");
    let port = listener.local_addr().expect("an address").port().to_string();
    let program = "import socket, sys; socket.create_connection(('127.0.0.1', int(sys.argv[1])), 5)";
    let without = run(&["python3", "-c", program, &port]);
    assert_eq!(without.code, Some(1), "{without:?}");
    assert!(without.stderr.contains("ConnectionRefusedError"), "{without:?}");
    let with = run(&["--net", "host", "python3", "-c", program, &port]);
    assert_eq!(with.code, Some(0), "{with:?}");
}

#[test]
fn a_broken_pipe_is_success() {
    if !has_sandboxes() {
        return;
    }
    let mut child = belljar()
        .args(["run", "--", "yes"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map(Guard)
        .expect("the binary starts");
    let mut stdout = child.0.stdout.take().expect("it is piped");
    stdout.read_exact(&mut [0; 2]).expect("output");
    drop(stdout);
    let began = Instant::now();
    let mut status = None;
    wait_for("the end of a command that nobody listens to", || {
        status = child.0.try_wait().expect("it can be waited for");
        status.is_some()
    });
    assert!(began.elapsed() < Duration::from_secs(5), "long before its wall time");
    let mut stderr = String::new();
    child.0.stderr.take().expect("it is piped").read_to_string(&mut stderr).expect("text");
    assert_eq!((status.and_then(|status| status.code()), stderr.as_str()), (Some(0), ""));
}

#[test]
fn a_root_directory_of_its_own() {
    if !has_sandboxes() || !has_program("ldd") {
        return;
    }
    let place = tempfile::tempdir().expect("a directory");
    let root = place.path().join("root");
    for file in ["/bin/sh".to_owned()].into_iter().chain(libraries_of("/bin/sh")) {
        let target = root.join(file.trim_start_matches('/'));
        fs::create_dir_all(target.parent().expect("a file is in a directory")).expect("created");
        fs::copy(&file, target).expect("copied");
    }
    fs::create_dir(root.join("data")).expect("created");
    fs::write(root.join("data/greeting"), "hello\n").expect("written");
    let rootfs = format!("dir:{}", root.display());
    let script = "read line < /data/greeting; echo $line; test -e /usr/bin/env || echo nothing else";
    let done = run(&["--rootfs", &rootfs, "sh", "-c", script]);
    assert_eq!((done.code, done.stdout.as_str()), (Some(0), "hello\nnothing else\n"), "{done:?}");
    assert!(run(&["--rootfs", &rootfs, "env"]).stderr.contains("'env' was not found in the sandbox"));
}

/// The files that a program loads at its start.
fn libraries_of(program: &str) -> Vec<String> {
    let output = std::process::Command::new("ldd").arg(program).output().expect("ldd runs");
    let text = String::from_utf8(output.stdout).expect("text");
    text.split_whitespace().filter(|word| word.starts_with('/')).map(str::to_owned).collect()
}
