"""Virtual time, a stretch at a time: a loop that stands still between the lines of a test."""

from __future__ import annotations

import asyncio
import math
import threading
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar, cast

from flowcraft_core.runtime.synchronously import has_loop

from ..simulation.loop import BEGINNING, VirtualLoop

T = TypeVar("T")


class Stretches:
    """An event loop in virtual time that goes on only while it is asked to.

    A test may be a coroutine itself: then it goes on in another thread, while that one waits.
    """

    def __init__(self) -> None:
        self._runner = asyncio.Runner(loop_factory=VirtualLoop)

    @property
    def loop(self) -> VirtualLoop:
        """The loop."""
        return cast(VirtualLoop, self._runner.get_loop())

    @property
    def seconds(self) -> float:
        """How much time has passed."""
        return self.loop.time() - BEGINNING

    @property
    def next_timer(self) -> float:
        """When something is due next, as ``seconds`` are counted; never, if nothing is."""
        times = [timer.when() for timer in self.loop._scheduled if not timer.cancelled()]  # type: ignore[attr-defined]
        return min(times, default=math.inf) - BEGINNING

    def run(self, make: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """Run a coroutine to its end; time passes for it as it likes.

        Raises:
            StuckError: It waits for something that no timer brings.
        """
        return _in_a_thread_of_its_own(lambda: self._runner.run(make()))

    def settle(self, timers: int = 0) -> None:
        """Go on until all that is under way waits for time to pass, or for somebody.

        Args:
            timers: How often time may pass first, each time to whatever is due next.

        Raises:
            StuckError: There is nothing that time would bring.
        """
        self.run(lambda: self._still(timers))

    def pass_time(self, seconds: float) -> None:
        """Let so much time pass, and then go on as ``settle`` does."""

        async def later() -> None:
            await asyncio.sleep(seconds)
            await self._still(0)

        self.run(later)

    async def _still(self, timers: int) -> None:
        loop, left = self.loop, timers
        still: asyncio.Future[None] = loop.create_future()

        def idle() -> bool:
            nonlocal left
            if left > 0:
                left -= 1
                return False
            if still.done():
                return False
            still.set_result(None)
            return True

        before, loop.idle = loop.idle, idle
        try:
            await still
        finally:
            loop.idle = before

    def close(self) -> None:
        """End all that is under way."""
        _in_a_thread_of_its_own(self._runner.close)


def _in_a_thread_of_its_own(function: Callable[[], T]) -> T:
    """Call a function; in another thread, where an event loop runs in this one."""
    if not has_loop():
        return function()
    result: list[T] = []
    errors: list[BaseException] = []

    def call() -> None:
        try:
            result.append(function())
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=call, name="flowcraft-tester", daemon=True)
    thread.start()
    thread.join()
    if errors:
        raise errors[0]
    return result[0]
