from __future__ import annotations

import asyncio

from flowcraft_testkit.contracts import FastClock


async def test_whoever_sleeps_wakes_sooner_when_the_clock_runs_faster_meanwhile() -> None:
    clock = FastClock(1.0)
    began = clock.now()
    sleeping = asyncio.ensure_future(clock.sleep(3_600.0))
    await asyncio.sleep(0)
    with clock.running_at(1_000_000.0):
        assert clock.rate == 1_000_000.0
        await asyncio.wait_for(sleeping, 10.0)
    assert clock.rate == 1.0
    assert clock.now() - began >= 3_600.0


async def test_what_has_passed_at_one_rate_has_passed_at_the_next() -> None:
    clock = FastClock(1.0)
    began = clock.now()
    clock.put_forward(100.0)
    with clock.running_at(1_000.0):
        await clock.sleep(50.0)
    assert clock.now() - began >= 150.0
    assert clock.now() >= began
