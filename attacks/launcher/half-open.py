# attack: sockets that are half open
# tries: closes the socket right after a request, in the middle of many that are not answered yet, shuts down one direction only,
#   and never reads an answer: the launcher then writes to nobody
# source: EPIPE and blocking writes in daemons; "the parent is gone and the children live on" (runc, bubblewrap --die-with-parent)
# expect: the launcher ends, and with it every sandbox and control group that it made
# stopped-by: the launcher
# control: own
# on: host
import socket, time
from launcher import Launcher, message, held, broke, nothing_left

def ends(launcher, what, patience=20):
    # The last look at what it has: sandboxes are made while we look.
    family, deadline = set(), time.monotonic() + patience
    while launcher.lives():
        family |= launcher.sandboxes()
        if time.monotonic() > deadline:
            broke(f"{what}: it does not end")
        time.sleep(0.001)
    nothing_left(launcher.process.pid, family)

for requests in (1, 1, 1, 2, 5, 40):
    launcher = Launcher()
    for _ in range(requests):
        launcher.send(message())
    launcher.socket.close()
    ends(launcher, f"closed after {requests} requests")

launcher = Launcher()
launcher.make()
launcher.send(message())
launcher.socket.shutdown(socket.SHUT_WR)
ends(launcher, "no more requests")

launcher = Launcher()
launcher.send(message())
launcher.socket.shutdown(socket.SHUT_RD)
ends(launcher, "no more answers")

# Nobody reads; the answers fill the socket; then the reader goes.
launcher = Launcher()
launcher.socket.setblocking(False)
sent, deadline = 0, time.monotonic() + 3
while time.monotonic() < deadline and sent < 3000:
    try:
        launcher.send(b"[]")
        sent += 1
    except BlockingIOError:
        time.sleep(0.01)
launcher.socket.close()
ends(launcher, "answers that nobody reads")
held("each of them ended with nothing left")
