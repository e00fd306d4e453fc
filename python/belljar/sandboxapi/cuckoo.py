"""Cuckoo 1 and 2."""

from __future__ import annotations

from typing import IO, Any, Dict, List

from ._base import SandboxAPI, SandboxError, rewound


class CuckooAPI(SandboxAPI):
    """A Cuckoo 1 or 2."""

    def __init__(self, url: str, port: int = 8090, api_path: str = "/", verify_ssl: bool = False, **kwargs: Any) -> None:
        """:param url: A host, or the whole address, which then is used as it is.

        :param port: The port, where ``url`` is a host.
        :param api_path: The path, where ``url`` is a host.
        :param verify_ssl: Whether the server's certificate is checked. As in the original it is not, if nobody says so.
        """
        super().__init__(**kwargs)
        if not url:
            url = ""
        if url.startswith(("http://", "https://")):
            self.api_url = url if url.endswith("/") else url + "/"
        else:
            path = "/" + api_path.strip("/") + "/" if api_path.strip("/") else "/"
            self.api_url = f"http://{url}:{port}{path}"
        self.verify_ssl = verify_ssl

    def analyses(self) -> List[Dict[str, Any]]:
        """All tasks."""
        found: List[Dict[str, Any]] = self._taken(self._request("tasks/list"), "list of tasks", "tasks")
        return found

    def analyze(self, handle: IO[bytes], filename: str) -> str:
        """Submits a file; the task's id as text."""
        answer = self._request("tasks/create/file", method="POST", files={"file": (filename, rewound(handle))})
        said = self._json(answer, "analyze")
        if isinstance(said, dict):
            several = said.get("task_ids")
            task = said.get("task_id") or (several[0] if isinstance(several, list) and several else None)
            if task is not None:
                return str(task)
        self._raised(f"api error in analyze ({answer.status_code}): {answer.text[:300]}")

    def check(self, item_id: Any) -> bool:
        """Whether the report is there. A task that failed is an error, and not on its way for ever; ``completed`` is not finished, because the report is
        written after that."""
        answer = self._request(f"tasks/view/{item_id}")
        if answer.status_code == 404:
            return False
        task = self._taken(answer, "check", "task")
        status = str(task.get("status")) if isinstance(task, dict) else ""
        if status.startswith("failed_"):
            self._raised(f"the analysis failed: {status}")
        return status == "reported"

    def delete(self, item_id: Any) -> bool:
        """Deletes a task; whether it did."""
        try:
            return self._request(f"tasks/delete/{item_id}").status_code == 200
        except SandboxError:
            return False

    def is_available(self) -> bool:
        """Whether it answers. Once it did, it is asked again only after a failure."""
        return self._is_available("cuckoo/status")

    def queue_size(self) -> int:
        """Tasks that wait."""
        return sum(1 for task in self.analyses() if isinstance(task, dict) and task.get("status") == "pending")

    def report(self, item_id: Any, report_format: str = "json") -> Any:
        """The report; formats json, html, all, dropped and package_files. Anything but JSON comes as bytes."""
        report_format = report_format.lower()
        answer = self._request(f"tasks/report/{item_id}/{report_format}")
        if answer.status_code != 200:
            self._raised(f"api error in report ({answer.status_code}): {answer.text[:300]}")
        if report_format == "json":
            try:
                return answer.json()
            except (ValueError, RecursionError):
                pass
        return answer.content

    def score(self, report: Any) -> float:
        """The score of a report, as Cuckoo gives it: 0 to 10, and beyond."""
        if not isinstance(report, dict):
            raise SandboxError("the report is none")
        info = report.get("info")
        of_info = info.get("score") if isinstance(info, dict) else None
        score = report.get("malscore", of_info)
        return 0 if score is None else score
