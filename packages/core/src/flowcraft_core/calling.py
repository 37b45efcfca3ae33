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
from collections.abc import Awaitable, Callable, Coroutine, Generator
from functools import partial
from typing import Any, Generic, TypeVar

from .contexts import BaseContext
from .errors import StepEndedError, StepTimeoutError
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
    began = loop.time()
    timer = asyncio.timeout(seconds if is_async else None)

    def begin() -> None:
        nonlocal began
        began = loop.time()
        timer.reschedule(began + seconds)

    result: Any = None
    late: Exception | None = None
    try:
        async with timer:
            result = await (Isolated(call, context) if is_async else threads.run(partial(call, context), begin))
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
        run, task = contextvars.copy_context().run, asyncio.current_task()
        assert task is not None  # steps run in the engine's tasks
        cancelling = task.cancelling
        before = cancelling()
        own = 0  # requests to cancel the task that the step itself has made, and not taken back
        step: Callable[..., Any] = _begin
        argument: Any = self
        closed = False
        while True:
            asked = cancelling()
            try:
                awaited = run(step, argument)
            except BaseException as ended:
                asks = cancelling()
                if asks == before and type(ended) is StopIteration:
                    return ended.value  # type: ignore[no-any-return] # nothing was asked for: by far the most do so
                # What was asked for in this very stretch of the step has not reached it.
                missed = asks > asked
                own = max(0, own + asks - asked)
                if missed:
                    yield from _absorb()
                others = cancelling() - before - own > 0
                for _ in range(own):
                    task.uncancel()
                result: T = _end_of(ended, missed=missed, others=others, closed=closed)
                return result
            if cancelling() != asked:
                own = max(0, own + cancelling() - asked)
            try:
                argument = yield awaited
                step = self._coroutine.send
            except BaseException as error:
                closed = isinstance(error, GeneratorExit)
                step, argument = self._coroutine.throw, error


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
