"""What attacks on a server share. Only the standard library.

A program calls `server()` for the address to attack: the one that the runner started, or, in the control run, a naive one of the
program's own choice, against which the attack must succeed. It ends with `held()` or `broke()`.
"""

import http.client
import json
import os
import socket
import subprocess
import threading
import time
import urllib.parse

CONTROL = os.environ.get("ATTACK_CONTROL") == "1"


def held(reason):
    print(f"held: {reason}", flush=True)
    os._exit(0)


def broke(what):
    print(f"broke: {what}", flush=True)
    os._exit(99)


def server(naive=None):
    """Host and port of what is attacked."""
    if CONTROL:
        return naive().address
    url = urllib.parse.urlsplit(os.environ["BELLJAR_URL"])
    return url.hostname, url.port


def connect(address, timeout=10):
    connection = socket.create_connection(address, timeout=timeout)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connection


class Reply:
    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body

    def json(self):
        return json.loads(self.body)

    def __repr__(self):
        return f"{self.status} {self.body[:200]!r}"


def request(address, method, path, body=b"", headers=None, timeout=20):
    connection = http.client.HTTPConnection(*address, timeout=timeout)
    try:
        connection.request(method, path, body=body, headers=headers or {})
        answer = connection.getresponse()
        return Reply(answer.status, answer.headers, answer.read())
    except http.client.HTTPException as error:
        raise OSError(f"{type(error).__name__}: {error}") from error
    finally:
        connection.close()


def get(address, path, timeout=20):
    return request(address, "GET", path, timeout=timeout)


BOUNDARY = "belljar-attack-7d31c0aa"


def multipart(parts, boundary=BOUNDARY):
    """A body of parts: pairs of headers and content, both bytes."""
    pieces = [b"--%s\r\n%s\r\n\r\n%s\r\n" % (boundary.encode(), headers, content) for headers, content in parts]
    return b"".join(pieces) + b"--" + boundary.encode() + b"--\r\n"


def form(config, archive=None):
    """The parts of a form as clients send it."""
    text = config if isinstance(config, bytes) else json.dumps(config).encode()
    parts = [(b'Content-Disposition: form-data; name="config"', text)]
    if archive is not None:
        parts.append((b'Content-Disposition: form-data; name="environment"; filename="e.tgz"', archive))
    return parts


def post(address, body, content_type=None, timeout=30):
    kind = content_type or f"multipart/form-data; boundary={BOUNDARY}"
    return request(address, "POST", "/execute/", body, {"Content-Type": kind}, timeout)


def execute(address, config, archive=None, timeout=30):
    return post(address, multipart(form(config, archive)), timeout=timeout)


def served(address):
    """Whether an ordinary request is carried out; says what happened if it is not."""
    reply = execute(address, {"commands": ["echo served"]})
    if reply.status != 200 or reply.json()["execution"][0]["stdout"] != "served":
        broke(f"an ordinary request is not served any more: {reply}")


def raw(address, data, timeout=10, half_close=False):
    """Sends bytes as they are; returns everything that comes back until the end or the timeout."""
    answer = b""
    with connect(address, timeout) as connection:
        try:
            connection.sendall(data)
            if half_close:
                connection.shutdown(socket.SHUT_WR)
        except OSError:
            pass
        deadline = time.monotonic() + timeout
        try:
            while time.monotonic() < deadline:
                piece = connection.recv(65536)
                if not piece:
                    break
                answer += piece
        except OSError:
            pass
    return answer


def statuses(answer):
    """Status codes of the answers in a stream of bytes."""
    found, rest = [], answer
    while rest.startswith(b"HTTP/1."):
        head, _, rest = rest.partition(b"\r\n\r\n")
        found.append(int(head.split(b" ")[1]))
        length = next((int(line.split(b":")[1]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")), 0)
        rest = rest[length:]
    return found


def closed(connection, patience):
    """Whether the other side has closed a connection, or does so within so many seconds."""
    connection.settimeout(patience)
    deadline = time.monotonic() + patience
    try:
        while time.monotonic() < deadline:
            if not connection.recv(65536):
                return True
    except TimeoutError:
        return False
    except OSError:
        return True
    return False


def wait_for(what, condition, patience=20):
    # What nothing stops goes on for ever: the control run need not wait long.
    deadline = time.monotonic() + (min(patience, 2) if CONTROL else patience)
    while not condition():
        if time.monotonic() > deadline:
            broke(f"in vain: {what}")
        time.sleep(0.01)


def children(pid):
    """Processes below one, itself included."""
    parents = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                stat = open(f"/proc/{name}/stat").read()
            except OSError:
                continue
            parents[int(name)] = int(stat.rsplit(") ", 1)[1].split(" ")[1])
    family = {pid}
    while True:
        more = {child for child, parent in parents.items() if parent in family} - family
        if not more:
            return family
        family |= more


def command_line(pid):
    """What a process was started as; nothing when it is gone."""
    try:
        return open(f"/proc/{pid}/cmdline", errors="replace").read()
    except OSError:
        return ""


def memory(pid):
    """Bytes that a process has in memory."""
    for line in open(f"/proc/{pid}/status"):
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) << 10
    return 0


def start_server(directory, *settings):
    """A server of the program's own: its process and its address. Nothing of our environment, which names settings, reaches it."""
    command = [os.environ["BELLJAR"], "serve", "--listen", "127.0.0.1:0", "--data-dir", directory]
    for setting in settings:
        command += ["--set", setting]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env={"PATH": os.environ["PATH"]})
    line = process.stdout.readline()
    if "http://" not in line:
        print(f"the server did not start: {line!r}")
        os._exit(3)
    host, port = line.split("http://")[1].split()[0].rstrip(";").rsplit(":", 1)
    return process, (host, int(port))


class NaiveServer:
    """A server as one writes it in an evening: a few threads, no limits, no timeouts."""

    def __init__(self, threads=4, answer=None):
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=512)
        self.address = self.listener.getsockname()
        self.answer = answer
        for _ in range(threads):
            threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        while True:
            connection, _ = self.listener.accept()
            try:
                self._one(connection)
            except (OSError, ValueError):
                pass
            finally:
                connection.close()

    def _one(self, connection):
        data = b""
        while b"\r\n\r\n" not in data:
            piece = connection.recv(65536)
            if not piece:
                return
            data += piece
        head, _, body = data.partition(b"\r\n\r\n")
        length = 0
        for line in head.split(b"\r\n")[1:]:
            name, _, value = line.partition(b":")
            if name.lower() == b"content-length":
                length = int(value)
        while len(body) < length:
            piece = connection.recv(65536)
            if not piece:
                return
            body += piece
        reply = self.answer(head, body) if self.answer else b"ok"
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(reply), reply))
