"""Time, injected: the engine asks a clock and never the system, so that a test can skip a month."""

from __future__ import annotations

import asyncio
import time
from typing import Protocol


class Clock(Protocol):
    """Where the engine's time comes from."""

    def now(self) -> float:
        """Seconds since the epoch, UTC."""

    async def sleep(self, seconds: float) -> None:
        """Return once so many seconds have passed on this clock."""


class Stopwatch:
    """Seconds that pass, whatever becomes of the time of day: machines set their clocks back and forth.

    A clock may have a method ``monotonic`` beside those of ``Clock``: seconds from anywhere, which no setting changes.
    Of one that has none it is known only that a sleep takes its time; when it jumps back, what passed between the look
    before and the jump is counted again.
    """

    def __init__(self, clock: Clock) -> None:
        """Begin at 0.

        Args:
            clock: On which the seconds pass.
        """
        self._clock = clock
        self._read = getattr(clock, "monotonic", clock.now)
        self._last: float = self._read()
        self._passed = 0.0

    def now(self) -> float:
        """Seconds since the beginning; never fewer than before."""
        read = self._read()
        self._passed += max(0.0, read - self._last)
        self._last = read
        return self._passed

    async def sleep(self, seconds: float) -> None:
        """Return once so many seconds have passed."""
        until = self.now() + seconds
        await self._clock.sleep(seconds)
        self.now()
        self._passed = max(self._passed, until)


class SystemClock:
    """The machine's clock."""

    def now(self) -> float:
        """Seconds since the epoch, UTC."""
        return time.time()

    def monotonic(self) -> float:
        """Seconds from anywhere, which do not change with the time of day."""
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        """Sleep in the running event loop."""
        await asyncio.sleep(seconds)
