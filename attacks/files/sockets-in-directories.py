# attack: services of the host through a copied directory
# tries: The caller shows a directory with `--dir D:cow` in which a service listens on a Unix socket and another waits at a FIFO; the program connects, sends and writes, through the
#   path, links, renames and copies of them. (Without `:cow` a directory's sockets can be reached, which SECURITY.md says.)
# source: docker.sock, ssh's control sockets and gpg-agent in shown home directories
# expect: the socket and the FIFO inside are not those of the host
# stopped-by: mount_namespace
# on: host
# control: own
import os
import socket
import subprocess
import tempfile
import time

from attack import CONTROL, broke, held

PROGRAM = r"""
import os, socket, sys
d = sys.argv[1]
def attempt(call):
    try:
        call()
    except OSError:
        pass
def say(path):
    for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
        s = socket.socket(socket.AF_UNIX, kind)
        s.settimeout(1)
        try:
            s.connect(path); s.send(b"ATTACK")
        except OSError:
            pass
attempt(lambda: os.link(d + "/socket", d + "/hard"))
attempt(lambda: os.link(d + "/socket", "/tmp/hard"))
attempt(lambda: os.symlink(d + "/socket", "/tmp/link"))
os.chdir(d)
for path in (d + "/socket", d + "/datagrams", "socket", "/proc/self/cwd/socket", "/proc/self/root" + d + "/socket", d + "/hard", "/tmp/hard", "/tmp/link"):
    say(path)
    fd = -1
    try:
        fd = os.open(path, os.O_PATH)
        say(f"/proc/self/fd/{fd}")
    except OSError:
        pass
attempt(lambda: os.rename(d + "/socket", d + "/moved")); say(d + "/moved")
attempt(lambda: os.chmod(d + "/moved", 0o777)); say(d + "/moved")
for path in (d + "/fifo", "/proc/self/root" + d + "/fifo"):
    attempt(lambda: os.write(os.open(path, os.O_WRONLY | os.O_NONBLOCK), b"ATTACK"))
    attempt(lambda: os.write(os.open(path, os.O_RDWR | os.O_NONBLOCK), b"ATTACK"))
print("done", flush=True)
"""
with tempfile.TemporaryDirectory() as place:
    os.chmod(place, 0o755)
    d = os.path.join(place, "d")
    os.mkdir(d)
    os.chmod(d, 0o777)
    listeners = []
    for name, kind in (("socket", socket.SOCK_STREAM), ("datagrams", socket.SOCK_DGRAM)):
        listener = socket.socket(socket.AF_UNIX, kind)
        listener.bind(os.path.join(d, name))
        os.chmod(os.path.join(d, name), 0o777)
        listener.setblocking(False)
        listeners.append(listener)
    listeners[0].listen(100)
    os.mkfifo(d + "/fifo", 0o666)
    os.chmod(d + "/fifo", 0o666)
    fifo = os.open(d + "/fifo", os.O_RDONLY | os.O_NONBLOCK)
    command = ["python3", "-c", PROGRAM, d]
    if not CONTROL:
        command = [os.environ["BELLJAR"], "run", "--dir", d + ":cow", "--", *command]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=30)
    if "done" not in done.stdout:
        print("unclear:", done.stdout, done.stderr)
        raise SystemExit(1)
    for what, call in (("the service", lambda: listeners[0].accept()), ("the datagram service", lambda: listeners[1].recv(10)), ("the FIFO", lambda: os.read(fifo, 10) or 1 / 0)):
        try:
            call()
        except (OSError, ZeroDivisionError):
            continue
        broke(f"{what} of the host was reached")
held("a socket, a datagram socket and a FIFO, 10 paths each")
