"""What sandboxes say, as data."""

from __future__ import annotations

import enum
import json
import os
from dataclasses import dataclass, field
from typing import Any, Dict, List, Mapping, Optional, Tuple, Union

from . import _native


class Word(str, enum.Enum):
    """What is said of a sample. The later is the worse: of several, the greatest counts."""

    CLEAN = "clean"
    """The vendor says that it is harmless. That nothing was found is not that."""
    UNKNOWN = "unknown"
    """Nobody knows: nothing was found, or the analysis failed or is not finished."""
    SUSPICIOUS = "suspicious"
    """Something was found that harmless things seldom do."""
    MALICIOUS = "malicious"
    """It does harm."""

    __str__ = str.__str__

    @property
    def _rank(self) -> int:
        return list(Word).index(self)

    # A text would be compared by its letters.
    def __lt__(self, other: str) -> bool:
        return self._rank < Word(other)._rank

    def __le__(self, other: str) -> bool:
        return self._rank <= Word(other)._rank

    def __gt__(self, other: str) -> bool:
        return self._rank > Word(other)._rank

    def __ge__(self, other: str) -> bool:
        return self._rank >= Word(other)._rank


@dataclass(frozen=True)
class Raw:
    """The vendor's own value, of which a verdict was made."""

    scale: str
    """What the value means, in a word: ``"0-10"``, ``"severity"``."""
    value: Any = None
    """The value as it came."""
    label: Optional[str] = None
    """The vendor's own word."""


@dataclass(frozen=True)
class Verdict:
    """A verdict, with its reason."""

    verdict: Word
    """The word."""
    score: Optional[int] = None
    """0 to 100, on one scale for all. None when the vendor gives none: none is made up."""
    confidence: Optional[int] = None
    """0 to 100: how sure the vendor is, where it says so."""
    families: Tuple[str, ...] = ()
    """Names of the family."""
    reasons: Tuple[str, ...] = ()
    """Why: findings of weight, or why nobody knows."""
    raw: Raw = Raw("none")
    """What it was made of."""

    @classmethod
    def _of(cls, fields: Mapping[str, Any]) -> Verdict:
        return cls(
            Word(fields["verdict"]),
            fields["score"],
            fields["confidence"],
            tuple(fields["families"]),
            tuple(fields["reasons"]),
            Raw(**fields["raw"]),
        )

    def __str__(self) -> str:
        return self.verdict.value


@dataclass(frozen=True)
class Finding:
    """One thing that was found: a signature, a rule, an alert."""

    name: str
    """Its name."""
    description: Optional[str] = None
    """What it means."""
    severity: Optional[int] = None
    """0 to 100, of the vendor's scale; None when it has none."""
    techniques: Tuple[str, ...] = ()
    """Techniques of ATT&CK."""


@dataclass(frozen=True)
class Indicator:
    """Something to look for elsewhere."""

    kind: str
    """``domain``, ``address``, ``url``, ``hash``, ``file``, ``mutex``, ``registry`` or ``command``."""
    value: str
    """Its text."""


@dataclass(frozen=True)
class Submission:
    """What was submitted, by all the names that the vendor gave it. Kept as JSON it can be asked for in another process."""

    id: str
    """The name by which it is asked for: opaque."""
    others: Dict[str, str] = field(default_factory=dict)
    """Other names: of the sample, of jobs, of pages. By what the vendor calls them."""
    more: List[str] = field(default_factory=list)
    """More of the same submission: an archive may become several analyses."""

    def to_json(self) -> str:
        """As JSON, to be kept."""
        return json.dumps({"id": self.id, "others": self.others, "more": self.more})

    @classmethod
    def from_json(cls, text: str) -> Submission:
        """What :meth:`to_json` gave."""
        return cls(**json.loads(text))

    def __str__(self) -> str:
        return self.id


@dataclass(frozen=True)
class Status:
    """How far an analysis is."""

    state: str
    """``queued``, ``running``, ``finished`` or ``failed``."""
    why: Optional[str] = None
    """Why it failed."""

    @property
    def finished(self) -> bool:
        """Whether the report is there."""
        return self.state == "finished"

    @property
    def failed(self) -> bool:
        """Whether it ended without a report."""
        return self.state == "failed"

    @classmethod
    def _of(cls, fields: Mapping[str, Any]) -> Status:
        return cls(fields["status"], fields.get("why"))

    def __str__(self) -> str:
        return self.state


@dataclass(frozen=True)
class Availability:
    """Whether a sandbox is there and takes submissions: it is, or there would have been an exception."""

    version: Optional[str] = None
    """Its version, if it tells."""
    remarks: Tuple[str, ...] = ()
    """Anything else worth a line, for people."""

    @classmethod
    def _of(cls, fields: Mapping[str, Any]) -> Availability:
        return cls(fields["version"], tuple(fields["remarks"]))


@dataclass(frozen=True)
class Queue:
    """How much there is to do before a new submission."""

    waiting: int
    """Submissions that wait."""
    running: Optional[int] = None
    """Submissions that are being analysed, if that is told."""


@dataclass(frozen=True)
class Vote:
    """One sandbox's verdict, or why it has none."""

    sandbox: str
    """The sandbox's name."""
    vendor: str
    """Whose product."""
    verdict: Optional[Verdict] = None
    """What it says; None when it could not be asked."""
    error: Optional[str] = None
    """Why there is none."""

    @classmethod
    def _of(cls, fields: Mapping[str, Any]) -> Vote:
        verdict = fields["verdict"]
        return cls(fields["sandbox"], fields["vendor"], verdict and Verdict._of(verdict), fields["error"])


@dataclass(frozen=True)
class Consensus:
    """What several sandboxes say together, with each one's vote."""

    verdict: Word
    """The word."""
    score: Optional[int]
    """The greatest score of those who say this word."""
    reason: str
    """How it came about, for people."""
    votes: Tuple[Vote, ...]
    """All votes."""

    @classmethod
    def _of(cls, fields: Mapping[str, Any]) -> Consensus:
        votes = tuple(Vote._of(vote) for vote in fields["votes"])
        return cls(Word(fields["verdict"]), fields["score"], fields["reason"], votes)

    def __str__(self) -> str:
        return self.verdict.value


class Report:
    """What a sandbox found, in a common form, with the vendor's own report beside it."""

    verdict: Verdict
    """The verdict."""
    name: Optional[str]
    """What the vendor calls the sample."""
    hashes: Dict[str, str]
    """Hashes of the sample, by their names in lower case."""
    environment: Optional[str]
    """What was run where, in the vendor's words."""
    findings: Tuple[Finding, ...]
    """What was found, the weightiest first."""
    indicators: Tuple[Indicator, ...]
    """What to look for elsewhere."""
    link: Optional[str]
    """The vendor's page about it."""
    format: str
    """The form of the vendor's own report: ``"json"`` or ``"xml"``."""

    def __init__(self, common: str, raw: _native.Raw) -> None:
        fields = json.loads(common)
        self._common = fields
        self._raw = raw
        self.verdict = Verdict._of(fields["verdict"])
        self.name = fields["name"]
        self.hashes = fields["hashes"]
        self.environment = fields["environment"]
        self.findings = tuple(
            Finding(found["name"], found["description"], found["severity"], tuple(found["techniques"]))
            for found in fields["findings"]
        )
        self.indicators = tuple(Indicator(**indicator) for indicator in fields["indicators"])
        self.link = fields["link"]
        self.format = fields["format"]

    @property
    def raw(self) -> bytes:
        """The vendor's own report as it came, whole. Large ones are on disk until then."""
        return self._raw.bytes()

    @property
    def raw_length(self) -> int:
        """Bytes of it."""
        return len(self._raw)

    def raw_json(self) -> Any:
        """The vendor's own report, read as JSON.

        ``ValueError`` when it is XML.
        """
        if self.format != "json":
            raise ValueError(f"this report is {self.format}, not JSON: see Report.raw")
        return json.loads(self._raw.bytes())

    def save(self, path: Union[str, os.PathLike[str]]) -> int:
        """Writes the vendor's own report to a file, which is there whole or not at all; its length."""
        return self._raw.save(os.fspath(path))

    def to_dict(self) -> Dict[str, Any]:
        """The common form, as plain data."""
        copy: Dict[str, Any] = json.loads(json.dumps(self._common))
        return copy

    def __repr__(self) -> str:
        return f"<Report of {self.name or 'a sample'}: {self.verdict}, {len(self.findings)} findings>"
