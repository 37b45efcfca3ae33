"""What people are shown: what it costs, and what becomes of it where hints are lost."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from typing import Any

import attrs
import pytest
from flowcraft_core import FlowRuntime, NodeContext, create_flow
from flowcraft_core.durable import Client, Worker
from flowcraft_core.durable.describing.board import Board
from flowcraft_core.durable.describing.heartbeats import latest
from flowcraft_core.durable.describing.hints import passed_on, under_way
from flowcraft_core.errors import ConfigurationError
from flowcraft_core.graph.facts import Outcome, Suspension
from flowcraft_core.graph.records import (
    outcome_from_record,
    outcome_to_record,
    suspension_from_record,
    suspension_to_record,
)
from flowcraft_testkit import CountingBackend, InMemoryBackend, VirtualClock, Weaknesses
from flowcraft_testkit.simulation.loop import run_virtual

from .helpers import STRONG, working, world

HOUR = 3_600.0


async def one(ctx: NodeContext) -> int:
    return 1


def test_an_idle_worker_leaves_as_many_requests_as_the_page_on_it_says() -> None:
    async def idle(**options: Any) -> Counter[str]:
        clock = VirtualClock()
        counted = CountingBackend(InMemoryBackend(clock=clock, weaknesses=STRONG))
        await counted.open()
        worker = Worker(
            counted, FlowRuntime([create_flow("f").node("a", one)], clock=clock), reconcile=False, **options
        )
        task = asyncio.ensure_future(worker.run())
        await clock.sleep(HOUR)
        worker.stop()
        await task
        await counted.close()
        return Counter({name: n for name, n in counted.counts().items() if not name.startswith("queue.receive")})

    told, silent = asyncio.run(idle()), asyncio.run(idle(heartbeat=None))
    assert sum(told.values()) - sum(silent.values()) in (120, 122), told  # and a last one, that it stops
    assert not silent, "a worker that tells nothing asks for nothing, either"


def test_steps_that_are_short_leave_no_hint_however_many_there_are() -> None:
    async def counts(told_after: float | None) -> Counter[str]:
        clock = VirtualClock()
        backend = InMemoryBackend(clock=clock, weaknesses=STRONG)
        counted = CountingBackend(backend.connect())
        flow = create_flow("chain")
        for place in range(50):
            flow.node(f"n{place}", one)
            if place:
                flow.edge(f"n{place - 1}", f"n{place}")
        async with backend:
            await counted.open()
            runtime = FlowRuntime([flow], clock=clock)
            worker = Worker(counted, runtime, told_after=told_after, heartbeat=None, reconcile=False)
            task = asyncio.ensure_future(worker.run())
            client = Client(backend, flows=[flow], clock=clock)
            await client.wait((await client.start(flow)).run_id)
            worker.stop()
            await task
            await counted.close()
        return Counter(counted.counts())

    with_hints, without = asyncio.run(counts(5.0)), asyncio.run(counts(None))
    assert with_hints == without


def test_workers_are_there_again_a_minute_after_the_hints_were_lost() -> None:
    async def main() -> None:
        clock = VirtualClock()
        backend = world(clock, STRONG)
        flow = create_flow("f").node("a", one)
        async with backend:
            client = Client(backend, clock=clock)
            async with working(backend, FlowRuntime([flow], clock=clock), number=30):
                await clock.sleep(10)
                assert len(await client.workers()) == 30
                backend.lose_coordination()
                assert await client.workers() == []
                await clock.sleep(61)
                assert len(await client.workers()) == 30
            assert await client.workers() == [], "they have said that they stop"

    run_virtual(main)


def test_a_board_whose_counter_is_lost_goes_on_behind_the_notes_that_are_left() -> None:
    async def main() -> None:
        clock = VirtualClock()
        async with InMemoryBackend(clock=clock, weaknesses=STRONG) as backend:
            board = Board(backend.coordination, "topic", 60.0)
            for place in range(3):
                await board.leave({"place": place}, clock.now())
            await backend.coordination.delete(board._key(clock.now()))
            assert await board.read(clock.now(), within=60) == []
            await board.leave({"place": 3}, clock.now())  # the first three numbers are taken
            await board.leave({"place": 4}, clock.now())
            found = [note["place"] for note in await board.read(clock.now(), within=60)]
            assert found == [0, 1, 2, 4], "one that finds no free number is left out, and the next one is not"

    asyncio.run(main())


def test_notes_of_others_are_passed_over() -> None:
    odd: list[Any] = [{}, {"worker": 5}, {"worker": "w", "seen": "x"}, {"worker": "w", "seen": 5, "at": [1, [2], "x"]}]
    assert under_way(odd, since=0.0) == {}
    assert passed_on([*odd, {"node_id": 1, "reason": "r", "worker": "w", "key": "k"}], since=0.0) == {}
    assert latest([*odd, {"name": "w", "host": "h", "version": "1", "backend": "b"}], since=0.0) == []


def test_facts_of_before_say_nothing_of_workers_and_can_be_read() -> None:
    outcome, suspension = Outcome(output=1, worker="w"), Suspension("retry", 5.0, 1, started=1.0, ended=2.0, worker="w")
    of_outcome, of_suspension = outcome_to_record(outcome, lambda value: value), suspension_to_record(suspension)
    assert outcome_from_record(of_outcome, lambda value: value).worker == "w"
    assert attrs.astuple(suspension_from_record(of_suspension)) == attrs.astuple(suspension)
    for name in ("worker", "started", "ended"):
        del of_outcome[name]
        del of_suspension[name]
    assert outcome_from_record(of_outcome, lambda value: value).worker is None
    assert suspension_from_record(of_suspension).worker is None
    assert "worker" not in json.dumps(outcome_to_record(Outcome(), lambda value: value))


def test_a_batch_of_thousands_is_looked_at_in_few_requests() -> None:
    async def main() -> None:
        clock = VirtualClock()
        backend = InMemoryBackend(clock=clock, weaknesses=Weaknesses.none())
        flow = create_flow("wide").node("items", items).batch("each", one, items="items").wait("w")
        flow.edge("items", "each").edge("each", "w")
        async with backend:
            client = Client(backend, flows=[flow], clock=clock)
            async with working(backend, FlowRuntime([flow], clock=clock), number=1):
                run_id = (await client.start(flow)).run_id
                while not (await client.describe(run_id, limit=1)).waits:
                    await clock.sleep(60)
            counted = CountingBackend(backend.connect())
            await counted.open()
            looker = Client(counted, flows=[flow], clock=clock)
            top = await looker.describe(run_id)
            assert [(each.key, each.state) for each in top.instances] == [
                ("items", "done"),
                ("each", "done"),
                ("w", "waiting"),
            ]
            assert top.instances[1].inside is not None
            assert dict(top.instances[1].inside.counts) == {"done": 3_000}
            page = await looker.describe(run_id, inside="each", after="2990.0", limit=7)
            assert [each.key for each in page.instances] == [f"each[{place}].each" for place in range(2_990, 2_997)]
            assert (page.total, page.cursor) == (3_000, "2996.1")
            assert sum(counted.counts().values()) < 120
            await counted.close()

    asyncio.run(main())


async def items(ctx: NodeContext) -> list[int]:
    return list(range(3_000))


def test_what_cannot_be_opened_is_refused_by_name() -> None:
    async def main() -> None:
        clock = VirtualClock()
        flow = create_flow("f").node("a", one).wait("w").edge("a", "w")
        async with world(clock, STRONG) as backend:
            client = Client(backend, flows=[flow], clock=clock)
            run_id = (await client.start(flow)).run_id
            for inside in ("b", "a", "a[0]", "w.x", "[0]", "a/"):
                with pytest.raises(ConfigurationError, match="nothing inside"):
                    await client.describe(run_id, inside=inside)
            for limit in (0, 1_001, True, 1.5):
                with pytest.raises(ConfigurationError, match="limit"):
                    await client.describe(run_id, limit=limit)  # type: ignore[arg-type]
            with pytest.raises(ConfigurationError, match="cursor"):
                await client.describe(run_id, after="not one")
            with pytest.raises(ConfigurationError, match="cursor"):
                await client.runs_page("running", after="not one")
            with pytest.raises(ConfigurationError, match="no filter 'colour'"):
                await client.runs_page("running", colour="red")  # type: ignore[call-arg]

    asyncio.run(main())


def test_a_store_without_an_order_says_so() -> None:
    async def main() -> None:
        async with InMemoryBackend(clock=VirtualClock()) as backend:
            client = Client(backend, clock=VirtualClock())
            with pytest.raises(ConfigurationError, match="newest_first"):
                await client.runs_page("running", newest_first=True)
            assert (await client.runs_page("running")).newest_first is False
        async with InMemoryBackend(clock=VirtualClock(), weaknesses=STRONG) as backend:
            assert (await Client(backend, clock=VirtualClock()).runs_page()).newest_first is True

    asyncio.run(main())
