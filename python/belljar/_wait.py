"""Waiting for operations that have begun: by a thread, or by a coroutine of asyncio."""

from __future__ import annotations

import asyncio
import atexit
from typing import Any, Callable, Optional

from . import _native

atexit.register(_native.close)


async def arrived(pending: _native.Pending, hear: Optional[Callable[[str], Any]] = None) -> Any:
    """What came of it. When this is cancelled, so is the operation."""
    loop = asyncio.get_running_loop()
    changed = asyncio.Event()

    def changes() -> None:
        # In a thread of its own.
        try:
            loop.call_soon_threadsafe(changed.set)
        except RuntimeError:
            # The loop is closed: nobody waits any more.
            pass

    pending.listen(changes)
    try:
        while True:
            await changed.wait()
            changed.clear()
            ended = pending.ended()
            for news in pending.news():
                if hear is not None:
                    hear(news)
            if ended:
                return pending.result()
    finally:
        # Without effect on what has ended.
        pending.cancel()
