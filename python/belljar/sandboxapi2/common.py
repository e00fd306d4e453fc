"""The form that reports of several vendors have in common."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Dict, List, Optional

MALICIOUS, SUSPICIOUS, BENIGN, UNKNOWN, FAILED = "MALICIOUS", "SUSPICIOUS", "BENIGN", "UNKNOWN", "FAILED"
"""Labels."""


@dataclass
class Classification:
    """What is thought of something; what is not known is None."""

    label: Optional[str] = None
    score: Optional[int] = None
    """0 to 10."""
    category: Optional[str] = None

    def form(self) -> Dict[str, Any]:
        """As it stands in a report."""
        return {"label": self.label, "score": self.score, "category": self.category}


@dataclass
class File:
    """A file of an analysis."""

    name: Any = None
    path: Any = None
    md5: Any = None
    sha1: Any = None
    sha256: Any = None
    ssdeep: Any = None
    mime: Any = None
    size: Any = None
    classification: Classification = field(default_factory=Classification)

    def form(self) -> Dict[str, Any]:
        """As it stands in a report."""
        return {
            "name": self.name,
            "path": self.path,
            "hashes": {"md5": self.md5, "sha1": self.sha1, "sha256": self.sha256, "ssdeep": self.ssdeep},
            "mime": self.mime,
            "size": self.size,
            "classification": self.classification.form(),
        }


@dataclass
class Domain:
    """A name that was asked for."""

    name: Any = None
    ip: Any = None
    label: Optional[str] = None

    def form(self) -> Dict[str, Any]:
        """As it stands in a report."""
        return {"name": self.name, "ip": self.ip, "label": self.label}


@dataclass
class Session:
    """A connection."""

    label: Optional[str] = None
    protocol: Any = None
    source_ip: Any = None
    source_port: Any = None
    destination_ip: Any = None
    destination_port: Any = None
    pcap: Any = None

    def form(self) -> Dict[str, Any]:
        """As it stands in a report."""
        return {
            "label": self.label,
            "protocol": self.protocol,
            "source_ip": self.source_ip,
            "source_port": self.source_port,
            "destination_ip": self.destination_ip,
            "destination_port": self.destination_port,
            "pcap": self.pcap,
        }


class CommonReport:
    """Makes of a vendor's report the common form: call it with that report."""

    vendor: Optional[str] = None
    """Whose reports it reads."""

    def __init__(self) -> None:
        self._begin()

    def _begin(self) -> None:
        self.id: Any = None
        self.url: Optional[str] = None
        self.start_time: Any = None
        self.environment: Any = None
        self.classification = Classification()
        self.submitted: List[File] = []
        self.created: List[File] = []
        self.modified: List[File] = []
        self.deleted: List[File] = []
        self.domains: List[Domain] = []
        self.sessions: List[Session] = []

    def populate(self, report: Any, **kwargs: Any) -> None:
        """Fills in what a vendor's report says."""
        raise NotImplementedError

    def __call__(self, report: Any, **kwargs: Any) -> Dict[str, Any]:
        """The common form. What the report does not say is None."""
        self._begin()
        self.populate(report, **kwargs)
        kinds = {"submitted": self.submitted, "created": self.created, "modified": self.modified, "deleted": self.deleted}
        return {
            "sandbox_report": {
                "sandbox_info": {
                    "vendor": self.vendor,
                    "url": self.url,
                    "id": self.id,
                    "start_time": self.start_time,
                    "environment": self.environment,
                },
                "classification": self.classification.form(),
                "files": {kind: [file.form() for file in files] for kind, files in kinds.items()},
                "network": {
                    "domains": [domain.form() for domain in self.domains],
                    "sessions": [session.form() for session in self.sessions],
                },
            }
        }


def within(found: Any, *path: str) -> Any:
    """What is there; None where it is not."""
    for step in path:
        found = found.get(step) if isinstance(found, dict) else None
    return found


def several(found: Any) -> List[Dict[str, Any]]:
    """The objects of a list. One alone may stand without a list around it."""
    return [one for one in (found if isinstance(found, list) else [found]) if isinstance(one, dict)]


def first(found: Any) -> Any:
    """The first of a list; None where there is none."""
    return found[0] if isinstance(found, list) and found else None
