#!/usr/bin/env python3
# attack: offer a service to the host and its network from inside
# tries: listens on all addresses, on a port that the host's programs look for, and under abstract names of well-known services; the
#   host then tries to connect.
# source: squatting of ports and abstract sockets (CVE-2020-15257: containerd's abstract socket in the host's network namespace)
# expect: the host finds nobody there
# stopped-by: network_namespace
# control: own
# on: host
import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE + "/lib", HERE + "/../lib"]
import socket
import subprocess

from two_runs import CONTROL, broke, clean_environment, held, program, start, unclear

NAME = f"\0belljar-service-{os.getpid()}"
SERVICE = f"name = {NAME!r}" + r'''
import socket, sys
keep, port = [], 0
for family, host in ((socket.AF_INET, "0.0.0.0"), (socket.AF_INET6, "::")):
    try:
        s = socket.socket(family); s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6: s.setsockopt(41, 26, 1)
        s.bind((host, port)); s.listen(); port = s.getsockname()[1]; keep.append(s)
    except OSError: pass
u = socket.socket(socket.AF_UNIX); u.bind(name); u.listen(); keep.append(u)
print("ready", port, flush=True)
sys.stdin.read()
'''
pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
if CONTROL:
    service = subprocess.Popen(program(SERVICE), text=True, env=clean_environment(), **pipes)
else:
    service = start(SERVICE, **pipes)
words = service.stdout.readline().split()
found = []
if words[:1] == ["ready"]:
    for host in ("127.0.0.1", "::1", "127.0.0.2"):
        try:
            socket.create_connection((host, int(words[1])), timeout=1).close()
            found.append(f"{host} port {words[1]}")
        except OSError:
            pass
    try:
        socket.socket(socket.AF_UNIX).connect(NAME)
        found.append("abstract name")
    except OSError:
        pass
service.stdin.close()
service.wait()
if found:
    broke("the host reaches " + ", ".join(found))
if words[:1] != ["ready"]:
    unclear("the service did not start")
held("the host finds nobody")
