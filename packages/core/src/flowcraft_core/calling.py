"""Calls a step, and tells its own end from the engine's: the one place that decides whose a cancellation is.

A step runs in the engine's own task, since a task for each costs several times what a short step does. So what comes
out of it may be the step's doing or the engine's (a worker that stops, a run that was cancelled, a host whose time is
over, the step's timeout). It is the engine's exactly if somebody else has asked the task to be cancelled while the
step was under way: then ``CancelledError`` goes on, whatever the step has made of it. All else is the step's own:
exceptions as they are, and what is none (an exit, an interrupt, a cancellation that the step brought about itself) as
a ``StepEndedError``, so that it can end neither the task nor the event loop.

Who has asked is told by whom they have asked. While a step runs, ``asyncio.current_task()`` is a stand-in for the task:
what the step's time limits and groups ask of that is the step's, whenever they do, and whatever they leave behind.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
from collections.abc import Awaitable, Callable, Coroutine, Generator
from functools import partial
from typing import Any, Generic, TypeVar

from .contexts import BaseContext
from .errors import StepEndedError, StepTimeoutError
from .logging.catalogue import TIMEOUT_MISSED
from .logging.journal import Journal
from .steps import Implementation
from .threads import StepThreads

T = TypeVar("T")


def call_step(
    implementation: Implementation,
    context: BaseContext[Any, Any],
    threads: StepThreads,
    *,
    timeout: float | None,
    failed_with: Exception | None = None,
) -> Awaitable[Any]:
    """What a step returns, to be awaited: a coroutine function runs in the event loop, another one in a thread.

    Args:
        implementation: The step.
        context: What it is given.
        threads: Where it runs if it is plain.
        timeout: Seconds that it may take from its beginning on; waiting for a thread does not count.
        failed_with: Call what the step's class has for its failures instead, with this error.

    Raises:
        StepTimeoutError: It took longer, also if it came to a result in the end.
        StepEndedError: It was ended by something of its own that is no ordinary exception.
        Exception: Whatever else it raised.
    """
    call = implementation.call
    if failed_with is not None and implementation.fallback is not None:
        call = partial(implementation.fallback, failed_with)
    if timeout is not None:
        return _within(timeout, implementation.is_async, call, context, threads)
    return Isolated(call, context) if implementation.is_async else threads.run(partial(call, context))


async def _within(
    seconds: float,
    is_async: bool,
    call: Callable[[Any], Any],
    context: BaseContext[Any, Any],
    threads: StepThreads,
) -> Any:
    loop = asyncio.get_running_loop()
    timer = asyncio.timeout(None)
    telling: asyncio.TimerHandle | None = None
    began = loop.time()

    def begin() -> None:
        nonlocal began, telling
        began = loop.time()
        # Told before it is cancelled: what takes no notice of a cancellation may ask whether it is of use to go on.
        telling = loop.call_at(began + seconds, setattr, context, "_cancelled", True)
        timer.reschedule(began + seconds)

    result: Any = None
    late: Exception | None = None
    try:
        async with timer:
            if is_async:
                begin()
            result = await (Isolated(call, context) if is_async else threads.run(partial(call, context), begin))
    except Exception as error:
        late = error
    finally:
        if telling is not None:
            telling.cancel()
    took = loop.time() - began
    if not timer.expired() and took > seconds:  # the loop had no moment to look at the time
        journal = Journal({"run_id": context.run_id})
        journal.tell(TIMEOUT_MISSED, at=context.key, attempt=context.attempt, seconds=took, timeout=seconds)
    elif not timer.expired():
        if late is not None:
            raise late
        return result
    context._cancelled = True
    message = f"node {context.key!r} ran longer than its timeout of {seconds:g} s"
    if timer.expired() and not is_async:
        message += "; its thread was given up and may still be running"
    raise StepTimeoutError(message) from late


class Isolated(Generic[T]):
    """Calls a coroutine function with one argument, in a copy of the context, at a fraction of a task's cost.

    The context variables that a step sets stay with the step, as they would in a task of its own.
    """

    __slots__ = ("_argument", "_coroutine", "_function")

    _coroutine: Coroutine[Any, Any, T]

    def __init__(self, function: Callable[[Any], Coroutine[Any, Any, T]], argument: object) -> None:
        self._function = function
        self._argument = argument

    def __await__(self) -> Generator[Any, Any, T]:
        run, loop, task = contextvars.copy_context().run, asyncio.get_running_loop(), asyncio.current_task()
        assert task is not None  # steps run in the engine's tasks
        cancelling, stand_in = task.cancelling, StepTask(task)
        before = cancelling()
        step: Callable[..., Any] = _begin
        argument: Any = self
        closed = False
        while True:
            asked = cancelling()
            try:
                awaited = _stretch(loop, task, stand_in, run, step, argument)
            except BaseException as ended:
                asks = cancelling()
                if asks == before and type(ended) is StopIteration:
                    return ended.value  # type: ignore[no-any-return] # nothing was asked for: by far the most do so
                # What was asked for in this very stretch of the step has not reached it.
                missed = asks > asked
                if missed:
                    yield from _absorb()
                others = cancelling() - before - stand_in.asked > 0
                for _ in range(stand_in.asked):
                    task.uncancel()
                result: T = _end_of(ended, missed=missed, others=others, closed=closed)
                return result
            try:
                argument = yield awaited
                step = self._coroutine.send
            except BaseException as error:
                closed = isinstance(error, GeneratorExit)
                step, argument = self._coroutine.throw, error


class StepTask:
    """What ``asyncio.current_task()`` is in a step: the engine's task in all, but that it counts what is asked of it.

    Attributes:
        asked: So many requests to cancel the task were made here, and not taken back.
    """

    __slots__ = ("__weakref__", "_task", "asked")

    def __init__(self, task: asyncio.Task[Any]) -> None:
        self._task = task
        self.asked = 0

    def cancel(self, msg: Any = None) -> bool:
        """See ``asyncio.Task.cancel``."""
        is_asked = self._task.cancel(msg)
        self.asked += is_asked
        return is_asked

    def uncancel(self) -> int:
        """See ``asyncio.Task.uncancel``."""
        self.asked = max(0, self.asked - 1)
        return self._task.uncancel()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._task, name)

    @property  # type: ignore[misc]
    def __class__(self) -> type:
        return type(self._task)

    def __eq__(self, other: object) -> bool:
        return self._task == (other._task if type(other) is StepTask else other)

    def __hash__(self) -> int:
        return hash(self._task)

    def __repr__(self) -> str:
        return repr(self._task)


def _stretch(
    loop: asyncio.AbstractEventLoop,
    task: asyncio.Task[Any],
    stand_in: StepTask,
    run: Callable[..., Any],
    step: Callable[..., Any],
    argument: Any,
) -> Any:
    """One stretch of a step, up to what it awaits next; by the functions that asyncio has for those who extend it."""
    asyncio._leave_task(loop, task)
    asyncio._enter_task(loop, stand_in)  # type: ignore[arg-type] # it is one in all that matters
    try:
        return run(step, argument)
    finally:
        asyncio._leave_task(loop, stand_in)  # type: ignore[arg-type]
        asyncio._enter_task(loop, task)


def _begin(isolated: Isolated[Any]) -> Any:
    """The first stretch of a step, the call of its function included."""
    isolated._coroutine = isolated._function(isolated._argument)
    return isolated._coroutine.send(None)


def _end_of(ended: BaseException, *, missed: bool, others: bool, closed: bool) -> Any:
    """Return what the step returned, or raise what is to be made of its end."""
    if closed:
        raise ended  # whoever awaits the step is being thrown away, with all that it awaits
    if isinstance(ended, StopIteration) and not missed:
        return ended.value
    if others and not isinstance(ended, asyncio.CancelledError):
        raise asyncio.CancelledError from ended
    if others:
        raise ended
    if isinstance(ended, StopIteration):
        ended = asyncio.CancelledError("the step cancelled its own task")
    raise StepEndedError.of(ended)


def _absorb() -> Generator[None, None, None]:
    """Let a cancellation that the task has been asked for come, so that it does not come later, to somebody else."""
    with contextlib.suppress(asyncio.CancelledError):
        yield
