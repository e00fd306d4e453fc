"""WildFire of Palo Alto Networks."""

from __future__ import annotations

import json
from typing import Any, Dict, List, Mapping, Optional

from .. import _native
from ..sandboxapi._base import Answer
from ..sandboxapi.wildfire import BENIGN, COMMAND_AND_CONTROL, GRAYWARE, MALWARE, PENDING, PHISHING, PROBLEMS, SCORES, WildFireAPI
from . import common
from .base import ItemId, Malformed, SamplePath, Sandbox, taken
from .common import Classification, CommonReport, Domain, File, Session, first, several, within

__all__ = ["BENIGN", "GRAYWARE", "MALWARE", "PHISHING", "WildFireAPI", "WildFireReport", "WildFireSandbox"]

HOST = "wildfire.paloaltonetworks.com"
"""Where it is, when nobody says otherwise."""
VERDICTS = frozenset({BENIGN, MALWARE, GRAYWARE, PHISHING, COMMAND_AND_CONTROL})
"""Verdicts that an analysis ends with."""
LABELS = {"yes": common.MALICIOUS, "no": common.BENIGN, "suspicious": common.SUSPICIOUS}


class WildFireSandbox(Sandbox):
    """A WildFire.

    What differs from the original: command-and-control is a verdict; the key is not sent where it is not needed.
    """

    def __init__(self, api_key: Optional[str] = None, host: Optional[str] = None, **kwargs: Any) -> None:
        """:param api_key: The key.

        :param host: The host: that of the public service by default. A scheme before it is dropped.
        """
        super().__init__(alias="wildfire", **kwargs)
        self.api_key: str = self._set_attribute(api_key, "", "api_key")
        self.base_url = f"https://{self._format_host(self._set_attribute(host, HOST, 'host'))}/publicapi"

    def _secrets(self) -> List[str]:
        return [self.api_key]

    def _posted(self, uri: str, params: Optional[Mapping[str, Any]] = None, files: Any = None) -> Answer:
        answer = self._ask(uri, "POST", {"apikey": self.api_key, **(params or {})}, files)
        if answer.status_code == 401:
            self._failed("No API key provided." if not self.api_key else "The API key is not accepted.")
        if answer.status_code != 200:
            self._failed(f"{self._quoted(answer)}: {answer.status_code}")
        return answer

    def decode(self, response: Any) -> Any:
        """What XML says: elements by their names, attributes as ``@name``, lists where elements come again. An error document is an error."""
        said = json.loads(_native.xml_to_json(response.content))
        if isinstance(said, dict) and "error" in said:
            problem = said["error"]
            problem = problem.get("error-message") if isinstance(problem, dict) else problem
            self._failed(str(problem)[:1000])
        return said

    def submit_sample(self, filepath: SamplePath) -> str:
        """Submits a file; its SHA-256."""
        with self._upload("file", filepath) as files:
            answer = self._posted("/submit/file", files=files)
        sha256: str = self._taken(answer, "wildfire", "upload-file-info", "sha256")
        return sha256

    def _get_verdict(self, item_id: ItemId) -> int:
        said = self._taken(self._posted("/get/verdict", {"hash": item_id}), "wildfire", "get-verdict-info", "verdict")
        try:
            return int(said)
        except (TypeError, ValueError):
            raise Malformed(self._hidden(f"the verdict is no number: {str(said)[:100]}")) from None

    def check_item_status(self, item_id: ItemId) -> bool:
        """Whether there is a verdict."""
        verdict = self._get_verdict(item_id)
        if verdict in VERDICTS:
            return True
        if verdict == PENDING:
            return False
        self._failed(PROBLEMS.get(verdict, "Unknown status."))

    @property
    def available(self) -> bool:
        """Whether it answers: with 405, to a question of the wrong kind."""
        return self._there(lambda: self._ask("/get/sample"), 405)

    def _report(self, item_id: ItemId, kind: str) -> Answer:
        return self._posted("/get/report", {"hash": item_id, "format": kind})

    def report(self, item_id: ItemId) -> Any:
        """The report."""
        return self._read(self._report(item_id, "xml"))

    def xml_report(self, item_id: ItemId) -> bytes:
        """The report as XML."""
        return self._report(item_id, "xml").content

    def pdf_report(self, item_id: ItemId) -> bytes:
        """The report as PDF."""
        return self._report(item_id, "pdf").content

    def common_report(self, item_id: ItemId) -> Dict[str, Any]:
        """The report in the form that several vendors have in common. The verdict is asked for too."""
        report = self.report(item_id)
        return WildFireReport()(report, score=self.score(report))

    def score(self, report: Any) -> int:
        """Asks for the verdict: malware 8, grayware 2, phishing 5, anything else its number."""
        verdict = self._get_verdict(taken(report, "wildfire", "file_info", "sha256"))
        return SCORES.get(verdict, verdict)


class WildFireReport(CommonReport):
    """The common form of a report of WildFire."""

    vendor = "WildFire"

    def populate(self, report: Any, **kwargs: Any) -> None:
        """Fills in what the report says.

        :param score: The score, which no report of WildFire has.
        """
        info = taken(report, "wildfire", "file_info")
        task = first(several(within(report, "wildfire", "task_info", "report")))
        self.id = within(info, "sha256")
        self.environment = within(task, "software")
        self.classification = Classification(LABELS.get(str(within(info, "malware")), common.UNKNOWN), kwargs.get("score"))
        size = within(info, "size")
        self.submitted.append(
            File(
                size=int(size) if isinstance(size, str) and size.isascii() and size.isdigit() and len(size) < 20 else None,
                classification=self.classification,
                **{name: within(info, name) for name in ("md5", "sha1", "sha256")},
            )
        )
        for one in several(within(task, "network", "dns")):
            self.domains.append(Domain(one.get("@query")))
        for one in several(within(task, "network", "TCP")):
            self.sessions.append(Session(protocol="TCP", destination_ip=one.get("@ip"), destination_port=one.get("@port")))
