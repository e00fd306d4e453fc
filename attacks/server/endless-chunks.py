# attack: a body without an end
# tries: chunks for ever, of a megabyte and of one byte, chunk extensions of megabytes, and trailers without end
# source: CVE-2023-39326 (Go: chunk extensions), CVE-2022-31394 (hyper), CVE-2024-2758 (CONTINUATION floods) in HTTP/1's words
# expect: cut off at the size of an upload, or before; memory and spool stay bounded
# stopped-by: execute.max_upload, server.body_timeout
# control: own
# on: host
import attack, os, time

def naive():
    import threading
    server = attack.NaiveServer(threads=0)
    kept = []
    def serve():
        while True:
            connection, _ = server.listener.accept()
            data = bytearray()
            while piece := connection.recv(1 << 20):
                data += piece
    threading.Thread(target=serve, daemon=True).start()
    return server

server = attack.server(naive)
pid = os.getpid() if attack.CONTROL else int(os.environ["BELLJAR_SERVER_PID"])
head = f"POST /execute/ HTTP/1.1\r\nHost: x\r\nContent-Type: multipart/form-data; boundary={attack.BOUNDARY}\r\nTransfer-Encoding: chunked\r\n\r\n".encode()
start = b"--" + attack.BOUNDARY.encode() + b'\r\nContent-Disposition: form-data; name="environment"; filename="e"\r\n\r\n'
first = b"%x\r\n%s\r\n" % (len(start), start)
text = b"--" + attack.BOUNDARY.encode() + b'\r\nContent-Disposition: form-data; name="config"\r\n\r\n'
kinds = {
    "a megabyte each": (first, b"100000\r\n" + b"x" * (1 << 20) + b"\r\n"), "a byte each": (first, b"1\r\nx\r\n" * 20000),
    "a text": (b"%x\r\n%s\r\n" % (len(text), text), b"10000\r\n" + b" " * 65536 + b"\r\n"), "extensions": (first, b"1;" + b"e" * 100000 + b"\r\nx\r\n"),
    "one extension": (first, b"1;" + b"e" * 100000), "trailers": (first + b"0\r\n", b"X-Trailer: 1\r\n" * 5000),
}
attack.get(server, "/healthz") if not attack.CONTROL else None
before = attack.memory(pid)
for name, (begin, more) in kinds.items():
    connection = attack.connect(server, 5)
    began, sent = time.monotonic(), 0
    try:
        connection.sendall(head + begin)
        while sent < 256 << 20 and time.monotonic() - began < 12:
            connection.sendall(more if sent or name != "one extension" else more)
            sent += len(more)
            if attack.memory(pid) - before > 64 << 20:
                attack.broke(f"{name}: the server has {(attack.memory(pid) - before) >> 20} MiB more than before")
        else:
            attack.broke(f"{name}: {sent >> 20} MiB were taken in {time.monotonic() - began:.0f} s, and it would go on")
    except OSError:
        pass
    connection.close()
attack.held("each of them was cut off")
