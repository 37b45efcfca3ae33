"""Real time, but faster, and it can be put forward: for backends that do their work in other threads or processes."""

from __future__ import annotations

import asyncio
import time


class FastClock:
    """A ``flowcraft_core.Clock`` that runs so many times as fast as the machine's."""

    def __init__(self, rate: float = 1.0) -> None:
        """Begin at the machine's time.

        Args:
            rate: Its seconds per real second.
        """
        self._rate = rate
        self._began = time.time()
        self._since = time.monotonic()
        self._forward = 0.0
        self._sleepers: set[asyncio.Event] = set()

    def now(self) -> float:
        """Seconds since the epoch; may be asked in any thread."""
        return self._began + self._forward + (time.monotonic() - self._since) * self._rate

    async def sleep(self, seconds: float) -> None:
        """Return once so many seconds have passed."""
        due = self.now() + seconds
        moved = asyncio.Event()
        self._sleepers.add(moved)
        try:
            while (left := due - self.now()) > 0:
                moved.clear()
                try:
                    async with asyncio.timeout(left / self._rate):
                        await moved.wait()
                except TimeoutError:
                    pass
            await asyncio.sleep(0)
        finally:
            self._sleepers.discard(moved)

    def put_forward(self, seconds: float) -> None:
        """Have time pass at once."""
        self._forward += seconds
        for moved in self._sleepers:
            moved.set()
