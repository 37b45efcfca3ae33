"""Clocks for a backend that is told the time: what a clause lets pass is skipped."""

from __future__ import annotations

import asyncio
import time

from flowcraft_core import Clock


class SkippingClock:
    """The machine's clock, but for the time that a clause lets pass: that is skipped, and took place for everybody."""

    def __init__(self) -> None:
        """Begin at the machine's time."""
        self._skipped = 0.0

    def now(self) -> float:
        """See ``Clock``."""
        return time.time() + self._skipped

    async def sleep(self, seconds: float) -> None:
        """See ``Clock``."""
        self._skipped += seconds
        await asyncio.sleep(0)


class WatchingClock:
    """The same time, for a backend, which waits until it has come."""

    def __init__(self, clock: Clock) -> None:
        """Go by another clock."""
        self._clock = clock

    def now(self) -> float:
        """See ``Clock``."""
        return self._clock.now()

    async def sleep(self, seconds: float) -> None:
        """See ``Clock``."""
        end = self.now() + seconds
        while (left := end - self.now()) > 0:  # noqa: ASYNC110 - no event tells that time was skipped
            await asyncio.sleep(min(left, 0.01))
