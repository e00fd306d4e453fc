#!/usr/bin/env python3
# attack: reach services that listen on the host's loopback, and its Unix sockets
# tries: TCP and UDP to the host's listeners by 127.0.0.1, every other address of 127.0.0.0/8 that is tried in practice, 0.0.0.0, ::1,
#   IPv4-mapped IPv6, names and belljar's own port; Unix sockets by abstract name and by paths in /run, /tmp and /var/run.
# source: CVE-2024-29021 (Judge0: the database behind the box), bubblewrap and nsjail without a network namespace
# expect: nothing of the host answers
# stopped-by: network_namespace
# control: own
# on: host
import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE + "/lib", HERE + "/../lib"]
import socket
import threading

from two_runs import CONTROL, broke, clean_environment, held, lines, program, run, unclear

MARK = f"belljar-host-{os.getpid()}"
reached = []


def serve(listener, name):
    def answer():
        while True:
            try:
                if listener.type == socket.SOCK_DGRAM:
                    listener.recv(100)
                else:
                    listener.accept()[0].close()
            except OSError:
                return
            reached.append(name)
    threading.Thread(target=answer, daemon=True).start()


ports = {}
for family, host in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")):
    for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
        try:
            listener = socket.socket(family, kind)
            listener.bind((host, 0))
        except OSError:
            continue
        if kind == socket.SOCK_STREAM:
            listener.listen(16)
        ports[f"{host} {kind.name}"] = listener.getsockname()[1]
        serve(listener, f"{host} {kind.name}")
paths = ["\0" + MARK, f"/tmp/{MARK}.sock"]
made = []
for path in paths:
    try:
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(path)
        if path[0] == "/":
            os.chmod(path, 0o777)
            made.append(path)
        listener.listen(16)
    except OSError:
        continue
    serve(listener, "unix " + path.replace("\0", "@"))
url = os.environ.get("BELLJAR_URL", "")
own_port = int(url.rsplit(":", 1)[1].strip("/")) if url.count(":") > 1 else 0

CLIENT = f"ports = {ports!r}; paths = {paths!r}; own_port = {own_port}" + r'''
import socket
tcp = [port for name, port in ports.items() if "STREAM" in name] + ([own_port] if own_port else [])
udp = [port for name, port in ports.items() if "DGRAM" in name]
hosts = ["127.0.0.1", "127.0.0.53", "127.1.2.3", "0.0.0.0", "localhost", "::1", "::", "::ffff:127.0.0.1", "::127.0.0.1", "fe80::1%lo"]
for host in hosts:
    for port in tcp:
        try: socket.create_connection((host, port), timeout=0.5).close(); print("found: tcp", host, port)
        except OSError: pass
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    for port in udp:
        try: socket.socket(family, socket.SOCK_DGRAM).sendto(b"x", (host, port))
        except OSError: pass
for path in paths + ["/run/systemd/notify", "/run/dbus/system_bus_socket", "/var/run/docker.sock", "/run/systemd/journal/socket", "/run/nscd/socket"]:
    for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM, socket.SOCK_SEQPACKET):
        try: socket.socket(socket.AF_UNIX, kind).connect(path); print("found: unix", repr(path))
        except OSError: pass
print("searched")
'''
try:
    if CONTROL:
        import subprocess

        text = subprocess.run(program(CLIENT), capture_output=True, text=True, env=clean_environment()).stdout
    else:
        outcome = run(CLIENT)
        text = outcome["stdout"]
finally:
    for path in made:
        os.unlink(path)
found = lines(text, "found") + [f"heard by {name}" for name in reached]
if found:
    broke("; ".join(found)[:300])
if "searched" not in text:
    unclear(f"the search did not end: {text[-300:]!r}")
held(f"none of {len(ports)} ports and {len(paths)} sockets heard anything")
