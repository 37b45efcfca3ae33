"""An event loop in whose time one core does nothing else: what others take of the machine does not count.

Nor does what stands in for other machines, if it is awaited by ``elsewhere``.

Its time is the processor time that this process has used, and what it would have waited: where there is nothing to do
before a timer is due, time moves on to that at once. So a program that only computes and waits for timers takes as long
as it would on a core of its own, however busy the machine is, and waiting takes no time at all.
"""

from __future__ import annotations

import asyncio
import itertools
import selectors
import time
import types
from collections.abc import Callable, Coroutine, Generator
from typing import Any, TypeVar, cast

T = TypeVar("T")

#: Processor time that this process has used, seconds.
used = time.process_time


def _cost_of_looking() -> float:
    """What it takes of the processor to ask how much of it was used: a call of the system. At least; seconds."""
    looks = [used() for _ in range(1_000)]
    return min(after - before for before, after in itertools.pairwise(looks))


class _Skipping(selectors.DefaultSelector):
    """Waits for nothing: what it would have waited, it counts."""

    skipped = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        found: list[tuple[selectors.SelectorKey, int]] = super().select(0)
        if not found and timeout is None:
            raise RuntimeError("the program waits for something that is no timer: this loop has no other time")
        if not found and timeout is not None and timeout > 0:
            self.skipped += timeout
        return found


class UndisturbedLoop(asyncio.SelectorEventLoop):
    """One of asyncio's own loops, on such a time.

    Attributes:
        looked: Its time when it was last looked at.
    """

    def __init__(self) -> None:
        """Begin at the processor time that was used so far."""
        self._waited = _Skipping()
        self.looked = self._elsewhere = 0.0
        # A loop's own clock costs next to nothing: that this one does not is not the program's.
        self._look = _cost_of_looking()
        self._left: float | None = None
        super().__init__(self._waited)

    def time(self) -> float:
        """Seconds: processor time that was used here, and time that was waited."""
        self._elsewhere += self._look
        self.looked = self.used() + self._waited.skipped
        return self.looked

    def used(self) -> float:
        """Processor time that was used here, seconds."""
        return (used() if self._left is None else self._left) - self._elsewhere

    def do_elsewhere(self, work: Callable[[Any], T], value: Any) -> T:
        """Call what another machine would do: meanwhile time stands still here."""
        if self._left is not None:  # who is there has left already
            return work(value)
        self._left = used()
        try:
            return work(value)
        finally:
            self._elsewhere += used() - self._left + self._look  # who has looked twice has seen one look pass
            self._left = None


class LoopClock:
    """The time of the event loop that runs, for programs that tell it as since the epoch.

    What a system says of its time of day costs nearly nothing, and what it says of processor time a call of the system.
    So whoever asks is told when the loop last looked, which it does in each pass and for each timer: else a fifth of
    what is measured would be that it is.
    """

    def __init__(self) -> None:
        """Tell the running loop's."""
        loop = asyncio.get_running_loop()
        if not isinstance(loop, UndisturbedLoop):
            raise TypeError("this is the clock of an UndisturbedLoop")
        self._loop = loop

    def now(self) -> float:
        """Seconds since the epoch."""
        return 1_000_000_000.0 + self._loop.looked

    def used(self) -> float:
        """Processor time that was used here, seconds."""
        return self._loop.used()

    async def sleep(self, seconds: float) -> None:
        """Return once so many seconds have passed."""
        await asyncio.sleep(seconds)


@types.coroutine
def elsewhere(work: Coroutine[Any, Any, T]) -> Generator[Any, Any, T]:
    """What comes of work that another machine would do: what it takes of this processor does not count."""
    loop = asyncio.get_running_loop()
    assert isinstance(loop, UndisturbedLoop)
    go_on: Callable[[Any], Any] = work.send
    value: Any = None
    while True:
        try:
            waits_for = loop.do_elsewhere(go_on, value)
        except StopIteration as end:
            return cast("T", end.value)
        try:
            go_on, value = work.send, (yield waits_for)
        except BaseException as error:
            go_on, value = work.throw, error


def run(main: Coroutine[Any, Any, T]) -> T:
    """``asyncio.run``, undisturbed."""
    with asyncio.Runner(loop_factory=UndisturbedLoop) as runner:
        return runner.run(main)
