#!/usr/bin/env python3
# attack: process ids and inode numbers as counters that tell what the run before did
# tries: starts 300 processes and makes 2000 files, directories and queues; the next request looks at the number that its own process,
#   its next child and its next file get, and at the addresses of /proc/loadavg's last process.
# source: field notes 5b 55; side channels by sequential identifiers (Knockel and Crandall, "Counting packets sent between arbitrary hosts", FOCI 2014)
# expect: the numbers begin again in each run
# stopped-by: pid_namespace
# control: own
# needs: python3
# on: host
import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE + "/lib", HERE + "/../lib"]
from two_runs import unchanged

SNAPSHOT = r"""
import json, os
seen = {"own": os.getpid(), "parent": os.getppid()}
child = os.fork()
if child == 0: os._exit(0)
os.waitpid(child, 0)
seen["child"] = child
seen["last"] = open("/proc/loadavg").read().split()[4]
for place in ("/tmp", "/home/student", "/dev/shm", "/run", "/var/tmp"):
    name = place + "/snapshot"
    open(name, "w").close()
    # A few more or less are the shell's and the server's; a run that made files made hundreds.
    seen[place] = os.stat(name).st_ino // 64
    os.unlink(name)
seen["links"] = {place: os.stat(place).st_nlink for place in ("/tmp", "/dev/shm", "/run", "/home", "/dev/pts", "/dev/mqueue", "/")}
print(json.dumps(seen))
"""

DISTURB = r"""
import os
for _ in range(300):
    child = os.fork()
    if child == 0: os._exit(0)
    os.waitpid(child, 0)
for place in ("/tmp", "/dev/shm", "/run"):
    for number in range(600):
        os.mkdir(f"{place}/d{number}")
        os.rmdir(f"{place}/d{number}")
    os.mkdir(f"{place}/stays")
print("left: numbers counted on")
"""

unchanged(DISTURB, SNAPSHOT)
