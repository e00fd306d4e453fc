#!/usr/bin/env python3
# attack: IPv6 flow labels and multicast groups, which stay in the network namespace after their socket is gone
# tries: asks for 20-bit labels of its choice that any process may read and that linger for a minute, without a packet; joins groups,
#   whose reports the kernel sends seconds later, when the next run may be there to count them.
# source: net/ipv6/ip6_flowlabel.c (fl_linger), net/ipv4/igmp.c (mr_ifc_timer); found in belljar by these attacks
# expect: every one is refused
# stopped-by: seccomp
# without: seccomp
import socket
import struct
import sys

CREATE, ANY = 1, 255
through = []
for number in (0x54321, 0x12345):
    for high in (0, 1 << 32):
        request = socket.inet_pton(socket.AF_INET6, "::1") + struct.pack("!I", number) + struct.pack("=BBHHHI", 0, ANY, CREATE, 60, 60, 0)
        try:
            with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as label:
                label.setsockopt(socket.IPPROTO_IPV6, 32, request)
            through.append(f"label {number:#x}")
        except OSError:
            pass
try:
    lines = open("/proc/self/net/ip6_flowlabel").read().splitlines()[1:]
    through += ["lingers: " + line for line in lines]
except OSError:
    pass
here, there = socket.inet_aton("127.0.0.1"), struct.pack("I", 1)
four, six = socket.inet_aton("239.1.2.3"), socket.inet_pton(socket.AF_INET6, "ff05::1234")
storage = struct.pack("=IxxxxHxx", 1, socket.AF_INET) + four
for family, level, option, value in (
    (socket.AF_INET, 0, 35, four + here), (socket.AF_INET, 0, 39, four + here + here), (socket.AF_INET, 0, 42, storage.ljust(136, b"\0")),
    (socket.AF_INET6, 41, 20, six + there), (socket.AF_INET6, 41, 27, six + there), (socket.AF_INET6, 0, 35, four + here),
):
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as member:
            member.setsockopt(level, option, value)
        through.append(f"group by option {level}/{option}")
    except OSError:
        pass
if through:
    print("broke:", "; ".join(through)[:300])
    sys.exit(99)
print("held: neither labels nor groups")
