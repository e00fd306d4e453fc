# attack: a result that is no file, has no end, or is too large
# tries: FIFOs with and without a writer, sockets, terminals, endless devices, memory and descriptors of processes, directories, files without rights, sparse files of a
#   tebibyte, files that grow and shrink while they are read, 3 MB of zero bytes, of invalid UTF-8 and of quotes. The server's memory and time are watched.
# source: go-judge #176 (FIFO as a result hangs), field tests 28 and 29 of the specification
# expect: an answer within 8 s for each, and no more than 64 MiB for all
# stopped-by: memory_limit, mount_namespace
# on: host
# control: own
# timeout: 120
import os
import threading
import time

from attack import CONTROL, broke, children, held, memory
from execution import run

CASES = [("a FIFO", "mkfifo r"), ("a FIFO with a writer", "mkfifo r; (sleep 100 > r) & true"), ("a socket", "python3 -c 'import socket; socket.socket(socket.AF_UNIX).bind(\"r\")'"),
         ("a device without end", "ln -s /dev/zero r"), ("random numbers", "ln -s /dev/urandom r"), ("a full device", "ln -s /dev/full r"), ("a terminal", "ln -s /dev/ptmx r"),
         ("the controlling terminal", "ln -s /dev/tty r"), ("memory of a process", "ln -s /proc/self/mem r"), ("the init's memory", "ln -s /proc/1/mem r"), ("a page map", "ln -s /proc/self/pagemap r"),
         ("a descriptor", "ln -s /proc/self/fd/0 r"), ("the log", "ln -s /proc/kmsg r"), ("a directory", "mkdir r"), ("a directory of processes", "ln -s /proc r"), ("a file without rights", "echo x > r; chmod 0 r"),
         ("a directory without rights", "mkdir d; echo x > d/r; chmod 0 d"), ("a tebibyte of nothing", "truncate -s 1T r"), ("as much as the limit takes", "truncate -s 250M r || true"),
         ("a file that grows", "(while :; do echo more >> r; done) & sleep 0.2"), ("a file that comes and goes", "(while :; do truncate -s 1M r; truncate -s 0 r; done) & sleep 0.2"),
         ("zero bytes", "head -c 3000000 /dev/zero > r"), ("no UTF-8", "head -c 3000000 /dev/urandom > r"), ("quotes", "head -c 3000000 /dev/zero | tr '\\0' '\"' > r"),
         ("control characters", "printf '\\033]0;title\\007\\033[31m\\r\\n\\0\\342\\200\\256' > r"), ("a loop", "ln -s r r"), ("40 links in a row", "for i in $(seq 40); do ln -s l$((i+1)) l$i; done; echo x > l41; ln -s l1 r")]


def one(what, command, path):
    answered = threading.Event()

    def ask():
        try:
            run(["-" + command if not CONTROL else command], path, timeout=30)
        except (OSError, ValueError, UnicodeError):
            pass
        answered.set()

    began = time.monotonic()
    threading.Thread(target=ask, daemon=True).start()
    if not answered.wait(8):
        broke(f"{what} as a result: no answer for 8 s")
    return time.monotonic() - began


server = None if CONTROL else int(os.environ["BELLJAR_SERVER_PID"])
before = 0 if CONTROL else memory(server)
longest = max((one(what, command, "d/r" if "directory without" in what else "r"), what) for what, command in CASES)
if not CONTROL and memory(server) > before + (64 << 20):
    broke(f"the server has {(memory(server) - before) >> 20} MiB more in use")
held(f"{len(CASES)} results, the longest, {longest[1]}, took {longest[0]:.1f} s")
