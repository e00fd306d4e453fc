#!/usr/bin/env python3
# attack: times of the terminals' directory and of shared devices, which outlive the terminals
# tries: opens terminals and lists their directory at a moment of its choice, which changes the times of /dev/pts; the next request
#   looks for that moment in the times of all directories and devices that it sees.
# source: field notes 5b 55 (timestamps); devpts is one file system for all runs of a sandbox
# expect: no time that the first run could choose is seen by the second
# stopped-by: mount_namespace
# control: own
# needs: python3
# on: host
import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE + "/lib", HERE + "/../lib"]
from two_runs import after_another

PLACES = r"""
import os
PLACES = ["/", "/dev", "/dev/pts", "/dev/ptmx", "/dev/pts/ptmx", "/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom",
    "/dev/tty", "/dev/shm", "/tmp", "/var", "/var/tmp", "/run", "/home", "/home/student", "/etc", "/etc/passwd", "/usr",
    "/usr/bin/env", "/mnt", "/opt", "/srv", "/root", "/proc/sys"]
def times():
    for path in PLACES:
        try: status = os.stat(path)
        except OSError: continue
        yield path, (status.st_atime_ns, status.st_mtime_ns, status.st_ctime_ns)
"""

LEAVE = PLACES + r"""
import time
before = dict(times())
time.sleep(0.02)
for _ in range(3):
    try: first, second = os.openpty()
    except OSError: continue
    os.write(second, b"x"), os.read(first, 1)
    os.listdir("/dev/pts")
    os.close(first), os.close(second)
for name in ("/dev/null", "/dev/zero", "/dev/random", "/dev/full", "/dev/urandom"):
    try: number = os.open(name, os.O_RDWR); os.read(number, 1); os.write(number, b"x")
    except OSError: pass
for path in PLACES:
    for use in (os.listdir, os.readlink, lambda p: os.utime(p)):
        try: use(path)
        except OSError: pass
for path, now in times():
    for old, new in zip(before[path], now):
        if old != new: print("left:", path, new)
"""

FIND = PLACES + r"""
chosen = {int(mark.split()[1]): mark for mark in LEFT}
for path, now in times():
    for time in now:
        if time in chosen: print("found:", path, chosen[time])
print("searched")
"""

after_another(LEAVE, FIND)
