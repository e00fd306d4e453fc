# attack: the host's directories through other processes' files in /proc
# tries: For every process id up to 2,048, asked for by name although hidepid hides the list: root, cwd, exe, fd, fdinfo, map_files, mem, ns, task/*/root; through
#   pid descriptors; through the ids' directories opened before a process dies and is replaced; in 500 rounds while processes come and go.
# source: CVE-2019-5736, CVE-2024-21626, CVE-2023-0386 exploits that pass through /proc/PID/root
# expect: no file of a process that is not one's own child
# stopped-by: private_proc, pid_namespace, privileges
# control: own
import os, signal, sys

control = bool(os.environ.get("ATTACK_CONTROL"))
FILES = ["root/etc", "root/proc/version", "cwd/.", "exe", "fd/0", "fd/3", "fdinfo/0", "map_files", "mem", "ns/mnt", "ns/user", "environ", "maps", "task/{}/root/etc",
         "task/{}/cwd", "task/{}/mem", "attr/current", "personality", "syscall", "stack", "io", "auxv", "pagemap", "timers", "setgroups", "uid_map"]

def broke(what):
    print("broke:", what)
    sys.exit(99)

def family():
    """Itself and whoever it comes from: a shell of the same command is one's own."""
    pids, pid = set(), os.getpid()
    while pid > 0 and pid not in pids:
        pids.add(pid)
        try:
            pid = int(open(f"/proc/{pid}/stat").read().rsplit(")", 1)[1].split()[1])
        except OSError:
            break
    # The parent of the first of our own is the init, whose files are not ours; process 2 may be ourselves.
    return (pids - {1, 2}) | {os.getpid()}

child = os.fork()
if child == 0:
    signal.pause()
own = family() | (set() if control else {child})
opened = 0
try:
    for pid in range(1, 2049):
        if pid in own:
            continue
        for name in FILES:
            path = f"/proc/{pid}/" + name.format(pid)
            try:
                fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
            except OSError:
                continue
            # Some open for everybody who sees the process; then they must not tell anything.
            try:
                told = os.read(fd, 64)
            except OSError as error:
                told = b"a directory" if error.errno == 21 else b""
            if told:
                broke(f"{path} tells {told[:40]!r}")
        for name in ("", "task", "fd", "root", "cwd"):
            try:
                broke(f"/proc/{pid}/{name} lists {os.listdir(f'/proc/{pid}/{name}')[:3]}")
            except OSError:
                pass
        try:
            os.readlink(f"/proc/{pid}/exe")
            broke(f"/proc/{pid}/exe is told")
        except OSError:
            pass
finally:
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
# A directory of a dead child must not become another process's.
for round in range(500):
    child = os.fork()
    if child == 0:
        os._exit(0)
    try:
        directory = os.open(f"/proc/{child}", os.O_RDONLY | os.O_DIRECTORY)
    except OSError:
        os.waitpid(child, 0)
        continue
    os.waitpid(child, 0)
    other = os.fork()
    if other == 0:
        os._exit(0)
    try:
        os.close(os.open("root/etc", os.O_RDONLY, dir_fd=directory))
        broke("the directory of a dead process shows a root")
    except OSError:
        pass
    os.close(directory)
    os.waitpid(other, 0)
shown = [name for name in os.listdir("/proc") if name.isdigit() and int(name) not in own]
if shown:
    broke(f"/proc lists {shown}")
print(f"held: {len(FILES) + 6} files of 2,048 processes")
