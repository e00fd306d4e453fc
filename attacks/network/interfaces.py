#!/usr/bin/env python3
# attack: change the network: addresses, routes, interfaces, bridges, tunnels
# tries: the ioctls of ifconfig, route, brctl, ip tunnel and tunctl on every kind of socket, /dev/net/tun, and the files of
#   /proc/sys/net, to give the loopback addresses, switch it off, rename it, and open a way out.
# source: field notes 5b 56; CVE-2017-1000112 and CVE-2016-8655 need these first
# expect: every one is refused, and the interface is as before
# stopped-by: privileges
# flags: --user root
# without: privileges, seccomp
import fcntl
import os
import socket
import struct
import sys

LO = b"lo".ljust(16, b"\0")
address = struct.pack("=HH4s8x", socket.AF_INET, 0, socket.inet_aton("192.0.2.7"))
through = []
sockets = []
for family in (socket.AF_INET, socket.AF_INET6, socket.AF_UNIX):
    for kind in (socket.SOCK_DGRAM, socket.SOCK_STREAM):
        try:
            sockets.append(socket.socket(family, kind))
        except OSError:
            pass
REQUESTS = {
    "SIOCSIFMTU": (0x8922, LO + struct.pack("i", 1400)),
    "SIOCSIFTXQLEN": (0x8943, LO + struct.pack("i", 500)),
    "SIOCSIFADDR": (0x8916, b"lo:1".ljust(16, b"\0") + address),
    "SIOCSIFNETMASK": (0x891C, LO + struct.pack("=HH4s8x", 2, 0, b"\xff\xff\0\0")),
    "SIOCSIFHWADDR": (0x8924, LO + struct.pack("H14s", 772, b"\2" * 6)),
    "SIOCSIFNAME": (0x8923, LO + b"out".ljust(16, b"\0")),
    "SIOCSIFFLAGS": (0x8914, LO + struct.pack("h", 0x1 | 0x8 | 0x100)),
    "SIOCADDRT": (0x890B, struct.pack("=Q16s16s16sH6xQ8xhxx", 0, b"\2\0\0\0\x0a\0\0\0", b"\2\0\0\0\x7f\0\0\1", b"\2\0\0\0\xff\0\0\0", 3, 0, 0).ljust(120, b"\0")),
    "SIOCBRADDBR": (0x89A0, b"br9".ljust(16, b"\0")),
    "SIOCADDTUNNEL": (0x89F1, b"tunl9".ljust(16, b"\0") + b"\0" * 8),
    "SIOCSARP": (0x8955, address + b"\1\0".ljust(16, b"\0") + struct.pack("i", 4) + address + b"lo".ljust(16, b"\0")),
    "SIOCETHTOOL": (0x8946, LO + b"\0" * 8),
    "SIOCDEVPRIVATE": (0x89F0, LO + b"\0" * 24),
}
for name, (request, argument) in REQUESTS.items():
    for attempt in sockets:
        try:
            fcntl.ioctl(attempt, request, argument.ljust(128, b"\0"))
            through.append(name)
            break
        except OSError:
            pass
for device in ("/dev/net/tun", "/dev/tun", "/dev/tap", "/dev/ppp", "/dev/vhost-net"):
    try:
        os.close(os.open(device, os.O_RDWR))
        through.append(device)
    except OSError:
        pass
for path in ("ipv4/ip_forward", "ipv4/conf/all/accept_local", "ipv4/conf/lo/route_localnet", "ipv4/ping_group_range", "ipv6/conf/all/forwarding",
             "ipv4/ip_unprivileged_port_start", "core/somaxconn", "netfilter/nf_conntrack_max"):
    try:
        text = open("/proc/sys/net/" + path).read()
        open("/proc/sys/net/" + path, "w").write(text)
        through.append(path)
    except OSError:
        pass
if through:
    print("broke:", ", ".join(through))
    sys.exit(99)
print(f"held: {len(REQUESTS)} requests, 5 devices and 8 settings are refused")
