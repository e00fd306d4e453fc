#!/usr/bin/env python3
# attack: two sandboxes at the same time meet in shared memory, queues, files, sockets and FIFOs
# tries: the first makes System V and POSIX objects, files in all writable places, Unix sockets by path and by abstract name and
#   servers on both loopbacks; the second looks for each under its name.
# source: isolate 2.6 NEWS (/dev/shm shared by all boxes), bubblewrap and nsjail without a network namespace (abstract sockets)
# expect: the second finds nothing of the first
# stopped-by: ipc_namespace
# control: own
# needs: python3
# on: host
import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE + "/lib", HERE + "/../lib"]
from two_runs import side_by_side

FIRST = r"""
import ctypes, os, socket, sys
c, rt = ctypes.CDLL(None), ctypes.CDLL("librt.so.1")
c.shmget(0x62656c6d, 4096, 0o1666), c.semget(0x62656c6d, 1, 0o1666), c.msgget(0x62656c6d, 0o1666)
rt.mq_open(b"/belljar-meet", os.O_RDWR | os.O_CREAT, 0o666, None)
keep = []
for place in ("/tmp", "/dev/shm", "/run", "/var/tmp", "/home/student"):
    open(place + "/meet", "w").write("x")
    os.mkfifo(place + "/meet.fifo")
    unix = socket.socket(socket.AF_UNIX); unix.bind(place + "/meet.sock"); unix.listen(); keep.append(unix)
unix = socket.socket(socket.AF_UNIX); unix.bind("\0belljar-meet"); unix.listen(); keep.append(unix)
for family, host in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")):
    try: tcp = socket.socket(family); tcp.bind((host, 40111)); tcp.listen(); keep.append(tcp)
    except OSError: pass
    try: udp = socket.socket(family, socket.SOCK_DGRAM); udp.bind((host, 40111)); keep.append(udp)
    except OSError: pass
print("ready", flush=True)
sys.stdin.read()
for udp in keep:
    if udp.type == socket.SOCK_DGRAM:
        udp.setblocking(False)
        try: print("found: a datagram", udp.recv(9))
        except OSError: pass
"""

SECOND = r"""
import ctypes, os, socket
c, rt = ctypes.CDLL(None), ctypes.CDLL("librt.so.1")
for what, number in (("shm", c.shmget(0x62656c6d, 0, 0)), ("sem", c.semget(0x62656c6d, 0, 0)), ("msg", c.msgget(0x62656c6d, 0))):
    if number >= 0: print("found: System V", what)
if rt.mq_open(b"/belljar-meet", os.O_RDWR) >= 0: print("found: POSIX queue")
for place in ("/tmp", "/dev/shm", "/run", "/var/tmp", "/home/student"):
    for name in ("meet", "meet.fifo", "meet.sock"):
        if os.path.lexists(place + "/" + name): print("found:", place + "/" + name)
try: socket.socket(socket.AF_UNIX).connect("\0belljar-meet"); print("found: abstract socket")
except OSError: pass
for family, host in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")):
    try: socket.create_connection((host, 40111), timeout=1); print("found: server on", host)
    except OSError: pass
    try: socket.socket(family, socket.SOCK_DGRAM).sendto(b"hello", (host, 40111))
    except OSError: pass
print("searched")
"""

side_by_side(FIRST, SECOND)
