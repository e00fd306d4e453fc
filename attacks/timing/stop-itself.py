# attack: stop all of itself with SIGSTOP so that no time passes
# tries: blocks every signal that can be blocked, starts children that stop themselves, stops them from outside too, and stops
#   itself in the end; a limit that waits for the program to be scheduled never comes
# source: test 9 of execution-sandboxes; `isolate` and judges that poll with SIGALRM in the program
# expect: the wall-clock limit ends it, and everything that it stopped
# stopped-by: the wall-clock limit
# flags: --wall-time 1s
# ends: wall_time
# control: plain
import os, signal, time

signal.pthread_sigmask(signal.SIG_BLOCK, set(signal.Signals) - {signal.SIGKILL, signal.SIGSTOP})
children = []
for _ in range(8):
    pid = os.fork()
    if pid == 0:
        os.setsid()
        while True:
            os.kill(os.getpid(), signal.SIGSTOP)
    children.append(pid)
for pid in children:
    os.kill(pid, signal.SIGSTOP)
if os.environ.get("HOME", "").startswith("/tmp/work"):
    # The control: nobody would end it. Two seconds are enough to show that it lives past the limit.
    time.sleep(2)
    for pid in children:
        os.kill(pid, signal.SIGKILL)
    print("broke: it lived for twice the limit", flush=True)
    os._exit(99)
while True:
    os.kill(os.getpid(), signal.SIGSTOP)
