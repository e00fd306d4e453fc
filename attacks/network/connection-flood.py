#!/usr/bin/env python3
# attack: connections and bound ports without end, to use up tables that the machine has once
# tries: opens TCP connections to itself and binds UDP ports in many processes until it is refused, with sockets handed over in messages
#   to have more than the limit of descriptors; then counts what /proc/net shows.
# source: field notes 5b 50; tcp_max_orphans and the hash tables of ports are the whole machine's
# expect: descriptors, processes and memory bound it
# stopped-by: resource_limits
# flags: --open-files 64 --processes 16 --wall-time 6s
# ends: exit | processes
# without: memory_limit, process_limit, cpu_accounting, resource_limits
import os
import socket
import sys
import time

# 16 processes with 64 descriptors each.
ALLOWED = 16 * 64
ENOUGH = 1500
read, write = os.pipe()
children = []
for number in range(24):
    try:
        child = os.fork()
    except OSError:
        break
    if child == 0:
        os.close(read)
        keep = []
        try:
            while len(keep) < ENOUGH // 12:
                port = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
                port.bind(("127.0.0.1", 0))
                keep.append(port)
        except OSError:
            pass
        os.write(write, len(keep).to_bytes(4, "little"))
        time.sleep(5)
        os._exit(0)
    children.append(child)
total = 0
for _ in children:
    total += int.from_bytes(os.read(read, 4), "little")
for child in children:
    os.kill(child, 9)
    os.waitpid(child, 0)
if total > ALLOWED:
    print(f"broke: {total} sockets at once")
    sys.exit(99)
print(f"held: {total} sockets at once, in {len(children)} processes")
