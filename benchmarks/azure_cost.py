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

from azure_units import PRICES_OF, Meter
from cost import BATCH
from floors import QUEUE_STORAGE, floor_text, with_floor
from flowcraft_azure import AzureBackend
from flowcraft_core import FlowBuilder, FlowRuntime, NodeContext
from flowcraft_core.durable import Client, Worker
from flowcraft_core.ports import Message
from shapes import (
    MOST_PER_UNDO,
    UNDONE,
    awaited_step,
    batch_of,
    diamonds,
    flow_of,
    flow_with,
    per_undo,
    require_end,
    undo_chain,
)
from waits import WAITED, waits

# The emulators belong to the integration tests.
_INTEGRATION = Path(__file__).parents[1] / "integration"
sys.path[:0] = [str(_INTEGRATION), str(_INTEGRATION / "azure")]

import azure_emulators  # noqa: E402
import places  # noqa: E402

# What the design allows, requests per node, Redis included.
_MOST = {"chain": 1.6, "fan": 4.5, "batch, 20 lanes": 1.2}
_BIG = "x" * 4_000
_FLAT = 0.05
_MOST_MESSAGES = 3.0
_DIAMONDS = 12

#: For how long one receive of a worker looks, seconds; it has no part in how often it does.
_POLL = 1.0

_WRITES = ("cosmos.create", "cosmos.replace", "cosmos.patch", "queue.send")

_IDLE_SECONDS = 12.0
#: Seconds in which an idle worker's poll grows to its longest pause.
_RAMP = 2.0
_MOST_EMPTY = 1.0


async def _big_step(ctx: NodeContext) -> str:
    return _BIG


def small_rows() -> list[dict[str, Any]]:
    """The rows of steps with next to no payload, counted on emulators of their own."""
    with azure_emulators.emulators() as where:
        return _small(where)


def _small(where: azure_emulators.Emulators) -> list[dict[str, Any]]:
    # How many messages come together in a request depends on how busy the machine is: of three counts the least.
    fans = [_row(where, "fan", 52, flow_of("fan", 52, awaited_step)) for _ in range(3)]
    return [
        _row(where, "chain", 20, flow_of("chain", 20, awaited_step)),
        min(fans, key=lambda row: float(row["requests_per_node"])),
        _row(where, "batch", BATCH + 1, batch_of(BATCH)),
        _row(where, "batch, 20 lanes", BATCH + 1, batch_of(BATCH, 20)),
    ]


def run() -> dict[str, Any]:
    """Count, print line by line, and give the figures."""
    with azure_emulators.emulators() as where:
        small = _small(where)
        big = [_row(where, "chain of 4 KB", nodes, flow_of("chain", nodes, _big_step)) for nodes in (10, 100, 1_000)]
        nodes = 3 * _DIAMONDS + 1
        row_of_diamonds = flow_with(diamonds(nodes), nodes, awaited_step, "diamonds")
        clean = _row(where, "diamonds", nodes, row_of_diamonds)
        doubled = _row(where, "diamonds, doubled", nodes, row_of_diamonds, doubling=True)
        undo = _row(where, "undo chain", UNDONE, undo_chain(UNDONE))
        failing = _row(where, "failing chain", UNDONE, undo_chain(UNDONE, undone=False))
        empty = asyncio.run(_idle(where))
        waiting = asyncio.run(_waits(where))
    rows = [*small, *big, clean, doubled, undo, failing]
    for row in rows:
        print(
            f"{row['shape']:<18} {row['nodes']:>5} nodes {row['requests_per_node']:>6.2f} requests "
            f"{row['bytes_written_per_node']:>8.0f} bytes {row['estimated_request_units_per_node']:>6.1f} RU "
            f"(estimate) per node, {row['usd_per_million_nodes']:>5.2f} USD (estimate) per million nodes, "
            f"{row['messages']:>4} messages"
        )
        print(floor_text(row))
    growth = doubled["messages"] / clean["messages"]
    # A long chain may cost less per node than a short one, whose start and end weigh more, and never more.
    flat = all(
        longer[figure] <= shorter[figure] * (1 + _FLAT)
        for shorter, longer in itertools.pairwise(big)
        for figure in ("requests_per_node", "bytes_written_per_node", "estimated_request_units_per_node")
    )
    within = all(row["requests_per_node"] <= _MOST.get(row["shape"], float("inf")) for row in small)
    of_undo = per_undo(undo, failing)
    print(f"an undo: {of_undo:.2f} requests beside those of its step (at most {MOST_PER_UNDO:g})")
    print(f"every message doubled: {growth:.2f} times the messages of the clean run (at most {_MOST_MESSAGES:g})")
    print(f"an idle worker: {empty:.2f} empty receives per second (at most {_MOST_EMPTY:g})")
    return {
        "ok": flat
        and within
        and growth <= _MOST_MESSAGES
        and of_undo <= MOST_PER_UNDO
        and empty <= _MOST_EMPTY
        and all(row["ok"] for row in waiting),
        "backend": "azure",
        "rows": rows,
        "waiting": waiting,
        "flat": flat,
        "messages_when_doubled": growth,
        "requests_per_undo": of_undo,
        "idle_empty_receives_per_second": empty,
        "prices_of": PRICES_OF,
        "request_units": "estimated by the model in azure_units.py; the emulators charge 1 for everything",
    }


def _row(
    where: azure_emulators.Emulators, shape: str, nodes: int, flow: FlowBuilder, *, doubling: bool = False
) -> dict[str, Any]:
    return asyncio.run(_count(where, shape, nodes, flow, doubling=doubling))


async def _count(
    where: azure_emulators.Emulators, shape: str, nodes: int, flow: FlowBuilder, *, doubling: bool
) -> dict[str, Any]:
    place, meter = places.Place(where), Meter()
    await place.create()
    async with place.backend(metrics=meter) as counted, place.backend() as reader:
        if doubling:
            _double(counted)
        # A reconciler, a heartbeat, and looks whether a run was cancelled cost by the hour, and no step more: they have
        # no part in what a run costs, which would depend on how busy the machine is.
        worker = Worker(
            counted, FlowRuntime([flow]), reconcile=False, heartbeat=None, control_interval=3_600.0, poll=_POLL
        )
        working = asyncio.ensure_future(worker.run())
        started = await Client(counted, flows=[flow]).start(flow)
        # Waiting for the result is not the run's cost either: another client does it.
        result = await Client(reader, flows=[flow]).wait(started.run_id, timeout=600)
        worker.stop()
        await working
    await place.remove()
    require_end(shape, nodes, result)
    counts = meter.counts()
    row = {
        "shape": shape,
        "nodes": nodes,
        "requests_per_node": sum(counts.values()) / nodes,
        "by_operation": counts,
        "bytes_written_per_node": sum(meter.request_bytes[name] for name in _WRITES) / nodes,
        "messages": counts.get("queue.send", 0),
        "empty_receives": meter.empty_receives,
        "retries": sum(meter.retries.values()),
        "estimated_request_units_per_node": meter.units / nodes,
        "usd_per_million_nodes": meter.usd / nodes * 1e6,
    }
    return with_floor(row, QUEUE_STORAGE)


def _double(backend: AzureBackend) -> None:
    send = backend.queue.send

    async def doubled(messages: Sequence[Message], *, delay: float = 0.0) -> None:
        await send(messages, delay=delay)
        await send(messages, delay=delay)

    backend.queue.send = doubled  # type: ignore[method-assign]


async def _waits(where: azure_emulators.Emulators) -> list[dict[str, Any]]:
    """In real time, and so both at once."""

    async def row(waiting: int) -> dict[str, Any]:
        place, meter = places.Place(where), Meter()
        await place.create()
        async with place.backend(metrics=meter) as counted, place.backend() as other:
            found = await waits(counted, other, meter.counts, waiting=waiting, seconds=WAITED, poll=_POLL)
        await place.remove()
        return found

    return list(await asyncio.gather(row(1), row(20)))


async def _idle(where: azure_emulators.Emulators) -> float:
    """Empty receives per second of a worker that has nothing to do, once its poll has grown to its longest pause."""
    place, meter = places.Place(where), Meter()
    await place.create()
    async with place.backend(metrics=meter) as counted:
        worker = Worker(counted, FlowRuntime([]))
        working = asyncio.ensure_future(worker.run())
        await asyncio.sleep(_RAMP)
        before = meter.empty_receives
        await asyncio.sleep(_IDLE_SECONDS)
        after = meter.empty_receives
        worker.stop()
        await working
    await place.remove()
    return (after - before) / _IDLE_SECONDS
