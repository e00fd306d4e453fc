# attack: a hundred thousand parts
# tries: forms of a hundred thousand empty parts, of parts with headers of a megabyte, with a thousand headers, nested in one another, with
#   names of a megabyte, and text fields of ten megabytes
# source: CVE-2023-24998 (unbounded parts), CVE-2022-45061-like quadratic names; Django CVE-2023-24580
# expect: refused soon; the memory of the server stays bounded, and nothing is left in its spool
# stopped-by: the reader of forms
# control: own
# on: host
import attack, os, time

KEPT = []

def naive():
    def answer(head, body):
        # A dictionary of everything.
        KEPT.append([part.partition(b"\r\n\r\n") for part in body.split(b"--" + attack.BOUNDARY.encode())] * 4)
        KEPT.append(body * 3)
        return b"ok"
    return attack.NaiveServer(answer=answer)

server = attack.server(naive)
pid = os.getpid() if attack.CONTROL else int(os.environ["BELLJAR_SERVER_PID"])
disposition = b'Content-Disposition: form-data; name="x%d"'
plain = b'Content-Disposition: form-data; name="x"'
inner = attack.multipart([(plain, b"x")], "inner")
for _ in range(100):
    inner = attack.multipart([(plain + b"\r\nContent-Type: multipart/mixed; boundary=inner", inner)], "inner")
forms = {
    "empty parts": attack.multipart([(disposition % number, b"") for number in range(100000)]) if not attack.CONTROL else b"--" + attack.BOUNDARY.encode() + b"\r\n\r\n" * 500000,
    "parts without headers": (b"--" + attack.BOUNDARY.encode() + b"\r\n\r\n\r\n") * 100000,
    "a header of a megabyte": attack.multipart([(plain + b"\r\nX: " + b"a" * (1 << 20), b"")]),
    "a thousand headers": attack.multipart([(plain + b"".join(b"\r\nX-%d: 1" % number for number in range(1000)), b"")] * 20),
    "a name of a megabyte": attack.multipart([(b'Content-Disposition: form-data; name="' + b"n" * (1 << 20) + b'"', b"")]),
    "forms in forms": attack.multipart([(plain + b"\r\nContent-Type: multipart/mixed; boundary=inner", inner)]),
    "a text of ten megabytes": attack.multipart([(b'Content-Disposition: form-data; name="config"', b" " * (10 << 20))]),
    "a hundred archives": attack.multipart([(b'Content-Disposition: form-data; name="environment"; filename="e"', b"x" * 40000)] * 100),
}
attack.get(server, "/healthz")
before = attack.memory(pid)
slowest = 0
for _ in range(2):
    for name, body in forms.items():
        began = time.monotonic()
        try:
            reply = attack.post(server, body, timeout=15)
            if reply.status not in (400, 413) and not attack.CONTROL:
                attack.broke(f"{name}: {reply}")
        except OSError:
            pass
        slowest = max(slowest, time.monotonic() - began)
        if attack.memory(pid) - before > 64 << 20:
            attack.broke(f"{name}: the server has {(attack.memory(pid) - before) >> 20} MiB more than before")
if slowest > 5:
    attack.broke(f"one took {slowest:.1f} s")
attack.held(f"refused in {slowest:.1f} s at most, memory grew by {max(0, attack.memory(pid) - before) >> 20} MiB")
