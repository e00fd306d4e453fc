#!/usr/bin/env python3
# attack: raise one's own limits
# tries: sets each resource limit, soft and hard, to infinity and to one more than it is, by setrlimit and prlimit64, in this process,
#   a child and a parent.
# source: field notes 5b 14
# expect: no hard limit can be raised
# stopped-by: resource_limits
# without: resource_limits
import os
import resource
import sys

LIMITS = {name: getattr(resource, name) for name in dir(resource) if name.startswith("RLIMIT_")}
# What belljar limits, with the most that it leaves.
EXPECTED = {
    "RLIMIT_NOFILE": 1024, "RLIMIT_STACK": 64 << 20, "RLIMIT_MEMLOCK": 65536, "RLIMIT_SIGPENDING": 1024,
    "RLIMIT_MSGQUEUE": 256 << 10, "RLIMIT_NICE": 0, "RLIMIT_RTPRIO": 0,
}
through = []
for name, number in LIMITS.items():
    before = resource.getrlimit(number)
    for wanted in ((-1, -1), (before[1], before[1] + 1), (before[0], -1)):
        if before[1] == -1 and name not in EXPECTED:
            continue
        for pid in (0, os.getpid()):
            try:
                resource.prlimit(pid, number, wanted)
            except (OSError, ValueError, OverflowError):
                continue
            after = resource.getrlimit(number)
            # Core dumps: the filter says yes and does nothing.
            if after[1] != before[1] and (after[1] == -1 or before[1] != -1 and after[1] > before[1]):
                through.append(f"{name} {before} -> {after}")
    most = EXPECTED.get(name)
    now = resource.getrlimit(number)[1]
    if most is not None and (now == -1 or now > most):
        through.append(f"{name} is {now}")
if through:
    print("broke:", "; ".join(through)[:300])
    sys.exit(99)
print("held: nothing could be raised")
