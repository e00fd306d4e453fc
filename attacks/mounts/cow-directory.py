# attack: writing through a copy-on-write directory to what it copies
# tries: With `--dir D:cow`: writes, truncates, appends, maps, renames, links, removes, changes modes, times and attributes of everything in D, through descriptors opened before
#   the copy, through /proc/self/root, with O_DIRECT, fallocate, copy_file_range; marks of overlayfs itself (redirect, opaque, metacopy, whiteouts) planted before in D.
# source: CVE-2023-0386, CVE-2021-3493, CVE-2023-2640 (overlayfs); moby copy-up bugs
# expect: the program sees its changes, D is as before to the byte, mode, time and attribute
# stopped-by: mount_namespace
# on: host
# control: own
import os
import subprocess
import tempfile

from attack import CONTROL, broke, held

PROGRAM = r"""
import ctypes, mmap, os, sys
d = sys.argv[1]
os.chdir(d)
done = 0
def attempt(call):
    global done
    try:
        call()
        done += 1
    except (OSError, ValueError):
        pass
def overwrite(path, flags=0):
    fd = os.open(path, os.O_RDWR | flags)
    os.pwrite(fd, b"ATTACK", 0)
    os.fsync(fd)
early = os.open("old", os.O_RDONLY)
seen = mmap.mmap(early, 0, prot=mmap.PROT_READ, flags=mmap.MAP_SHARED)
for path in ("old", "/proc/self/root" + d + "/old", "/proc/self/cwd/old", "sub/../old", "link"):
    attempt(lambda: overwrite(path))
    attempt(lambda: overwrite(path, os.O_APPEND))
    attempt(lambda: overwrite(path, os.O_TRUNC))
attempt(lambda: os.pwrite(os.open(f"/proc/self/fd/{early}", os.O_RDWR), b"ATTACK", 0))
attempt(lambda: os.fchmod(early, 0o777))
attempt(lambda: os.utime(early, (1, 1)))
attempt(lambda: os.setxattr(early, "user.attack", b"x"))
def shared():
    fd = os.open("mapped", os.O_RDWR)
    m = mmap.mmap(fd, 0, flags=mmap.MAP_SHARED)
    m[0:6] = b"ATTACK"
    m.flush()
attempt(shared)
attempt(lambda: os.posix_fallocate(os.open("old", os.O_RDWR), 0, 1 << 16))
attempt(lambda: os.copy_file_range(os.open("sub/x", os.O_RDONLY), os.open("copied", os.O_RDWR), 5))
attempt(lambda: os.link("old", "hard")); attempt(lambda: overwrite("hard"))
attempt(lambda: os.rename("renamed", "renamed2")); attempt(lambda: os.rename("sub", "sub2")); attempt(lambda: os.unlink("removed"))
attempt(lambda: os.mkdir("new")); attempt(lambda: os.symlink("/etc/shadow", "new/link")); attempt(lambda: os.mkfifo("fifo"))
attempt(lambda: os.rmdir("empty")); attempt(lambda: os.chmod("mode", 0o6777)); attempt(lambda: os.utime("mode", (5, 5))); attempt(lambda: os.removexattr("mode", "user.mark"))
for name in ("user.overlay.opaque", "user.overlay.redirect", "user.overlay.metacopy", "user.overlay.origin", "trusted.overlay.opaque", "user.x"):
    attempt(lambda: os.setxattr("mode", name, b"y")); attempt(lambda: os.setxattr(".", name, b"/etc"))
libc = ctypes.CDLL(None)
attempt(lambda: libc.renameat2(-100, b"old", -100, b"copied", 2))
attempt(lambda: libc.renameat2(-100, b"mapped", -100, b"white", 4))
for name in ("out", "up", "planted/shadow", "planted/passwd", "meta"):
    attempt(lambda: print("told", open(name).read(), flush=True))
print("done", done, flush=True)
"""


def look(top):
    seen = []
    for directory, directories, files in os.walk(top):
        directories.sort()
        for path in [directory, *(os.path.join(directory, name) for name in sorted(files) + [d for d in directories if os.path.islink(os.path.join(directory, d))])]:
            data = os.lstat(path)
            text = open(path, "rb").read() if os.path.isfile(path) and not os.path.islink(path) else b""
            marks = sorted((name, os.getxattr(path, name)) for name in os.listxattr(path)) if not os.path.islink(path) else []
            seen.append((path, data.st_mode, data.st_uid, data.st_gid, data.st_nlink, data.st_size, data.st_mtime_ns, data.st_ctime_ns, text, marks))
    return seen


with tempfile.TemporaryDirectory() as place:
    os.chmod(place, 0o755)
    d, secret = os.path.join(place, "d"), os.path.join(place, "secret")
    for name in (d, d + "/sub", d + "/empty", d + "/planted"):
        os.mkdir(name, 0o777)
        os.chmod(name, 0o777)
    with open(secret, "w") as file:
        file.write("a secret beside it")
    for name in ("old", "mapped", "copied", "renamed", "removed", "mode", "sub/x", "meta"):
        with open(os.path.join(d, name), "w") as file:
            file.write("the caller's " * 500)
        os.chmod(os.path.join(d, name), 0o666)
    os.symlink("old", d + "/link")
    os.symlink(secret, d + "/out")
    os.symlink("../secret", d + "/up")
    # Marks that an earlier program with `:rw` may have left, to be read as overlayfs's own.
    for path, name, value in (("mode", "user.mark", b"x"), ("planted", "user.overlay.redirect", b"/etc"), ("planted", "user.overlay.opaque", b"y"), ("sub", "user.overlay.redirect", b"../.."),
                              ("meta", "user.overlay.metacopy", b""), ("meta", "user.overlay.redirect", secret.encode())):
        try:
            os.setxattr(os.path.join(d, path), name, value)
        except OSError:
            pass
    before = look(d)
    command = ["python3", "-c", PROGRAM, d]
    if not CONTROL:
        command = [os.environ["BELLJAR"], "run", "--dir", d + ":cow", "--", *command]
    for round in range(3):
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=30, text=True)
        if look(d) != before:
            changed = [now[0] for now in look(d) if now not in before] or "something is gone"
            broke(f"changed: {changed}")
        if "a secret" in done.stdout or "root:" in done.stdout:
            broke(f"told: {done.stdout[:200]}")
        count = next((int(line.split()[1]) for line in done.stdout.splitlines() if line.startswith("done")), 0)
        # Most of it must work inside, or nothing was tried.
        if count < 20:
            print(f"unclear: only {count} changes were made inside: {done.stdout[:200]} {done.stderr[:300]}")
            raise SystemExit(1)
held(f"{count} changes inside, three times, none outside")
