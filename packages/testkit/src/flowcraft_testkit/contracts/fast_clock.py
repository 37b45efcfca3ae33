"""Real time, but faster, and it can be put forward: for backends that do their work in threads or elsewhere."""

from __future__ import annotations

import asyncio
import time


class FastClock:
    """A ``flowcraft_core.Clock`` that runs so many times as fast as the machine's.

    On a ``VirtualClock`` time moves on while a thread is at work, so a backend with threads needs this one.
    """

    def __init__(self, rate: float = 20.0) -> None:
        """Begin at the machine's time.

        Args:
            rate: Its seconds per real second.
        """
        self._rate = rate
        self._origin = time.time()
        self._began = time.monotonic()
        self._forward = 0.0
        self._moved: set[asyncio.Event] = set()

    def now(self) -> float:
        """Seconds since the epoch; may be asked in any thread."""
        return self._origin + self._forward + (time.monotonic() - self._began) * self._rate

    async def sleep(self, seconds: float) -> None:
        """Return once so many seconds have passed."""
        due = self.now() + seconds
        moved = asyncio.Event()
        self._moved.add(moved)
        try:
            while (left := due - self.now()) > 0:
                moved.clear()
                try:
                    await asyncio.wait_for(moved.wait(), left / self._rate)
                except TimeoutError:
                    continue
            await asyncio.sleep(0)
        finally:
            self._moved.discard(moved)

    def put_forward(self, seconds: float) -> None:
        """Have time pass at once, for whoever sleeps as well; in the event loop of those who do."""
        self._forward += seconds
        for moved in self._moved:
            moved.set()
