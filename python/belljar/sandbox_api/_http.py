"""Requests of both clients: what is sent, and what an answer looks like to those who know ``requests`` or ``aiohttp``."""

from __future__ import annotations

import asyncio
import http
import json
import posixpath
import sys
import urllib.parse
from typing import Any, Dict, Iterator, List, Mapping, Optional, Sequence, Tuple, Type

from .. import _native
from .._errors import Error, TimedOutError, TransportError
from .utils import ENDPOINTS

MAX_ERROR = 1 << 20
"""Bytes of an answer that is an error, at most."""
MAX_JSON = 256 << 20
"""Bytes of an answer in JSON, at most."""
MAX_REDIRECTS = 10
"""Redirects that are followed, at most."""
REDIRECTS = frozenset({301, 302, 303, 307, 308})
"""Statuses that say where else something is."""

Field = Tuple[str, str]


class Headers(Mapping[str, str]):
    """Headers, whatever the case of their names; of several of one name the first."""

    def __init__(self, pairs: Sequence[Tuple[str, str]]) -> None:
        self._held: Dict[str, Tuple[str, str]] = {}
        for name, value in pairs:
            self._held.setdefault(name.lower(), (name, value))

    def __getitem__(self, name: str) -> str:
        return self._held[name.lower()][1]

    def __iter__(self) -> Iterator[str]:
        return (name for name, _ in self._held.values())

    def __len__(self) -> int:
        return len(self._held)


class Answer:
    """An answer that was read, as the exceptions of :class:`Sandbox` hold it: like a response of ``requests``."""

    status_code: int
    """The status."""
    url: str
    """What was asked for."""
    headers: Headers
    """The headers."""
    content: bytes
    """The body: its first MiB, where the answer is an error."""

    def __init__(self, url: str, status: int, headers: Headers, content: bytes) -> None:
        self.url, self.status_code, self.headers, self.content = url, status, headers, content

    @property
    def reason(self) -> str:
        """What the status is called."""
        return _reason(self.status_code)

    @property
    def ok(self) -> bool:
        """Whether the status is below 400."""
        return self.status_code < 400

    @property
    def text(self) -> str:
        """The body as text."""
        return self.content.decode("utf-8", "replace")

    def json(self) -> Any:
        """The body as JSON. ``ValueError`` when it is something else."""
        return json.loads(self.content)

    def __repr__(self) -> str:
        return f"<Response [{self.status_code}]>"


class AsyncAnswer:
    """An answer that was read, as the exceptions of :class:`ASandbox` hold it: like a response of ``aiohttp``, and always readable."""

    status: int
    """The status."""
    url: str
    """What was asked for."""
    headers: Headers
    """The headers."""

    def __init__(self, url: str, status: int, headers: Headers, content: bytes) -> None:
        self.url, self.status, self.headers, self._content = url, status, headers, content

    @property
    def reason(self) -> str:
        """What the status is called."""
        return _reason(self.status)

    @property
    def ok(self) -> bool:
        """Whether the status is below 400."""
        return self.status < 400

    async def read(self) -> bytes:
        """The body: its first MiB, where the answer is an error."""
        return self._content

    async def text(self) -> str:
        """The body as text."""
        return self._content.decode("utf-8", "replace")

    async def json(self) -> Any:
        """The body as JSON. ``ValueError`` when it is something else."""
        return json.loads(self._content)

    def __repr__(self) -> str:
        return f"<ClientResponse({self.url}) [{self.status} {self.reason}]>"


def _reason(status: int) -> str:
    try:
        return http.HTTPStatus(status).phrase
    except ValueError:
        return ""


class Size(int):
    """A length in bytes, of something that is there.

    ``sandbox_api`` says it returns a number, and returns the header's text: this is a number that is equal to that text, and true as that
    is, also for an empty file.
    """

    def __eq__(self, other: object) -> bool:
        return str(int(self)) == other if isinstance(other, str) else int(self) == other

    def __ne__(self, other: object) -> bool:
        return not self == other

    __hash__ = int.__hash__

    def __bool__(self) -> bool:
        return True


class Request:
    """One request: a path below the server's address, and a form."""

    def __init__(self, method: str, endpoint: str, arguments: Sequence[str] = ()) -> None:
        self.method = method
        given = iter(arguments)
        self.path: List[str] = []
        # Each argument where it belongs, so that nothing in it is taken for a query.
        for segment in ENDPOINTS[endpoint].split("/"):
            self.path.extend(str(next(given)).split("/") if segment == "%s" else [segment])
        self.fields: List[Field] = []
        self.files: List[Tuple[str, str, Any]] = []

    def begin(self, server: _native.Http) -> _native.Pending:
        """Sends it."""
        return server.send(self.method, self.path, fields=self.fields, files=self.files)


def joined(url: str, endpoint: str, arguments: Sequence[str]) -> str:
    """The whole address of something, as texts of addresses are joined."""
    return posixpath.join(url, ENDPOINTS[endpoint] % tuple(arguments))


def server(address: str, proxy: Optional[str], times: Mapping[str, Optional[float]], agent: str) -> _native.Http:
    """A server at this address."""
    settings: Dict[str, Any] = {
        "name": "sandbox_api",
        "address": address,
        "proxy": proxy,
        "verify": True,
        "user_agent": agent,
        "headers": [],
        "secrets": [],
        **times,
    }
    return _native.Http(json.dumps(settings))


def elsewhere(url: str, headers: Headers) -> Optional[Tuple[str, List[str], List[Field]]]:
    """Where a redirect points to: address, path and query; nothing when that is no address."""
    if "location" not in headers:
        return None
    try:
        target = urllib.parse.urlsplit(urllib.parse.urljoin(url, headers["location"]))
        query = urllib.parse.parse_qsl(target.query, keep_blank_values=True)
    except ValueError:
        return None
    if target.scheme not in ("http", "https") or not target.netloc:
        return None
    path = [urllib.parse.unquote(segment) for segment in target.path.lstrip("/").split("/")]
    return f"{target.scheme}://{target.netloc}", path, query


_OF_REQUESTS = {"connect": "ConnectTimeout", "read": "ReadTimeout", None: "ConnectionError"}
_OF_AIOHTTP = {"connect": "ServerTimeoutError", "read": "ServerTimeoutError", None: "ClientConnectionError"}


def as_of_requests(error: Error) -> BaseException:
    """What ``requests`` would have raised, if the program has it, as there may be an ``except`` for it. It is a class of both."""
    return _as_of(error, sys.modules.get("requests.exceptions"), _OF_REQUESTS)


def as_of_aiohttp(error: Error) -> BaseException:
    """What ``aiohttp`` would have raised, if the program has it, as there may be an ``except`` for it. It is a class of both."""
    both = _as_of(error, sys.modules.get("aiohttp"), _OF_AIOHTTP)
    if isinstance(both, TimedOutError) and not isinstance(both, asyncio.TimeoutError):
        # They are two before Python 3.11.
        return _of_both(error, asyncio.TimeoutError)
    return both


def _as_of(error: Error, library: Any, names: Mapping[Optional[str], str]) -> BaseException:
    if not isinstance(error, (TimedOutError, TransportError)):
        return error
    other = getattr(library, names.get(getattr(error, "limit", None), ""), None)
    return error if other is None else _of_both(error, other)


def _of_both(error: Error, other: Type[BaseException]) -> BaseException:
    kind: Any = type(type(error).__name__, (type(error), other), {"__module__": __name__})
    # Its fields are set and no constructor is called, as each wants other arguments.
    both: BaseException = kind.__new__(kind)
    both.args = error.args
    both.__dict__.update({"request": None, "response": None, **error.__dict__})
    return both
