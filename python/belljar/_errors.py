"""What can go wrong: which sandbox, at which step, whose fault, and whether trying again makes sense."""

from __future__ import annotations

import builtins
from typing import Any, Dict, Optional, Tuple, Type


class Error(Exception):
    """Base of all errors of sandboxes.

    Wrong arguments of a call are ``ValueError`` and ``TypeError``, as everywhere.
    """

    sandbox: str
    """The sandbox's name."""
    vendor: str
    """Whose product it is: ``"cuckoo"``, for example."""
    step: str
    """What was being done: ``"submit"``, ``"status"``, ``"report"`` and so on, by the names of the methods."""
    fault: str
    """Whose fault it is: ``"caller"``, ``"network"`` or ``"sandbox"``."""
    retryable: bool
    """Whether the same call may succeed later. Of a submission it says nothing about whether it has already happened."""
    retry_after: Optional[float]
    """When to come again, in seconds, if the sandbox says so."""

    def __init__(
        self,
        message: str,
        *,
        sandbox: str = "",
        vendor: str = "",
        step: str = "",
        fault: str = "caller",
        retryable: bool = False,
        retry_after: Optional[float] = None,
        **more: Any,
    ) -> None:
        super().__init__(message)
        self.sandbox = sandbox
        self.vendor = vendor
        self.step = step
        self.fault = fault
        self.retryable = retryable
        self.retry_after = retry_after
        self.__dict__.update(more)

    def __reduce__(self) -> Any:
        # Fields are given by name, which pickle does not do by itself.
        return _again, (type(self), self.args, self.__dict__)


def _again(kind: Type[Error], arguments: Tuple[Any, ...], fields: Dict[str, Any]) -> Error:
    error = kind(*arguments)
    error.__dict__.update(fields)
    return error


class ConfigError(Error, ValueError):
    """Settings that are wrong, a name that no sandbox has, a key that cannot be had. The text names every setting that is wrong."""


class PublicError(ConfigError):
    """The sandbox is in a cloud of its vendor, and nobody has said (``public=True``) that samples may be sent there."""


class UnsupportedError(Error):
    """The vendor offers no such thing. Known before any request is sent."""


class InvalidError(Error, ValueError):
    """What was asked makes no sense."""


class SampleError(Error, OSError):
    """The sample cannot be read, or is empty."""


class TransportError(Error, ConnectionError):
    """No connection, or it broke."""

    sent: bool = True
    """Whether the request, or a part of it, had been sent: it may have arrived."""


class TimedOutError(Error, builtins.TimeoutError):
    """A time limit has passed; the text names it."""

    limit: str = ""
    """Its name: ``connect``, ``read``, ``total``, or that of a wait."""


class UnauthenticatedError(Error):
    """The key is missing, wrong or revoked."""


class ForbiddenError(Error):
    """The key is right and may not do this."""


class NotFoundError(Error, LookupError):
    """There is no such sample, task or artifact."""


class NotReadyError(Error):
    """It is there and not finished."""


class QuotaError(Error):
    """Too many requests, or the quota is used up."""


class RefusedError(Error):
    """The vendor does not take this sample."""


class DuplicateError(Error):
    """The vendor has this sample already and was asked to take it only once."""


class AnalysisFailedError(Error):
    """The analysis failed: it ends any wait."""


class StatusError(Error):
    """Any other status of HTTP."""

    status: int = 0
    """The status code."""


class HttpError(StatusError):
    """A status of an execution server, with the answer that it came in."""

    url: str = ""
    """What was asked for, without credentials."""
    headers: Tuple[Tuple[str, str], ...] = ()
    """The answer's headers, their names in lower case."""
    body: bytes = b""
    """The beginning of the answer's body, 64 KiB at most."""


class MalformedError(Error):
    """The answer is not what the vendor documents; the text says where."""


class TooLargeError(Error):
    """More than the limit of what is taken."""


class SinkError(Error, OSError):
    """Where it was to be written, it could not be."""
