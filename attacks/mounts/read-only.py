# attack: writing where only reading is shown
# tries: Every mount that is read-only or comes from the host: opens for writing, truncates, renames, links, changes modes, times, attributes and
#   owners, through the path, /proc/self/root, /proc/self/fd of an O_PATH descriptor, openat2, the working directory, hard and symbolic links.
# source: bind mounts that a remount or a second path made writable (CVE-2019-10063, firejail CVE-2017-5180)
# expect: no way works; most say EROFS
# stopped-by: mount_namespace, user_namespace, landlock
# control: own
import ctypes, errno, os, struct, sys

libc = ctypes.CDLL(None, use_errno=True)
tried = 0

def unescape(text):
    return text.encode().decode("unicode_escape") if "\\" in text else text

def attempt(what, path, call):
    global tried
    tried += 1
    try:
        result = call()
    except OSError as error:
        if error.errno in (errno.EROFS, errno.EACCES, errno.EPERM, errno.EXDEV, errno.EISDIR, errno.ENOENT, errno.ENXIO, errno.ENODEV,
                           errno.ENOTSUP, errno.EINVAL, errno.ETXTBSY, errno.EIO, errno.ENOTDIR, errno.ENOTTY, errno.ELOOP, errno.EEXIST, errno.EBUSY, errno.EBADF):
            return
        print(f"unclear: {what} {path}: {error}")
        sys.exit(1)
    print(f"broke: {what} {path}: {result}")
    sys.exit(99)

def openat2(path, flags, resolve):
    how = ctypes.create_string_buffer(struct.pack("QQQ", flags, 0, resolve))
    fd = libc.syscall(437, -100, path.encode(), how, 24)
    if fd < 0:
        raise OSError(ctypes.get_errno(), "openat2")
    return fd

def write_to(fd):
    """Access mode 3 opens what can neither be read nor written, only asked for its ioctls."""
    try:
        return os.write(fd, b"")
    finally:
        os.close(fd)

# What may be written: the layer's own mounts, devices that keep nothing, terminals, queues.
OWN = {"/tmp", "/var/tmp", "/run", "/dev/shm", "/dev/mqueue", "/dev/pts", os.path.expanduser("~"), "/home/student"}
HARMLESS = {"/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom", "/dev/tty"}

def attack(path):
    device = path in HARMLESS or os.path.realpath(path) in HARMLESS or not (os.path.isfile(path) or os.path.isdir(path))
    for route in (path, "/proc/self/root" + path, "/proc/thread-self/cwd/" + os.path.relpath(path)):
        if os.path.isdir(path):
            attempt("creates in", route, lambda: os.open(route + "/.belljar-attack", os.O_CREAT | os.O_WRONLY | os.O_EXCL, 0o600))
            attempt("creates a nameless file in", route, lambda: os.open(route, os.O_TMPFILE | os.O_RDWR, 0o600))
            attempt("makes a directory in", route, lambda: os.mkdir(route + "/.belljar-attack"))
            attempt("makes a link in", route, lambda: os.symlink("x", route + "/.belljar-attack"))
        elif not device:
            for flags in (os.O_WRONLY, os.O_RDWR, os.O_WRONLY | os.O_APPEND, os.O_RDWR | os.O_DIRECT, 3):
                attempt("opens for writing", route, lambda: write_to(os.open(route, flags | os.O_NONBLOCK)))
                attempt("opens by openat2", route, lambda: write_to(openat2(route, flags, 0)))
            handle = os.open(route, os.O_PATH)
            attempt("reopens for writing", route, lambda: os.open(f"/proc/self/fd/{handle}", os.O_RDWR))
            attempt("truncates through a descriptor", route, lambda: os.truncate(f"/proc/self/fd/{handle}", 1 << 30))
            os.close(handle)
        attempt("touches", route, lambda: os.utime(route, (0, 0)))
        attempt("touches to now", route, lambda: os.utime(route))
        attempt("changes the mode of", route, lambda: os.chmod(route, 0o4777))
        attempt("owns", route, lambda: os.chown(route, os.getuid(), os.getgid()))
        attempt("sets an attribute of", route, lambda: os.setxattr(route, "user.belljar", b"x"))
        attempt("renames", route, lambda: os.rename(route, route + ".belljar-attack"))
        attempt("moves out", route, lambda: os.rename(route, "/tmp/belljar-attack"))
        attempt("links out", route, lambda: os.link(route, "/tmp/belljar-attack"))

mounts = [unescape(line.split()[4]) for line in open("/proc/self/mountinfo")]
if os.environ.get("ATTACK_CONTROL"):
    open("/tmp/weak", "w").close()
    attack("/tmp/weak")
for mount in mounts:
    if mount in OWN or mount.startswith("/dev/pts") or mount == "/proc" or not os.access(mount, os.F_OK):
        continue
    attack(mount)
    if os.path.isdir(mount):
        for name in sorted(os.listdir(mount))[:20]:
            path = os.path.join(mount, name)
            if not os.path.islink(path) and path not in mounts and not path.startswith("/proc/") and path not in OWN:
                attack(path)
for path in ("/usr/bin/env", "/usr/bin/python3", "/etc/passwd", "/etc/hosts", "/usr/lib/os-release", "/etc", "/usr/bin", "/usr/lib", "/proc/sys/kernel/hostname"):
    attack(path)
print(f"held: {tried} writes to {len(mounts)} mounts")
