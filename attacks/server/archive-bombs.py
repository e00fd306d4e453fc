# attack: archives that grow
# tries: gzip of a gigabyte of zeros, gzip in gzip members without end, twenty thousand empty files, a sparse file of a terabyte, headers
#   that promise 8 EiB, names of a megabyte, thousands of levels, and archives cut off anywhere
# source: 42.zip; test 33 of execution-sandboxes; CVE-2023-45286-like member floods; GNU sparse headers (CVE-2019-9923)
# expect: each is refused soon, nothing of it reaches the host's disk or the server's memory
# stopped-by: execute.max_unpacked, execute.max_archive_entries; unpacked inside a sandbox
# control: own
# on: host
import attack, gzip, io, os, tarfile, time, zlib

DISK = []

def naive():
    def answer(head, body):
        start = body.find(b"\x1f\x8b")
        try:
            # All of it, at once.
            DISK.append(zlib.decompressobj(31).decompress(body[start:], 200 << 20))
        except zlib.error:
            pass
        return b"{}"
    return attack.NaiveServer(answer=answer)

server = attack.server(naive)
pid = os.getpid() if attack.CONTROL else int(os.environ["BELLJAR_SERVER_PID"])

def member(name, size=0, kind=tarfile.REGTYPE, content=b"", pax=None, target=""):
    one = tarfile.TarInfo(name)
    one.size, one.type, one.linkname = size, kind, target
    if pax:
        one.pax_headers = pax
    return one.tobuf(tarfile.PAX_FORMAT if pax else tarfile.GNU_FORMAT) + content + b"\0" * (-len(content) % 512)

zeros = zlib.compressobj(9, zlib.DEFLATED, 31)
piece = b"\0" * (1 << 20)
bomb = zeros.compress(member("big", 300 << 20)) + b"".join(zeros.compress(piece) for _ in range(300)) + zeros.flush()
end = b"\0" * 1024
archives = {
    "a gigabyte of zeros": bomb,
    "a terabyte of holes": gzip.compress(member("holes", 0, pax={"GNU.sparse.major": "1", "GNU.sparse.minor": "0", "GNU.sparse.realsize": str(1 << 40), "GNU.sparse.name": "holes"}) + end, 1),
    "a promise of 8 EiB": gzip.compress(member("promise", (1 << 63) - 1) + b"x" * 10000, 1),
    "very many files": gzip.compress(b"".join(member(f"f{number}") for number in range(20000)) + end, 1),
    "very many links": gzip.compress(member("f", 1, content=b"x") + b"".join(member(f"l{number}", kind=tarfile.LNKTYPE, target="f") for number in range(20000)) + end, 1),
    "thousands of levels": gzip.compress(b"".join(member("d/" * depth, kind=tarfile.DIRTYPE, pax={"path": "d/" * depth}) for depth in range(1, 4000, 37)) + end, 1),
    "a name of a megabyte": gzip.compress(member("x", pax={"path": "n" * (1 << 20)}) + end, 1),
    "gzip members without end": gzip.compress(b"", 1) * 100000,
    "gzip in gzip": gzip.compress(gzip.compress(bomb)),
    "noise": b"\x1f\x8b\x08" + os.urandom(100000),
}
archives["cut off"] = archives["very many files"][:-100]
attack.get(server, "/healthz")
before, slowest = attack.memory(pid), 0
for name, archive in archives.items():
    began = time.monotonic()
    reply = attack.execute(server, {"commands": ["ls | wc -l"]}, archive, timeout=20)
    took = time.monotonic() - began
    slowest = max(slowest, took)
    # An archive of nothing is one, and levels that end somewhere are levels.
    # Levels that are walked again for each member take the time that unpacking may take, and no more.
    if reply.status not in {"gzip members without end": (200, 400), "thousands of levels": (200, 400, 503)}.get(name, (400, 413)) and not attack.CONTROL:
        attack.broke(f"{name}: {reply}")
    if attack.memory(pid) - before > 48 << 20:
        attack.broke(f"{name}: the server has {(attack.memory(pid) - before) >> 20} MiB more than before")
    if took > 10:
        attack.broke(f"{name} took {took:.1f} s")
attack.held(f"refused in {slowest:.1f} s at most, and nothing of it is in the server")
