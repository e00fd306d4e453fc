"""One request of the execution service, for attacks on what it takes in and gives back.

`run()` asks the server that the runner started. In the control run it asks a naive service instead: commands in a directory of the host, results
opened by their paths, archives as `tarfile` and `tar` make them. That is how such services are written first, and where attacks must succeed.
"""

import io
import os
import shutil
import subprocess
import tarfile
import tempfile
import time

from attack import CONTROL, broke, execute, request, server

_address = None


def address():
    global _address
    _address = _address or server()
    return _address


class Answer:
    """`status` of the protocol (0: all went well), output of each command, the result if any, the saved archive if asked for."""

    def __init__(self, status, outputs, result, archive):
        self.status, self.outputs, self.result, self.archive = status, outputs, result, archive


def _naive(commands, result_path, archive, save):
    place = tempfile.mkdtemp()
    try:
        if archive is not None:
            tarfile.open(fileobj=io.BytesIO(archive), mode="r:gz").extractall(place)
        outputs = [subprocess.run(command, shell=True, cwd=place, capture_output=True, timeout=20).stdout.decode(errors="surrogateescape") for command in commands]
        result = None
        if result_path is not None:
            with open(os.path.join(place, result_path), "rb") as file:
                result = file.read().decode(errors="surrogateescape")
        packed = subprocess.run("find . -mindepth 1 | tar czf - --no-recursion -T -", shell=True, cwd=place, capture_output=True).stdout if save else None
        return Answer(0, outputs, result, packed)
    finally:
        shutil.rmtree(place)


def run(commands, result_path=None, archive=None, save=False, timeout=60):
    """Carries out a request; `None` if the service refuses it as wrong."""
    if CONTROL:
        return _naive(commands, result_path, archive, save)
    config = {"commands": commands, "save": save}
    if result_path is not None:
        config["result_path"] = result_path
    reply = execute(address(), config, archive, timeout=timeout)
    deadline = time.monotonic() + 30
    # All sandboxes are busy, or being made anew.
    while reply.status == 503 and time.monotonic() < deadline:
        time.sleep(0.2)
        reply = execute(address(), config, archive, timeout=timeout)
    if reply.status in (400, 413):
        return None
    if reply.status != 200:
        broke(f"the server answers {reply}")
    answer = reply.json()
    saved = None
    if save and answer.get("environment"):
        saved = request(address(), "GET", f"/environments/{answer['environment']}/").body
    return Answer(answer["status"], [entry["stdout"] for entry in answer["execution"]], answer.get("result"), saved)


def archive(*members):
    """A compressed tar of members: `tarfile.TarInfo`s, or pairs of one and its content."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz", format=tarfile.PAX_FORMAT) as tar:
        for member in members:
            information, content = member if isinstance(member, tuple) else (member, b"")
            information.size = len(content)
            tar.addfile(information, io.BytesIO(content))
    return buffer.getvalue()


def member(name, kind=tarfile.REGTYPE, link="", mode=0o644):
    information = tarfile.TarInfo(name)
    information.type, information.linkname, information.mode = kind, link, mode
    return information
