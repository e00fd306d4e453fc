#!/usr/bin/env python3
# attack: counters and tables of the network namespace that move without a packet
# tries: binds, listens, connects UDP without sending, joins multicast groups, asks for options, fills queues of Unix sockets; then
#   sends for good measure. The next request compares every file of /proc/self/net.
# source: field notes 5b 56; Alexander and Crandall, "Off-path round trip time measurement via TCP/IP side channels" (counters shared)
# expect: every table reads as before
# stopped-by: network_namespace
# control: own
# needs: python3
# on: host
import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE + "/lib", HERE + "/../lib"]
from two_runs import CONTROL, unchanged

# Left out is what counts for the whole machine or shows addresses of the kernel.
SNAPSHOT = r"""
import json, os, re
seen = {}
for path, _, files in os.walk("/proc/self/net"):
    for name in files:
        if name in ("softnet_stat", "ptype", "psched", "netlink", "rt_cache", "sockstat", "sockstat6"): continue
        try: text = open(path + "/" + name).read()
        except OSError as error: text = str(error.errno)
        if name in ("unix", "protocols"): text = str(text.count("\n"))
        seen[name if path.endswith("net") else path[15:] + "/" + name] = text
for name in ("ip_local_port_range", "tcp_fin_timeout", "ip_forward"):
    try: seen[name] = open("/proc/sys/net/ipv4/" + name).read()
    except OSError: pass
print(json.dumps({name: {str(n): line for n, line in enumerate(text.splitlines())} for name, text in seen.items()}))
"""

QUIET = r"""
import socket, struct
keep = []
for family, host, any in ((socket.AF_INET, "127.0.0.1", "0.0.0.0"), (socket.AF_INET6, "::1", "::")):
    for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
        for attempt in range(40):
            s = socket.socket(family, kind)
            try:
                s.bind((any, 0))
                if kind == socket.SOCK_STREAM: s.listen(1)
                else: s.connect((host, 1000 + attempt))
            except OSError: pass
            keep.append(s)
    group = socket.inet_pton(family, "239.1.2.3" if family == socket.AF_INET else "ff01::1234")
    s = socket.socket(family, socket.SOCK_DGRAM)
    for level, option, value in (
        (0, socket.IP_ADD_MEMBERSHIP, group + socket.inet_aton("127.0.0.1")), (41, socket.IPV6_JOIN_GROUP, group + struct.pack("I", 1)),
        (41, 27, group + struct.pack("I", 1)), (0, 49, b"\1\0\0\0"), (41, 75, b"\1\0\0\0"), (6, 23, b"\x10\0\0\0"),
    ):
        try: s.setsockopt(level, option, value)
        except OSError: pass
    keep.append(s)
del keep
print("left: no packet, many sockets")
"""

LOUD = QUIET + r"""
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
for port in range(2000, 2050):
    try: s.sendto(b"x" * 1000, ("127.0.0.1", port))
    except OSError: pass
"""

unchanged(LOUD if CONTROL else QUIET, SNAPSHOT)
