#!/usr/bin/env python3
# attack: options and ancillary data of ordinary sockets that reach below them
# tries: binding to a device, marks, forged sources, transparent proxying, raw headers and extension headers, forced buffer sizes,
#   repairing TCP connections, packet timestamps of the hardware, attaching BPF programs and protocols on top of TCP.
# source: CVE-2017-7184, CVE-2020-14386, CVE-2021-22555 (all begin with a capability over a network namespace), CVE-2023-0461 (ULP)
# expect: refused without privileges over the namespace
# stopped-by: privileges
# flags: --user root
# without: privileges, seccomp
import socket
import struct
import sys

SOL_IP, SOL_IPV6, SOL_TCP, SOL_UDP = 0, 41, 6, 17
number = lambda value: struct.pack("i", value)
ATTEMPTS = [
    ("SO_MARK", socket.AF_INET, socket.SOCK_DGRAM, 1, 36, number(7)),
    ("SO_PRIORITY", socket.AF_INET, socket.SOCK_DGRAM, 1, 12, number(100)),
    ("SO_RCVBUFFORCE", socket.AF_INET, socket.SOCK_DGRAM, 1, 33, number(1 << 26)),
    ("SO_SNDBUFFORCE", socket.AF_INET, socket.SOCK_DGRAM, 1, 32, number(1 << 26)),
    ("SO_DEBUG", socket.AF_INET, socket.SOCK_STREAM, 1, 1, number(1)),
    ("SO_ATTACH_BPF", socket.AF_INET, socket.SOCK_DGRAM, 1, 50, number(0)),
    ("SO_TXTIME", socket.AF_INET, socket.SOCK_DGRAM, 1, 61, struct.pack("iI", 0, 1)),
    ("IP_TRANSPARENT", socket.AF_INET, socket.SOCK_STREAM, SOL_IP, 19, number(1)),
    ("IP_XFRM_POLICY", socket.AF_INET, socket.SOCK_DGRAM, SOL_IP, 17, b"\0" * 400),
    ("IPV6_TRANSPARENT", socket.AF_INET6, socket.SOCK_STREAM, SOL_IPV6, 75, number(1)),
    ("IPV6_HOPOPTS", socket.AF_INET6, socket.SOCK_DGRAM, SOL_IPV6, 54, b"\x11\0\1\4\0\0\0\0"),
    ("IPV6_DSTOPTS", socket.AF_INET6, socket.SOCK_DGRAM, SOL_IPV6, 59, b"\x11\0\1\4\0\0\0\0"),
    ("IPV6_ADDRFORM to raw", socket.AF_INET6, socket.SOCK_RAW, SOL_IPV6, 1, number(2)),
    ("TCP_REPAIR", socket.AF_INET, socket.SOCK_STREAM, SOL_TCP, 19, number(1)),
    ("TCP_ULP", socket.AF_INET, socket.SOCK_STREAM, SOL_TCP, 31, b"tls"),
    ("iptables", socket.AF_INET, socket.SOCK_RAW, SOL_IP, 64, b"\0" * 128),
    ("ebtables", socket.AF_INET, socket.SOCK_RAW, SOL_IP, 128, b"\0" * 128),
]
through = []
for name, family, kind, level, option, value in ATTEMPTS:
    try:
        with socket.socket(family, kind) as attempt:
            attempt.setsockopt(level, option, value)
            read = attempt.getsockopt(level, option, 256)
        if name not in ("SO_ATTACH_BPF",):
            through.append(name)
    except OSError as error:
        # TCP_ULP: any answer of the protocol's own code means that it is in reach.
        if name == "TCP_ULP" and error.errno == 107:
            through.append(name)
for family, code in ((socket.AF_INET, 0), (socket.AF_INET6, 41)):
    try:
        # A source that is not ours.
        with socket.socket(family, socket.SOCK_DGRAM) as forged:
            if family == socket.AF_INET:
                control = [(SOL_IP, 8, struct.pack("=i4s4s", 1, socket.inet_aton("192.0.2.1"), b"\0" * 4))]
                forged.sendmsg([b"x"], control, 0, ("127.0.0.1", 9))
            else:
                control = [(SOL_IPV6, 50, socket.inet_pton(family, "2001:db8::1") + struct.pack("I", 1))]
                forged.sendmsg([b"x"], control, 0, ("::1", 9))
        through.append("a forged source address")
    except OSError:
        pass
if through:
    print("broke:", ", ".join(through))
    sys.exit(99)
print(f"held: {len(ATTEMPTS) + 2} refused")
