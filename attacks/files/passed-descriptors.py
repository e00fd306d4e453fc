# attack: descriptors and credentials over sockets
# tries: Sends descriptors to whoever holds the other ends of its standard streams; forges process and user ids; sends sockets through themselves in rings, 2,000 times, so that
#   only the kernel's collector can free them; keeps descriptors in flight beyond its limit; asks sockets for the identity of their peers; connects to sockets by paths.
# source: CVE-2021-0920 and CVE-2022-32250-style races of the collector, CVE-2013-4312 (descriptors in flight), go-judge v0.9.5
# expect: streams are pipes, credentials are its own, no socket of the host by any usual path
# stopped-by: mount_namespace, network_namespace, user_namespace
# control: own
import array, errno, os, socket, stat, struct, sys, time

control = bool(os.environ.get("ATTACK_CONTROL"))

def broke(what):
    print("broke:", what)
    sys.exit(99)

def rights(*fds):
    return [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))]

for fd in range(3):
    if stat.S_ISSOCK(os.fstat(fd).st_mode):
        broke(f"stream {fd} is a socket: {os.readlink(f'/proc/self/fd/{fd}')}")
    try:
        stream = socket.socket(fileno=os.dup(fd))
        stream.sendmsg([b"x"], rights(0))
        broke(f"a descriptor went through stream {fd}")
    except OSError:
        pass
a, b = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
b.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
own = (os.getpid(), os.getuid(), os.getgid())
forged = [(1, own[1], own[2]), (2, own[1], own[2]), (os.getppid(), own[1], own[2]), (own[0], own[1] + 1, own[2]), (own[0], own[1], own[2] + 1), (own[0], 65534, 65534), (own[0], 0xffffffff, 0), (0, 0, 0), (1, 0, 0)]
if control:
    forged.append(own)
for pid, uid, gid in forged:
    try:
        a.sendmsg([b"x"], [(socket.SOL_SOCKET, 2, struct.pack("iII", pid, uid, gid))])
    except (OSError, OverflowError):
        continue
    told = struct.unpack("iII", b.recvmsg(10, 100)[1][0][2])
    if told != own or control:
        broke(f"credentials {told} were sent by {own}")
# Rings that nobody can reach any more.
for round in range(2000):
    ring = [socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM) for _ in range(3)]
    for (one, _), (_, other) in zip(ring, ring[1:] + ring[:1]):
        try:
            one.sendmsg([b"x"], rights(other.fileno(), one.fileno()))
        except OSError as error:
            # The collector works in the background, and is behind.
            if error.errno != errno.ETOOMANYREFS:
                raise
            time.sleep(0.001)
    for pair in ring:
        pair[0].close()
        pair[1].close()
# In flight: as many as the limit of open files, and not more (etoomanyrefs).
sent, queues = 0, []
limit = os.sysconf("SC_OPEN_MAX")
try:
    while sent < 4 * limit:
        queues.append(socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM))
        for _ in range(10):
            queues[-1][0].setblocking(False)
            queues[-1][0].sendmsg([b"x"], rights(*[a.fileno()] * 250))
            sent += 250
except OSError as error:
    if error.errno not in (errno.ETOOMANYREFS, errno.EAGAIN, errno.ENOBUFS, errno.EMFILE):
        raise
if sent > 2 * limit:
    broke(f"{sent} descriptors in flight, the limit is {limit}")
del queues
for path in ("/run/docker.sock", "/var/run/docker.sock", "/run/systemd/private", "/run/dbus/system_bus_socket", "/run/systemd/journal/socket", "/dev/log", "/run/containerd/containerd.sock", "/run/nscd/socket",
             "/tmp/.X11-unix/X0", "/run/podman/podman.sock", "/run/user/1000/bus", "/run/udev/control", "/run/snapd.socket", "/var/run/nscd/socket", "/run/acpid.socket", "/run/mysqld/mysqld.sock"):
    for name in (path, "\0" + path):
        s = socket.socket(socket.AF_UNIX)
        try:
            s.connect(name)
            broke(f"connected to {name!r}")
        except OSError:
            pass
print(f"held: {len(forged)} identities, 2,000 rings, {sent} descriptors in flight, 32 sockets")
