//! Each limit ends a command in its own way, with what was used.

use std::time::{Duration, Instant};

use belljar_sandbox::{Command, End, Limit, Policy};

use crate::bench::{Bench, exited, python, reached, shown, text};

const MIB: u64 = 1 << 20;
/// More than a limit may be overshot on a busy machine; the bench measures the real number.
const SLACK: Duration = Duration::from_millis(150);

fn policy(change: impl FnOnce(&mut Policy)) -> Policy {
    let mut policy = Policy::default();
    change(&mut policy);
    policy
}

pub(crate) async fn wall_time_ends_a_command_with_all_it_started(bench: &Bench) {
    let limit = Duration::from_millis(200);
    let mut cell = bench.cell(policy(|policy| policy.limits.wall_time = limit)).await;
    let scripts = [
        "sleep 60",
        // Deaf to every signal that one can be deaf to.
        "trap '' TERM INT HUP QUIT USR1 ALRM; while :; do :; done",
        // Twice away from its parent, in a session of its own.
        "(setsid sleep 60 &) ; (setsid sh -c 'while :; do sleep 1; done' &) ; sleep 60",
        "kill -STOP $$",
        "exec 1>&- 2>&- 0<&-; sleep 60",
        "python3 -c 'import signal; signal.pthread_sigmask(signal.SIG_BLOCK, range(1, 64)); signal.pause()'",
    ];
    for script in scripts {
        let outcome = cell.shell(script).await;
        assert_eq!(outcome.end, reached(Limit::WallTime), "{script}: {}", shown(&outcome));
        let wall = outcome.usage.wall_time;
        assert!(wall >= limit && wall < limit + SLACK, "{script}: {wall:?}");
        assert_eq!(cell.say("set -- /proc/[0-9]*; echo $#").await, "1\n", "{script}: nothing goes on but this shell");
    }
    cell.close().await;
}

pub(crate) async fn a_command_cannot_have_more_time_than_the_policy(bench: &Bench) {
    let limit = Duration::from_millis(100);
    let mut cell = bench.cell(policy(|policy| policy.limits.wall_time = limit)).await;
    for asked in [Duration::from_millis(100), Duration::from_secs(60), Duration::MAX] {
        let outcome = cell.run(Command::shell("sleep 60").wall_time(asked)).await.unwrap();
        assert_eq!(outcome.end, reached(Limit::WallTime), "{}", shown(&outcome));
        assert!(outcome.usage.wall_time < limit + SLACK);
    }
    for asked in [Duration::ZERO, Duration::from_nanos(1), Duration::from_millis(20)] {
        let outcome = cell.run(Command::shell("sleep 60").wall_time(asked)).await.unwrap();
        assert_eq!(outcome.end, reached(Limit::WallTime), "{asked:?}: {}", shown(&outcome));
        assert!(outcome.usage.wall_time < asked + SLACK);
    }
    cell.close().await;
}

pub(crate) async fn cpu_time_of_all_processes_counts(bench: &Bench) {
    burn(bench, &["for i in 1 2 3 4; do while :; do :; done & done; wait", "while :; do :; done"]).await;
}

pub(crate) async fn cpu_time_of_short_lived_children_counts(bench: &Bench) {
    let child = "i=0; while ((i < 5000)); do ((i++)); done";
    burn(bench, &[&format!("while :; do ({child}); done"), &format!("while :; do (({child}) &) ; wait; done")]).await;
}

async fn burn(bench: &Bench, scripts: &[&str]) {
    let limit = Duration::from_millis(400);
    let burning = policy(|policy| {
        policy.limits.cpu_time = limit;
        policy.limits.wall_time = Duration::from_secs(6);
    });
    let mut cell = bench.cell(burning).await;
    for script in scripts {
        let outcome = cell.shell(script).await;
        assert_eq!(outcome.end, reached(Limit::CpuTime), "{script}: {}", shown(&outcome));
        assert_eq!(outcome.limits_reached, [Limit::CpuTime]);
        if bench.has_groups() {
            let used = outcome.usage.cpu_time.unwrap();
            assert!(used >= limit && used < limit + SLACK, "{script}: {used:?}");
        } else {
            assert_eq!(outcome.usage.cpu_time, None);
        }
        let usage = outcome.usage;
        assert!(usage.user_time + usage.system_time >= limit / 2, "{script}: {}", shown(&outcome));
        // The next command begins with nothing used.
        let outcome = cell.shell("true").await;
        assert!(outcome.success() && outcome.usage.user_time < limit / 2, "{}", shown(&outcome));
    }
    cell.close().await;
}

// Files have less than all of the memory; with a little more on top it is used up.
const FILES: &str = "f = open('/tmp/f', 'wb')
try:
  while True: f.write(b'x' * 65536)
except OSError: pass
a = []
while True: a.append(b'x' * 100_000)";
const SHARED: &str = "f = open('/dev/shm/f', 'wb')
try:
  while True: f.write(b'x' * 65536)
except OSError: pass
a = []
while True: a.append(b'x' * 100_000)";

pub(crate) async fn memory_of_every_kind_is_limited(bench: &Bench) {
    let limit = 64 * MIB;
    let hungry = policy(|policy| {
        policy.limits.memory = limit;
        policy.limits.disk = 256 * MIB;
    });
    let mut cell = bench.cell(hungry).await;
    let programs = [
        ("one large array", "b = bytearray(200 << 20)"),
        ("arrays", "a = []\nwhile True: a.append(b'x' * 100_000)"),
        ("a file", FILES),
        ("shared memory", SHARED),
        ("a file without a name", "import os\nf = os.memfd_create('m')\nwhile True: os.write(f, b'x' * 65536)"),
        ("small mappings", "import mmap\na = []\nwhile True:\n  m = mmap.mmap(-1, 4096)\n  m[0] = 1\n  a.append(m)"),
        (
            "System V shared memory",
            "import ctypes\nc = ctypes.CDLL(None)\nc.shmat.restype = ctypes.c_void_p\nwhile True:\n  i = c.shmget(0, 1 << 20, 0o1600)\n  assert i >= 0\n  ctypes.memset(c.shmat(i, None, 0), 1, 1 << 20)",
        ),
        (
            "pipes",
            "import os, fcntl\nwhile True:\n  r, w = os.pipe()\n  fcntl.fcntl(w, 1031, 1 << 20)\n  os.write(w, b'x' * (1 << 20))\n  os.close(0) if False else None",
        ),
        (
            "many processes",
            "import os, time\nfor i in range(40):\n  if os.fork() == 0:\n    b = b'x' * (4 << 20); time.sleep(60)\ntime.sleep(60)",
        ),
    ];
    let starved = programs.len() as u64;
    for (name, program) in programs {
        let mut command = python(program);
        command.wall_time = Some(Duration::from_secs(5));
        let outcome = cell.run(command).await.unwrap();
        assert!(outcome.limits_reached.contains(&Limit::Memory), "{name}: {}", shown(&outcome));
        if name != "many processes" {
            assert_eq!(outcome.end, reached(Limit::Memory), "{name}: {}", shown(&outcome));
        }
        let peak = outcome.usage.peak_memory_bytes;
        assert!(peak <= limit && peak > limit - limit / 50, "{name}: {peak}");
        // All of it is given back, whatever it was, and the next program's peak is its own.
        cell.next().await;
        let outcome = cell.shell("true").await;
        assert!(outcome.success() && outcome.limits_reached.is_empty(), "{name}: {}", shown(&outcome));
        assert!(outcome.usage.peak_memory_bytes < limit / 2, "{name}: {}", shown(&outcome));
    }
    // What fits goes through, and its peak is what it took.
    let outcome = cell.python("b = b'x' * (32 << 20)").await;
    assert!(outcome.success(), "{}", shown(&outcome));
    assert!(outcome.usage.peak_memory_bytes > 32 * MIB && outcome.usage.peak_memory_bytes < 50 * MIB);
    assert_eq!(cell.pool().status().made, 1 + starved, "each is replaced for it, once");
    cell.close().await;
}

pub(crate) async fn a_fork_bomb_is_held(bench: &Bench) {
    let small = policy(|policy| {
        policy.limits.processes = 32;
        policy.limits.wall_time = Duration::from_millis(700);
    });
    let mut cell = bench.cell(small).await;
    let bombs = [
        "f() { f | f & }; f; wait; sleep 60",
        "while :; do sleep 60 & done",
        "python3 -c 'import os\nwhile True:\n  try: os.fork()\n  except OSError: pass'",
    ];
    for bomb in bombs {
        let outcome = cell.shell(bomb).await;
        assert!(outcome.limits_reached.contains(&Limit::Processes), "{bomb}: {}", shown(&outcome));
        assert!(matches!(outcome.end, End::LimitReached { limit: Limit::WallTime } | End::Exited { .. }));
        assert!(outcome.usage.processes_created >= 31, "{bomb}: {}", shown(&outcome));
        cell.next().await;
        let outcome = cell.shell("true").await;
        assert!(outcome.success() && outcome.limits_reached.is_empty(), "{bomb}: {}", shown(&outcome));
    }
    cell.close().await;
}

pub(crate) async fn threads_are_counted_exactly(bench: &Bench) {
    let count = "import threading, time
n = 1
try:
  while True:
    threading.Thread(target=time.sleep, args=(60,), daemon=True).start(); n += 1
except RuntimeError: pass
print(n, flush=True)
import os; os._exit(0)";
    for processes in [1, 2, 16, 64] {
        let outcome = bench.run(policy(|policy| policy.limits.processes = processes), python(count)).await;
        assert_eq!(text(&outcome.stdout).trim(), processes.to_string(), "{}", shown(&outcome));
        assert_eq!(outcome.end, exited(0), "a program that copes goes on");
        assert_eq!(outcome.limits_reached, [Limit::Processes]);
    }
}

pub(crate) async fn a_file_cannot_grow_beyond_its_limit(bench: &Bench) {
    let mut cell = bench.cell(policy(|policy| policy.limits.file_size = MIB)).await;
    let outcome = cell.run(Command::new(["dd", "if=/dev/zero", "of=f", "bs=1000", "count=10000"])).await.unwrap();
    assert_eq!(outcome.end, reached(Limit::FileSize), "{}", shown(&outcome));
    assert_eq!(cell.say("stat -c %s f").await.trim(), MIB.to_string());
    let outcome = cell.shell("trap '' XFSZ; dd if=/dev/zero of=g bs=2M count=1 2>/dev/null; stat -c %s g").await;
    assert_eq!(text(&outcome.stdout).trim(), MIB.to_string(), "{}", shown(&outcome));
    assert_eq!(outcome.end, exited(0));
    assert!(cell.say("dd if=/dev/zero of=h bs=1M count=1 2>/dev/null; stat -c %s h").await.trim() == MIB.to_string());
    cell.close().await;
}

pub(crate) async fn the_writable_layer_cannot_grow_beyond_its_limit(bench: &Bench) {
    let small = policy(|policy| policy.limits.disk = 8 * MIB);
    for place in [".", "/tmp", "/var/tmp", "/dev/shm", "/run"] {
        let mut cell = bench.cell(small.clone()).await;
        let outcome = cell.shell(&format!("cat /dev/zero > {place}/f; echo \"$? $(stat -c %s {place}/f)\"")).await;
        assert_eq!(outcome.limits_reached, [Limit::Disk], "{place}: {}", shown(&outcome));
        assert_eq!(outcome.end, exited(0), "a program that copes goes on");
        let said = text(&outcome.stdout);
        let (code, size) = said.trim().split_once(' ').unwrap();
        let size: u64 = size.parse().unwrap();
        assert_eq!(code, "1");
        assert!(size <= 8 * MIB && size > 7 * MIB, "{place}: {size}");
        // The places share one limit.
        let outcome =
            cell.shell("for d in /tmp /var/tmp /dev/shm /run ~; do echo x > $d/g && echo more; done; :").await;
        assert_eq!(text(&outcome.stdout), "", "{place}: {}", shown(&outcome));
        cell.next().await;
        let outcome = cell.shell("head -c 7M /dev/zero > f").await;
        assert!(outcome.success() && outcome.limits_reached.is_empty(), "{}", shown(&outcome));
        cell.close().await;
    }
}

pub(crate) async fn files_in_the_writable_layer_are_counted(bench: &Bench) {
    let program = "import os
n = 0
try:
  while True: os.mknod(f'/tmp/{n}'); n += 1
except OSError as e: print(n, e.errno)";
    let outcome = bench.run(policy(|policy| policy.limits.inodes = 200), python(program)).await;
    let said = text(&outcome.stdout);
    let (count, errno) = said.trim().split_once(' ').unwrap();
    let count: u64 = count.parse().unwrap();
    // A few directories are ours.
    assert!((200..=216).contains(&count), "{count}");
    assert_eq!(errno, libc::ENOSPC.to_string());
    assert_eq!(outcome.limits_reached, [Limit::Inodes], "{}", shown(&outcome));
    assert_eq!(outcome.end, exited(0));
}

pub(crate) async fn open_files_are_limited(bench: &Bench) {
    let program = "import os
n = 3
try:
  while True: os.dup(0); n += 1
except OSError as e: print(n, e.errno)";
    for open_files in [16, 1000] {
        let outcome = bench.run(policy(|policy| policy.limits.open_files = open_files), python(program)).await;
        assert_eq!(text(&outcome.stdout).trim(), format!("{open_files} {}", libc::EMFILE), "{}", shown(&outcome));
    }
    let started = Instant::now();
    // Handing descriptors to oneself through sockets does not go around it without end.
    let hoard = "import socket, array, os
a, b = socket.socketpair()
n = 0
try:
  while n < 100000:
    x, y = socket.socketpair()
    a.sendmsg([b'x'], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array('i', [x.fileno(), y.fileno()]))]); n += 1
    a.setblocking(False)
except OSError as e: print(n < 100000)";
    let outcome = bench.run(Policy::default(), python(hoard)).await;
    assert_eq!(text(&outcome.stdout).trim(), "True", "{}", shown(&outcome));
    assert!(started.elapsed() < Duration::from_secs(10));
}
