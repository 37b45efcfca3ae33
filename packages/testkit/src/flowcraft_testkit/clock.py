"""A clock whose time passes as soon as nothing else is left to do, so that a month takes no time and is exact.

What "nothing else is left to do" means is the point of this module. A look at the event loop's queue is itself a
callback in that queue: once it finds nothing behind it, it lets the loop go round once more, in which the loop asks
for input, for other threads' calls and for its own timers; if there is still nothing, the loop would have blocked, and
time moves on to the earliest sleeper. One sleeper is woken at a time, and goes as far as it can before the next.

A plain ``def`` step is at work in a thread, which no look at the loop shows. Such a step is given some real time before
virtual time passes it by; it cannot be waited for without end, since it may itself wait for virtual time to pass.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
from collections.abc import Sized
from weakref import WeakKeyDictionary

from flowcraft_core.threads import awaited_for

# For how long it is waited between two looks for a step in a thread, seconds of the machine's clock.
_PAUSE = 0.001

# The clock that looks at an event loop. A second one would find the first one's looks in the queue, and wait for ever.
_looking: WeakKeyDictionary[asyncio.AbstractEventLoop, VirtualClock] = WeakKeyDictionary()


class VirtualClock:
    """A ``flowcraft_core.Clock`` on which time passes only while everybody sleeps on it.

    Use it in one event loop at a time, one of asyncio's own, and no second one beside it. What runs outside the loop
    is not seen: while a coroutine waits for ``asyncio.sleep`` or a thread of its own, the loop has nothing to do and
    time moves on to whoever sleeps on this clock. Only plain ``def`` steps are waited for, and not for ever.
    """

    def __init__(self, start: float = 1_000_000_000.0, *, patience: float = 0.25) -> None:
        """Stop time.

        Args:
            start: The time that it is, seconds since the epoch.
            patience: For how long time stands still for a plain ``def`` step that is at work in its thread, seconds of
                the machine's clock. After that time passes slowly, a millisecond for each sleeper that is woken.
        """
        self._now = start
        self._patience = patience
        self._has_paused = False
        self._order = itertools.count()
        self._sleepers: list[tuple[float, int, asyncio.Future[None]]] = []
        self._loop: asyncio.AbstractEventLoop | None = None  # where it looks
        self._next_look: asyncio.Handle | None = None

    def now(self) -> float:
        """Seconds since the epoch, UTC."""
        return self._now

    async def sleep(self, seconds: float) -> None:
        """Return once so many seconds have passed on this clock; those who sleep to one instant wake in turn.

        Raises:
            RuntimeError: Others sleep on this clock in another event loop, or on another clock in this one; or the
                loop is none of asyncio's own.
        """
        if seconds <= 0:
            await asyncio.sleep(0)
            return
        loop = asyncio.get_running_loop()
        if self._loop is not loop:
            self._move_to(loop)
        woken: asyncio.Future[None] = loop.create_future()
        heapq.heappush(self._sleepers, (self._now + seconds, next(self._order), woken))
        await woken

    def _move_to(self, loop: asyncio.AbstractEventLoop) -> None:
        if self._loop is not None and not self._loop.is_closed():
            raise RuntimeError("others sleep on this clock in another event loop: give each loop a clock of its own")
        queue: Sized | None = getattr(loop, "_ready", None)
        if queue is None:
            raise RuntimeError(f"a VirtualClock needs one of asyncio's own event loops, not {type(loop).__name__}")
        other = _looking.get(loop)
        if other is not None:
            if other._is_slept_on():
                raise RuntimeError("others sleep on another VirtualClock in this event loop: let them share one")
            other._stop(loop)
        self._sleepers.clear()  # those of a loop that is gone
        self._loop = loop
        _looking[loop] = self
        self._look_soon(loop, queue, False)

    def _look_soon(self, loop: asyncio.AbstractEventLoop, queue: Sized, was_idle: bool) -> None:
        self._next_look = loop.call_soon(self._look, loop, queue, was_idle)

    def _look(self, loop: asyncio.AbstractEventLoop, queue: Sized, was_idle: bool) -> None:
        if not self._is_slept_on():
            self._stop(loop)
            return
        is_idle = not queue
        if is_idle and was_idle:
            if self._waits_for_a_step(loop):
                self._next_look = loop.call_later(_PAUSE, self._look, loop, queue, False)
                return
            self._now, _, woken = heapq.heappop(self._sleepers)
            woken.set_result(None)
            is_idle = False
        self._look_soon(loop, queue, is_idle)

    def _waits_for_a_step(self, loop: asyncio.AbstractEventLoop) -> bool:
        seconds = awaited_for(loop)
        self._has_paused = seconds is not None and (seconds < self._patience or not self._has_paused)
        return self._has_paused

    def _is_slept_on(self) -> bool:
        while self._sleepers and self._sleepers[0][2].done():
            heapq.heappop(self._sleepers)  # cancelled: nobody waits for that time any more
        return bool(self._sleepers)

    def _stop(self, loop: asyncio.AbstractEventLoop) -> None:
        assert self._next_look is not None  # since it is looking
        self._next_look.cancel()
        self._loop = None
        del _looking[loop]
