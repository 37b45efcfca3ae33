"""An event loop without a machine under it: its time is virtual, and whoever asks decides what happens when all wait.

Nothing is read from a socket and no real time passes. When no callback is ready the loop asks its ``idle`` hook, which
may let something go on; if it has nothing, time jumps to the next timer. So ``asyncio.sleep``, ``asyncio.timeout`` and
``LoopClock`` all run on one virtual time, and two runs that make the same choices are the same to the last callback.
"""

from __future__ import annotations

import asyncio
import itertools
import threading
from collections.abc import Callable, Coroutine
from contextvars import Context, ContextVar, copy_context
from typing import Any, TypeVar

T = TypeVar("T")

#: What time it is when a loop begins, seconds since the epoch.
BEGINNING = 1_000_000_000.0

#: The name of the program that the running task belongs to. Tasks inherit it from those that start them.
program: ContextVar[str] = ContextVar("flowcraft_testkit.simulation.program", default="")


#: Whether it is inside of an attempt at a step, or of what that has begun: its timers bring the step on.
in_step: ContextVar[bool] = ContextVar("flowcraft_testkit.simulation.in_step", default=False)


class _OfThread(threading.local):
    """What differs from thread to thread.

    Attributes:
        ask: In a step's thread: has the loop do something, and returns when what it began has ended.
    """

    ask: Callable[[Callable[[], object]], None] | None = None


of_thread = _OfThread()


class StuckError(Exception):
    """Everybody waits for something that no timer will bring."""


class VirtualLoop(asyncio.BaseEventLoop):
    """An event loop in virtual time, for one thread.

    Attributes:
        idle: Asked when nothing is ready: True if it made something ready. Time passes only when it did not.
    """

    def __init__(self) -> None:
        super().__init__()
        self._now = BEGINNING
        self._clock_resolution = 1e-6  # what numbers of this size can tell apart; less than that would be never
        self._selector = self  # asks for input, when nothing is ready; there is none
        self._numbers = itertools.count(1)
        self.idle: Callable[[], bool] = lambda: False
        self._newest: asyncio.Task[Any] | None = None
        self.set_task_factory(self._make_task)  # type: ignore[arg-type]

    def time(self) -> float:
        """Seconds since the epoch, on this loop's time."""
        return self._now

    def call_soon_threadsafe(  # type: ignore[override]
        self, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> asyncio.Handle:
        """From a step's thread: have the loop call this, and return when the task that it makes has ended."""
        ask = of_thread.ask
        if ask is None:
            return super().call_soon_threadsafe(callback, *args, context=context)
        around = context or copy_context()
        ask(lambda: around.run(callback, *args))
        return asyncio.Handle(callback, args, self, around)

    def run_in_executor(  # type: ignore[override]
        self, executor: object, func: Callable[..., T], *args: Any
    ) -> asyncio.Future[T]:
        """Run a function in a thread, as ``asyncio.to_thread`` does: the loop stands still meanwhile, whatever pool.

        It may ask the loop for something by ``call_soon_threadsafe``, as a plain ``def`` step does.
        """
        from .threads import hand_over  # noqa: PLC0415 # which stands on this module

        return self.create_task(hand_over(lambda: func(*args)))

    @property
    def has_step_timers(self) -> bool:
        """Whether a timer was set by a step, or around one, such as its timeout."""
        timers: list[asyncio.TimerHandle] = self._scheduled  # type: ignore[attr-defined]
        return any(not timer.cancelled() and timer._context.get(in_step, False) for timer in timers)  # type: ignore[attr-defined]

    def newest_of(self, call: Callable[[], object]) -> asyncio.Task[Any] | None:
        """Call something, and give the task that it made last, if it made one."""
        self._newest = None
        call()
        return self._newest

    def tasks_of(self, name: str) -> list[asyncio.Task[Any]]:
        """The tasks of a program that have not ended, in the order in which they were started."""
        tasks = [task for task in asyncio.all_tasks(self) if task.get_name().startswith(f"{name}:")]
        return sorted(tasks, key=lambda task: int(task.get_name().rsplit(":", 1)[1]))

    def select(self, timeout: float | None) -> list[Any]:
        """Called where another loop would block: for as long as nothing is ready and the next timer is not due.

        Raises:
            StuckError: There is no timer either.
        """
        if timeout == 0 or self.idle():
            return []
        if timeout is None:
            raise StuckError("everybody waits for something that will not happen")
        # To the very instant of the timer: a sum of differences would be off by a rounding.
        self._now = max(self._now, self._scheduled[0].when())  # type: ignore[attr-defined]
        return []

    def _process_events(self, event_list: list[Any]) -> None:
        assert not event_list

    def _write_to_self(self) -> None:
        """Wake the loop from another thread: the loop never blocks while one runs."""

    def _make_task(
        self, loop: asyncio.AbstractEventLoop, coroutine: Coroutine[Any, Any, T], **options: Any
    ) -> asyncio.Task[T]:
        options["name"] = f"{program.get()}:{next(self._numbers)}"
        task = asyncio.Task(coroutine, loop=loop, **options)
        self._newest = task
        return task


class LoopClock:
    """A ``flowcraft_core.Clock`` on the running loop's time."""

    def __init__(self, ahead: float = 0.0) -> None:
        """A clock.

        Args:
            ahead: By how many seconds it is ahead.
        """
        self._ahead = ahead

    def now(self) -> float:
        """Seconds since the epoch; the beginning, where no virtual loop runs."""
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            return BEGINNING + self._ahead
        return loop.time() + self._ahead

    async def sleep(self, seconds: float) -> None:
        """Sleep in the running event loop."""
        await asyncio.sleep(max(0.0, seconds))


def run_virtual(main: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """Run a coroutine to its end on a loop of its own, in no time.

    Raises:
        StuckError: It waits for something that will not happen.
    """
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(main())
