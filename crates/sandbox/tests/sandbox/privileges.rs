//! A server that has become nobody, what it can still do, and what its launcher grants.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::AsFd;
use std::os::unix::fs::{PermissionsExt, chown, symlink};
use std::os::unix::net::{UnixListener, UnixStream};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command as Process, Stdio};
use std::time::Duration;

use belljar_sandbox::privileges::{Charter, Grant, Kept, Restriction, Standing, restrict_self};
use belljar_sandbox::{
    Access, Command, Enforcement, Launcher, Layer, Limits, Mount, Network, Policy, Pool, PoolSettings, Reuse, Rootfs,
    Sandbox, User,
};
use rustix::process::{Pid, Signal, kill_process};

use crate::bench::{Bench, enforcement, exited, take, text, until};
use crate::leaks::{descendants, groups_of};

/// Whom the server becomes.
const USER: u32 = 99_700;
/// Set for a process that gives up what it has and tries what is left: the directory that it may write to.
const SERVER: &str = "BELLJAR_TEST_SERVER";

/// A launcher with a charter, and a pool of what it grants.
fn sealed(policy: &Policy, sandboxes: usize) -> (Launcher, Kept) {
    let grants = vec![Grant { policy: policy.clone(), reuse: Reuse::AfterReset }];
    Launcher::start_sealed(&Charter { grants, sandboxes }).unwrap()
}

fn pool(launcher: &Launcher, policy: Policy, size: usize, reuse: Reuse) -> Pool {
    Pool::new(launcher, policy, PoolSettings { size, reuse }).unwrap()
}

/// A policy that shows a directory at `/mnt/shown`.
fn showing(source: &Path) -> Policy {
    let mount = Mount { source: source.to_owned(), target: "/mnt/shown".into(), access: Access::ReadOnly };
    Policy { mounts: vec![mount], ..Policy::default() }
}

async fn say(sandbox: &mut Sandbox, script: &str) -> String {
    let outcome = sandbox.run(Command::shell(script)).await.unwrap();
    text(&outcome.stdout) + &text(&outcome.stderr)
}

/// Ends a launcher; nothing of it is left.
async fn end(launcher: Launcher) {
    let keeper = launcher.process_id().await.unwrap();
    drop(launcher);
    assert!(!Path::new(&format!("/proc/{keeper}")).exists(), "the keeper is waited for");
    assert!(groups_of(keeper).is_empty());
}

pub(crate) async fn a_charter_grants_nothing_else(bench: &Bench) {
    let directory = bench.temporary();
    let granted = showing(directory.path());
    let (launcher, _) = sealed(&granted, 4);
    let good = pool(&launcher, granted.clone(), 1, Reuse::AfterReset);
    assert_eq!(take(&good).await.run(Command::new(["true"])).await.unwrap().end, exited(0));
    good.close().await;
    let host = |access| vec![Mount { source: "/".into(), target: "/mnt/shown".into(), access }];
    let mut layers = granted.layers.clone();
    layers.insert(Layer::Seccomp, belljar_sandbox::Strictness::Off);
    let limits = Limits { memory: granted.limits.memory + 1, ..granted.limits };
    let like = || granted.clone();
    for (what, policy, reuse) in [
        ("the host, writable", Policy { mounts: host(Access::ReadWrite), ..like() }, Reuse::AfterReset),
        ("the host, read-only", Policy { mounts: host(Access::ReadOnly), ..like() }, Reuse::AfterReset),
        ("the host as root directory", Policy { rootfs: Rootfs::Directory("/".into()), ..like() }, Reuse::AfterReset),
        ("the host's network", Policy { network: Network::Host, ..like() }, Reuse::AfterReset),
        ("root", Policy { user: User::ROOT, ..like() }, Reuse::AfterReset),
        ("no filter", Policy { layers, ..like() }, Reuse::AfterReset),
        ("more memory", Policy { limits, ..like() }, Reuse::AfterReset),
        ("less than granted", Policy { mounts: Vec::new(), ..like() }, Reuse::AfterReset),
        ("another use", like(), Reuse::Never),
    ] {
        let bad = pool(&launcher, policy, 1, reuse);
        let refused = bad.take(Duration::from_millis(300)).await.expect_err(what).to_string();
        assert!(refused.contains("charter has no such sandbox"), "{what}: {refused}");
        bad.close().await;
    }
    end(launcher).await;
    directory.close().unwrap();
}

pub(crate) async fn a_charter_says_how_many_there_are(_: &Bench) {
    let (launcher, _) = sealed(&Policy::default(), 2);
    let many = pool(&launcher, Policy::default(), 3, Reuse::AfterReset);
    until("two are there, and no third", async || many.status().made == 2 && many.problem().is_some()).await;
    assert!(many.problem().unwrap().contains("as many sandboxes as the launcher's charter allows"));
    // When one ends there is room for another.
    many.close().await;
    let few = pool(&launcher, Policy::default(), 2, Reuse::AfterReset);
    until("both are there", async || few.status().idle == 2).await;
    few.close().await;
    end(launcher).await;
}

pub(crate) async fn what_was_granted_cannot_be_exchanged(bench: &Bench) {
    let directory = bench.temporary();
    let at = |name: &str| directory.path().join(name);
    for (path, owner) in [(at("secret"), 0), (at("data"), USER), (at("data/shown"), USER)] {
        fs::create_dir(&path).unwrap();
        fs::write(path.join("word"), if owner == 0 { "secret" } else { "shown" }).unwrap();
        chown(&path, Some(owner), Some(owner)).unwrap();
    }
    let policy = showing(&at("data/shown"));
    let (launcher, _) = sealed(&policy, 4);
    // What who has taken the server over can do: another thing under the same name.
    fs::rename(at("data/shown"), at("data/before")).unwrap();
    symlink(at("secret"), at("data/shown")).unwrap();
    rustix::fs::chownat(
        rustix::fs::CWD,
        at("data/shown"),
        Some(rustix::fs::Uid::from_raw(USER)),
        None,
        rustix::fs::AtFlags::SYMLINK_NOFOLLOW,
    )
    .unwrap();
    let shown = pool(&launcher, policy.clone(), 1, Reuse::AfterReset);
    assert_eq!(say(&mut take(&shown).await, "cat /mnt/shown/word").await, "shown");
    shown.close().await;
    end(launcher).await;
    // Nor does the next start fall for it.
    let grants = vec![Grant { policy, reuse: Reuse::AfterReset }];
    let refused = Launcher::start_sealed(&Charter { grants, sandboxes: 1 }).unwrap_err().to_string();
    assert!(refused.contains("symbolic link"), "{refused}");
    directory.close().unwrap();
}

pub(crate) async fn launchers_keep_what_they_need(_: &Bench) {
    let (launcher, kept) = sealed(&Policy::default(), 4);
    let ready = pool(&launcher, Policy::default(), 1, Reuse::AfterReset);
    until("there is a sandbox", async || ready.status().idle == 1).await;
    let keeper = launcher.process_id().await.unwrap();
    let of_keeper = status(keeper);
    let child = descendants(keeper).into_iter().find(|(_, name)| name == "belljar-launch").unwrap().0;
    let of_launcher = status(child);
    // Bits of `linux/capability.h`: setgid, setuid, sys_admin, sys_resource; and dac_override, setpcap.
    let (needed, besides) = (1_u64 << 6 | 1 << 7 | 1 << 21 | 1 << 24, 1_u64 << 1 | 1 << 8);
    for (standing, found, allowed) in
        [(&kept.launcher, &of_launcher, needed), (&kept.keeper, &of_keeper, needed | besides)]
    {
        for set in ["CapPrm", "CapEff", "CapBnd"] {
            let bits = u64::from_str_radix(&found[set], 16).unwrap();
            assert_eq!(bits & !allowed, 0, "{set} of {standing}");
            assert_eq!(bits.count_ones() as usize, standing.capabilities.len());
        }
        for set in ["CapInh", "CapAmb"] {
            assert_eq!(found[set], "0000000000000000");
        }
        let expected = [("Groups", ""), ("NoNewPrivs", "1"), ("Seccomp", "2"), ("Threads", "1")];
        assert_eq!(expected.map(|(name, _)| found[name].trim()), expected.map(|(_, value)| value), "{standing}");
    }
    ready.close().await;
    end(launcher).await;
}

pub(crate) async fn a_sealed_launcher_is_replaced(_: &Bench) {
    let (launcher, _) = sealed(&Policy::default(), 8);
    let ready = pool(&launcher, Policy::default(), 2, Reuse::AfterReset);
    let keeper = launcher.process_id().await.unwrap();
    for _ in 0..2 {
        until("all are ready", async || ready.status().idle == 2).await;
        let of_keeper = descendants(keeper);
        let (victim, _) = of_keeper.iter().find(|(_, name)| *name == "belljar-launch").unwrap();
        kill(*victim, Signal::KILL).unwrap();
        until("its sandboxes are gone", async || of_keeper.keys().all(|pid| !alive(*pid))).await;
        for _ in 0..4 {
            assert_eq!(take(&ready).await.run(Command::new(["true"])).await.unwrap().end, exited(0));
        }
        until("no group is left of the former", async || groups_of(keeper).len() <= 2 * 3).await;
    }
    // Without a keeper there is none any more, and its owner is told.
    let lost = tokio::spawn({
        let launcher = launcher.clone();
        async move { launcher.lost().await }
    });
    let all = descendants(keeper);
    kill(keeper, Signal::KILL).unwrap();
    tokio::time::timeout(Duration::from_secs(10), lost).await.expect("it is told").unwrap();
    until("nothing of it lives", async || all.keys().all(|pid| !alive(*pid))).await;
    drop(ready);
    drop(launcher);
    // What a killed keeper left, the next one removes.
    let (next, _) = sealed(&Policy::default(), 1);
    assert!(groups_of(keeper).is_empty());
    end(next).await;
}

pub(crate) async fn who_takes_the_server_over_has_little(bench: &Bench) {
    let directory = bench.temporary();
    for (path, mode) in [(bench.scratch(), 0o755), (directory.path(), 0o711)] {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }
    let own = directory.path().join("own");
    fs::create_dir(&own).unwrap();
    chown(&own, Some(USER), Some(USER)).unwrap();
    let outside = directory.path().join("outside");
    fs::create_dir(&outside).unwrap();
    fs::set_permissions(&outside, fs::Permissions::from_mode(0o777)).unwrap();
    fs::write(outside.join("readable"), "").unwrap();
    // Somebody to connect to, who is there.
    let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
    let unix = UnixListener::bind(outside.join("socket")).unwrap();
    fs::set_permissions(outside.join("socket"), fs::Permissions::from_mode(0o777)).unwrap();

    let mut server = Running(
        Process::new(std::env::current_exe().unwrap())
            .env(SERVER, directory.path())
            .env("PORT", tcp.local_addr().unwrap().port().to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap(),
    );
    let mut said = BufReader::new(server.0.stdout.take().unwrap());
    let mut found = BTreeMap::new();
    loop {
        let mut line = String::new();
        said.read_line(&mut line).unwrap();
        let Some((what, result)) = line.trim_end().split_once(": ") else { break };
        found.insert(what.to_owned(), result.to_owned());
    }
    let cell = bench.cell(Policy::default()).await;
    let landlock = enforcement(&cell, Layer::Landlock) == Enforcement::Enforced;
    cell.close().await;
    for (what, expected) in [
        ("standing", "user 99700, group 99700, no capability, no new privileges, filtered system calls"),
        ("write to its own", "ok"),
        ("a thread", "ok"),
        ("a sandbox", "ok"),
        ("facts of the machine", "ok"),
        ("signal the keeper", "EPERM"),
        ("signal the launcher", "EPERM"),
        ("memory of the launcher", "EACCES"),
        ("environment of the launcher", "EACCES"),
        ("control groups", "EACCES"),
        ("connect by TCP", "EPERM"),
        ("connect by a path", "EPERM"),
        ("listen", "EPERM"),
        ("execute", "EPERM"),
        ("a namespace", "EPERM"),
        ("a mount", "EPERM"),
        ("keys of root", "EACCES"),
        ("listing elsewhere", if landlock { "EACCES" } else { "ok" }),
        ("reading elsewhere", if landlock { "EACCES" } else { "ok" }),
        ("writing elsewhere", if landlock { "EACCES" } else { "ok" }),
    ] {
        assert_eq!(found.get(what).map(String::as_str), Some(expected), "{what}: {found:?}");
    }
    // Another process of the same user reads neither its memory nor its environment.
    for secret in ["environ", "mem", "maps"] {
        let path = format!("/proc/{}/{secret}", server.0.id());
        let read = Process::new("cat").arg(&path).uid(USER).gid(USER).output().unwrap();
        let error = String::from_utf8_lossy(&read.stderr).into_owned();
        assert!(!read.status.success() && error.contains("denied"), "{path}: {error}");
        assert!(read.stdout.is_empty());
    }
    let below = descendants(server.0.id());
    drop(server.0.stdin.take());
    assert!(server.0.wait().unwrap().success());
    until("nothing of it lives", async || below.keys().all(|pid| !alive(*pid))).await;
    drop((tcp, unix));
    directory.close().unwrap();
}

/// The server that the test above asks: gives up what it has, tries what is left, and says how that went.
pub(crate) fn serve_if_asked() -> bool {
    let Some(place) = std::env::var_os(SERVER).map(std::path::PathBuf::from) else {
        return false;
    };
    let port = std::env::var("PORT").unwrap();
    let own = place.join("own");
    let outside = place.join("outside");
    let grants = vec![Grant { policy: Policy::default(), reuse: Reuse::Never }];
    let (launcher, _) = Launcher::start_sealed(&Charter { grants, sandboxes: 4 }).unwrap();
    let write = vec![own.clone()];
    let restriction =
        Restriction { user: USER, group: USER, write, read: Vec::new(), programs: false, connections: false };
    let standing: Standing = restrict_self(&restriction).unwrap();
    println!("standing: {standing}");

    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let ran = runtime.block_on(async {
        let pool = pool(&launcher, Policy::default(), 1, Reuse::Never);
        // The first is ended by the launcher, whom this process has to ask for it.
        let first = take(&pool).await.run(Command::new(["true"])).await.unwrap().end;
        let second = take(&pool).await.run(Command::new(["true"])).await.unwrap().end;
        pool.close().await;
        first == exited(0) && second == exited(0)
    });
    tell("a sandbox", if ran { Ok(()) } else { Err(std::io::ErrorKind::Other.into()) });
    let keeper = runtime.block_on(launcher.process_id()).unwrap();
    let (child, _) = descendants(keeper).into_iter().find(|(_, name)| name == "belljar-launch").unwrap();
    tell("write to its own", fs::write(own.join("file"), "x"));
    tell("a thread", std::thread::spawn(|| ()).join().map_err(|_| std::io::ErrorKind::Other.into()));
    tell("facts of the machine", fs::read("/proc/meminfo").map(drop));
    tell("signal the keeper", kill(keeper, Signal::TERM));
    tell("signal the launcher", kill(child, Signal::STOP));
    tell("memory of the launcher", File::open(format!("/proc/{child}/mem")).map(drop));
    tell("environment of the launcher", fs::read(format!("/proc/{child}/environ")).map(drop));
    let groups = ["/sys/fs/cgroup/cgroup.procs", "/sys/fs/cgroup/memory/cgroup.procs"];
    let groups = groups.into_iter().find(|path| Path::new(path).exists()).unwrap_or("/proc/sysrq-trigger");
    tell("control groups", OpenOptions::new().write(true).open(groups).map(drop));
    tell("connect by TCP", TcpStream::connect(format!("127.0.0.1:{port}")).map(drop));
    tell("connect by a path", UnixStream::connect(outside.join("socket")).map(drop));
    tell("listen", TcpListener::bind("127.0.0.1:0").map(drop));
    tell("execute", Process::new("/bin/true").status().map(drop));
    tell(
        "a namespace",
        rustix::thread::move_into_link_name_space(File::open("/proc/self/ns/uts").unwrap().as_fd(), None)
            .map_err(Into::into),
    );
    tell("a mount", rustix::mount::unmount("/proc", rustix::mount::UnmountFlags::DETACH).map_err(Into::into));
    tell("keys of root", fs::read("/etc/shadow").map(drop));
    tell("listing elsewhere", fs::read_dir(&outside).map(drop));
    tell("reading elsewhere", fs::read(outside.join("readable")).map(drop));
    tell("writing elsewhere", fs::write(outside.join("written"), "x"));
    println!();
    // Until whoever started it has looked.
    std::io::stdin().read_to_end(&mut Vec::new()).unwrap();
    true
}

fn tell(what: &str, done: std::io::Result<()>) {
    let result = match done.map_err(|error| error.raw_os_error()) {
        Ok(()) => "ok".to_owned(),
        Err(Some(errno)) if errno == rustix::io::Errno::PERM.raw_os_error() => "EPERM".to_owned(),
        Err(Some(errno)) if errno == rustix::io::Errno::ACCESS.raw_os_error() => "EACCES".to_owned(),
        Err(errno) => format!("{errno:?}"),
    };
    println!("{what}: {result}");
    std::io::stdout().flush().unwrap();
}

fn status(pid: u32) -> BTreeMap<String, String> {
    let text = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let fields = text.lines().filter_map(|line| line.split_once(':'));
    fields.map(|(name, value)| (name.to_owned(), value.trim().to_owned())).collect()
}

fn kill(pid: u32, signal: Signal) -> std::io::Result<()> {
    Ok(kill_process(Pid::from_raw(i32::try_from(pid).unwrap()).unwrap(), signal)?)
}

fn alive(pid: u32) -> bool {
    fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| !stat.contains(") Z ") && !stat.contains(") X "))
}

/// Killed when a test ends early.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
