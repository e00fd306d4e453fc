"""A launcher to talk to: the binary itself, started as the server starts it, or, in the control run, a naive one.

The server speaks to it in packets (SOCK_SEQPACKET on its standard input): JSON of a policy and of how the sandbox is used again; the
answer comes with two descriptors, the socket of the sandbox's init and a pidfd.
"""

import array
import json
import os
import signal
import socket
import subprocess
import sys
import time

from attack import CONTROL, broke, children, held, wait_for

LIMITS = {
    "wall_time": {"secs": 10, "nanos": 0}, "cpu_time": {"secs": 10, "nanos": 0}, "memory": 64 << 20, "swap": 0, "processes": 16,
    "cpu_percent": 0, "file_size": 1 << 20, "open_files": 64, "disk": 1 << 20, "inodes": 64, "output": 1 << 16, "stack": 8 << 20,
    "io_bytes_per_second": 0,
}
POLICY = {
    "rootfs": "host", "mounts": [], "work_directory": "/home/student", "user": {"uid": 1000, "gid": 1000}, "network": "none",
    "hostname": "belljar", "environment": {"PATH": "/usr/bin:/bin"}, "limits": LIMITS,
    "layers": {layer: "best_effort" for layer in (
        "time_namespace", "cgroup_namespace", "memory_limit", "process_limit", "cpu_accounting", "landlock", "io_limit")},
    "default_strictness": "required",
}


def message(reuse="after_reset", **changes):
    """A request for a sandbox, with these fields of its policy changed."""
    return json.dumps([{**POLICY, **changes}, reuse]).encode()


# What somebody writes who trusts the other side: no limit, no care for what comes with a message, no end of its children.
NAIVE = r"""
import array, json, os, socket, subprocess
s = socket.socket(fileno=0)
kept, messages = [], []
while True:
    data, ancillary, flags, _ = s.recvmsg(1 << 22, 1 << 16)
    if not data:
        os._exit(0)
    for level, kind, content in ancillary:
        kept.append(array.array("i", content))
    messages.append(data * 64)
    policy, reuse = json.loads(data)
    child = subprocess.Popen(["sleep", "3600"], stdin=subprocess.DEVNULL, start_new_session=True)
    if policy["hostname"] != "belljar" or any(".." in mount["target"] for mount in policy["mounts"]):
        os._exit(3)
    a, b = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    kept.append(b)
    answer = json.dumps({"made": {"layers": []}}).encode()
    s.sendmsg([answer], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [a.fileno(), os.pidfd_open(child.pid)]))])
"""


class Launcher:
    def __init__(self, files=None):
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4 << 20)
        self.socket = ours
        self.socket.settimeout(30)

        def limit():
            if files:
                import resource
                resource.setrlimit(resource.RLIMIT_NOFILE, (files, files))

        command = [sys.executable, "-c", NAIVE] if CONTROL else ["belljar-launcher"]
        self.process = subprocess.Popen(
            command, executable=None if CONTROL else os.environ["BELLJAR"], stdin=theirs, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL, env={"PATH": "/usr/bin:/bin"}, start_new_session=True, preexec_fn=limit)
        theirs.close()

    def send(self, data, descriptors=()):
        control = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", descriptors))] if descriptors else []
        self.socket.sendmsg([data], control)

    def receive(self):
        """The answer, and the descriptors that come with it."""
        data, ancillary, _, _ = self.socket.recvmsg(1 << 20, socket.CMSG_SPACE(64 * 4))
        found = []
        for level, kind, content in ancillary:
            if kind == socket.SCM_RIGHTS:
                numbers = array.array("i")
                numbers.frombytes(content[: len(content) - len(content) % numbers.itemsize])
                found.extend(numbers)
        if not data:
            raise OSError("the launcher closed its socket")
        return json.loads(data), found

    def ask(self, data, descriptors=()):
        try:
            self.send(data, descriptors)
            return self.receive()
        except (OSError, ValueError) as error:
            broke(f"the launcher did not answer: {error}; it {'lives' if self.lives() else 'ended with %s' % self.process.returncode}")

    def make(self, **changes):
        """A sandbox that has to come into being: its init's socket and its pidfd."""
        answer, descriptors = self.ask(message(**changes))
        if "made" not in answer or len(descriptors) != 2:
            print(f"no sandbox: {answer}")
            sys.exit(3) if not CONTROL else broke(f"no sandbox: {answer}")
        return descriptors

    def lives(self):
        return self.process.poll() is None

    def sandboxes(self):
        return children(self.process.pid) - {self.process.pid} if self.lives() else set()

    def descriptors(self):
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))

    def still_works(self):
        """An ordinary request is still carried out, and what it made goes when it is let go."""
        if not self.lives():
            broke(f"the launcher ended with {self.process.returncode}")
        for descriptor in self.make():
            os.close(descriptor)
        wait_for("the sandbox ends when nobody holds it", lambda: not self.sandboxes())

    def ends_clean(self):
        """It ends when the socket is closed, and leaves nothing."""
        family = self.sandboxes()
        groups_of = self.process.pid
        self.socket.close()
        try:
            self.process.wait(15)
        except subprocess.TimeoutExpired:
            broke("the launcher does not end with its socket")
        nothing_left(groups_of, family)


def alive(pid):
    try:
        return open(f"/proc/{pid}/stat").read().rsplit(") ", 1)[1][0] not in "ZX"
    except OSError:
        return False


def of_server(pid):
    """The process that makes a server's sandboxes: of the launchers below it (one may keep another), the one with most children."""
    def name(one):
        try:
            return open(f"/proc/{one}/cmdline").read().split("\0")[0]
        except OSError:
            return ""

    def direct(one):
        try:
            return len(open(f"/proc/{one}/task/{one}/children").read().split())
        except OSError:
            return 0

    launchers = [one for one in children(pid) - {pid} if name(one) == "belljar-launcher"]
    if not launchers:
        print("the launcher is not found")
        os._exit(3)
    return max(launchers, key=direct)


def groups(pid):
    """Control groups that a launcher with this process id made."""
    found = []
    for path, names, _ in os.walk("/sys/fs/cgroup"):
        found += [os.path.join(path, name) for name in names if name.startswith(f"belljar-{pid}-")]
    return found


def nothing_left(pid, family):
    deadline = time.monotonic() + (2 if CONTROL else 10)
    while True:
        left = [f"process {one}" for one in family if alive(one)] + groups(pid)
        if not left:
            return
        if time.monotonic() > deadline:
            for one in family:
                try:
                    os.kill(one, signal.SIGKILL)
                except OSError:
                    pass
            broke(f"left behind: {left[:5]}")
        time.sleep(0.01)
