"""VMRay."""

from __future__ import annotations

from typing import IO, Any, Dict, List

from ._base import SandboxAPI, rewound

URL = "https://cloud.vmray.com"
"""Where it is, when nobody says otherwise."""


class VMRayAPI(SandboxAPI):
    """A VMRay."""

    def __init__(self, api_key: str, url: str = URL, verify_ssl: bool = True, **kwargs: Any) -> None:
        """:param url: The address, without the path of the API."""
        super().__init__(**kwargs)
        self.api_key = api_key
        self.api_url = f"{(url or URL).rstrip('/')}/rest"
        self.verify_ssl = verify_ssl

    def _secrets(self) -> List[str]:
        return [self.api_key]

    def _headers(self) -> Dict[str, str]:
        return {"Authorization": f"api_key {self.api_key}"}

    def analyze(self, handle: IO[bytes], filename: str) -> int:
        """Submits a file; the sample's id."""
        answer = self._request("/sample/submit", "POST", files={"sample_file": (filename, rewound(handle))})
        data = self._taken(answer, "analyze", "data") if answer.status_code == 200 else None
        if not isinstance(data, dict) or data.get("errors"):
            self._raised(f"api error in analyze ({answer.text[:300]})")
        found: int = self._taken(answer, "analyze", "data", "samples", 0, "sample_id")
        return found

    def check(self, item_id: Any) -> bool:
        """Whether a submission of the sample is finished."""
        answer = self._request(f"/submission/sample/{item_id}")
        if answer.status_code == 404:
            return False
        submissions = self._taken(answer, "check", "data")
        finished = (one.get("submission_finished") for one in submissions or [] if isinstance(one, dict))
        return any(finished)

    def is_available(self) -> bool:
        """Whether it answers. Once it did, it is asked again only after a failure."""
        return self._is_available("/system_info")

    def report(self, item_id: Any, report_format: str = "json") -> Any:
        """The summary of the analysis with the highest score."""
        if report_format == "html":
            return "Report Unavailable"
        analyses = self._taken(self._request(f"/analysis/sample/{item_id}"), "report", "data")
        ranked: List[Dict[str, Any]] = [one for one in analyses or [] if isinstance(one, dict) and "analysis_id" in one]
        if not ranked:
            self._raised("the sample has no analysis yet")
        best = max(ranked, key=lambda one: _number(one.get("analysis_vti_score")))
        answer = self._request(f"/analysis/{best['analysis_id']}/archive/logs/summary.json")
        if answer.status_code != 200:
            self._raised(f"api error in report ({answer.status_code}): {answer.text[:300]}")
        return self._json(answer, "report")

    def score(self, report: Any) -> float:
        """0 to 100, 0 where there is none."""
        vti = report.get("vti") if isinstance(report, dict) else None
        return _number(vti.get("vti_score")) if isinstance(vti, dict) else 0


def _number(value: Any) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError):
        return 0
    return int(number) if number.is_integer() else number
