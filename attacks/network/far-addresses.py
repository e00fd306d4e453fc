#!/usr/bin/env python3
# attack: metadata services, private networks, the link, multicast, and the whole internet
# tries: connects and sends by TCP and UDP to 169.254.169.254, its IPv6 kin, RFC 1918, shared and link-local addresses, broadcast and
#   multicast, mapped and translated forms of them, with and without binding first, and resolves names.
# source: field notes 5b 63 and 65; the metadata thefts after CVE-2019-5418-era SSRF; Capital One 2019
# expect: every one fails at once for want of a route, and no packet is sent
# stopped-by: network_namespace
# control: own
import errno
import os
import socket
import sys
import time

CONTROL = os.environ.get("ATTACK_CONTROL", "") not in ("", "0")
TARGETS = [
    "169.254.169.254", "169.254.170.2", "fd00:ec2::254", "100.100.100.200", "10.0.0.1", "10.255.255.254", "172.16.0.1", "172.17.0.1",
    "192.168.0.1", "192.168.1.1", "100.64.0.1", "192.0.2.1", "198.18.0.1", "203.0.113.9", "1.1.1.1", "8.8.8.8", "255.255.255.255",
    "224.0.0.1", "224.0.0.251", "239.255.255.250", "240.0.0.1", "fe80::1%lo", "fe80::1%1", "ff02::1%lo", "ff02::fb%lo", "2001:db8::1",
    "2606:4700:4700::1111", "::ffff:169.254.169.254", "::ffff:10.0.0.1", "64:ff9b::a9fe:a9fe", "2002:a9fe:a9fe::1", "fec0::1", "0.0.0.1",
]
port, keep = 9, []
if CONTROL:
    # Somebody who is there, on our own loopback: the same calls must reach them.
    TARGETS = ["127.0.0.1", "::1"]
    for family, host in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")):
        listener = socket.socket(family)
        listener.bind((host, port if keep else 0))
        listener.listen()
        port = listener.getsockname()[1]
        keep.append(listener)


def counters():
    try:
        lines = open("/proc/self/net/dev").read().splitlines()[2:]
    except OSError:
        return None
    return {line.split(":")[0].strip(): line.split(":")[1].split()[8:10] for line in lines if ":" in line}


NO_WAY = {errno.ENETUNREACH, errno.EHOSTUNREACH, errno.EACCES, errno.EADDRNOTAVAIL, errno.EINVAL, errno.ENODEV, errno.EPERM, errno.ENXIO}
through = []
before = counters()
began = time.monotonic()
for target in TARGETS:
    for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
        for bind in (False, True):
            family, _, _, _, address = socket.getaddrinfo(target, port, type=kind, flags=socket.AI_NUMERICHOST)[0]
            attempt = socket.socket(family, kind)
            attempt.settimeout(0.2)
            try:
                if kind == socket.SOCK_DGRAM:
                    attempt.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
                if bind:
                    attempt.bind(("", 0))
                if kind == socket.SOCK_STREAM:
                    attempt.connect(address)
                else:
                    attempt.sendto(b"x", address)
                through.append(f"{kind.name} {target}")
            except OSError as error:
                if error.errno not in NO_WAY:
                    through.append(f"{kind.name} {target}: {error}")
            attempt.close()
for name in ("metadata.google.internal", "example.com", "localhost.example.com"):
    try:
        socket.getaddrinfo(name, 80)
        through.append("name " + name)
    except OSError:
        pass
after = counters()
if not CONTROL and before != after:
    through.append(f"packets: {before} -> {after}")
if not CONTROL and set(after or {"lo": 0}) != {"lo"}:
    through.append(f"interfaces: {sorted(after)}")
if through:
    print("broke:", "; ".join(through)[:300])
    sys.exit(99)
print(f"held: {len(TARGETS)} addresses, no route, no packet, {time.monotonic() - began:.1f} s")
