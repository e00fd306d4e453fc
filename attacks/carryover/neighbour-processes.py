#!/usr/bin/env python3
# attack: one sandbox reaches the processes of another
# tries: signals every process id up to 4096, kills "everything", lists /proc, opens pidfds, sends SIGIO by F_SETOWN, lowers limits
#   and priorities by id, by group and by user, asks for affinities.
# source: field notes 5b 59; CVE-2019-5736 and DMOJ (one user for all boxes)
# expect: the other sandbox's program sees no signal and no change, and the id is not found
# stopped-by: pid_namespace
# control: own
# needs: python3
# on: host
import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE + "/lib", HERE + "/../lib"]
from two_runs import side_by_side

FIRST = r"""
import os, resource, signal, sys
heard = []
for number in range(1, 65):
    try: signal.signal(number, lambda n, _: heard.append(n))
    except (OSError, ValueError): pass
def settings(): return [os.getpriority(os.PRIO_PROCESS, 0), resource.getrlimit(7), os.sched_getaffinity(0), os.sched_getscheduler(0)]
before = settings()
print("ready", flush=True)
while True:
    try:
        if not sys.stdin.read(): break
    except InterruptedError: pass
for number in heard: print("found: signal", number)
if settings() != before: print("found: changed", before, settings())
"""

SECOND = r"""
import ctypes, fcntl, os, resource, signal, socket
me = {os.getpid(), os.getppid(), 1, 2, 3}
reached = set()
for pid in range(2, 4097):
    if pid in me: continue
    try: os.kill(pid, signal.SIGUSR1); reached.add(pid)
    except OSError: continue
    for what in (
        lambda: resource.prlimit(pid, 7, (9, 9)), lambda: os.setpriority(os.PRIO_PROCESS, pid, 5),
        lambda: os.sched_setaffinity(pid, [0]), lambda: os.pidfd_open(pid),
    ):
        try: what()
        except (OSError, ValueError): pass
signal.signal(signal.SIGUSR2, signal.SIG_IGN)
try: os.kill(-1, signal.SIGUSR2)
except OSError: pass
try: os.setpriority(os.PRIO_USER, os.getuid(), 5)
except OSError: pass
for pid in list(range(4, 300)):
    if pid in me: continue
    a, b = socket.socketpair()
    try:
        fcntl.fcntl(a, fcntl.F_SETOWN, pid); fcntl.fcntl(a, fcntl.F_SETFL, os.O_ASYNC | os.O_NONBLOCK)
        b.send(b"x")
    except OSError: pass
    a.close(), b.close()
for pid in reached: print("found: process", pid)
print("searched")
"""

side_by_side(FIRST, SECOND)
