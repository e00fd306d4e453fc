//! Commands that ask sandboxes of others: submit, status, report, verdict, artifacts, delete, sandboxes.

mod stand_in;

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::Stdio;

use serde_json::Value;
use tempfile::TempDir;

use self::stand_in::{Manner, StandIn};
use crate::support::{Done, Guard, belljar, wait_for};

/// A directory with a configuration of these sandboxes.
struct Site(TempDir);

impl Site {
    fn new(tables: &[String]) -> Self {
        let place = tempfile::tempdir().expect("a directory");
        fs::write(place.path().join("belljar.toml"), tables.join("\n")).expect("written");
        fs::set_permissions(place.path().join("belljar.toml"), fs::Permissions::from_mode(0o600)).expect("set");
        Self(place)
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn file(&self, name: &str, contents: &str) {
        let path = self.path().join(name);
        fs::create_dir_all(path.parent().expect("a directory")).expect("made");
        fs::write(path, contents).expect("written");
    }

    fn command(&self) -> std::process::Command {
        let mut command = belljar();
        command.current_dir(self.path()).env("HOME", self.path()).env_remove("XDG_CONFIG_HOME");
        command.env("BELLJAR_CONFIG", self.path().join("belljar.toml"));
        command
    }

    fn call(&self, arguments: &[&str]) -> Done {
        self.command().args(arguments).output().expect("the binary starts").into()
    }
}

fn lines(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("no JSON: {line}"))).collect()
}

#[test]
fn two_sandboxes_have_one_verdict() {
    let (bad, good) = (StandIn::start(Manner::Score(8.0)), StandIn::start(Manner::Score(1.0)));
    let site = Site::new(&[bad.table("lab"), good.table("second")]);
    site.file("sample.exe", "MZ");
    let done = site.call(&["submit", "sample.exe", "--to", "lab,second", "--wait"]);
    assert_eq!(done.code, Some(0), "{done:?}");
    let first = done.stdout.lines().next().expect("a line");
    assert_eq!(first, "sample.exe: malicious, 80 of 100: malicious say 1 of 2 (lab)");
    assert!(done.stdout.contains("lab") && done.stdout.contains("second"), "{done:?}");
    // Nothing of a server's steers the terminal; progress is told in lines where there is none.
    assert!(!done.stdout.contains('\u{1b}') && !done.stderr.contains('\u{1b}'), "{done:?}");
    assert!(done.stderr.contains("belljar: lab: sample.exe: submitted as 1\n"), "{done:?}");
    // The hash first, then the file under its own name.
    let asked = bad.lines();
    assert!(asked[0].starts_with("GET /files/view/sha256/"), "{asked:?}");
    assert_eq!(&asked[1..], ["POST /tasks/create/file", "GET /tasks/view/1", "GET /tasks/report/1/json"]);
    let body = String::from_utf8_lossy(&bad.bodies()[1]).into_owned();
    assert!(body.contains("filename=\"sample.exe\"") && body.contains("\r\n\r\nMZ\r\n"), "{body}");
}

#[test]
fn json_says_all_for_programs() {
    let (bad, locked) = (StandIn::start(Manner::Score(8.0)), StandIn::start(Manner::Locked));
    let site = Site::new(&[bad.table("lab"), locked.table("locked")]);
    for (name, contents) in [("in/a.exe", "MZ a"), ("in/b/copy.exe", "MZ a"), ("in/c.exe", "MZ c")] {
        site.file(name, contents);
    }
    symlink("/etc/passwd", site.path().join("in/link")).expect("made");
    symlink("/etc", site.path().join("in/directory")).expect("made");
    let done = site.call(&["submit", "in", "http://sample.test/", "--to", "all", "--wait", "--json"]);
    assert_eq!(done.code, Some(4), "one of two does not answer: {done:?}");
    assert!(done.stderr.contains("in/link is left out: a link"), "{done:?}");
    let mut all = lines(&done.stdout);
    all.sort_by_key(|line| line["sample"].to_string());
    let samples: Vec<&str> = all.iter().filter_map(|line| line["sample"].as_str()).collect();
    assert_eq!(samples, ["http://sample.test/", "in/a.exe", "in/c.exe"]);
    assert_eq!(all[1]["same"], serde_json::json!(["in/b/copy.exe"]));
    assert_eq!((&all[1]["verdict"], &all[1]["score"]), (&"malicious".into(), &80.into()));
    assert_eq!(all[1]["sha256"].as_str().map(str::len), Some(64));
    let (lab, locked) = (&all[1]["sandboxes"][0], &all[1]["sandboxes"][1]);
    assert_eq!((&lab["way"], &lab["error"]), (&"submitted".into(), &Value::Null));
    assert_eq!(lab["verdict"]["raw"]["value"], 8.0);
    let error = &locked["error"];
    assert_eq!((&error["kind"], &error["retryable"]), (&"unauthenticated".into(), &false.into()));
    assert_eq!(bad.submissions(), 3, "equal files are submitted once");

    // The submission as it was printed is what the others take.
    let id = lab["submission"].to_string();
    let report = site.call(&["report", "lab", &id, "--json"]);
    let report: Value = serde_json::from_str(&report.stdout).expect("JSON");
    assert_eq!(report["findings"][0]["severity"], 100);
}

#[test]
fn exit_codes_are_as_documented() {
    let server = StandIn::start(Manner::Score(5.0));
    let gone = "[sandbox.gone]\nvendor = 'cuckoo'\naddress = 'http://127.0.0.1:1'\ntries = 1\n".to_owned();
    let site = Site::new(&[server.table("lab"), gone]);
    site.file("a.exe", "MZ");
    let submit = ["submit", "a.exe", "--force", "--timeout", "3s", "--to"];
    let cases: [(Manner, &[&str], i32); 17] = [
        (Manner::Score(5.0), &["lab"], 0),
        (Manner::Score(5.0), &["lab", "--wait"], 0),
        (Manner::Score(5.0), &["lab", "--fail-on", "suspicious"], 3),
        (Manner::Score(5.0), &["lab", "--fail-on", "malicious"], 0),
        (Manner::Score(1.0), &["lab", "--fail-on", "suspicious"], 0),
        (Manner::Score(1.0), &["lab", "--fail-on", "unknown"], 3),
        (Manner::Score(5.0), &["lab,gone", "--wait"], 4),
        (Manner::Score(5.0), &["lab,gone", "--fail-on", "suspicious"], 3),
        (Manner::Failing, &["lab", "--wait"], 1),
        (Manner::Endless, &["lab", "--wait"], 1),
        (Manner::Locked, &["lab"], 1),
        (Manner::Silent, &["lab"], 1),
        (Manner::Score(5.0), &["gone"], 1),
        (Manner::Score(5.0), &["lba"], 2),
        (Manner::Score(5.0), &["lab", "--fail-on", "bad"], 2),
        (Manner::Score(5.0), &["lab", "nowhere.exe"], 2),
        (Manner::Score(5.0), &["lab", "/dev/zero"], 2),
    ];
    for (manner, arguments, code) in cases {
        server.behave(manner);
        let done = site.call(&[&submit[..], arguments].concat());
        assert_eq!(done.code, Some(code), "{manner:?} {arguments:?}: {done:?}");
    }
    for (manner, arguments, code, stdout) in [
        (Manner::Score(5.0), &["status", "lab", "1"][..], 0, "finished\n"),
        (Manner::Endless, &["status", "lab", "1"], 5, "running\n"),
        (
            Manner::Endless,
            &["status", "lab", "1", "--wait", "--timeout", "1s", "--json"],
            5,
            "{\"status\":\"running\",\"why\":null}\n",
        ),
        (Manner::Failing, &["status", "lab", "1"], 1, "failed: failed_analysis: no machine\n"),
        (Manner::Locked, &["status", "lab", "1"], 1, ""),
        (Manner::Score(5.0), &["verdict", "lab", "1"], 0, "suspicious, 50 of 100\n"),
        (Manner::Score(5.0), &["verdict", "lab", "1", "--fail-on", "suspicious"], 3, "suspicious, 50 of 100\n"),
        (Manner::Failing, &["verdict", "lab", "1", "--wait"], 1, ""),
        (Manner::Score(5.0), &["report", "lab", "1", "--raw"], 0, "{\"info\": {\"score\": 5}, "),
        (Manner::Score(5.0), &["delete", "lab", "1"], 0, ""),
        (Manner::Locked, &["delete", "lab", "1"], 1, ""),
        (Manner::Score(5.0), &["artifacts", "lab", "1", "pdf"], 2, ""),
        (Manner::Score(5.0), &["artifacts", "lab", "1", "everything"], 2, ""),
        (Manner::Score(5.0), &["sandboxes", "test", "lab"], 0, " NAME  VENDOR"),
        (Manner::Score(5.0), &["sandboxes", "test"], 1, " NAME  VENDOR"),
    ] {
        server.behave(manner);
        let done = site.call(arguments);
        assert_eq!(done.code, Some(code), "{manner:?} {arguments:?}: {done:?}");
        assert!(done.stdout.starts_with(stdout), "{manner:?} {arguments:?}: {done:?}");
        assert!(!done.stdout.contains('\u{1b}') || arguments.contains(&"--raw"), "{done:?}");
        assert!(!done.stderr.contains('\u{1b}'), "{done:?}");
    }
}

#[test]
fn samples_do_not_leave_by_accident() {
    let cloud = "[sandbox.cloud]\nvendor = 'cuckoo'\naddress = 'https://cuckoo.cert.ee'\nproxy = 'http://127.0.0.1:1'\ntries = 1\n";
    let site = Site::new(&[cloud.to_owned()]);
    site.file("a.exe", "MZ");
    let refused = site.call(&["submit", "a.exe"]);
    assert_eq!(refused.code, Some(2), "{refused:?}");
    assert!(
        refused.stderr.contains("cuckoo.cert.ee, a cloud of its vendor") && refused.stderr.contains("--public"),
        "{refused:?}"
    );
    // Said so, it is tried; what stands between here and there takes nothing.
    let agreed = site.call(&["submit", "a.exe", "--public", "--timeout", "10s"]);
    assert_eq!(agreed.code, Some(1), "{agreed:?}");
    assert!(agreed.stderr.contains("no connection"), "{agreed:?}");
}

#[test]
fn bounds_of_directories_are_kept_to() {
    let server = StandIn::start(Manner::Score(1.0));
    let site = Site::new(&[server.table("lab")]);
    for number in 0..5 {
        site.file(&format!("in/{number}.exe"), &format!("MZ {number}"));
    }
    site.file("in/large.bin", &"x".repeat(3000));
    let many = site.call(&["submit", "in", "--max-files", "4"]);
    assert_eq!(many.code, Some(2), "{many:?}");
    assert!(many.stderr.contains("--max-files"), "{many:?}");
    assert_eq!(server.submissions(), 0, "nothing is sent before all is known");
    let done = site.call(&["submit", "in", "--max-size", "2K"]);
    assert_eq!((done.code, server.submissions()), (Some(0), 5), "{done:?}");
    assert!(done.stderr.contains("in/large.bin is left out: larger than --max-size"), "{done:?}");
    assert_eq!(site.call(&["submit", "in/large.bin", "--max-size", "2K"]).code, Some(2));
    fs::create_dir(site.path().join("empty")).expect("made");
    assert_eq!(site.call(&["submit", "empty"]).code, Some(2));
}

/// Killed in the middle, and called again: nothing is submitted twice, and what has a verdict is not asked about.
#[test]
fn a_batch_that_was_killed_goes_on() {
    let server = StandIn::start(Manner::Endless);
    let site = Site::new(&[server.table("lab")]);
    for number in 0..6 {
        site.file(&format!("in/{number}.exe"), &format!("MZ {number}"));
    }
    let arguments = ["submit", "in", "--wait", "--json", "--resume", "journal", "--at-once", "3"];
    let child = site.command().args(arguments).stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("it starts");
    let mut child = Guard(child);
    let journal = || fs::read_to_string(site.path().join("journal")).unwrap_or_default();
    wait_for("three submissions in the journal", || journal().matches("\"submitted\"").count() == 3);
    let in_use = site.call(&arguments);
    assert_eq!(in_use.code, Some(2), "{in_use:?}");
    assert!(in_use.stderr.contains("used by another process"), "{in_use:?}");
    child.0.kill().expect("killed");
    child.0.wait().expect("reaped");
    assert_eq!(server.submissions(), 3);

    // As if it had been killed in the middle of a line.
    fs::write(site.path().join("journal"), journal() + "{\"sample\":\"sha2").expect("written");
    server.behave(Manner::Score(5.0));
    let done = site.call(&arguments);
    assert_eq!(done.code, Some(0), "{done:?}");
    let all = lines(&done.stdout);
    let ways = |way: &str| all.iter().filter(|line| line["sandboxes"][0]["way"] == way).count();
    assert_eq!((all.len(), ways("resumed"), ways("submitted")), (6, 3, 3), "{done:?}");
    assert_eq!(server.submissions(), 6);

    // Once more: all is known.
    let before = server.lines().len();
    let done = site.call(&arguments);
    assert_eq!((done.code, lines(&done.stdout).len(), server.lines().len()), (Some(0), 6, before), "{done:?}");

    site.file("notes.txt", "mine");
    let other = site.call(&["submit", "in", "--resume", "notes.txt"]);
    assert_eq!(other.code, Some(2), "{other:?}");
    assert_eq!(fs::read_to_string(site.path().join("notes.txt")).expect("read"), "mine");
}

#[test]
fn artifacts_have_names_of_ours() {
    let server = StandIn::start(Manner::Score(5.0));
    let site = Site::new(&[server.table("lab")]);
    let kinds = site.call(&["artifacts", "lab", "1"]);
    assert!(kinds.stdout.lines().any(|line| line == "pcap"), "{kinds:?}");
    let get = ["artifacts", "lab", "../1", "pcap", "--directory", "out/deep"];
    let done = site.call(&get);
    assert_eq!(done.code, Some(0), "{done:?}");
    let file = site.path().join("out/deep/lab-___1-pcap.pcap");
    assert_eq!(fs::read_to_string(&file).expect("written"), "pcap bytes");
    fs::write(&file, "mine").expect("written");
    let again = site.call(&get);
    assert_eq!(again.code, Some(2), "{again:?}");
    assert_eq!(fs::read_to_string(&file).expect("read"), "mine");
    let over = site.call(&[&get[..], &["--overwrite", "--json"]].concat());
    let written: Value = serde_json::from_str(&over.stdout).expect("JSON");
    assert_eq!((&written[0]["kind"], &written[0]["bytes"]), (&"pcap".into(), &10.into()), "{over:?}");
    let large = site.call(&[&get[..], &["--overwrite", "--max-size", "5"]].concat());
    assert_eq!(large.code, Some(1), "{large:?}");
    assert_eq!(fs::read_to_string(&file).expect("read"), "pcap bytes", "a part of it is no file");
    let names: Vec<_> = fs::read_dir(site.path().join("out/deep")).expect("read").collect();
    assert_eq!(names.len(), 1, "nothing is left over");
}

#[test]
fn sandboxes_are_added_and_listed() {
    let place = tempfile::tempdir().expect("a directory");
    let site = Site(place);
    let call = |arguments: &[&str], input: &str| {
        let mut command = site.command();
        command.env_remove("BELLJAR_CONFIG").args(arguments);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("it starts");
        let _ = std::io::Write::write_all(&mut child.stdin.take().expect("piped"), input.as_bytes());
        Done::from(child.wait_with_output().expect("it ends"))
    };
    let added =
        call(&["sandboxes", "add", "lab", "cuckoo", "--address", "http://127.0.0.1:1", "--key", "stdin"], "hunter2\n");
    assert_eq!(added.code, Some(0), "{added:?}");
    let directory = site.path().join(".config/belljar");
    for (file, contents) in [("lab.key", "hunter2"), ("belljar.toml", "[sandbox.lab]\nvendor = \"cuckoo\"\n")] {
        let path = directory.join(file);
        assert!(fs::read_to_string(&path).expect("there").starts_with(contents), "{file}");
        assert_eq!(fs::metadata(&path).expect("there").permissions().mode() & 0o777, 0o600, "{file}");
    }
    let before = fs::read_to_string(directory.join("belljar.toml")).expect("there");
    for wrong in [
        &["lab", "cuckoo", "--address", "http://x"][..],
        &["b", "cuckou", "--address", "http://x"],
        &["b", "cuckoo"],
        &["b", "cuckoo", "--address", "x y"],
        &["b]\n[c", "cuckoo", "--address", "http://x"],
        &["b", "cuckoo", "--address", "http://x", "-o", "key=hunter3"],
        &["b", "cuckoo", "--address", "http://x", "-o", "triess=3"],
        &["b", "cuckoo", "--address", "http://x", "--key", "hunter3"],
    ] {
        let refused = call(&[&["sandboxes", "add"], wrong].concat(), "");
        assert_eq!(refused.code, Some(2), "{wrong:?}: {refused:?}");
    }
    assert_eq!(fs::read_to_string(directory.join("belljar.toml")).expect("there"), before);
    let second = ["sandboxes", "add", "two", "cuckoo", "--address", "http://127.0.0.1:2", "-o", "per_minute=60"];
    assert_eq!(call(&second, "").code, Some(0));
    let listed = call(&["sandboxes", "list", "--json"], "");
    let listed: Value = serde_json::from_str(&listed.stdout).expect("JSON");
    assert_eq!((&listed[0]["name"], &listed[1]["settings"]["per_minute"]), (&"lab".into(), &60.into()), "{listed}");
    assert!(!listed.to_string().contains("hunter"), "{listed}");
    let vendors = call(&["sandboxes", "list", "--vendors"], "");
    assert!(vendors.stdout.contains("cuckoo"), "{vendors:?}");
}

#[test]
fn an_interrupted_call_says_so() {
    let server = StandIn::start(Manner::Endless);
    let site = Site::new(&[server.table("lab")]);
    site.file("a.exe", "MZ");
    let mut command = site.command();
    command.args(["submit", "a.exe", "--wait"]).stdout(Stdio::piped()).stderr(Stdio::piped());
    let child = command.spawn().expect("it starts");
    wait_for("a question for the status", || server.lines().iter().any(|line| line.contains("/tasks/view/")));
    let id = i32::try_from(child.id()).ok().and_then(rustix::process::Pid::from_raw).expect("a process");
    rustix::process::kill_process(id, rustix::process::Signal::INT).expect("it is there");
    let done = Done::from(child.wait_with_output().expect("it ends"));
    assert_eq!(done.code, Some(130), "{done:?}");
}
