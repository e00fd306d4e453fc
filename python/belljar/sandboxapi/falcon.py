"""Falcon Sandbox and Hybrid Analysis."""

from __future__ import annotations

from typing import IO, Any, Dict, List, Mapping, Optional

from ._base import Answer, SandboxAPI, SandboxError, Upload, rewound

URL = "https://www.reverse.it/api/v2"
"""Where it is, when nobody says otherwise."""


class FalconAPI(SandboxAPI):
    """A Falcon Sandbox."""

    def __init__(self, key: str, url: Optional[str] = None, env: int = 100, **kwargs: Any) -> None:
        """:param key: The key.

        :param url: The address with ``/api/v2``; the public service by default.
        :param env: The environment's number: 100 is Windows 7, 160 Windows 10.
        """
        super().__init__(**kwargs)
        self.api_url = url or URL
        self.key = key
        self.env_id = str(env)

    def _secrets(self) -> List[str]:
        return [self.key]

    def _headers(self) -> Dict[str, str]:
        return {"api-key": self.key, "User-Agent": "Falcon Sandbox", "Accept": "application/json"}

    def _request(
        self,
        uri: str,
        method: str = "GET",
        params: Optional[Mapping[str, Any]] = None,
        files: Optional[Mapping[str, Upload]] = None,
        headers: Optional[Mapping[str, str]] = None,
        auth: Any = None,
    ) -> Answer:
        return super()._request(uri, method, {**(params or {}), "environment_id": self.env_id}, files, headers)

    def analyze(self, handle: IO[bytes], filename: str) -> str:
        """Submits a file; the job's id."""
        answer = self._request("/submit/file", method="POST", files={"file": (filename, rewound(handle))})
        if answer.status_code != 201:
            self._raised(f"api error in analyze: {answer.text[:300]}")
        return str(self._taken(answer, "analyze", "job_id"))

    def check(self, item_id: Any) -> bool:
        """Whether it has ended. An analysis that failed is an error, as it has no report."""
        answer = self._request(f"/report/{item_id}/state")
        if answer.status_code in (404, 429):
            return False
        state = self._taken(answer, "check", "state")
        if state == "ERROR":
            said = self._json(answer, "check")
            self._raised(f"the analysis failed: {said.get('error') or said.get('error_type') or 'no reason is given'}")
        return bool(state == "SUCCESS")

    def is_available(self) -> bool:
        """Whether it answers, and the key is right. A public key may not see the heartbeat, but the version."""
        if self.server_available:
            return True
        try:
            answer = self._request("/system/heartbeat")
            if answer.status_code == 403:
                answer = self._request("/system/version")
            self.server_available = answer.status_code == 200
        except SandboxError:
            self.server_available = False
        return self.server_available

    def queue_size(self) -> str:
        """What is said of the queue, as text."""
        return self._request("/system/queue-size").text

    def report(self, item_id: Any, report_format: str = "json") -> Any:
        """The summary."""
        answer = self._request(f"/report/{item_id}/summary")
        if answer.status_code == 429:
            self._raised("API rate limit exceeded while fetching report")
        if answer.status_code != 200:
            self._raised(f"api error in report ({answer.status_code}): {answer.text[:300]}")
        if report_format == "json":
            try:
                return answer.json()
            except (ValueError, RecursionError):
                pass
        return answer.text

    def full_report(self, item_id: Any, report_format: str = "json") -> Any:
        """A whole report, as a file of a type: json, pdf, html, xml and others. Anything but JSON comes as bytes."""
        answer = self._request(f"/report/{item_id}/file/{report_format}")
        if answer.status_code == 429:
            self._raised("API rate limit exceeded while fetching report")
        if answer.status_code != 200:
            self._raised(f"api error in full_report ({answer.status_code}): {answer.text[:300]}")
        if report_format == "json":
            try:
                return answer.json()
            except (ValueError, RecursionError):
                return answer.text
        return answer.content

    def score(self, report: Any) -> int:
        """0 to 10, of the level of a report and its score."""
        try:
            level, score = int(report["threat_level"]), int(report["threat_score"] or 0)
        except (KeyError, ValueError, TypeError) as error:
            raise SandboxError(f"the report has no score: {error}") from error
        bands = {2: (8, 9, 10), 1: (5, 6, 7), 0: (1, 0, 0)}.get(level)
        if bands is None:
            return 0
        return bands[2 if score >= 90 else 1 if score >= 75 else 0]
