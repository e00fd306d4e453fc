# attack: go away in the middle
# tries: forty callers that ask for a minute of work and vanish: with a reset, with an end, after half of the answer, in the middle of the
#   upload, and by closing one direction only
# source: test 68 of execution-sandboxes; queues full of work for nobody
# expect: what runs for nobody is ended; others are served at once afterwards; nothing is left
# stopped-by: the server, which drops what nobody waits for
# control: own
# on: host
import attack, json, os, socket, struct, time

def naive():
    import subprocess
    def answer(head, body):
        subprocess.run(["sleep", "60"])
        return b"ok"
    return attack.NaiveServer(threads=2, answer=answer)

server = attack.server(naive)
body = attack.multipart(attack.form({"commands": ["for i in 1 2 3; do setsid sleep 60 & done; sleep 60"]}, None))
head = (f"POST /execute/ HTTP/1.1\r\nHost: x\r\nContent-Type: multipart/form-data; boundary={attack.BOUNDARY}\r\nContent-Length: {len(body)}\r\n\r\n").encode()
for number in range(40):
    try:
        connection = attack.connect(server, 5)
        connection.sendall((head + body)[: len(head + body) // 2 if number % 5 == 3 else None])
        if number < 8:
            time.sleep(0.15)
        if number % 5 == 0:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        connection.close()
    except OSError:
        pass
began = time.monotonic()
while True:
    try:
        reply = attack.execute(server, {"commands": ["echo served"]}, timeout=3)
        if reply.status == 200:
            break
    except OSError:
        pass
    if time.monotonic() - began > 6:
        attack.broke("six seconds later nobody is served: sandboxes work for callers that are gone")
if attack.CONTROL:
    attack.held("served")
pid = int(os.environ["BELLJAR_SERVER_PID"])
sleeping = lambda: [one for one in attack.children(pid) if "sleep" in attack.command_line(one)]
attack.wait_for("their programs end", lambda: not sleeping(), 6)
attack.held(f"served after {time.monotonic() - began:.1f} s, and nothing runs for nobody")
