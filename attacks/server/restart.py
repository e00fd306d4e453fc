# attack: kill the server at the worst moment
# tries: SIGKILL to a server of its own with busy sandboxes that fork, an upload in the middle and environments being saved; three times, each
#   time a new one in the same directory
# source: test 68 of execution-sandboxes; supervisors that leave orphans, groups and mounts behind
# expect: all programs die with it; the next server finds what was acknowledged, and nothing else: no spool, no group, no process
# stopped-by: pid_namespace, the launcher, the store
# control: own
# on: host
# timeout: 60
import attack, os, signal, socket, subprocess, threading, time
from launcher import alive, groups, nothing_left

directory = os.path.join(os.getcwd(), "data")
if attack.CONTROL:
    script = "import subprocess, time; [subprocess.Popen(['sleep', '60'], start_new_session=True) for _ in range(4)]; print('ready', flush=True); time.sleep(60)"
    process = subprocess.Popen(["python3", "-c", script], stdout=subprocess.PIPE)
    process.stdout.readline()
    family = attack.children(process.pid)
    process.kill()
    process.wait()
    nothing_left(process.pid, family)
    attack.held("nothing was left")

acknowledged = []
rounds = 3
for turn in range(rounds):
    process, server = attack.start_server(directory, "execute.pool_size=3", "execute.wait_for_sandbox=20s")
    attack.served(server)
    spool = os.listdir(os.path.join(directory, "spool")) if os.path.isdir(os.path.join(directory, "spool")) else []
    incoming = os.path.join(directory, "blobs", "incoming")
    half = os.listdir(incoming) if os.path.isdir(incoming) else []
    if spool or half:
        attack.broke(f"left in the directory: {spool} {half}")
    for name in acknowledged:
        if attack.get(server, f"/environments/{name}/").status != 200:
            attack.broke(f"{name} was acknowledged and is lost")
    if turn == rounds - 1:
        process.terminate()
        if process.wait(20) != 0:
            attack.broke(f"the last one ended with {process.returncode}")
        break
    stop = threading.Event()

    def save():
        while not stop.is_set():
            try:
                reply = attack.execute(server, {"commands": ["head -c 300000 /dev/urandom > f"], "save": True}, timeout=5)
                if reply.status == 200:
                    acknowledged.append(reply.json()["environment"])
            except (OSError, ValueError, KeyError):
                return

    def work():
        try:
            attack.execute(server, {"commands": ["trap '' TERM HUP; for i in 1 2 3; do (setsid sleep 600 &); done; sleep 600"]}, timeout=5)
        except OSError:
            pass

    threads = [threading.Thread(target=save), threading.Thread(target=work)]
    for thread in threads:
        thread.start()
    upload = attack.connect(server)
    upload.sendall(b"POST /execute/ HTTP/1.1\r\nHost: x\r\nContent-Type: multipart/form-data; boundary=b\r\nContent-Length: 3000000\r\n\r\n--b\r\nContent-Disposition: form-data; name=\"environment\"; filename=\"e\"\r\n\r\n" + b"x" * 900000)
    attack.wait_for("it works", lambda: len(acknowledged) > 2 * (turn + 1) and
                    any("sleep\x00600" in attack.command_line(one) for one in attack.children(process.pid)))
    family = attack.children(process.pid)
    launchers = [one for one in family if attack.command_line(one).startswith("belljar-launcher")]
    process.send_signal(signal.SIGKILL)
    process.wait()
    stop.set()
    upload.close()
    deadline = time.monotonic() + 8
    while any(alive(one) for one in family):
        if time.monotonic() > deadline:
            attack.broke(f"alive after the server's end: {[one for one in family if alive(one)]}")
        time.sleep(0.01)
    for thread in threads:
        thread.join()
    for launcher in launchers:
        nothing_left(launcher, ())
attack.held(f"{rounds - 1} times killed: nothing left, and {len(acknowledged)} acknowledged environments kept")
