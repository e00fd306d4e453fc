"""FireEye AX (Trellix Malware Analysis)."""

from __future__ import annotations

import json
from typing import IO, Any, List, Mapping, Optional

from ._base import Answer, SandboxAPI, SandboxError, Upload, rewound


class FireEyeAPI(SandboxAPI):
    """A FireEye AX."""

    def __init__(
        self,
        username: str,
        password: str,
        url: str,
        profile: Optional[str] = None,
        legacy_api: bool = False,
        verify_ssl: bool = True,
        **kwargs: Any,
    ) -> None:
        """:param url: The address, without the path of the API.

        :param profile: What analyses: ``winxp-sp3`` by default.
        :param legacy_api: The API of appliances of version 7.
        """
        super().__init__(**kwargs)
        version = "v1.1.0" if legacy_api else "v1.2.0"
        self.base_url = url
        self.api_url = f"{url.rstrip('/')}/wsapis/{version}"
        self.username, self.password = username, password
        self.profile = profile or "winxp-sp3"
        self.api_token: Optional[str] = None
        self.verify_ssl = verify_ssl

    def _secrets(self) -> List[str]:
        return [self.password, self.api_token or ""]

    def _request(
        self,
        uri: str,
        method: str = "GET",
        params: Optional[Mapping[str, Any]] = None,
        files: Optional[Mapping[str, Upload]] = None,
        headers: Optional[Mapping[str, str]] = None,
        auth: Any = None,
    ) -> Answer:
        for again in (True, False):
            if self.api_token is None:
                self._log_in()
            sent = {**(headers or {}), "X-FeApi-Token": self.api_token or "", "Accept": "application/json"}
            answer = super()._request(uri, method, params, files, sent)
            if not _expired(answer):
                return answer
            self.api_token = None
            for given in (files or {}).values():
                rewound(given[1] if isinstance(given, tuple) else given)  # type: ignore[arg-type]
            if not again:
                break
        raise SandboxError("the appliance does not accept its own token: it expires at once")

    def _log_in(self) -> None:
        answer = super()._request("/auth/login", "POST", auth=(self.username, self.password))
        if answer.status_code != 200:
            self._raised(f"Can't log in, HTTP Error {answer.status_code}")
        token = answer.headers.get("x-feapi-token")
        if not token:
            self._raised("Can't log in: the answer has no token")
        self.api_token = token

    def analyze(self, handle: IO[bytes], filename: str) -> Any:
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
        files = {"file": (filename, rewound(handle))}
        answer = self._request("/submissions", "POST", {"options": json.dumps(options)}, files)
        if answer.status_code != 200:
            self._raised(f"api error in analyze ({answer.status_code}): {answer.text[:300]}")
        said = self._json(answer, "analyze")
        if isinstance(said, list) and said:
            said = said[0]
        if not isinstance(said, dict) or "ID" not in said:
            self._raised(f"api error in analyze: {answer.text[:300]}")
        return said["ID"]

    def check(self, item_id: Any) -> bool:
        """Whether it is done."""
        answer = self._request(f"/submissions/status/{item_id}")
        if answer.status_code == 404:
            return False
        return bool(self._taken(answer, "check", "submissionStatus") == "Done")

    def is_available(self) -> bool:
        """Whether it answers. It is asked each time."""
        try:
            self.server_available = self._request("/config").status_code == 200
        except SandboxError:
            self.server_available = False
        return self.server_available

    def report(self, item_id: Any, report_format: str = "json") -> Any:
        """The report."""
        if report_format == "html":
            return "Report Unavailable"
        answer = self._request(f"/submissions/results/{item_id}", params={"info_level": "extended"})
        if answer.status_code != 200:
            self._raised(f"api error in report ({answer.status_code}): {answer.text[:300]}")
        if report_format == "json":
            try:
                return answer.json()
            except (ValueError, RecursionError):
                pass
        return answer.content

    def score(self, report: Any) -> int:
        """8 where the worst alert is of severity MAJR or CRIT, else 0."""
        alerts = report.get("alert") if isinstance(report, dict) else None
        alerts = alerts if isinstance(alerts, list) else [alerts]
        severe = any(isinstance(alert, dict) and str(alert.get("severity")).upper() in ("MAJR", "CRIT") for alert in alerts)
        return 8 if severe else 0

    def logout(self) -> None:
        """Gives the session back: an appliance has a hundred."""
        if self.api_token is not None:
            super()._request("/auth/logout", "POST", headers={"X-FeApi-Token": self.api_token})
            self.api_token = None


def _expired(answer: Answer) -> bool:
    if answer.status_code == 401:
        return True
    if not answer.content.lstrip().startswith(b"{") or b"fireeyeapis" not in answer.content[:1000]:
        return False
    try:
        said = answer.json()["fireeyeapis"]["httpStatus"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return False
    return str(said) == "401"
