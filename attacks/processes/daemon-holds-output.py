#!/usr/bin/env python3
# attack: a process in the background keeps the output open, so that whoever reads to its end waits
# tries: ends at once and leaves children that hold both streams, one of them stopped, one that passes the stream on in a message.
# source: field notes 5b 3 (minijail and firejail hang for as long as the daemon sleeps, measured); docker exec, subprocess.run
# expect: the result is there at once
# stopped-by: pid_namespace
# control: own
# needs: python3
# on: host
import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE + "/lib", HERE + "/../lib"]
import subprocess
import time

from two_runs import BELLJAR, CONTROL, broke, clean_environment, flags, held, program, unclear

HOLDER = r'''
import array, os, signal, socket, time
a, b = socket.socketpair()
a.sendmsg([b"x"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [1, 2]))])
for stop in (False, True):
    pid = os.fork()
    if pid == 0:
        os.setsid()
        for number in (1, 2, 3, 13, 15): signal.signal(number, signal.SIG_IGN)
        time.sleep(3)
        os._exit(0)
    if stop: os.kill(pid, signal.SIGSTOP); stopped = pid
if os.environ.get("PLAIN"):
    if os.fork() == 0:
        time.sleep(3); os.kill(stopped, signal.SIGKILL); os._exit(0)
print("done", flush=True)
'''

environment = clean_environment() | ({"PLAIN": "1"} if CONTROL else {})
command = program(HOLDER) if CONTROL else [BELLJAR, "run", *flags(), "--json", "--", *program(HOLDER)]
began = time.monotonic()
done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)
took = time.monotonic() - began
if "done" not in done.stdout:
    unclear(done.stdout[:200] + done.stderr[-300:])
if took > 2.5:
    broke(f"whoever reads the output waits {took:.1f} s for the holder")
held("the result came at once")
