# attack: end in the very moment of the limit
# tries: ends a few hundred microseconds around its wall-clock limit, with children that do the same, so that the kill, the exit
#   and the reaping meet
# source: test 13 of execution-sandboxes; races between waitpid and kill by number (go-judge, isolate issues)
# expect: one of the two ends, reported as one of them; no hang, nothing left, and nobody else killed in its place
# stopped-by: the wall-clock limit
# flags: --wall-time 600ms
# ends: exit wall_time
# timeout: 10
# control: host-unsafe: a race that belljar must not lose has no losing side that could be shown without belljar
import os, time

began = float(open("/proc/self/stat").read().rsplit(") ", 1)[1].split()[19]) / os.sysconf("SC_CLK_TCK")
now = lambda: time.clock_gettime(time.CLOCK_BOOTTIME)
for number in range(8):
    if os.fork() == 0:
        while now() - began < 0.59 + number * 0.004:
            pass
        os._exit(0)
while now() - began < 0.6:
    pass
print("held: it came to its end in time", flush=True)
os._exit(0)
