"""Hatching Triage."""

from __future__ import annotations

import json
from typing import IO, Any, Dict, List, Mapping, Optional

from ._base import SandboxAPI, SandboxError, Upload, rewound


class TriageAPI(SandboxAPI):
    """A Triage."""

    def __init__(
        self,
        api_key: str,
        url: str = "https://api.tria.ge",
        api_path: str = "/v0",
        verify_ssl: bool = True,
        **kwargs: Any,
    ) -> None:
        """:param url: The address, without the path of the API."""
        super().__init__(**kwargs)
        self.api_key = api_key
        self.api_url = url.rstrip("/") + api_path
        self.verify_ssl = verify_ssl

    def _secrets(self) -> List[str]:
        return [self.api_key]

    def _headers(self) -> Dict[str, str]:
        return {"Authorization": f"Bearer {self.api_key}"}

    def _ask(
        self,
        uri: str,
        method: str = "GET",
        params: Optional[Mapping[str, Any]] = None,
        files: Optional[Mapping[str, Upload]] = None,
    ) -> Any:
        answer = self._request(uri, method, params, files)
        said = self._json(answer, uri)
        if isinstance(said, dict) and "error" in said:
            self._raised(f"Triage raised an error: {said['error']} - {said.get('message', '')}")
        if answer.status_code >= 400:
            self._raised(f"{uri}: status {answer.status_code}: {answer.text[:300]}")
        return said

    def analyze(self, handle: IO[bytes], filename: str) -> str:
        """Submits a file; the sample's id."""
        wishes = {"_json": json.dumps({"kind": "file", "interactive": False})}
        said = self._ask("/samples", "POST", wishes, {"file": (filename, rewound(handle))})
        if not isinstance(said, dict) or not said.get("id"):
            raise SandboxError("Triage returned no ID")
        return str(said["id"])

    def check(self, item_id: Any) -> bool:
        """Whether it is reported. An analysis that failed is an error, and not on its way for ever."""
        said = self._ask(f"/samples/{item_id}/status")
        status = said.get("status") if isinstance(said, dict) else None
        if status == "failed":
            raise SandboxError("the analysis failed")
        return status == "reported"

    def is_available(self) -> bool:
        """Whether it answers and knows the key. It is asked each time."""
        try:
            self._ask("/samples")
            self.server_available = True
        except SandboxError:
            self.server_available = False
        return self.server_available

    def report(self, item_id: Any, report_format: str = "json") -> Dict[str, Any]:
        """The summary, in JSON only."""
        if report_format != "json":
            raise SandboxError("Triage api only supports the json report format")
        said = self._ask(f"/samples/{item_id}/summary")
        if not isinstance(said, dict):
            raise SandboxError("the summary is none")
        return said

    def score(self, item_id: Any) -> float:
        """1 to 10: the highest score of the tasks of the sample with this id."""
        scores: List[float] = [1]
        for task in _tasks(self.report(item_id)).values():
            score = task.get("score") if isinstance(task, dict) else None
            if isinstance(score, (int, float)):
                scores.append(score)
        return max(scores)

    def full_report(self, item_id: Any, report_format: str = "json") -> Dict[str, Any]:
        """The summary, and the report of each task that has one."""
        summary = self.report(item_id, report_format)
        full: Dict[str, Any] = {"summary": summary, "tasks": {}}
        for name in _tasks(summary):
            task = name[len(f"{item_id}-") :] if name.startswith(f"{item_id}-") else name
            try:
                full["tasks"][task] = self._ask(f"/samples/{item_id}/{task}/report_triage.json")
            except SandboxError:
                continue
        return full


def _tasks(summary: Mapping[str, Any]) -> Mapping[str, Any]:
    tasks = summary.get("tasks")
    return tasks if isinstance(tasks, dict) else {}
