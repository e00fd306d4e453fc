"""OPSWAT: MetaDefender Sandbox (filescan.io), and the dynamic analysis of MetaDefender Cloud."""

from __future__ import annotations

from typing import IO, Any, Dict, List, Optional

from ._base import SandboxAPI, SandboxError, rewound

FILTERS = (
    "general",
    "finalVerdict",
    "allTags",
    "overallState",
    "taskReference",
    "subtaskReferences",
    "allSignalGroups",
    "iocs",
)
"""What of a report is asked for, in this order."""


class MetaDefenderSandboxAPI(SandboxAPI):
    """A MetaDefender Sandbox, or filescan.io. Of release 1.8."""

    def __init__(
        self, api_key: str, url: Optional[str] = "https://www.filescan.io", verify_ssl: bool = True, **kwargs: Any
    ) -> None:
        """:param url: The address, without the path of the API."""
        super().__init__(**kwargs)
        if not api_key:
            raise SandboxError("Missing API key")
        self.api_key = api_key
        self.api_url = (url or "https://www.filescan.io").rstrip("/")
        self.verify_ssl = verify_ssl

    def _secrets(self) -> List[str]:
        return [self.api_key]

    def _headers(self) -> Dict[str, str]:
        return {"X-Api-Key": self.api_key}

    def analyze(
        self, handle: IO[bytes], filename: str, password: Optional[str] = None, is_private: bool = False
    ) -> str:
        """Submits a file; the id of the flow.

        :param password: That of an archive.
        :param is_private: Whether others must not see it.
        """
        params = {"password": password, "is_private": str(bool(is_private)).lower()}
        answer = self._request("/api/scan/file", "POST", params, {"file": (filename, rewound(handle))})
        if answer.status_code != 200:
            self._raised(f"api error in analyze ({answer.status_code}): {answer.text[:300]}")
        return str(self._taken(answer, "analyze", "flow_id"))

    def check(self, item_id: Any) -> bool:
        """Whether all of its files are finished."""
        answer = self._request(f"/api/scan/{item_id}/report")
        if answer.status_code == 404:
            return False
        return bool(self._taken(answer, "check", "allFinished"))

    def is_available(self) -> bool:
        """Whether it answers and knows the key. Once it did, it is asked again only after a failure."""
        if not self.server_available:
            try:
                answer = self._request("/api/users/me")
                self.server_available = answer.status_code == 200 and bool(
                    self._taken(answer, "is_available", "accountId")
                )
            except SandboxError:
                self.server_available = False
        return self.server_available

    def report(self, item_id: Any, report_format: str = "json") -> Any:
        """The report."""
        query = "&".join(f"filter={name}" for name in FILTERS)
        answer = self._request(f"/api/scan/{item_id}/report?{query}")
        if answer.status_code != 200:
            self._raised(f"api error in report ({answer.status_code}): {answer.text[:300]}")
        return self._json(answer, "report")

    def score(self, report: Any) -> float:
        """0 to 100: the highest level of threat of its files."""
        reports = report.get("reports") if isinstance(report, dict) else None
        levels = [0.0]
        for one in reports.values() if isinstance(reports, dict) else ():
            verdict = one.get("finalVerdict") if isinstance(one, dict) else None
            level = verdict.get("threatLevel") if isinstance(verdict, dict) else None
            if isinstance(level, (int, float)):
                levels.append(max(0.0, float(level)) * 100)
        highest = max(levels)
        return int(highest) if highest.is_integer() else highest


class OpswatAPI(SandboxAPI):
    """MetaDefender Cloud, version 4. Of the releases up to 1.7."""

    def __init__(self, apikey: str, profile: Optional[str] = None, verify_ssl: bool = True, **kwargs: Any) -> None:
        """:param profile: What analyses: ``windows7`` by default.

        :param url: Another address than the cloud's, which the original cannot be told.
        """
        super().__init__(**kwargs)
        self.api_key = apikey
        self.profile = profile or "windows7"
        self.api_url = str(kwargs.get("url") or "https://api.metadefender.com/v4").rstrip("/")
        self.verify_ssl = verify_ssl

    def _secrets(self) -> List[str]:
        return [self.api_key]

    def _headers(self) -> Dict[str, str]:
        if not self.api_key:
            raise SandboxError("Missing token")
        return {"apikey": self.api_key, "sandbox": self.profile}

    def analyze(self, handle: IO[bytes], filename: str) -> str:
        """Submits a file; the id of its dynamic analysis."""
        answer = self._request("/file", "POST", files={"file": (filename, rewound(handle))})
        if answer.status_code != 200:
            self._raised(f"api error in analyze ({answer.status_code}): {answer.text[:300]}")
        sha256 = self._taken(answer, "analyze", "sha256")
        return str(self._taken(self._request(f"/hash/{sha256}/sandbox"), "analyze", "scan_in_progress"))

    def check(self, item_id: Any) -> bool:
        """Whether there are results."""
        answer = self._request(f"/sandbox/{item_id}")
        if answer.status_code == 404:
            return False
        said = self._json(answer, "check")
        return isinstance(said, dict) and "scan_in_progress" not in said and "scan_results" in said

    def is_available(self) -> bool:
        """Whether it answers. Once it did, it is asked again only after a failure."""
        return self._is_available("/status")

    def report(self, item_id: Any, report_format: str = "json") -> Any:
        """The report."""
        if report_format == "html":
            return "Report Unavailable"
        answer = self._request(f"/sandbox/{item_id}")
        if answer.status_code != 200:
            self._raised(f"api error in report ({answer.status_code}): {answer.text[:300]}")
        return self._json(answer, "report")

    def score(self, report: Any) -> float:
        """0 to 100."""
        analysis = report.get("analysis") if isinstance(report, dict) else None
        score = analysis.get("infection_score") if isinstance(analysis, dict) else None
        return score if isinstance(score, (int, float)) else 0
