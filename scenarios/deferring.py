"""Scenario 54: steps that say themselves when to try them again."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import expect
from backend import Backend
from durable_backend import Durable
from flowcraft_core import RetryAfter, RetryPolicy, create_flow
from scenario import Scenario
from small_steps import Context

DEFERRED = Scenario(
    id=54, title="A step says when to try it again: not before, counted or not, and beyond its limit it fails by name"
)

#: No error but what a step says is worth another attempt.
_ONCE = RetryPolicy(max_attempts=1, max_deferrals=3)


class _Busy:
    """A step that raises some errors one after the other, and notes when it was tried."""

    def __init__(self, backend: Backend, *errors: Callable[[], Exception]) -> None:
        self._clock, self._errors = backend.clock, errors
        self.tried: list[float] = []

    async def step(self, ctx: Context) -> tuple[int, int]:
        self.tried.append(self._clock.now())
        if len(self.tried) <= len(self._errors):
            raise self._errors[len(self.tried) - 1]()
        return ctx.attempt, ctx.deferrals

    @property
    def spaces(self) -> list[float]:
        return [after - before for before, after in zip(self.tried, self.tried[1:], strict=False)]


@DEFERRED.check
async def not_before_it_says(backend: Backend) -> None:
    """It is tried again at the time that it says, whatever its policy does, and with all forms in which to say it."""
    seconds = 2 * backend.hour
    ways: tuple[Callable[[], Exception], ...] = (
        lambda: RetryAfter(seconds),
        lambda: RetryAfter(timedelta(seconds=seconds)),
        lambda: RetryAfter(datetime.fromtimestamp(backend.clock.now() + seconds, UTC)),
    )
    busy = _Busy(backend, *ways)
    policy = RetryPolicy(max_attempts=4, delay=backend.day, retry_if=lambda error: False)
    result = await backend.run(create_flow("busy").node("call", busy.step, retries=policy))
    expect.completed(result)
    expect.equal("how often it was tried", len(busy.tried), 4)
    for space in busy.spaces:
        expect.lasts("the space between two tries", space, seconds, backend)
    expect.equal("the attempt that succeeded, and what did not count", list(result.outputs["call"]), [4, 0])


@DEFERRED.check
async def with_its_attempts_left(backend: Backend) -> None:
    """What does not count takes none of its attempts; failures between do."""

    def defers() -> Exception:
        return RetryAfter(backend.beat, counts=False)

    busy = _Busy(backend, defers, defers, lambda: ConnectionError("down"), defers)
    policy = RetryPolicy(max_attempts=2, delay=backend.beat, jitter=0)
    result = await backend.run(create_flow("busy").node("call", busy.step, retries=policy))
    expect.completed(result)
    expect.equal("the attempt that succeeded, and what did not count", list(result.outputs["call"]), [2, 3])
    expect.equal("the attempts in the trace", [entry.attempts for entry in result.trace], [2])


@DEFERRED.check
async def beyond_its_limit(backend: Backend) -> None:
    """After so many that do not count, the next one does; and the failure names the node and what it said."""
    busy = _Busy(backend, *[lambda: RetryAfter(backend.beat, "the queue is full", counts=False)] * 99)
    result = await backend.run(create_flow("busy").node("call", busy.step, retries=_ONCE))
    expect.failed(result, "call")
    expect.equal("how often it was tried", len(busy.tried), 4)
    error = result.errors[0]
    expect.equal("the error", (error.type, error.message, error.attempts), ("RetryAfter", "the queue is full", 1))


@DEFERRED.check_durable
async def after_a_restart(backend: Durable) -> None:
    """Neither other workers nor lost messages have it tried before its time, or give it back what it has used up."""
    busy = _Busy(backend, *[lambda: RetryAfter(2 * backend.day, counts=False)] * 3)
    run = await backend.launch(create_flow("busy").node("call", busy.step, retries=_ONCE), run_id="busy")
    for number in range(1, 4):
        await _until_put_off(backend, busy, number)
        await backend.kill()
        await backend.lose_messages()
        await backend.pass_time(backend.day)
    result = await run.result()
    expect.completed(result)
    expect.equal("the attempt that succeeded, and what did not count", list(result.outputs["call"]), [1, 3])
    expect.equal("how often it was tried", len(busy.tried), 4)
    for space in busy.spaces:
        expect.at_most("the earliest at which it may be tried", 2 * backend.day, space + 1e-6)


async def _until_put_off(backend: Durable, busy: _Busy, number: int) -> None:
    """Return once it is stored that a try has put off the next one; of those after a loss a minute is lost, too."""
    client, end = await backend.client(), backend.clock.now() + 2 * backend.day + 600.0
    while True:
        if len(busy.tried) > number:  # tried too often, which the caller says
            return
        (call,) = (await client.describe("busy")).instances
        if len(busy.tried) >= number and call.due is not None and call.due > busy.tried[number - 1] + backend.day:
            return
        if backend.clock.now() > end:
            raise AssertionError(f"try {number}: not in time")
        await backend.clock.sleep(backend.day / 100)
