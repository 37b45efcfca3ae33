"""Scenarios 57 and 58: no more at once, and no more within a time, than a limit says, over all workers."""

from __future__ import annotations

from collections import Counter
from typing import Any

import expect
from backend import Backend
from durable_backend import Durable
from flowcraft_core import Clock, FlowBuilder, Limit, create_flow
from in_process import InProcess
from scenario import Scenario
from small_steps import Context

AT_ONCE = Scenario(
    id=57,
    title="Two at a time of fifty, over four workers: never more but for a moment after the store was wiped; none lost",
)
WITHIN = Scenario(
    id=58,
    title="Ten a second over four workers: over any second no more begin; by key, each key has that for itself",
)

_JOBS = 50


class _Gauge:
    """A step that takes its time, and what was seen of its attempts."""

    def __init__(self, clock: Clock, seconds: float) -> None:
        self.clock, self.seconds = clock, seconds
        self.now = self.most = 0
        self.done: Counter[str] = Counter()
        self.began: dict[str, list[float]] = {}

    async def step(self, ctx: Context) -> int:
        """Take the time."""
        self.now += 1
        self.most = max(self.most, self.now)
        self.began.setdefault(str(ctx.input["key"]), []).append(self.clock.now())
        try:
            await self.clock.sleep(self.seconds)
        finally:
            self.now -= 1
        self.done[ctx.key] += 1
        return ctx.attempt

    def most_within(self, seconds: float) -> int:
        """Of any key, how many have begun within a time."""
        return max(
            sum(1 for t in times if 0 <= t - began < seconds) for times in self.began.values() for began in times
        )


def _flow(gauge: _Gauge, limit: str, jobs: int = _JOBS) -> FlowBuilder:
    async def items(ctx: Context) -> list[dict[str, Any]]:
        return [{"key": "ab"[number % 2] if "{" in limit else "all"} for number in range(jobs)]

    return create_flow("limited").node("list", items).batch("work", gauge.step, limit=limit).edge("list", "work")


@AT_ONCE.check
async def never_more_than_two_at_once(backend: Backend) -> None:
    """And all of them in the end, at one attempt each."""
    backend.limits = [Limit("scarce", concurrency=2)]
    gauge = _Gauge(backend.clock, backend.beat / 2)
    backend.deploy(_flow(gauge, "scarce"))
    result = await (await backend.start("limited", concurrency=4)).result()
    expect.completed(result)
    expect.equal("the attempts of each", set(result.outputs["work"]), {1})
    expect.equal("how many were done", sum(gauge.done.values()), _JOBS)
    expect.equal("the most at once", gauge.most, 2)


@AT_ONCE.check_durable
async def a_killed_worker_holds_its_place_for_no_longer_than_its_time(backend: Durable) -> None:
    """Then others go on with what it was at, and with what waited for it."""
    backend.limits = [Limit("scarce", concurrency=2)]
    gauge = _Gauge(backend.clock, backend.beat)
    backend.deploy(_flow(gauge, "scarce", 8))
    await backend.staff(2)
    await (await backend.client()).start("limited", run_id="run")

    async def is_under_way() -> bool:
        return gauge.now == 2

    if not await backend.comes_to_hold(is_under_way, within=100 * backend.beat, every=backend.beat / 20):
        raise AssertionError(f"there are never two at once: {gauge.began}")
    await backend.kill()
    await backend.staff(4)
    expect.completed(await backend.run_of("run").result())
    expect.equal("how many were done", len(gauge.done), 8)


@AT_ONCE.check_durable
async def a_wiped_store_gives_each_place_once_more(backend: Durable) -> None:
    """Whoever had one has it again at its next renewal, or the others end soon: then it is as before."""
    backend.limits = [Limit("scarce", concurrency=2)]
    gauge = _Gauge(backend.clock, backend.beat)
    backend.deploy(_flow(gauge, "scarce", 16))
    await backend.staff(4)
    await (await backend.client()).start("limited", run_id="run")

    async def is_under_way() -> bool:
        return gauge.now == 2

    if not await backend.comes_to_hold(is_under_way, within=100 * backend.beat, every=backend.beat / 20):
        raise AssertionError(f"there are never two at once: {gauge.began}")
    await backend.lose_coordination()
    await backend.clock.sleep(2 * backend.beat)
    expect.equal("whether there were at most twice as many", gauge.most <= 4, True)
    gauge.most = gauge.now
    expect.completed(await backend.run_of("run").result())
    expect.equal("whether it was as before then", gauge.most <= 2, True)
    expect.equal("how many were done", len(gauge.done), 16)


@WITHIN.check
async def no_more_begin_within_a_time(backend: Backend) -> None:
    """A place for a start lapses by the store's clock; between that and the step lies a request."""
    backend.limits = [Limit("scarce", rate=10, per=10 * backend.beat)]
    gauge = _Gauge(backend.clock, 0.0)
    backend.deploy(_flow(gauge, "scarce", 35))
    expect.completed(await (await backend.start("limited", concurrency=4)).result())
    expect.equal("how many were done", sum(gauge.done.values()), 35)
    most = gauge.most_within(8 * backend.beat)  # what lies between a place and its step may take up to a beat
    expect.equal(f"whether at most ten began, and there were {most}", most <= 10, True)


@WITHIN.check
async def each_key_has_it_for_itself(backend: Backend) -> None:
    """Two keys begin twice as many together, and neither more than its own."""
    backend.limits = [Limit("scarce", rate=5, per=10 * backend.beat)]
    gauge = _Gauge(backend.clock, 0.0)
    backend.deploy(_flow(gauge, "scarce:{input.key}", 20))
    expect.completed(await (await backend.start("limited", concurrency=4)).result())
    expect.equal("the keys", {key: len(times) for key, times in gauge.began.items()}, {"a": 10, "b": 10})
    expect.equal("whether each kept to its own", gauge.most_within(8 * backend.beat) <= 5, True)


@AT_ONCE.check_in_process
async def all_runs_of_a_program_share_a_limit(backend: InProcess) -> None:
    """There it is the runtime that keeps it."""
    backend.limits = [Limit("scarce", concurrency=2)]
    gauge = _Gauge(backend.clock, 1.0)
    backend.deploy(_flow(gauge, "scarce", 10))
    runs = [await backend.start("limited") for _ in range(3)]
    for run in runs:
        expect.completed(await run.result())
    expect.equal("the most at once", gauge.most, 2)
