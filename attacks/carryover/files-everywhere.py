#!/usr/bin/env python3
# attack: files of every kind in every place that can be written, for the next run to find
# tries: walks the whole tree, leaves a file, a hidden directory, a FIFO, a socket and a link wherever the kernel lets it, and marks
#   in every /proc and /dev file that can be written; the next request walks the tree again.
# source: isolate (/tmp and /box of a box that is not renewed), minijail (/dev/shm, /var/tmp), sandlock (measured)
# expect: not one mark is found
# stopped-by: mount_namespace
# control: own
# needs: python3
# on: host
import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE + "/lib", HERE + "/../lib"]
from two_runs import after_another

WALK = r"""
import os, socket
NAME = ".belljar-mark"
def directories():
    for top in ("/", "/dev", "/proc", "/etc", "/var", "/home", "/run", "/tmp", "/opt", "/srv", "/mnt", "/root"):
        for path, below, _ in os.walk(top):
            below[:] = [] if path.count("/") > 3 else [d for d in below if d not in ("usr", "sys") and not d.isdigit()]
            yield path
    # Where the host's files are, a sample of directories will do.
    yield from ("/usr", "/usr/local", "/usr/bin", "/usr/lib", "/usr/share", "/usr/lib/python3", "/etc/ssl/certs", "/proc/sys/kernel")
"""

LEAVE = WALK + r"""
for path in dict.fromkeys(directories()):
    base = path.rstrip("/") + "/" + NAME
    for kind, make in {
        "file": lambda: open(base, "w").write("mark"),
        "directory": lambda: os.makedirs(base + ".d/" + NAME),
        "fifo": lambda: os.mkfifo(base + ".p"),
        "socket": lambda: socket.socket(socket.AF_UNIX).bind(base + ".s"),
        "link": lambda: os.symlink("mark", base + ".l"),
    }.items():
        try:
            make()
            print("left:", kind, path)
        except OSError:
            pass
    try: os.chmod(path + "/" + NAME + ".d", 0)
    except OSError: pass
"""

FIND = WALK + r"""
for path in dict.fromkeys(directories()):
    try: names = os.listdir(path)
    except OSError: continue
    for name in names:
        if name.startswith(NAME): print("found:", path + "/" + name)
print("searched")
"""

after_another(LEAVE, FIND)
