# attack: one request inside another
# tries: lengths and transfer encodings that contradict each other: both at once, twice, misspelt, folded, with signs, tabs and spaces,
#   chunk sizes that overflow, bare line feeds; behind each a second request that must not be seen
# source: HTTP request smuggling (Kettle 2019, CVE-2020-10129 and hundreds more); hyper's own CVE-2021-32714 and CVE-2021-32715
# expect: refused and closed, or read in one way only; the second request is never answered
# stopped-by: hyper's parser
# control: own
# on: host
import attack

def naive():
    import socket, threading
    # Takes the length, ignores encodings, and keeps the connection.
    server = attack.NaiveServer(threads=0)
    def serve():
        while True:
            connection, _ = server.listener.accept()
            data = b""
            connection.settimeout(1)
            try:
                while True:
                    while b"\r\n\r\n" not in data:
                        piece = connection.recv(65536)
                        if not piece:
                            raise OSError
                        data += piece
                    head, _, data = data.partition(b"\r\n\r\n")
                    length = 0
                    for line in head.lower().split(b"\r\n"):
                        if line.startswith(b"content-length:"):
                            length = int(line.split(b":")[1].strip(b" +"))
                    data = data[length:]
                    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
            except (OSError, ValueError):
                connection.close()
    threading.Thread(target=serve, daemon=True).start()
    return server

server = attack.server(naive)
hidden = b"GET /healthz HTTP/1.1\r\nHost: hidden\r\n\r\n"
post = b"POST /execute/ HTTP/1.1\r\nHost: x\r\n"
both = [
    b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
    b"Content-Length: 4\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r", b"Content-Length: 4\r\nTransfer-Encoding : chunked\r\n\r\n0\r\n\r",
    b"Content-Length: 4\r\nTransfer-Encoding: chunked, identity\r\n\r\n0\r\n\r", b"Content-Length: 4\r\nTransfer-Encoding: identity, chunked\r\n\r\n0\r\n\r",
    b"Content-Length: 4\r\nTransfer-Encoding:\x0bchunked\r\n\r\n0\r\n\r", b"Content-Length: 4\r\n Transfer-Encoding: chunked\r\n\r\n0\r\n\r",
    b"Content-Length: 4\r\nX: y\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r", b"Content-Length: 0\r\nContent-Length: 44\r\n\r\n", b"Content-Length: 0, 44\r\n\r\n",
    b"Content-Length: +0\r\n\r\n", b"Content-Length: -1\r\n\r\n", b"Content-Length: 0x0\r\n\r\n", b"Content-Length: 00000000000000000000000\r\n\r\n"[:0] + b"Content-Length: 18446744073709551616\r\n\r\n",
    b"Content-Length: \r\n\r\n", b"Transfer-Encoding: chunked\r\n\r\n10000000000000000\r\n", b"Transfer-Encoding: chunked\r\n\r\n-1\r\n", b"Transfer-Encoding: chunked\r\n\r\n0x0\r\n\r\n",
    b"Transfer-Encoding: chunked\r\n\r\n0;" + b"e" * 100000 + b"\r\n\r\n", b"Transfer-Encoding: chunked\r\n\r\nfffffffffffffffe\r\n", b"Transfer-Encoding: chunked\r\n\r\n1\r\nabc\r\n0\r\n\r\n",
    b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n", b"Transfer-Encoding: \"chunked\"\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
]
for case in both:
    found = attack.statuses(attack.raw(server, post + case + hidden, timeout=3, half_close=True))
    if 200 in found or len(found) > 1:
        attack.broke(f"{case[:70]!r} and the request behind it were answered with {found}")
attack.held(f"no request behind {len(both)} contradictions was seen")
