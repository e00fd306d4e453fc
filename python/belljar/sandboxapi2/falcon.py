"""Falcon Sandbox and Hybrid Analysis."""

from __future__ import annotations

from typing import Any, Dict, List, Optional

from ..sandboxapi._base import Answer
from ..sandboxapi.falcon import FalconAPI
from .base import ItemId, SamplePath, Sandbox, taken

__all__ = ["ANDROID", "WIN7", "WIN7HWP", "WIN7X64", "XENIAL", "FalconAPI", "FalconSandbox"]

WIN7, WIN7HWP, WIN7X64, ANDROID, XENIAL = 100, 110, 120, 200, 300
"""Environments that the original names."""
HOST = "www.reverse.it"
"""Where it is, when nobody says otherwise."""


class FalconSandbox(Sandbox):
    """A Falcon Sandbox.

    What differs from the original: the key is sent with each request, also when availability is asked for; a PDF is fetched where the vendor has it,
    and does not change what later requests accept; an analysis that failed is an error, as it has no report.
    """

    def __init__(
        self, api_key: Optional[str] = None, host: Optional[str] = None, environment: Optional[int] = None, **kwargs: Any
    ) -> None:
        """:param api_key: The key.

        :param host: The host: that of the public service by default. A scheme before it is dropped.
        :param environment: The environment's number: 120, Windows 7 of 64 bits, by default.
        """
        super().__init__(alias="falcon", **kwargs)
        self.api_key: str = self._set_attribute(api_key, "", "api_key")
        self.environment: int = self._set_attribute(environment, WIN7X64, "environment", int)
        self.base_url = f"https://{self._format_host(self._set_attribute(host, HOST, 'host'))}/api/v2"

    def _secrets(self) -> List[str]:
        return [self.api_key]

    @property
    def _headers(self) -> Dict[str, str]:
        return {"api-key": self.api_key, "User-Agent": "Falcon Sandbox", "Accept": "application/json"}

    def _get(self, uri: str, accept: str = "application/json") -> Answer:
        return self._ask(uri, params={"environment_id": self.environment}, headers={**self._headers, "Accept": accept})

    def _good(self, answer: Answer) -> Answer:
        if answer.status_code == 429:
            self._failed("API request limit exceeded.")
        if answer.status_code != 200:
            self._failed(self._said(answer, "message"))
        return answer

    def submit_sample(self, filepath: SamplePath) -> str:
        """Submits a file; the job's id."""
        with self._upload("file", filepath) as files:
            answer = self._ask("/submit/file", "POST", {"environment_id": self.environment}, files, self._headers)
        if answer.status_code not in (200, 201):
            self._failed(self._said(answer, "message"))
        job: str = self._taken(answer, "job_id")
        return job

    def check_item_status(self, item_id: ItemId) -> bool:
        """Whether the report is there. An analysis that failed is an error."""
        answer = self._get(f"/report/{item_id}/state")
        if answer.status_code == 404:
            self._failed("Unknown job ID.")
        said = self._read(self._good(answer))
        state = taken(said, "state")
        if state == "ERROR":
            self._failed(f"the analysis failed: {said.get('error') or said.get('error_type') or 'no reason is given'}")
        return bool(state == "SUCCESS")

    @property
    def available(self) -> bool:
        """Whether it answers, and the key is right. A public key may not see the heartbeat, but the version."""

        def ask() -> Answer:
            answer = self._get("/system/heartbeat")
            return self._get("/system/version") if answer.status_code == 403 else answer

        return self._there(ask)

    @property
    def queue_size(self) -> int:
        """Jobs that wait."""
        value = self._taken(self._good(self._get("/system/queue-size")), "value")
        try:
            return int(value)
        except (TypeError, ValueError):
            self._failed(f"the size of the queue is no number: {value!r}")

    def report(self, item_id: ItemId) -> Any:
        """The summary."""
        return self._read(self._good(self._get(f"/report/{item_id}/summary")))

    def pdf_report(self, item_id: ItemId) -> bytes:
        """The report as PDF."""
        return self._good(self._get(f"/report/{item_id}/file/pdf", "application/pdf")).content

    def score(self, report: Any) -> int:
        """0 to 10, of the level of a report and its score. Without a level there is no threat, without a score it is 0."""
        level, score = taken(report, "threat_level"), taken(report, "threat_score") or 0
        bands = {2: (8, 9, 10), 1: (5, 6, 7), 0: (1, 3, 4)}.get(level)
        if bands is None:
            return 0
        return bands[2 if score >= 90 else 1 if score >= 75 else 0]
