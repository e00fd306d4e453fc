#!/usr/bin/env python3
# attack: everything that a process inherits, changed where the next run might inherit it
# tries: limits, niceness, affinity, scheduling class, I/O priority, timer slack, personality, huge-page switch, out-of-memory score,
#   umask, signals ignored and blocked, dumpable and securebits, of its own process, of the spawner that starts programs, and of
#   process 1; the next request compares all of its own with the first one's.
# source: field notes 5b 56 and 14; prlimit(2), which reaches any process of the same user
# expect: each program starts with the same settings
# stopped-by: privileges
# control: own
# needs: python3
# on: host
import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE + "/lib", HERE + "/../lib"]
from two_runs import unchanged

SNAPSHOT = r"""
import ctypes, json, os, resource
c = ctypes.CDLL(None)
status = dict(line.split(":\t", 1) for line in open("/proc/self/status").read().splitlines() if ":\t" in line)
seen = {name: status.get(name) for name in (
    "Umask", "SigBlk", "SigIgn", "ShdPnd", "Cpus_allowed", "Mems_allowed_list", "THP_enabled", "CapBnd", "CapAmb", "NoNewPrivs",
    "Seccomp_filters", "Groups", "TracerPid", "Speculation_Store_Bypass")}
for name in dir(resource):
    if name.startswith("RLIMIT_") and name != "RLIMIT_CPU":
        seen[name] = resource.getrlimit(getattr(resource, name))
seen["limits"] = [line for line in open("/proc/self/limits").read().splitlines()[2:] if "RLIMIT" not in line]
seen["nice"] = os.getpriority(os.PRIO_PROCESS, 0)
seen["class"] = os.sched_getscheduler(0)
seen["ioprio"] = c.syscall(252, 1, 0)
seen["slack"] = c.prctl(30, 0, 0, 0, 0)
seen["personality"] = c.personality(0xffffffff)
seen["subreaper"] = [c.prctl(37, ctypes.byref(v := ctypes.c_int(0)), 0, 0, 0), v.value]
seen["deathsig"] = [c.prctl(2, ctypes.byref(v := ctypes.c_int(0)), 0, 0, 0), v.value]
seen["dumpable"] = c.prctl(3, 0, 0, 0, 0)
seen["securebits"] = c.prctl(27, 0, 0, 0, 0)
seen["huge pages off"] = c.prctl(42, 0, 0, 0, 0)
for name in ("oom_score_adj", "coredump_filter", "timens_offsets", "cgroup", "sessionid", "loginuid"):
    try: seen[name] = open("/proc/self/" + name).read()
    except OSError as error: seen[name] = error.errno
seen["descriptors"] = sorted(os.listdir("/proc/self/fd"))
seen["directory"] = os.getcwd()
seen["environment"] = sorted(os.environ.items())
seen["host name"] = list(os.uname())[:2]
print(json.dumps(seen))
"""

DISTURB = r"""
import ctypes, os, resource, signal
c = ctypes.CDLL(None)
me, spawner = os.getpid(), 2
for pid in (0, os.getppid(), spawner, 1):
    for number in range(16):
        try: resource.prlimit(pid, number, (50 << 20, 60 << 20) if number in (2, 3, 9) else (40, 50))
        except (OSError, ValueError, PermissionError): continue
        if pid != 0: print("left: a limit of", pid)
    for what in (
        lambda: os.sched_setaffinity(pid, [min(os.sched_getaffinity(0))]),
        lambda: os.sched_setscheduler(pid, os.SCHED_BATCH, os.sched_param(0)),
        lambda: os.setpriority(os.PRIO_PROCESS, pid, 5),
        lambda: c.syscall(251, 1, pid, 3 << 13) and 1 / 0,
    ):
        try: what()
        except (OSError, ZeroDivisionError): continue
        print("left: scheduling of", pid)
    try:
        open(f"/proc/{pid or me}/oom_score_adj", "w").write("900")
        print("left: out-of-memory score of", pid)
    except OSError: pass
for number, argument in ((29, 12345678), (41, 1), (36, 1), (1, 9), (28, 0)):
    c.prctl(number, argument, 0, 0, 0)
c.personality(0x0020000)
os.umask(0o077)
os.chdir("/tmp")
os.environ["BELLJAR_MARK"] = "left"
signal.signal(signal.SIGUSR1, signal.SIG_IGN)
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR2])
print("left: settings of its own")
"""

unchanged(DISTURB, SNAPSHOT)
