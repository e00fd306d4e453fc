# attack: headers of its own in the answer
# tries: line breaks, encoded and not, in paths, names of files and of environments, request ids and methods, so that they come back in a
#   header; markup that a browser would run, in texts that repeat what was sent
# source: CWE-113 (response splitting), CVE-2016-5699 (urllib header injection); Sandbox 3.0.3 labelled such texts as HTML
# expect: no header of the caller's is in the answer, and texts are plain text that is not to be sniffed
# stopped-by: the types of headers
# control: own
# on: host
import attack, io, tarfile, urllib.parse

def naive():
    import threading
    server = attack.NaiveServer(threads=0)
    def serve():
        while True:
            connection, _ = server.listener.accept()
            head = connection.recv(65536)
            path = urllib.parse.unquote(head.split(b" ")[1].decode("latin-1")).encode("latin-1")
            connection.sendall(b"HTTP/1.1 404 Not Found\r\nContent-Type: text/html\r\nX-File: " + path + b"\r\nContent-Length: 0\r\n\r\n")
            connection.close()
    threading.Thread(target=serve, daemon=True).start()
    return server

server = attack.server(naive)
names = ["a\r\nX-Injected: 1", "a\nX-Injected: 1", "a\rX-Injected: 1", "a\r\n\r\nHTTP/1.1 200 OK\r\nX-Injected: 1", "\u560d\u560aX-Injected: 1", "<script>alert(1)</script>", 'a"; x="b']
environment = "00000000-0000-4000-8000-000000000000"
if not attack.CONTROL:
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w:gz", format=tarfile.PAX_FORMAT) as archive:
        for name in names:
            if "/" not in name:
                member = tarfile.TarInfo(name)
                member.size = 2
                archive.addfile(member, io.BytesIO(b"in"))
    environment = attack.execute(server, {"commands": ["true"], "save": True}, data.getvalue()).json()["environment"]
for name in names:
    quoted = urllib.parse.quote(name, safe="")
    for path in (f"/files/{environment}/{quoted}/", f"/files/{environment}/{quoted}", f"/environments/{quoted}/", f"/{quoted}"):
        answer = attack.raw(server, f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode(), timeout=5)
        head, _, rest = answer.partition(b"\r\n\r\n")
        lines = head.lower().split(b"\r\n")
        if any(line.startswith(b"x-injected") for line in head.lower().replace(b"\r", b"\n").split(b"\n")) or len(attack.statuses(answer)) != 1:
            attack.broke(f"{path}: {head!r}")
        if b"<script" in rest and any(line.startswith(b"content-type: text/html") for line in lines):
            attack.broke(f"{path} is answered with a page that runs it")
for header in (b"X-Request-Id: a\r\n\tX-Injected: 1", b"X-Request-Id: a\nX-Injected: 1", b"Expect: 100-continue\r\nX-Request-Id: " + b"a" * 5000):
    answer = attack.raw(server, b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n" + header + b"\r\n\r\n", timeout=5)
    if b"x-injected" in answer.lower():
        attack.broke(f"{header!r}: {answer!r}")
attack.held("nothing that was sent came back as a header")
