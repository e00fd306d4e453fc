"""Joe Sandbox."""

from __future__ import annotations

from typing import IO, Any, List, Mapping, Optional

from ._base import Answer, SandboxAPI, SandboxError, Upload, rewound

URL = "https://jbxcloud.joesecurity.org/api"
"""Where it is, when nobody says otherwise."""


class JoeAPI(SandboxAPI):
    """A Joe Sandbox. Neither ``jbxapi`` nor anything else is needed for it."""

    def __init__(
        self,
        apikey: str,
        apiurl: Optional[str],
        accept_tac: bool,
        timeout: Optional[float] = None,
        verify_ssl: bool = True,
        retries: int = 3,
        chunked: bool = False,
        **kwargs: Any,
    ) -> None:
        """:param apiurl: The address of its API; the cloud by default.

        :param accept_tac: Whether the terms of the cloud are accepted.
        :param timeout: Seconds without an answer; a minute by default.
        """
        super().__init__(**kwargs)
        self.api_url = (apiurl or URL).rstrip("/")
        self.apikey, self.accept_tac = apikey, accept_tac
        self.verify_ssl = verify_ssl
        self.retries, self.chunked = retries, chunked
        if timeout is not None:
            self.connect_timeout = self.read_timeout = float(timeout)

    def _secrets(self) -> List[str]:
        return [self.apikey]

    def _ask(self, what: str, params: Mapping[str, Any], files: Optional[Mapping[str, Upload]] = None) -> Answer:
        answer = self._request(f"/v2/{what}", "POST", {"apikey": self.apikey, **params}, files)
        if answer.status_code != 200:
            try:
                said = answer.json()["errors"][0]["message"]
            except (ValueError, KeyError, IndexError, TypeError, RecursionError):
                said = answer.text[:300]
            self._raised(f"{what}: {said} ({answer.status_code})")
        return answer

    def analyze(self, handle: IO[bytes], filename: str) -> str:
        """Submits a file; the submission's id."""
        accepted = {"accept-tac": "1" if self.accept_tac else "0"}
        answer = self._ask("submission/new", accepted, {"sample": (filename, rewound(handle))})
        return str(self._taken(answer, "analyze", "data", "submission_id"))

    def _submission(self, item_id: Any) -> Any:
        return self._taken(self._ask("submission/info", {"submission_id": item_id}), "check", "data")

    def check(self, item_id: Any) -> bool:
        """Whether a submission is finished. An error of the server is none, as in the original."""
        try:
            return str(self._submission(item_id).get("status")).lower() == "finished"
        except SandboxError:
            return False

    def is_available(self) -> bool:
        """Whether it is online. Once it was, it is asked again only after a failure."""
        if not self.server_available:
            try:
                online = self._taken(self._ask("server/online", {}), "is_available", "data", "online")
                self.server_available = bool(online)
            except SandboxError:
                self.server_available = False
        return self.server_available

    def report(self, item_id: Any, report_format: str = "json") -> Any:
        """The report of a submission's most relevant analysis. Anything but JSON comes as bytes."""
        kind = "jsonfixed" if report_format == "json" else report_format
        relevant = self._submission(item_id).get("most_relevant_analysis")
        if not isinstance(relevant, dict) or not relevant.get("webid"):
            self._raised("the submission has no analysis yet")
        answer = self._ask("analysis/download", {"webid": relevant["webid"], "type": kind})
        if report_format == "json":
            try:
                return answer.json()
            except (ValueError, RecursionError):
                pass
        return answer.content

    def score(self, report: Any) -> int:
        """0 to 100: the score of the second strategy, 0 where there is none."""
        try:
            return int(report["analysis"]["signaturedetections"]["strategy"][1]["score"])
        except (KeyError, IndexError, TypeError, ValueError):
            return 0
