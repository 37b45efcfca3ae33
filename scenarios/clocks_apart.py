"""Scenario 71: clocks that differ, and clocks that are set back."""

from __future__ import annotations

import asyncio
from typing import Any

import attrs
import expect
from backend import Run
from durable_backend import Durable
from flowcraft_core import Clock, FlowBuilder, RetryPolicy, create_flow
from flowcraft_core.durable.engine import Settings
from in_process import InProcess
from scenario import Scenario
from small_steps import AsyncStep, Context, echo, gives, takes

CLOCKS = Scenario(
    id=71,
    title="Clocks differ by an hour, or one is set back: nothing waits for it; what is due is off by no more than that",
)

_HOUR = 3_600.0
#: Long against what a few jobs need, and short against an hour.
_QUICK = 200.0


@attrs.define
class _Ahead:
    """A clock that is ahead of the place's, or behind it; it can be set."""

    inner: Clock
    by: float = 0.0

    def now(self) -> float:
        return self.inner.now() + self.by

    def monotonic(self) -> float:
        return self.inner.now()  # a machine has this one beside its time of day

    async def sleep(self, seconds: float) -> None:
        await self.inner.sleep(seconds)


async def _reads(ctx: Context) -> Any:
    return await ctx.context.get("value")


def _reading(flow_id: str) -> FlowBuilder:
    """A row of steps and conditions that read context values."""
    flow = create_flow(flow_id).node("a", _reads).node("b", _reads).node("c", echo, inputs="value").node("d", _reads)
    flow.edge("a", "b", condition="value == 1").edge("b", "c", transform="value + 1").edge("c", "d")
    return flow


def _flaky(failures: int) -> AsyncStep:
    async def flaky(ctx: Context) -> int:
        if ctx.attempt <= failures:
            raise ConnectionError("down")
        return ctx.attempt

    return flaky


# --- in one process ---------------------------------------------------------------------------------------------------


@CLOCKS.check_in_process
async def set_in_one_process(backend: InProcess) -> None:
    """Sleeps, pauses between attempts and timeouts last as long as they would have, whatever a clock says meanwhile."""
    place, beat = backend.clock, backend.beat
    for by in (-_HOUR, _HOUR):
        for what in ("sleep", "retry", "wait"):
            backend.clock = clock = _Ahead(place)
            flow = create_flow(what)
            if what == "sleep":
                flow.sleep("timed", 10 * beat)
            elif what == "retry":
                retries = RetryPolicy(max_attempts=2, delay=10 * beat, max_delay=10 * beat, jitter=0)
                flow.node("timed", _flaky(1), retries=retries)
            else:
                flow.wait("timed", timeout=10 * beat)
            began = place.now()
            run = await backend.launch(flow, run_id=f"{what} {by:g}")
            await place.sleep(3 * beat)
            clock.by = by
            await _in_time(place, run, 20 * beat, f"a {what} while the clock is set by {by:g} s")
            expect.lasts(f"a {what} while the clock is set by {by:g} s", place.now() - began, 10 * beat, backend)


async def _in_time(place: Clock, run: Run, most: float, what: str) -> None:
    """A run completes before so many seconds of the place's own clock are over."""
    result = asyncio.ensure_future(run.result())
    limit = asyncio.ensure_future(place.sleep(most))
    try:
        await asyncio.wait([result, limit], return_when=asyncio.FIRST_COMPLETED)
        if not result.done():
            raise AssertionError(f"{what}: more than {most:g} s")
        expect.completed(result.result())
    finally:
        for task in (result, limit):
            task.cancel()


# --- on workers, where what is due is stored, and off by the difference -----------------------------------------------


async def _ends(backend: Durable, run_id: str, most: float, what: str) -> None:
    """A run completes before so many seconds of the place's own clock are over."""
    began, client = backend.clock.now(), await backend.client()
    while (await client.status(run_id)).state not in ("completed", "failed"):
        if backend.clock.now() - began > most:
            raise AssertionError(f"{what}: more than {most:g} s")
        await backend.clock.sleep(backend.beat / 10)
    status = await client.status(run_id)
    expect.equal(f"{what}: its end ({status.reason})", status.state, "completed")
    expect.completed(await backend.run_of(run_id).result())


@CLOCKS.check_durable
async def nobody_waits_to_read(backend: Durable) -> None:
    """Whoever is ahead, clients or workers: a run that reads context values takes as long as any."""
    flow = _reading("reading")
    backend.deploy(flow)
    for client_ahead, workers_ahead in ((0.0, -_HOUR), (0.0, _HOUR), (_HOUR, 0.0), (-_HOUR, 0.0)):
        for _ in range(2):
            await backend.hire(clock=_Ahead(backend.clock, workers_ahead), settings=Settings(max_steps=1))
        client = await backend.client(clock=_Ahead(backend.clock, client_ahead))
        for number in range(5):
            run_id = f"{client_ahead:g} {workers_ahead:g} {number}"
            await client.start("reading", {"value": 1}, run_id=run_id)
            what = f"what a run takes, clients {client_ahead:g} s ahead and workers {workers_ahead:g}"
            await _ends(backend, run_id, _QUICK, what)
        await backend.leave()


@CLOCKS.check_durable
async def workers_differ(backend: Durable) -> None:
    """What is due comes early or late by the difference, and no later."""
    apart = backend.hour
    retries = RetryPolicy(max_attempts=3, delay=2 * backend.beat, backoff=1, jitter=0)
    flow = (
        _reading("apart").sleep("nap", 2 * backend.beat).node("flaky", _flaky(2), retries=retries).node("end", _reads)
    )
    backend.deploy(flow.edge("d", "nap").edge("nap", "flaky").edge("flaky", "end"))
    for by in (-apart / 2, 0.0, apart / 2):
        await backend.hire(clock=_Ahead(backend.clock, by), settings=Settings(max_steps=1))
    await (await backend.client()).start("apart", {"value": 1}, run_id="apart")
    dues = 3  # a sleep, and two pauses
    await _ends(backend, "apart", dues * (2 * backend.beat + apart + backend.late) + _QUICK, "what the run takes")


@CLOCKS.check_durable
async def set_back_under_way(backend: Durable) -> None:
    """The workers' clocks are set back by an hour: what runs goes on, and a cancel is noticed as soon as ever."""
    clock = _Ahead(backend.clock)
    started: list[float] = []

    async def tick(ctx: Context) -> Any:
        started.append(backend.clock.now())
        await backend.clock.sleep(backend.beat / 2)
        return await ctx.context.get("value")

    flow = create_flow("ticking").node("tick", tick).loop("on", start="tick", end="tick", condition="true")
    backend.deploy(flow, _reading("reading").node("slow", takes(backend.clock, backend.beat, 1)).edge("d", "slow"))
    for _ in range(2):
        await backend.hire(clock=clock, settings=Settings(max_steps=1))
    client = await backend.client()
    await client.start("ticking", {"value": 1}, run_id="ticking")
    await backend.until("three passes", lambda: len(started) >= 3)
    clock.by = -_HOUR
    before = len(started)
    await backend.until("three more", lambda: len(started) >= before + 3, within=20 * backend.beat + _QUICK)
    await client.start("reading", {"value": 1}, run_id="reading")
    await _ends(backend, "reading", 2 * backend.beat + _QUICK, "what a run takes that is started now")
    await client.cancel("ticking")
    await backend.clock.sleep(4 * backend.beat)
    cancelled = len(started)
    await backend.clock.sleep(4 * backend.beat)
    expect.equal("the passes that began long after the cancel", len(started) - cancelled, 0)


@CLOCKS.check_durable
async def started_an_hour_ago(backend: Durable) -> None:
    """Jobs of a client that is behind are young all the same: what is not visible yet is not given up."""
    flow = create_flow("young").node("a", gives(1)).node("b", echo).edge("a", "b")
    backend.deploy(flow)
    for _ in range(3):
        await backend.hire(settings=Settings(max_steps=1))
    client = await backend.client(clock=_Ahead(backend.clock, -_HOUR))
    for number in range(20):
        await client.start("young", run_id=f"young {number}")
    for number in range(20):
        expect.completed(await backend.run_of(f"young {number}").result())
