#!/usr/bin/env python3
# attack: one sandbox watches the host's programs to see what another one starts and reads
# tries: inotify watches for opens, reads and closes on directories and files of /usr that both see, and dnotify; meanwhile another
#   sandbox starts programs and reads those files.
# source: field notes 5b 57; Schwarz et al., "KeyDrown" and Nürnberger/Gruss (inotify as a side channel on shared files)
# expect: no event of the other sandbox arrives
# stopped-by: seccomp
# control: own
# needs: python3
# on: host
import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE + "/lib", HERE + "/../lib"]
from two_runs import side_by_side

FIRST = r"""
import ctypes, fcntl, os, select, signal, sys
c = ctypes.CDLL(None, use_errno=True)
inotify = c.inotify_init1(os.O_NONBLOCK)
ACCESS, CLOSE_NOWRITE, OPEN = 1, 0x10, 0x20
places = (b"/usr/bin", b"/usr/lib", b"/usr/bin/sha256sum", b"/usr/share", b"/etc/ssl/certs", b"/usr/bin/env", b"/dev/null", b"/etc")
names = {}
for place in places:
    for mask in (ACCESS | CLOSE_NOWRITE | OPEN, OPEN, ACCESS, CLOSE_NOWRITE, 0xfff):
        number = c.inotify_add_watch(inotify, place, mask)
        if number >= 0: names[number] = place.decode()
heard = []
signal.signal(signal.SIGIO, lambda *_: heard.append("dnotify"))
keep = []
for place in (b"/usr/bin", b"/usr/share"):
    number = os.open(place, os.O_RDONLY)
    try: fcntl.fcntl(number, fcntl.F_NOTIFY, 1 | 0x80000000 - (1 << 32)); keep.append(number)
    except (OSError, OverflowError): pass
try: os.read(inotify, 1 << 16)
except OSError: pass
heard.clear()
print("ready", flush=True)
sys.stdin.read()
try:
    events = os.read(inotify, 1 << 16)
    at = 0
    while at < len(events):
        number = int.from_bytes(events[at:at + 4], "little")
        length = int.from_bytes(events[at + 12:at + 16], "little")
        print("found: event at", names.get(number), events[at + 16:at + 16 + length].strip(b"\0").decode())
        at += 16 + length
except OSError: pass
for what in heard: print("found:", what)
"""

SECOND = r"""
import os, subprocess
for program in ("/usr/bin/sha256sum", "/usr/bin/env", "/usr/bin/sort"):
    subprocess.run([program, "/dev/null"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    open(program, "rb").read(4096)
os.listdir("/usr/share"), os.listdir("/usr/bin")
print("searched")
"""

side_by_side(FIRST, SECOND, weaker=("--layer", "seccomp=off"))
