#!/usr/bin/env python3
# attack: output by many processes on both streams at once
# tries: thirty children that write lines and large blocks to both streams without waiting, under a limit of 1 MiB for both together.
# source: field notes 5b 24 and 25 (300 MiB pass 8 of 9 tools, measured)
# expect: killed, and the outcome says output
# stopped-by: output limit
# flags: --output 1M --wall-time 5s
# ends: output
# control: plain
import os
import sys

LINE = b"x" * 4095 + b"\n"
children = []
for number in range(30):
    child = os.fork()
    if child == 0:
        stream = 1 + number % 2
        for _ in range(80):
            os.write(stream, LINE)
        os._exit(0)
    children.append(child)
for child in children:
    os.waitpid(child, 0)
os.write(1, b"broke: 9 MiB went out\n")
os._exit(99)
