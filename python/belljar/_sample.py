"""What is submitted: files, bytes, and whatever can be read."""

from __future__ import annotations

import contextlib
import os
import tempfile
from typing import IO, Any, Iterator, Optional, Tuple, Union

Sample = Union[str, "os.PathLike[str]", bytes, bytearray, memoryview, IO[bytes]]
"""A path, bytes, or a file object that was opened for reading bytes."""

CHUNK = 1 << 20
"""Bytes that are read of a file object at once."""
IN_MEMORY = 4 << 20
"""Bytes of a file object that are held in memory; more of them go through a file that is removed afterwards."""


@contextlib.contextmanager
def spooled(sample: Sample, name: Optional[str]) -> Iterator[Tuple[Union[str, bytes], Optional[str]]]:
    """A path or bytes, and its name, for as long as it is needed.

    A submission whose connection fails is sent anew from its start, which a file object cannot always be read from: so it is read once,
    from where it stands, and kept. One that gives nothing because it stands at its end is an error, no empty sample.
    """
    if isinstance(sample, (bytes, bytearray, memoryview)):
        yield bytes(sample), name
    elif isinstance(sample, (str, os.PathLike)):
        path = os.fspath(sample)
        if isinstance(path, bytes):
            path = os.fsdecode(path)
        if "://" in path and not os.path.exists(path):
            raise ValueError("this is an address, no path: see submit_url()")
        yield path, name
    elif hasattr(sample, "read"):
        with _read(sample) as kept:
            yield kept, name or name_of(sample) or "sample"
    else:
        raise TypeError(f"a sample is a path, bytes or a file object, not {type(sample).__name__}")


@contextlib.contextmanager
def _read(stream: IO[bytes]) -> Iterator[Union[str, bytes]]:
    with contextlib.ExitStack() as kept:
        held = bytearray()
        spool: Optional[IO[bytes]] = None
        while True:
            chunk = stream.read(CHUNK)
            if isinstance(chunk, str):
                raise TypeError("the file object gives text: open it with mode 'rb'")
            if chunk is None:
                raise ValueError("the file object does not block, and has nothing yet")
            if not chunk:
                break
            if spool is None and len(held) + len(chunk) <= IN_MEMORY:
                held += chunk
                continue
            if spool is None:
                spool = kept.enter_context(tempfile.NamedTemporaryFile(prefix="belljar-"))
                spool.write(held)
                held.clear()
            spool.write(chunk)
        if spool is None:
            if not held:
                raise ValueError("the file object gives no bytes: was it read to its end before? See seek(0)")
            yield bytes(held)
        else:
            spool.flush()
            yield spool.name


def name_of(stream: Any) -> Optional[str]:
    """The name of the file behind a file object, without directories; nothing where there is none."""
    name = getattr(stream, "name", None)
    # That of a descriptor is a number, that of a pipe in angle brackets.
    if isinstance(name, bytes):
        name = os.fsdecode(name)
    if isinstance(name, str) and name and not name.startswith("<"):
        return os.path.basename(name) or None
    return None
