# attack: what root inside may do
# tries: As user 0 of the sandbox: gives files away, takes set-id bits and devices, mounts, sets the host name and the clock, raises limits and priorities, kills and traces the
#   init, forges credentials on sockets, binds low ports and raw sockets, reads what only root may, raises its capabilities in every way.
# source: capabilities(7), user_namespaces(7); CVE-2022-0492, CVE-2016-8655 (root of a namespace)
# expect: user 0 has no capability: everything fails that an ordinary user may not do
# stopped-by: privileges, seccomp, user_namespace
# flags: --user root
# without: privileges
import ctypes, os, resource, signal, socket, struct, sys, time

libc = ctypes.CDLL(None, use_errno=True)

def broke(what):
    print("broke:", what)
    sys.exit(99)

def must_fail(what, call):
    try:
        result = call()
    except (OSError, ValueError, PermissionError):
        return
    if result == -1:
        return
    broke(f"{what}: {result}")

if os.getuid() != 0:
    print("unclear: it is not root")
    sys.exit(1)
for line in open("/proc/self/status"):
    if line.startswith(("CapPrm", "CapEff", "CapBnd", "CapAmb", "CapInh")) and int(line.split()[1], 16):
        broke(f"capabilities: {line.strip()}")
    if line.startswith("NoNewPrivs") and line.split()[1] != "1":
        broke("new privileges may be had")
open("/tmp/mine", "w").close()
for owner in (1, 1000, 1001, 65534, 65535):
    must_fail(f"a file given to {owner}", lambda: os.chown("/tmp/mine", owner, owner))
    must_fail(f"user {owner}", lambda: os.setresuid(owner, owner, owner))
    must_fail(f"group {owner}", lambda: os.setgroups([owner]))
for path in ("/etc/shadow", "/etc/gshadow", "/etc/ssl/private", "/root/.ssh", "/var/lib/dpkg/lock", "/proc/1/environ", "/proc/1/root", "/proc/2/mem", "/proc/kcore", "/proc/kmsg", "/proc/slabinfo",
             "/proc/sys/kernel/hostname", "/proc/sys/kernel/core_pattern", "/etc/passwd", "/etc/hosts", "/usr/bin/env", "/proc/timer_list", "/proc/vmallocinfo", "/proc/pagetypeinfo"):
    for flags in (os.O_RDWR, os.O_WRONLY | os.O_TRUNC, os.O_WRONLY | os.O_APPEND):
        must_fail(f"{path} opens for writing", lambda: os.open(path, flags))
    if path not in ("/etc/passwd", "/etc/hosts", "/usr/bin/env") and not path.startswith("/proc/sys"):
        must_fail(f"{path} can be read", lambda: os.read(os.open(path, os.O_RDONLY | os.O_NONBLOCK), 10) or -1)
calls = {"mount": (165, b"none", b"/tmp", b"tmpfs", 0, 0), "umount": (166, b"/proc", 2), "chroot": (161, b"/tmp"), "sethostname": (170, b"x", 1), "unshare": (272, 0x10000000), "unshare mounts": (272, 0x20000),
         "setns": (308, os.open("/proc/self/ns/mnt", os.O_RDONLY), 0), "clock": (227, 0, struct.pack("qq", 1, 0)), "mknod": (133, b"/tmp/node", 0o020666, 0x103), "bpf": (321, 0, bytes(64), 64),
         "keyctl": (250, 0, -3, 1), "ptrace of the init": (101, 16, 1, 0, 0), "ptrace of itself": (101, 0, 0, 0, 0), "swapon": (167, b"/tmp/mine", 0), "acct": (163, b"/tmp/mine"), "ioperm": (173, 0, 1, 1),
         "capset": (126, struct.pack("Ii", 0x20080522, 0), bytes([255] * 24)), "ambient": (157, 47, 2, 21, 0, 0), "bounding set back": (157, 23, 21, 0, 0, 0), "reboot": (169, 1, 2, 3, 0), "quota": (179, 0x80000100, 0, 0, 0),
         "signal to the spawner's parent": (62, 1, 9), "real time": (144, 0, 1, struct.pack("i", 50)), "file capabilities": (188, b"/tmp/mine", b"security.capability", b"\1\0\0\2" + b"\xff" * 16, 20, 0),
         "trusted attribute": (188, b"/tmp/mine", b"trusted.x", b"y", 1, 0), "by handle": (304, -100, bytes(136), 0), "fanotify": (300, 0, 0), "perf": (298, bytes(128), 0, -1, -1, 0)}
for what, (number, *arguments) in calls.items():
    result = libc.syscall(ctypes.c_long(number), *(ctypes.c_long(a) if isinstance(a, int) else a for a in arguments))
    # The bounding set is read by that call, and 0 means that the capability is gone. A signal to the init is sent and not delivered.
    if result > 0 or (result == 0 and what not in ("bounding set back", "signal to the spawner's parent")):
        broke(f"{what}: {result}")
for name in ("RLIMIT_NOFILE", "RLIMIT_MEMLOCK", "RLIMIT_STACK", "RLIMIT_MSGQUEUE", "RLIMIT_NICE", "RLIMIT_RTPRIO", "RLIMIT_SIGPENDING"):
    limit = getattr(resource, name)
    now = resource.getrlimit(limit)[1]
    must_fail(f"more than {name}", lambda: resource.setrlimit(limit, (now + 1, now + 1)) if now >= 0 else -1)
must_fail("a better priority", lambda: os.setpriority(os.PRIO_PROCESS, 0, -5) or "given")
must_fail("the out-of-memory killer kept away", lambda: os.write(os.open("/proc/self/oom_score_adj", os.O_WRONLY), b"-1000"))
for family, kind in ((socket.AF_INET, socket.SOCK_RAW), (socket.AF_PACKET, socket.SOCK_RAW), (socket.AF_NETLINK, socket.SOCK_RAW)):
    must_fail(f"socket {family}", lambda: socket.socket(family, kind, 1))
a, b = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
for pid, uid, gid in ((1, 0, 0), (os.getpid(), 1000, 1000), (os.getpid(), 0, 1000)):
    must_fail("forged credentials", lambda: a.sendmsg([b"x"], [(socket.SOL_SOCKET, 2, struct.pack("iII", pid, uid, gid))]))
time.sleep(0.05)
print(f"held: {len(calls)} calls, 19 files, no capability")
