# attack: settings of the kernel through /proc and /sys
# tries: Opens everything below /proc that is not a process of its own, and below /sys, for writing: by open, openat2 and truncate, through /proc/self/root and
#   a reopened descriptor; after changing its mode or owner. core_pattern, modprobe, sysrq-trigger, uevent_helper and binfmt_misc by their names.
# source: CVE-2016-9962 era container escapes; core_pattern is writable in bubblewrap and hakoniwa as root (measured)
# expect: nothing opens for writing but pressure files, which take no setting
# stopped-by: private_proc, user_namespace, landlock
# control: own
import os, stat, sys

NAMED = ["/proc/sys/kernel/core_pattern", "/proc/sys/kernel/modprobe", "/proc/sys/kernel/hotplug", "/proc/sys/kernel/poweroff_cmd", "/proc/sys/kernel/sysrq",
         "/proc/sys/vm/panic_on_oom", "/proc/sys/vm/overcommit_memory", "/proc/sys/vm/drop_caches", "/proc/sys/kernel/ns_last_pid", "/proc/sys/kernel/hostname",
         "/proc/sys/kernel/yama/ptrace_scope", "/proc/sys/kernel/unprivileged_bpf_disabled", "/proc/sys/fs/binfmt_misc/register", "/proc/sys/fs/suid_dumpable",
         "/proc/sys/net/ipv4/ip_forward", "/proc/sys/user/max_user_namespaces", "/proc/sys/kernel/shmmax", "/proc/sys/fs/mqueue/msg_max", "/proc/sysrq-trigger",
         "/proc/mtrr", "/proc/irq/default_smp_affinity", "/proc/acpi/wakeup", "/proc/scsi/scsi", "/proc/fs/nfsd/threads", "/proc/bus/pci/00/00.0", "/proc/kmsg",
         "/sys/kernel/uevent_helper", "/sys/power/state", "/sys/kernel/mm/ksm/run", "/sys/kernel/mm/transparent_hugepage/enabled", "/sys/fs/cgroup/cgroup.procs",
         "/sys/class/mem/null/uevent", "/sys/kernel/debug/x", "/sys/kernel/tracing/trace_marker", "/sys/module/kernel/parameters/panic", "/sys/devices/virtual/x"]
# What /proc offers for writing of a process of one's own.
tried = 0

def broke(what):
    print("broke:", what)
    sys.exit(99)

def attempt(path):
    global tried
    tried += 1
    for route in (path, "/proc/self/root" + path, "/proc/self/../.." + path):
        for flags in (os.O_WRONLY, os.O_RDWR, os.O_WRONLY | os.O_APPEND):
            try:
                fd = os.open(route, flags | os.O_NONBLOCK | os.O_NOCTTY)
            except OSError:
                continue
            # A cover of /dev/null takes everything and keeps nothing.
            covered = os.fstat(fd).st_rdev == os.makedev(1, 3) and stat.S_ISCHR(os.fstat(fd).st_mode)
            os.close(fd)
            if not covered:
                broke(f"{route} opens for writing")
    try:
        handle = os.open(path, os.O_PATH)
        os.close(os.open(f"/proc/self/fd/{handle}", os.O_WRONLY | os.O_NONBLOCK))
        if os.stat(path).st_rdev != os.makedev(1, 3):
            broke(f"{path} opens for writing through its descriptor")
    except OSError:
        pass
    for what, call in (("mode", lambda: os.chmod(path, 0o666)), ("owner", lambda: os.chown(path, os.getuid(), -1)), ("name", lambda: os.rename(path, path + "x")),
                       ("size", lambda: os.truncate(path, 0))):
        try:
            if os.stat(path).st_rdev == os.makedev(1, 3):
                continue
            call()
        except OSError:
            continue
        broke(f"the {what} of {path} changes")

if os.environ.get("ATTACK_CONTROL"):
    open("/tmp/weak", "w").close()
    NAMED.append("/tmp/weak")
for path in NAMED:
    attempt(path)
for top in ("/proc", "/sys"):
    for directory, directories, files in os.walk(top):
        # Processes: whose files are there is another attack's question. Pressure files are for everyone (since Linux 6.5) and take a trigger only.
        if directory == "/proc":
            directories[:] = [name for name in directories if not name.isdigit() and name not in ("self", "thread-self", "pressure")]
        for name in files:
            path = os.path.join(directory, name)
            if not os.path.islink(path):
                attempt(path)
print(f"held: {tried} files of /proc and /sys")
