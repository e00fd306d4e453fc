"""What all sandboxes of this interface have in common."""

from __future__ import annotations

import base64
import configparser
import contextlib
import json
import os
import re
from pathlib import Path
from typing import IO, Any, Callable, Dict, Iterator, List, Mapping, NoReturn, Optional, Tuple, Union

from ..sandboxapi._base import Answer, SandboxAPI, SandboxError, Upload
from ._template import TEMPLATE

__all__ = ["Config", "Malformed", "Missing", "Sandbox", "SandboxAPI", "SandboxError"]

TIMEOUT = 30
"""Seconds for a connection, and without a byte of an answer, when nobody says otherwise."""
SHOWN = 300
"""Characters of an answer that an error quotes."""
BOOLEANS = frozenset({"legacy_api", "use_https", "verify_ssl"})
"""Settings of a file that are yes or no. Any other value stays the text that it is."""

ItemId = Union[int, str]
SamplePath = Union[str, "os.PathLike[str]"]


class Malformed(SandboxError, ValueError):
    """An answer that cannot be read. The original lets the ``ValueError`` out, so it is one too."""


class Missing(SandboxError, KeyError):
    """An answer or a report that lacks what it must have. The original lets the ``KeyError`` out, so it is one too."""

    # That of a KeyError is the repr of its text.
    __str__ = Exception.__str__


class Config:
    """What a configuration file says of one sandbox: an attribute for each setting that is there.

    The values are texts; ``verify_ssl``, ``use_https`` and ``legacy_api`` are booleans. In the original ``False`` becomes true again, and a port of
    1 becomes ``True``.
    """

    def __init__(self, path: SamplePath, alias: str) -> None:
        """:param path: The file; ``~`` is expanded.

        :param alias: The section. What ``[DEFAULT]`` says applies too, if there is that section.
        """
        self.__path = Path(path).expanduser()
        parser = configparser.ConfigParser(allow_no_value=True)
        try:
            with self.__path.open(encoding="utf-8") as file:
                parser.read_file(file)
        except OSError as error:
            raise SandboxError(str(error)) from error
        except (configparser.Error, UnicodeDecodeError):
            # Their texts quote lines, which may hold a password.
            raise SandboxError("The config file cannot be read because it is not properly formatted.") from None
        if not parser.has_section(alias):
            return
        for name in parser.options(alias):
            setattr(self, name, _setting(parser, alias, name))


def _setting(parser: configparser.ConfigParser, section: str, name: str) -> Any:
    try:
        value = parser.get(section, name)
    except configparser.InterpolationError:
        # A percent sign in a password is a percent sign.
        value = parser.get(section, name, raw=True)
    if value is None or name not in BOOLEANS:
        return value
    return _truth(value, name)


def _truth(value: Any, name: str) -> bool:
    if isinstance(value, str):
        known = configparser.ConfigParser.BOOLEAN_STATES.get(value.strip().lower())
        if known is None:
            raise SandboxError(f"the config file says neither yes nor no for '{name}'")
        return known
    return bool(value)


class _Requests(SandboxAPI):
    """Sends what a :class:`Sandbox` asks for."""

    def __init__(self, secrets: Callable[[], List[str]]) -> None:
        super().__init__()
        self._known = secrets

    def _secrets(self) -> List[str]:
        return self._known()


class Sandbox:
    """A sandbox: the part that all vendors share.

    What differs from the original: proxies are used, and a text is one for all schemes; ``verify_ssl = false`` of a file is obeyed; changes of
    ``verify_ssl``, ``proxies`` and ``timeout_secs`` count from the next request on; a request whose connection fails is tried three times, an upload
    again only when it cannot have arrived; redirects are not followed; no error holds a key; a server that is not there is a :class:`SandboxError`,
    and not an exception of a library below.
    """

    def __init__(
        self,
        alias: str = "",
        base_url: str = "",
        config: Union[SamplePath, Config, None] = "",
        proxies: Union[Mapping[str, str], str, None] = None,
        timeout: Optional[float] = None,
        verify_ssl: Optional[bool] = None,
        **kwargs: Any,
    ) -> None:
        """An argument counts before the file, the file before the default.

        :param alias: The section of the configuration file.
        :param base_url: What all addresses begin with.
        :param config: A configuration file.
        :param proxies: Proxies by the schemes of addresses, or one for all.
        :param timeout: Seconds for a connection, and without a byte of an answer: 30 by default.
        :param verify_ssl: Whether the server's certificate is checked: it is by default.
        :param kwargs: Nothing comes of others.
        """
        self.base_url = base_url
        self.config: Union[str, Config] = ""
        if config:
            self.config = config if isinstance(config, Config) else Config(config, alias)
        self.proxies: Union[Mapping[str, str], str, None] = self._set_attribute(proxies, None, "proxies")
        self.timeout_secs: float = self._set_attribute(timeout, TIMEOUT, "timeout", float)
        self.verify_ssl: bool = self._set_attribute(verify_ssl, True, "verify_ssl", bool)
        self.__requests = _Requests(self._secrets)

    @property
    def _request_opts(self) -> Dict[str, Any]:
        return {"timeout": self.timeout_secs, "verify": self.verify_ssl}

    # What no error may show.
    def _secrets(self) -> List[str]:
        return []

    def _set_attribute(self, value: Any, default: Any, name: str, data_type: Callable[[Any], Any] = str) -> Any:
        """The argument, if it was given; else what the file says, as that type; else the default."""
        if value is not None:
            return value
        said = getattr(self.config, name, None) if self.config else None
        if said is None:
            return default
        try:
            return _truth(said, name) if data_type is bool else data_type(said)
        except ValueError:
            # Without the value, which may stand on the wrong line.
            raise SandboxError(f"the config file's '{name}' is not what it must be") from None

    @staticmethod
    def _format_host(host: str) -> str:
        """A host without the scheme before it."""
        return re.sub(r"^[A-Za-z][A-Za-z0-9+.-]*://", "", str(host))

    @staticmethod
    def _get_file(filepath: SamplePath) -> IO[bytes]:
        """A sample, opened; ``~`` is expanded."""
        return Path(filepath).expanduser().open(mode="rb")

    @contextlib.contextmanager
    def _upload(self, name: str, filepath: SamplePath) -> Iterator[Dict[str, Upload]]:
        # Opened first: what cannot be read is an OSError, as in the original.
        with self._get_file(filepath) as file:
            called = os.path.basename(file.name).encode("utf-8", "replace").decode()
            yield {name: (called, file.name if os.path.isfile(file.name) else file)}

    def _ask(
        self,
        uri: str,
        method: str = "GET",
        params: Optional[Mapping[str, Any]] = None,
        files: Optional[Mapping[str, Upload]] = None,
        headers: Optional[Mapping[str, str]] = None,
        auth: Optional[Tuple[str, str]] = None,
    ) -> Answer:
        requests = self.__requests
        requests.api_url = self.base_url
        requests.proxies = {"all": self.proxies} if isinstance(self.proxies, str) else self.proxies
        requests.connect_timeout = requests.read_timeout = self.timeout_secs
        requests.verify_ssl = self.verify_ssl
        try:
            return requests._answered(uri, method, params, files, headers, auth)
        except SandboxError as error:
            raise SandboxError(self._hidden(str(error))) from error.__cause__

    def _hidden(self, text: str) -> str:
        for secret in filter(None, self._secrets()):
            text = text.replace(secret, "[hidden]")
        return text

    def _quoted(self, answer: Answer) -> str:
        """The beginning of an answer, for an error."""
        return self._hidden(answer.text)[:SHOWN]

    def _failed(self, problem: str) -> NoReturn:
        raise SandboxError(self._hidden(problem))

    def _there(self, ask: Callable[[], Answer], status: int = 200) -> bool:
        """Whether it is answered so; not, where nobody answers."""
        try:
            return ask().status_code == status
        except SandboxError:
            return False

    def _read(self, answer: Answer) -> Any:
        """What an answer says; :class:`Malformed` where it cannot be read."""
        try:
            return self.decode(answer)
        except (ValueError, RecursionError):
            raise Malformed(f"{self._quoted(answer)}: {answer.status_code}") from None

    def _said(self, answer: Answer, *names: str) -> str:
        """What an answer that is an error says, under one of these names, or else as it is."""
        try:
            said = self.decode(answer)
        except (ValueError, RecursionError, SandboxError):
            said = None
        for name in names:
            if isinstance(said, dict) and said.get(name):
                return f"Error: {self._hidden(str(said[name]))[:SHOWN]}"
        return f"{self._quoted(answer)}: {answer.status_code}"

    def _taken(self, answer: Answer, *path: Union[str, int]) -> Any:
        return taken(self._read(answer), *path)

    def decode(self, response: Any) -> Any:
        """What an answer says: its JSON. ``ValueError`` where it is none."""
        return json.loads(response.content.decode("utf-8"))

    def submit_sample(self, filepath: SamplePath) -> Any:
        """Submits a file; gives the id by which it is asked for."""
        raise NotImplementedError

    def check_item_status(self, item_id: ItemId) -> bool:
        """Whether the report is there."""
        raise NotImplementedError

    def report(self, item_id: ItemId) -> Any:
        """The report."""
        raise NotImplementedError

    def score(self, report: Any) -> Any:
        """The score of a report."""
        raise NotImplementedError

    def xml_report(self, item_id: ItemId) -> bytes:
        """The report as XML; nothing where the vendor has none."""
        return b""

    def pdf_report(self, item_id: ItemId) -> bytes:
        """The report as PDF; nothing where the vendor has none."""
        return b""

    def delete_item(self, item_id: ItemId) -> bool:
        """Deletes an analysis; not, where the vendor cannot."""
        return False

    @property
    def available(self) -> bool:
        """Whether it can be used."""
        return False

    @property
    def queue_size(self) -> int:
        """How many analyses wait; 0 where the vendor does not say."""
        return 0

    @staticmethod
    def generate_config_file(filepath: SamplePath = ".") -> None:
        """Writes a configuration file to be filled in, readable by its owner alone: ``sandbox_config.cfg`` here, if no other is named.

        What was in that file is gone.
        """
        path = Path("sandbox_config.cfg") if str(filepath) == "." else Path(filepath).expanduser()
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
            file.write(TEMPLATE)


generate_config_file = Sandbox.generate_config_file


def taken(found: Any, *path: Union[str, int]) -> Any:
    """What is there; :class:`Missing` where it is not."""
    for step in path:
        try:
            found = found[step]
        except (KeyError, IndexError, TypeError):
            raise Missing(f"there is no {step!r} where it must be") from None
    return found


def basic(login: Optional[Tuple[str, str]]) -> List[str]:
    """A login as it is sent, in the forms that a server may give back."""
    return [login[1], base64.b64encode(":".join(login).encode()).decode()] if login else []
