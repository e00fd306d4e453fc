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
    """Cuckoo 1 or 2."""

    _product = "cuckoo"

    def __init__(self, address: str, **settings: Any) -> None:
        """Settings as of :class:`Sandbox`; what it wants to know besides, :func:`vendors` says."""
        super().__init__("cuckoo", address, **settings)


class AsyncCuckoo(AsyncSandbox):
    """Cuckoo 1 or 2."""

    _product = "cuckoo"

    def __init__(self, address: str, **settings: Any) -> None:
        """Settings as of :class:`AsyncSandbox`; what it wants to know besides, :func:`vendors` says."""
        super().__init__("cuckoo", address, **settings)


class Cuckoo3(Sandbox):
    """Cuckoo 3."""

    _product = "cuckoo3"

    def __init__(self, address: str, **settings: Any) -> None:
        """Settings as of :class:`Sandbox`; what it wants to know besides, :func:`vendors` says."""
        super().__init__("cuckoo3", address, **settings)


class AsyncCuckoo3(AsyncSandbox):
    """Cuckoo 3."""

    _product = "cuckoo3"

    def __init__(self, address: str, **settings: Any) -> None:
        """Settings as of :class:`AsyncSandbox`; what it wants to know besides, :func:`vendors` says."""
        super().__init__("cuckoo3", address, **settings)


class Cape(Sandbox):
    """CAPE, by its apiv2."""

    _product = "cape"

    def __init__(self, address: str, **settings: Any) -> None:
        """Settings as of :class:`Sandbox`; what it wants to know besides, :func:`vendors` says."""
        super().__init__("cape", address, **settings)


class AsyncCape(AsyncSandbox):
    """CAPE, by its apiv2."""

    _product = "cape"

    def __init__(self, address: str, **settings: Any) -> None:
        """Settings as of :class:`AsyncSandbox`; what it wants to know besides, :func:`vendors` says."""
        super().__init__("cape", address, **settings)


class Falcon(Sandbox):
    """Falcon Sandbox, Hybrid Analysis."""

    _product = "falcon"

    def __init__(self, address: Optional[str] = None, **settings: Any) -> None:
        """Settings as of :class:`Sandbox`; what it wants to know besides, :func:`vendors` says."""
        super().__init__("falcon", address, **settings)


class AsyncFalcon(AsyncSandbox):
    """Falcon Sandbox, Hybrid Analysis."""

    _product = "falcon"

    def __init__(self, address: Optional[str] = None, **settings: Any) -> None:
        """Settings as of :class:`AsyncSandbox`; what it wants to know besides, :func:`vendors` says."""
        super().__init__("falcon", address, **settings)


class FalconX(Sandbox):
    """Falcon X, CrowdStrike's sandbox in its cloud."""

    _product = "falconx"

    def __init__(self, address: Optional[str] = None, **settings: Any) -> None:
        """Settings as of :class:`Sandbox`; what it wants to know besides, :func:`vendors` says."""
        super().__init__("falconx", address, **settings)


class AsyncFalconX(AsyncSandbox):
    """Falcon X, CrowdStrike's sandbox in its cloud."""

    _product = "falconx"

    def __init__(self, address: Optional[str] = None, **settings: Any) -> None:
        """Settings as of :class:`AsyncSandbox`; what it wants to know besides, :func:`vendors` says."""
        super().__init__("falconx", address, **settings)


class FireEye(Sandbox):
    """FireEye AX, Trellix."""

    _product = "fireeye"

    def __init__(self, address: str, **settings: Any) -> None:
        """Settings as of :class:`Sandbox`; what it wants to know besides, :func:`vendors` says."""
        super().__init__("fireeye", address, **settings)


class AsyncFireEye(AsyncSandbox):
    """FireEye AX, Trellix."""

    _product = "fireeye"

    def __init__(self, address: str, **settings: Any) -> None:
        """Settings as of :class:`AsyncSandbox`; what it wants to know besides, :func:`vendors` says."""
        super().__init__("fireeye", address, **settings)


class Joe(Sandbox):
    """Joe Sandbox."""

    _product = "joe"

    def __init__(self, address: Optional[str] = None, **settings: Any) -> None:
        """Settings as of :class:`Sandbox`; what it wants to know besides, :func:`vendors` says."""
        super().__init__("joe", address, **settings)


class AsyncJoe(AsyncSandbox):
    """Joe Sandbox."""

    _product = "joe"

    def __init__(self, address: Optional[str] = None, **settings: Any) -> None:
        """Settings as of :class:`AsyncSandbox`; what it wants to know besides, :func:`vendors` says."""
        super().__init__("joe", address, **settings)


class VMRay(Sandbox):
    """VMRay."""

    _product = "vmray"

    def __init__(self, address: Optional[str] = None, **settings: Any) -> None:
        """Settings as of :class:`Sandbox`; what it wants to know besides, :func:`vendors` says."""
        super().__init__("vmray", address, **settings)


class AsyncVMRay(AsyncSandbox):
    """VMRay."""

    _product = "vmray"

    def __init__(self, address: Optional[str] = None, **settings: Any) -> None:
        """Settings as of :class:`AsyncSandbox`; what it wants to know besides, :func:`vendors` says."""
        super().__init__("vmray", address, **settings)


class WildFire(Sandbox):
    """WildFire of Palo Alto Networks."""

    _product = "wildfire"

    def __init__(self, address: Optional[str] = None, **settings: Any) -> None:
        """Settings as of :class:`Sandbox`; what it wants to know besides, :func:`vendors` says."""
        super().__init__("wildfire", address, **settings)


class AsyncWildFire(AsyncSandbox):
    """WildFire of Palo Alto Networks."""

    _product = "wildfire"

    def __init__(self, address: Optional[str] = None, **settings: Any) -> None:
        """Settings as of :class:`AsyncSandbox`; what it wants to know besides, :func:`vendors` says."""
        super().__init__("wildfire", address, **settings)


class Triage(Sandbox):
    """Hatching Triage."""

    _product = "triage"

    def __init__(self, address: Optional[str] = None, **settings: Any) -> None:
        """Settings as of :class:`Sandbox`; what it wants to know besides, :func:`vendors` says."""
        super().__init__("triage", address, **settings)


class AsyncTriage(AsyncSandbox):
    """Hatching Triage."""

    _product = "triage"

    def __init__(self, address: Optional[str] = None, **settings: Any) -> None:
        """Settings as of :class:`AsyncSandbox`; what it wants to know besides, :func:`vendors` says."""
        super().__init__("triage", address, **settings)


class MetaDefender(Sandbox):
    """MetaDefender Sandbox, filescan.io."""

    _product = "metadefender"

    def __init__(self, address: Optional[str] = None, **settings: Any) -> None:
        """Settings as of :class:`Sandbox`; what it wants to know besides, :func:`vendors` says."""
        super().__init__("metadefender", address, **settings)


class AsyncMetaDefender(AsyncSandbox):
    """MetaDefender Sandbox, filescan.io."""

    _product = "metadefender"

    def __init__(self, address: Optional[str] = None, **settings: Any) -> None:
        """Settings as of :class:`AsyncSandbox`; what it wants to know besides, :func:`vendors` says."""
        super().__init__("metadefender", address, **settings)


class MetaDefenderCloud(Sandbox):
    """Dynamic analysis of MetaDefender Cloud."""

    _product = "metadefendercloud"

    def __init__(self, address: Optional[str] = None, **settings: Any) -> None:
        """Settings as of :class:`Sandbox`; what it wants to know besides, :func:`vendors` says."""
        super().__init__("metadefendercloud", address, **settings)


class AsyncMetaDefenderCloud(AsyncSandbox):
    """Dynamic analysis of MetaDefender Cloud."""

    _product = "metadefendercloud"

    def __init__(self, address: Optional[str] = None, **settings: Any) -> None:
        """Settings as of :class:`AsyncSandbox`; what it wants to know besides, :func:`vendors` says."""
        super().__init__("metadefendercloud", address, **settings)


class PTSandbox(Sandbox):
    """PT Sandbox."""

    _product = "pt"

    def __init__(self, address: str, **settings: Any) -> None:
        """Settings as of :class:`Sandbox`; what it wants to know besides, :func:`vendors` says."""
        super().__init__("pt", address, **settings)


class AsyncPTSandbox(AsyncSandbox):
    """PT Sandbox."""

    _product = "pt"

    def __init__(self, address: str, **settings: Any) -> None:
        """Settings as of :class:`AsyncSandbox`; what it wants to know besides, :func:`vendors` says."""
        super().__init__("pt", address, **settings)
