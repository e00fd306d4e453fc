# attack: what a writable directory of the host must not become
# tries: With `--dir D:rw`, which may be written: set-id files by every call and flag that takes a mode, capabilities, devices, access lists; links and renames out of and into D;
#   reaching D's parent and neighbours through "..", links, descriptors, mounts' roots; hard links to files that are shown read-only.
# source: moby #8447-style set-id files in shared volumes; CVE-2024-21626; protected_hardlinks
# expect: files in D, and nothing else, without a bit or an owner that gives rights outside
# stopped-by: seccomp, mount_namespace, landlock
# on: host
# control: own
import os
import stat
import subprocess
import tempfile

from attack import CONTROL, broke, held

PROGRAM = r"""
import ctypes, os, socket, struct, sys
d = sys.argv[1]
os.chdir(d)
libc = ctypes.CDLL(None, use_errno=True)
def attempt(call):
    try:
        call()
    except (OSError, ValueError, OverflowError):
        pass
def sys_call(*arguments):
    return libc.syscall(*[ctypes.c_long(a) if isinstance(a, int) else a for a in arguments])
open("made", "w").write("x")
for mode in (0o4755, 0o2755, 0o6777, 0o7777, 0o104755, 0xffff0000 | 0o4755):
    tag = f"{mode:o}"
    for high in (0, 1 << 32, 0xffffffff << 32):
        name = f"f{tag}-{high >> 32}".encode()
        for call in (lambda: sys_call(2, name + b"open", 0o101, high | mode), lambda: sys_call(257, -100, name + b"openat", 0o101, high | mode), lambda: sys_call(85, name + b"creat", high | mode),
                     lambda: sys_call(133, name + b"mknod", high | 0o100000 | mode, 0), lambda: sys_call(259, -100, name + b"mknodat", high | 0o100000 | mode, 0),
                     lambda: sys_call(90, b"made", high | mode), lambda: sys_call(268, -100, b"made", high | mode), lambda: sys_call(452, -100, b"made", high | mode, 0),
                     lambda: sys_call(91, os.open("made", 0), high | mode), lambda: sys_call(437, -100, name + b"openat2", ctypes.create_string_buffer(struct.pack("QQQ", 0o101, mode & 0o7777, 0)), 24),
                     lambda: sys_call(83, name + b"dir", high | mode), lambda: sys_call(258, -100, name + b"dirat", high | mode), lambda: sys_call(0x40000000 | 90, b"made", mode),
                     lambda: sys_call(2, b".", 0o20200002, high | mode), lambda: sys_call(133, name + b"dev", high | 0o020000 | mode, 0x103), lambda: sys_call(133, name + b"white", high | 0o020000, 0),
                     lambda: os.fchmod(socket.socket(socket.AF_UNIX).fileno(), mode & 0o7777)):
            attempt(call)
def nameless():
    fd = os.open(".", os.O_TMPFILE | os.O_RDWR, 0o4755)
    os.link(f"/proc/self/fd/{fd}", "nameless", follow_symlinks=True)
attempt(nameless)
def elsewhere(name, how):
    path = "/tmp/" + name
    open(path, "w").write("x")
    os.chmod(path, 0o6755)
    how(path, os.path.join(d, name))
for name, how in (("renamed", os.rename), ("linked", os.link), ("copied", lambda a, b: os.system(f"cp -a {a} {b}"))):
    attempt(lambda: elsewhere(name, how))
for name in ("security.capability", "trusted.x", "system.posix_acl_default", "security.selinux", "security.ima", "user.overlay.opaque"):
    value = b"\1\0\0\2" + b"\xff" * 16 if "cap" in name else b"\2\0\0\0\1\0\7\0\xff\xff\xff\xff\4\0\7\0\xff\xff\xff\xff\x20\0\7\0\xff\xff\xff\xff"
    if not name.startswith("user"):
        attempt(lambda: os.setxattr("made", name, value))
for owner in (0, 1, 1000, 65534):
    attempt(lambda: os.chown("made", owner, owner))
for path in ("../beside", "/proc/self/root" + d + "/../beside", "/proc/self/cwd/../beside", d + "/../beside", "up/beside", "absolute"):
    attempt(lambda: open(path, "w").write("ATTACK"))
    attempt(lambda: print("told", open(path).read(), flush=True))
attempt(lambda: os.symlink("..", "up")); attempt(lambda: open("up/beside", "w").write("ATTACK")); attempt(lambda: os.rename("made", "../moved")); attempt(lambda: os.link("../beside", "stolen"))
attempt(lambda: os.link("/usr/bin/passwd", "passwd")); attempt(lambda: os.link("/etc/passwd", "users")); attempt(lambda: os.rename(d, d + "-renamed")); attempt(lambda: os.rmdir(d)); attempt(lambda: os.mkdir("../new"))
directory = os.open(".", os.O_RDONLY)
attempt(lambda: open(os.open("../beside", os.O_WRONLY, dir_fd=directory), "w").write("ATTACK"))
attempt(lambda: libc.ioctl(os.open("made", 0), 0x40086602, struct.pack("l", 0x30)))
print("end", len(os.listdir(".")), flush=True)
"""

with tempfile.TemporaryDirectory() as place:
    os.chmod(place, 0o777)
    d, beside = os.path.join(place, "d"), os.path.join(place, "beside")
    os.mkdir(d)
    with open(beside, "w") as file:
        file.write("the neighbour's")
    os.chmod(beside, 0o666)
    os.symlink(beside, d + "/absolute")
    owner = os.stat(d).st_uid
    # With SELinux every file has a label, which it gets from the host.
    labels = {mark: os.getxattr(d, mark) for mark in os.listxattr(d)}
    for user in ("1000:1000", "root"):
        command = ["python3", "-c", PROGRAM, d]
        if not CONTROL:
            command = [os.environ["BELLJAR"], "run", "--dir", d + ":rw", "--user", user, "--open-files", "4096", "--", *command]
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=60, text=True)
        for directory, directories, files in os.walk(d):
            for name in directories + files:
                data = os.lstat(os.path.join(directory, name))
                kind = stat.S_IFMT(data.st_mode)
                # A set-group-id bit of a directory says only to whom new files belong.
                bits = data.st_mode & (stat.S_ISUID | (0 if kind == stat.S_IFDIR else stat.S_ISGID))
                if bits or kind in (stat.S_IFCHR, stat.S_IFBLK):
                    broke(f"as {user}: {name} with mode {data.st_mode:o} of user {data.st_uid}")
                if data.st_uid != owner:
                    broke(f"as {user}: {name} belongs to {data.st_uid}, not to {owner}")
                if kind == stat.S_IFREG and data.st_nlink > 1:
                    broke(f"as {user}: {name} is a link to something")
                marks = {mark: os.getxattr(os.path.join(directory, name), mark) for mark in os.listxattr(os.path.join(directory, name))} if kind == stat.S_IFREG else {}
                if [mark for mark, value in marks.items() if mark.startswith(("security.", "trusted.")) and labels.get(mark) != value]:
                    broke(f"as {user}: {name} has {marks}, the directory {labels}")
        if open(beside).read() != "the neighbour's" or sorted(os.listdir(place)) != ["beside", "d"] or "neighbour" in done.stdout:
            broke(f"as {user}: reached beside it: {os.listdir(place)}")
        if "end" not in done.stdout:
            print(f"unclear: {done.stdout[:200]} {done.stderr[:500]}")
            raise SystemExit(1)
held("17 ways to make a set-id file with 18 modes, 20 ways out, as two users")
