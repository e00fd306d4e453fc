# attack: policies that contradict themselves
# tries: mounts of what does not exist, onto relative paths, through `..`, with zero bytes, onto the root and /proc, a thousand of them;
#   a work directory outside, host names of 10,000 bytes, limits of nothing and of everything, layers that cannot be off, required
#   bandwidth
# source: runc CVE-2021-30465 and CVE-2025-31133 (mount targets), CVE-2019-5736; section 5a of execution-sandboxes
# expect: a refusal with a reason, or a sandbox that works and goes; the launcher is the same afterwards
# stopped-by: the preparation of policies
# control: own
# on: host
import os
from launcher import LIMITS, Launcher, message, held, broke

def mount(source, target, access="read_only"):
    return {"source": source, "target": target, "access": access}

launcher = Launcher()
launcher.still_works()
mounts = open(f"/proc/{launcher.process.pid}/mountinfo").read()
cases = [
    dict(mounts=[mount("/no/such", "/x")]), dict(mounts=[mount("/etc", "x")]), dict(mounts=[mount("/etc", "/../../x")]),
    dict(mounts=[mount("/etc", "/home/../../../../tmp/out")]), dict(mounts=[mount("/etc\0", "/x")]), dict(mounts=[mount("/etc", "/")]),
    dict(mounts=[mount("/etc", "/proc")]), dict(mounts=[mount("/etc", "/proc/1/root")]), dict(mounts=[mount("", "")]),
    dict(mounts=[mount("/etc", "/" + "x" * 5000)]), dict(mounts=[mount("/etc", f"/m/{n}") for n in range(1000)]),
    dict(mounts=[mount("/etc", "/same"), mount("/usr", "/same")]), dict(mounts=[mount("/proc/self/fd/0", "/x")]),
    dict(work_directory="relative"), dict(work_directory="/proc"), dict(work_directory="/../.."), dict(work_directory="\0"),
    dict(hostname="x" * 10000), dict(hostname="\0"), dict(environment={"A=B": "c\0d"}), dict(rootfs={"directory": "/"}),
    dict(rootfs={"directory": "/no/such"}), dict(rootfs={"directory": "/etc/passwd"}), dict(user={"uid": 4294967295, "gid": 4294967295}),
    dict(user={"uid": 70000, "gid": 0}), dict(limits={**LIMITS, "memory": 0}), dict(limits={**LIMITS, "memory": 2**64 - 1}),
    dict(limits={**LIMITS, "processes": 0}), dict(limits={**LIMITS, "disk": 2**64 - 1, "inodes": 2**64 - 1, "stack": 2**64 - 1}),
    dict(limits={**LIMITS, "open_files": 0}), dict(layers={"mount_namespace": "off"}), dict(layers={"user_namespace": "off"}),
    dict(layers={"pid_namespace": "off"}), dict(default_strictness="required", layers={"io_limit": "required"}),
    dict(limits={**LIMITS, "cpu_percent": 2**32 - 1, "io_bytes_per_second": 2**64 - 1}),
]
refused = 0
for case in cases:
    answer, descriptors = launcher.ask(message(**case))
    refused += "failed" in answer
    for descriptor in descriptors:
        os.close(descriptor)
    if "made" in answer and any(layer in (case.get("layers") or {}) for layer in ("mount_namespace", "user_namespace", "pid_namespace")):
        broke(f"a sandbox without a wall: {case}")
    if not launcher.lives():
        broke(f"it died of {str(case)[:100]}")
launcher.still_works()
if open(f"/proc/{launcher.process.pid}/mountinfo").read() != mounts:
    broke("the launcher's own mounts have changed")
if os.path.exists("/tmp/out"):
    broke("a mount target was made on the host")
launcher.ends_clean()
held(f"{refused} of {len(cases)} refused, the others were sandboxes like any")
