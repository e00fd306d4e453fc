#!/usr/bin/env python3
# attack: processes of every kind that should outlive the run
# tries: a daemon in a session of its own, zombies that nobody waits for, a stopped process, one stopped inside vfork, one that waits
#   for a FIFO, all with signals ignored; the next request lists /proc and signals every id.
# source: field notes 5b 2, 7, 8; sandlock (measured: a daemon lives on)
# expect: the next request is alone
# stopped-by: pid_namespace
# control: own
# needs: python3
# on: host
import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE + "/lib", HERE + "/../lib"]
from two_runs import after_another

LEAVE = r"""
import ctypes, os, signal, time
c = ctypes.CDLL(None)
def child(what):
    pid = os.fork()
    if pid == 0:
        os.setsid()
        for number in range(1, 65):
            try: signal.signal(number, signal.SIG_IGN)
            except (OSError, ValueError): pass
        for number in (0, 1, 2): os.close(number)
        what()
        time.sleep(20)
        os._exit(0)
    print("left:", pid)
    return pid
os.mkfifo("/tmp/never")
def parent_of_zombies():
    for _ in range(8):
        if os.fork() == 0: os._exit(0)
child(lambda: None)
child(parent_of_zombies)
child(lambda: os.open("/tmp/never", os.O_RDONLY))
os.kill(child(lambda: None), signal.SIGSTOP)
for _ in range(5):
    if os.fork() == 0: os._exit(0)
"""

FIND = r"""
import os
me = os.getpid()
for pid in filter(str.isdigit, os.listdir("/proc")):
    # The shell that runs this command is an ancestor.
    try: state, command = open(f"/proc/{pid}/stat").read(), open(f"/proc/{pid}/cmdline", "rb").read()
    except OSError: continue
    if int(pid) not in (1, me, os.getppid()) and b"belljar" not in command and int(pid) > 2 and int(pid) < me - 2:
        print("found:", state[:40])
for line in LEFT:
    pid = int(line)
    if pid in (me, os.getppid()): continue
    try: os.kill(pid, 0); name = open(f"/proc/{pid}/stat").read()
    except OSError: continue
    if pid > me: print("found: alive", name[:40])
print("searched")
"""

after_another(LEAVE, FIND)
