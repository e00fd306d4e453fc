#!/usr/bin/env python3
# attack: sockets and closed connections in the network namespace
# tries: a TCP server, connections in TIME_WAIT, a bound UDP port, an abstract Unix socket and one by path, and a daemon that keeps
#   them open; the next request reads /proc/net, connects, and binds the same ports without SO_REUSEADDR.
# source: field notes 5b 56 and 58; TIME_WAIT outlives its process by a minute (RFC 9293)
# expect: nothing listens, nothing waits, the ports are free
# stopped-by: network_namespace
# control: own
# needs: python3
# on: host
import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE + "/lib", HERE + "/../lib"]
from two_runs import after_another

LEAVE = r"""
import os, socket, time
ready, tell = os.pipe()
if os.fork() == 0:
    os.setsid()
    keep = []
    for family, host in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")):
        try:
            server = socket.socket(family); server.bind((host, 40101)); server.listen(50)
            for _ in range(20):
                client = socket.create_connection((host, 40101))
                end, _ = server.accept()
                end.close(); client.recv(1); client.close()
            udp = socket.socket(family, socket.SOCK_DGRAM); udp.bind((host, 40102))
            keep += [server, udp]
            os.write(tell, f"left: sockets on {host}\n".encode())
        except OSError: pass
    for name in ("\0belljar-mark", "/tmp/belljar-mark"):
        unix = socket.socket(socket.AF_UNIX); unix.bind(name); unix.listen(); keep.append(unix)
    os.write(tell, b"end\n")
    os.close(0), os.close(1), os.close(2)
    time.sleep(20)
    os._exit(0)
os.close(tell)
for line in os.fdopen(ready):
    if line == "end\n": break
    print(line.strip())
"""

FIND = r"""
import socket
for name in ("tcp", "tcp6", "udp", "udp6", "unix", "ip6_flowlabel", "igmp6", "rt_cache"):
    try: lines = open("/proc/self/net/" + name).read().splitlines()
    except OSError: continue
    for line in lines[1:]:
        if name == "igmp6" or "rt_cache" in name: continue
        if name != "unix" or "belljar" in line: print("found:", name, line.split()[:3])
for name in ("\0belljar-mark", "/tmp/belljar-mark"):
    try: socket.socket(socket.AF_UNIX).connect(name); print("found: unix", repr(name))
    except OSError: pass
for family, host in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")):
    for kind, port in ((socket.SOCK_STREAM, 40101), (socket.SOCK_DGRAM, 40102)):
        try: socket.socket(family, kind).bind((host, port))
        except OSError as error:
            if error.errno == 98: print("found: port", port, "taken on", host)
print("searched")
"""

after_another(LEAVE, FIND)
