#!/usr/bin/env python3
# attack: fill every place that can be written, one after the other, so that limits on one do not help
# tries: finds all writable directories by trying, and fills each with small and large files, under a limit of 16 MiB for all together.
# source: field notes 5b 26; minijail and isolate limit one mount and forget another
# expect: all together stay below the limit
# stopped-by: mount_namespace
# flags: --disk 16M --memory 128M
# ends: exit | disk
# control: plain
import contextlib
import os
import sys

MIB = 1 << 20
ENOUGH = 40 * MIB
places = []
for top in ("/", "/dev", "/proc", "/etc", "/var", "/home", "/run", "/tmp", "/opt", "/mnt", "/usr"):
    for path, below, _ in os.walk(top):
        below[:] = [name for name in below if path.count("/") < 3 and not name.isdigit() and name != "task"]
        if os.access(path, os.W_OK | os.X_OK):
            places.append(path)
places.append(os.getcwd())
written, files = 0, 0
for path in dict.fromkeys(places):
    for number in range(2000):
        size = 4096 if number % 3 else 4 * MIB
        name = f"{path}/filled-{number}"
        try:
            with open(name, "wb", buffering=0) as file:
                files += 1
                left = size
                while left > 0 and written < ENOUGH:
                    done = file.write(b"\xaa" * min(left, MIB))
                    written, left = written + done, left - done
        except OSError:
            if size == 4096:
                break
        if written >= ENOUGH or files > 3000:
            break
if written > 17 * MIB:
    for path in places:
        for name in os.listdir(path) if os.path.isdir(path) else []:
            if name.startswith("filled-"):
                with contextlib.suppress(OSError):
                    os.unlink(path + "/" + name)
    print(f"broke: {written / MIB:.0f} MiB written in {len(places)} places")
    sys.exit(99)
print(f"held: {written / MIB:.1f} MiB in {len(places)} places")
