#!/usr/bin/env python3
# attack: System V shared memory, semaphores and message queues left for the next run
# tries: makes one of each under known keys with world-readable modes and text in the memory; the next request in the same sandbox
#   asks for the keys and reads /proc/sysvipc.
# source: go-judge (pooled containers keep their IPC namespace; measured), isolate 2.6 NEWS (/dev/shm shared by all boxes)
# expect: the next request finds no segment, semaphore or queue
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
import ctypes
c = ctypes.CDLL(None, use_errno=True)
c.shmat.restype = ctypes.c_void_p
KEY, CREATE = 0x62656c6c, 0o1666
"""

LEAVE = COMMON + r"""
shm = c.shmget(KEY, 65536, CREATE)
address = c.shmat(shm, None, 0)
ctypes.memmove(address, b"from the run before", 19)
print("left: shared memory", shm)
print("left: semaphores", c.semget(KEY, 4, CREATE))
queue = c.msgget(KEY, CREATE)
message = ctypes.create_string_buffer(b"\1" + b"\0" * 7 + b"message")
if c.msgsnd(queue, message, 7, 0) == 0:
    print("left: a message", queue)
"""

FIND = COMMON + r"""
for what, number in (("shared memory", c.shmget(KEY, 0, 0)), ("semaphores", c.semget(KEY, 0, 0)), ("queue", c.msgget(KEY, 0))):
    if number >= 0:
        print("found:", what, number)
for name in ("shm", "sem", "msg"):
    for line in open("/proc/sysvipc/" + name).read().splitlines()[1:]:
        print("found: in /proc/sysvipc:", line.split()[:2])
print("searched")
"""

after_another(LEAVE, FIND)
