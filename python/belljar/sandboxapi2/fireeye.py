"""FireEye AX (Trellix Malware Analysis)."""

from __future__ import annotations

import json
from typing import Any, List, Mapping, Optional, Tuple

from ..sandboxapi._base import Answer
from ..sandboxapi.fireeye import FireEyeAPI, _expired
from .base import ItemId, SamplePath, Sandbox, SandboxError, basic, taken

__all__ = ["WIN7", "WIN7X64", "WINXP", "FireEyeAPI", "FireEyeSandbox"]

WINXP, WIN7, WIN7X64 = "winxp-sp3", "win7-sp1", "win7x64-sp1"
"""Environments that the original names."""
SEVERITIES = {"CRIT": 8, "MAJR": 8, "MINR": 2}


class FireEyeSandbox(Sandbox):
    """A FireEye AX.

    What differs from the original: a session that has ended is opened again; status and results are asked for with ``GET``, as the appliance has it;
    of several alerts the worst counts, a critical one as a major; a single alert may stand without a list around it.
    """

    def __init__(
        self,
        username: Optional[str] = None,
        password: Optional[str] = None,
        host: Optional[str] = None,
        port: Optional[int] = None,
        environment: Optional[str] = None,
        legacy_api: Optional[bool] = None,
        **kwargs: Any,
    ) -> None:
        """:param username: The user.

        :param password: The user's password.
        :param host: The host: this machine by default. A scheme before it is dropped.
        :param port: The port: 443 by default.
        :param environment: What analyses: ``winxp-sp3`` by default.
        :param legacy_api: The API of appliances of version 7: it is not by default.
        """
        super().__init__(alias="fireeye", **kwargs)
        self._username = self._set_attribute(username, "", "username")
        self._password = self._set_attribute(password, "", "password")
        self._host = self._format_host(self._set_attribute(host, "localhost", "host"))
        self._port = self._set_attribute(port, 443, "port", int)
        self.profile: str = self._set_attribute(environment, WINXP, "environment")
        self._api_token: Optional[str] = None
        self.legacy_api = self._set_attribute(legacy_api, False, "legacy_api", bool)

    @property
    def legacy_api(self) -> bool:
        """Whether the API is that of appliances of version 7. Setting it makes ``base_url`` anew."""
        return self._legacy

    @legacy_api.setter
    def legacy_api(self, value: bool) -> None:
        self._legacy = bool(value)
        self.base_url = f"https://{self._host}:{self._port}/wsapis/{'v1.1.0' if value else 'v1.2.0'}"

    @property
    def has_token(self) -> bool:
        """Whether a session is open."""
        return self._api_token is not None

    @property
    def _auth(self) -> Tuple[str, str]:
        return (self._username, self._password)

    def _secrets(self) -> List[str]:
        return [*basic(self._auth), self._api_token or ""]

    def _authenticate(self) -> None:
        answer = self._ask("/auth/login", "POST", auth=self._auth)
        texts = {401: "Authentication failed", 503: "Sandbox unavailable"}
        if answer.status_code != 200:
            self._failed(f"{texts.get(answer.status_code, 'Cannot log in')} - HTTP {answer.status_code}")
        token = answer.headers.get("x-feapi-token")
        if not token:
            self._failed("Cannot log in: the answer has no token")
        self._api_token = token

    def _asked(
        self,
        uri: str,
        method: str = "GET",
        params: Optional[Mapping[str, Any]] = None,
        files: Any = None,
        accept: str = "application/json",
    ) -> Answer:
        # The second time with a new session. A sample is a path, or was kept when it was read.
        for again in (True, False):
            if not self.has_token:
                self._authenticate()
            headers = {"X-FeApi-Token": self._api_token or "", "Accept": accept}
            answer = self._ask(uri, method, params, files, headers)
            if not _expired(answer):
                return answer
            self._api_token = None
            if not again:
                break
        self._failed("Action is unauthorized.")

    def _good(self, answer: Answer) -> Answer:
        if answer.status_code == 404:
            self._failed("Invalid submission key.")
        if answer.status_code not in (200, 201):
            self._failed(f"{self._quoted(answer)}: {answer.status_code}")
        return answer

    def submit_sample(self, filepath: SamplePath) -> Any:
        """Submits a file; the key of the submission."""
        options = {
            "application": "0",
            "timeout": "500",
            "priority": "0",
            "profiles": [self.profile],
            "analysistype": "0",
            "force": "true",
            "prefetch": "1",
        }
        with self._upload("file", filepath) as files:
            answer = self._asked("/submissions", "POST", {"options": json.dumps(options)}, files)
        if answer.status_code not in (200, 201):
            self._failed(f"{self._quoted(answer)}: {answer.status_code}")
        said = self._read(answer)
        return taken(said[0] if isinstance(said, list) and said else said, "ID")

    def check_item_status(self, item_id: ItemId) -> bool:
        """Whether the report is there."""
        said = self._read(self._good(self._asked(f"/submissions/status/{item_id}")))
        status = said.get("submissionStatus") if isinstance(said, dict) else None
        if status not in ("Done", "In Progress"):
            self._failed("Submission not found.")
        return bool(status == "Done")

    @property
    def available(self) -> bool:
        """Whether it answers. A wrong user or password is an error."""
        try:
            return self._asked("/config").status_code == 200
        except SandboxError as error:
            if str(error).endswith("HTTP 401") or str(error) == "Action is unauthorized.":
                raise
            return False

    def _results(self, item_id: ItemId, accept: str) -> Answer:
        return self._good(self._asked(f"/submissions/results/{item_id}", params={"info_level": "extended"}, accept=accept))

    def report(self, item_id: ItemId) -> Any:
        """The report."""
        return self._read(self._results(item_id, "application/json"))

    def xml_report(self, item_id: ItemId) -> bytes:
        """The report as XML."""
        return self._results(item_id, "application/xml").content

    def score(self, report: Any) -> int:
        """8 where the worst alert is of severity CRIT or MAJR, 2 where it is MINR, else 0."""
        alerts = taken(report, "alert")
        alerts = alerts if isinstance(alerts, list) else [alerts]
        return max((SEVERITIES.get(str(one.get("severity")).upper(), 0) for one in alerts if isinstance(one, dict)), default=0)

    def logout(self) -> None:
        """Gives the session back: an appliance has a hundred."""
        if not self.has_token:
            return
        answer = self._ask("/auth/logout", "POST", headers={"X-FeApi-Token": self._api_token or ""})
        if answer.status_code not in (200, 204):
            self._failed(f"{self._quoted(answer)}: {answer.status_code}")
        self._api_token = None
