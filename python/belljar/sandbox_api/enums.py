"""Numbers of the protocol."""

from enum import IntEnum, unique


@unique
class SandboxErrCode(IntEnum):
    """Why there is no exit code: values of ``status`` and ``exit_code`` below zero."""

    UNKNOWN = -1
    """The command could not be run, or what it wrote is no UTF-8."""
    TIMEOUT = -2
    """The command was out of time."""
    RESULT_NOT_FOUND = -3
    """There is no file at ``result_path``."""
    RESULT_NOT_UTF8 = -4
    """The file at ``result_path`` is no UTF-8."""
