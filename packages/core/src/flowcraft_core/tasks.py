"""Ending tasks, also where a library keeps a cancellation to itself."""

from __future__ import annotations

import asyncio
from typing import Any

# Before a task that goes on is cancelled again, seconds: long enough for one that cleans up.
_AGAIN = 1.0


async def end(*tasks: asyncio.Future[Any]) -> None:
    """Cancel tasks, and return once all of them have ended; what they raise is left with them.

    One cancellation need not be enough: ``asyncio.wait_for`` of CPython before 3.12 loses the one that comes in the
    moment of the answer (its issue 86296), and clients of databases use it. A task that works for ever would then never
    end, and whoever waits for it would wait with it.

    Raises:
        CancelledError: The caller was cancelled meanwhile; the tasks have ended all the same.
    """
    left, cancelled = set(tasks), None
    while left:
        for task in left:
            task.cancel()
        try:
            _, left = await asyncio.wait(left, timeout=_AGAIN)
        except asyncio.CancelledError as error:
            cancelled = error
            left = {task for task in left if not task.done()}
    if cancelled is not None:
        raise cancelled
