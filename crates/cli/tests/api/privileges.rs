//! A server that root starts is nobody's once it serves: who is what, what becomes of the data directory, and what is refused.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader};
use std::net::TcpStream;
use std::os::unix::fs::{MetadataExt, PermissionsExt, lchown, symlink};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;

use rustix::process::Signal;
use serde_json::json;

use crate::archive::files;
use crate::form::config;
use crate::http::request;
use crate::server::{Server, USER, belljar, command, has_sandboxes, kill, lives, own, place, skip, wait_for};

/// Whether the tests are root; otherwise says why the test is skipped, or fails.
fn is_root() -> bool {
    let root = rustix::process::geteuid().is_root();
    if !root {
        skip("only root's server becomes somebody else");
    }
    root && has_sandboxes()
}

/// The fields of `/proc/<pid>/status`.
fn status(pid: u32) -> BTreeMap<String, String> {
    let text = fs::read_to_string(format!("/proc/{pid}/status")).expect("it lives");
    let fields = text.lines().filter_map(|line| line.split_once(':'));
    fields.map(|(name, value)| (name.to_owned(), value.split_whitespace().collect::<Vec<_>>().join(" "))).collect()
}

fn parent_of(pid: u32) -> Option<u32> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit_once(") ")?.1.split(' ').nth(1)?.parse().ok()
}

#[test]
fn each_process_has_what_it_needs() {
    if !is_root() {
        return;
    }
    let Some(server) = own(&["execute.pool_size=2"]) else { return };
    server.wait_until_idle();
    let (keeper, launcher) = (server.keeper().expect("there is one"), server.launcher().expect("there is one"));
    assert_eq!((parent_of(keeper), parent_of(launcher)), (Some(server.pid()), Some(keeper)));
    const NONE: &str = "0000000000000000";
    let user = USER.to_string();
    for (pid, id) in [(server.pid(), user.as_str()), (keeper, "0"), (launcher, "0")] {
        let status = status(pid);
        let ids = [id; 4].join(" ");
        for (field, expected) in [
            ("Uid", ids.as_str()),
            ("Gid", ids.as_str()),
            ("Groups", ""),
            ("CapInh", NONE),
            ("CapAmb", NONE),
            ("NoNewPrivs", "1"),
            ("Seccomp", "2"),
        ] {
            assert_eq!(status[field], expected, "{field} of {id}");
        }
        for set in ["CapPrm", "CapEff", "CapBnd"] {
            let bits = u64::from_str_radix(&status[set], 16).expect("a set");
            match id {
                "0" => assert!(bits.count_ones() <= if pid == keeper { 6 } else { 4 }, "{set}: {bits:x}"),
                _ => assert_eq!(bits, 0, "{set}"),
            }
        }
    }
    // Every thread, not only the first.
    for thread in fs::read_dir(format!("/proc/{}/task", server.pid())).expect("it lives") {
        let status = fs::read_to_string(thread.expect("an entry").path().join("status")).expect("it lives");
        for line in
            [format!("Uid:\t{USER}\t{USER}\t{USER}\t{USER}"), format!("CapPrm:\t{NONE}"), "Seccomp:\t2".to_owned()]
        {
            assert!(status.lines().any(|found| found == line), "{line} in {status}");
        }
    }
    for part in ["Privileges are separated.", "user 99700, group 99700, no capability", "setgid setuid sys_admin"] {
        assert!(server.log().contains(part), "{part}: {}", server.log());
    }
    assert_eq!(server.execute(&json!({"commands": ["id -u"]}))["execution"][0]["stdout"], "1000");
}

#[test]
fn what_root_used_goes_to_the_user_and_nothing_else() {
    if !is_root() {
        return;
    }
    let place = Arc::new(place());
    let mut first = Server::start_in(Arc::clone(&place), &["execute.pool_size=1", "server.user=root"]);
    assert_eq!(fs::metadata(first.data()).expect("it is there").uid(), 0);
    let saved = first.save(&files(&[("word", "kept\n")]));
    first.signal(Signal::TERM);
    assert!(first.wait().success());

    let data = first.data();
    let outside = place.path().join("outside");
    for path in [&outside, &data.join("notes"), &data.join("libraries/linked")] {
        fs::write(path, "").expect("written");
    }
    fs::hard_link(data.join("libraries/linked"), place.path().join("other-name")).expect("linked");
    fs::write(data.join("libraries/module.py"), "").expect("written");
    fs::write(data.join("libraries/theirs"), "").expect("written");
    lchown(data.join("libraries/theirs"), Some(4711), Some(4711)).expect("root may");
    symlink(&outside, data.join("libraries/link")).expect("linked");
    let settings = ["execute.pool_size=1"];
    for _ in 0..2 {
        let mut second = Server::start_in(Arc::clone(&place), &settings);
        assert_eq!(crate::archive::contents(&second.download(&saved)), crate::archive::expected(&[("word", "kept\n")]));
        second.save(&files(&[("word", "more\n")]));
        for (path, owner) in [
            ("", USER),
            ("lock", USER),
            ("belljar.sqlite", USER),
            ("blobs/00", USER),
            ("spool", USER),
            ("libraries", USER),
            ("libraries/module.py", USER),
            ("libraries/link", USER),
            ("libraries/linked", 0),
            ("libraries/theirs", 4711),
            ("notes", 0),
            ("../outside", 0),
        ] {
            assert_eq!(fs::symlink_metadata(data.join(path)).expect(path).uid(), owner, "{path}");
        }
        second.signal(Signal::TERM);
        assert!(second.wait().success(), "{}", second.log());
    }
    // It is that user's now.
    for other in ["root", "99701"] {
        let refused = refused(&data, other);
        assert!(refused.contains(&format!("belongs to user {USER}")), "{refused}");
    }
    // And once it is, root does not touch what is in there.
    fs::remove_dir_all(data.join("spool")).expect("removed");
    symlink(&outside, data.join("spool")).expect("linked");
    fs::remove_file(&outside).expect("removed");
    fs::create_dir(&outside).expect("made");
    fs::write(outside.join("kept"), "").expect("written");
    assert!(refused(&data, "99700").contains("spool"));
    assert!(outside.join("kept").exists());
}

/// What a server says that does not start.
#[track_caller]
fn refused(data: &Path, user: &str) -> String {
    let mut command = belljar();
    command.args(["serve", "--listen", "127.0.0.1:0", "--user", user, "--data-dir"]).arg(data);
    refused_of(command)
}

#[track_caller]
fn refused_of(mut command: Command) -> String {
    let mut process = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the binary starts");
    // One that starts all the same says so, and would serve for ever.
    let mut said = String::new();
    BufReader::new(process.stdout.take().expect("it is piped")).read_line(&mut said).expect("text");
    let _ = process.kill();
    let output = process.wait_with_output().expect("it ends");
    assert!(said.is_empty(), "{said}");
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn who_or_what_cannot_be_used_is_told() {
    if !is_root() {
        return;
    }
    let place = place();
    let at = |name: &str| place.path().join(name);
    for name in ["theirs", "target", "foreign", "closed", "closed/data"] {
        fs::create_dir(at(name)).expect("made");
    }
    lchown(at("theirs"), Some(4711), Some(4711)).expect("root may");
    fs::write(at("foreign/file"), "").expect("written");
    symlink(at("target"), at("link")).expect("linked");
    fs::set_permissions(at("closed"), fs::Permissions::from_mode(0o700)).expect("ours");
    for (data, user, reason) in [
        ("new", "nobody-of-this-name", "there is no user 'nobody-of-this-name' in /etc/passwd"),
        ("new", "0", "is root"),
        ("new", "root ", "there is no user 'root '"),
        ("new", "1879048192", "sandboxes are given"),
        ("theirs", "99700", "belongs to user 4711"),
        ("link", "99700", "is a symbolic link"),
        ("foreign", "99700", "no data directory of belljar"),
        ("closed/data", "99700", "within reach of user 99700"),
    ] {
        let said = refused(&at(data), user);
        assert!(said.contains(reason), "{data} {user:?}: {said}");
    }
    assert!(!at("new").exists());
    for (name, owner) in [("theirs", 4711), ("target", 0), ("foreign", 0), ("foreign/file", 0)] {
        assert_eq!(fs::metadata(at(name)).expect(name).uid(), owner, "{name}");
    }
}

#[test]
fn what_only_root_may_is_done_before() {
    if !is_root() {
        return;
    }
    let place = Arc::new(place());
    let keys = place.path().join("keys");
    fs::write(&keys, "a-key-of-enough-characters\n").expect("written");
    fs::set_permissions(&keys, fs::Permissions::from_mode(0o600)).expect("ours");
    // A port below 1024, on an address of this machine's that nobody else listens on.
    let listen = format!("127.{}.77.7:443", std::process::id() % 250 + 1);
    let keys = format!("server.api_keys_file={}", keys.display());
    let command = command(&place.path().join("data"), &listen, &["execute.pool_size=1", &keys]);
    let server = Server::started(command, place);
    assert_eq!(server.address().to_string(), listen);
    assert_eq!(server.get("/usages/").status, 401);
    let with_key = [("Authorization", "Bearer a-key-of-enough-characters")];
    assert_eq!(server.request("GET", "/usages/", &with_key, b"").status, 200);
}

#[test]
fn the_launcher_ends_what_the_server_may_not() {
    if !is_root() {
        return;
    }
    let Some(server) = own(&["execute.pool_size=1", "execute.sandbox.reuse=never"]) else { return };
    server.wait_until_idle();
    let launcher = server.launcher().expect("it runs");
    let init = server.processes().into_iter().find(|pid| parent_of(*pid) == Some(launcher)).expect("there is one");
    let mut caller = server.connect();
    let form = config(r#"{"commands": ["sleep 60"]}"#);
    caller.send(&request("POST", "/execute/", &[("Content-Type", &form.content_type)], &form.body));
    wait_for("it runs", || server.taken() == 1);
    // It hears nothing any more, not even that its socket closes.
    kill(init, Signal::STOP);
    drop(caller);
    wait_for("it is ended all the same", || !lives(init));
    wait_for("there is another", || server.ask(&json!({"commands": ["true"]})).status == 200);
}

#[test]
fn without_a_keeper_the_server_ends() {
    if !is_root() {
        return;
    }
    let Some(mut server) = own(&["execute.pool_size=1"]) else { return };
    server.wait_until_idle();
    let all = server.processes();
    kill(server.keeper().expect("it runs"), Signal::KILL);
    assert_eq!(server.wait().code(), Some(1));
    assert!(TcpStream::connect(server.address()).is_err());
    wait_for("nothing of it lives", || !all.iter().any(|pid| lives(*pid)));
    let again = Server::start_in(server.directory(), &["execute.pool_size=1"]);
    assert_eq!(again.execute(&json!({"commands": ["true"]}))["status"], 0);
}

#[test]
fn who_is_not_root_stays_who_they_are() {
    if !is_root() {
        return;
    }
    let ordinary = 12_345;
    let place = Arc::new(place());
    lchown(place.path(), Some(ordinary), Some(ordinary)).expect("root may");
    let plain = |user: &[&str]| {
        let mut command = belljar();
        command.args(["serve", "--listen", "127.0.0.1:0", "--set", "execute.pool_size=1", "--data-dir"]);
        command.arg(place.path().join("data")).args(user).uid(ordinary).gid(ordinary);
        command.current_dir("/").env("HOME", place.path());
        command
    };
    let tried = belljar().args(["run", "--", "true"]).uid(ordinary).gid(ordinary).current_dir("/").output();
    if !tried.is_ok_and(|tried| tried.status.success()) {
        return skip("ordinary users cannot make sandboxes here");
    }
    let refused = refused_of(plain(&["--user", "99700"]));
    assert!(refused.contains("only be become by root"), "{refused}");
    for user in [&[][..], &["--user", "12345"]] {
        let mut server = Server::started(plain(user), Arc::clone(&place));
        assert_eq!(server.execute(&json!({"commands": ["true"]}))["status"], 0);
        assert_eq!(server.keeper(), None);
        let launcher = server.launcher().expect("it runs");
        for pid in [server.pid(), launcher] {
            assert_eq!(status(pid)["Uid"], [ordinary.to_string().as_str(); 4].join(" "));
        }
        assert!(server.log().contains("The server and its launcher are one user."));
        server.signal(Signal::TERM);
        assert!(server.wait().success());
    }
}
