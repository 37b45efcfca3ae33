"""In one process time passes as it does, whatever becomes of the time of day."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from flowcraft_core import FlowRuntime, RetryPolicy, SystemClock, create_flow
from flowcraft_core.clock import Clock, Stopwatch
from flowcraft_testkit import VirtualClock


class SetClock:
    """A clock that people set, on time that only a test moves on."""

    def __init__(self) -> None:
        self.true = VirtualClock()
        self.off = 0.0

    def now(self) -> float:
        return self.true.now() + self.off

    async def sleep(self, seconds: float) -> None:
        await self.true.sleep(seconds)


class MonotonicSetClock(SetClock):
    def monotonic(self) -> float:
        return self.true.now()


@pytest.mark.parametrize("hours", [-1000, -1, 1])
async def test_a_clock_that_is_set_changes_no_sleep(hours: int) -> None:
    assert await _set_meanwhile(MonotonicSetClock(), hours * 3600.0) == pytest.approx(30)


@pytest.mark.parametrize("hours", [-1000, -1])
async def test_without_a_monotonic_time_what_passed_since_the_last_look_is_slept_again(hours: int) -> None:
    assert await _set_meanwhile(SetClock(), hours * 3600.0) == pytest.approx(30 + 5)


async def _set_meanwhile(clock: SetClock, by: float) -> float:
    """How long a run of thirty seconds takes whose clock is set after five."""
    failed: list[float] = []

    async def fails(ctx: Any) -> str:
        failed.append(clock.true.now())
        if len(failed) == 1:
            raise ValueError
        return "second"

    flow = create_flow("f").sleep("nap", 10).wait("nobody", timeout=20)
    flow.node("again", fails, retries=RetryPolicy(delay=30, jitter=0))
    began = clock.true.now()
    run = FlowRuntime([flow], clock=clock).start(flow)
    await clock.true.sleep(5)
    clock.off = by
    result = await run.result(timeout=600)
    assert (result.status, result.outputs["again"]) == ("completed", "second")
    assert failed[1] - failed[0] == pytest.approx(clock.true.now() - began)
    return clock.true.now() - began


async def test_the_timeout_of_a_run_is_not_moved_by_the_time_of_day() -> None:
    clock = MonotonicSetClock()
    flow = create_flow("f").sleep("nap", 1000)
    began = clock.true.now()
    waiting = asyncio.ensure_future(FlowRuntime([flow], clock=clock).run(flow, timeout=10))
    await clock.true.sleep(5)
    clock.off = -3600
    assert (await waiting).status == "failed"
    assert clock.true.now() - began == pytest.approx(10)


async def test_a_stopwatch_never_goes_back() -> None:
    clock = SetClock()
    watch = Stopwatch(clock)
    await watch.sleep(3)
    assert watch.now() == pytest.approx(3)
    clock.off = -100
    assert watch.now() == pytest.approx(3)
    await watch.sleep(2)
    assert watch.now() == pytest.approx(5)


async def test_a_sleep_has_taken_its_time_whatever_the_clock_says_then() -> None:
    clock = SetClock()
    watch = Stopwatch(clock)
    sleeping = asyncio.ensure_future(watch.sleep(10))
    await clock.true.sleep(5)
    clock.off = -100
    await sleeping
    assert watch.now() == pytest.approx(10)


def test_the_machines_clock_has_both_times() -> None:
    clock: Clock = SystemClock()
    assert Stopwatch(clock)._read == clock.monotonic  # type: ignore[attr-defined]


async def test_what_was_saved_goes_on_when_it_is_due_by_the_time_of_day() -> None:
    clock = SetClock()
    flow = create_flow("f").sleep("nap", 100).wait("someone")
    runtime = FlowRuntime([flow], clock=clock)
    run = runtime.start(flow)
    await clock.true.sleep(10)
    state = run._run.result().state
    run.cancel()
    await run.result()
    clock.off = 60
    began = clock.true.now()
    result = await runtime.resume(state)
    assert result.status == "awaiting"
    assert clock.true.now() - began == pytest.approx(30)
