"""A server that stands in for a vendor's: it keeps what it receives, and answers as it is told."""

import http.server
import threading
from dataclasses import dataclass, field
from typing import Dict, List, Optional, Tuple


@dataclass
class Received:
    """A request as it came."""

    method: str
    target: str
    headers: Dict[str, str]
    body: bytes

    @property
    def line(self):
        return f"{self.method} {self.target}"

    def parts(self) -> Dict[str, Tuple[Optional[str], bytes]]:
        """A form's fields: file name and bytes by name."""
        boundary = self.headers["content-type"].split("boundary=")[1].encode()
        found = {}
        for piece in self.body.split(b"--" + boundary)[1:-1]:
            head, _, body = piece.partition(b"\r\n\r\n")
            words = {}
            for word in head.decode().replace("\r\n", ";").split(";"):
                key, _, value = word.strip().partition("=")
                words[key] = value.strip('"')
            found[words["name"]] = (words.get("filename"), body[:-2])
        return found


@dataclass
class Reply:
    """What is answered."""

    status: int = 200
    body: bytes = b"{}"
    headers: Dict[str, str] = field(default_factory=dict)
    # Bytes that are announced and do not come.
    missing: int = 0


class StandIn:
    """A running server on loopback; `answer` makes a Reply of a Received."""

    def __init__(self, answer):
        self.received: List[Received] = []
        stand_in = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def respond(self):
                length = int(self.headers.get("content-length") or 0)
                headers = {name.lower(): value for name, value in self.headers.items()}
                received = Received(self.command, self.path, headers, self.rfile.read(length))
                stand_in.received.append(received)
                reply = answer(received)
                self.send_response(reply.status)
                for name, value in {"content-type": "application/json", **reply.headers}.items():
                    self.send_header(name, value)
                self.send_header("content-length", str(len(reply.body) + reply.missing))
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(reply.body)
                self.close_connection = self.close_connection or reply.missing > 0

            do_GET = do_POST = do_HEAD = do_DELETE = do_PUT = respond

            def log_message(self, *arguments):
                pass

        class Server(http.server.ThreadingHTTPServer):
            daemon_threads = True
            # A client that goes away in the middle is part of some tests.
            def handle_error(self, request, address):
                pass

        self.server = Server(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()

    def lines(self):
        return [received.line for received in self.received]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()
