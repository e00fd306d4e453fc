"""One class for each vendor, and what each wants to know."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, List, Optional, Tuple

from . import _native
from ._sandbox import AsyncSandbox, Sandbox


@dataclass(frozen=True)
class Setting:
    """A setting of one vendor's sandboxes."""

    name: str
    """Its name, an argument of the constructor."""
    kind: str
    """``secret``, ``text``, ``flag`` or ``number``."""
    required: bool
    """Nothing goes without it."""
    about: str
    """What it means."""
    choices: Tuple[str, ...] = ()
    """One of these texts."""


@dataclass(frozen=True)
class Vendor:
    """A product that a sandbox may be."""

    name: str
    """As :class:`belljar.Sandbox` wants it."""
    title: str
    """As its vendor has it."""
    address: Optional[str]
    """Where it is, when nobody says otherwise."""
    settings: Tuple[Setting, ...]
    """What it wants to know besides what all do."""


def vendors() -> List[Vendor]:
    """All vendors."""
    return [
        Vendor(
            found["name"],
            found["title"],
            found["address"],
            tuple(
                Setting(one["name"], one["kind"], one["required"], one["about"], tuple(one["choices"]))
                for one in found["settings"]
            ),
        )
        for found in json.loads(_native.products())
    ]


class Cuckoo(Sandbox):
    """Cuckoo 1 or 2. Its key is what its ``api_token`` says, if it has one."""

    _product = "cuckoo"

    def __init__(self, address: str, **settings: Any) -> None:
        """Settings as of :class:`Sandbox`."""
        super().__init__("cuckoo", address, **settings)


class AsyncCuckoo(AsyncSandbox):
    """Cuckoo 1 or 2. Its key is what its ``api_token`` says, if it has one."""

    _product = "cuckoo"

    def __init__(self, address: str, **settings: Any) -> None:
        """Settings as of :class:`AsyncSandbox`."""
        super().__init__("cuckoo", address, **settings)
