"""PremierLangage's client ``sandbox_api``, on belljar's: change the import, and nothing else.

::

    from belljar.sandbox_api import Sandbox, SandboxErrCode

Names, arguments and what is returned are those of ``sandbox_api`` 1.1; neither ``requests`` nor ``aiohttp`` is needed. What is better is
in the manual, ``docs/python.md``.
"""

from . import exceptions
from .asandbox import ASandbox
from .enums import SandboxErrCode
from .exceptions import *  # noqa: F403
from .sandbox import Sandbox

VERSION = __version__ = "1.1.0"

__all__ = ["ASandbox", "Sandbox", "SandboxErrCode", "exceptions"]
__all__ += exceptions.__all__
