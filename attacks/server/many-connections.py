# attack: ten thousand connections
# tries: opens connections until ten thousand were tried, keeps all that stay open, says nothing on most and half a request on some
# source: test 66 of execution-sandboxes; the C10K problem as an attack
# expect: others are served all the while, and the server never has more connections than it may
# stopped-by: server.max_connections
# control: own
# on: host
import attack, os, resource

hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
server = attack.server(lambda: attack.NaiveServer(threads=8))
pid = os.getpid() if attack.CONTROL else int(os.environ["BELLJAR_SERVER_PID"])
kept = []
for number in range(10000):
    try:
        connection = attack.connect(server, 2)
        if number % 7 == 0:
            connection.sendall(b"POST /execute/ HTTP/1.1\r\nHost:")
        kept.append(connection)
    except OSError:
        break
    # More than a thousand at once of our own say no more.
    if len(kept) > 1000:
        kept.pop(0).close()
    if number % 1000 == 999:
        sockets = sum(os.readlink(f"/proc/{pid}/fd/{name}").startswith("socket:") for name in os.listdir(f"/proc/{pid}/fd")
                      if os.path.islink(f"/proc/{pid}/fd/{name}"))
        if not attack.CONTROL and sockets > 64 + 40:
            attack.broke(f"the server has {sockets} sockets")
        try:
            if attack.get(server, "/healthz", timeout=5).status != 200:
                attack.broke("others are refused")
        except OSError as error:
            attack.broke(f"nobody else is served: {error}")
try:
    attack.get(server, "/healthz", timeout=5)
except OSError as error:
    attack.broke(f"nobody else is served: {error}")
for connection in kept:
    connection.close()
attack.held(f"{number + 1} connections were tried, and others were served")
