#!/usr/bin/env python3
# attack: counters of the network namespace that count what the run before sent
# tries: sends datagrams to closed ports of the loopback, opens and breaks TCP connections; the next request compares /proc/self/net.
# source: field notes 5b 56; belljar keeps a network namespace as long as its counters say that nothing was sent
# expect: every counter reads as before
# stopped-by: network_namespace
# control: own
# needs: python3
# on: host
import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE + "/lib", HERE + "/../lib"]
from two_runs import unchanged

SNAPSHOT = r"""
import json
seen = {}
for name in ("dev", "snmp", "snmp6", "netstat", "tcp", "tcp6", "udp", "udp6", "route", "if_inet6", "arp", "igmp"):
    try: seen[name] = open("/proc/self/net/" + name).read().splitlines()
    except OSError as error: seen[name] = error.errno
print(json.dumps({f"{name} {n}": line for name, lines in seen.items() for n, line in enumerate(lines if type(lines) is list else [lines])}))
"""

DISTURB = r"""
import socket, struct
datagrams = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
for port in range(2000, 2050):
    try: datagrams.sendto(b"x" * 1000, ("127.0.0.1", port))
    except OSError: pass
server = socket.socket(); server.bind(("127.0.0.1", 0)); server.listen(8)
for _ in range(8):
    client = socket.create_connection(server.getsockname())
    end, _ = server.accept()
    end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    end.close(); client.close()
print("left: traffic")
"""

unchanged(DISTURB, SNAPSHOT)
