#!/usr/bin/env python3
# attack: take from process 1 what it needs to end the run in time
# tries: as the user that process 1 has, lowers its limits, its priority, its scheduling class (idle: it runs when nothing else does),
#   its I/O class and its CPUs, by its number and by its user's.
# source: prlimit(2), sched(7): any process of the same user may; the gap that belljar had here
# expect: every call on process 1 is refused
# stopped-by: seccomp
# flags: --user root
# without: seccomp
# needs: python3
import ctypes
import os
import resource
import struct
import sys

c = ctypes.CDLL(None, use_errno=True)
PRLIMIT, SETSCHEDULER, SETPARAM, SETATTR, SETAFFINITY, SETPRIORITY, IOPRIO_SET = 302, 144, 142, 314, 203, 141, 251
SCHED_IDLE = 5
through = []


def tried(what, number, *arguments):
    if c.syscall(number, *arguments) == 0:
        through.append(what)


for high in (0, 1 << 32, 0xdead << 32):
    # The kernel takes the number as 32 bits: a filter that compares 64 is walked past.
    init = ctypes.c_long(1 | high)
    tried("its class", SETSCHEDULER, init, ctypes.c_long(SCHED_IDLE), struct.pack("i", 0))
    tried("its attributes", SETATTR, init, struct.pack("IIQiIQQQ", 48, SCHED_IDLE, 0, 19, 0, 0, 0, 0), 0)
    tried("its parameters", SETPARAM, init, struct.pack("i", 0))
    tried("its CPUs", SETAFFINITY, init, ctypes.c_long(8), struct.pack("Q", 1))
    tried("its priority", SETPRIORITY, ctypes.c_long(resource_process := 0 | high), init, ctypes.c_long(5))
    tried("its user's priority", SETPRIORITY, ctypes.c_long(2 | high), ctypes.c_long(0), ctypes.c_long(5))
    tried("its I/O class", IOPRIO_SET, ctypes.c_long(1 | high), init, ctypes.c_long(3 << 13))
    tried("its user's I/O class", IOPRIO_SET, ctypes.c_long(3 | high), ctypes.c_long(os.getuid()), ctypes.c_long(3 << 13))
    # Unlimited to unlimited, so that the control run does no harm.
    tried("its limits", PRLIMIT, init, ctypes.c_long(resource.RLIMIT_RSS), struct.pack("QQ", 2**64 - 1, 2**64 - 1), None)
if through:
    print("broke:", "; ".join(sorted(set(through))))
    sys.exit(99)
# What programs do to themselves goes on working.
os.setpriority(os.PRIO_PROCESS, 0, os.getpriority(os.PRIO_PROCESS, 0))
os.sched_setaffinity(0, os.sched_getaffinity(0))
resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
resource.prlimit(os.getpid(), resource.RLIMIT_NOFILE, resource.getrlimit(resource.RLIMIT_NOFILE))
print("held: refused, by every number that means process 1")
