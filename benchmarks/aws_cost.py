"""``cost --backend aws``: requests, units and dollars per node, on moto's SQS and dynalite's DynamoDB.

Its units are the pricing model's, and dynalite, whose figures are exact, says of the same requests what they took.
"""

from __future__ import annotations

import asyncio
import itertools
import sys
from collections import Counter
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import attrs
from aws_pricing import PRICES_OF, Bill
from cost import BATCH
from floors import SQS, floor_text, with_floor
from flowcraft_aws import AwsBackend
from flowcraft_core import FlowBuilder, FlowRuntime, NodeContext
from flowcraft_core.durable import Client, Worker
from flowcraft_core.ports import JobQueue, Message
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
sys.path[:0] = [str(_INTEGRATION), str(_INTEGRATION / "aws")]

import aws_emulators  # noqa: E402

# What the design allows, per node.
_MOST_REQUESTS = {"chain": 1.5, "fan": 3.5, "batch, 20 lanes": 1.2}
_MOST_WRITE_UNITS = {"chain": 1.3}
_FLAT = 0.05
_MOST_MESSAGES = 3.0
_BIG = "x" * 4_000
_DIAMONDS = 12


async def _big_step(ctx: NodeContext) -> str:
    return _BIG


@attrs.frozen
class _Emulators:
    sqs: str
    dynamodb: str


def small_rows() -> list[dict[str, Any]]:
    """The rows of steps with next to no payload, counted on emulators of their own."""
    with aws_emulators.moto() as moto, aws_emulators.dynalite() as dynalite:
        return _small(_Emulators(moto.url, dynalite.url))


def _small(where: _Emulators) -> list[dict[str, Any]]:
    return [
        _row(where, "chain", 20, flow_of("chain", 20, awaited_step)),
        _row(where, "fan", 52, flow_of("fan", 52, awaited_step)),
        _row(where, "batch", BATCH + 1, batch_of(BATCH)),
        _row(where, "batch, 20 lanes", BATCH + 1, batch_of(BATCH, 20)),
    ]


def run() -> dict[str, Any]:
    """Count, print line by line, and give the figures."""
    with aws_emulators.moto() as moto, aws_emulators.dynalite() as dynalite:
        where = _Emulators(moto.url, dynalite.url)
        small = _small(where)
        big = [_row(where, "chain of 4 KB", nodes, flow_of("chain", nodes, _big_step)) for nodes in (10, 100, 1_000)]
        nodes = 3 * _DIAMONDS + 1
        row_of_diamonds = flow_with(diamonds(nodes), nodes, awaited_step, "diamonds")
        clean = _row(where, "diamonds", nodes, row_of_diamonds)
        doubled = _row(where, "diamonds, doubled", nodes, row_of_diamonds, doubling=True)
        undo = _row(where, "undo chain", UNDONE, undo_chain(UNDONE))
        failing = _row(where, "failing chain", UNDONE, undo_chain(UNDONE, undone=False))
        waiting = asyncio.run(_waits(where))
    rows = [*small, *big, clean, doubled, undo, failing]
    for row in rows:
        print(
            f"{row['shape']:<18} {row['nodes']:>5} nodes {row['requests_per_node']:>6.2f} requests "
            f"{row['write_units_per_node']:>6.2f} write units {row['read_units_per_node']:>6.2f} read units "
            f"{row['usd_per_million_nodes']:>7.2f} USD per million nodes, {row['messages']:>4} messages"
        )
        print(floor_text(row))
    growth = doubled["messages"] / clean["messages"]
    # The run's own records weigh more in a short chain: a longer one may cost less per node, and never more.
    flat = all(
        longer["usd_per_million_nodes"] <= shorter["usd_per_million_nodes"] * (1 + _FLAT)
        for shorter, longer in itertools.pairwise(big)
    )
    per_further_node = [
        (longer["usd"] - shorter["usd"]) / (longer["nodes"] - shorter["nodes"])
        for shorter, longer in itertools.pairwise(big)
    ]
    straight = abs(per_further_node[1] / per_further_node[0] - 1) <= _FLAT
    within = all(
        row["requests_per_node"] <= _MOST_REQUESTS.get(row["shape"], float("inf"))
        and row["write_units_per_node"] <= _MOST_WRITE_UNITS.get(row["shape"], float("inf"))
        for row in small
    )
    agrees = all(row["units_by_model"] == row["units_by_dynalite"] for row in rows)
    of_undo = per_undo(undo, failing)
    print(f"an undo: {of_undo:.2f} requests beside those of its step (at most {MOST_PER_UNDO:g})")
    print(f"every message doubled: {growth:.2f} times the messages of the clean run (at most {_MOST_MESSAGES:g})")
    print(f"the model and dynalite {'agree' if agrees else 'DISAGREE'} on every row; prices of {PRICES_OF}")
    return {
        "ok": flat
        and straight
        and within
        and agrees
        and growth <= _MOST_MESSAGES
        and of_undo <= MOST_PER_UNDO
        and all(row["ok"] for row in waiting),
        "backend": "aws",
        "rows": rows,
        "waiting": waiting,
        "flat": flat and straight,
        "messages_when_doubled": growth,
        "requests_per_undo": of_undo,
        "model_agrees_with_dynalite": agrees,
        "usd_per_further_node": per_further_node,
        "prices_of": PRICES_OF,
    }


def _row(where: _Emulators, shape: str, nodes: int, flow: FlowBuilder, *, doubling: bool = False) -> dict[str, Any]:
    return asyncio.run(_count(where, shape, nodes, flow, doubling=doubling))


async def _count(where: _Emulators, shape: str, nodes: int, flow: FlowBuilder, *, doubling: bool) -> dict[str, Any]:
    place = aws_emulators.Place.create(sqs=where.sqs, dynamodb=where.dynamodb)
    # Clients of its own: what others do is not the run's cost.
    aws_emulators.client.cache_clear()
    bill, clients = Bill(), [aws_emulators.client("sqs", where.sqs), aws_emulators.client("dynamodb", where.dynamodb)]
    counted = place.backend()
    aws_emulators.client.cache_clear()
    reader = place.backend()
    async with counted, reader:
        bill.watch(*clients)
        before = _requests(counted)
        if doubling:
            counted.queue.send = partial(_send_twice, counted.queue, counted.queue.send)  # type: ignore[method-assign]
        # A reconciler, a heartbeat, and looks whether a run was cancelled cost by the hour, and no step more: they have
        # no part in what a run costs, which would depend on how busy the machine is.
        worker = Worker(
            counted, FlowRuntime([flow]), reconcile=False, heartbeat=None, control_interval=3_600.0, poll=1.0
        )
        working = asyncio.ensure_future(worker.run())
        started = await Client(counted, flows=[flow]).start(flow)
        # Waiting for the result is not the run's cost either: another client does it.
        result = await Client(reader, flows=[flow]).wait(started.run_id, timeout=600)
        worker.stop()
        await working
    require_end(shape, nodes, result)
    requests = _requests(counted) - before
    empty = counted.metrics.empty_receives
    requests["sqs.ReceiveMessage"] -= empty
    bill.sqs_requests -= empty
    if doubling:  # the second one of each is the network's, and not the run's
        bill.messages //= 2
        bill.sqs_requests -= requests["sqs.SendMessageBatch"] // 2
        requests["sqs.SendMessageBatch"] //= 2
    written = counted.metrics.request_bytes
    row = {
        "shape": shape,
        "nodes": nodes,
        "requests_per_node": requests.total() / nodes,
        "by_operation": dict(sorted(requests.items())),
        "bytes_written_per_node": sum(written[name] for name in written if name in _WRITES) / nodes,
        "messages": bill.messages,
        "empty_receives": empty,
        "retries": sum(counted.metrics.retries.values()),
        "write_units_per_node": bill.write_units / nodes,
        "read_units_per_node": bill.read_units / nodes,
        "sqs_requests_per_node": bill.sqs_requests / nodes,
        "usd_per_million_nodes": bill.usd / nodes * 1e6,
        "usd": bill.usd,
        "units_by_model": dict(bill.modelled),
        "units_by_dynalite": dict(bill.by_service),
    }
    return with_floor(row, SQS)


async def _waits(where: _Emulators) -> list[dict[str, Any]]:
    """In real time, and so both at once."""

    async def row(waiting: int) -> dict[str, Any]:
        place = aws_emulators.Place.create(sqs=where.sqs, dynamodb=where.dynamodb)
        counted, other = place.backend(), place.backend()

        def counts() -> Counter[str]:
            counted_so_far = _requests(counted)
            counted_so_far["sqs.ReceiveMessage"] -= counted.metrics.empty_receives
            return counted_so_far

        async with counted, other:
            return await waits(counted, other, counts, waiting=waiting, seconds=WAITED, poll=1.0)

    return list(await asyncio.gather(row(1), row(20)))


_WRITES = frozenset({"dynamodb.PutItem", "dynamodb.UpdateItem", "sqs.SendMessageBatch"})


def _requests(backend: AwsBackend) -> Counter[str]:
    return Counter(backend.metrics.requests)


async def _send_twice(queue: JobQueue, send: Any, messages: Sequence[Message], *, delay: float = 0.0) -> None:
    await send(messages, delay=delay)
    await send(messages, delay=delay)


if __name__ == "__main__":
    sys.exit(0 if run()["ok"] else 1)
