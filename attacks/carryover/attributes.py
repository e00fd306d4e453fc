#!/usr/bin/env python3
# attack: marks on directories that outlive files: modes, owners, times, extended attributes, flags, access lists
# tries: changes all of these on every directory and device outside of /usr, where it is let; the next request compares each with
#   what it was before.
# source: field notes 5b 55 and 56; tmpfs takes user.* attributes since Linux 6.6
# expect: every directory looks as before
# stopped-by: mount_namespace
# control: own
# needs: python3
# on: host
import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE + "/lib", HERE + "/../lib"]
from two_runs import unchanged

PLACES = r"""
import os
def places():
    seen = []
    for top in ("/", "/dev", "/etc", "/var", "/home", "/run", "/tmp", "/opt", "/srv", "/mnt", "/root"):
        for path, below, files in os.walk(top):
            below[:] = [d for d in below if path.count("/") < 3 and d not in ("usr", "proc", "sys")]
            seen += [path] + [path + "/" + name for name in files if path.startswith("/dev")]
    return sorted(set(path.replace("//", "/") for path in seen if not path.startswith(("/dev/fd", "/usr", "/bin", "/lib"))))
"""

SNAPSHOT = PLACES + r"""
import json
MAGIC = 1111111111
seen = {}
for path in places():
    try:
        status = os.lstat(path)
        names = os.listxattr(path, follow_symlinks=False)
    except OSError as error:
        seen[path] = str(error)
        continue
    marked = [int(t) == MAGIC for t in (status.st_atime, status.st_mtime)]
    seen[path] = [oct(status.st_mode), status.st_uid, status.st_gid, status.st_nlink, marked, names]
print(json.dumps(seen))
"""

DISTURB = PLACES + r"""
import fcntl
for path in places():
    for what in (
        lambda: os.utime(path, (1111111111, 1111111111)),
        lambda: os.chmod(path, 0o4755),
        lambda: os.chown(path, -1, os.getgid()),
        lambda: os.setxattr(path, "user.belljar", b"from the run before"),
        lambda: os.setxattr(path, "trusted.belljar", b"mark"),
        lambda: os.setxattr(path, "system.posix_acl_access", bytes.fromhex("0200000001000700ffffffff04000500ffffffff20000500ffffffff")),
        lambda: fcntl.ioctl(os.open(path, os.O_RDONLY), 0x40086602, b"\x10\0\0\0\0\0\0\0"),
        lambda: os.mkdir(path + "/.belljar"),
    ):
        try:
            what()
            print("left:", path)
        except OSError:
            pass
"""

unchanged(DISTURB, SNAPSHOT)
