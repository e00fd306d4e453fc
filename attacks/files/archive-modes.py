# attack: set-user-id files, devices and foreign owners in what is handed on
# tries: Makes files with set-user-id, set-group-id and sticky bits, capabilities, attributes, access lists, hard links to programs of the host, FIFOs, sockets, absolute and
#   upward links, times before 1970 and after 2106, owners that it may not have; saves them; looks at the archive with which a client would unpack them as root.
# source: moby CVE-2019-14271, go-judge and Judge0 copy-out; tar as root restores owners and bits
# expect: no set-id bit, no device, no capability, no owner but an ordinary one in the archive
# stopped-by: privileges, seccomp
# on: host
# control: own
import io
import tarfile

from attack import broke, held
from execution import archive, member, run

MAKE = r"""
cp /usr/bin/true s; chmod 6755 s; chmod 1777 . ; mkdir g; chmod 3777 g; install -m 4755 /usr/bin/true s2
python3 - <<'EOF'
import ctypes, os, socket
def attempt(call):
    try:
        call()
    except OSError:
        pass
attempt(lambda: os.close(os.open("s3", os.O_CREAT | os.O_WRONLY, 0o6755)))
attempt(lambda: os.mknod("s4", 0o106755))
attempt(lambda: os.mknod("c", 0o020666, os.makedev(1, 3)))
attempt(lambda: os.mknod("w", 0o020000, 0))
attempt(lambda: os.mknod("b", 0o060666, os.makedev(8, 0)))
attempt(lambda: os.mkfifo("p", 0o6666))
attempt(lambda: socket.socket(socket.AF_UNIX).bind("k"))
attempt(lambda: os.setxattr("s", "security.capability", b"\1\0\0\2" + b"\xff" * 16))
attempt(lambda: os.setxattr("s", "trusted.overlay.opaque", b"y"))
attempt(lambda: os.setxattr("s", "user.mime_type", b"x"))
attempt(lambda: os.setxattr("s", "system.posix_acl_access", b"\2\0\0\0" + b"\1\0\6\0\xff\xff\xff\xff\4\0\4\0\xff\xff\xff\xff\x20\0\4\0\xff\xff\xff\xff"))
attempt(lambda: os.link("/usr/bin/passwd", "h"))
attempt(lambda: os.link("/proc/self/exe", "h2", follow_symlinks=True))
attempt(lambda: os.symlink("/etc/shadow", "l"))
attempt(lambda: os.symlink("../../../../etc/shadow", "l2"))
attempt(lambda: os.chown("s2", 0, 0))
attempt(lambda: os.chown("s2", 65534, 65534))
attempt(lambda: os.utime("s2", (-2**40, -2**40)))
attempt(lambda: os.utime("s", (2**40, 2**40)))
open("t", "w").close()
for i in range(50):
    attempt(lambda: os.link("t", f"t{i}"))
EOF
true
"""


def look(data, when):
    tar = tarfile.open(fileobj=io.BytesIO(data), mode="r:gz")
    names = set()
    for entry in tar.getmembers():
        bad = []
        if entry.mode & 0o6000:
            bad.append(f"mode {entry.mode:o}")
        if entry.ischr() or entry.isblk():
            bad.append("a device")
        if any("xattr" in key.lower() or "acl" in key.lower() for key in entry.pax_headers):
            bad.append(f"attributes {sorted(entry.pax_headers)}")
        if entry.islnk() and (entry.linkname.startswith("/") or ".." in entry.linkname.split("/") or entry.linkname.removeprefix("./") not in names):
            bad.append(f"a hard link to {entry.linkname}")
        if (entry.uid, entry.gid) != (0, 0) and not (entry.uid < 65534 and entry.gid < 65534):
            bad.append(f"owner {entry.uid}:{entry.gid}")
        if not entry.isdir() and entry.size > (1 << 30):
            bad.append("a size")
        if bad:
            broke(f"{when}, {entry.name}: {', '.join(bad)}")
        names.add(entry.name.removeprefix("./"))
    return len(names)


answer = run([MAKE], save=True)
count = look(answer.archive, "made inside")
# Put in from outside: the bits must not come through either.
answer = run(["ls -la; test ! -u u && test ! -g u && test ! -b b && test ! -c c"], save=True,
             archive=archive((member("u", mode=0o6755), b"x"), member("c", tarfile.CHRTYPE), member("b", tarfile.BLKTYPE), member("p", tarfile.FIFOTYPE), member("d", tarfile.DIRTYPE, mode=0o7777)))
if answer is not None:
    if answer.status != 0:
        broke(f"bits or devices of an archive are there inside: {answer.outputs}")
    look(answer.archive, "from an archive")
held(f"{count} files, none with a right of its own")
