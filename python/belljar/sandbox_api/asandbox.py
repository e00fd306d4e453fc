"""The client for coroutines."""

from __future__ import annotations

import asyncio
import contextlib
import io
import json
from typing import Any, BinaryIO, Dict, List, Optional, Tuple

from .. import _native
from .._errors import Error
from .._wait import arrived
from . import _http
from ._http import AsyncAnswer, Headers, Request
from .exceptions import status_exceptions
from .sandbox import _AGENT, MAX_DOWNLOAD, _about, archive, posix_url, size


class ASandbox(contextlib.AbstractAsyncContextManager):  # type: ignore[type-arg]
    """A server that executes. To be closed, or used as a context manager."""

    def __init__(
        self,
        url: str,
        total: Optional[float] = 60,
        connect: Optional[float] = None,
        sock_connect: Optional[float] = None,
        sock_read: Optional[float] = None,
    ) -> None:
        """For a server. It needs no running event loop. Times are in seconds; None, or 0, is no limit.

        :param url: Its address, with or without a slash at its end.
        :param total: Time of a whole call.
        :param connect: Time for a connection.
        :param sock_connect: Time for a connection.
        :param sock_read: Time without a byte from the server.
        """
        self.url = url
        self.closed = False
        times = [time for time in (connect, sock_connect) if time]
        self._total = total or None
        self._times: Dict[str, Optional[float]] = {
            "connect_timeout": min(times, default=None),
            "read_timeout": sock_read or None,
            # Of the whole it is known here.
            "total_timeout": None,
        }
        self._servers: Dict[str, _native.Http] = {}

    async def __aexit__(self, exc_type: Any, exc_val: Any, exc_tb: Any) -> None:
        await self.close()

    async def close(self) -> None:
        """Closes its connections. It cannot be used any more."""
        self.closed = True
        self._servers.clear()

    async def _build_url(self, endpoint: str, *args: str) -> str:
        return _http.joined(self.url, endpoint, args)

    def _server(self, address: str) -> _native.Http:
        if self.closed:
            raise RuntimeError("Session is closed")
        if address not in self._servers:
            if len(self._servers) >= 16:
                self._servers.clear()
            self._servers[address] = _http.server(address, None, self._times, _AGENT)
        return self._servers[address]

    async def _ask(self, request: Request, limit: int) -> AsyncAnswer:
        # Over all of it, redirects and a long body included.
        return await asyncio.wait_for(self._asked(request, limit), self._total)

    async def _asked(self, request: Request, limit: int) -> AsyncAnswer:
        url = posix_url(self.url, request.path)
        try:
            status, headers, download = await arrived(request.begin(self._server(self.url)))
            for _ in range(_http.MAX_REDIRECTS):
                target = _http.elsewhere(url, Headers(headers)) if status in _http.REDIRECTS else None
                if request.method != "GET" or target is None:
                    break
                address, path, query = target
                url = posix_url(address, path)
                status, headers, download = await arrived(self._server(address).send("GET", path, query=query))
            if request.method == "HEAD":
                content = b""
            elif status == 200:
                content = await arrived(download.read(limit))
            else:
                content = await _beginning(download)
        except Error as error:
            raise _http.as_of_aiohttp(error) from None
        return AsyncAnswer(url, status, Headers(headers), content)

    async def _json(self, request: Request) -> Dict[str, Any]:
        answer = await self._ask(request, _http.MAX_JSON)
        if answer.status != 200:
            raise status_exceptions(answer)
        found: Dict[str, Any] = await answer.json()
        return found

    async def libraries(self) -> Dict[str, Any]:
        """What is installed in the server's sandboxes."""
        return await self._json(Request("GET", "libraries"))

    async def specifications(self) -> Dict[str, Any]:
        """What the server and its sandboxes are."""
        return await self._json(Request("GET", "specifications"))

    async def usage(self) -> Dict[str, Any]:
        """How busy the server is."""
        return await self._json(Request("GET", "usages"))

    async def download(self, uuid: str, path: Optional[str] = None) -> BinaryIO:
        """A saved environment, or a file in one."""
        answer = await self._ask(_about("GET", uuid, path), MAX_DOWNLOAD)
        if answer.status != 200:
            raise status_exceptions(answer)
        return io.BytesIO(await answer.read())

    async def check(self, uuid: str, path: Optional[str] = None) -> int:
        """The size of a saved environment, or of a file in one; 0 where there is none."""
        answer = await self._ask(_about("HEAD", uuid, path), 0)
        return size(answer.status, answer)

    async def execute(self, config: Dict[str, Any], environ: Optional[BinaryIO] = None) -> Dict[str, Any]:
        """Executes commands.

        :param config: What to execute, as the protocol has it.
        :param environ: A gzip-compressed tar of the directory to execute it in, opened for reading bytes. It is read to its end, in a thread,
            and closed.
        """
        request = Request("POST", "execute")
        request.fields.append(("config", json.dumps(config)))
        with contextlib.ExitStack() as stack:
            if environ is not None:
                if hasattr(environ, "close"):
                    stack.callback(environ.close)
                request.files.append(
                    ("environment", *await asyncio.to_thread(stack.enter_context, archive(environ)))
                )
            return await self._json(request)

    async def _form(self, endpoint: str, fields: List[Tuple[str, str]]) -> Dict[str, Any]:
        request = Request("POST", endpoint)
        request.fields.extend(fields)
        return await self._json(request)

    async def load(self, environ: Dict[str, Any]) -> Dict[str, Any]:
        """Loads an exercise, on servers that do: it is not in the protocol's third version."""
        return await self._form("load/fr", [("data", json.dumps(environ))])

    async def demo(self, environ: Dict[str, Any]) -> Dict[str, Any]:
        """Loads an exercise for a demonstration, on servers that do."""
        return await self._form("demo", [("data", json.dumps(environ)), ("demo", "true")])

    async def playexo(self, config: Dict[str, Any], environ: Dict[str, Any]) -> Dict[str, Any]:
        """Plays an exercise, on servers that do."""
        return await self._form("exo", [("data", json.dumps(environ)), ("config", json.dumps(config))])

    async def exec(self, datas: Dict[str, Any] = {}) -> Dict[str, Any]:  # noqa: B006
        """Executes what an exercise needs, on servers that do."""
        fields = [("data", json.dumps(datas))]
        fields.extend((str(key), value if isinstance(value, str) else json.dumps(value)) for key, value in datas.items())
        return await self._form("exec", fields)


async def _beginning(download: _native.Download) -> bytes:
    held = b""
    while len(held) < _http.MAX_ERROR:
        piece: Optional[bytes] = await arrived(download.next())
        if piece is None:
            break
        held += piece
    return held[: _http.MAX_ERROR]
