"""Whether the event loop goes round: a backend that holds it up makes everything late, and looks like a slow one."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator

_TICK = 0.02
_LONG = 0.5


class LoopWatch:
    """Notes the longest time for which the event loop has stood still.

    Attributes:
        longest: That time, real seconds.
    """

    def __init__(self) -> None:
        """Watch nothing yet."""
        self.longest = 0.0
        self._watchers = 0
        self._task: asyncio.Task[None] | None = None

    @contextlib.asynccontextmanager
    async def watched(self) -> AsyncIterator[None]:
        """Watch the running loop within the block; blocks may overlap."""
        self._watchers += 1
        if self._task is None:
            self._task = asyncio.create_task(self._watch())
        try:
            yield
        finally:
            self._watchers -= 1
            if not self._watchers and self._task is not None:
                self._task.cancel()
                self._task = None

    def told(self) -> str:
        """What to say of it in a failure; nothing, if it went round well."""
        if self.longest < _LONG:
            return ""
        stood = f"the event loop stood still for {self.longest:.1f} s"
        return (
            f" ({stood}: a call of the backend blocks it, which should wait in a thread, or the machine is very busy)"
        )

    async def _watch(self) -> None:
        before = time.perf_counter()
        while True:
            await asyncio.sleep(_TICK)
            now = time.perf_counter()
            self.longest = max(self.longest, now - before - _TICK)
            before = now
