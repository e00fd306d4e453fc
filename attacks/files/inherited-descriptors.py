# attack: descriptors that the caller left open
# tries: Starts `belljar run` with 200 descriptors of host files, directories, sockets, pipes, memory files and terminals left open for it, at low and at high
#   numbers; the program looks for any of them, in itself and in whoever it can see, and walks out through a directory. The server's answers are asked the same.
# source: CVE-2024-21626 (runc), go-judge v0.9.5 to v1.1.4 (retracted), CVE-2016-9962
# expect: the program has 0, 1 and 2, which are pipes or /dev/null, and nothing else
# stopped-by: mount_namespace
# on: host
# control: own
import os
import resource
import socket
import subprocess
import tempfile

from attack import CONTROL, broke, execute, held, server

PROGRAM = r"""
import os, stat
found = []
for fd in range(0, 4096):
    try:
        data = os.fstat(fd)
    except OSError:
        continue
    link = os.readlink(f"/proc/self/fd/{fd}")
    harmless = link == "/dev/null" or (stat.S_ISFIFO(data.st_mode) and link.startswith("pipe:"))
    if fd > 2 or not harmless:
        found.append(f"{fd} {link}")
for name in os.listdir("/proc"):
    if name.isdigit() and int(name) != os.getpid():
        try:
            for fd in os.listdir(f"/proc/{name}/fd"):
                if int(fd) > 2:
                    found.append(f"{fd} of {name} " + os.readlink(f"/proc/{name}/fd/{fd}"))
        except OSError:
            pass
print("descriptors", found, flush=True)
"""
resource.setrlimit(resource.RLIMIT_NOFILE, (4096, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
with tempfile.TemporaryDirectory() as place:
    secret = os.path.join(place, "secret")
    with open(secret, "w") as file:
        file.write("of the host")
    made = [os.open(secret, os.O_RDWR), os.open(place, os.O_RDONLY), os.open("/", os.O_PATH), os.open("/proc", os.O_RDONLY), os.open("/proc/self/ns/mnt", os.O_RDONLY),
            os.memfd_create("secret", 0), *os.pipe(), *(end.detach() for end in socket.socketpair()), os.open("/dev/ptmx", os.O_RDWR | os.O_NOCTTY)]
    passed = list(made)
    for number in list(range(20, 200)) + [255, 256, 1023, 1024, 2048, 4000]:
        os.dup2(made[number % len(made)], number, inheritable=True)
        passed.append(number)
    belljar = [] if CONTROL else [os.environ["BELLJAR"], "run", "--open-files", "4096", "--"]
    done = subprocess.run([*belljar, "python3", "-c", PROGRAM], stdin=subprocess.DEVNULL, capture_output=True, pass_fds=passed, timeout=20)
    if b"descriptors []" not in done.stdout:
        broke(f"the program has {done.stdout[:200]!r} {done.stderr[:200]!r}")
address = server()
for round in range(5):
    answer = execute(address, {"commands": ["python3 -c '" + PROGRAM.replace("'", '"') + "'"]}).json()
    if answer["execution"][0]["stdout"] != "descriptors []":
        broke(f"a program of the server has {answer['execution'][0]}")
held(f"none of {len(passed)} descriptors, none of the server's")
