#!/usr/bin/env python3
# attack: POSIX message queues left for the next run, and the bytes they are charged for
# tries: fills queues until the limit on them is reached; the next request opens them by name, lists /dev/mqueue, and makes as many.
# source: go-judge (measured: found by the next run)
# expect: no queue is there, and as many can be made again
# stopped-by: ipc_namespace
# control: own
# needs: python3
# on: host
import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE + "/lib", HERE + "/../lib"]
from two_runs import after_another

COMMON = r"""
import ctypes, os
rt = ctypes.CDLL("librt.so.1", use_errno=True)
def queue(name, flags):
    attributes = (ctypes.c_long * 8)(0, 10, 1024)
    return rt.mq_open(name.encode(), flags, 0o666, attributes)
def fill():
    made = 0
    while made < 300 and queue(f"/belljar{made}", os.O_RDWR | os.O_CREAT | os.O_EXCL) >= 0:
        made += 1
    return made
"""

LEAVE = COMMON + r"""
made = fill()
number = queue("/belljar0", os.O_RDWR)
rt.mq_send(number, b"from the run before", 19, 0)
if made: print("left:", made)
"""

FIND = COMMON + r"""
if queue("/belljar0", os.O_RDWR) >= 0: print("found: the queue by its name")
for name in os.listdir("/dev/mqueue"): print("found: in /dev/mqueue:", name)
made = fill()
if made != int(LEFT[0]): print("found: room for", made, "queues instead of", LEFT[0])
print("searched")
"""

after_another(LEAVE, FIND)
