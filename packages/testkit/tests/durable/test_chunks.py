"""Long values in chunks: whoever is killed in the midst of writing them, purging a run leaves nothing of it."""

from __future__ import annotations

import asyncio
import random
from typing import Any

import pytest
from flowcraft_core import FlowBuilder, FlowRuntime, NodeContext, Serializer, create_flow
from flowcraft_core.durable.client import Client
from flowcraft_core.durable.storage import Records
from flowcraft_core.durable.worker import Worker
from flowcraft_core.graph.facts import Outcome
from flowcraft_core.payloads import CompressingCodec
from flowcraft_testkit import CountingBackend, InMemoryBackend, VirtualClock

from .helpers import MODES, SMALL_STORE, STRONG, Crashing, Mode, killed, left_of, working, world

Ctx = NodeContext[Any, Any]


pytestmark = pytest.mark.usefixtures("quiet")


def _noise(seed: int, length: int = 3_000) -> str:
    chance = random.Random(seed)
    return "".join(chr(chance.randint(33, 0x2FFF)) for _ in range(length))


async def _long(ctx: Ctx) -> str:
    await ctx.context.set("text", _noise(1))
    return _noise(2)


async def _longer(ctx: Ctx) -> int:
    await ctx.context.set("text", _noise(3, 4_000))
    return len(ctx.input)


def _flow() -> FlowBuilder:
    return create_flow("long").node("a", _long).node("b", _longer).edge("a", "b")


@pytest.mark.parametrize("mode", MODES)
async def test_nothing_is_left_of_a_writer_that_was_killed(mode: Mode) -> None:
    at, left_over = 1, 0
    while True:
        clock, flow = VirtualClock(), _flow()
        async with world(clock, STRONG, store_limits=SMALL_STORE) as backend:
            client, runtime = Client(backend, clock=clock), FlowRuntime([flow], clock=clock)
            run_id = (await client.start(flow)).run_id
            crashing = Crashing(backend.connect(), at, mode)
            await crashing.open()
            await killed(
                Worker(crashing, runtime, poll=5, reconcile=False).run, _dead_or_done(crashing, client, run_id)
            )
            before = len(left_of(backend, run_id))
            async with working(backend, runtime):
                assert (await client.wait(run_id, timeout=3_600, poll=1.0)).outputs["b"] == 3_000
            left_over = max(left_over, before)
            await client.purge(run_id)
            assert left_of(backend, run_id) == set(), (mode, at)
            if not crashing.dead.is_set() and len(crashing.calls) < at:
                break
            at += 1
    assert at > 20
    assert left_over > 20


async def _dead_or_done(crashing: Crashing, client: Client, run_id: str) -> None:
    until = client._clock.now() + 30
    while not crashing.dead.is_set() and client._clock.now() < until:
        if (await client.status(run_id)).state == "completed":
            return
        await client._clock.sleep(0.5)


def _records(backend: InMemoryBackend) -> Records:
    return Records(backend.context, Serializer(), CompressingCodec())


async def test_of_two_writers_at_once_only_the_chunks_of_the_winner_are_left() -> None:
    async with world(VirtualClock(), STRONG, store_limits=SMALL_STORE) as backend:
        outcomes = [Outcome(output=_noise(seed)) for seed in range(4)]
        stored = await asyncio.gather(
            *(
                _records(backend).put_outcome("run", "a", outcome, f"job {number}")
                for number, outcome in enumerate(outcomes)
            )
        )
        assert sum(each.won for each in stored) == 1
        (found,) = (await _records(backend).outcomes("run", ["a"])).values()
        assert all(each.value == found.value for each in stored)
        alone = world(VirtualClock(), STRONG, store_limits=SMALL_STORE)
        async with alone:
            await _records(alone).put_outcome("run", "a", found.value, "job")
            # Besides what one writer leaves there are the slots of the three others.
            assert len(left_of(backend, "run")) == len(left_of(alone, "run")) + 3
        await _records(backend).delete("run", ["a"])
        assert left_of(backend, "run") == set()


async def test_a_long_value_that_is_set_over_and_over_takes_no_more_requests_each_time() -> None:
    clock = VirtualClock()
    async with world(clock, STRONG, store_limits=SMALL_STORE) as backend:
        counted = CountingBackend(backend)
        records = Records(counted.context, Serializer(), CompressingCodec())
        requests = []
        for number in range(30):
            before = sum(counted.counts().values())
            await records.apply("run", "", ((number, "a", 0),), {"text": _noise(7)})
            requests.append(sum(counted.counts().values()) - before)
        assert len(set(requests)) == 1
        setters = [("text", ((number, "a", 0),)) for number in range(30)]
        await records.delete_values("run", setters)
        assert left_of(backend, "run") == set()


async def test_a_long_value_that_is_applied_again_is_not_written_again() -> None:
    async with world(VirtualClock(), STRONG, store_limits=SMALL_STORE) as backend:
        records = _records(backend)
        await records.apply("run", "", ((1, "a", 0),), {"text": _noise(7)})
        stored = left_of(backend, "run")
        for _ in range(5):
            await records.apply("run", "", ((1, "a", 0),), {"text": _noise(7)})
        assert left_of(backend, "run") == stored


async def test_a_value_that_fits_takes_one_request() -> None:
    async with world(VirtualClock(), STRONG) as backend:
        counted = CountingBackend(backend)
        await Records(counted.context, Serializer(), CompressingCodec()).put_outcome(
            "run", "a", Outcome(output=1), "job"
        )
        assert dict(counted.counts()) == {"context.put": 1}
