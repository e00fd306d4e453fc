//! Each kind of change is made once, and has to be seen.

use std::os::unix::fs::{PermissionsExt, symlink};
use std::process::{Child, Command, Stdio};

use super::*;

/// What is different after something was done, in a tree of the test's own.
fn changes(before: &Snapshot, after: &Snapshot, about: &str) -> Vec<String> {
    before.changes(after).into_iter().filter(|change| change.contains(about)).collect()
}

struct Stray(Child);

impl Stray {
    fn new(program: &str, arguments: &[&str]) -> Self {
        let child = Command::new(program).args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
        Self(child.expect("it starts"))
    }
}

impl Drop for Stray {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn a_file_that_is_new_gone_or_different_is_seen() {
    let place = tempfile::tempdir().expect("a directory");
    let path = |name: &str| place.path().join(name);
    for name in ["kept", "written", "removed", "opened"] {
        fs::write(path(name), "before").expect("written");
    }
    let watched = Watched { trees: vec![place.path().to_owned()], ..Watched::default() };
    let before = watched.look();
    let about = place.path().to_string_lossy().into_owned();
    assert_eq!(changes(&before, &watched.look(), &about), Vec::<String>::new(), "nothing happened");
    fs::write(path("written"), "after!").expect("written");
    fs::remove_file(path("removed")).expect("removed");
    fs::set_permissions(path("opened"), fs::Permissions::from_mode(0o4755)).expect("changed");
    symlink("/etc/shadow", path("new")).expect("linked");
    let found = changes(&before, &watched.look(), &about).join("\n");
    for name in ["written: mode", "removed: gone", "opened: mode", "new: new"] {
        assert!(found.contains(name), "{name} in {found}");
    }
    assert!(!found.contains("kept"), "{found}");
}

#[test]
fn a_name_in_a_listing_is_seen() {
    let place = tempfile::tempdir().expect("a directory");
    let watched = Watched { listings: vec![place.path().to_owned()], ..Watched::default() };
    let before = watched.look();
    fs::write(place.path().join("left"), "").expect("written");
    assert_eq!(changes(&before, &watched.look(), "left").len(), 1);
}

#[test]
fn a_stray_process_is_seen() {
    let place = tempfile::tempdir().expect("a directory");
    // A name that no other test's process has.
    let program = place.path().join("stray-process");
    fs::copy("/bin/cat", &program).expect("copied");
    let watched = Watched::default();
    let before = watched.look();
    let stray = Stray::new(&program.to_string_lossy(), &[]);
    let began = Instant::now();
    // Between fork and exec it has our name.
    while changes(&before, &watched.look(), "stray-process").is_empty() {
        assert!(began.elapsed() < PATIENCE, "not seen");
    }
    drop(stray);
    assert_eq!(changes(&before, &watched.look(), "stray-process"), Vec::<String>::new(), "it is gone");
}

#[test]
fn a_group_that_stays_is_seen_whatever_its_number() {
    // Directories stand for groups: the oracle knows them by nothing else.
    let place = tempfile::tempdir().expect("a directory");
    let group = |name: &str| place.path().join("belljar-1-2").join(name);
    fs::create_dir_all(group("box-1")).expect("made");
    let watched = Watched { groups: vec![place.path().to_owned()], ..Watched::default() };
    let before = watched.look();
    fs::rename(group("box-1"), group("box-27")).expect("renamed");
    assert_eq!(changes(&before, &watched.look(), "control group"), Vec::<String>::new(), "another of its kind");
    fs::create_dir(group("box-28")).expect("made");
    let found = changes(&before, &watched.look(), "control group");
    assert!(matches!(found.as_slice(), [one] if one.contains("1 -> 2")), "{found:?}");
}

#[test]
fn descriptors_memory_and_clock_are_seen() {
    let watched = Watched { processes: vec![std::process::id()], ..Watched::default() };
    let before = watched.look();
    let files: Vec<_> = (0..50).map(|_| fs::File::open("/dev/null").expect("opened")).collect();
    assert_eq!(changes(&before, &watched.look(), "descriptors of process").len(), 1);
    drop(files);
    let later = |memory, clock| Snapshot {
        lines: before.lines.clone(),
        memory: before.memory + memory,
        clock: before.clock + clock,
    };
    assert_eq!(before.changes(&later(MEMORY, CLOCK)), Vec::<String>::new(), "within the bounds");
    assert_eq!(before.changes(&later(MEMORY + 1, Duration::ZERO)).len(), 1);
    assert_eq!(before.changes(&later(0, CLOCK * 2)).len(), 1);
}

/// Inside of namespaces that are thrown away: what is done there is seen there, and nowhere else.
#[test]
fn mounts_sysctls_queues_and_namespaces_are_seen() {
    let me = std::env::current_exe().expect("this test");
    let inside = std::env::var_os("ATTACK_ORACLE_INSIDE").is_some();
    if !inside {
        let mut command = Command::new("unshare");
        command.args(["--map-root-user", "--mount", "--ipc", "--uts", "--net", "--"]).arg(me);
        command.args([
            "--exact",
            "attack::oracle::tests::mounts_sysctls_queues_and_namespaces_are_seen",
            "--nocapture",
        ]);
        let output = command.env("ATTACK_ORACLE_INSIDE", "1").output().expect("unshare starts");
        let said = String::from_utf8_lossy(&output.stderr);
        if said.contains("unshare: ") {
            assert!(
                std::env::var_os("BELLJAR_TEST_STRICT").is_none_or(|strict| strict != "1"),
                "no namespaces here: {said}"
            );
            println!("skipped: no namespaces here: {said}");
            return;
        }
        assert!(output.status.success(), "{said}");
        return;
    }
    let watched = Watched::default();
    let place = tempfile::tempdir().expect("a directory");
    let shell = |script: &str| {
        let done = Command::new("sh").args(["-c", script]).env("D", place.path()).status().expect("a shell");
        assert!(done.success(), "{script}");
    };
    let queue = "python3 -c 'import ctypes; assert ctypes.CDLL(None).msgget(4711, 0o1600) >= 0'";
    for (script, about) in [
        ("mount -t tmpfs none \"$D\"", "mount / /"),
        ("echo stranger > /proc/sys/kernel/hostname", "sysctl kernel/hostname"),
        (queue, "System V msg"),
    ] {
        let before = watched.look();
        shell(script);
        assert!(
            !changes(&before, &watched.look(), about).is_empty(),
            "{script}: {:?}",
            before.changes(&watched.look())
        );
    }
    let before = watched.look();
    let mut stray = Stray::new("unshare", &["--uts", "sh", "-c", "echo ready; cat"]);
    let mut ready = [0; 5];
    std::io::Read::read_exact(stray.0.stdout.as_mut().expect("a pipe"), &mut ready).expect("it says so");
    assert!(!changes(&before, &watched.look(), "namespaces of kind uts").is_empty());
    drop(stray);
    shell("umount \"$D\"");
}
