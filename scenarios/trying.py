"""Scenarios 21, 22 and 24: trying again, standing in, running out of time."""

from __future__ import annotations

import asyncio
import threading

import attrs
import expect
from backend import Backend
from flowcraft_core import FlowBuilder, NonRetryableError, RetryPolicy, SyncNodeContext, create_flow
from scenario import Scenario
from small_steps import AsyncStep, Context, Tally, echo, fails, gives, takes

RETRIES = Scenario(id=21, title="A step is tried again: so often, so far apart, and holding no worker meanwhile")
FALLBACKS = Scenario(id=22, title="A fallback stands in once, after its primary has failed, and never starts a run")
TIMEOUTS = Scenario(id=24, title="A node exceeds its timeout: a coroutine is cancelled, a thread given up and reported")


# --- trying again -----------------------------------------------------------------------------------------------------


def _three_tries(backend: Backend) -> RetryPolicy:
    return RetryPolicy(max_attempts=3, delay=2 * backend.beat, backoff=3, jitter=0)


class _Flaky:
    """A step that fails a number of times, and notes when it was tried."""

    def __init__(self, backend: Backend, failures: int, error: type[Exception] = ConnectionError) -> None:
        self._backend, self._failures, self._error = backend, failures, error
        self._began = backend.clock.now()
        self.tried: list[float] = []

    async def step(self, ctx: Context) -> int:
        self.tried.append(self._backend.clock.now() - self._began)
        if len(self.tried) <= self._failures:
            raise self._error(f"failure {len(self.tried)}")
        return ctx.attempt

    def expect_three_tries(self) -> None:
        """It was tried so often, and the spaces grew by the factor."""
        expect.equal("how often it was tried", len(self.tried), 3)
        for number, beats in ((0, 2), (1, 6)):
            space = self.tried[number + 1] - self.tried[number]
            expect.lasts("the space between two tries", space, beats * self._backend.beat, self._backend)


@RETRIES.check
async def three_tries_spaced_as_configured(backend: Backend) -> None:
    """The third attempt succeeds, and the spaces between them grow by the factor."""
    flaky = _Flaky(backend, failures=2)
    result = await backend.run(create_flow("flaky").node("call", flaky.step, retries=_three_tries(backend)))
    expect.completed(result)
    flaky.expect_three_tries()
    expect.equal("the attempts in the trace", [entry.attempts for entry in result.trace], [3])
    expect.equal("the attempt that gave the result", result.outputs["call"], 3)


@RETRIES.check
async def as_often_as_it_may(backend: Backend) -> None:
    """After the last attempt the node fails with the last error."""
    flaky = _Flaky(backend, failures=99)
    result = await backend.run(create_flow("flaky").node("call", flaky.step, retries=_three_tries(backend)))
    expect.failed(result, "call")
    flaky.expect_three_tries()
    expect.equal("the error", (result.errors[0].message, result.errors[0].attempts), ("failure 3", 3))


@RETRIES.check
async def while_others_use_the_worker(backend: Backend) -> None:
    """A day until the next attempt does not hold up what the only worker could do."""
    flaky, hour, day = _Flaky(backend, failures=1), backend.hour, backend.day
    policy = RetryPolicy(max_attempts=2, delay=day, max_delay=day, jitter=0)
    flow = create_flow("shared").node("call", flaky.step, retries=policy).node("other", takes(backend.clock, hour))
    began = backend.clock.now()
    result = await backend.run(flow.node("next", takes(backend.clock, hour)).edge("other", "next"), concurrency=1)
    expect.completed(result)
    ended = {entry.key: entry.ended - began for entry in result.trace}
    for key, seconds in (("other", hour), ("next", 2 * hour)):
        expect.lasts(f"the time until {key!r} ended", ended[key], seconds, backend)
    # The only worker may have begun with the others: what counts is the time between the two tries.
    expect.lasts("the time between the tries", flaky.tried[1] - flaky.tried[0], day, backend)


@RETRIES.check
async def not_after_an_error_that_ends_it(backend: Backend) -> None:
    """An error of that kind fails the node at the first attempt."""
    by_class = _Flaky(backend, failures=99, error=NonRetryableError)
    by_policy = _Flaky(backend, failures=99, error=PermissionError)
    tries = _three_tries(backend)
    for flaky, policy in ((by_class, tries), (by_policy, attrs.evolve(tries, non_retryable=(OSError,)))):
        result = await backend.run(create_flow("hopeless").node("call", flaky.step, retries=policy))
        expect.failed(result, "call")
        expect.equal("how often it was tried", len(flaky.tried), 1)


# --- fallbacks --------------------------------------------------------------------------------------------------------


def _with_fallback(primary: AsyncStep, stand_in: AsyncStep, *, drawn: bool = False) -> FlowBuilder:
    flow = create_flow("spare").node("start", gives(1)).node("spare", stand_in)
    flow.node("main", primary, retries=1, fallback="spare").node("end", echo).edge("start", "main").edge("main", "end")
    return flow.edge("spare", "end") if drawn else flow


@FALLBACKS.check
async def not_needed(backend: Backend) -> None:
    """A fallback whose primary succeeds does not run, also where it has an edge of its own."""
    tally = Tally()
    for drawn in (False, True):  # with an edge of its own, as some draw it, or without
        result = await backend.run(_with_fallback(gives("from main"), tally.step, drawn=drawn))
        expect.completed(result, ran=["start", "main", "end"])
        expect.equal("what followed got", result.outputs["end"], "from main")
        expect.equal("how often it stood in", len(tally.executed), 0)


@FALLBACKS.check
async def needed(backend: Backend) -> None:
    """It stands in once the attempts are used up, under the primary's key, and its output flows where that would."""
    for drawn in (False, True):
        flaky, tally = _Flaky(backend, failures=99), Tally()
        result = await backend.run(_with_fallback(flaky.step, tally.step, drawn=drawn))
        expect.completed(result, ran=["start", "main", "end"])
        expect.equal("what followed got", result.outputs["end"], 1)
        expect.equal("how often the primary was tried", len(flaky.tried), 2)
        expect.equal("what stood in, and where", tally.executed, ["main"])
        expect.equal("who gave each result", [entry.via for entry in result.trace], [None, "spare", None])


@FALLBACKS.check
async def that_fails_too(backend: Backend) -> None:
    """The primary's node fails, with the fallback's error."""
    result = await backend.run(_with_fallback(fails("primary down"), fails("spare down")))
    expect.failed(result, "main")
    expect.equal("the error", result.errors[0].message, "spare down")


# --- timeouts ---------------------------------------------------------------------------------------------------------


@TIMEOUTS.check
async def of_a_coroutine(backend: Backend) -> None:
    """It is cancelled, and the error names node and limit."""
    told: list[str] = []

    async def hang(ctx: Context) -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            told.append(ctx.key)
            raise

    result = await backend.run(create_flow("hanging").node("hang", hang, timeout=0.02))
    expect.failed(result, "hang")
    expect.equal("the error", result.errors[0].type, "StepTimeoutError")
    expect.mentions("the error", result.errors[0].message, "hang", "0.02 s")
    expect.equal("what was told", set(told), {"hang"})


@TIMEOUTS.check
async def of_a_thread(backend: Backend) -> None:
    """The run fails while the thread still hangs, and the error says that it may."""
    release = threading.Event()

    def hang(ctx: SyncNodeContext[None, None]) -> None:
        release.wait()

    try:
        result = await backend.run(create_flow("hanging").node("hang", hang, timeout=0.02))
    finally:
        release.set()  # the run has ended by now, though the thread has not
    expect.failed(result, "hang")
    expect.equal("the error", result.errors[0].type, "StepTimeoutError")
    expect.mentions("the error", result.errors[0].message, "hang", "0.02 s", "thread")
