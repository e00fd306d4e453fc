#!/usr/bin/env python3
# attack: a chain of processes that forks and ends faster than a killer can list it
# tries: each process forks its successor and ends at once, so that whoever reads a list of processes and then kills comes too late;
#   the run reaches its wall time, and afterwards the host's processes are searched for the chain.
# source: field notes 5b 4; supervisors that kill by list (DMOJ, older isolate, Judge0's timeout)
# expect: nothing of the chain is alive when the result is there
# stopped-by: pid_namespace
# control: own
# needs: python3
# on: host
import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE + "/lib", HERE + "/../lib"]
import signal
import subprocess
import time

from two_runs import BELLJAR, CONTROL, broke, clean_environment, flags, held, program, unclear

NAME = f"chain{os.getpid() % 100000}"
CHAIN = f'''
import ctypes, os, time
c = ctypes.CDLL(None)
c.prctl(15, b"{NAME}", 0, 0, 0)
os.setsid()
end = time.monotonic() + 2.5
while time.monotonic() < end:
    pid = c.fork()
    if pid: os._exit(0)
'''


def links():
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            name = open(f"/proc/{pid}/comm").read().strip()
        except OSError:
            continue
        if name == NAME:
            found.append(pid)
    return found


if CONTROL:
    # A killer that ends what it finds in a list, as the supervisors above do. On a busy machine a link may live long enough for it.
    for _ in range(5):
        first = subprocess.Popen(program(CHAIN), env=clean_environment())
        time.sleep(0.4)
        for _ in range(3):
            listed = links()
            # What is busy with its list is not yet killing; the chain goes on meanwhile.
            time.sleep(0.01)
            for pid in listed:
                try:
                    os.kill(int(pid), signal.SIGKILL)
                except OSError:
                    pass
        first.wait()
        for _ in range(50):
            if links():
                # It ends by itself soon.
                broke("the chain outlives a killer with a list")
    unclear("the chain was caught by a list, five times")
# The first link ends at once, so the shell waits in its stead.
done = subprocess.run(
    [BELLJAR, "run", *flags(), "--wall-time", "600ms", "--", "sh", "-c", '"$@" & sleep 5', "sh", *program(CHAIN)],
    env=clean_environment(), capture_output=True, text=True,
)
# A link is visible only now and then.
for _ in range(50):
    if links():
        broke("the chain goes on after the run")
if done.returncode != 240:
    unclear(f"exit code {done.returncode}: {done.stderr[:200]}")
held("killed with the run at its wall time")
