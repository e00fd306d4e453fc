# attack: a working directory or a shown path outside
# tries: `belljar run --workdir` and `--dir` with /proc/self/fd/N, /proc/self/cwd, /proc/PID/root, links, ".." and names that are swapped while sandboxes start, with descriptors of the
#   host's directories left open for it; the program then looks where it is and goes up.
# source: CVE-2024-21626 (runc), CVE-2021-30465 (a link in place of a mount's target), CVE-2019-16884 (a /proc that is none)
# expect: refused, or a directory of the sandbox; nothing of the host that was not named
# stopped-by: mount_namespace
# on: host
# control: own
import os
import subprocess
import tempfile
import threading

from attack import CONTROL, broke, held

PROGRAM = ("pwd -P; cat secret ../secret ../../secret ../../../secret 2>/dev/null; ls -d ../../../../root/.bashrc ../../../../../../etc/shadow 2>/dev/null; cat ../../../../../../etc/shadow 2>/dev/null; "
           "readlink /proc/self/cwd; true")


def run(arguments, pass_fds=()):
    if CONTROL:
        directory = arguments[arguments.index("--workdir") + 1] if "--workdir" in arguments else arguments[1].split(":")[0]
        return subprocess.run(["sh", "-c", PROGRAM], cwd=directory, stdin=subprocess.DEVNULL, capture_output=True, text=True, pass_fds=pass_fds)
    return subprocess.run([os.environ["BELLJAR"], "run", *arguments, "--", "sh", "-c", PROGRAM], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=30, pass_fds=pass_fds)


def check(done, what):
    if "a secret" in done.stdout or "root:" in done.stdout or "unreachable" in done.stdout or "/etc/shadow" in done.stdout:
        broke(f"{what}: {done.stdout[:200]}")


tried = 0
with tempfile.TemporaryDirectory() as place:
    os.chmod(place, 0o755)
    shown, hidden = os.path.join(place, "shown"), os.path.join(place, "hidden")
    for directory in (shown, hidden, shown + "/sub"):
        os.mkdir(directory)
    with open(hidden + "/secret", "w") as file:
        file.write("a secret\n")
    open_directories = [os.open(path, os.O_RDONLY) for path in (hidden, "/", place)]
    fds = []
    for number in range(3, 40):
        try:
            os.fstat(number)
        except OSError:
            os.dup2(open_directories[number % 3], number)
        fds.append(number)
    os.symlink(hidden, shown + "/link")
    os.symlink("/", shown + "/root")
    for path in [f"/proc/self/fd/{number}" for number in fds] + [f"/proc/self/fd/{number}/../hidden" for number in fds[:9]] + [
            "/proc/self/cwd", "/proc/self/root" + hidden, "/proc/1/root" + hidden, f"/proc/{os.getpid()}/root{hidden}", f"/proc/{os.getpid()}/cwd", hidden, shown + "/link", shown + "/root" + hidden,
            shown + "/../hidden", "../" * 20 + hidden.lstrip("/"), "/dev/fd/3", "/proc/thread-self/fd/4", "/proc/self/task/1/root", "//" + hidden, "/tmp/../" + hidden]:
        tried += 1
        check(run(["--dir", shown, "--workdir", path], fds), f"--workdir {path}")
    # Names that are swapped for a link to something else while sandboxes start. The name leads to one or the other at the moment it is opened, so
    # both may be shown; but never may one be shown under the rights or the name of the other, and never what is around it.
    stop = threading.Event()
    a, b = shown + "/sub", shown + "/swapped"
    os.symlink(shown, b)

    def swap():
        while not stop.is_set():
            try:
                os.rename(a, a + "-away")
                os.rename(b, a)
                os.rename(a, b)
                os.rename(a + "-away", a)
            except OSError:
                pass

    thread = threading.Thread(target=swap)
    thread.start()
    try:
        for round in range(40):
            tried += 1
            check(run(["--dir", a + (":rw" if round % 2 else ":cow")]), "a directory that is swapped for a link")
    finally:
        stop.set()
        thread.join()
held(f"{tried} working directories and directories")
