# attack: a server that was taken over asks for more
# tries: takes the server's own end of its launcher's socket, as whoever took the server over would have it, and asks for sandboxes with the
#   host's directories, root directory, network and users, without layers and limits, for the end of sandboxes that are not its own, and
#   for more than the pool
# source: privilege separation (Provos, Friedl, Honeyman 2003); CVE-2024-28189 and -28185 (Judge0: from the service to root)
# expect: nothing is made but what the configuration says; the launcher and everybody's sandboxes go on
# stopped-by: the launcher's charter
# control: own
# variants: server-privileged
# on: host
import array, ctypes, json, os, socket, struct
import attack
from launcher import LIMITS, POLICY, Launcher, broke, held, message

if attack.CONTROL:
    launcher = Launcher()
    line, pid = launcher.socket, launcher.process.pid
else:
    server = attack.server()
    owner = int(os.environ["BELLJAR_SERVER_PID"])


def peers():
    """Unix sockets by their numbers, each with the other end's (sock_diag(7))."""
    diag = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 4)
    diag.send(struct.pack("=IHHII", 40, 20, 0x301, 1, 0) + struct.pack("=BBHIIIII", 1, 0, 0, 0xFFFFFFFF, 0, 0x04, 0, 0))
    found = {}
    while True:
        data = diag.recv(1 << 20)
        while data:
            length, kind = struct.unpack("=IH", data[:6])
            if kind == 3:
                return found
            number = struct.unpack("=I", data[20:24])[0]
            rest = data[32:length]
            while len(rest) >= 8:
                size, attribute = struct.unpack("=HH", rest[:4])
                if attribute == 2:
                    found[number] = struct.unpack("=I", rest[4:8])[0]
                rest = rest[(size + 3) & ~3:]
            data = data[(length + 3) & ~3:]


def sockets(pid):
    found = {}
    for name in os.listdir(f"/proc/{pid}/fd"):
        try:
            target = os.readlink(f"/proc/{pid}/fd/{name}")
        except OSError:
            continue
        if target.startswith("socket:["):
            found[int(target[8:-1])] = int(name)
    return found


if not attack.CONTROL:
    other_end = peers()
    ours = sockets(owner)
    found = []
    # The launcher is the one of the server's family that has sandboxes as children and an end of one of its sockets.
    for pid in sorted(attack.children(owner) - {owner}):
        name = open(f"/proc/{pid}/status").read()
        if "belljar" not in name.split("\n")[0] or len(attack.children(pid)) < 3:
            continue
        for number in sockets(pid):
            if other_end.get(number) in ours and os.stat(f"/proc/{pid}").st_uid == 0:
                found.append((pid, ours[other_end[number]]))
    libc = ctypes.CDLL(None, use_errno=True)
    line = None
    # The keeper's line comes first where both have one: the launcher is the youngest.
    for pid, number in reversed(found):
        taken = libc.syscall(438, os.pidfd_open(owner), number, 0)
        if taken >= 0:
            line = socket.socket(fileno=taken)
            if line.type == socket.SOCK_SEQPACKET:
                break
    if line is None:
        print(f"the line to the launcher is not found: {found}")
        raise SystemExit(3)
line.settimeout(5)
line.setblocking(True)


def ask(data):
    line.send(data)
    poll = __import__("select").select([line], [], [], 5)
    if not poll[0]:
        return {}, []
    answer, control, _, _ = line.recvmsg(1 << 20, socket.CMSG_SPACE(64 * 4))
    descriptors = array.array("i")
    for _, _, content in control:
        descriptors.frombytes(content[: len(content) // 4 * 4])
    return json.loads(answer), list(descriptors)


def mount(source, target, access):
    return {"source": source, "target": target, "access": access}


wishes = {
    "the plain policy of somebody else": {}, "a directory of the host": dict(mounts=[mount("/etc", "/host", "read_write")]),
    "root's home": dict(mounts=[mount("/root", "/host", "read_only")]), "the root directory": dict(rootfs={"directory": "/"}),
    "another root directory": dict(rootfs={"directory": "/etc"}), "the network": dict(network="host"), "to be root": dict(user={"uid": 0, "gid": 0}),
    "no filter": dict(layers={**POLICY["layers"], "seccomp": "off"}), "no privileges given up": dict(layers={**POLICY["layers"], "seccomp": "off", "privileges": "off"}),
    "no network of its own": dict(layers={**POLICY["layers"], "network_namespace": "off"}), "all memory": dict(limits={**LIMITS, "memory": 1 << 40, "processes": 1 << 20}),
    "nothing insisted on": dict(default_strictness="best_effort", layers={}), "another host name": dict(hostname="other"),
}
for what, wish in wishes.items():
    for reuse in ("never", "after_reset"):
        answer, descriptors = ask(message(reuse, **wish))
        for descriptor in descriptors:
            os.close(descriptor)
        if "made" in answer:
            broke(f"it was given {what}")
        if "failed" not in answer:
            broke(f"{what}: no answer: {answer}")
if not attack.CONTROL:
    for number in (2**64 - 1, 2**63, 10**6, 99):
        line.send(json.dumps(number).encode())
    for data in (b"null", b"\xff" * 1000, b"[" * 10000, b" " * 200000, b"-1", b"1e3", b'"0"'):
        answer, _ = ask(data)
        if "failed" not in answer:
            broke(f"{data[:10]!r}: {answer}")
    os.close(line.detach())
    attack.served(server)
held(f"none of {len(wishes)} wishes was granted")
