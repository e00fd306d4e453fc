"""What all sandboxes of this interface have in common."""

from __future__ import annotations

import base64
import contextlib
import json
import random
import time
import urllib.parse
from typing import IO, Any, Dict, List, Mapping, NoReturn, Optional, Tuple, Union

from .. import _native
from .._errors import Error, TimedOutError, TransportError
from .._sample import spooled
from ..sandbox_api._http import Answer as Answer
from ..sandbox_api._http import Headers

TRIES = 3
"""Tries of a request whose connection fails."""
CONNECT_TIMEOUT = 10.0
"""Seconds for a connection."""
READ_TIMEOUT = 60.0
"""Seconds without a byte of an answer. The original has no limit, and waits for ever."""
MAX_ANSWER = 1 << 30
"""Bytes of an answer, at most."""

Upload = Union[bytes, str, IO[bytes], Tuple[str, Union[bytes, str, IO[bytes]]]]
"""Bytes, the path of a file, or a file object; with the name that it is sent under, where that is another."""


class SandboxError(Exception):
    """Any failure of a sandbox. Its text holds no key. The cause, where there is one, is a :class:`belljar.Error`."""


class SandboxAPI:
    """A sandbox: the part that all vendors share."""

    api_url: Optional[str] = None
    """What all addresses begin with."""
    connect_timeout: Optional[float] = CONNECT_TIMEOUT
    """Seconds for a connection; None for no limit."""
    read_timeout: Optional[float] = READ_TIMEOUT
    """Seconds without a byte of an answer; None for no limit."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """:param proxies: Proxies by the schemes of addresses, as ``requests`` has them."""
        self.api_url = None
        self.server_available = False
        self.verify_ssl = True
        self.proxies: Optional[Mapping[str, str]] = kwargs.get("proxies")
        self._servers: Dict[str, _native.Http] = {}

    # Secrets that requests of this sandbox hold, so that no error does.
    def _secrets(self) -> List[str]:
        return []

    # Sent with each request: keys, most often.
    def _headers(self) -> Dict[str, str]:
        return {}

    def _request(
        self,
        uri: str,
        method: str = "GET",
        params: Optional[Mapping[str, Any]] = None,
        files: Optional[Mapping[str, Upload]] = None,
        headers: Optional[Mapping[str, str]] = None,
        auth: Optional[Tuple[str, str]] = None,
    ) -> Answer:
        """Sends a request to ``api_url + uri``: ``POST`` with a form, anything else as ``GET`` with a query.

        It is tried three times when the connection fails; an upload again only when it cannot have arrived. ``SandboxError`` after that, and for
        a status of 500 or more.
        """
        answer = self._answered(uri, method, params, files, headers, auth)
        if answer.status_code >= 500:
            self.server_available = False
            raise SandboxError(f"server returned {answer.status_code} status code on {answer.url}, assuming unavailable...")
        return answer

    def _answered(
        self,
        uri: str,
        method: str = "GET",
        params: Optional[Mapping[str, Any]] = None,
        files: Optional[Mapping[str, Upload]] = None,
        headers: Optional[Mapping[str, str]] = None,
        auth: Optional[Tuple[str, str]] = None,
    ) -> Answer:
        """The same, whatever the status; only redirects are an error."""
        address = f"{self.api_url}{uri}"
        origin, path, query, basic = _parts(address)
        shown = origin + "/" + "/".join(path)
        sent: List[Tuple[str, str]] = list({**(headers or {}), **self._headers()}.items())
        login = auth or basic
        if login:
            sent.append(("Authorization", "Basic " + base64.b64encode(":".join(login).encode()).decode()))
        fields = [(name, str(value)) for name, value in (params or {}).items() if value is not None]
        post = method.upper() == "POST"
        with contextlib.ExitStack() as stack:
            uploads = [_upload(stack, name, given) for name, given in (files or {}).items()] if post else []
            for left in reversed(range(TRIES)):
                try:
                    server = self._server(origin, list(login or ()))
                    pending = server.send(
                        "POST" if post else "GET",
                        path,
                        query=query if post else query + fields,
                        headers=sent,
                        fields=fields if post else [],
                        files=uploads,
                    )
                    status, found, body = pending.result()
                    answer = Answer(shown, status, Headers(found), body.read(MAX_ANSWER).result())
                    break
                except (TransportError, TimedOutError) as error:
                    arrived = getattr(error, "limit", None) != "connect" and getattr(error, "sent", True)
                    if left == 0 or (uploads and arrived):
                        self.server_available = False
                        raise SandboxError(f"exceeded {TRIES - left} attempts with sandbox API: {shown}: {error}") from error
                    time.sleep(random.uniform(0, 4.0 ** (TRIES - 1 - left) * 0.1))
                except Error as error:
                    raise SandboxError(str(error)) from error
        if 300 <= answer.status_code < 400:
            # A redirected sample is a sample for somebody else.
            raise SandboxError(f"{shown} redirects to another address, which is not followed: use that one, if it is right")
        return answer

    def _server(self, origin: str, login: List[str]) -> _native.Http:
        scheme = origin.split(":", 1)[0]
        proxy = (self.proxies or {}).get(scheme) or (self.proxies or {}).get("all")
        settings = {
            "name": type(self).__name__,
            "address": origin,
            "connect_timeout": self.connect_timeout,
            "read_timeout": self.read_timeout,
            "total_timeout": None,
            "proxy": proxy,
            "verify": bool(self.verify_ssl),
            "user_agent": "belljar-sandboxapi",
            "headers": [],
            "secrets": [secret for secret in self._secrets() + login if secret],
        }
        text = json.dumps(settings, sort_keys=True)
        if text not in self._servers:
            # What was changed since is used, what was made for it before is not.
            self._servers = {text: _native.Http(text)}
        return self._servers[text]

    def _raised(self, problem: str, cause: Optional[BaseException] = None) -> NoReturn:
        for secret in filter(None, self._secrets()):
            problem = problem.replace(secret, "[hidden]")
        raise SandboxError(problem) from cause

    def _json(self, answer: Answer, doing: str) -> Any:
        """The answer's JSON; an error where it is something else."""
        try:
            return answer.json()
        except (ValueError, RecursionError) as error:
            self._raised(f"{doing}: the answer is no JSON: {answer.text[:200]!r}", error)

    def _taken(self, answer: Answer, doing: str, *path: Any) -> Any:
        """What is there in the answer's JSON; an error where it is not."""
        found = self._json(answer, doing)
        for step in path:
            try:
                found = found[step]
            except (KeyError, IndexError, TypeError) as error:
                self._raised(f"{doing}: the answer has no {step!r}: {answer.text[:200]!r}", error)
        return found

    def analyses(self) -> List[Dict[str, Any]]:
        """All analyses, where a sandbox tells."""
        raise NotImplementedError

    def analyze(self, handle: IO[bytes], filename: str) -> Any:
        """Submits a file; gives the id by which it is asked for. The handle is read from its beginning."""
        raise NotImplementedError

    def check(self, item_id: Any) -> bool:
        """Whether an analysis is finished."""
        raise NotImplementedError

    def delete(self, item_id: Any) -> bool:
        """Deletes an analysis; whether it did."""
        raise NotImplementedError

    def is_available(self) -> bool:
        """Whether the sandbox can be used."""
        raise NotImplementedError

    def queue_size(self) -> Any:
        """How many submissions wait."""
        raise NotImplementedError

    def report(self, item_id: Any, report_format: str = "json") -> Any:
        """The report of a finished analysis."""
        raise NotImplementedError

    def _is_available(self, uri: str, **more: Any) -> bool:
        """Asks, unless it was there before and has not failed since."""
        if not self.server_available:
            try:
                self.server_available = self._request(uri, **more).status_code == 200
            except SandboxError:
                self.server_available = False
        return self.server_available


def _parts(address: str) -> Tuple[str, List[str], List[Tuple[str, str]], Optional[Tuple[str, str]]]:
    """Scheme with host, segments of the path, query, and a login that was in it."""
    try:
        parts = urllib.parse.urlsplit(address)
        host = parts.netloc.rpartition("@")[2]
    except ValueError as error:
        raise SandboxError(f"the address is none: {error}") from error
    if parts.scheme not in ("http", "https") or not host:
        raise SandboxError("the address is none: it must begin with http:// or https:// and a host")
    login = None
    if parts.username is not None:
        login = (urllib.parse.unquote(parts.username), urllib.parse.unquote(parts.password or ""))
    path = [urllib.parse.unquote(segment) for segment in parts.path.lstrip("/").split("/")]
    return f"{parts.scheme}://{host}", path, urllib.parse.parse_qsl(parts.query, keep_blank_values=True), login


def _upload(stack: contextlib.ExitStack, name: str, given: Upload) -> Tuple[str, str, Union[bytes, str]]:
    """A file as it is sent: read once, and kept for a second try."""
    called, content = given if isinstance(given, tuple) else (None, given)
    kept, found = stack.enter_context(spooled(content, called))
    return name, found or "sample", kept


def rewound(handle: IO[bytes]) -> IO[bytes]:
    """The handle at its beginning, as the original has it."""
    if hasattr(handle, "seek"):
        handle.seek(0)
    return handle
