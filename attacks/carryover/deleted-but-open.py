#!/usr/bin/env python3
# attack: a file without a name kept open by a process that stays, and the memory it takes
# tries: a daemon with all signals ignored holds a deleted file of 32 MiB, a memfd and a pipe with text; the next request looks for
#   the process and through every /proc/PID/fd, and for the room in the file system.
# source: field notes 5b 55; moby volumes that could not be removed while a container held a file
# expect: no process, no file, all room free again
# stopped-by: pid_namespace
# control: own
# needs: python3
# on: host
import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE + "/lib", HERE + "/../lib"]
from two_runs import after_another

LEAVE = r"""
import os, signal, time
ready, tell = os.pipe()
if os.fork() == 0:
    os.setsid()
    if os.fork(): os._exit(0)
    for number in range(1, 65):
        try: signal.signal(number, signal.SIG_IGN)
        except (OSError, ValueError): pass
    file = open("/tmp/held", "wb+")
    file.write(b"mark" * (8 << 20))
    file.flush()
    os.unlink("/tmp/held")
    memory = os.memfd_create("belljar-mark")
    os.write(memory, b"mark")
    os.write(tell, b"x")
    os.close(0), os.close(1), os.close(2)
    time.sleep(20)
    os._exit(0)
os.read(ready, 1)
print("left: a daemon with a deleted file")
"""

FIND = r"""
import os
for pid in filter(str.isdigit, os.listdir("/proc")):
    try: numbers = os.listdir(f"/proc/{pid}/fd")
    except OSError: continue
    for number in numbers:
        try: target = os.readlink(f"/proc/{pid}/fd/{number}")
        except OSError: continue
        if "held" in target or "belljar-mark" in target: print("found:", pid, target)
room = os.statvfs("/tmp")
if (room.f_blocks - room.f_bfree) * room.f_frsize > 8 << 20: print("found: room taken in /tmp")
print("searched")
"""

after_another(LEAVE, FIND)
