# attack: more than the bytes of standard input
# tries: Standard input of `belljar run` is a file of the caller's, a directory, a named pipe, a Unix socket, a file opened for reading and writing. The program
#   changes its mode, times and attributes, writes through it, opens it again, reaches other files and sockets of the host by paths that begin in it.
# source: found in belljar by this attack (a directory as standard input reached the host's sockets); go-judge #176
# expect: the program gets a pipe; a directory is refused; files, times and sockets of the host stay as they were
# stopped-by: mount_namespace
# on: host
# control: own
import os
import socket
import stat
import subprocess
import tempfile

from attack import CONTROL, broke, held

PROGRAM = r"""
import os, socket, sys
def attempt(call):
    try:
        call()
    except (OSError, ValueError):
        pass
def connect(path):
    s = socket.socket(socket.AF_UNIX)
    s.settimeout(2)
    s.connect(path)
    s.send(b"from inside")
for call in (lambda: os.fchmod(9, 0o6777), lambda: os.utime(9, (1, 1)), lambda: os.fchown(9, os.getuid(), os.getgid()), lambda: os.setxattr(9, "user.attack", b"x"),
             lambda: os.ftruncate(9, 0), lambda: os.pwrite(9, b"ATTACK", 0), lambda: os.write(9, b"ATTACK"), lambda: os.removexattr(9, "user.mark"),
             lambda: os.write(os.open("/proc/self/fd/9", os.O_WRONLY | os.O_NONBLOCK), b"ATTACK"), lambda: os.write(os.open("/dev/fd/9", os.O_RDWR | os.O_NONBLOCK), b"ATTACK"),
             lambda: os.truncate("/proc/self/fd/9", 0), lambda: os.chmod("/proc/self/fd/9", 0o6777), lambda: os.link("/proc/self/fd/9", "/tmp/linked", follow_symlinks=True),
             lambda: os.mkdir("made", dir_fd=9), lambda: os.unlink("file", dir_fd=9), lambda: os.symlink("x", "link", dir_fd=9)):
    attempt(call)
for start in ("/proc/self/fd/9", "/proc/self/fd/9/..", "/dev/fd/9"):
    attempt(lambda: connect(start + "/socket"))
attempt(lambda: (os.fchdir(9), connect("socket")))
attempt(lambda: print("told", os.stat("file", dir_fd=9).st_size, os.listdir(9), flush=True))
"""


def look(place):
    """Everything of a directory that must stay."""
    seen = []
    for name in sorted(os.listdir(place)):
        data = os.lstat(os.path.join(place, name))
        text = open(os.path.join(place, name), "rb").read() if stat.S_ISREG(data.st_mode) else b""
        # What is read from a named pipe changes its times.
        times = 0 if stat.S_ISFIFO(data.st_mode) else data.st_mtime_ns
        seen.append((name, data.st_mode, data.st_uid, data.st_size, times, text))
    return seen


def run(stdin):
    # Python itself refuses a directory as its standard input, so a shell moves it out of the way.
    command = ["sh", "-c", 'exec 9<&0 0</dev/null; exec python3 -c "$0"', PROGRAM]
    if not CONTROL:
        command = [os.environ["BELLJAR"], "run", "--wall-time", "5s", "--", *command]
    return subprocess.run(command, stdin=stdin, capture_output=True, timeout=20)


with tempfile.TemporaryDirectory() as place:
    path = os.path.join(place, "file")
    with open(path, "w") as file:
        file.write("the caller's own")
    os.chmod(path, 0o600)
    os.mkfifo(os.path.join(place, "fifo"), 0o600)
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(os.path.join(place, "socket"))
    listener.listen()
    listener.setblocking(False)
    os.chmod(os.path.join(place, "socket"), 0o666)
    os.chmod(place, 0o755)
    before = look(place)
    kinds = {"a file": os.open(path, os.O_RDONLY), "a writable file": os.open(path, os.O_RDWR), "a directory": os.open(place, os.O_RDONLY),
             "the root directory": os.open("/", os.O_RDONLY), "a named pipe": os.open(os.path.join(place, "fifo"), os.O_RDWR)}
    for kind, descriptor in kinds.items():
        if kind == "a named pipe":
            os.write(descriptor, b"x")
        done = run(descriptor)
        after = look(place)
        if after != before:
            broke(f"{kind} as standard input: {[line for line in after if line not in before] or before}")
        if b"told" in done.stdout:
            broke(f"{kind} as standard input tells {done.stdout[:100]!r}")
        try:
            listener.accept()
            broke(f"{kind} as standard input reaches a socket of the host")
        except BlockingIOError:
            pass
held(f"{len(kinds)} kinds of standard input, nothing changed or reached")
