"""WildFire of Palo Alto Networks."""

from __future__ import annotations

import json
from typing import IO, Any, List, Mapping, Optional

from .. import _native
from ._base import Answer, SandboxAPI, SandboxError, Upload, rewound

URL = "https://wildfire.paloaltonetworks.com"
"""Where it is, when nobody says otherwise."""

BENIGN, MALWARE, GRAYWARE, PHISHING, COMMAND_AND_CONTROL = 0, 1, 2, 4, 5
PENDING = -100
PROBLEMS = {
    -101: "An error occurred while processing the sample.",
    -102: "Unknown sample in the Wildfire database.",
    -103: "Invalid hash value.",
}
SCORES = {MALWARE: 8, GRAYWARE: 2, PHISHING: 5}


class WildFireAPI(SandboxAPI):
    """A WildFire."""

    def __init__(self, api_key: str = "", url: str = URL, verify_ssl: bool = True, **kwargs: Any) -> None:
        """:param url: The address, without the path of the API."""
        super().__init__(**kwargs)
        self.api_key = api_key
        self.api_url = f"{(url or URL).rstrip('/')}/publicapi"
        self.verify_ssl = verify_ssl
        self._score: Optional[int] = None

    def _secrets(self) -> List[str]:
        return [self.api_key]

    def _ask(self, uri: str, params: Mapping[str, Any], files: Optional[Mapping[str, Upload]] = None) -> Answer:
        return self._request(uri, "POST", {"apikey": self.api_key, **params}, files)

    def decode(self, answer: Answer) -> Any:
        """What XML says: elements by their names, attributes as ``@name``, lists where elements come again."""
        try:
            said = json.loads(_native.xml_to_json(answer.content))
        except (ValueError, RecursionError) as error:
            self._raised(f"the answer is no XML: {answer.text[:200]!r}", error)
        if isinstance(said, dict) and "error" in said:
            problem = said["error"]
            problem = problem.get("error-message") if isinstance(problem, dict) else problem
            self._raised(str(problem))
        return said

    def analyze(self, handle: IO[bytes], filename: str) -> str:
        """Submits a file; its SHA-256."""
        answer = self._ask("/submit/file", {}, {"file": (filename, rewound(handle))})
        if answer.status_code != 200:
            self._raised(f"api error in analyze ({answer.status_code}): {answer.text[:300]}")
        return str(_within(self, self.decode(answer), "wildfire", "upload-file-info", "sha256"))

    def check(self, item_id: Any) -> bool:
        """Whether there is a verdict."""
        answer = self._ask("/get/verdict", {"hash": item_id})
        if answer.status_code != 200:
            self._raised(f"api error in check ({answer.status_code}): {answer.text[:300]}")
        said = _within(self, self.decode(answer), "wildfire", "get-verdict-info", "verdict")
        try:
            verdict = int(said)
        except (TypeError, ValueError) as error:
            raise SandboxError(f"the verdict is no number: {said!r}") from error
        if verdict >= 0:
            self._score = verdict
            return True
        if verdict == PENDING:
            return False
        raise SandboxError(PROBLEMS.get(verdict, "Unknown status."))

    def is_available(self) -> bool:
        """Whether it answers: with 405, to a question of the wrong kind. It is asked each time."""
        try:
            self.server_available = self._request("/get/sample").status_code == 405
        except SandboxError:
            self.server_available = False
        return self.server_available

    def report(self, item_id: Any, report_format: str = "json") -> Any:
        """The report."""
        answer = self._ask("/get/report", {"hash": item_id, "format": "xml"})
        if answer.status_code != 200:
            self._raised(f"api error in report ({answer.status_code}): {answer.text[:300]}")
        return self.decode(answer)

    def score(self) -> Optional[int]:
        """Of the verdict that :meth:`check` found last: malware 8, grayware 2, phishing 5, anything else its number."""
        return self._score if self._score is None else SCORES.get(self._score, self._score)


def _within(sandbox: SandboxAPI, said: Any, *path: str) -> Any:
    for step in path:
        if not isinstance(said, dict) or step not in said:
            sandbox._raised(f"the answer has no '{step}'")
        said = said[step]
    return said
