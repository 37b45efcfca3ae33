"""Limits over the runs of one runtime in one process: whoever waits for a place costs nothing until one is free."""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import Mapping, Sequence
from threading import Lock

import attrs

from ..clock import Clock, Stopwatch
from ..limits import Limit, free_in, limit_named


@attrs.define(eq=False)
class _Waiter:
    """Someone who waits, in an event loop of its own perhaps."""

    loop: asyncio.AbstractEventLoop
    news: asyncio.Event

    def wake(self) -> None:
        if not self.loop.is_closed():
            self.loop.call_soon_threadsafe(self.news.set)


class LocalLimits:
    """The places of one runtime; its runs may be in several threads. Who waits longest for the same is the first."""

    def __init__(self, limits: Mapping[str, Limit], clock: Clock) -> None:
        """Take all places as free.

        Args:
            limits: What is declared, by name.
            clock: Tells the time.
        """
        self.are_any = bool(limits)
        self._limits, self._watch = limits, Stopwatch(clock)
        self._lock = Lock()
        self._held: Counter[str] = Counter()
        self._starts: dict[str, deque[float]] = {}
        self._waiting: dict[tuple[str, ...], deque[_Waiter]] = {}

    def take_now(self, names: Sequence[str]) -> bool:
        """Take a place under each of some limits, all or none; whether that could be, and nobody waits for the same."""
        with self._lock:
            return not self._waiting.get(tuple(names)) and self._take(names) is None

    async def take(self, names: Sequence[str]) -> None:
        """Take a place under each of some limits, all at once, when there are."""
        place, waiter = tuple(names), _Waiter(asyncio.get_running_loop(), asyncio.Event())
        with self._lock:
            line = self._waiting.setdefault(place, deque())
            line.append(waiter)
        try:
            while True:
                waiter.news.clear()
                with self._lock:
                    free = self._take(names) if line[0] is waiter else float("inf")
                if free is None:
                    return
                await self._wait(waiter, free)
        finally:
            with self._lock:
                line.remove(waiter)
                if not line and self._waiting.get(place) is line:
                    del self._waiting[place]
                elif line:
                    line[0].wake()

    def give_back(self, names: Sequence[str]) -> None:
        """End with what was taken."""
        with self._lock:
            for name in names:
                self._held[name] -= 1
                if self._held[name] <= 0:
                    del self._held[name]
            for place, line in self._waiting.items():
                if line and not set(place).isdisjoint(names):
                    line[0].wake()

    def _take(self, names: Sequence[str]) -> float | None:
        """Take all, or say in how many seconds to look again: infinity if only what is given back helps."""
        now, free = self._watch.now(), 0.0
        for name in names:
            limit = limit_named(self._limits, name)
            if limit.concurrency is not None and self._held[name] >= limit.concurrency:
                return float("inf")
            free = max(free, free_in(self._starts.get(name, ()), limit, now))
        if free > 0:
            return free
        for name in names:
            limit = limit_named(self._limits, name)
            self._held[name] += 1
            if limit.rate is not None:
                self._starts.setdefault(name, deque(maxlen=limit.rate)).append(now)
        return None

    async def _wait(self, waiter: _Waiter, seconds: float) -> None:
        waiting: list[asyncio.Future[object]] = [asyncio.ensure_future(waiter.news.wait())]
        if seconds != float("inf"):
            waiting.append(asyncio.ensure_future(self._watch.sleep(seconds)))
        try:
            await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for each in waiting:
                each.cancel()
