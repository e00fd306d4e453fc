# attack: the same message again and again
# tries: asks sixty times for a sandbox by the same bytes, thirty of them before the first answer is read, holds all of them, and
#   looks whether two share processes, user numbers or sockets; then lets all go at once
# source: replay against privilege-separated daemons; user ranges that wrap around or are handed out twice
# expect: sixty different sandboxes; all gone when they are let go, with their control groups
# stopped-by: the launcher
# control: own
# on: host
import os, time
from launcher import Launcher, message, held, broke, alive

launcher = Launcher()
held_open, pids = [], []
for _ in range(2):
    for _ in range(30):
        launcher.send(message())
    for _ in range(30):
        answer, descriptors = launcher.receive()
        if "made" not in answer:
            broke(f"refused: {answer}")
        held_open += descriptors
        for line in open(f"/proc/self/fdinfo/{descriptors[1]}"):
            if line.startswith("Pid:"):
                pids.append(int(line.split()[1]))
if len(set(pids)) != 60:
    broke(f"{len(set(pids))} different processes of 60")
maps = [open(f"/proc/{pid}/uid_map").read().split()[1] for pid in pids]
if os.geteuid() == 0 and len(set(maps)) != 60:
    broke(f"{len(set(maps))} different ranges of users for 60 sandboxes")
for descriptor in held_open:
    os.close(descriptor)
deadline = time.monotonic() + 10
while any(alive(pid) for pid in pids):
    if time.monotonic() > deadline:
        broke("sandboxes live on that nobody holds")
    time.sleep(0.01)
launcher.still_works()
launcher.ends_clean()
held("sixty different sandboxes, and none left")
