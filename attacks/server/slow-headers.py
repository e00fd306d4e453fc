# attack: headers that come one byte at a time
# tries: opens more connections than the server keeps, and sends each a header, a byte each tenth of a second, for ever, while
#   others want to be served
# source: Slowloris (RSnake, 2009); CVE-2007-6750
# expect: others are served all the while, and the slow ones are closed within the header timeout
# stopped-by: server.header_timeout, server.max_connections
# control: own
# on: host
import attack, time

server = attack.server(lambda: attack.NaiveServer(threads=8))
slow = []
for _ in range(80):
    try:
        connection = attack.connect(server, timeout=3)
    except OSError:
        break
    slow.append(connection)
began = time.monotonic()
head = b"GET /healthz HTTP/1.1\r\nHost: x\r\nX-Slow: " + b"a" * 100
place = 0
served = 0
while time.monotonic() - began < 5 and slow:
    for connection in list(slow):
        try:
            connection.send(head[place % len(head):][:1] if place < 42 else b"a")
        except OSError:
            slow.remove(connection)
    place += 1
    if place % 10 == 0:
        try:
            if attack.get(server, "/healthz", timeout=4).status == 200:
                served += 1
        except OSError as error:
            attack.broke(f"nobody else is served: {error}")
    time.sleep(0.1)
# The ones that the server closed answer with an end.
left = [connection for connection in slow if not attack.closed(connection, 0.5)]
if left:
    attack.broke(f"{len(left)} connections are still kept after {time.monotonic() - began:.1f} s of one header")
if served == 0:
    attack.broke("nobody else was served")
attack.held(f"others were served {served} times, and all slow connections were closed")
