//! A sandbox that is used again carries nothing over.

use belljar_sandbox::{Command, Policy, PoolSettings, Reuse, User};

use crate::bench::{Bench, Cell, exited, python, shown, text};

/// Leaves every mark that a program can leave; what the kernel refuses is not left, which is fine too.
pub(crate) const MARKS: &str = r#"
import ctypes, fcntl, os, signal, socket, subprocess, sys, threading, time, resource
libc = ctypes.CDLL(None, use_errno=True)
home = os.path.expanduser('~')
for place in (home, '/tmp', '/var/tmp', '/dev/shm', '/run', '/dev/mqueue'):
    try:
        with open(place + '/mark', 'w') as f: f.write('mark')
        os.mkdir(place + '/.deep')
        os.makedirs(place + '/.deep/' + '/'.join(['d' * 200] * 15))
        os.symlink('/etc/passwd', place + '/link')
        os.mkfifo(place + '/fifo')
        os.chmod(place + '/.deep', 0)
        libc.setxattr((place + '/mark').encode(), b'user.mark', b'x', 1, 0)
    except OSError: pass
for key in range(1, 6):
    libc.shmget(key, 4096, 0o1666); libc.semget(key, 3, 0o1666); libc.msgget(key, 0o1666)
q = libc.msgget(9, 0o1666)
libc.msgsnd(q, ctypes.create_string_buffer(b'\1\0\0\0\0\0\0\0mark'), 4, 0)
os.close(libc.syscall(240, b'mark', 0o102, 0o666, None))
for name in (b'belljar_shm',):
    librt = ctypes.CDLL('librt.so.1'); librt.shm_open(name, 0o102, 0o666)
lock = open('/etc/passwd'); fcntl.flock(lock, fcntl.LOCK_EX)
lock2 = open('/usr/bin/env'); fcntl.flock(lock2, fcntl.LOCK_EX)
s = socket.socket(socket.AF_UNIX); s.bind('\0mark'); s.listen()
u = socket.socket(socket.AF_UNIX); u.bind(home + '/socket')
t = socket.socket(); t.bind(('127.0.0.1', 7777)); t.listen()
for i in range(5):
    c = socket.create_connection(('127.0.0.1', 7777)); d, _ = t.accept(); d.send(b'x'); c.recv(1); d.close(); c.close()
d = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); d.bind(('127.0.0.1', 7778)); d.sendto(b'x' * 1000, ('127.0.0.1', 7778))
try: socket.create_connection(('192.0.2.1', 9), 1)
except OSError: pass
libc.sethostname(b'mark', 4); libc.setdomainname(b'mark', 4)
libc.syscall(248, b'user', b'mark', b'x', 1, -4)
for command in (['hostname', 'mark'], ['chattr', '+i', home + '/mark'], ['sysctl', '-w', 'kernel.shmmax=1'], ['mount', '-t', 'tmpfs', 'x', '/tmp']):
    try: subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    except OSError: pass
signal.setitimer(signal.ITIMER_REAL, 60)
os.sched_setaffinity(0, {0})
try: os.setpriority(os.PRIO_USER, 0, 10)
except OSError: pass
try: os.setpriority(os.PRIO_PROCESS, 0, 10)
except OSError: pass
resource.setrlimit(resource.RLIMIT_NOFILE, (50, 50))
os.umask(0o777)
for child in range(3):
    if os.fork() == 0:
        os.setsid(); signal.pthread_sigmask(signal.SIG_BLOCK, range(1, 64))
        os.closerange(0, 3)
        while True: time.sleep(60)
print('marked', flush=True)
"#;

/// Everything in which one run could see another, as text that must be equal for equal runs.
const FACTS: &str = r#"
for d in ~ /tmp /var/tmp /dev/shm /run /dev/mqueue; do echo "$d:"; find $d -mindepth 1; stat -c '%a %u %g %h %s' $d; done
df --output=iused,used,size,itotal ~ /tmp
cat /proc/sysvipc/shm /proc/sysvipc/sem /proc/sysvipc/msg
tail -n +2 /proc/locks | wc -l
tail -n +2 /proc/net/unix | awk 'NF > 7'
tail -n +2 /proc/net/tcp; tail -n +2 /proc/net/udp; cat /proc/net/sockstat | sed "s/ orphan [0-9]*//; s/ alloc.*//"; cat /proc/net/dev /proc/net/snmp
cat /proc/net/snmp6 | grep -v ' 0$'
uname -n; cat /proc/sys/kernel/hostname /proc/sys/kernel/domainname /proc/sys/kernel/shmmax
echo $$ $BASHPID
ps ax -o pid=,ni=,comm=
nice; umask; ulimit -a; ulimit -Ha
taskset -p $$
cat /proc/self/status | grep -e Sig -e Shd -e Cpus -e Cap -e Uid -e Groups -e Threads
cat /proc/self/mountinfo | cut -d' ' -f 4-6,9
env | sort
ls -l /proc/self/fd | cut -c1-10
cat /proc/sys/kernel/ns_last_pid
"#;

async fn facts(cell: &mut Cell) -> String {
    let outcome = cell.shell(FACTS).await;
    assert_eq!(outcome.end, exited(0), "{}", shown(&outcome));
    text(&outcome.stdout)
}

pub(crate) async fn nothing_is_carried_over(bench: &Bench) {
    let root = Policy { user: User::ROOT, ..Policy::default() };
    for policy in
        [Policy::default(), crate::warm::warm(Policy::default(), &["json"]), crate::warm::warm(root.clone(), &[]), root]
    {
        let mut cell = bench.cell(policy).await;
        let fresh = facts(&mut cell).await;
        assert!(fresh.contains("/tmp:\n1777 "), "{fresh}");
        cell.next().await;
        same(&fresh, &facts(&mut cell).await, "an idle run");
        cell.next().await;
        let outcome = cell.python(MARKS).await;
        assert_eq!(text(&outcome.stdout), "marked\n", "{}", shown(&outcome));
        // The marks can be seen, so a reset that did nothing would be seen too.
        let marked = cell.shell(FACTS).await;
        assert_ne!(text(&marked.stdout), fresh);
        cell.next().await;
        same(&fresh, &facts(&mut cell).await, "after every mark");
        let outcome = cell
            .python("import fcntl, socket\nfor p in ('/etc/passwd', '/usr/bin/env'): fcntl.flock(open(p), fcntl.LOCK_EX | fcntl.LOCK_NB)\nsocket.socket(socket.AF_UNIX).bind('\\0mark')\nt = socket.socket(); t.bind(('127.0.0.1', 7777)); t.listen()")
            .await;
        assert!(outcome.success(), "a lock, a name or a port is still taken: {}", shown(&outcome));
        // A run that is killed in the middle carries no more over than one that ends.
        cell.next().await;
        let run = cell.run(python(&format!("{MARKS}\ntime.sleep(60)")));
        assert!(tokio::time::timeout(std::time::Duration::from_millis(400), run).await.is_err());
        cell.next().await;
        same(&fresh, &facts(&mut cell).await, "after a cut");
        cell.close().await;
    }
}

fn same(before: &str, after: &str, when: &str) {
    let lines: Vec<_> = before.lines().zip(after.lines()).filter(|(before, after)| before != after).collect();
    assert!(before == after, "{when}: {lines:#?}\n{after}");
}

/// The init outlives a run, and may run with the same user id as the programs. What they can change of it must not reach the next.
pub(crate) async fn the_inits_own_settings_cannot_be_changed_for_others(bench: &Bench) {
    let attacks = [
        ("affinity", "import os; os.sched_setaffinity(1, {0})"),
        ("niceness", "import os; os.setpriority(os.PRIO_PROCESS, 1, 19)"),
        ("niceness of the user", "import os; os.setpriority(os.PRIO_USER, os.getuid(), 15)"),
        ("niceness of its group", "import os; os.setpriority(os.PRIO_PGRP, os.getpgid(1), 15)"),
        ("scheduling", "import os; os.sched_setscheduler(1, os.SCHED_IDLE, os.sched_param(0))"),
        ("batch scheduling", "import os; os.sched_setscheduler(1, os.SCHED_BATCH, os.sched_param(0))"),
        ("address space", "import resource; resource.prlimit(1, resource.RLIMIT_AS, (1 << 31, 1 << 31))"),
        ("processes", "import resource; resource.prlimit(1, resource.RLIMIT_NPROC, (9, 9))"),
        (
            "soft core size",
            "import resource; resource.prlimit(1, resource.RLIMIT_CPU, (1000, resource.prlimit(1, resource.RLIMIT_CPU)[1]))",
        ),
        ("disk priority", "import ctypes; e = ctypes.CDLL(None).syscall(251, 1, 1, (3 << 13)); assert e == 0"),
        ("open files", "import resource; resource.prlimit(1, resource.RLIMIT_NOFILE, (200, 200))"),
        ("no files at all", "import resource; resource.prlimit(1, resource.RLIMIT_NOFILE, (0, 0))"),
        ("no time", "import resource; resource.prlimit(1, resource.RLIMIT_CPU, (0, 0))"),
    ];
    let facts = "nice; ulimit -Ha; ulimit -a; taskset -p 2 >/dev/null; taskset -p $$ | sed 's/.*: //'; chrt -p $$ | sed 's/.*: //'; ionice -p $$";
    for user in [User::ORDINARY, User::ROOT] {
        let mut cell = bench.cell(Policy { user, ..Policy::default() }).await;
        let fresh = cell.shell(facts).await;
        for (name, program) in attacks {
            cell.next().await;
            // It may be refused, or end the sandbox; what it may not do is to last.
            let _ = cell.run(python(program)).await;
            cell.next().await;
            let outcome = cell.shell(facts).await;
            assert_eq!(text(&outcome.stdout), text(&fresh.stdout), "{name} {user:?}: {}", shown(&outcome));
        }
        cell.close().await;
    }
}

/// Programs that leave something that a later one could find, each in a place of its own.
const TOUCHES: &[(&str, &str)] = &[
    ("a file", "open('/tmp/x', 'w')"),
    ("a file, removed", "open('/tmp/x', 'w'); os.unlink('/tmp/x')"),
    ("a file without a name", "os.open('/tmp', os.O_TMPFILE | os.O_RDWR)"),
    ("a directory, removed", "os.mkdir('/dev/shm/x'); os.rmdir('/dev/shm/x')"),
    ("a mode", "os.chmod(os.path.expanduser('~'), 0o700); os.chmod(os.path.expanduser('~'), 0o755)"),
    ("times", "os.utime(os.path.expanduser('~'), (1, 1))"),
    ("an attribute", "os.setxattr(os.path.expanduser('~'), 'user.x', b'x')"),
    ("a queue", "libc.mq_open(b'/x', os.O_CREAT | os.O_RDWR, 0o600, None) >= 0 or 1 / 0; libc.mq_unlink(b'/x')"),
    ("a socket of the network", "socket.socket()"),
    ("a socket of the newer network", "socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)"),
    ("shared memory", "libc.shmctl(libc.shmget(0, 4096, 0o1600), 0, None)"),
    ("semaphores", "libc.semctl(libc.semget(0, 1, 0o1600), 0, 0)"),
    ("messages", "libc.msgctl(libc.msgget(0, 0o1600), 0, None)"),
    ("a process", "os.fork() or time.sleep(100)"),
    ("a stopped spawner", "os.kill(2, signal.SIGSTOP); time.sleep(0.2)"),
    ("a killed spawner", "os.kill(2, signal.SIGKILL); gone(2)"),
    ("a terminated spawner", "os.kill(2, signal.SIGTERM); gone(2)"),
    ("a signal in a queue", "libc.sigqueue(2, 64, None); gone(2)"),
    ("a limit of the spawner", "resource.prlimit(2, resource.RLIMIT_NOFILE, (100, 100))"),
    ("the niceness of the spawner", "os.setpriority(os.PRIO_PROCESS, 2, 5)"),
    ("the niceness of a user", "os.setpriority(os.PRIO_USER, 0, 5)"),
    ("the niceness of a group", "os.setpriority(os.PRIO_PGRP, os.getpgid(2), 5)"),
    ("the disk priority of the spawner", "libc.syscall(251, 1, 2, 3 << 13) == 0 or 1 / 0"),
    ("the processor of the spawner", "os.sched_setaffinity(2, {0})"),
    (
        "the scheduling of the spawner",
        "os.sched_setscheduler(2, os.SCHED_BATCH | os.SCHED_RESET_ON_FORK, os.sched_param(0))",
    ),
];

/// Programs that leave nothing.
const IDLE: &[&str] = &[
    "pass",
    "open('/etc/passwd').read(); os.listdir('/tmp'); os.listdir('.')",
    "socket.socketpair(); socket.socket(socket.AF_UNIX).bind('\\0name')",
    "os.fork() or os._exit(0); os.wait()",
    "os.nice(3); resource.setrlimit(resource.RLIMIT_NOFILE, (50, 50)); os.sched_setaffinity(0, {0}); os.umask(0)",
    "open('/dev/null', 'w').write('x'); os.memfd_create('x'); os.pipe()",
];

pub(crate) async fn only_what_was_touched_is_renewed(bench: &Bench) {
    // Signals take effect in their time; that somebody has come to a stop cannot be seen from inside.
    let imports = "import ctypes, os, resource, signal, socket, time\nlibc = ctypes.CDLL(None)\n\
                   def gone(pid):\n while True:\n  try: os.kill(pid, 0)\n  except ProcessLookupError: return\n";
    let mut cell = bench.cell(Policy::default()).await;
    // Queues come and go by their calls alone, which are noticed.
    let outcome = cell.python("import os; open('/dev/mqueue/x', 'w')").await;
    assert!(text(&outcome.stderr).contains("Read-only file system"), "{}", shown(&outcome));
    for program in IDLE {
        settled(&mut cell).await;
        let renewed = cell.pool().status().renewed;
        let outcome = cell.python(&format!("{imports}{program}")).await;
        assert!(outcome.success(), "{program}: {}", shown(&outcome));
        cell.next().await;
        assert_eq!(cell.pool().status().renewed, renewed, "{program} touched something");
    }
    for (name, program) in TOUCHES {
        settled(&mut cell).await;
        let status = cell.pool().status();
        let outcome = cell.python(&format!("{imports}{program}")).await;
        if text(&outcome.stderr).contains("PermissionError") {
            // Refused: there is nothing to notice.
            assert!(name.contains("the niceness of") || name.contains("of the spawner"), "{name}: {}", shown(&outcome));
            cell.next().await;
            continue;
        }
        assert!(outcome.success(), "{name}: {}", shown(&outcome));
        cell.next().await;
        let after = cell.pool().status();
        assert_eq!(after.renewed + after.made, status.renewed + status.made + 1, "{name} went unnoticed");
    }
    cell.close().await;
}

/// Runs that leave nothing, until the sandbox has noticed: not before the clock of files has ticked after its last renewal.
async fn settled(cell: &mut Cell) {
    loop {
        let renewed = cell.pool().status().renewed;
        assert!(cell.run(Command::new(["true"])).await.unwrap().success());
        cell.next().await;
        if cell.pool().status().renewed == renewed {
            return;
        }
    }
}

pub(crate) async fn never_means_never(bench: &Bench) {
    let pool = bench.pool_with(Policy::default(), PoolSettings { size: 1, reuse: Reuse::Never });
    let mut cell = Cell::of(pool).await;
    for round in 1..=4 {
        // Not the numbers of the namespaces: the kernel gives those of one that is gone to the next.
        cell.say("touch /tmp/mark").await;
        assert_eq!(cell.pool().status().made, round);
        cell.next().await;
        assert!(!cell.run(Command::new(["ls", "/tmp/mark"])).await.unwrap().success());
    }
    assert_eq!(cell.pool().status().renewed, 0);
    cell.close().await;
}
