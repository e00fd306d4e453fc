# attack: descriptors that nobody asked for
# tries: sends 250 open files with each of two hundred messages, valid and not, to a launcher that may have 64 open, and 250 sockets
#   that hold more sockets in their queues
# source: SCM_RIGHTS floods; CVE-2016-2550 (descriptors in flight); systemd and dbus have both been filled up like this
# expect: they are closed at once; the launcher's own stay as many as they were
# stopped-by: the launcher, which takes two descriptors at most and drops them
# control: own
# on: host
import os, socket
from launcher import Launcher, message, held, broke

launcher = Launcher(files=64)
launcher.still_works()
before = launcher.descriptors()
files = [os.open("/dev/null", os.O_RDONLY) for _ in range(250)]
for number in range(200):
    answer, descriptors = launcher.ask(message() if number % 50 == 0 else b"[]", files)
    for descriptor in descriptors:
        os.close(descriptor)
    if not launcher.lives():
        broke("it ended")
full = []
for _ in range(100):
    a, b = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    socket.send_fds(a, [b"x"], files[:50])
    full.append(b)
    a.close()
launcher.ask(b"[]", [one.fileno() for one in full])
# What is in flight counts for its user, launcher or not.
for one in full:
    one.close()
launcher.still_works()
if launcher.descriptors() > before + 2:
    broke(f"{launcher.descriptors()} descriptors, {before} before")
launcher.ends_clean()
held("none of 50,000 descriptors was kept")
