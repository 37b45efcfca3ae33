"""Real time, but faster, and it can be put forward: for backends that do their work in threads or elsewhere."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Iterator


class FastClock:
    """A ``flowcraft_core.Clock`` that runs so many times as fast as the machine's.

    On a ``VirtualClock`` time moves on while a thread is at work, so a backend with threads needs this one.
    """

    def __init__(self, rate: float = 20.0) -> None:
        """Begin at the machine's time.

        Args:
            rate: Its seconds per real second.
        """
        # The time at a moment of the machine's, and the rate since; one value, since any thread may ask.
        self._since = time.time(), time.monotonic(), rate
        self._moved: set[asyncio.Event] = set()

    @property
    def rate(self) -> float:
        """Its seconds per real second, at present."""
        return self._since[2]

    def now(self) -> float:
        """Seconds since the epoch; may be asked in any thread."""
        origin, began, rate = self._since
        return origin + (time.monotonic() - began) * rate

    async def sleep(self, seconds: float) -> None:
        """Return once so many seconds have passed."""
        due = self.now() + seconds
        moved = asyncio.Event()
        self._moved.add(moved)
        try:
            while (left := due - self.now()) > 0:
                moved.clear()
                try:
                    await asyncio.wait_for(moved.wait(), left / self.rate)
                except TimeoutError:
                    continue
            await asyncio.sleep(0)
        finally:
            self._moved.discard(moved)

    def put_forward(self, seconds: float) -> None:
        """Have time pass at once, for whoever sleeps as well; in the event loop of those who do."""
        self._go_on_from(self.now() + seconds, self.rate)

    @contextlib.contextmanager
    def running_at(self, rate: float) -> Iterator[None]:
        """Run at another rate for a ``with`` block, for whoever sleeps as well; in the event loop of those who do."""
        usual = self.rate
        self._go_on_from(self.now(), rate)
        try:
            yield
        finally:
            self._go_on_from(self.now(), usual)

    def _go_on_from(self, now: float, rate: float) -> None:
        self._since = now, time.monotonic(), rate
        for moved in self._moved:
            moved.set()
