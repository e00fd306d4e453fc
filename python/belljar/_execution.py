"""Servers that execute: PremierLangage's, and ``belljar serve``."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Dict, Mapping, Optional, Sequence, Tuple, Type, TypeVar, Union

from . import _native
from ._sample import Sample, name_of, spooled
from ._sandbox import AsyncDownload, Download, Secret, Time, _plain
from ._wait import arrived

Command = Union[str, Mapping[str, Any]]
"""A line for ``bash -c``, with a hyphen before it when its failure is to be ignored; or ``{"command": …, "timeout": SECONDS}``."""
OfServer = TypeVar("OfServer", bound="_Server")


@dataclass(frozen=True)
class Executed:
    """What became of one command."""

    command: str
    """Its text."""
    exit_code: int
    """Its exit code; -1 when it could not be executed, -2 when it was out of time."""
    stdout: str
    """Its standard output, without white space around it."""
    stderr: str
    """Its standard error, likewise; or what the server says about it."""
    time: float
    """How long it took, in seconds."""


@dataclass(frozen=True)
class Outcome:
    """What became of an execution. That a command fails, or is out of time, is no exception."""

    status: int
    """0, or how the first command ended that failed; -3 when there is no result, -4 when it is no UTF-8."""
    commands: Tuple[Executed, ...]
    """The commands that were started, in order."""
    total_time: float
    """From the unpacking to the result, in seconds."""
    environment: Optional[str] = None
    """The id of the environment, where one was saved."""
    expire: Optional[str] = None
    """Until when it is kept, as the server writes it."""
    result: Optional[str] = None
    """The text of the file that was asked for."""

    @property
    def ok(self) -> bool:
        """Whether all went well."""
        return self.status == 0

    @classmethod
    def _of(cls, text: str) -> Outcome:
        fields = json.loads(text)
        return cls(
            fields["status"],
            tuple(
                Executed(one["command"], one["exit_code"], one.get("stdout", ""), one.get("stderr", ""), one["time"])
                for one in fields["execution"]
            ),
            fields["total_time"],
            fields.get("environment"),
            fields.get("expire"),
            fields.get("result"),
        )


def _config(
    commands: Union[Command, Sequence[Command]],
    environ: Optional[Mapping[str, str]],
    environment: Optional[str],
    result_path: Optional[str],
    save: bool,
) -> str:
    # One command alone is meant as such, and not as a list of letters.
    listed = [commands] if isinstance(commands, (str, Mapping)) else list(commands)
    config: Dict[str, Any] = {"commands": [one if isinstance(one, str) else dict(one) for one in listed]}
    given = {"environ": environ, "environment": environment, "result_path": result_path, "save": save or None}
    config.update({name: value for name, value in given.items() if value is not None})
    return json.dumps(config)


def _archive(archive: Optional[Sample]) -> Any:
    if archive is None:
        return contextlib.nullcontext((None, None))
    return spooled(archive, name_of(archive) or "environment" if hasattr(archive, "read") else None)


class _Server:
    _native: _native.Execution

    def __init__(
        self,
        address: str,
        *,
        name: Optional[str] = None,
        key: Optional[Secret] = None,
        connect_timeout: Optional[Time] = None,
        read_timeout: Optional[Time] = None,
        total_timeout: Optional[Time] = None,
        tries: Optional[int] = None,
        concurrency: Optional[int] = None,
        per_minute: Optional[int] = None,
        proxy: Optional[Secret] = None,
        authorities: Optional[Sequence[Union[str, os.PathLike[str]]]] = None,
        verify: Optional[bool] = None,
    ) -> None:
        """Opens a server. Nothing is sent. Arguments as of :class:`Sandbox`, but that a whole call has 60 s by default."""
        given = {
            "vendor": "premierlangage",
            "address": address,
            "key": key,
            "connect_timeout": connect_timeout,
            "read_timeout": read_timeout,
            "total_timeout": total_timeout,
            "tries": tries,
            "concurrency": concurrency,
            "per_minute": per_minute,
            "proxy": proxy,
            "authorities": authorities,
            "verify": verify,
        }
        text = json.dumps({key: value for key, value in given.items() if value is not None}, default=_plain)
        self._native = _native.open_execution(name or "premierlangage", text).result()

    @classmethod
    def from_config(cls: Type[OfServer], path: Union[str, os.PathLike[str]], name: str) -> OfServer:
        """Opens the server of this name in a configuration file. Nothing is sent."""
        with open(path, encoding="utf-8") as file:
            opened = _native.open_configured_execution(file.read(), name).result()
        made = cls.__new__(cls)
        made._native = opened
        return made

    @property
    def name(self) -> str:
        """Its name in errors."""
        return self._native.name

    @property
    def address(self) -> str:
        """Where it is, without a password that may be in it."""
        return self._native.address

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name} at {self.address}>"


def _length(text: str) -> Optional[int]:
    there, length = json.loads(text)
    return (length or 0) if there else None


class Execution(_Server):
    """A server that executes, for threads.

    An execution is sent again only where it cannot have begun. Any status but 200 is an :class:`HttpError`, with the answer in it.
    """

    def __enter__(self: OfServer) -> OfServer:
        return self

    def __exit__(
        self,
        kind: Optional[Type[BaseException]],
        error: Optional[BaseException],
        trace: Optional[TracebackType],
    ) -> None:
        return None

    def execute(
        self,
        commands: Union[Command, Sequence[Command]],
        *,
        archive: Optional[Sample] = None,
        environ: Optional[Mapping[str, str]] = None,
        environment: Optional[str] = None,
        result_path: Optional[str] = None,
        save: bool = False,
    ) -> Outcome:
        """Executes commands, one after the other until one fails.

        :param commands: The commands; or one.
        :param archive: A gzip-compressed tar of the directory to execute them in: a path, bytes, or a file object.
        :param environ: Environment variables.
        :param environment: A saved environment to start from. What the archive holds comes over it.
        :param result_path: A file that the commands write, whose text is the outcome's ``result``.
        :param save: Keep the directory as a new environment.
        """
        config = _config(commands, environ, environment, result_path, save)
        with _archive(archive) as (kept, name):
            return Outcome._of(self._native.execute(config, kept, name).result())

    def download(self, id: str, path: Optional[str] = None) -> Download:
        """A saved environment, a gzip-compressed tar; or a file in one."""
        return Download(self._native.download(id, path).result())

    def check(self, id: str, path: Optional[str] = None) -> Optional[int]:
        """The length of a saved environment, or of a file in one, 0 where it is not told; None where there is none."""
        return _length(self._native.check(id, path).result())

    def specifications(self) -> Any:
        """What the server and its sandboxes are."""
        return json.loads(self._native.fact("specifications").result())

    def usage(self) -> Any:
        """How busy the server is."""
        return json.loads(self._native.fact("usage").result())

    def libraries(self) -> Any:
        """What is installed in the server's sandboxes."""
        return json.loads(self._native.fact("libraries").result())


class AsyncExecution(_Server):
    """A server that executes, for coroutines: see :class:`Execution`."""

    async def __aenter__(self: OfServer) -> OfServer:
        return self

    async def __aexit__(
        self,
        kind: Optional[Type[BaseException]],
        error: Optional[BaseException],
        trace: Optional[TracebackType],
    ) -> None:
        return None

    async def execute(
        self,
        commands: Union[Command, Sequence[Command]],
        *,
        archive: Optional[Sample] = None,
        environ: Optional[Mapping[str, str]] = None,
        environment: Optional[str] = None,
        result_path: Optional[str] = None,
        save: bool = False,
    ) -> Outcome:
        """Executes commands: see :meth:`Execution.execute`."""
        config = _config(commands, environ, environment, result_path, save)
        with contextlib.ExitStack() as stack:
            kept, name = await asyncio.to_thread(stack.enter_context, _archive(archive))
            return Outcome._of(await arrived(self._native.execute(config, kept, name)))

    async def download(self, id: str, path: Optional[str] = None) -> AsyncDownload:
        """A saved environment, a gzip-compressed tar; or a file in one."""
        return AsyncDownload(await arrived(self._native.download(id, path)))

    async def check(self, id: str, path: Optional[str] = None) -> Optional[int]:
        """The length of a saved environment, or of a file in one, 0 where it is not told; None where there is none."""
        return _length(await arrived(self._native.check(id, path)))

    async def specifications(self) -> Any:
        """What the server and its sandboxes are."""
        return json.loads(await arrived(self._native.fact("specifications")))

    async def usage(self) -> Any:
        """How busy the server is."""
        return json.loads(await arrived(self._native.fact("usage")))

    async def libraries(self) -> Any:
        """What is installed in the server's sandboxes."""
        return json.loads(await arrived(self._native.fact("libraries")))
