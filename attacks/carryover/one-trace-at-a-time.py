#!/usr/bin/env python3
# attack: leave a single small trace, so small that nothing is renewed because of it
# tries: one request for each of many traces that change nothing else: times of one directory, an attribute, a directory made and removed,
#   a mode changed and changed back, process ids used up, one socket, one queue, one key of shared memory, a lock, a terminal, an
#   inotify watch; after each, the next request compares what it sees with what it saw before.
# source: belljar renews only what a run has touched; field notes 2e and 5d
# expect: after each of them, everything is as before
# stopped-by: mount_namespace
# control: own
# timeout: 90
# on: host
import json
import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE + "/lib", HERE + "/../lib"]
from two_runs import CONTROL, WHERE, broke, differing, held, sandboxed, server, unclear, where

SNAPSHOT = r"""
import ctypes, json, os
c, rt = ctypes.CDLL(None), ctypes.CDLL("librt.so.1")
seen = {"pid": os.getpid()}
child = os.fork()
if child == 0: os._exit(0)
os.waitpid(child, 0)
seen["child"] = child
for path in ("/tmp", "/var/tmp", "/dev/shm", "/run", os.path.expanduser("~"), "/dev/mqueue", "/dev/pts", "/dev/pts/ptmx"):
    try: status = os.stat(path)
    except OSError as error: seen[path] = error.errno; continue
    old = [int(t) == 1111111111 for t in (status.st_atime, status.st_mtime)]
    try: names = sorted(os.listdir(path)) if path != "/dev/pts/ptmx" else []
    except OSError as error: names = error.errno
    try: marks = os.listxattr(path)
    except OSError as error: marks = error.errno
    seen[path] = [oct(status.st_mode), status.st_uid, status.st_gid, status.st_nlink, old, names, marks]
open("/tmp/.number", "w").close()
seen["inode"] = os.stat("/tmp/.number").st_ino // 64
os.unlink("/tmp/.number")
seen["ids"] = [c.shmget(0, 4096, 0o1600), c.semget(0, 1, 0o1600), c.msgget(0, 0o1600)]
for what, name in ((c.shmctl, 0), (c.msgctl, 2)): what(seen["ids"][name], 0, None)
c.semctl(seen["ids"][1], 0, 0)
for key in (77,): seen["keys"] = [c.shmget(key, 0, 0), c.semget(key, 0, 0), c.msgget(key, 0)]
number = rt.mq_open(b"/single", os.O_RDWR)
seen["queue"] = number
for name in ("dev", "snmp", "tcp", "udp", "tcp6", "udp6", "ip6_flowlabel", "ipv6_route"):
    try: seen[name] = open("/proc/self/net/" + name).read()
    except OSError as error: seen[name] = error.errno
seen["processes"] = len([p for p in os.listdir("/proc") if p.isdigit()])
print(json.dumps(seen))
"""

TRACES = {
    "times of the home": "import os; os.utime(os.path.expanduser('~'), (1111111111, 1111111111))",
    "access time of the home": "import os; h = os.path.expanduser('~'); os.utime(h, (1111111111, os.stat(h).st_mtime))",
    "mode of the home": "import os; os.chmod(os.path.expanduser('~'), 0o700)",
    "attribute of the home": "import os; os.setxattr(os.path.expanduser('~'), 'user.mark', b'x')",
    "group of the home": "import os; os.chown(os.path.expanduser('~'), -1, os.getgid())",
    "an empty directory in /dev/shm": "import os; os.mkdir('/dev/shm/.m')",
    "a hidden file in /run": "open('/run/.m', 'w')",
    "a link in /var/tmp": "import os; os.symlink('x', '/var/tmp/l')",
    "a file renamed over": "import os; open('/tmp/a', 'w'); os.rename('/tmp/a', '/tmp/.b')",
    "a temporary file linked in": "import os; f = os.open('/tmp', os.O_TMPFILE | os.O_RDWR); os.link(f'/proc/self/fd/{f}', '/tmp/t', follow_symlinks=True)",
    "nameless files": "import os\nfor _ in range(300): os.close(os.open('/tmp', os.O_TMPFILE | os.O_RDWR))",
    "nameless files at home": "import os\nfor _ in range(300): os.close(os.open(os.path.expanduser('~'), os.O_TMPFILE | os.O_RDWR))",
    "a FIFO": "import os; os.mkfifo('/tmp/f')",
    "a bound socket": "import socket; socket.socket(socket.AF_UNIX).bind('/tmp/s')",
    "process ids": "import os\nfor _ in range(40):\n    p = os.fork()\n    if p == 0: os._exit(0)\n    os.waitpid(p, 0)",
    "thread ids": "import threading\nfor _ in range(40):\n    t = threading.Thread(target=int); t.start(); t.join()",
    "shared memory": "import ctypes; ctypes.CDLL(None).shmget(77, 4096, 0o1666)",
    "a semaphore": "import ctypes; ctypes.CDLL(None).semget(77, 1, 0o1666)",
    "a message queue": "import ctypes; ctypes.CDLL(None).msgget(77, 0o1666)",
    "a removed segment": "import ctypes; c = ctypes.CDLL(None); c.shmctl(c.shmget(0, 4096, 0o1600), 0, None)",
    "a POSIX queue": "import ctypes, os; ctypes.CDLL('librt.so.1').mq_open(b'/single', os.O_RDWR | os.O_CREAT, 0o666, None)",
    "a file in /dev/mqueue": "open('/dev/mqueue/single', 'w')",
    "a datagram": "import socket; socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b'x', ('127.0.0.1', 9))",
    "a connected datagram socket": "import socket; socket.socket(socket.AF_INET6, socket.SOCK_DGRAM).connect(('::1', 9))",
    "a terminal": "import os; os.openpty()",
    "mode of the terminals' multiplexer": "import os; os.chmod('/dev/pts/ptmx', 0o600)",
    "times of the terminals": "import os; os.utime('/dev/pts', (1111111111, 1111111111))",
    "a process in a session of its own": "import os, time\nif os.fork() == 0:\n    os.setsid(); os.closerange(0, 9); time.sleep(20)",
    "a stopped process": "import os, time\np = os.fork()\nif p == 0:\n    os.closerange(0, 9); time.sleep(20)\nos.kill(p, 19)",
}
# What changes nothing in itself is wanted for the comparison, too.
NOTHING = "pass"
if CONTROL:
    silent = []
    for name, code in TRACES.items():
        # Together in one sandbox: at least most of them must be seen there.
        done = sandboxed(SNAPSHOT + f"\ntry: exec({code!r}, {{}})\nexcept OSError: pass\n" + SNAPSHOT)
        seen = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
        for one in seen:
            for number in ("pid", "child"):
                one.pop(number) if name not in ("process ids", "thread ids") else None
        if len(seen) < 2 or not differing(*seen):
            silent.append(name)
    if len(silent) > len(TRACES) // 2:
        unclear(f"not even seen in one sandbox: {silent}")
    broke(f"{len(TRACES) - len(silent)} of {len(TRACES)} are seen in one sandbox, of course")


def look(running):
    text, _ = running.python(WHERE + SNAPSHOT)
    found = [line for line in text.splitlines() if line.startswith("{")]
    return (json.loads(found[0]), where(text)) if found else unclear(f"no snapshot: {text[-300:]!r}")


seen_again = []
with server() as running:
    look(running)
    first, place = look(running)
    kept = 0
    for name, code in {"nothing": NOTHING, **TRACES}.items():
        running.python(code)
        now, there = look(running)
        kept += there == place
        changed = differing(first, now)
        if changed:
            seen_again.append(f"{name}: {changed}")
if seen_again:
    broke("; ".join(seen_again)[:300])
held(f"{len(TRACES)} traces, none seen, {kept} times in the same sandbox")
