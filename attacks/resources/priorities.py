#!/usr/bin/env python3
# attack: get more of the CPUs and the disks than others, and be spared by the out-of-memory killer
# tries: nice -20, real-time and deadline scheduling, real-time I/O, a higher utilisation floor, CPUs outside of one's set, and a lower
#   out-of-memory score, for itself and its children.
# source: field notes 5b 14 and 22
# expect: refused, and nothing changes
# stopped-by: resource_limits
# control: own
import ctypes
import os
import struct
import sys

# In the control run it asks for what anybody may have, and must see that it got it.
CONTROL = os.environ.get("ATTACK_CONTROL", "") not in ("", "0")
c = ctypes.CDLL(None, use_errno=True)
through = []


def tried(what, call, changed):
    try:
        call()
    except (OSError, ValueError):
        pass
    if changed():
        through.append(what)


start = os.getpriority(os.PRIO_PROCESS, 0)
better = 5 if CONTROL else -20
tried("priority", lambda: os.setpriority(os.PRIO_PROCESS, 0, better), lambda: os.getpriority(os.PRIO_PROCESS, 0) == better)
for name, policy in (("FIFO", os.SCHED_FIFO), ("RR", os.SCHED_RR)) if not CONTROL else (("BATCH", os.SCHED_BATCH),):
    parameter = os.sched_param(0 if CONTROL else 50)
    tried("SCHED_" + name, lambda: os.sched_setscheduler(0, policy, parameter), lambda: os.sched_getscheduler(0) == policy)
if not CONTROL:
    deadline = struct.pack("IIQiIQQQ", 48, 6, 0, 0, 0, 10**6, 10**7, 10**7)
    tried("SCHED_DEADLINE", lambda: c.syscall(314, 0, deadline, 0), lambda: os.sched_getscheduler(0) == 6)
    tried("real-time I/O", lambda: c.syscall(251, 1, 0, 1 << 13), lambda: c.syscall(252, 1, 0) >> 13 == 1)
    tried("other CPUs", lambda: os.sched_setaffinity(0, range(1024)), lambda: len(os.sched_getaffinity(0)) > (os.cpu_count() or 1))
now = int(open("/proc/self/oom_score_adj").read())
for score in (500,) if CONTROL else (-1000, -1, now - 1):
    tried("out-of-memory score", lambda: open("/proc/self/oom_score_adj", "w").write(str(score)),
          lambda: int(open("/proc/self/oom_score_adj").read()) == score)
try:
    open("/proc/self/autogroup", "w").write("5" if CONTROL else "-10")
    if not CONTROL:
        through.append("autogroup")
except OSError:
    pass
if through:
    print("broke:", ", ".join(through))
    sys.exit(99)
print("held: refused in every way")
