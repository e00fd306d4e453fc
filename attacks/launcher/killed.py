# attack: kill the launcher in the middle of a run
# tries: SIGKILL to the server's launcher while both sandboxes are busy with programs that fork and ignore signals
# source: test 68 of execution-sandboxes; orphans of killed supervisors
# expect: the programs die with it, their requests fail, another launcher is started, and requests are served again
# stopped-by: pid_namespace
# control: own
# on: host
import os, signal, threading, time
import attack
from launcher import Launcher, held, broke, wait_for, alive, groups, nothing_left, of_server

if attack.CONTROL:
    launcher = Launcher()
    launcher.make()
    family = launcher.sandboxes()
    launcher.process.kill()
    launcher.process.wait()
    nothing_left(launcher.process.pid, family)
    held("nothing was left")

server = attack.server()
pid = int(os.environ["BELLJAR_SERVER_PID"])

old = of_server(pid)
answers = []
busy = "trap '' TERM INT HUP; for i in 1 2 3 4; do (setsid sleep 3600 &) ; done; sleep 3"
work = lambda: answers.append(attack.execute(server, {"commands": [busy]}, timeout=20))
threads = [threading.Thread(target=work) for _ in range(2)]
for thread in threads:
    thread.start()
wait_for("both run", lambda: sum("sleep" in attack.command_line(one) for one in attack.children(pid)) >= 8)
family = attack.children(old)
os.kill(old, signal.SIGKILL)
began = time.monotonic()
wait_for("everything dies with it", lambda: not any(alive(one) for one in family), 5)
for thread in threads:
    thread.join(20)
if len(answers) != 2 or any(answer.status == 200 and answer.json()["execution"][0]["exit_code"] == 0 for answer in answers):
    broke(f"the requests did not fail: {answers}")
deadline = time.monotonic() + 15
while True:
    reply = attack.execute(server, {"commands": ["echo served"]})
    if reply.status == 200 and reply.json()["execution"][0]["stdout"] == "served":
        break
    if time.monotonic() > deadline:
        broke(f"the server does not come back: {reply}")
    time.sleep(0.05)
wait_for("the old one's groups are swept", lambda: not groups(old))
held(f"all of it was dead at once, and requests were served again after {time.monotonic() - began:.1f} s")
