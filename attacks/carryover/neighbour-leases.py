#!/usr/bin/env python3
# attack: leases and write locks on files of the host, which would tell of every open or keep others out
# tries: asks for read and write leases, write locks and mandatory locks on programs, libraries and devices that all sandboxes see; a
#   write lease is a signal for every open by anybody. (Shared locks, by which two that want to can exchange bits, are listed in
#   SECURITY.md as a known gap.)
# source: field notes 5b 57; fcntl(2), F_SETLEASE needs the owner of the file or CAP_LEASE
# expect: every one is refused, and no open of the other sandbox is signalled
# stopped-by: user_namespace
# control: own
# needs: python3
# on: host
import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE + "/lib", HERE + "/../lib"]
from two_runs import CONTROL, side_by_side

# In the control run the file is the program's own.
PLACES = '["/tmp/own"]; open("/tmp/own", "w").write("x")' if CONTROL else (
    '["/usr/bin/env", "/usr/bin/sha256sum", "/etc/ld.so.cache", "/dev/null", "/dev/zero", "/usr/bin/python3"]')

FIRST = f"places = {PLACES}" + r"""
import fcntl, os, signal, struct, sys
heard, keep = [], []
signal.signal(signal.SIGIO, lambda *_: heard.append("an open was signalled"))
for path in places:
    for flags in (os.O_RDONLY, os.O_RDWR, os.O_WRONLY):
        try: number = os.open(path, flags | os.O_NONBLOCK)
        except OSError: continue
        keep.append(number)
        for kind in (fcntl.F_RDLCK, fcntl.F_WRLCK):
            try: fcntl.fcntl(number, fcntl.F_SETLEASE, kind); heard.append(f"lease {kind} on {path}")
            except OSError: pass
        try:
            # Devices may be opened for writing by anybody, so a lock on them is the known gap.
            if not path.startswith("/dev/"):
                fcntl.fcntl(number, 37, struct.pack("hhqqi4x", fcntl.F_WRLCK, 0, 0, 0, 0)); heard.append("write lock on " + path)
        except OSError: pass
print("ready", flush=True)
while True:
    try:
        sys.stdin.read(); break
    except InterruptedError: pass
for what in heard: print("found:", what)
"""

SECOND = f"places = {PLACES if not CONTROL else repr(['/tmp/own'])}" + r"""
import os
for path in places:
    try: os.close(os.open(path, os.O_RDONLY | os.O_NONBLOCK))
    except OSError: pass
print("searched")
"""

side_by_side(FIRST, SECOND)
