"""The interface of the branch that was to become release 2.0 of InQuest's ``sandboxapi``: change ``from sandboxapi import`` to ``from
belljar.sandboxapi2 import`` and go on.

What it does better is said at each class and in docs/migrating-from-sandboxapi.md. The classes of 1.x (``CuckooAPI`` and so on) are those of
:mod:`belljar.sandboxapi`. New code has more of :class:`belljar.Sandbox`.
"""

from .base import Sandbox, SandboxAPI, SandboxError, generate_config_file
from .cuckoo import CuckooAPI, CuckooSandbox
from .falcon import FalconAPI, FalconSandbox
from .fireeye import FireEyeAPI, FireEyeSandbox
from .joe import JoeAPI, JoeSandbox
from .vmray import VMRayAPI, VMRaySandbox
from .wildfire import WildFireAPI, WildFireSandbox

__all__ = [
    "CuckooAPI",
    "CuckooSandbox",
    "FalconAPI",
    "FalconSandbox",
    "FireEyeAPI",
    "FireEyeSandbox",
    "JoeAPI",
    "JoeSandbox",
    "Sandbox",
    "SandboxAPI",
    "SandboxError",
    "VMRayAPI",
    "VMRaySandbox",
    "WildFireAPI",
    "WildFireSandbox",
    "generate_config_file",
]
