# attack: do not take the answer
# tries: asks twenty times for ten megabytes of output and takes a byte of it now and then, or nothing
# source: Slow Read (Shekyan 2012), CVE-2009-0021's cousins: zero windows that hold sockets and buffers for ever
# expect: the caller is cut off after the time for writing; the sandbox is free long before
# stopped-by: server.write_timeout
# control: own
# on: host
import attack, os, select, socket, time

def naive():
    return attack.NaiveServer(threads=2, answer=lambda head, body: b"x" * (10 << 20))

server = attack.server(naive)
body = attack.multipart(attack.form({"commands": ["head -c 10000000 /dev/zero | tr '\\0' x"]}))
head = (f"POST /execute/ HTTP/1.1\r\nHost: x\r\nContent-Type: multipart/form-data; boundary={attack.BOUNDARY}\r\nContent-Length: {len(body)}\r\n\r\n").encode()
slow = []
for _ in range(6):
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    connection.connect(server)
    connection.sendall(head + body)
    slow.append(connection)
# The answers are on their way when the first bytes are there; from then on they are hardly read.
waiting, deadline = set(slow), time.monotonic() + 20
while waiting and time.monotonic() < deadline:
    waiting -= set(select.select(list(waiting), [], [], 0.5)[0])
    if attack.CONTROL and len(waiting) == 4:
        break
began = time.monotonic()
while time.monotonic() - began < 5:
    for number, connection in enumerate(slow):
        if number % 2:
            try:
                connection.setblocking(False)
                connection.recv(1)
            except OSError:
                pass
    time.sleep(0.3)
try:
    if attack.CONTROL:
        attack.get(server, "/", timeout=3)
    else:
        attack.served(server)
except OSError as error:
    attack.broke(f"nobody else is served: {error}")
# What is in the socket's own buffers can be read still; then it ends, early.
deadline = time.monotonic() + 10
for connection in slow:
    got = 0
    connection.settimeout(max(0.1, deadline - time.monotonic()))
    try:
        while piece := connection.recv(1 << 20):
            got += len(piece)
    except ConnectionError:
        pass
    except TimeoutError:
        attack.broke("a slow reader is still waited for")
    if got > 9 << 20:
        attack.broke("a slow reader was given everything in the end")
attack.held("slow readers were cut off, and others were served")
