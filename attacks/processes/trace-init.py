#!/usr/bin/env python3
# attack: look into and write into the processes that belljar has in the sandbox
# tries: ptrace, process_vm_readv and writev, pidfd_getfd, kcmp, get_robust_list, process_madvise and every file of /proc/PID that
#   shows memory, descriptors, environment or addresses, for process 1 and for the spawner that starts programs.
# source: field notes 5b 6 and 40; CVE-2019-5736; CVE-2021-4034-style reading of a helper's memory; DMOJ's tracer
# expect: every one is refused
# stopped-by: privileges
# control: own
# needs: python3
import ctypes
import os
import struct
import sys

c = ctypes.CDLL(None, use_errno=True)
c.ptrace.argtypes = [ctypes.c_long] * 4
PTRACE_ATTACH, PTRACE_SEIZE, PTRACE_DETACH, PTRACE_PEEKDATA = 16, 0x4206, 17, 2
through = []


def call(number, *arguments):
    return c.syscall(number, *[ctypes.c_long(a) if isinstance(a, int) else a for a in arguments])


# The spawner is no ancestor: programs are children of the init. Its id is one of the first.
targets = [1, *range(2, 6)]
if os.environ.get("ATTACK_CONTROL"):
    # A process that is nothing special: some of the ways lead into it.
    child = os.fork()
    if child == 0:
        os.execvp("sleep", ["sleep", "20"])
    while "sleep" not in os.readlink(f"/proc/{child}/exe"):
        pass
    targets = [child]
for pid in targets:
    if pid == os.getpid() or pid == os.getppid() != 1 or call(62, pid, 0) < 0 and ctypes.get_errno() == 3:
        continue
    if pid != 1 and os.path.exists(f"/proc/{pid}/stat") and os.stat(f"/proc/{pid}").st_uid == os.getuid():
        if os.path.exists(f"/proc/{pid}/exe") and os.access(f"/proc/{pid}/mem", os.R_OK) and "python" in os.readlink(f"/proc/{pid}/exe"):
            continue
    who = f"process {pid}"
    for name, request in (("attach", PTRACE_ATTACH), ("seize", PTRACE_SEIZE)):
        if c.ptrace(request, pid, 0, 0) == 0:
            through.append(f"ptrace {name} of {who}")
            c.ptrace(PTRACE_DETACH, pid, 0, 0)
    here = ctypes.create_string_buffer(8)
    local, remote = (struct.pack("QQ", ctypes.addressof(here), 8), struct.pack("QQ", 0x400000, 8))
    for name, number in (("readv", 310), ("writev", 311)):
        if call(number, pid, local, 1, remote, 1, 0) >= 0:
            through.append(f"process_vm_{name} of {who}")
    head, length = ctypes.c_void_p(), ctypes.c_size_t()
    if call(274, pid, ctypes.byref(head), ctypes.byref(length)) == 0:
        through.append(f"robust list of {who}")
    fd = call(434, pid, 0)
    if fd >= 0:
        for target in range(16):
            if call(438, fd, target, 0) >= 0:
                through.append(f"descriptor {target} of {who}")
    if call(312, pid, os.getpid(), 0, 0, 0) >= 0:
        through.append(f"kcmp of {who}")
    for name in ("mem", "environ", "maps", "smaps", "auxv", "syscall", "stack", "pagemap", "personality", "io", "stat", "wchan"):
        try:
            text = open(f"/proc/{pid}/{name}", "rb").read(1 if name == "mem" else 100)
        except OSError as error:
            if name == "mem" and error.errno == 5:
                through.append(f"/proc/{pid}/mem could be opened")
            continue
        # `stat` of a process that is seen at all hides the addresses.
        if text and name not in ("stat", "wchan", "io"):
            through.append(f"/proc/{pid}/{name}")
    for name in ("exe", "cwd", "root", "ns/mnt", "ns/user"):
        try:
            through.append(f"/proc/{pid}/{name} is {os.readlink(f'/proc/{pid}/{name}')}")
        except OSError:
            pass
    try:
        through += [f"/proc/{pid}/fd/{name}" for name in os.listdir(f"/proc/{pid}/fd")]
    except OSError:
        pass
if through:
    print("broke:", "; ".join(through)[:400])
    sys.exit(99)
print("held: everything is refused")
