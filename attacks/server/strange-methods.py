# attack: speak something else
# tries: HTTP/0.9, HTTP/2 with and without an upgrade, TLS, TRACE, CONNECT, absolute and authority forms, upgrades to WebSocket, PROXY lines,
#   methods of a megabyte, versions that do not exist, and expectations that are never met
# source: CVE-2003-1567 (TRACE), h2c smuggling (Emerson 2020), open proxies through CONNECT
# expect: refused or answered plainly; no protocol is changed, no connection is made elsewhere, and nothing waits for ever
# stopped-by: hyper's parser; the server speaks HTTP/1.1 and nothing else
# control: own
# on: host
import attack, concurrent.futures

def naive():
    import threading
    server = attack.NaiveServer(threads=0)
    def serve():
        while True:
            connection, _ = server.listener.accept()
            head = connection.recv(65536)
            # Echoes what it is sent, as TRACE wants it, and agrees to everything.
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(head), head))
            connection.close()
    threading.Thread(target=serve, daemon=True).start()
    return server

server = attack.server(naive)
secret = b"Cookie: secret=17\r\n"
cases = [
    b"GET /healthz\r\n\r\n", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\0\0\0\x04\0\0\0\0\0" * 10, b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03" + b"\0" * 200,
    b"TRACE / HTTP/1.1\r\nHost: x\r\n" + secret + b"\r\n", b"TRACK / HTTP/1.1\r\nHost: x\r\n" + secret + b"\r\n", b"CONNECT 127.0.0.1:22 HTTP/1.1\r\nHost: x\r\n" + secret + b"\r\n",
    b"GET http://127.0.0.1:1/ HTTP/1.1\r\nHost: x\r\n" + secret + b"\r\n", b"GET / HTTP/1.1\r\nHost: x\r\nUpgrade: h2c\r\nConnection: Upgrade, HTTP2-Settings\r\nHTTP2-Settings: AAMAAABk\r\n" + secret + b"\r\n",
    b"GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: eA==\r\nSec-WebSocket-Version: 13\r\n" + secret + b"\r\n",
    b"PROXY TCP4 1.2.3.4 5.6.7.8 1 2\r\nGET / HTTP/1.1\r\nHost: x\r\n" + secret + b"\r\n", b"M" * (1 << 20) + b" / HTTP/1.1\r\n\r\n", b"GET / HTTP/9.9\r\nHost: x\r\n" + secret + b"\r\n",
    b"GET / HTTP/1.1\r\n" + secret + b"\r\n", b"\0" * 100000, b"OPTIONS * HTTP/1.1\r\nHost: x\r\n" + secret + b"\r\n",
    b"POST /execute/ HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 99999999\r\nContent-Type: multipart/form-data; boundary=b\r\n\r\n",
    b"POST /execute/ HTTP/1.1\r\nHost: x\r\nExpect: the-impossible\r\nContent-Length: 10\r\n\r\n",
]
with concurrent.futures.ThreadPoolExecutor(len(cases)) as pool:
    answers = list(pool.map(lambda case: attack.raw(server, case, timeout=4), cases))
for case, answer in zip(cases, answers):
    if b"secret=17" in answer:
        attack.broke(f"{case[:40]!r} came back")
    if b" 101 " in answer[:20] or (case.startswith(b"CONNECT") and attack.statuses(answer)[:1] and attack.statuses(answer)[0] < 400):
        attack.broke(f"{case[:40]!r}: {answer[:60]!r}")
    if any(500 <= status != 505 and status != 501 for status in attack.statuses(answer)):
        attack.broke(f"{case[:40]!r}: {answer[:60]!r}")
if attack.get(server, "/healthz").status != 200:
    attack.broke("the server does not answer")
attack.held(f"none of {len(cases)} was taken for more than it was")
