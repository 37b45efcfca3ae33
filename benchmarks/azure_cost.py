"""``cost --backend azure``: requests per node as they go over the wire, on the emulators of Azure, and request units.

The units are estimated; ``azure_units`` says how.
"""

from __future__ import annotations

import asyncio
import itertools
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from azure.cosmos.aio import CosmosClient
from azure.storage.queue.aio import QueueClient
from azure_units import Meter
from flowcraft_azure import AzureBackend, RedisCoordinationStore
from flowcraft_core import FlowBuilder, FlowRuntime, NodeContext
from flowcraft_core.durable import Client, Worker
from flowcraft_core.ports import Message
from shapes import awaited_step, diamonds, flow_of, flow_with

# The emulators belong to the integration tests.
_INTEGRATION = Path(__file__).parents[1] / "integration"
sys.path[:0] = [str(_INTEGRATION), str(_INTEGRATION / "azure")]

import azure_emulators  # noqa: E402
import places  # noqa: E402

# What the design allows, requests per node, Redis included.
_MOST = {"chain": 1.6, "fan": 4.5}
_BIG = "x" * 4_000
_FLAT = 0.05
_MOST_MESSAGES = 3.0
_DIAMONDS = 12

#: For how long one receive of a worker looks, seconds; it has no part in how often it does.
_POLL = 1.0

_IDLE_SECONDS = 12.0
#: Seconds in which an idle worker's poll grows to its longest pause.
_RAMP = 2.0
_MOST_EMPTY = 1.0


async def _big_step(ctx: NodeContext) -> str:
    return _BIG


def run() -> dict[str, Any]:
    """Count, print line by line, and give the figures."""
    with azure_emulators.emulators() as where:
        small = [_row(where, "chain", 20, flow_of("chain", 20, awaited_step))]
        small.append(_row(where, "fan", 52, flow_of("fan", 52, awaited_step)))
        big = [_row(where, "chain of 4 KB", nodes, flow_of("chain", nodes, _big_step)) for nodes in (10, 100, 1_000)]
        nodes = 3 * _DIAMONDS + 1
        row_of_diamonds = flow_with(diamonds(nodes), nodes, awaited_step, "diamonds")
        clean = _row(where, "diamonds", nodes, row_of_diamonds)
        doubled = _row(where, "diamonds, doubled", nodes, row_of_diamonds, doubling=True)
        empty = asyncio.run(_idle(where))
    rows = [*small, *big, clean, doubled]
    for row in rows:
        print(
            f"{row['shape']:<18} {row['nodes']:>5} nodes {row['requests_per_node']:>6.2f} requests "
            f"{row['bytes_written_per_node']:>8.0f} bytes {row['estimated_request_units_per_node']:>6.1f} RU "
            f"(estimate) per node, {row['messages']:>4} messages"
        )
    growth = doubled["messages"] / clean["messages"]
    # A long chain may cost less per node than a short one, whose start and end weigh more, and never more.
    flat = all(
        longer[figure] <= shorter[figure] * (1 + _FLAT)
        for shorter, longer in itertools.pairwise(big)
        for figure in ("requests_per_node", "bytes_written_per_node", "estimated_request_units_per_node")
    )
    within = all(row["requests_per_node"] <= _MOST[row["shape"]] for row in small)
    print(f"every message doubled: {growth:.2f} times the messages of the clean run (at most {_MOST_MESSAGES:g})")
    print(f"an idle worker: {empty:.2f} empty receives per second (at most {_MOST_EMPTY:g})")
    return {
        "ok": flat and within and growth <= _MOST_MESSAGES and empty <= _MOST_EMPTY,
        "backend": "azure",
        "rows": rows,
        "flat": flat,
        "messages_when_doubled": growth,
        "idle_empty_receives_per_second": empty,
        "request_units": "estimated by the model in azure_units.py; the emulators charge 1 for everything",
    }


class _Metered:
    """A place whose clients are counted."""

    def __init__(self, where: azure_emulators.Emulators) -> None:
        self.place, self.meter = places.Place(where), Meter()

    def backend(self) -> AzureBackend:
        where, meter = self.place.emulators, self.meter
        return AzureBackend(
            queue_client=lambda: QueueClient.from_connection_string(
                where.storage_connection_string, self.place.name, transport=meter.transport()
            ),
            cosmos_client=lambda: CosmosClient.from_connection_string(
                where.environment()["COSMOS_DB_CONNECTION_STRING"],
                enable_endpoint_discovery=False,
                transport=meter.transport(),
            ),
            cosmos_database_name=self.place.name,
            coordination_store=RedisCoordinationStore(lambda: meter.redis(where.redis_url), prefix=self.place.name),
        )


def _row(
    where: azure_emulators.Emulators, shape: str, nodes: int, flow: FlowBuilder, *, doubling: bool = False
) -> dict[str, Any]:
    return asyncio.run(_count(where, shape, nodes, flow, doubling=doubling))


async def _count(
    where: azure_emulators.Emulators, shape: str, nodes: int, flow: FlowBuilder, *, doubling: bool
) -> dict[str, Any]:
    metered = _Metered(where)
    await metered.place.create()
    async with metered.backend() as counted, metered.place.backend() as reader:
        if doubling:
            _double(counted)
        metered.meter.watch(counted.queue)
        metered.meter.reset()
        # Its looks at other runs are the reconciler's, and no run's: it has no part in what a run costs.
        worker = Worker(counted, FlowRuntime([flow]), reconcile=False, poll=_POLL)
        working = asyncio.ensure_future(worker.run())
        started = await Client(counted, flows=[flow]).start(flow)
        # Waiting for the result is not the run's cost either: another client does it.
        result = await Client(reader, flows=[flow]).wait(started.run_id, timeout=600)
        worker.stop()
        await working
    await metered.place.remove()
    if result.status != "completed" or result.steps != nodes:
        raise RuntimeError(f"{shape} of {nodes} nodes: {result.status}, {result.steps} steps: {result.reason}")
    counts, empty = metered.meter.counts()
    return {
        "shape": shape,
        "nodes": nodes,
        "requests_per_node": sum(counts.values()) / nodes,
        "by_operation": counts,
        "bytes_written_per_node": metered.meter.bytes / nodes,
        "messages": counts.get("queue.send", 0),
        "empty_receives": empty,
        "retries": metered.meter.retries,
        "estimated_request_units_per_node": metered.meter.units / nodes,
    }


def _double(backend: AzureBackend) -> None:
    send = backend.queue.send

    async def doubled(messages: Sequence[Message], *, delay: float = 0.0) -> None:
        await send(messages, delay=delay)
        await send(messages, delay=delay)

    backend.queue.send = doubled  # type: ignore[method-assign]


async def _idle(where: azure_emulators.Emulators) -> float:
    """Empty receives per second of a worker that has nothing to do, once its poll has grown to its longest pause."""
    metered = _Metered(where)
    await metered.place.create()
    async with metered.backend() as counted:
        worker = Worker(counted, FlowRuntime([]))
        working = asyncio.ensure_future(worker.run())
        await asyncio.sleep(_RAMP)
        before = metered.meter.requests["queue.receive"]
        await asyncio.sleep(_IDLE_SECONDS)
        after = metered.meter.requests["queue.receive"]
        worker.stop()
        await working
    await metered.place.remove()
    return (after - before) / _IDLE_SECONDS
