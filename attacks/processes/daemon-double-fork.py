#!/usr/bin/env python3
# attack: a daemon made by the book that should live on after the run
# tries: setsid, double fork, all signals ignored and blocked, new process group, working directory changed, streams closed, name and
#   command line changed; afterwards the host's processes are searched for it.
# source: field notes 5b 2; sandlock (measured: the daemon lives on)
# expect: it is dead when the result is there, and the result does not wait for it
# stopped-by: pid_namespace
# control: own
# needs: python3
# on: host
import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE + "/lib", HERE + "/../lib"]
import subprocess
import time

from two_runs import BELLJAR, CONTROL, broke, clean_environment, flags, held, program, unclear

NAME = f"stays{os.getpid() % 100000}"
DAEMON = f'''
import ctypes, os, signal, time
c = ctypes.CDLL(None)
ready, tell = os.pipe()
if os.fork() == 0:
    os.setsid()
    if os.fork(): os._exit(0)
    for number in range(1, 65):
        try: signal.signal(number, signal.SIG_IGN)
        except (OSError, ValueError): pass
    signal.pthread_sigmask(signal.SIG_BLOCK, range(1, 65))
    os.setpgid(0, 0)
    os.chdir("/tmp")
    c.prctl(15, b"{NAME}", 0, 0, 0)
    c.prctl(36, 1, 0, 0, 0), c.prctl(1, 0, 0, 0, 0), c.prctl(4, 0, 0, 0, 0)
    os.write(tell, b"x")
    os.closerange(0, 64)
    time.sleep(3)
    os._exit(0)
os.read(ready, 1)
print("left")
'''


def alive():
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            found.append(open(f"/proc/{pid}/comm").read().strip())
        except OSError:
            continue
    return NAME in found


command = program(DAEMON) if CONTROL else [BELLJAR, "run", *flags(), "--", *program(DAEMON)]
began = time.monotonic()
done = subprocess.run(command, capture_output=True, text=True, env=clean_environment())
if "left" not in done.stdout:
    unclear(done.stderr[-300:])
if alive():
    broke("the daemon lives after the run")
if time.monotonic() - began > 2.5:
    broke("the result waited for the daemon")
held("dead with the run")
