"""Sandboxes: for threads, and for coroutines."""

from __future__ import annotations

import asyncio
import contextlib
import datetime
import json
import os
from types import TracebackType
from typing import Any, Callable, ClassVar, FrozenSet, List, Mapping, Optional, Sequence, Type, TypeVar, Union

from . import _native
from ._sample import Sample, spooled
from ._types import Availability, Queue, Report, Status, Submission, Verdict
from ._wait import arrived

Time = Union[float, datetime.timedelta]
"""Seconds, or a ``timedelta``."""
Secret = Union[str, Mapping[str, Any]]
"""A secret, or where it is: ``{"env": "VARIABLE"}``, ``{"file": "PATH"}``, ``{"command": ["PROGRAM", "ARGUMENT"]}``."""
OfSandbox = TypeVar("OfSandbox", bound="_Opened")

WAIT = 1800.0
"""Seconds that an analysis is waited for, if nobody says otherwise."""
ARTIFACT = 16 << 30
"""Bytes of an artifact that are written to a file, if nobody says otherwise."""
IN_MEMORY = 256 << 20
"""Bytes of an artifact that are read into memory, if nobody says otherwise."""


def seconds(time: Time) -> float:
    """A time in seconds."""
    return time.total_seconds() if isinstance(time, datetime.timedelta) else float(time)


def _plain(value: Any) -> Any:
    """What JSON has no word for, as settings may have it."""
    if isinstance(value, datetime.timedelta):
        return value.total_seconds()
    if isinstance(value, os.PathLike):
        return os.fsdecode(value)
    raise TypeError(f"a setting cannot be of type {type(value).__name__}")


def _name_of(submission: Union[Submission, str]) -> str:
    if isinstance(submission, Submission):
        return submission.to_json()
    if isinstance(submission, str):
        return Submission(submission).to_json()
    raise TypeError(f"a submission is a Submission or its id as text, not {type(submission).__name__}")


def _wishes(
    analysis_time: Optional[Time],
    archive_password: Optional[str],
    environment: Optional[str],
    options: Optional[Mapping[str, Any]],
    public: bool,
) -> str:
    # A flag is written as JSON has it, which is what configuration files do.
    text = {name: value if isinstance(value, str) else json.dumps(value) for name, value in (options or {}).items()}
    return json.dumps(
        {
            "analysis_time": None if analysis_time is None else seconds(analysis_time),
            "archive_password": archive_password,
            "environment": environment,
            "vendor": text,
            "public": public,
        }
    )


class _Opened:
    """What sandboxes for threads and for coroutines have in common."""

    _product: ClassVar[Optional[str]] = None
    _native: _native.Sandbox

    def __init__(
        self,
        vendor: str,
        address: Optional[str] = None,
        *,
        name: Optional[str] = None,
        key: Optional[Secret] = None,
        public: bool = False,
        connect_timeout: Optional[Time] = None,
        read_timeout: Optional[Time] = None,
        total_timeout: Optional[Time] = None,
        tries: Optional[int] = None,
        concurrency: Optional[int] = None,
        per_minute: Optional[int] = None,
        proxy: Optional[Secret] = None,
        authorities: Optional[Sequence[Union[str, os.PathLike[str]]]] = None,
        verify: Optional[bool] = None,
        max_answer: Optional[int] = None,
        user_agent: Optional[str] = None,
        **settings: Any,
    ) -> None:
        """Opens a sandbox. Nothing is sent.

        :param vendor: Whose product it is: one of :func:`belljar.vendors`.
        :param address: Where it is. Vendors with a cloud have a default.
        :param name: Its name in errors; the vendor's by default.
        :param key: The key, or where it is.
        :param public: Samples may be sent to a cloud of the vendor.
        :param connect_timeout: Time for a connection. 10 s by default.
        :param read_timeout: Time without a byte from the server. 60 s by default.
        :param total_timeout: Time of a whole call. None by default, because samples are of any size.
        :param tries: Tries of a request that may be sent again. 3 by default.
        :param concurrency: Requests at once. 8 by default.
        :param per_minute: Requests in a minute. No limit by default.
        :param proxy: A proxy: ``http://``, ``https://`` or ``socks5h://``. Variables of the environment are not looked at.
        :param authorities: Files with certificates (PEM) that are trusted besides the system's.
        :param verify: Whether the server's certificate is checked. True by default.
        :param max_answer: Bytes of an answer that is read whole. 256 MiB by default.
        :param user_agent: The user agent.
        :param settings: What else the vendor wants to know: see :func:`belljar.vendors`. ``analysis_time``, ``environment`` and
            ``options`` here are the defaults of each submission.
        """
        given = {
            "vendor": vendor,
            "address": address,
            "key": key,
            "public": public,
            "connect_timeout": connect_timeout,
            "read_timeout": read_timeout,
            "total_timeout": total_timeout,
            "tries": tries,
            "concurrency": concurrency,
            "per_minute": per_minute,
            "proxy": proxy,
            "authorities": authorities,
            "verify": verify,
            "max_answer": max_answer,
            "user_agent": user_agent,
            **settings,
        }
        text = json.dumps({key: value for key, value in given.items() if value is not None}, default=_plain)
        self._native = _native.open(name or vendor, text).result()

    @classmethod
    def from_config(cls: Type[OfSandbox], path: Union[str, os.PathLike[str]], name: str) -> OfSandbox:
        """Opens the sandbox of this name in a configuration file, the same that the command ``belljar submit`` reads. Nothing is sent."""
        with open(path, encoding="utf-8") as file:
            opened = _native.open_configured(file.read(), name).result()
        if cls._product not in (None, opened.vendor):
            raise ValueError(f"'{name}' is of the vendor {opened.vendor}, not {cls._product}")
        made = cls.__new__(cls)
        made._native = opened
        return made

    @property
    def name(self) -> str:
        """Its name in errors."""
        return self._native.name

    @property
    def vendor(self) -> str:
        """Whose product it is."""
        return self._native.vendor

    @property
    def address(self) -> str:
        """Where it is, without a password that may be in it."""
        return self._native.address

    @property
    def capabilities(self) -> FrozenSet[str]:
        """What it can do besides taking files and reporting about them: ``submit_url``, ``look_up``, ``delete``, ``queue``, ``artifact:KIND``."""
        return frozenset(self._native.capabilities)

    @property
    def warnings(self) -> List[str]:
        """What is questionable about its settings, for people: a key in the code, a server whose certificate is not checked."""
        return self._native.warnings

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name} ({self.vendor}) at {self.address}>"


def _report(made: Any) -> Report:
    common, raw = made
    return Report(common, raw)


def _submission(text: str) -> Submission:
    return Submission.from_json(text)


class Download:
    """An artifact on its way: its bytes are fetched as they are asked for, once.

    It is an iterator over pieces of bytes, :meth:`read` gives all of them, :meth:`save` writes them to a file.
    """

    name: Optional[str]
    """The name that the vendor gives it, without directories."""
    content_type: Optional[str]
    """Its type."""
    length: Optional[int]
    """Its length, if it is told."""
    password: Optional[str]
    """The password, where it is an archive that the vendor protects."""

    def __init__(self, native: _native.Download) -> None:
        self._native = native
        self.name, self.content_type = native.name, native.content_type
        self.length, self.password = native.length, native.password

    def __iter__(self) -> Download:
        return self

    def __next__(self) -> bytes:
        piece: Optional[bytes] = self._native.next().result()
        if piece is None:
            raise StopIteration
        return piece

    def read(self, limit: int = IN_MEMORY) -> bytes:
        """All bytes that are still to come. ``TooLargeError`` when they are more than ``limit``, 256 MiB by default."""
        whole: bytes = self._native.read(limit).result()
        return whole

    def save(self, path: Union[str, os.PathLike[str]], limit: int = ARTIFACT) -> int:
        """Writes the bytes that are still to come to a file, which is there whole or not at all; their number.

        ``TooLargeError`` when they are more than ``limit``, 16 GiB by default.
        """
        length: int = self._native.save(os.fspath(path), limit).result()
        return length


class AsyncDownload:
    """An artifact on its way: its bytes are fetched as they are asked for, once.

    It is an asynchronous iterator over pieces of bytes, :meth:`read` gives all of them, :meth:`save` writes them to a file.
    """

    name: Optional[str]
    """The name that the vendor gives it, without directories."""
    content_type: Optional[str]
    """Its type."""
    length: Optional[int]
    """Its length, if it is told."""
    password: Optional[str]
    """The password, where it is an archive that the vendor protects."""

    def __init__(self, native: _native.Download) -> None:
        self._native = native
        self.name, self.content_type = native.name, native.content_type
        self.length, self.password = native.length, native.password

    def __aiter__(self) -> AsyncDownload:
        return self

    async def __anext__(self) -> bytes:
        piece: Optional[bytes] = await arrived(self._native.next())
        if piece is None:
            raise StopAsyncIteration
        return piece

    async def read(self, limit: int = IN_MEMORY) -> bytes:
        """All bytes that are still to come. ``TooLargeError`` when they are more than ``limit``, 256 MiB by default."""
        whole: bytes = await arrived(self._native.read(limit))
        return whole

    async def save(self, path: Union[str, os.PathLike[str]], limit: int = ARTIFACT) -> int:
        """Writes the bytes that are still to come to a file, which is there whole or not at all; their number.

        ``TooLargeError`` when they are more than ``limit``, 16 GiB by default.
        """
        length: int = await arrived(self._native.save(os.fspath(path), limit))
        return length


class Sandbox(_Opened):
    """A sandbox of any vendor, for threads: each call blocks until the answer is there.

    While a call waits, other threads run; Ctrl-C ends it. It may be used by several threads at once. A child process that was forked
    opens connections of its own.
    """

    def close(self) -> None:
        """Gives back what the vendor counts while it is open: a session. A later call opens a new one."""
        self._native.close().result()

    def __enter__(self: OfSandbox) -> OfSandbox:
        return self

    def __exit__(
        self,
        kind: Optional[Type[BaseException]],
        error: Optional[BaseException],
        trace: Optional[TracebackType],
    ) -> None:
        self.close()

    def available(self) -> Availability:
        """Whether it is there and the key is right: anything else is an exception."""
        return Availability._of(json.loads(self._native.available().result()))

    def submit(
        self,
        sample: Sample,
        *,
        name: Optional[str] = None,
        analysis_time: Optional[Time] = None,
        archive_password: Optional[str] = None,
        environment: Optional[str] = None,
        options: Optional[Mapping[str, Any]] = None,
        public: bool = False,
    ) -> Submission:
        """Submits a file. It is sent once, and again only when it cannot have arrived.

        :param sample: A path, bytes, or a file object, which is read from where it stands to its end. Nothing is an error, no empty sample.
        :param name: The name that the vendor sees; the file's own by default, ``sample`` for bytes.
        :param analysis_time: Time of the analysis itself.
        :param archive_password: Password of an archive.
        :param environment: The machine, profile or environment, in the vendor's words.
        :param options: The vendor's own options, sent as they are.
        :param public: It may be sent to a cloud of the vendor.
        """
        wishes = _wishes(analysis_time, archive_password, environment, options, public)
        with spooled(sample, name) as (kept, called):
            return _submission(self._native.submit(kept, called, wishes).result())

    def submit_url(
        self,
        address: str,
        *,
        analysis_time: Optional[Time] = None,
        environment: Optional[str] = None,
        options: Optional[Mapping[str, Any]] = None,
        public: bool = False,
    ) -> Submission:
        """Submits an address, which the sandbox opens in a browser. Arguments as of :meth:`submit`."""
        wishes = _wishes(analysis_time, None, environment, options, public)
        return _submission(self._native.submit_url(address, wishes).result())

    def look_up(self, hash: str) -> Optional[Submission]:
        """Looks for an analysis of this MD5, SHA-1 or SHA-256 that is there already; the newest finished one."""
        found = json.loads(self._native.look_up(hash).result())
        return Submission(**found) if found else None

    def status(self, submission: Union[Submission, str]) -> Status:
        """How far it is."""
        return Status._of(json.loads(self._native.status(_name_of(submission)).result()))

    def wait(
        self,
        submission: Union[Submission, str],
        timeout: Time = WAIT,
        *,
        first: Time = 2.0,
        longest: Time = 30.0,
        on_status: Optional[Callable[[Status], Any]] = None,
    ) -> None:
        """Waits until the report is there.

        ``AnalysisFailedError`` when it failed, ``TimedOutError`` when the time has passed.

        :param timeout: For the end, at most. 30 minutes by default.
        :param first: Before the second question.
        :param longest: Between two questions, at most; each pause is half as long again as the one before.
        :param on_status: Called with each new status, in this thread.
        """

        def hear(text: str) -> None:
            if on_status is not None:
                on_status(Status._of(json.loads(text)))

        self._native.wait(_name_of(submission), seconds(timeout), seconds(first), seconds(longest)).result(hear)

    def report(self, submission: Union[Submission, str]) -> Report:
        """The report of a finished analysis, with its verdict."""
        return _report(self._native.report(_name_of(submission)).result())

    def verdict(self, submission: Union[Submission, str]) -> Verdict:
        """The verdict of a finished analysis."""
        return self.report(submission).verdict

    def artifact(self, submission: Union[Submission, str], kind: str, name: Optional[str] = None) -> Download:
        """An artifact of a finished analysis.

        :param kind: ``pdf``, ``html``, ``xml``, ``json``, ``pcap``, ``dropped``, ``screenshots``, ``memory``, ``sample``, ``all`` or ``other``.
        :param name: Which of several, in the vendor's words.
        """
        return Download(self._native.artifact(_name_of(submission), kind, name).result())

    def delete(self, submission: Union[Submission, str]) -> None:
        """Deletes it, and what it left."""
        self._native.delete(_name_of(submission)).result()

    def queue(self) -> Queue:
        """How much there is to do."""
        return Queue(**json.loads(self._native.queue().result()))


class AsyncSandbox(_Opened):
    """A sandbox of any vendor, for coroutines of asyncio. A call that is cancelled is ended.

    It may be used in several event loops, one after another or at once.
    """

    async def close(self) -> None:
        """Gives back what the vendor counts while it is open: a session. A later call opens a new one."""
        await arrived(self._native.close())

    async def __aenter__(self: OfSandbox) -> OfSandbox:
        return self

    async def __aexit__(
        self,
        kind: Optional[Type[BaseException]],
        error: Optional[BaseException],
        trace: Optional[TracebackType],
    ) -> None:
        await self.close()

    async def available(self) -> Availability:
        """Whether it is there and the key is right: anything else is an exception."""
        return Availability._of(json.loads(await arrived(self._native.available())))

    async def submit(
        self,
        sample: Sample,
        *,
        name: Optional[str] = None,
        analysis_time: Optional[Time] = None,
        archive_password: Optional[str] = None,
        environment: Optional[str] = None,
        options: Optional[Mapping[str, Any]] = None,
        public: bool = False,
    ) -> Submission:
        """Submits a file: see :meth:`Sandbox.submit`. A file object is read in a thread."""
        wishes = _wishes(analysis_time, archive_password, environment, options, public)
        with contextlib.ExitStack() as stack:
            kept, called = await asyncio.to_thread(stack.enter_context, spooled(sample, name))
            return _submission(await arrived(self._native.submit(kept, called, wishes)))

    async def submit_url(
        self,
        address: str,
        *,
        analysis_time: Optional[Time] = None,
        environment: Optional[str] = None,
        options: Optional[Mapping[str, Any]] = None,
        public: bool = False,
    ) -> Submission:
        """Submits an address, which the sandbox opens in a browser. Arguments as of :meth:`Sandbox.submit`."""
        wishes = _wishes(analysis_time, None, environment, options, public)
        return _submission(await arrived(self._native.submit_url(address, wishes)))

    async def look_up(self, hash: str) -> Optional[Submission]:
        """Looks for an analysis of this MD5, SHA-1 or SHA-256 that is there already; the newest finished one."""
        found = json.loads(await arrived(self._native.look_up(hash)))
        return Submission(**found) if found else None

    async def status(self, submission: Union[Submission, str]) -> Status:
        """How far it is."""
        return Status._of(json.loads(await arrived(self._native.status(_name_of(submission)))))

    async def wait(
        self,
        submission: Union[Submission, str],
        timeout: Time = WAIT,
        *,
        first: Time = 2.0,
        longest: Time = 30.0,
        on_status: Optional[Callable[[Status], Any]] = None,
    ) -> None:
        """Waits until the report is there: see :meth:`Sandbox.wait`. ``on_status`` is called in the event loop."""

        def hear(text: str) -> None:
            if on_status is not None:
                on_status(Status._of(json.loads(text)))

        await arrived(
            self._native.wait(_name_of(submission), seconds(timeout), seconds(first), seconds(longest)), hear
        )

    async def report(self, submission: Union[Submission, str]) -> Report:
        """The report of a finished analysis, with its verdict."""
        return _report(await arrived(self._native.report(_name_of(submission))))

    async def verdict(self, submission: Union[Submission, str]) -> Verdict:
        """The verdict of a finished analysis."""
        return (await self.report(submission)).verdict

    async def artifact(self, submission: Union[Submission, str], kind: str, name: Optional[str] = None) -> AsyncDownload:
        """An artifact of a finished analysis: see :meth:`Sandbox.artifact`."""
        return AsyncDownload(await arrived(self._native.artifact(_name_of(submission), kind, name)))

    async def delete(self, submission: Union[Submission, str]) -> None:
        """Deletes it, and what it left."""
        await arrived(self._native.delete(_name_of(submission)))

    async def queue(self) -> Queue:
        """How much there is to do."""
        return Queue(**json.loads(await arrived(self._native.queue())))
