#!/usr/bin/env python3
# attack: the numbering of System V objects as a counter that tells of the run before
# tries: makes and removes 300 of each object, so that the sequence part of the next identifier has moved on; the next request makes
#   one and looks at the identifier it gets.
# source: ipc/util.c (the sequence number of a slot outlives the object); carried state of go-judge
# expect: each run starts from the same numbers
# stopped-by: ipc_namespace
# control: own
# needs: python3
# on: host
import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE + "/lib", HERE + "/../lib"]
from two_runs import unchanged

SNAPSHOT = r"""
import ctypes, json
c = ctypes.CDLL(None)
made = {"shm": c.shmget(0, 4096, 0o1600), "sem": c.semget(0, 1, 0o1600), "msg": c.msgget(0, 0o1600)}
c.shmctl(made["shm"], 0, None), c.semctl(made["sem"], 0, 0), c.msgctl(made["msg"], 0, None)
print(json.dumps(made))
"""

DISTURB = r"""
import ctypes
c = ctypes.CDLL(None)
for _ in range(300):
    c.shmctl(c.shmget(0, 4096, 0o1600), 0, None)
    c.semctl(c.semget(0, 1, 0o1600), 0, 0)
    c.msgctl(c.msgget(0, 0o1600), 0, None)
print("left: 300 of each made and removed")
"""

unchanged(DISTURB, SNAPSHOT)
