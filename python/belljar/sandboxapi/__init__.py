"""The interface of InQuest's ``sandboxapi``, release 1.8: change ``import sandboxapi`` to ``from belljar import sandboxapi`` and go on.

What it does better is said in docs/migrating-from-sandboxapi.md. New code has more of :class:`belljar.Sandbox`: verdicts on one scale, waiting
with a deadline, analyses that failed told apart from those that take long.
"""

from ._base import Answer, SandboxAPI, SandboxError

__all__ = [
    "Answer",
    "SandboxAPI",
    "SandboxError",
    "cuckoo",
    "falcon",
    "fireeye",
    "joe",
    "opswat",
    "triage",
    "vmray",
    "wildfire",
]
