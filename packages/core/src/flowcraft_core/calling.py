"""Calls a step, and tells its own end from the engine's: the one place that decides whose a cancellation is.

A step runs in the engine's own task, since a task for each costs several times what a short step does. So what comes
out of it may be the step's doing or the engine's (a worker that stops, a run that was cancelled, a host whose time is
over, the step's timeout). It is the engine's exactly if somebody else has asked the task to be cancelled while the
step was under way: then ``CancelledError`` goes on, whatever the step has made of it. All else is the step's own:
exceptions as they are, and what is none (an exit, an interrupt, a cancellation that the step brought about itself) as
a ``StepEndedError``, so that it can end neither the task nor the event loop.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
from collections.abc import Callable, Coroutine, Generator
from functools import partial
from typing import Any, Generic, TypeVar

from .contexts import BaseContext
from .errors import StepEndedError, StepTimeoutError
from .steps import Implementation
from .threads import StepThreads

T = TypeVar("T")


async def call_step(
    implementation: Implementation,
    context: BaseContext[Any, Any],
    threads: StepThreads,
    *,
    timeout: float | None,
    failed_with: Exception | None = None,
) -> Any:
    """What a step returns: a coroutine function in the event loop, another one in a thread.

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
    function: Callable[[], Any] = partial(implementation.call, context)
    if failed_with is not None and implementation.fallback is not None:
        function = partial(implementation.fallback, failed_with, context)
    if timeout is not None:
        return await _within(timeout, implementation, context, threads, function)
    return await (Isolated(function) if implementation.is_async else threads.run(function))


async def _within(
    seconds: float,
    implementation: Implementation,
    context: BaseContext[Any, Any],
    threads: StepThreads,
    function: Callable[[], Any],
) -> Any:
    loop = asyncio.get_running_loop()
    began = loop.time()
    timer = asyncio.timeout(seconds if implementation.is_async else None)

    def begin() -> None:
        nonlocal began
        began = loop.time()
        timer.reschedule(began + seconds)

    result: Any = None
    late: Exception | None = None
    try:
        async with timer:
            result = await (Isolated(function) if implementation.is_async else threads.run(function, begin))
    except Exception as error:
        late = error
    took = loop.time() - began
    if not timer.expired() and took > seconds:  # the loop had no moment to look at the time
        context.logger.warning(
            "node %s came back after %.3g s with a timeout of %g s: the event loop was blocked meanwhile, by this step "
            "or by another; what blocks belongs in a plain def step",
            context.key,
            took,
            seconds,
        )
    elif not timer.expired():
        if late is not None:
            raise late
        return result
    context._cancelled = True
    message = f"node {context.key!r} ran longer than its timeout of {seconds:g} s"
    if timer.expired() and not implementation.is_async:
        message += "; its thread was given up and may still be running"
    raise StepTimeoutError(message) from late


class Isolated(Generic[T]):
    """Awaits a coroutine function in a copy of the context, at a fraction of a task's cost.

    The context variables that a step sets stay with the step, as they would in a task of its own.
    """

    __slots__ = ("_function",)

    def __init__(self, function: Callable[[], Coroutine[Any, Any, T]]) -> None:
        self._function = function

    def __await__(self) -> Generator[Any, Any, T]:
        run, task = contextvars.copy_context().run, asyncio.current_task()
        assert task is not None  # steps run in the engine's tasks
        before = task.cancelling()
        own = 0  # requests to cancel the task that the step itself has made, and not taken back
        step: Callable[..., Any] = self._function
        coroutine: Coroutine[Any, Any, T] | None = None
        arguments: tuple[Any, ...] = ()
        closed = False
        while True:
            asked = task.cancelling()
            try:
                awaited = run(step, *arguments)
            except BaseException as ended:
                # What was asked for in this very stretch of the step has not reached it.
                missed = task.cancelling() > asked
                own = max(0, own + task.cancelling() - asked)
                if missed:
                    yield from _absorb()
                others = task.cancelling() - before - own > 0
                for _ in range(own):
                    task.uncancel()
                result: T = _end_of(ended, missed=missed, others=others, closed=closed)
                return result
            own = max(0, own + task.cancelling() - asked)
            if coroutine is None:
                coroutine = awaited
                step, arguments = coroutine.send, (None,)
                continue
            try:
                step, arguments = coroutine.send, ((yield awaited),)
            except BaseException as error:
                closed = isinstance(error, GeneratorExit)
                step, arguments = coroutine.throw, (error,)


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
