# attack: more headers than fit
# tries: ten thousand headers, one header of ten megabytes, a request line of ten megabytes, headers that never end, sent as fast as they
#   are taken, twenty times
# source: CVE-2024-24549 and CVE-2023-44487's relatives for HTTP/1; hash flooding (oCERT-2011-003)
# expect: each is refused before it is complete, and the server's memory stays what it is
# stopped-by: the limit on headers
# control: own
# on: host
import attack, os, time

def naive():
    return attack.NaiveServer(threads=8)

server = attack.server(naive)
pid = os.getpid() if attack.CONTROL else int(os.environ["BELLJAR_SERVER_PID"])
attack.get(server, "/healthz")
before = attack.memory(pid)
line = b"GET /healthz HTTP/1.1\r\nHost: x\r\n"
floods = [
    line + b"".join(b"X-%d: %d\r\n" % (number, number) for number in range(10000)) + b"\r\n",
    line + b"X: " + b"a" * (10 << 20) + b"\r\n\r\n",
    b"GET /" + b"a" * (10 << 20) + b" HTTP/1.1\r\n\r\n",
    line + b"X: 1\r\n" * 500000,
    b"\r\n" * 1000000,
    line + b"X" * (1 << 20) + b": 1\r\n\r\n",
]
for turn in range(4):
    for number, flood in enumerate(floods):
        answer = attack.raw(server, flood, timeout=5)
        found = attack.statuses(answer)
        if any(status < 400 for status in found):
            attack.broke(f"flood {number} was answered with {found}")
        # Half of the server's own memory would already be too much.
        if attack.memory(pid) - before > 48 << 20:
            attack.broke(f"the server has {(attack.memory(pid) - before) >> 20} MiB more than before")
if attack.get(server, "/healthz").status != 200:
    attack.broke("the server does not answer")
attack.held(f"refused; memory grew by {max(0, attack.memory(pid) - before) >> 10} KiB")
