"""VMRay."""

from __future__ import annotations

from typing import Any, Dict, List, Optional

from ..sandboxapi._base import Answer
from ..sandboxapi.vmray import VMRayAPI
from .base import ItemId, Missing, SamplePath, Sandbox, taken
from .common import BENIGN, MALICIOUS, SUSPICIOUS, UNKNOWN, Classification, CommonReport, Domain, File, Session, first, several, within

__all__ = ["VMRayAPI", "VMRayReport", "VMRaySandbox"]

HOST = "cloud.vmray.com"
"""Where it is, when nobody says otherwise."""
LABELS = {"malicious": MALICIOUS, "suspicious": SUSPICIOUS, "not_suspicious": BENIGN}
"""Labels of severities, the worst first."""


class VMRaySandbox(Sandbox):
    """A VMRay.

    What differs from the original: a submission that answers with errors, such as a quota that is used up, is an error; the common report is made of
    the detailed one, which it needs; analyses without a score count as without one.
    """

    def __init__(self, api_key: Optional[str] = None, host: Optional[str] = None, **kwargs: Any) -> None:
        """:param api_key: The key.

        :param host: The host: the cloud by default. A scheme before it is dropped.
        """
        super().__init__(alias="vmray", **kwargs)
        self.api_key: str = self._set_attribute(api_key, "", "api_key")
        self.base_url = f"https://{self._format_host(self._set_attribute(host, HOST, 'host'))}/rest"

    def _secrets(self) -> List[str]:
        return [self.api_key]

    @property
    def _headers(self) -> Dict[str, str]:
        return {"Authorization": f"api_key {self.api_key}"}

    def _good(self, answer: Answer) -> Any:
        if answer.status_code != 200:
            self._failed(self._said(answer, "error_msg"))
        return self._read(answer)

    def _get(self, uri: str) -> Any:
        return self._good(self._ask(uri, headers=self._headers))

    def submit_sample(self, filepath: SamplePath) -> int:
        """Submits a file; the sample's id."""
        with self._upload("sample_file", filepath) as files:
            said = self._good(self._ask("/sample/submit", "POST", files=files, headers=self._headers))
        errors = within(said, "data", "errors")
        if errors:
            told = [str(one.get("error_msg")) for one in several(errors)]
            self._failed("; ".join(told)[:1000] or "the sample was not taken")
        sample: int = taken(said, "data", "samples", 0, "sample_id")
        return sample

    def check_item_status(self, item_id: ItemId) -> bool:
        """Whether the sample's first submission is finished."""
        return bool(taken(self._get(f"/submission/sample/{item_id}"), "data", 0, "submission_finished"))

    @property
    def available(self) -> bool:
        """Whether it answers."""
        return self._there(lambda: self._ask("/system_info", headers=self._headers))

    def report(self, item_id: ItemId) -> Any:
        """All analyses of a sample, one for each environment."""
        return self._get(f"/analysis/sample/{item_id}")

    def detailed_report(self, analysis_id: ItemId) -> Any:
        """The summary of one analysis, by the analysis' id: see :meth:`top_ranked_analysis`."""
        return self._get(f"/analysis/{analysis_id}/archive/logs/summary.json")

    @staticmethod
    def top_ranked_analysis(report: Any) -> int:
        """The id of the analysis with the highest score, of several the first. ``IndexError`` where there is none."""
        best = None
        for one in several(within(report, "data")):
            if isinstance(one.get("analysis_id"), int) and _score(one) >= 0 and (best is None or _score(one) > _score(best)):
                best = one
        if best is None:
            raise IndexError("No analysis found in report.")
        top: int = best["analysis_id"]
        return top

    def common_report(self, item_id: ItemId) -> Dict[str, Any]:
        """The report of the analysis with the highest score, in the form that several vendors have in common."""
        try:
            top = self.top_ranked_analysis(self.report(item_id))
        except IndexError as error:
            self._failed(str(error))
        return VMRayReport()(self.detailed_report(top))

    def score(self, report: Any) -> int:
        """0 to 10, of all analyses the highest or of one; -1 where there is none."""
        if isinstance(report, dict) and "data" in report:
            return max((_score(one) for one in several(report["data"])), default=-1) // 10
        if isinstance(report, dict) and "vti" in report:
            return _number(taken(report, "vti", "vti_score")) // 10
        return -1


def _score(analysis: Dict[str, Any]) -> int:
    return _number(analysis.get("analysis_vti_score"))


def _number(found: Any) -> int:
    try:
        return int(found)
    except (TypeError, ValueError, OverflowError):
        return -1


class VMRayReport(CommonReport):
    """The common form of a detailed report of VMRay.

    Labels of files that were created are words of this form, as all others are; in the original they are the vendor's.
    """

    vendor = "VMRay"

    def populate(self, report: Any, **kwargs: Any) -> None:
        """Fills in what the report says."""
        if within(report, "analysis_details") is None or within(report, "vti") is None:
            raise Missing("this is no detailed report: it lacks 'analysis_details' or 'vti'")
        self.id = within(report, "analysis_details", "job_id")
        self.start_time = within(report, "analysis_details", "creation_time")
        self.environment = within(report, "vm_and_analyzer_details", "vm_description")
        artifacts = within(report, "artifacts")
        found = {
            str(one.get("severity"))
            for kind in (artifacts.values() if isinstance(artifacts, dict) else ())
            for one in several(kind)
        }
        label = next((label for severity, label in LABELS.items() if severity in found), UNKNOWN)
        score = max(_number(within(report, "vti", "vti_score") or 0), 0) // 10
        self.classification = Classification(label, score, first(within(report, "classifications")))
        for one in several(within(artifacts, "files")):
            (self.submitted if one.get("category") == "SAMPLE" else self.created).append(_file(one))
        for one in several(within(report, "network", "dns_requests")):
            self.domains.append(Domain(first(one.get("hostnames")), first(one.get("ip_addresses"))))
        for kind in ("tcp_sessions", "udp_sessions"):
            for one in several(within(report, "network", kind)):
                self.sessions.append(_session(one))


def _file(found: Dict[str, Any]) -> File:
    hashes = first(found.get("hashes"))
    return File(
        name=found.get("filename"),
        mime=found.get("mime_type"),
        size=found.get("file_size"),
        classification=Classification(LABELS.get(str(found.get("severity")), UNKNOWN)),
        **{name: within(hashes, f"{name}_hash") for name in ("md5", "sha1", "sha256", "ssdeep")},
    )


def _session(found: Dict[str, Any]) -> Session:
    connection = found.get("connection")
    return Session(
        protocol=found.get("service"),
        source_ip=within(connection, "local_ip_address"),
        source_port=within(connection, "local_port"),
        destination_ip=within(connection, "remote_ip_address"),
        destination_port=within(connection, "remote_port"),
    )
