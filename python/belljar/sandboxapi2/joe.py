"""Joe Sandbox."""

from __future__ import annotations

from typing import Any, Dict, List, Mapping, Optional

from ..sandboxapi._base import Answer
from ..sandboxapi.joe import JoeAPI
from .base import ItemId, Malformed, Missing, SamplePath, Sandbox, taken
from .common import BENIGN, MALICIOUS, SUSPICIOUS, UNKNOWN, Classification, CommonReport, Domain, File, Session, several, within

__all__ = ["JoeAPI", "JoeReport", "JoeSandbox"]

HOST = "jbxcloud.joesecurity.org"
"""Where it is, when nobody says otherwise."""


class JoeSandbox(Sandbox):
    """A Joe Sandbox.

    What differs from the original: nothing needs ``jbxapi``, so there is no attribute ``jbx``. Set ``accept_tac`` to False, if you do not accept the
    terms of the cloud, which then takes no samples.
    """

    accept_tac = True
    """Whether the terms of the cloud are accepted."""

    def __init__(self, api_key: Optional[str] = None, host: Optional[str] = None, **kwargs: Any) -> None:
        """:param api_key: The key.

        :param host: The host: the cloud by default. A scheme before it is dropped.
        """
        super().__init__(alias="joe", **kwargs)
        self.api_key: str = self._set_attribute(api_key, "", "api_key")
        self.base_url = f"https://{self._format_host(self._set_attribute(host, HOST, 'host'))}/api"

    def _secrets(self) -> List[str]:
        return [self.api_key]

    def _posted(self, what: str, params: Optional[Mapping[str, Any]] = None, files: Any = None) -> Answer:
        answer = self._ask(f"/v2/{what}", "POST", {"apikey": self.api_key, **(params or {})}, files)
        if answer.status_code != 200:
            try:
                problem = str(taken(self._read(answer), "errors", 0, "message"))
            except (Missing, Malformed):
                problem = self._quoted(answer)
            self._failed(f"{problem}: {answer.status_code}")
        return answer

    def _submission(self, item_id: ItemId) -> Any:
        return self._taken(self._posted("submission/info", {"submission_id": item_id}), "data")

    def _download(self, item_id: ItemId, kind: str) -> Answer:
        return self._posted("analysis/download", {"webid": self.get_webid(item_id), "type": kind})

    def submit_sample(self, filepath: SamplePath) -> str:
        """Submits a file; the submission's id."""
        with self._upload("sample", filepath) as files:
            answer = self._posted("submission/new", {"accept-tac": "1" if self.accept_tac else "0"}, files)
        submission: str = self._taken(answer, "data", "submission_id")
        return submission

    def check_item_status(self, item_id: ItemId) -> bool:
        """Whether the submission is finished."""
        return str(taken(self._submission(item_id), "status")).lower() == "finished"

    def get_webid(self, item_id: ItemId) -> str:
        """The id of a submission's most relevant analysis. An error where there is none yet."""
        return str(taken(self._submission(item_id), "most_relevant_analysis", "webid"))

    @property
    def available(self) -> bool:
        """Whether it is online. A wrong key, and nobody answering, is an error."""
        return bool(self._taken(self._posted("server/online"), "data", "online"))

    def report(self, item_id: ItemId) -> Any:
        """The report of the most relevant analysis."""
        return self._read(self._download(item_id, "irjsonfixed"))

    def pdf_report(self, item_id: ItemId) -> bytes:
        """The report as PDF."""
        return self._download(item_id, "pdf").content

    def xml_report(self, item_id: ItemId) -> bytes:
        """The report as XML."""
        return self._download(item_id, "xml").content

    def common_report(self, item_id: ItemId) -> Dict[str, Any]:
        """The report in the form that several vendors have in common."""
        return JoeReport()(self.report(item_id))

    def score(self, report: Any) -> int:
        """0 to 10: the score of the report's maximum."""
        return _score(report)


def _score(report: Any) -> int:
    detection = taken(report, "analysis", "detection")
    try:
        return int(float(taken(detection, "score")) / float(taken(detection, "maxscore")) * 10)
    except (TypeError, ValueError, ArithmeticError):
        raise Malformed("the report's score is none") from None


class JoeReport(CommonReport):
    """The common form of a report of Joe Sandbox."""

    vendor = "Joe"

    def populate(self, report: Any, **kwargs: Any) -> None:
        """Fills in what the report says. As in the original, the address that was contacted stands as source of its session."""
        analysis = taken(report, "analysis")
        self.id = within(analysis, "id")
        start = [within(analysis, "startdate"), within(analysis, "starttime")]
        self.start_time = None if None in start else " ".join(map(str, start))
        self.environment = within(analysis, "system")
        flags = {"malicious": MALICIOUS, "suspicious": SUSPICIOUS, "clean": BENIGN, "unknown": UNKNOWN}
        detection = within(analysis, "detection")
        label = next((label for flag, label in flags.items() if within(detection, flag) is True), None)
        self.classification = Classification(label, _score(report))
        name = within(analysis, "sample")
        self.submitted.append(File(name, **_hashes(within(analysis, "hashes")), classification=self.classification))
        for one in several(within(analysis, "dropped", "file")):
            self.created.append(File(one.get("name"), **_hashes(one)))
        for one in several(within(analysis, "contacted", "domains", "domain")):
            self.domains.append(Domain(one.get("name"), one.get("ip"), MALICIOUS if one.get("malicious") is True else UNKNOWN))
        for one in several(within(analysis, "contacted", "ips", "ip")):
            self.sessions.append(Session(MALICIOUS if one.get("@malicious") == "true" else UNKNOWN, source_ip=one.get("$")))


def _hashes(found: Any) -> Dict[str, Any]:
    return {name: within(found, name) for name in ("md5", "sha1", "sha256")}
