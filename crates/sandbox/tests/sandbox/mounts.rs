//! Mounts and roots: what of the host shows inside, and what happens to it there.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use belljar_sandbox::{Access, Mount, Policy, Rootfs, User};

use crate::bench::{Bench, shown};

fn mount(source: &Path, target: &str, access: Access) -> Mount {
    Mount { source: source.to_owned(), target: target.into(), access }
}

fn with(mounts: Vec<Mount>) -> Policy {
    Policy { mounts, ..Policy::default() }
}

/// A directory with a file, a link out and a directory below.
fn fill(directory: &Path) {
    fs::write(directory.join("file"), "host\n").unwrap();
    symlink("/etc/shadow", directory.join("out")).unwrap();
    fs::create_dir(directory.join("below")).unwrap();
}

pub(crate) async fn each_access_is_what_it_says(bench: &Bench) {
    let directory = bench.temporary();
    let host = directory.path();
    fill(host);
    let script = "cat file; echo inside > new 2>/dev/null && cat new; echo more 2>/dev/null >> file; cat file | wc -l; rm -f below/../out 2>/dev/null; rmdir below 2>/dev/null; ls | tr '\\n' ' '";
    let cases = [
        (Access::ReadOnly, "host\n1\nbelow file out ", "below file out"),
        (Access::CopyOnWrite, "host\ninside\n2\nfile new ", "below file out"),
        (Access::ReadWrite, "host\ninside\n2\nfile new ", "file new"),
    ];
    for (access, inside, outside) in cases {
        let mut cell = bench.cell(with(vec![mount(host, "/mnt/d", access)])).await;
        assert_eq!(cell.say(&format!("cd /mnt/d; {script}")).await, inside, "{access:?}");
        // Nothing outside of the directory is reached through a link in it.
        let outcome = cell.shell("cat /mnt/d/out").await;
        assert!(!outcome.success(), "{}", shown(&outcome));
        cell.next().await;
        if access == Access::CopyOnWrite {
            assert_eq!(cell.say(&format!("cd /mnt/d; {script}")).await, inside, "a copy is discarded with its run");
        }
        cell.close().await;
        let mut names: Vec<_> =
            fs::read_dir(host).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        assert_eq!(names.join(" "), outside, "{access:?}");
        if access == Access::ReadWrite {
            let (made, own) = (fs::metadata(host.join("new")).unwrap(), fs::metadata(host).unwrap());
            assert_eq!(
                (made.uid(), made.gid()),
                (own.uid(), own.gid()),
                "what is written belongs to the directory's owner"
            );
            assert_eq!(fs::read_to_string(host.join("file")).unwrap(), "host\nmore\n");
        } else {
            assert_eq!(fs::read_to_string(host.join("file")).unwrap(), "host\n");
        }
    }
}

/// A set-user-id file of a program would belong to the owner of the directory outside, who may be root.
pub(crate) async fn nothing_set_user_id_reaches_the_host(bench: &Bench) {
    let directory = bench.temporary();
    fill(directory.path());
    let attempts = "import os, ctypes
c = ctypes.CDLL(None)
def attempt(name, make):
    try: make()
    except OSError: pass
    if os.path.exists(name) and os.stat(name).st_mode & 0o6000: print(name, 'is set-id')
open('a', 'w').close()
attempt('a', lambda: os.chmod('a', 0o4755))
attempt('a', lambda: os.fchmod(os.open('a', os.O_RDWR), 0o2755))
attempt('b', lambda: os.open('b', os.O_CREAT | os.O_RDWR, 0o4755))
attempt('c', lambda: os.mknod('c', 0o104755))
attempt('d', lambda: c.creat(b'd', 0o4755))
attempt('e', lambda: c.syscall(452, -100, b'a', 0o4755, 0))
how = (ctypes.c_uint64 * 3)(os.O_CREAT | os.O_RDWR, 0o4755, 0)
attempt('f', lambda: c.syscall(437, -100, b'f', how, 24))
try: os.setxattr('a', 'user.x', b'y'); print('has an attribute')
except OSError as error: print(error.errno)
os.chmod('a', 0o700); print('done')";
    let mut cell = bench.cell(with(vec![mount(directory.path(), "/mnt/d", Access::ReadWrite)])).await;
    assert_eq!(cell.say(&format!("cd /mnt/d; python3 -c \"{attempts}\"")).await, "95\ndone\n");
    cell.close().await;
    for entry in fs::read_dir(directory.path()).unwrap() {
        let entry = entry.unwrap();
        let mode = entry.metadata().unwrap().mode();
        assert_eq!(mode & 0o6000, 0, "{}: {mode:o}", entry.path().display());
    }
}

pub(crate) async fn files_can_be_mounted(bench: &Bench) {
    let directory = bench.temporary();
    let file = directory.path().join("f");
    for (target, access, can_write) in [
        ("/etc/special.conf", Access::ReadOnly, false),
        ("/etc/passwd", Access::ReadOnly, false),
        ("/home/student/f", Access::ReadOnly, false),
        ("/tmp/a/b/f", Access::ReadWrite, true),
        ("/opt/f", Access::ReadWrite, true),
    ] {
        fs::write(&file, "content\n").unwrap();
        let mut cell = bench.cell(with(vec![mount(&file, target, access)])).await;
        assert_eq!(cell.say(&format!("cat {target}")).await, "content\n", "{target}");
        assert_eq!(cell.shell(&format!("echo changed > {target}")).await.success(), can_write, "{target}");
        assert!(!cell.shell(&format!("rm -f {target}")).await.success(), "{target}");
        cell.close().await;
        assert_eq!(fs::read_to_string(&file).unwrap(), if can_write { "changed\n" } else { "content\n" });
    }
}

pub(crate) async fn mounts_land_anywhere_writable(bench: &Bench) {
    let directory = bench.temporary();
    let host = directory.path();
    fill(host);
    for target in [
        "/tmp/deep/er",
        "/home/student/lib",
        "/var/tmp/x",
        "/run/x",
        "/dev/shm/x",
        "/home/student",
        "/tmp",
        "/new/top",
        "/opt/x",
        "/home/other",
    ] {
        for access in [Access::ReadOnly, Access::CopyOnWrite] {
            let mut cell = bench.cell(with(vec![mount(host, target, access)])).await;
            for _ in 0..2 {
                assert_eq!(cell.say(&format!("cat {target}/file")).await, "host\n", "{target}");
                let outcome = cell.shell("touch ~/x /tmp/x").await;
                let covered = ["/home/student", "/tmp"].contains(&target) && access == Access::ReadOnly;
                assert_eq!(outcome.success(), !covered, "{target}: {}", shown(&outcome));
                cell.next().await;
            }
            cell.close().await;
        }
    }
    // Several, and one in another.
    let below = bench.temporary();
    fs::write(below.path().join("deep"), "deep\n").unwrap();
    let mounts = vec![
        mount(host, "/mnt/a", Access::ReadOnly),
        mount(below.path(), "/mnt/a/below", Access::ReadOnly),
        mount(host, "/mnt/b", Access::CopyOnWrite),
        mount(below.path(), "/mnt/c", Access::CopyOnWrite),
    ];
    let mut cell = bench.cell(with(mounts)).await;
    assert_eq!(cell.say("cat /mnt/a/file /mnt/a/below/deep /mnt/b/file; echo x > /mnt/b/n; echo y > /mnt/c/n; cat /mnt/b/n /mnt/c/n; ls /mnt/a/below").await, "host\ndeep\nhost\nx\ny\ndeep\n");
    cell.close().await;
}

pub(crate) async fn contradictions_are_refused_with_a_reason(bench: &Bench) {
    let directory = bench.temporary();
    let at = |target: &str| with(vec![mount(directory.path(), target, Access::ReadOnly)]);
    let cases = [
        (at("/mnt/../etc"), ".."),
        (at("relative"), "absolute"),
        (at("/"), "'/'"),
        (at("/tmp/../../x"), ".."),
        (at("/a\0b"), "zero byte"),
        (with(vec![mount(Path::new("/no/such/thing"), "/mnt/x", Access::ReadOnly)]), "/no/such/thing"),
        (with(vec![mount(&directory.path().join("gone"), "/mnt/x", Access::ReadWrite)]), "gone"),
        (Policy { work_directory: "relative".into(), ..Policy::default() }, "absolute"),
        (Policy { work_directory: "/home/../etc".into(), ..Policy::default() }, ".."),
        (Policy { rootfs: Rootfs::Directory("/no/such/root".into()), ..Policy::default() }, "/no/such/root"),
        (
            with((0..200).map(|number| mount(directory.path(), &format!("/mnt/{number}"), Access::ReadOnly)).collect()),
            "many",
        ),
    ];
    for (policy, why) in cases {
        let reason = bench.refusal(policy).await;
        assert!(reason.contains(why), "{reason}, not about {why}");
    }
}

/// A root directory with a shell and `cat`, and what they need.
pub(crate) fn tiny_root(at: &Path) {
    let copy = |from: &str| {
        let to = at.join(from.trim_start_matches('/'));
        fs::create_dir_all(to.parent().unwrap()).unwrap();
        fs::copy(from, &to).unwrap();
    };
    let libraries = ["/lib64/ld-linux-x86-64.so.2", "/lib/x86_64-linux-gnu/libc.so.6"];
    ["/usr/bin/dash", "/usr/bin/cat"].iter().chain(&libraries).for_each(|path| copy(path));
    symlink("usr/bin", at.join("bin")).unwrap();
    symlink("dash", at.join("usr/bin/sh")).unwrap();
    fs::create_dir_all(at.join("etc")).unwrap();
    fs::write(at.join("etc/motd"), "tiny\n").unwrap();
    fs::set_permissions(at, fs::Permissions::from_mode(0o755)).unwrap();
}

pub(crate) async fn a_directory_can_be_the_root(bench: &Bench) {
    let directory = bench.temporary();
    let root = directory.path();
    tiny_root(root);
    // As images have them: directories that lack what a policy wants below.
    let more: [&[&str]; 3] =
        [&[], &["home", "var", "tmp", "opt"], &["home/student", "var/tmp", "var/lib", "mnt", "proc", "dev", "sys"]];
    for directories in more {
        directories.iter().for_each(|name| fs::create_dir_all(root.join(name)).unwrap());
        let policy = Policy { rootfs: Rootfs::Directory(root.to_owned()), ..Policy::default() };
        let mut cell = bench.cell(policy).await;
        for _ in 0..2 {
            let mut command = belljar_sandbox::Command::new([
                "sh",
                "-c",
                "cat /etc/motd; echo x > f; echo y > /tmp/f; echo z > /var/tmp/f; cat f /tmp/f /var/tmp/f; echo no > /etc/x; echo no > /usr/x; echo /*",
            ]);
            command.directory = None;
            let outcome = cell.run(command).await.unwrap();
            let said = String::from_utf8_lossy(&outcome.stdout).into_owned();
            assert!(said.starts_with("tiny\nx\ny\nz\n"), "{directories:?}: {}", shown(&outcome));
            assert!(!said.contains("/sbin") && said.contains("/proc"), "{said}");
            cell.next().await;
        }
        cell.close().await;
    }
    assert!(!root.join("etc/x").exists() && !root.join("usr/x").exists());
}

/// A directory of root's that nobody else can enter, with a file.
fn private(bench: &Bench) -> (tempfile::TempDir, PathBuf) {
    let directory = bench.temporary();
    let closed = directory.path().join("closed");
    fs::create_dir(&closed).unwrap();
    fs::write(closed.join("file"), "private\n").unwrap();
    fs::set_permissions(closed.join("file"), fs::Permissions::from_mode(0o600)).unwrap();
    fs::set_permissions(&closed, fs::Permissions::from_mode(0o700)).unwrap();
    (directory, closed)
}

pub(crate) async fn directories_only_root_can_read_show_inside(bench: &Bench) {
    let (_directory, closed) = private(bench);
    for user in [User::ORDINARY, User::ROOT, User { uid: 4711, gid: 100 }] {
        let mounts = vec![
            mount(&closed, "/mnt/w", Access::ReadWrite),
            mount(&closed, "/mnt/r", Access::ReadOnly),
            mount(&closed, "/mnt/c", Access::CopyOnWrite),
        ];
        let mut cell = bench.cell(Policy { user, ..with(mounts) }).await;
        assert_eq!(
            cell.say("cat /mnt/w/file /mnt/r/file /mnt/c/file").await,
            "private\nprivate\nprivate\n",
            "{user:?}"
        );
        assert_eq!(
            cell.say("stat -c '%u %g' /mnt/w /mnt/w/file").await,
            format!("{0} {1}\n{0} {1}\n", user.uid, user.gid)
        );
        assert_eq!(cell.say("echo c > /mnt/c/file && cat /mnt/c/file; umask 077; echo new > /mnt/w/new").await, "c\n");
        assert!(!cell.shell("echo x > /mnt/r/x").await.success());
        cell.close().await;
        let made = fs::metadata(closed.join("new")).unwrap();
        assert_eq!((made.uid(), made.gid(), made.mode() & 0o777), (0, 0, 0o600), "{user:?}");
        assert_eq!(fs::read_to_string(closed.join("file")).unwrap(), "private\n");
        fs::remove_file(closed.join("new")).unwrap();
    }
}

pub(crate) async fn root_inside_is_nobody_outside(bench: &Bench) {
    let (_directory, closed) = private(bench);
    let marker = closed.join("mark");
    let mut cell =
        bench.cell(Policy { user: User::ROOT, ..with(vec![mount(&closed, "/mnt/w", Access::ReadWrite)]) }).await;
    let command = belljar_sandbox::Command::shell("touch /mnt/w/mark; sleep 60");
    let run = cell.run(command);
    let look = async {
        crate::bench::until("the program runs", async || marker.exists()).await;
        let launcher = bench.launcher.process_id().await.unwrap();
        let uids = crate::leaks::descendants(launcher).into_keys().filter_map(|pid| {
            let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
            Some(
                status
                    .lines()
                    .find_map(|line| line.strip_prefix("Uid:"))
                    .unwrap()
                    .split_whitespace()
                    .next()
                    .unwrap()
                    .to_owned(),
            )
        });
        uids.collect::<Vec<_>>()
    };
    let uids = tokio::select! { outcome = run => panic!("{outcome:?}"), uids = look => uids };
    assert!(uids.len() >= 3 && uids.iter().all(|uid| uid.parse::<u32>().unwrap() >= 0x7000_0000), "{uids:?}");
    cell.close().await;
}
