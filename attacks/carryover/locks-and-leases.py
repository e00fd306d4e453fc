#!/usr/bin/env python3
# attack: locks and leases on files that the next run shares, held by a process that stays
# tries: a daemon takes flock, POSIX and open-file-description locks and leases on programs, directories and
#   /etc/passwd; the next request tries each lock without waiting and reads /proc/locks.
# source: field notes 5b 57; measured: eight of nine sandboxes keep locks on shared inodes while the holder lives
# expect: no lock is held when the next request begins
# stopped-by: pid_namespace
# control: own
# needs: python3
# on: host
import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE + "/lib", HERE + "/../lib"]
import random

from two_runs import after_another

# Others take locks at the same time, and the gap that SECURITY.md lists lets them be felt: files that hardly anybody else chooses.
CHOSEN = random.sample([f"/usr/bin/{name}" for name in sorted(os.listdir("/usr/bin")) if os.path.isfile(f"/usr/bin/{name}")], 8)

FILES = f"CHOSEN = {CHOSEN!r}" + r"""
import fcntl, os, struct
FILES = (*CHOSEN, "/etc/passwd", "/etc", "/", "/proc")
WHOLE_READ = struct.pack("hhqqi4x", fcntl.F_RDLCK, 0, 0, 0, 0)
WHOLE_WRITE = struct.pack("hhqqi4x", fcntl.F_WRLCK, 0, 0, 0, 0)
F_OFD_GETLK, F_OFD_SETLK = 36, 37
"""

LEAVE = FILES + r"""
import time
ready, tell = os.pipe()
if os.fork() == 0:
    os.setsid()
    keep = []
    for path in FILES:
        try: number = os.open(path, os.O_RDONLY)
        except OSError: continue
        keep.append(number)
        for name, lock in {
            "flock": lambda: fcntl.flock(number, fcntl.LOCK_EX | fcntl.LOCK_NB),
            "ofd": lambda: fcntl.fcntl(number, F_OFD_SETLK, WHOLE_READ),
            "lease": lambda: fcntl.fcntl(number, fcntl.F_SETLEASE, fcntl.F_RDLCK),
        }.items():
            try:
                lock()
                os.write(tell, f"left: {name} {path}\n".encode())
            except OSError: pass
    os.write(tell, b"end\n")
    os.close(0), os.close(1), os.close(2)
    time.sleep(20)
    os._exit(0)
os.close(tell)
for line in os.fdopen(ready):
    if line == "end\n": break
    print(line.strip())
"""

FIND = FILES + r"""
for path in FILES:
    try: number = os.open(path, os.O_RDONLY)
    except OSError: continue
    try: fcntl.flock(number, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError: print("found: flock", path)
    except OSError: pass
    try: kind = struct.unpack_from("h", fcntl.fcntl(number, F_OFD_GETLK, WHOLE_WRITE))[0]
    except OSError: continue
    if kind != fcntl.F_UNLCK: print("found: lock", path)
print("searched")
"""

after_another(LEAVE, FIND)
