"""Exceptions: one class for each status."""

from __future__ import annotations

from typing import Any, Optional

from .._errors import Error

STATUSES = (
    *range(300, 306),
    *range(307, 309),
    *range(400, 419),
    *range(421, 427),
    *range(428, 430),
    431,
    451,
    *range(500, 509),
    *range(510, 512),
)
"""Statuses that have a class."""


def get_status_code(response: Any) -> int:
    """The status of a response: ``status_code`` as ``requests`` has it, or ``status`` as ``aiohttp`` does."""
    code = getattr(response, "status_code", None)
    return int(response.status if code is None else code)


class SandboxError(Error):
    """The server has answered with another status than 200."""

    response: Any
    """The answer."""
    message: Optional[str]
    """A remark, of who raised it."""

    def __init__(self, response: Any, message: Optional[str] = None) -> None:
        status = get_status_code(response)
        super().__init__(
            f"Sandbox responded with status {status}",
            vendor="premierlangage",
            step="execute",
            fault="sandbox" if status >= 500 else "caller",
            retryable=status in (429, 503),
            status=status,
        )
        self.args = (response,) if message is None else (response, message)
        self.response = response
        self.message = message

    def __str__(self) -> str:
        return f"Sandbox responded with status {get_status_code(self.response)}"


def status_exceptions(response: Any) -> SandboxError:
    """The exception for a response: of the class of its status, or a :class:`SandboxError` where that has none."""
    kind = globals().get(f"Sandbox{get_status_code(response)}", SandboxError)
    error: SandboxError = kind(response)
    return error


def _named(status: int) -> type:
    return type(
        f"Sandbox{status}",
        (SandboxError,),
        {"__doc__": f"The server has answered with status {status}.", "__module__": __name__},
    )


for _status in STATUSES:
    globals()[f"Sandbox{_status}"] = _named(_status)

__all__ = ["SandboxError", "get_status_code", "status_exceptions", *(f"Sandbox{status}" for status in STATUSES)]
