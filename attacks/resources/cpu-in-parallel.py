#!/usr/bin/env python3
# attack: several processes and threads each stay below the limit of CPU time
# tries: four children burn a third of a second each, one of them mostly in the kernel, under a limit of 400 ms for all together.
# source: field notes 5b 11 (measured: eight of nine tools let 4 x 2 s pass a limit of 1 s)
# expect: the sum counts, and the limit of CPU time ends the run
# stopped-by: cpu_accounting
# flags: --cpu-time 400ms --wall-time 8s
# ends: cpu_time
# control: plain
import os
import sys
import time

for number in range(4):
    if os.fork() == 0:
        while time.process_time() < 0.35:
            if number == 0:
                with open("/dev/urandom", "rb", buffering=0) as source:
                    source.read(1 << 20)
        os._exit(0)
for _ in range(4):
    os.wait()
print("broke: 1.4 s were burnt")
sys.exit(99)
