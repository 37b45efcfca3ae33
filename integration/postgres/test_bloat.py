"""What a busy week and an idle one do to tables and indexes: they stay about as large as what is in them."""

from __future__ import annotations

import asyncio
import time

import pytest
from flowcraft_core import FlowRuntime, create_flow
from flowcraft_core.durable import Client, Reconciler, Worker
from flowcraft_core.durable.describing.heartbeats import Heartbeat
from flowcraft_core.ports import Message
from flowcraft_postgres import coordination
from postgres_clocks import SkippingClock
from postgres_places import Place

_MEGABYTE = 2**20


async def _size(place: Place, table: str) -> int:
    """Bytes of a table with its indexes, and of what is kept beside it."""
    quoted = '"' + place.schema.replace('"', '""') + '"'
    ((size,),) = await place.ask("SELECT pg_total_relation_size(%s::regclass)", f"{quoted}.{table}")
    return int(size)


async def _vacuumed(place: Place, *tables: str) -> None:
    """What the server does by itself every now and then, at once."""
    for table in tables:
        await place.ask(f"VACUUM flowcraft.{table}")


async def test_a_queue_through_which_much_goes_stays_small(place: Place) -> None:
    """Twelve rounds of a thousand messages that are sent, received, held for longer and acknowledged."""
    async with place.backend() as backend:
        sizes = []
        for _ in range(12):
            await backend.queue.send([Message("x" * 200) for _ in range(1_000)])
            taken = 0
            while found := await backend.queue.receive(max_messages=100, wait=0, visibility=60):
                await backend.queue.extend(found, 120)
                await backend.queue.acknowledge(found)
                taken += len(found)
            assert taken == 1_000
            await _vacuumed(place, "jobs")
            sizes.append(await _size(place, "jobs"))
        assert max(sizes[6:]) <= 1.2 * max(sizes[:5]), f"it grows: {sizes}"
        assert max(sizes) < 8 * _MEGABYTE


async def test_the_server_removes_dead_rows_by_itself(place: Place) -> None:
    """By the tables' own settings: some hundreds of dead rows are enough, where by default it were a fifth of all."""
    async with place.backend() as backend:
        for _ in range(5):
            await backend.queue.send([Message("job") for _ in range(1_000)])
            while found := await backend.queue.receive(max_messages=100, wait=0, visibility=60):
                await backend.queue.acknowledge(found)
        question = (
            "SELECT autovacuum_count FROM pg_stat_all_tables WHERE relname = 'jobs' AND schemaname = %s",
            place.schema,
        )
        end = time.monotonic() + 60
        while not (await place.ask(*question))[0][0]:
            assert time.monotonic() < end, "nobody has removed the dead rows"
            await asyncio.sleep(0.5)


async def test_workers_that_idle_leave_no_more_than_a_few_pages(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two days of all that two idle workers ask for; the dead rows removed about as often as the server would.

    What is there after the first day is what is there after the second, and would be after any number of weeks.
    """
    monkeypatch.setattr(coordination, "_SWEEP_EVERY", 0.0)  # it goes by the machine's time, which hardly passes here
    tables = ("jobs", "statuses", "coordination", "facts", "context_values")
    sizes, clock = [], SkippingClock()
    async with place.backend(clock=clock) as backend:
        reconciler = Reconciler(backend, clock=clock)
        catalogue = FlowRuntime().catalogue
        beating = [
            Heartbeat.of(name, backend, ["default"], catalogue, concurrency=1, interval=60.0, now=clock.now())
            for name in ("one", "other")
        ]
        for minute in range(2 * 24 * 60):
            for _ in range(4):
                assert await backend.coordination.set_if_absent("reconciler", "me", ttl=15.0)
                await reconciler.run_once()
                assert not await backend.queue.receive(max_messages=1, wait=0, visibility=60)
                await clock.sleep(15.1)
            for heartbeat in beating:
                await heartbeat.beat(clock.now(), busy=0, held=0)
            if minute % 120 == 119:  # after some 500 dead rows
                await _vacuumed(place, *tables)
                sizes.append(sum([await _size(place, table) for table in tables]))
    assert max(sizes[12:]) <= 1.2 * max(sizes[:12]), f"it grows: {sizes}"
    assert max(sizes) < _MEGABYTE


@pytest.mark.parametrize("rounds", [5])
async def test_what_is_purged_makes_room_for_new_runs(place: Place, rounds: int) -> None:
    async def step(ctx: object) -> str:
        return "x" * 3_000

    flow = create_flow("flow").node("a", step).node("b", step).edge("a", "b")
    sizes = []
    async with place.backend() as backend:
        client = Client(backend, flows=[flow])
        worker = Worker(backend, FlowRuntime([flow]), poll=0.2, reconcile=False)
        working = asyncio.ensure_future(worker.run())
        for _ in range(rounds):
            started = await asyncio.gather(*(client.start(flow) for _ in range(100)))
            for run in started:
                await client.wait(run.run_id, timeout=120)
            assert (await client.purge_older(0)).count == 100
            await _vacuumed(place, "facts", "statuses", "context_values")
            sizes.append(sum([await _size(place, table) for table in ("facts", "statuses", "context_values")]))
        worker.stop()
        await working
    assert max(sizes[2:]) <= 1.3 * max(sizes[:2]), f"it grows: {sizes}"
    assert await place.ask("SELECT count(*) FROM flowcraft.facts WHERE run_id <> ':blueprints'") == [(0,)]
