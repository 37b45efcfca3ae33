"""Reads that are behind: a predecessor's fact that is not visible yet is waited for, and never taken for missing."""

from __future__ import annotations

import asyncio

import azure_chaos_worker
from flowcraft_core import FlowRuntime
from flowcraft_core.durable import Client, Worker
from flowcraft_core.ports import Fact
from places import Place
from stale import Replicas

_LAG = 0.5


async def test_runs_on_stale_replicas_end_as_they_should(place: Place) -> None:
    """Three workers that see one another's facts half a second late; each node has one outcome, no letter is dead."""
    replicas = Replicas(_LAG)
    flows = [flow() for flow in azure_chaos_worker.FLOWS]
    backends = [replicas.make_stale(place.backend(staleness=2 * _LAG, longest_pause=0.1)) for _ in range(4)]
    for backend in backends:
        await backend.open()
    workers = [Worker(backend, FlowRuntime(flows), concurrency=2, prefetch=0, poll=1.0) for backend in backends[1:]]
    working = [asyncio.ensure_future(worker.run()) for worker in workers]
    client = Client(backends[0], flows=flows)
    for flow in flows * 2:
        result = await client.wait((await client.start(flow)).run_id, timeout=60.0)
        node, output = azure_chaos_worker.ENDS[flow.id]
        assert (result.status, result.outputs[node]) == ("completed", output)
    assert await client.dead_letters() == []
    assert replicas.hidden > 0
    for worker in workers:
        worker.stop()
    await asyncio.gather(*working)
    for backend in backends:
        await backend.close()


async def test_who_comes_second_is_given_the_fact_that_stands_once_a_replica_shows_it(place: Place) -> None:
    """The create says that something stands; what it is may become visible later."""
    replicas = Replicas(0.3)
    async with (
        replicas.make_stale(place.backend()) as first,
        replicas.make_stale(place.backend()) as second,
    ):
        fact = Fact(b"outcome", "first")
        assert await first.context.put("run", "key", fact) is None
        assert await second.context.get("run", ["key"]) == {}
        assert await second.context.put("run", "key", Fact(b"other", "second")) == fact
        assert replicas.hidden > 1
