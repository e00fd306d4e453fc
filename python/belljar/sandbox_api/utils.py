"""Where things are, and whether a configuration has the right form."""

from __future__ import annotations

from typing import Any, Dict, Tuple

ENDPOINTS = {
    "specifications": "specifications/",
    "libraries": "libraries/",
    "usages": "usages/",
    "environments": "environments/%s/",
    "files": "files/%s/%s/",
    "execute": "execute/",
    "load/fr": "loader/fr/",
    "demo": "loader/demo/pl/",
    "exo": "loader/play/pl/",
    "exec": "exec/",
}
"""Paths, relative to the server's address."""


def validate_command(c: Dict[str, Any]) -> bool:
    """Whether this dictionary describes a command: ``command`` is text, and ``timeout``, if there is one, a number."""
    return isinstance(c.get("command"), str) and isinstance(c.get("timeout", 0), (int, float))


def validate(config: Dict[str, Any]) -> Tuple[bool, str]:
    """Whether a configuration has the right form, and if not, what is wrong with it first.

    A saved environment, and what does not belong there, are for the server to refuse. Nothing calls this on its own.
    """

    def wrong(name: str, wanted: str, value: Any) -> Tuple[bool, str]:
        return False, f"{name} must be {wanted}, not {type(value)}"

    for name, kind, wanted in (
        ("result_path", str, "a string"),
        ("save", bool, "a boolean"),
        ("environ", dict, "a dict"),
    ):
        if name in config and not isinstance(config[name], kind):
            return wrong(name, wanted, config[name])
    if "commands" not in config:
        return False, "Missing field 'commands' in config"
    commands = config["commands"]
    if not isinstance(commands, list):
        return wrong("commands", "a list", commands)
    if not commands:
        return False, "commands list is empty"
    for command in commands:
        if not (isinstance(command, str) or isinstance(command, dict) and validate_command(command)):
            return False, f"Command badly formatted : '{command}'"
    return True, ""
