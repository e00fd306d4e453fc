# attack: bodies that come one byte at a time
# tries: opens as many uploads as the server keeps connections, sends each a byte now and then, before and in the middle of the archive,
#   and looks whether others are served
# source: R-U-Dead-Yet (2010); slow-read and slow-POST of slowhttptest
# expect: others are served all the while; the slow ones are cut off after the time for a body, and hold no sandbox and no file
# stopped-by: server.body_idle_timeout, server.body_timeout
# control: own
# on: host
import attack, time

server = attack.server(lambda: attack.NaiveServer(threads=8))
body = attack.multipart(attack.form({"commands": ["true"]}, b"\x1f\x8b" + b"x" * 100000))
head = (f"POST /execute/ HTTP/1.1\r\nHost: x\r\nContent-Type: multipart/form-data; boundary={attack.BOUNDARY}\r\n"
        f"Content-Length: {len(body)}\r\n\r\n").encode()
slow = []
for number in range(40):
    connection = attack.connect(server, 3)
    # Some stop within the first part, some within the archive, some never begin.
    connection.sendall(head + body[: (0, 20, 120, 5000)[number % 4]])
    slow.append(connection)
began = time.monotonic()
served = 0
while slow and time.monotonic() - began < 12:
    for number, connection in enumerate(list(slow)):
        try:
            # Every fourth says nothing more at all.
            if number % 4:
                connection.send(b"x")
        except OSError:
            slow.remove(connection)
        else:
            if attack.closed(connection, 0.001):
                slow.remove(connection)
    try:
        attack.served(server) if not attack.CONTROL else attack.get(server, "/", timeout=2)
        served += 1
    except OSError as error:
        attack.broke(f"nobody else is served: {error}")
    time.sleep(0.3)
if slow:
    attack.broke(f"{len(slow)} bodies are still waited for after {time.monotonic() - began:.0f} s")
attack.held(f"others were served {served} times, and all slow bodies were cut off after {time.monotonic() - began:.1f} s")
