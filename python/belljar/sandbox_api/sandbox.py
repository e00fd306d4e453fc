"""The client for threads."""

from __future__ import annotations

import contextlib
import io
import json
import urllib.parse
import urllib.request
from typing import Any, BinaryIO, Dict, Optional

from .. import _native
from .._errors import Error
from .._sample import name_of, spooled
from . import _http
from ._http import Answer, Headers, Request, Size
from .exceptions import status_exceptions

_AGENT = f"belljar-sandbox-api/{_native.__version__}"


class Sandbox:
    """A server that executes."""

    def __init__(self, url: str, timeout: Optional[float] = 60) -> None:
        """For a server.

        :param url: Its address, with or without a slash at its end.
        :param timeout: Time to connect, and time without a byte from the server, in seconds; a pair of both; None for no limit.
        """
        self.url = url
        self.timeout = timeout
        self._servers: Dict[Any, _native.Http] = {}

    def _build_url(self, endpoint: str, *args: str) -> str:
        return _http.joined(self.url, endpoint, args)

    def _server(self, address: str) -> _native.Http:
        proxy = _proxy(address)
        key = (address, self.timeout, proxy)
        if key not in self._servers:
            connect, read = self.timeout if isinstance(self.timeout, tuple) else (self.timeout, self.timeout)
            times = {"connect_timeout": connect, "read_timeout": read, "total_timeout": None}
            # One for each address that redirects lead to; there are not many.
            if len(self._servers) >= 16:
                self._servers.clear()
            self._servers[key] = _http.server(address, proxy, times, _AGENT)
        return self._servers[key]

    def _ask(self, request: Request, limit: int) -> Answer:
        url = posix_url(self.url, request.path)
        try:
            status, headers, download = request.begin(self._server(self.url)).result()
            for _ in range(_http.MAX_REDIRECTS):
                target = _http.elsewhere(url, Headers(headers)) if status in _http.REDIRECTS else None
                if request.method != "GET" or target is None:
                    break
                address, path, query = target
                url = posix_url(address, path)
                status, headers, download = self._server(address).send("GET", path, query=query).result()
            if request.method == "HEAD":
                content = b""
            elif status == 200:
                content = download.read(limit).result()
            else:
                content = _beginning(download)
        except Error as error:
            raise _http.as_of_requests(error) from None
        return Answer(url, status, Headers(headers), content)

    def _json(self, request: Request) -> Dict[str, Any]:
        answer = self._ask(request, _http.MAX_JSON)
        if answer.status_code != 200:
            raise status_exceptions(answer)
        found: Dict[str, Any] = answer.json()
        return found

    def libraries(self) -> Dict[str, Any]:
        """What is installed in the server's sandboxes."""
        return self._json(Request("GET", "libraries"))

    def specifications(self) -> Dict[str, Any]:
        """What the server and its sandboxes are."""
        return self._json(Request("GET", "specifications"))

    def usage(self) -> Dict[str, Any]:
        """How busy the server is."""
        return self._json(Request("GET", "usages"))

    def download(self, uuid: str, path: Optional[str] = None) -> BinaryIO:
        """A saved environment, or a file in one."""
        answer = self._ask(_about("GET", uuid, path), MAX_DOWNLOAD)
        if answer.status_code != 200:
            raise status_exceptions(answer)
        return io.BytesIO(answer.content)

    def check(self, uuid: str, path: Optional[str] = None) -> int:
        """The size of a saved environment, or of a file in one; 0 where there is none."""
        answer = self._ask(_about("HEAD", uuid, path), 0)
        return size(answer.status_code, answer)

    def execute(self, config: Dict[str, Any], environ: Optional[BinaryIO] = None) -> Dict[str, Any]:
        """Executes commands.

        :param config: What to execute, as the protocol has it.
        :param environ: A gzip-compressed tar of the directory to execute it in, opened for reading bytes. It is read to its end.
        """
        request = Request("POST", "execute")
        request.fields.append(("config", json.dumps(config)))
        with contextlib.ExitStack() as stack:
            if environ is not None:
                request.files.append(("environment", *stack.enter_context(archive(environ))))
            return self._json(request)


MAX_DOWNLOAD = 4 << 30
"""Bytes of a download, which is held in memory, at most."""


def _about(method: str, uuid: str, path: Optional[str]) -> Request:
    if path is None:
        return Request(method, "environments", (uuid,))
    return Request(method, "files", (uuid, path))


def size(status: int, answer: Any) -> int:
    """What ``check`` returns for an answer to a HEAD."""
    if status == 404:
        return 0
    if status != 200:
        raise status_exceptions(answer)
    try:
        return Size(answer.headers.get("content-length", "0"))
    except ValueError:
        return Size(0)


@contextlib.contextmanager
def archive(environ: Any) -> Any:
    """Name and bytes of an archive; a pair of them is taken as well."""
    name = None
    if isinstance(environ, tuple):
        name, environ = environ[:2]
    if isinstance(environ, str):
        # Not a path: the library takes text for what the file holds.
        environ = environ.encode()
    with spooled(environ, name or name_of(environ) or "environment") as (kept, called):
        yield called, kept


def posix_url(address: str, path: Any) -> str:
    """An address of these parts."""
    return "/".join([address.rstrip("/"), *(urllib.parse.quote(segment, safe="") for segment in path)])


def _beginning(download: _native.Download) -> bytes:
    held = b""
    while len(held) < _http.MAX_ERROR:
        piece: Optional[bytes] = download.next().result()
        if piece is None:
            break
        held += piece
    return held[: _http.MAX_ERROR]


def _proxy(address: str) -> Optional[str]:
    """The proxy that the environment names for an address, which the library looks at."""
    target = urllib.parse.urlsplit(address)
    if not target.hostname or urllib.request.proxy_bypass(target.hostname):
        return None
    proxies = urllib.request.getproxies()
    return proxies.get(target.scheme) or proxies.get("all")
