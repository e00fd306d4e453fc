# attack: climbing from one's own namespaces to the host's
# tries: The ioctls of namespace files: the parent, the owning user namespace and its owner, processes' ids translated into other
#   namespaces, the list of all mount namespaces; file handles of namespaces and of processes; from every namespace file and pid descriptor.
# source: ioctl_ns(2); NS_MNT_GET_NEXT (Linux 6.12), handles of nsfs and pidfs (Linux 6.14, 6.18)
# expect: no parent, no neighbour, no owner outside; handles are refused
# stopped-by: user_namespace, seccomp
# without: seccomp
import ctypes, errno, fcntl, os, struct, sys

NSIO = 0xB7
GET_USERNS, GET_PARENT, GET_OWNER_UID = (NSIO << 8) | 1, (NSIO << 8) | 2, (NSIO << 8) | 4
MNT_GET_INFO, MNT_GET_NEXT, MNT_GET_PREV = 0x8010B70A, 0x8010B70B, 0x8010B70C
IN_PID = 0x8004B708
libc = ctypes.CDLL(None, use_errno=True)

def broke(what):
    print("broke:", what)
    sys.exit(99)

names = sorted(os.listdir("/proc/self/ns"))
own = {os.readlink("/proc/self/ns/" + name) for name in names}
seen, stack = set(own), [(name, os.open("/proc/self/ns/" + name, os.O_RDONLY)) for name in names]
while stack:
    name, fd = stack.pop()
    for request, what in ((GET_USERNS, "owner"), (GET_PARENT, "parent")):
        try:
            other = fcntl.ioctl(fd, request)
        except OSError as error:
            continue
        link = os.readlink(f"/proc/self/fd/{other}")
        if link not in own:
            broke(f"the {what} of {name} is {link}")
        if link not in seen:
            seen.add(link)
            stack.append((f"{what} of {name}", other))
    for request in (MNT_GET_NEXT, MNT_GET_PREV):
        buffer = bytearray(struct.pack("IIQ", 16, 0, 0))
        try:
            other = fcntl.ioctl(fd, request, buffer)
            broke(f"another mount namespace: {os.readlink(f'/proc/self/fd/{other}')}, {buffer.hex()}")
        except OSError:
            pass
    if "pid" in name:
        for pid in range(1, 300):
            try:
                if fcntl.ioctl(fd, IN_PID, pid) not in (0, pid):
                    broke(f"process {pid} has another number outside")
            except OSError:
                pass
# The owner of our user namespace is a number outside, which must not be told as itself.
try:
    uid = bytearray(4)
    fcntl.ioctl(os.open("/proc/self/ns/user", os.O_RDONLY), GET_OWNER_UID, uid)
    if os.getuid() != struct.unpack("I", uid)[0] and struct.unpack("I", uid)[0] not in (0, 65534):
        broke(f"the owner of the user namespace is {struct.unpack('I', uid)[0]}")
except OSError:
    pass
# Handles: those of namespaces (FILEID_NSFS 0xf1) hold id, type and inode number; the first ids are the host's own namespaces. Those of
# processes (FILEID_INO64... 0x81) hold a number that counts up. FD_PIDFS_ROOT is -10002, FD_NSFS_ROOT is -10003.
for root in (-10002, -10003, os.open("/proc/self/ns/mnt", os.O_RDONLY), os.open("/", os.O_RDONLY)):
    for kind, length in ((0xF1, 16), (0x81, 8), (1, 8)):
        for value in range(1, 200):
            handle = struct.pack("Ii", length, kind) + (struct.pack("QII", value, 0, 0xF0000000 - value % 8)[:length]).ljust(128, b"\0")
            buffer = ctypes.create_string_buffer(handle)
            fd = libc.syscall(304, root, buffer, os.O_RDONLY)
            if fd >= 0:
                broke(f"a handle opens {os.readlink(f'/proc/self/fd/{fd}')}")
            if ctypes.get_errno() not in (errno.EPERM, errno.ENOSYS):
                broke(f"open_by_handle_at reaches the kernel: {os.strerror(ctypes.get_errno())}")
print(f"held: nothing but {len(seen)} namespaces of its own")
