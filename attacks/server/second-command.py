# attack: leave the second command to a supervisor that cannot
# tries: the first command of a request stops, kills or starves whatever starts programs, fills the process table, and closes every descriptor
#   that it can; the second must be told about
# source: test 5 of execution-sandboxes; go-judge and Piston reuse a shell between steps
# expect: the second command is carried out or the request fails, in time; the next request is served as ever
# stopped-by: the init; execute.timeout
# control: own
# on: host
# timeout: 60
import attack, json, time

def naive():
    import subprocess
    def answer(head, body):
        config = json.loads(body[body.find(b"\r\n\r\n") + 4:body.rfind(b"\r\n--")])
        shell = subprocess.Popen(["sh"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True)
        # One shell for all commands, as one does it first.
        shell.stdin.write("kill -STOP $$\n" + "\n".join(config["commands"]))
        shell.stdin.close()
        return json.dumps({"execution": [{"stdout": shell.stdout.read()}]}).encode()
    return attack.NaiveServer(threads=1, answer=answer)

server = attack.server(naive)
firsts = [
    "python3 -c 'import os, signal; os.kill(-1, signal.SIGSTOP)'", "kill -9 -1", "kill -STOP -1; true", "kill -9 $PPID 1 2 3; true",
    "python3 -c 'import os\nfor n in range(60):\n  if os.fork() == 0: os.setsid(); os.execlp(\"sleep\", \"sleep\", \"1000\")'", "for n in $(seq 3 1000); do eval \"exec $n>&-\"; done",
    "cd / && rm -rf ~ /tmp 2>/dev/null; chmod 0 ~; true", "ulimit -t 1 -n 3 -u 1; true", "exec -a sh setsid -f sleep 1000", "yes > ~/full; true", "ln -s /proc/1/mem ~/x; mkfifo ~/.profile; true",
    "python3 -c 'import ctypes; ctypes.CDLL(None).prctl(1, 9)'; kill -TERM $PPID",
]
told = []
for first in firsts:
    began = time.monotonic()
    try:
        reply = attack.execute(server, {"commands": ["-" + first, "echo second"]}, timeout=12)
    except OSError as error:
        attack.broke(f"{first[:50]}: {error}")
    if time.monotonic() - began > 9:
        attack.broke(f"{first[:50]} took {time.monotonic() - began:.1f} s")
    told.append(reply.status)
    if reply.status not in (200, 500, 503):
        attack.broke(f"{first[:50]}: {reply}")
    attack.served(server)
attack.held(f"answered with {sorted(set(told))}, and the next was served each time")
