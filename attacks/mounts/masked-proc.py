# attack: what /proc tells about the kernel and the host
# tries: Reads the files of /proc that help exploits (addresses, keys, timers, locks, slabs, the log, dumps, physical memory) by every path to them:
#   directly, through /proc/self/root, thread-self, the working directory, ../, a descriptor of /proc, a second name in upper case, openat2 without links.
# source: CVE-2025-31133 (runc: masked paths through a racing link), Docker's list of masked paths; kallsyms as a step of most kernel exploits
# expect: not there, not permitted, or empty, by every path
# stopped-by: private_proc, user_namespace
# control: plain
import ctypes, errno, os, re, struct, sys

libc = ctypes.CDLL(None, use_errno=True)
NAMES = ["kallsyms", "keys", "key-users", "modules", "sched_debug", "timer_list", "timer_stats", "latency_stats", "kcore", "kmsg", "vmcore", "kpagecount",
         "kpageflags", "kpagecgroup", "pagetypeinfo", "slabinfo", "vmallocinfo", "sysrq-trigger", "acpi/wakeup", "scsi/scsi", "asound/cards", "mdstat",
         "net/nf_conntrack", "self/stack", "self/patch_state", "1/environ", "1/maps", "1/cmdline", "2/cmdline", "1/status", "sys/kernel/cap_last_cap_x"]
# A program that is started without a spawner may be process 2 itself.
NAMES = [name for name in NAMES if not name.startswith(f"{os.getpid()}/")]

def openat2(directory, path, resolve):
    how = ctypes.create_string_buffer(struct.pack("QQQ", os.O_RDONLY | os.O_NONBLOCK, 0, resolve))
    fd = libc.syscall(437, directory, path.encode(), how, 24)
    if fd < 0:
        raise OSError(ctypes.get_errno(), "openat2")
    return fd

os.chdir("/proc")
proc = os.open("/proc", os.O_PATH)
root = os.open("/", os.O_PATH)
routes = [
    lambda name: os.open("/proc/" + name, os.O_RDONLY | os.O_NONBLOCK),
    lambda name: os.open("/proc/self/root/proc/" + name, os.O_RDONLY | os.O_NONBLOCK),
    lambda name: os.open("/proc/thread-self/root/proc/" + name, os.O_RDONLY | os.O_NONBLOCK),
    lambda name: os.open("/proc/self/cwd/" + name, os.O_RDONLY | os.O_NONBLOCK),
    lambda name: os.open("/proc/self/../" + name, os.O_RDONLY | os.O_NONBLOCK),
    lambda name: os.open("/proc/sys/../" + name, os.O_RDONLY | os.O_NONBLOCK),
    lambda name: os.open("/proc/acpi/../" + name, os.O_RDONLY | os.O_NONBLOCK),
    lambda name: os.open(f"/proc/self/fd/{proc}/{name}", os.O_RDONLY | os.O_NONBLOCK),
    lambda name: os.open(f"/dev/fd/{root}/proc/{name}", os.O_RDONLY | os.O_NONBLOCK),
    lambda name: os.open(name, os.O_RDONLY | os.O_NONBLOCK, dir_fd=proc),
    lambda name: openat2(proc, name, 0x04),
    lambda name: openat2(proc, name, 0x08),
    lambda name: openat2(root, "proc/" + name, 0x10),
]
tried = 0
for name in NAMES:
    for number, route in enumerate(routes):
        tried += 1
        try:
            fd = route(name)
        except OSError:
            continue
        try:
            data = os.read(fd, 4096)
        except OSError:
            data = b""
        finally:
            os.close(fd)
        if data:
            print(f"broke: /proc/{name} tells {len(data)} bytes by route {number}: {data[:60]!r}")
            sys.exit(99)
# Locks, mounts and sockets of others must not show in files that are there.
for name, pattern in (("locks", rb" (?!0 |-?1 )\d+ [0-9a-f]+:[0-9a-f]+:\d+ "), ("net/unix", rb"/run/|@/tmp|systemd"), ("self/mountinfo", rb" /root|/home/(?!student)|shared:|master:")):
    try:
        text = open("/proc/" + name, "rb").read()
    except OSError:
        continue
    own = [line for line in text.splitlines() if re.search(pattern, line)]
    if own:
        print(f"broke: /proc/{name} shows {own[0][:120]!r}")
        sys.exit(99)
# Addresses of the kernel in files of one's own.
for name in ("self/wchan", "self/stat", "self/syscall", "net/tcp", "net/unix", "net/netlink", "net/packet", "net/ptype", "self/maps"):
    try:
        text = open("/proc/" + name).read()
    except OSError:
        continue
    found = re.search(r"\bffff[89a-f][0-9a-f]{11}\b", text.replace("ffffffffff600000-ffffffffff601000", ""))
    if found:
        print(f"broke: /proc/{name} tells the address {found.group()}")
        sys.exit(99)
print(f"held: {len(NAMES)} files by {len(routes)} routes")
