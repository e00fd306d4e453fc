# attack: mounts that come and go across the wall
# tries: The caller's directories are shared mounts: while a program runs, mounts and unmounts something in a directory that it is shown, and looks whether the program sees it; the
#   program makes mounts and looks whether the host sees them; a mount below the directory that hides a secret must not be lifted by showing the directory.
# source: mount_namespaces(7); runc CVE-2021-30465; `unshare` without private propagation
# expect: neither side sees the other's mounts; what a mount of the host covers stays covered
# stopped-by: mount_namespace
# on: host
# control: own
# needs: root
# variants: server-privileged
import os
import subprocess
import tempfile
import time

from attack import CONTROL, broke, held

PROGRAM = r"""
import os, sys, time
d = sys.argv[1]
print("ready", flush=True)
sys.stdin.readline()
seen = [name for name in ("later/inside", "covered/secret", "shown/there") if os.path.exists(os.path.join(d, name))]
os.system(f"mount -t tmpfs none {d}/own 2>/dev/null; touch {d}/own/from-inside 2>/dev/null; mount --make-rshared / 2>/dev/null; umount -l {d}/covered 2>/dev/null")
if os.path.exists(d + "/covered/secret"):
    seen.append("covered/secret, afterwards")
options = [line for line in open("/proc/self/mountinfo") if d in line and ("shared:" in line or "master:" in line)]
print("seen", seen, options, flush=True)
"""


def mount(*arguments):
    subprocess.run(["mount", *arguments], check=True)


with tempfile.TemporaryDirectory() as place:
    mount("-t", "tmpfs", "-o", "mode=755", "none", place)
    mount("--make-shared", place)
    found = unclear = None
    try:
        for name in ("later", "covered", "own", "shown"):
            os.mkdir(os.path.join(place, name), 0o777)
        with open(place + "/covered/secret", "w") as file:
            file.write("x")
        mount("-t", "tmpfs", "none", place + "/covered")
        mount("-t", "tmpfs", "none", place + "/shown")
        open(place + "/shown/there", "w").close()
        command = ["python3", "-c", PROGRAM, place]
        # In the control run: a mount namespace that hears of its parent's mounts and tells its own.
        outer = ["unshare", "-m", "--propagation", "unchanged"] if CONTROL else [os.environ["BELLJAR"], "run", "--dir", place, "--user", "root", "--"]
        process = subprocess.Popen([*outer, *command], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        if "ready" not in process.stdout.readline():
            raise SystemExit("unclear: it does not start: " + process.stderr.read())
        mount("-t", "tmpfs", "none", place + "/later")
        open(place + "/later/inside", "w").close()
        outside_before = open("/proc/self/mountinfo").read()
        output, errors = process.communicate("go\n", timeout=20)
        outside = open("/proc/self/mountinfo").read()
        if outside != outside_before or os.path.exists(place + "/own/from-inside"):
            found = "the program's mounts show outside"
        elif "later/inside" in output:
            found = f"a mount of the host shows inside: {output}"
        elif "covered/secret" in output:
            found = f"what a mount covers shows inside: {output}"
        elif "shared:" in output or "master:" in output:
            found = f"mounts are bound to the host's: {output}"
        elif "shown/there" not in output:
            unclear = f"not even what should be there shows: {output} {errors}"
    finally:
        subprocess.run(["umount", "-R", "-l", place])
# Only now, because these end the program at once.
if found:
    broke(found)
if unclear:
    raise SystemExit("unclear: " + unclear)
held("neither side sees the other's mounts, what is covered stays so")
