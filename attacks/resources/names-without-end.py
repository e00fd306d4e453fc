#!/usr/bin/env python3
# attack: names instead of bytes: empty files, directories, hard links, symbolic links, FIFOs, sockets, extended attributes
# tries: makes as many of each as it can, in every writable place, under a limit of 400 files.
# source: field notes 5b 27; file systems without a limit of inodes
# expect: no more names than the limit, attributes included
# stopped-by: mount_namespace
# flags: --inodes 400
# ends: exit | inodes
# control: plain
import os
import socket
import sys

ENOUGH = 1200
made = {}


def count(kind, make):
    for number in range(ENOUGH // 4):
        if sum(made.values()) >= ENOUGH:
            return
        try:
            make(f"{place}/{kind}{number}")
        except OSError:
            return
        made[kind] = made.get(kind, 0) + 1


for place in ("/tmp", "/dev/shm", "/var/tmp", "/run", os.path.expanduser("~"), "/dev/mqueue"):
    if not os.path.isdir(place):
        continue
    count("file", lambda name: os.close(os.open(name, os.O_CREAT | os.O_EXCL)))
    count("link", lambda name: os.link(f"{place}/file0", name))
    count("directory", os.mkdir)
    count("symlink", lambda name: os.symlink("x" * 200, name))
    count("fifo", os.mkfifo)
    count("socket", lambda name: socket.socket(socket.AF_UNIX).bind(name))
    count("attribute", lambda name: os.setxattr(place + "/file0", "user." + os.path.basename(name), b"x" * 1000))
total = sum(made.values())
# Queues are counted by another limit; there are no more than 80.
if total > 500:
    print(f"broke: {total} names: {made}")
    sys.exit(99)
print(f"held: {total} names: {made}")
