#!/usr/bin/env python3
# attack: choose the process id of the next process, to be taken for another
# tries: writes /proc/sys/kernel/ns_last_pid and pid_max, and asks clone3 for a number of its choice (set_tid).
# source: field notes, pid reuse; CRIU's interface for restoring process ids
# expect: every one is refused
# stopped-by: privileges
# control: plain
# needs: python3
import ctypes
import os
import struct
import sys

c = ctypes.CDLL(None, use_errno=True)
through = []
for name, value in (("kernel/ns_last_pid", "4000"), ("kernel/pid_max", "5000")):
    try:
        before = open("/proc/sys/" + name).read()
        open("/proc/sys/" + name, "w").write(value)
        through.append(name)
        open("/proc/sys/" + name, "w").write(before)
    except OSError:
        pass
wanted = ctypes.c_int(4321)
arguments = struct.pack("QQQQQQQQQQQ", 0, 0, 0, 0, 17, 0, 0, 0, ctypes.addressof(wanted), 1, 0)
child = c.syscall(435, arguments, ctypes.c_size_t(len(arguments)))
if child == 0:
    os._exit(0)
if child == 4321:
    through.append("clone3 with a chosen id")
if child > 0:
    os.waitpid(child, 0)
if through:
    print("broke:", ", ".join(through))
    sys.exit(99)
print("held: the kernel alone chooses")
