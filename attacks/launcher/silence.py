# attack: say nothing, or stop
# tries: a launcher to which nobody speaks; one whose sandboxes are held by nobody who speaks; and the server's own, stopped with
#   SIGSTOP while requests come
# source: half-open peers; supervisors that wait for a helper without an end
# expect: silence costs nothing; the server goes on with the sandboxes that it has, and is whole again when the launcher goes on
# stopped-by: the pool
# control: own
# on: host
import os, signal, time
import attack
from launcher import Launcher, held, broke, of_server

launcher = Launcher()
launcher.make()
before = [sum(int(word) for word in open(f"/proc/{launcher.process.pid}/stat").read().rsplit(") ", 1)[1].split()[11:13]) for _ in "x"]
time.sleep(0.5)
after = [sum(int(word) for word in open(f"/proc/{launcher.process.pid}/stat").read().rsplit(") ", 1)[1].split()[11:13]) for _ in "x"]
if after[0] - before[0] > 5:
    broke("it is busy with nothing to do")
launcher.ends_clean()
if attack.CONTROL:
    held("nothing to compare with")

server = attack.server()
pid = int(os.environ["BELLJAR_SERVER_PID"])
maker = of_server(pid)
os.kill(maker, signal.SIGSTOP)
try:
    # The pool's own sandboxes answer, and are renewed by themselves.
    for _ in range(4):
        attack.served(server)
    if attack.get(server, "/healthz", 5).status != 200:
        broke("the server does not answer while its launcher is stopped")
finally:
    os.kill(maker, signal.SIGCONT)
attack.served(server)
held("requests were served meanwhile")
