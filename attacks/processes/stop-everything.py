#!/usr/bin/env python3
# attack: stop everything that can be stopped, oneself last
# tries: a crowd of children, each stopping all others with SIGSTOP, SIGTSTP and SIGTTIN again and again, and finally itself, so that
#   nothing in the sandbox runs when the time is over.
# source: field notes 5b 9
# expect: the wall time holds
# stopped-by: pid_namespace
# flags: --wall-time 2s
# ends: wall_time
# control: own
# needs: python3
import os
import signal
import sys
import time

if os.environ.get("ATTACK_CONTROL", "") not in ("", "0"):
    child = os.fork()
    if child == 0:
        os.kill(os.getpid(), signal.SIGSTOP)
        os._exit(0)
    time.sleep(0.1)
    os.kill(child, signal.SIGTERM)
    time.sleep(0.3)
    alive = os.waitpid(child, os.WNOHANG)[0] == 0
    os.kill(child, signal.SIGKILL)
    print("broke: what is stopped does not end by SIGTERM" if alive else "unclear: it ended")
    sys.exit(99 if alive else 1)
for _ in range(6):
    if os.fork() == 0:
        break
while True:
    for number in (signal.SIGTSTP, signal.SIGTTIN, signal.SIGSTOP):
        try:
            os.kill(-1, number)
        except OSError:
            pass
    os.kill(os.getpid(), signal.SIGSTOP)
