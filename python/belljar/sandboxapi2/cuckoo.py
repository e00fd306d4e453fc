"""Cuckoo 1 and 2."""

from __future__ import annotations

from typing import Any, Dict, List, Optional, Tuple

from ..sandboxapi._base import Answer
from ..sandboxapi.cuckoo import CuckooAPI
from .base import ItemId, Missing, SamplePath, Sandbox, basic, taken

__all__ = ["CuckooAPI", "CuckooSandbox"]


class CuckooSandbox(Sandbox):
    """A Cuckoo 1 or 2.

    What differs from the original: samples go to the route that Cuckoo has, and not to ``task/create/file``; an analysis that failed is an error,
    and not on its way for ever; one that is ``completed`` is not finished, because its report is written after that; nobody answering means not
    available.
    """

    def __init__(
        self,
        username: Optional[str] = None,
        password: Optional[str] = None,
        host: Optional[str] = None,
        port: Optional[int] = None,
        use_https: Optional[bool] = None,
        **kwargs: Any,
    ) -> None:
        """:param username: A user, where a server before it asks for one.

        :param password: The user's password.
        :param host: The host: this machine by default. A scheme before it is dropped.
        :param port: The port: 8090 by default.
        :param use_https: Whether it is asked by HTTPS: it is not by default.
        """
        super().__init__(alias="cuckoo", **kwargs)
        self._host = self._format_host(self._set_attribute(host, "localhost", "host"))
        self._port = self._set_attribute(port, 8090, "port", int)
        self._username = self._set_attribute(username, None, "username")
        self._password = self._set_attribute(password, None, "password")
        self.use_https = self._set_attribute(use_https, False, "use_https", bool)

    @property
    def use_https(self) -> bool:
        """Whether it is asked by HTTPS. Setting it makes ``base_url`` anew."""
        return self._use_https

    @use_https.setter
    def use_https(self, value: bool) -> None:
        self._use_https = bool(value)
        self.base_url = f"{'https' if value else 'http'}://{self._host}:{self._port}"

    @property
    def _auth(self) -> Optional[Tuple[str, str]]:
        return (self._username, self._password) if self._username and self._password else None

    @property
    def _request_opts(self) -> Dict[str, Any]:
        options = super()._request_opts
        return {**options, "auth": self._auth} if self._auth else options

    def _secrets(self) -> List[str]:
        return basic(self._auth)

    def _of_task(self, item_id: ItemId, uri: str) -> Answer:
        answer = self._ask(uri, auth=self._auth)
        if answer.status_code == 404:
            self._failed(f"Task ID {item_id} not found.")
        if answer.status_code != 200:
            self._failed(f"{self._quoted(answer)}: {answer.status_code}")
        return answer

    def enqueued(self) -> List[Dict[str, Any]]:
        """All tasks."""
        answer = self._ask("/tasks/list", auth=self._auth)
        if answer.status_code != 200:
            self._failed(f"{self._quoted(answer)}: {answer.status_code}")
        found: List[Dict[str, Any]] = self._taken(answer, "tasks")
        return found

    @property
    def queue_size(self) -> int:
        """Tasks that wait or run."""
        waiting = ("pending", "running")
        return sum(1 for task in self.enqueued() or [] if isinstance(task, dict) and task.get("status") in waiting)

    @property
    def available(self) -> bool:
        """Whether it answers."""
        return self._there(lambda: self._ask("/cuckoo/status", auth=self._auth))

    def submit_sample(self, filepath: SamplePath) -> Any:
        """Submits a file; the task's id, the first where it became several."""
        with self._upload("file", filepath) as files:
            answer = self._ask("/tasks/create/file", "POST", files=files, auth=self._auth)
        if answer.status_code != 200:
            self._failed(f"{self._quoted(answer)}: {answer.status_code}")
        said = self._read(answer)
        if isinstance(said, dict):
            several = said.get("task_ids")
            task = said.get("task_id", several[0] if isinstance(several, list) and several else None)
            if task is not None:
                return task
        raise Missing(f"the answer has no 'task_id': {self._quoted(answer)}")

    def check_item_status(self, item_id: ItemId) -> bool:
        """Whether the report is there. An analysis that failed is an error."""
        status = str(self._taken(self._of_task(item_id, f"/tasks/view/{item_id}"), "task", "status"))
        if status.startswith("failed_"):
            self._failed(f"the analysis failed: {status}")
        return status == "reported"

    def report(self, item_id: ItemId) -> Any:
        """The report."""
        return self._read(self._of_task(item_id, f"/tasks/report/{item_id}/json"))

    def score(self, report: Any) -> float:
        """The score of a report, as Cuckoo gives it: 0 to 10, and beyond."""
        score = report.get("malscore") if isinstance(report, dict) else None
        found: float = taken(report, "info", "score") if score is None else score
        return found

    def delete_item(self, item_id: ItemId) -> bool:
        """Deletes a task. An error where that fails."""
        answer = self._ask(f"/tasks/delete/{item_id}", auth=self._auth)
        if answer.status_code == 200:
            return True
        texts = {404: f"Task ID {item_id} not found.", 500: f"Could not delete task ID {item_id}."}
        self._failed(texts.get(answer.status_code, f"Server Error: {answer.status_code}"))
