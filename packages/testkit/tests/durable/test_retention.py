"""Runs that ended long ago are purged by whoever reconciles, a bounded number at a time."""

from __future__ import annotations

from typing import Any

import pytest
from flowcraft_core import ConfigurationError, FlowRuntime
from flowcraft_core.durable import Client, Reconciler, Worker, purging
from flowcraft_core.durable import retention as retention_module
from flowcraft_core.ports import RunStatus
from flowcraft_testkit import CountingBackend, InMemoryBackend, VirtualClock

from .flows import chain
from .helpers import left_of, place, world

pytestmark = pytest.mark.usefixtures("quiet")

DAY = 86_400.0


async def test_a_worker_purges_what_ended_longer_ago_than_it_is_kept() -> None:
    flow = chain()
    async with place(flow) as here, here.working(retention="1d"):
        await here.client.start(flow, run_id="old")
        await here.client.wait("old", timeout=600)
        await here.clock.sleep(DAY - 60)
        await here.client.start(flow, run_id="young")
        await here.client.wait("young", timeout=600)
        assert left_of(here.backend, "old")
        await here.clock.sleep(300)
        assert not left_of(here.backend, "old")
        assert left_of(here.backend, "young")


async def test_a_run_that_goes_on_is_kept_however_old_it_is() -> None:
    async with world(clock := VirtualClock()) as backend:
        await Client(backend, flows=[chain()], clock=clock).start("chain", run_id="live", delay=100.0)
        await clock.sleep(400 * DAY)
        done = await Reconciler(backend, clock=clock, retention=DAY).run_once()
        assert done.purged == 0
        assert await backend.status.get("live") is not None


async def _ended(backend: InMemoryBackend, number: int) -> None:
    for place_ in range(number):
        status = RunStatus(run_id=f"run{place_}", state="completed", blueprint_id="f", created=0.0, updated=1.0)
        await backend.status.create(status)


async def _left(backend: InMemoryBackend) -> int:
    return len([run async for run in Client(backend).runs("completed")])


async def test_one_look_purges_a_bounded_number_and_all_together_purge_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention_module, "_PURGED", 5)
    monkeypatch.setattr(retention_module, "_READ", 7)
    async with world(clock := VirtualClock()) as backend:
        await _ended(backend, 23)
        await clock.sleep(2 * DAY)
        reconciler, counts = Reconciler(backend, clock=clock, retention=DAY), []
        for _ in range(12):
            counts.append((await reconciler.run_once()).purged)
        assert max(counts) <= 5
        assert sum(counts) == 23
        assert await _left(backend) == 0


async def test_a_look_at_many_young_runs_costs_three_requests() -> None:
    async with world(clock := VirtualClock()) as backend:
        await _ended(backend, 250)
        counting = CountingBackend(backend)
        reconciler = Reconciler(counting, clock=clock, retention=clock.now() + DAY)
        await reconciler.run_once()
        assert counting.counts()["status.find"] == 2 + 3, "those of the look for what is due, and three"


async def test_a_run_that_cannot_be_purged_keeps_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    async def purge(stored: Any, run_id: str) -> None:
        if run_id == "run1":
            raise ValueError("damaged")
        await purging.purge(stored, run_id)

    monkeypatch.setattr(retention_module, "purge", purge)
    async with world(clock := VirtualClock()) as backend:
        await _ended(backend, 3)
        await clock.sleep(2 * DAY)
        await Reconciler(backend, clock=clock, retention=DAY).run_once()
        assert await backend.status.get("run0") is None
        assert await backend.status.get("run1") is not None
        assert await backend.status.get("run2") is None


async def test_runs_that_cannot_be_purged_are_left_aside_and_counted_as_none(monkeypatch: pytest.MonkeyPatch) -> None:
    tried: list[str] = []

    async def purge(stored: Any, run_id: str) -> None:
        tried.append(run_id)
        if int(run_id[3:]) < 12:
            raise ValueError("damaged")
        await purging.purge(stored, run_id)

    monkeypatch.setattr(retention_module, "purge", purge)
    monkeypatch.setattr(retention_module, "_PURGED", 5)
    monkeypatch.setattr(retention_module, "_READ", 20)
    async with world(clock := VirtualClock()) as backend:
        await _ended(backend, 20)
        await clock.sleep(2 * DAY)
        reconciler = Reconciler(backend, clock=clock, retention=DAY)
        counts = [(await reconciler.run_once()).purged for _ in range(8)]
        assert (sum(counts), await _left(backend)) == (8, 12)
        assert len(tried) == 20
        await clock.sleep(1.1 * DAY)
        await reconciler.run_once()
        assert len(tried) == 25, "after a day they are tried again"


async def test_no_state_keeps_the_others_from_being_purged(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention_module, "_PURGED", 3)
    async with world(clock := VirtualClock()) as backend:
        await _ended(backend, 30)
        status = RunStatus(run_id="other", state="cancelled", blueprint_id="f", created=0.0, updated=1.0)
        await backend.status.create(status)
        await clock.sleep(2 * DAY)
        reconciler = Reconciler(backend, clock=clock, retention=DAY)
        for _ in range(3):
            await reconciler.run_once()
        assert await backend.status.get("other") is None


@pytest.mark.parametrize("retention", [0, -1, "soon"])
async def test_a_retention_that_means_nothing_is_refused(retention: Any) -> None:
    async with world(VirtualClock()) as backend:
        with pytest.raises(ConfigurationError, match="retention"):
            Worker(backend, FlowRuntime([chain()]), retention=retention)
        with pytest.raises(ConfigurationError, match="retention"):
            Reconciler(backend, retention=retention)
