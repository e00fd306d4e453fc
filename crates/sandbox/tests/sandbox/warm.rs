//! A warm interpreter: nobody can tell, except by the time.

use std::collections::BTreeMap;
use std::time::Duration;

use belljar_sandbox::{Command, Layer, Limit, Outcome, Policy, Stdin, Strictness, User, Warm};
use rustix::process::{Pid, Signal};

use crate::bench::{Bench, Cell, exited, python, reached, shown, text};
use crate::leaks::descendants;

const PROGRAM: &str = "/usr/bin/python3";

pub(crate) fn warm(policy: Policy, imports: &[&str]) -> Policy {
    let imports = imports.iter().map(ToString::to_string).collect();
    Policy { warm: Some(Warm { program: PROGRAM.into(), imports }), ..policy }
}

/// Files that the programs below are.
const FILES: &str = r#"
mkdir -p package empty plain.d
printf 'import sys\nprint(__name__, __file__, __package__, __spec__, sys.argv, sys.path[0])\n' > main.py
printf 'def f(x):\n    return 1 / x\n\nf(0)\n' > fails.py
printf 'import fails\n' > imports.py
printf 'if 1\n' > broken.py
printf '\xef\xbb\xbfprint("bom")\n' > bom.py
printf '# -*- coding: latin-1 -*-\nprint("\xe9")\n' > latin.py
printf 'print("\xe9")\n' > notutf.py
printf 'print("sub", __name__, __package__, __file__, __spec__.name)\nfrom . import other\n' > package/__main__.py
printf '' > package/__init__.py
printf 'print("other", __name__)\n' > package/other.py
printf 'import this_is_nowhere\n' > missing.py
printf 'no newline at the end = (' > open.py
ln -s main.py link.py
printf 'print("a directory")\n' > plain.d/__main__.py
"#;

/// Programs, and what they read. Each is told apart from another by what it writes and how it ends.
const PROGRAMS: &[(&[&str], &str)] = &[
    (&["-c", "print('a', 'b')"], ""),
    (&["-c", ""], ""),
    (
        &[
            "-c",
            "import sys; print(sys.argv, sys.orig_argv, sys.path, sys.executable, sys.flags, sys.warnoptions, sys._xoptions)",
            "x",
            "-y",
            "",
            "é",
        ],
        "",
    ),
    (&["main.py", "a", "b c"], ""),
    (&["./main.py"], ""),
    (&["/home/student/main.py"], ""),
    (&["package/../main.py"], ""),
    (&["fails.py"], ""),
    (&["./fails.py"], ""),
    (&["imports.py"], ""),
    (&["broken.py"], ""),
    (&["bom.py"], ""),
    (&["latin.py"], ""),
    (&["notutf.py"], ""),
    (&["open.py"], ""),
    (&["missing.py"], ""),
    (&["-m", "package", "x"], ""),
    (&["-m", "package.other"], ""),
    (&["-m", "main"], ""),
    (&["-m", "nowhere"], ""),
    (&["-m", "json.tool"], "{\"b\": [1, 2], \"a\": null}"),
    (&["-m", "json.tool"], "{"),
    (&["-m", "timeit", "-n", "1", "-r", "1", "-h"], ""),
    (&[], "import sys\nprint(sys.argv, __name__, sys.stdin.read())\n"),
    (&["-"], "print(__import__('sys').argv)\n1/0\n"),
    (&["-", "x"], "x = (\n"),
    (&["-c", "for line in __import__('sys').stdin: print(line.strip()[::-1])"], "abc\r\ndef\nghi"),
    (&["-c", "print(input('? '), input())"], "a\nb"),
    (&["-c", "input()"], ""),
    (&["-c", "import sys; sys.exit(7)"], ""),
    (&["-c", "import sys; sys.exit('a text')"], ""),
    (&["-c", "import sys; sys.exit(None)"], ""),
    (&["-c", "import sys; sys.exit(256 + 3)"], ""),
    (&["-c", "import sys; sys.exit(-1)"], ""),
    (&["-c", "raise SystemExit([1, 2])"], ""),
    (&["-c", "raise KeyboardInterrupt"], ""),
    (&["-c", "import os, signal; os.kill(os.getpid(), signal.SIGINT); import time; time.sleep(5)"], ""),
    (&["-c", "import os, signal; os.kill(os.getpid(), signal.SIGTERM)"], ""),
    (&["-c", "import os; os.abort()"], ""),
    (&["-c", "import os; os._exit(3)"], ""),
    (&["-c", "import ctypes; ctypes.string_at(0)"], ""),
    (&["-c", "def f(n):\n    try: return f(n + 1)\n    except RecursionError: return n\nprint(f(0))"], ""),
    (&["-c", "def f(): f()\nf()"], ""),
    (&["-c", "import sys, traceback; traceback.print_stack(); f = sys._getframe(); print(f.f_back, f.f_code)"], ""),
    (&["-c", "raise Exception('a') from ValueError('b')"], ""),
    (&["-c", "raise ExceptionGroup('g', [ValueError(1), TypeError(2)])"], ""),
    (&["-c", "assert 1 == 2, 'no'"], ""),
    (&["-c", "import warnings; warnings.warn('w'); warnings.warn('d', DeprecationWarning)"], ""),
    (
        &["-c", "class A:\n    def __del__(self): print('gone', self.n)\na = A(); a.n = 1\nb = A(); b.n = 2; b.b = b"],
        "",
    ),
    (&["-c", "import atexit; atexit.register(print, 1); atexit.register(print, 2)"], ""),
    (
        &[
            "-c",
            "import atexit, json, random\n@atexit.register\ndef f(): import decimal, sys; print(json.dumps([1]), decimal.Decimal(1), sorted(sys.modules)[:5])",
        ],
        "",
    ),
    (
        &[
            "-c",
            "import threading, time\nthreading.Thread(target=lambda: (time.sleep(.05), print('late'))).start(); print('main')",
        ],
        "",
    ),
    (
        &[
            "-c",
            "import threading; t = threading.main_thread(); print(t.name, t.daemon, t.native_id == threading.get_native_id(), t is threading.current_thread(), threading.active_count())",
        ],
        "",
    ),
    (&["-c", "import sys; print(repr(sys.stdin), repr(sys.stdout), repr(sys.stderr))"], ""),
    (
        &[
            "-c",
            "import sys\nfor s in (sys.stdin, sys.stdout, sys.stderr): print(s.name, s.mode, s.encoding, s.errors, s.line_buffering, s.write_through, s.newlines, s.isatty(), s.fileno(), s.buffer, s.buffer.raw, s.seekable(), s is getattr(sys, '__' + s.name[1:-1] + '__'))",
        ],
        "",
    ),
    (&["-c", "import os, sys; sys.stdout.write('a'); sys.stderr.write('b'); os.write(1, b'c'); os.write(2, b'd')"], ""),
    (&["-c", "import os; os.close(1); print(1)"], ""),
    (&["-c", "import sys; sys.stdout.buffer.write(bytes(range(256)))"], ""),
    (&["-c", "print('\\udcff')"], ""),
    (&["-c", "import os; print(dict(os.environ), os.getcwd(), os.environb[b'HOME'], os.getenv('PATH'))"], ""),
    (
        &["-c", "import subprocess; print(subprocess.run(['sh', '-c', 'env | grep -v ^_= | sort; echo $0; exit 3']))"],
        "",
    ),
    (
        &[
            "-c",
            "import subprocess; print(subprocess.run(['cat'], input=b'x' * 99999, capture_output=True).stdout == b'x' * 99999)",
        ],
        "",
    ),
    (
        &[
            "-c",
            "import os\npid = os.fork()\nprint('child' if pid == 0 else os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), flush=True)",
        ],
        "",
    ),
    (&["-c", "import os\ntry: os.wait()\nexcept ChildProcessError as e: print(e)"], ""),
    (
        &[
            "-c",
            "import os; print(os.getppid(), os.getsid(0) == os.getpid(), os.getpgid(0) == os.getpid(), os.nice(0), os.sched_getaffinity(0), os.get_terminal_size.__name__)",
        ],
        "",
    ),
    (
        &[
            "-c",
            "import signal; print([(s, signal.getsignal(s)) for s in signal.valid_signals() if signal.getsignal(s) != 0], signal.pthread_sigmask(0, []), signal.sigpending(), signal.getitimer(0), signal.set_wakeup_fd(-1))",
        ],
        "",
    ),
    (
        &[
            "-c",
            "import signal, os; signal.signal(signal.SIGUSR1, lambda *a: print(a[0])); os.kill(os.getpid(), signal.SIGUSR1)",
        ],
        "",
    ),
    (&["-c", "import sys; print(sorted(sys.modules))"], ""),
    (
        &[
            "-c",
            "import sys; print(sys.meta_path, sys.path_hooks, sorted(sys.path_importer_cache), sys.dont_write_bytecode, sys.pycache_prefix, sys.exc_info(), hasattr(sys, 'last_value'), sys.getswitchinterval(), sys.getrecursionlimit(), sys.gettrace(), sys.getprofile())",
        ],
        "",
    ),
    (&["-c", "print({k: v for k, v in globals().items()}, __builtins__, __spec__, __loader__, dir())"], ""),
    (
        &[
            "-c",
            "import ctypes, json, struct, socket, gc; print(ctypes.sizeof(ctypes.c_long), ctypes.CDLL(None).getpid() > 0, json.loads('[1]'), struct.calcsize('q'), socket.socketpair()[0].family, gc.isenabled(), gc.get_threshold(), gc.garbage)",
        ],
        "",
    ),
    (
        &[
            "-c",
            "import multiprocessing as m\nif __name__ == '__main__':\n    with m.get_context('fork').Pool(2) as p: print(p.map(abs, [-1, 2, -3]))",
        ],
        "",
    ),
    (
        &[
            "-c",
            "import concurrent.futures as c\nwith c.ThreadPoolExecutor(2) as p: print(list(p.map(abs, [-1, 2, -3])))",
        ],
        "",
    ),
    (&["-c", "import asyncio\nasync def f(): await asyncio.sleep(0); print('async')\nasyncio.run(f())"], ""),
    (
        &[
            "-c",
            "import locale, time, datetime; print(locale.getlocale(), locale.getpreferredencoding(), time.tzname, time.strftime('%Z', time.localtime(0)), datetime.datetime.fromtimestamp(0))",
        ],
        "",
    ),
    (&["-c", "import faulthandler, tracemalloc; print(faulthandler.is_enabled(), tracemalloc.is_tracing())"], ""),
    (&["-c", "import site; print(site.ENABLE_USER_SITE, site.USER_SITE, site.PREFIXES)"], ""),
    (
        &["-c", "import tempfile, os; f = tempfile.NamedTemporaryFile(); print(os.path.dirname(f.name)); import fails"],
        "",
    ),
    (
        &[
            "-c",
            "import unittest\nclass T(unittest.TestCase):\n    def test(self): self.assertEqual(1, 2)\nr = unittest.TestResult(); unittest.defaultTestLoader.loadTestsFromTestCase(T).run(r); print(r.failures)",
        ],
        "",
    ),
    (
        &[
            "-c",
            "import sys; sys.stderr.write(open('/proc/self/comm').read()); print(sorted(int(f) for f in __import__('os').listdir('/proc/self/fd'))[:3])",
        ],
        "",
    ),
    (
        &[
            "-c",
            "print(__import__('os').readlink('/proc/self/exe'), __import__('os').readlink('/proc/self/cwd'), __import__('os').readlink('/proc/self/root'))",
        ],
        "",
    ),
    (
        &[
            "-c",
            "import sys, gc; gc.collect(); gc.set_debug(gc.DEBUG_STATS); gc.set_debug(0); print(len(gc.callbacks))",
        ],
        "",
    ),
    (
        &[
            "-c",
            "import linecache, inspect, importlib; importlib.reload(inspect); print(inspect.getsource(inspect.isabstract)[:20])",
        ],
        "",
    ),
    (&["-c", "while True: pass"], ""),
];

/// A run with everything that a caller sees of it, and whether it was in a warm interpreter.
async fn run(cell: &mut Cell, command: Command) -> (String, bool) {
    let outcome = cell.run(command).await.unwrap();
    let warm = outcome.usage.warm;
    (seen(&outcome), warm)
}

fn seen(outcome: &Outcome) -> String {
    // Addresses differ from run to run.
    let hidden = |bytes: &[u8]| {
        let text = format!("{:?}", String::from_utf8_lossy(bytes));
        let mut parts = text.split("0x");
        let mut clean = parts.next().unwrap_or_default().to_owned();
        for part in parts {
            clean.push_str("0x");
            clean.push_str(part.trim_start_matches(|sign: char| sign.is_ascii_hexdigit()));
        }
        clean
    };
    format!("{:?}\n{}\n{}", outcome.end, hidden(&outcome.stdout), hidden(&outcome.stderr))
}

fn command(arguments: &[&str], input: &str) -> Command {
    let mut command = Command::new(["python3"].iter().chain(arguments));
    command.stdin = Stdin::Bytes(input.as_bytes().to_vec());
    command.wall_time(Duration::from_secs(1))
}

pub(crate) async fn programs_do_as_in_a_fresh_interpreter(bench: &Bench) {
    let imports =
        ["json", "random", "decimal", "typing", "unittest", "dataclasses", "subprocess", "logging", "nowhere"];
    let mut fresh = bench.cell(Policy::default()).await;
    let mut bare = bench.cell(warm(Policy::default(), &[])).await;
    let mut rich = bench.cell(warm(Policy::default(), &imports)).await;
    for cell in [&mut fresh, &mut bare, &mut rich] {
        cell.say(FILES).await;
    }
    let mut wrong = Vec::new();
    for (arguments, input) in PROGRAMS {
        let (expected, _) = run(&mut fresh, command(arguments, input)).await;
        for (name, cell) in [("bare", &mut bare), ("rich", &mut rich)] {
            // What was imported ahead is there, and shows.
            let shows = arguments
                .get(1)
                .is_some_and(|code| code.contains("sys.modules") || code.contains("path_importer_cache"));
            let (seen, warm) = run(cell, command(arguments, input)).await;
            if !warm {
                wrong.push(format!("{arguments:?} {name}: not in the warm interpreter"));
            }
            if seen != expected && !(shows && name == "rich") {
                wrong.push(format!("{arguments:?} {name}:\n{seen}\ninstead of\n{expected}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), PROGRAMS.len(), wrong.join("\n\n"));
    for cell in [fresh, bare, rich] {
        cell.close().await;
    }
}

/// Everything that the kernel tells a process of itself, but for its numbers and sizes.
const FACTS: &str = r#"
import ctypes, os, resource, signal, sys
libc = ctypes.CDLL(None, use_errno=True)
own = ('Name', 'Pid', 'Tgid', 'NStgid', 'NSpid', 'NSpgid', 'NSsid', 'Vm', 'Rss', 'Huge', 'vol', 'nonvol', 'Threads', 'Mems', 'SigQ')
for line in open('/proc/self/status'):
    if not line.startswith(own): print(line.strip())
for name in ('limits', 'mountinfo', 'uid_map', 'gid_map', 'setgroups', 'cgroup', 'oom_score_adj', 'comm', 'coredump_filter', 'timens_offsets', 'timerslack_ns', 'personality'):
    try: print(name, open('/proc/self/' + name).read())
    except OSError as e: print(name, e.errno)
for name in sorted(os.listdir('/proc/self/ns')): print(os.readlink('/proc/self/ns/' + name))
print(sorted(os.listdir('/proc/self/fd'))[:3], [os.get_inheritable(i) for i in range(3)], os.listdir('/proc/self/task') == [str(os.getpid())])
for option in (2, 3, 4, 7, 27, 30, 37, 39): 
    value = ctypes.c_int(-1); print('prctl', option, libc.prctl(option, ctypes.byref(value), 0, 0, 0) if option in (2, 37) else libc.prctl(option, 0, 0, 0, 0), value.value)
print(os.getresuid(), os.getresgid(), os.getgroups(), os.umask(0), os.nice(0), os.getppid(), os.getcwd())
print(os.sched_getscheduler(0), os.sched_getaffinity(0), libc.syscall(252, 1, 0), os.getpriority(os.PRIO_PROCESS, 0))
print(os.getsid(0) == os.getpid() == os.getpgid(0), resource.getrlimit(resource.RLIMIT_STACK))
print(os.access('/proc/self/mem', os.R_OK), os.access('/proc/1/status', os.R_OK))
print(sorted(n for n in os.listdir('/proc') if n.isdigit() and n != str(os.getpid())), os.listdir('/run'), os.path.exists('/run/warm'))
attributes = os.sysconf_names; print(os.sysconf('SC_NPROCESSORS_ONLN'), os.getloadavg() is not None)
for place in ('/', '/usr', '/etc/passwd', '/home/student/x', '/tmp/x', '/dev/shm/x', '/run/x', '/proc/self/oom_score_adj', '/proc/1/mem'):
    try: open(place, 'w').close(); print(place, oct(os.stat(place).st_mode)); os.remove(place)
    except OSError as e: print(place, e.errno)
for call in ('unshare', 'setns', 'mount', 'ptrace'):
    ctypes.set_errno(0); print(call, libc[call](0, 0, 0, 0, 0), ctypes.get_errno())
for call in (165, 272, 308, 321, 425, 250, 101, 310):
    ctypes.set_errno(0); print(call, libc.syscall(call, 0x20000, 0, 0, 0, 0), ctypes.get_errno())
for identity in ('setuid', 'setgid', 'setgroups'):
    try: print(identity, getattr(os, identity)(0 if identity != 'setgroups' else []))
    except OSError as e: print(identity, e.errno)
"#;

/// A command with an option of the interpreter's own, which is never for a warm one.
fn fresh(program: &str) -> Command {
    Command::new(["python3", "-u", "-c", program])
}

pub(crate) async fn a_fork_is_confined_like_any_program(bench: &Bench) {
    for user in [User::ORDINARY, User::ROOT] {
        let mut cell = bench.cell(warm(Policy { user, ..Policy::default() }, &["json"])).await;
        // Made ahead, on demand, and after a reset.
        for round in 0..6 {
            if round % 2 == 0 {
                let outcome = cell.python(FACTS).await;
                assert!(outcome.usage.warm, "{}", shown(&outcome));
                let expected = cell.run(fresh(FACTS)).await.unwrap();
                assert!(!expected.usage.warm && expected.success(), "{}", shown(&expected));
                same(&expected, &outcome, &format!("{user:?}, round {round}"));
            } else {
                let expected = cell.run(fresh(FACTS)).await.unwrap();
                let outcome = cell.python(FACTS).await;
                assert!(outcome.usage.warm && !expected.usage.warm, "{}", shown(&outcome));
                same(&expected, &outcome, &format!("{user:?}, round {round}"));
                cell.next().await;
            }
        }
        cell.close().await;
    }
}

fn same(expected: &Outcome, outcome: &Outcome, when: &str) {
    let (left, right) = (text(&expected.stdout), text(&outcome.stdout));
    let lines: Vec<_> = left.lines().zip(right.lines()).filter(|(left, right)| left != right).collect();
    assert!(left == right, "{when}: {lines:#?}\n{}", shown(outcome));
}

/// What a program may try on a process that it should not reach. `p` is each process id but its own, in turn.
const ATTACKS: &[(&str, &str)] = &[
    ("signals", "for s in signal.valid_signals() - {9, 19}: os.kill(p, s)"),
    (
        "queued signals",
        "for s in (34, 40, 64):\n    for n in range(600): libc.syscall(129, p, s, ctypes.create_string_buffer(bytes([s, 0, 0, 0] * 3 + [255] * 4) + bytes(112)))",
    ),
    ("SIGKILL", "os.kill(p, 9)"),
    ("SIGSTOP", "os.kill(p, 19)"),
    ("SIGSTOP to all", "os.kill(-1, 19)"),
    ("SIGKILL to all", "os.kill(-1, 9)"),
    ("a descriptor of the process", "signal.pidfd_send_signal(os.pidfd_open(p), 9)"),
    (
        "limits",
        "resource.prlimit(p, resource.RLIMIT_NPROC, (9, 9)); resource.prlimit(p, resource.RLIMIT_AS, (1 << 31, 1 << 31))",
    ),
    ("no descriptors", "resource.prlimit(p, resource.RLIMIT_NOFILE, (0, 0))"),
    ("no time", "resource.prlimit(p, resource.RLIMIT_CPU, (0, 0))"),
    ("niceness", "os.setpriority(os.PRIO_PROCESS, p, 19)"),
    ("niceness of a user", "os.setpriority(os.PRIO_USER, 65533, 19)"),
    ("affinity", "os.sched_setaffinity(p, {0})"),
    ("scheduling", "os.sched_setscheduler(p, os.SCHED_IDLE, os.sched_param(0))"),
    ("disk priority", "libc.syscall(251, 1, p, 3 << 13)"),
    ("session", "os.setpgid(p, 0)"),
    ("tracing", "assert libc.ptrace(16, p, 0, 0) == -1 and libc.ptrace(0x4206, p, 0, 0) == -1"),
    (
        "reading memory",
        "libc.process_vm_readv(p, None, 0, None, 0, 0); print(open(f'/proc/{p}/mem', 'rb').read(1), 'REACHED')",
    ),
    ("its descriptors", "print(os.listdir(f'/proc/{p}/fd'), 'REACHED')"),
    ("its root", "print(os.listdir(f'/proc/{p}/root/run'), 'REACHED')"),
    ("its name", "print(open(f'/proc/{p}/cmdline').read(), 'REACHED')"),
    ("its out-of-memory score", "open(f'/proc/{p}/oom_score_adj', 'w').write('1000'); print('REACHED')"),
    ("its descriptor table", "print(libc.syscall(438, os.pidfd_open(p), 3, 0) >= 0 and 'REACHED')"),
];

pub(crate) async fn the_zygote_cannot_be_reached(bench: &Bench) {
    for user in [User::ORDINARY, User::ROOT] {
        let mut cell = bench.cell(warm(Policy { user, ..Policy::default() }, &[])).await;
        // All forks of one zygote have its hash seed: so it is known again.
        let seed = cell.python("print(hash('x'))").await;
        for (name, code) in ATTACKS {
            for by_fork in [true, false] {
                cell.next().await;
                let code = code.replace('\n', "\n        ");
                let attack = format!(
                    "import ctypes, os, resource, signal, sys\nlibc = ctypes.CDLL(None)\nfor p in [*range(2, 40), *range(31999, 32040)]:\n    if p == os.getpid(): continue\n    \
                     try:\n        {code}\n    except OSError: pass\nprint('done')"
                );
                let outcome = cell.run(if by_fork { python(&attack) } else { fresh(&attack) }).await.unwrap();
                assert!(!text(&outcome.stdout).contains("REACHED"), "{name}: {}", shown(&outcome));
                // Another command of the same request may suffer from it, as from anything that the first one left running.
                let _ = cell.run(python("print(1)")).await;
                cell.next().await;
                let after = cell.python(FACTS).await;
                same(&cell.run(fresh(FACTS)).await.unwrap(), &after, name);
                assert!(after.usage.warm, "{name}: it is not warm again");
                let now = cell.python("print(hash('x'))").await;
                if bench.privileged {
                    assert_eq!(text(&now.stdout), text(&seed.stdout), "{name}: another zygote");
                }
            }
        }
        assert_eq!(cell.pool().status().made, 1, "the sandbox was never replaced");
        cell.close().await;
    }
}

/// Changes whatever of an interpreter can be changed, and leaves processes.
const PATCHES: &str = r#"
import builtins, json, os, random, sys, threading, time, types
threading.Thread(target=time.sleep, args=(9,), daemon=True).start()
sys.modules['planted'] = types.ModuleType('planted'); json.planted = builtins.planted = os.planted = 1
json.dumps = lambda *a: 'patched'; builtins.print = None; builtins.len = None; random.seed(1); del sys.modules['json']
os.environ['PLANTED'] = '1'; sys.path.insert(0, '/tmp'); sys.flags_planted = 1; sys.setrecursionlimit(77)
open('/tmp/json.py', 'w').write('planted = 2'); open('/home/student/sitecustomize.py', 'w').write('planted = 3')
sys.stdout.write('patched'); sys.stdout.flush()
for child in range(3):
    if os.fork() == 0:
        os.setsid()
        while True: time.sleep(9)
os._exit(0)
"#;

pub(crate) async fn nothing_of_a_run_is_in_the_next(bench: &Bench) {
    let look = "import builtins, json, os, random, sys, threading; print(json.dumps([1]), [n for n in ('planted',) for m in (builtins, json, os, sys) if hasattr(m, n)], 'planted' in sys.modules, os.environ.get('PLANTED'), sys.path[:2], sys.getrecursionlimit(), threading.active_count(), hasattr(sys, 'flags_planted'))";
    let mut cell = bench.cell(warm(Policy::default(), &["json", "random", "threading"])).await;
    let expected = cell.python(look).await;
    assert!(expected.usage.warm && expected.success(), "{}", shown(&expected));
    let mut seen = std::collections::BTreeSet::new();
    for round in 0..6 {
        let patched = cell.python(PATCHES).await;
        assert!(patched.usage.warm && text(&patched.stdout) == "patched", "{}", shown(&patched));
        if round % 2 == 0 {
            cell.next().await;
        } else {
            // Files of the same request stay, processes do not.
            cell.settle().await.unwrap();
            cell.shell("rm /tmp/json.py /home/student/sitecustomize.py").await;
        }
        same(&expected, &cell.python(look).await, "after patches");
        let random = cell.python("import random, uuid, tempfile; print(random.random(), uuid.uuid4(), next(tempfile._get_candidate_names()))").await;
        assert!(random.usage.warm);
        for word in text(&random.stdout).split_whitespace() {
            assert!(seen.insert(word.to_owned()), "chance repeats itself: {word}");
        }
        let others = cell.say("ls /proc | grep -c '^[0-9]'").await;
        // The shell, `ls` and `grep`.
        assert_eq!(others, "3\n");
    }
    cell.close().await;
}

/// What a fork declines, because a fresh interpreter would do something else, or what is never asked of it.
pub(crate) async fn what_would_make_a_difference_is_left_to_a_fresh_interpreter(bench: &Bench) {
    let mut policy = warm(Policy::default(), &["json", "random"]);
    policy.environment.insert("PYTHONPATH".to_owned(), "/tmp/lib:/utils/".to_owned());
    let mut plain = policy.clone();
    plain.warm = None;
    let cases: &[(&str, &[&str])] = &[
        ("echo 'print(\"mine\")' > json.py", &["-c", "import json"]),
        ("mkdir random; echo 'print(\"mine\")' > random/__init__.py", &["-c", "import random"]),
        ("mkdir d; echo 'print(\"mine\")' > d/json.py; echo 'import json' > d/x.py", &["d/x.py"]),
        ("mkdir -p /tmp/lib; echo 'print(\"mine\")' > /tmp/lib/json.py", &["-c", "import json"]),
        ("mkdir -p /tmp/lib; echo 'print(\"mine\")' > /tmp/lib/sitecustomize.py", &["-c", "1"]),
        ("mkdir -p /tmp/lib; echo 'print(\"mine\")' > /tmp/lib/usercustomize.py", &["-c", "1"]),
        (
            "mkdir -p .local/lib/python3.11/site-packages; echo 'print(\"mine\")' > .local/lib/python3.11/site-packages/usercustomize.py",
            &["-c", "1"],
        ),
        (
            "mkdir -p .local/lib/python3.11/site-packages; echo 'import sys; print(\"mine\")' > .local/lib/python3.11/site-packages/a.pth",
            &["-c", "1"],
        ),
        ("mkdir d; echo 'print(\"main\")' > d/__main__.py", &["d"]),
        ("echo 'print(__file__)' > x.py; ln -s x.py y.py", &["y.py"]),
        ("mkdir d; echo 'print(\"mine\")' > d/json.py; echo 'import json' > d/x.py; ln -s d/x.py y.py", &["y.py"]),
        ("", &["nowhere.py"]),
        ("", &["-m", "json.decoder"]),
        ("", &["-V"]),
        ("", &["-I", "-c", "import sys; print(sys.path)"]),
        ("", &["-O", "-c", "assert False"]),
        ("", &["-"]),
    ];
    for (prepare, arguments) in cases {
        let mut seen = Vec::new();
        for policy in [&policy, &plain] {
            let mut cell = bench.cell(policy.clone()).await;
            cell.say(prepare).await;
            seen.push(run(&mut cell, command(arguments, "")).await);
            cell.close().await;
        }
        assert_eq!(seen[0].0, seen[1].0, "{prepare} {arguments:?}");
        assert_eq!(seen[0].1, *arguments == ["-"], "{prepare} {arguments:?}: where it ran");
    }
    // Another interpreter of the same name comes first.
    let mut cell = bench.cell(policy).await;
    cell.say("mkdir bin; printf '#!/bin/sh\\necho another\\n' > bin/python3; chmod +x bin/python3").await;
    let path = [("PATH".into(), "/home/student/bin:/usr/bin:/bin".into())];
    let outcome = cell.run(python("print(1)").environment(path)).await.unwrap();
    assert_eq!((text(&outcome.stdout).as_str(), outcome.usage.warm), ("another\n", false));
    cell.close().await;
}

/// A shell that only executes an interpreter leaves marks in its environment.
pub(crate) async fn a_shell_is_not_missed(bench: &Bench) {
    let script = "python3 -c 'import os, sys; print(sorted(os.environ.items()), os.getppid(), sys.argv, os.getcwd())' \"a b\" c=d";
    let mut plain = bench.cell(Policy::default()).await;
    let mut cell = bench.cell(warm(Policy::default(), &[])).await;
    let own = BTreeMap::from([("X".to_owned(), "1 2".to_owned())]);
    let own = || own.iter().map(|(name, value)| (name.into(), value.into())).collect::<Vec<_>>();
    for directory in [None, Some("/tmp")] {
        let shell = || Command { directory: directory.map(Into::into), ..Command::shell(script).environment(own()) };
        let (expected, outcome) = (plain.run(shell()).await.unwrap(), cell.run(shell()).await.unwrap());
        assert!(outcome.usage.warm && expected.success(), "{}", shown(&expected));
        same(&expected, &outcome, "a shell's script");
    }
    plain.close().await;
    cell.close().await;
}

pub(crate) async fn limits_hold_for_forks(bench: &Bench) {
    let mut policy = warm(Policy::default(), &[]);
    policy.limits.wall_time = Duration::from_secs(3);
    policy.limits.cpu_time = Duration::from_millis(300);
    policy.limits.file_size = 1 << 20;
    policy.limits.output = 1000;
    policy.limits.open_files = 50;
    let mut cell = bench.cell(policy).await;
    for (code, end) in [
        ("while True: pass", reached(Limit::CpuTime)),
        (
            "import os\nwhile True:\n    if os.fork() == 0:\n        for i in range(10**6): pass\n        os._exit(0)\n    os.wait()",
            reached(Limit::CpuTime),
        ),
        ("import time; time.sleep(60)", reached(Limit::WallTime)),
        ("import os\nwhile True: os.write(1, b'x' * 100)", reached(Limit::Output)),
        (
            "import signal; signal.signal(signal.SIGXFSZ, signal.SIG_DFL); open('/tmp/x', 'wb').write(bytes(2 << 20))",
            reached(Limit::FileSize),
        ),
        ("import os, sys\ntry:\n    while True: n = os.dup(1)\nexcept OSError: sys.exit(n)", exited(49)),
    ] {
        let outcome = cell.python(code).await;
        assert!(outcome.usage.warm, "{code}: {}", shown(&outcome));
        assert_eq!(outcome.end, end, "{code}: {}", shown(&outcome));
        assert!(outcome.usage.wall_time < Duration::from_millis(3500), "{code}: {}", shown(&outcome));
        let outcome = cell.python("print('alive')").await;
        assert!(outcome.usage.warm && text(&outcome.stdout) == "alive\n", "after {code}: {}", shown(&outcome));
        assert!(
            outcome.usage.user_time + outcome.usage.system_time < Duration::from_millis(100),
            "{}",
            shown(&outcome)
        );
        cell.next().await;
    }
    cell.close().await;
}

pub(crate) async fn processes_and_memory_are_counted_for_forks(bench: &Bench) {
    let mut policy = warm(Policy::default(), &["json"]);
    (policy.limits.processes, policy.limits.memory) = (10, 96 << 20);
    let mut cell = bench.cell(policy).await;
    let crowd = "import os, time\nn = 1\ntry:\n    while True:\n        if os.fork() == 0: time.sleep(9)\n        n += 1\nexcept OSError as e: print(n, e.errno)";
    let threads = "import threading, time\nn = 1\ntry:\n    while True:\n        threading.Thread(target=time.sleep, args=(1,), daemon=True).start()\n        n += 1\nexcept RuntimeError: print(n)";
    for round in 0..3 {
        for (command, is_warm) in
            [(python(crowd), true), (fresh(crowd), false), (python(threads), true), (fresh(threads), false)]
        {
            let outcome = cell.run(command).await.unwrap();
            assert!(text(&outcome.stdout).starts_with("10"), "{round}: {}", shown(&outcome));
            assert!(outcome.limits_reached.contains(&Limit::Processes), "{}", shown(&outcome));
            assert_eq!(outcome.usage.warm, is_warm);
            cell.settle().await.unwrap();
        }
        let children = "import os\nfor i in range(3):\n    if os.fork() == 0: os._exit(0)\n    os.wait()";
        for command in [python(children), fresh(children)] {
            let outcome = cell.run(command).await.unwrap();
            assert_eq!(outcome.usage.processes_created, 4, "{}", shown(&outcome));
        }
        cell.next().await;
        // Whoever the kernel kills for want of memory, the next run is a fork again.
        let outcome = cell.python("x = []\nwhile True: x.append(bytearray(1 << 20))").await;
        assert_eq!(outcome.end, reached(Limit::Memory), "{}", shown(&outcome));
        assert!(outcome.usage.warm && outcome.usage.peak_memory_bytes > 64 << 20, "{}", shown(&outcome));
        cell.next().await;
        let after = cell.python("print(hash('x'))").await;
        assert!(after.usage.warm && after.usage.peak_memory_bytes < 48 << 20, "{}", shown(&after));
    }
    cell.close().await;
}

/// Whatever becomes of a zygote, programs run.
pub(crate) async fn a_lost_zygote_costs_only_time(bench: &Bench) {
    let mut cell = bench.cell(warm(Policy::default(), &[])).await;
    for signal in [Signal::KILL, Signal::STOP, Signal::TERM] {
        // The zygote, and the fork that it has made ahead.
        for (pid, _) in descendants(std::process::id()).into_iter().filter(|(_, name)| name == "python3") {
            let pid = Pid::from_raw(i32::try_from(pid).unwrap()).unwrap();
            rustix::process::kill_process(pid, signal).unwrap();
        }
        for _ in 0..3 {
            let outcome = cell.python("print(1)").await;
            assert_eq!(text(&outcome.stdout), "1\n", "{signal:?}: {}", shown(&outcome));
        }
        cell.next().await;
        let outcome = cell.python("print(2)").await;
        assert!(outcome.usage.warm && text(&outcome.stdout) == "2\n", "{signal:?}: {}", shown(&outcome));
        cell.next().await;
    }
    assert_eq!(cell.pool().status().made, 1, "the sandbox was replaced");
    cell.close().await;
}

pub(crate) async fn one_that_cannot_be_is_refused_or_done_without(bench: &Bench) {
    let with = |program: &str, imports: &[&str]| {
        let policy = warm(Policy::default(), imports);
        Policy { warm: policy.warm.map(|warm| Warm { program: program.into(), ..warm }), ..policy }
    };
    let mut few = with(PROGRAM, &[]);
    few.limits.processes = 3;
    let mut open = with(PROGRAM, &[]);
    open.layers.insert(Layer::Privileges, Strictness::Off);
    for (policy, reason) in [
        (with("python3", &[]), "not an absolute path"),
        (with("/usr/bin/nowhere", &[]), "does not exist"),
        (with(PROGRAM, &["json'"]), "not the name of a module"),
        (few, "processes"),
        (open, "privileges"),
    ] {
        let refusal = bench.refusal(policy).await;
        assert!(refusal.contains(reason), "{refusal}");
    }
    // What is no interpreter ends at once: programs are started as ever.
    for policy in [with("/usr/bin/true", &[]), with("/usr/bin/false", &[])] {
        let mut cell = bench.cell(policy).await;
        for _ in 0..5 {
            let outcome = cell.python("print(1)").await;
            assert_eq!((text(&outcome.stdout).as_str(), outcome.usage.warm), ("1\n", false), "{}", shown(&outcome));
            cell.next().await;
        }
        cell.close().await;
    }
}
