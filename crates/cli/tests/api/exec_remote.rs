//! `belljar exec-remote` against the real server.

use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use serde_json::Value;

use crate::archive::{contents, files};
use crate::server::{Server, belljar, shared};

/// A directory without configuration, from which the program is called.
fn place() -> tempfile::TempDir {
    tempfile::tempdir().expect("a directory")
}

fn command(place: &Path) -> Command {
    let mut command = belljar();
    command.arg("exec-remote").current_dir(place).env("HOME", place).env_remove("XDG_CONFIG_HOME");
    command
}

/// What a call wrote and ended with.
#[derive(Debug)]
struct Done {
    code: Option<i32>,
    stdout: String,
    stderr: String,
}

impl From<Output> for Done {
    fn from(output: Output) -> Self {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Self { code: output.status.code(), stdout: text(&output.stdout), stderr: text(&output.stderr) }
    }
}

fn call(place: &Path, arguments: &[&str]) -> Done {
    command(place).args(arguments).output().expect("it starts").into()
}

/// `exec-remote WHAT --to SERVER ...`.
fn ask(server: &Server, place: &Path, what: &str, arguments: &[&str]) -> Done {
    let address = format!("http://{}", server.address());
    call(place, &[&[what, "--to", &address], arguments].concat())
}

#[test]
fn a_program_runs_there_as_it_would_here() {
    let Some(server) = shared() else { return };
    let place = place();
    for (arguments, code, stdout, stderr) in [
        (&["--", "printf", "%s|", "a b", "it's", "$HOME", ""][..], 0, "a b|it's|$HOME||\n", ""),
        (&["--", "bash", "-c", "echo out; echo err >&2; exit 42"], 42, "out\n", "err\n"),
        (&["-c", "echo 1 > f", "-c", "-false", "--", "cat", "f"], 0, "1\n", ""),
        (&["-c", "false", "--", "echo", "never"], 1, "", ""),
        (&["-e", "A=b c", "-e", "GIVEN", "-e", "MISSING", "-c", "echo \"$A-$GIVEN-$MISSING\""], 0, "b c-given-\n", ""),
        (&["-c", "kill -9 $$"], 137, "", ""),
        (
            &["--wall-time", "200ms", "--", "sleep", "9"],
            240,
            "",
            "Command timed out after 0.2 seconds\nbelljar: killed: 'sleep 9' was out of time (--wall-time, or the server's limit)\n",
        ),
        (
            &["-c", r"printf '\377'"],
            125,
            "",
            "An unknown error occurred on the sandbox\nbelljar: error: 'printf '\\377'' could not be executed, or what it wrote is no UTF-8\n",
        ),
        (&["--result", "r", "-c", "echo out; echo result > r"], 0, "out\nresult\n", ""),
        (
            &["--result", "r", "--", "true"],
            1,
            "",
            "belljar: error: there is no file where --result should be, or it is too large\n",
        ),
        (
            &["--result", "r", "-c", "exit 7"],
            7,
            "",
            "belljar: error: there is no file where --result should be, or it is too large\n",
        ),
    ] {
        let address = format!("http://{}", server.address());
        let mut command = command(place.path());
        let done: Done =
            command.env("GIVEN", "given").args(["run", "--to", &address]).args(arguments).output().unwrap().into();
        assert_eq!(
            (done.code, done.stdout.as_str(), done.stderr.as_str()),
            (Some(code), stdout, stderr),
            "{arguments:?}"
        );
    }
}

#[test]
fn a_directory_goes_there_and_comes_back() {
    let Some(server) = shared() else { return };
    let place = place();
    let work = place.path().join("work");
    fs::create_dir_all(work.join("sub/empty")).unwrap();
    fs::write(work.join("in.txt"), "one two\n").unwrap();
    fs::write(work.join("sub/é.txt"), "deep").unwrap();
    std::os::unix::fs::symlink("in.txt", work.join("link")).unwrap();
    let done =
        ask(&server, place.path(), "run", &["--dir", "work", "--save", "--json", "-c", "wc -w < link > out.txt"]);
    assert_eq!(done.code, Some(0), "{done:?}");
    let outcome: Value = serde_json::from_str(&done.stdout).unwrap();
    assert_eq!((outcome["outcome"].as_str(), outcome["status"].as_i64()), (Some("success"), Some(0)));
    let id = outcome["environment"].as_str().expect("saved");

    let told = ask(&server, place.path(), "check", &[id]);
    let length: usize = told.stdout.trim().parse().unwrap_or_else(|_| panic!("{told:?}"));
    let done = ask(&server, place.path(), "download", &[id, "--output", "back.tgz", "--json"]);
    assert_eq!(
        (done.code, done.stdout.trim()),
        (Some(0), format!(r#"{{"bytes":{length},"file":"back.tgz"}}"#).as_str())
    );
    let back = contents(&fs::read(place.path().join("back.tgz")).unwrap());
    let names: Vec<&str> = back.keys().map(|name| name.trim_end_matches('/')).collect();
    assert_eq!(names, ["in.txt", "link", "out.txt", "sub", "sub/empty", "sub/é.txt"]);
    let done = ask(&server, place.path(), "download", &[id, "sub/é.txt"]);
    assert_eq!((done.code, done.stdout.as_str()), (Some(0), "deep"));
    assert_eq!(ask(&server, place.path(), "check", &[id, "out.txt"]).stdout, "2\n");
    let absent = ask(&server, place.path(), "check", &[id, "none", "--json"]);
    assert_eq!((absent.code, absent.stdout.as_str()), (Some(1), "{\"bytes\":null,\"present\":false}\n"));

    // From the saved environment, with an archive over it.
    fs::write(place.path().join("over.tgz"), files(&[("in.txt", "three\n")])).unwrap();
    let done = ask(
        &server,
        place.path(),
        "run",
        &["--environment", id, "--archive", "over.tgz", "--", "cat", "in.txt", "out.txt"],
    );
    assert_eq!((done.code, done.stdout.as_str()), (Some(0), "three\n2\n"), "{done:?}");
    let address = format!("http://{}", server.address());
    let mut child = command(place.path())
        .args([
            "run",
            "--to",
            &address,
            "--archive",
            "-",
            "--result",
            "in.txt",
            "--result-to",
            "result",
            "--save",
            "--",
            "true",
        ])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(&files(&[("in.txt", "piped\n")])).unwrap();
    let done: Done = child.wait_with_output().unwrap().into();
    assert_eq!((done.code, done.stdout.as_str()), (Some(0), ""), "{done:?}");
    assert!(done.stderr.starts_with("belljar: saved as ") && done.stderr.contains(", kept until 20"), "{done:?}");
    assert_eq!(fs::read_to_string(place.path().join("result")).unwrap(), "piped\n");
}

#[test]
fn facts_are_shown() {
    let Some(server) = shared() else { return };
    let place = place();
    for (what, line) in [("specifications", "protocol"), ("usage", "sandboxes in use"), ("libraries", "program")] {
        let shown = ask(&server, place.path(), what, &[]);
        assert!(shown.code == Some(0) && shown.stdout.contains(line), "{shown:?}");
        let json = ask(&server, place.path(), what, &["--json"]);
        assert!(serde_json::from_str::<Value>(&json.stdout).is_ok_and(|json| json.is_object()), "{json:?}");
    }
}

#[test]
fn a_server_has_a_name() {
    let Some(server) = shared() else { return };
    let place = place();
    let directory = place.path().join(".config/belljar");
    fs::create_dir_all(&directory).unwrap();
    let text = format!(
        "[sandbox.lab]\nvendor = 'premierlangage'\naddress = 'http://{}'\n[sandbox.other]\nvendor = 'cuckoo'\naddress = 'http://127.0.0.1:1'\n",
        server.address()
    );
    fs::write(directory.join("belljar.toml"), text).unwrap();
    for to in [&["--to", "lab"][..], &[]] {
        let done = call(place.path(), &[&["run"], to, &["--", "echo", "here"]].concat());
        assert_eq!((done.code, done.stdout.as_str()), (Some(0), "here\n"), "{done:?}");
    }
    for (to, words) in [("lap", "did you mean 'lab'"), ("other", "executes nothing for others")] {
        let done = call(place.path(), &["run", "--to", to, "--", "true"]);
        assert_eq!(done.code, Some(2), "{done:?}");
        assert!(done.stderr.contains(words), "{done:?}");
    }
}

/// What is wrong is said before anything is sent, with what would be right.
#[test]
fn wrong_calls_say_what_to_do() {
    let place = place();
    fs::write(place.path().join("plain.tar"), "no gzip").unwrap();
    let to = "http://127.0.0.1:1";
    for (arguments, code, problem, advice) in [
        (&["run", "--", "true"][..], 2, "which server?", "--to http://127.0.0.1:7000"),
        (
            &["run", "--to", "localhost:7000", "--", "true"],
            2,
            "neither an address nor the name",
            "--to http://localhost:7000",
        ),
        (&["run", "--to", "ftp://x", "--", "true"], 2, "begins with ftp://", "--to http://127.0.0.1:7000"),
        (&["run", "--to", to], 2, "required", "PROGRAM"),
        (&["run", "--to", to, "--archive", "plain.tar", "--", "true"], 2, "no gzip-compressed tar", "tar -czf"),
        (&["run", "--to", to, "--archive", ".", "--", "true"], 2, "not a file", "--dir"),
        (&["run", "--to", to, "--dir", "plain.tar", "--", "true"], 2, "not a directory", "--archive"),
        (&["run", "--to", to, "--dir", "/", "--", "true"], 2, "the whole file system", "name a directory below it"),
        (&["run", "--to", to, "--dir", "nowhere", "--", "true"], 2, "--dir nowhere", "No such file"),
        (&["run", "--to", to, "--environment", "mine", "--", "true"], 2, "no id of an environment", "--save"),
        (&["run", "--to", to, "--key", "env:NONE_OF_THIS", "--", "true"], 2, "--key", "NONE_OF_THIS"),
        (&["run", "--to", to, "--key", "secret", "--", "true"], 2, "--key", "env:VARIABLE"),
        (&["download", "--to", to, "39a843f6-0f46-4f90-b2af-b7724106f954", "../x"], 2, "`..`", ".."),
        (&["run", "--to", to, "--", "true"], 125, "no connection", "belljar serve"),
        (&["check", "--to", to, "x"], 125, "no connection", "belljar serve"),
    ] {
        let done = call(place.path(), arguments);
        assert_eq!(done.code, Some(code), "{arguments:?}: {done:?}");
        assert!(done.stderr.contains(problem) && done.stderr.contains(advice), "{arguments:?}: {done:?}");
        assert_eq!(done.stdout, "", "{arguments:?}");
    }
}

#[test]
fn refusals_say_what_to_do() {
    let Some(server) = shared() else { return };
    let place = place();
    let unknown = "39a843f6-0f46-4f90-b2af-b7724106f954";
    let done = ask(&server, place.path(), "run", &["--environment", unknown, "--", "true"]);
    assert_eq!(done.code, Some(125), "{done:?}");
    assert!(
        done.stderr.contains("No environment with UUID") && done.stderr.contains("environments expire"),
        "{done:?}"
    );
    fs::write(place.path().join("kept"), "as it was").unwrap();
    let done = ask(&server, place.path(), "download", &[unknown, "--output", "kept"]);
    assert_eq!(done.code, Some(125), "{done:?}");
    assert_eq!(fs::read_to_string(place.path().join("kept")).unwrap(), "as it was");
    assert_eq!(fs::read_dir(place.path()).unwrap().count(), 1, "nothing half done is left");
    let address = format!("http://{}/elsewhere", server.address());
    let done = call(place.path(), &["specifications", "--to", &address]);
    assert!(done.code == Some(125) && done.stderr.contains("is that the address"), "{done:?}");
}
