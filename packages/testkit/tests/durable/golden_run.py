"""A run that stops half way, written down as each release leaves it, for later ones to read and to end.

``python packages/testkit/tests/durable/golden_run.py`` from the root writes the file of the present format. The file of
a format that was released is never written again.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import decimal
import enum
import json
import uuid
from pathlib import Path
from typing import Any
from unittest import mock

import attrs
from flowcraft_core import FlowBuilder, FlowRuntime, NodeContext, RetryPolicy, Serializer, Step, create_flow
from flowcraft_core.durable import Client, Worker
from flowcraft_core.durable.storage import FORMAT
from flowcraft_core.ids import seeded
from flowcraft_core.ports import Fact, Message, PositionedValue, RunStatus
from flowcraft_testkit import CLOUD_STORE, InMemoryBackend, VirtualClock, Weaknesses

FOLDER = Path(__file__).parent / "golden"
RUN = "golden / run"
#: The chunks of the long value are short, so that there are some.
LIMITS = attrs.evolve(CLOUD_STORE, max_value_bytes=4_000)

Ctx = NodeContext[Any, Any]


class Colour(enum.Enum):
    """Stored by name."""

    RED = "red"


@attrs.frozen
class Point:
    """Stored by its fields."""

    x: int
    y: float


VALUES: dict[str, Any] = {
    "nothing": None,
    "integer": 2**70,
    "number": 1.0,
    "decimal": decimal.Decimal("1.10"),
    "bytes": b"\x00\xff",
    "moment": dt.datetime(2026, 1, 2, 3, 4, 5, 6, tzinfo=dt.UTC),
    "day": dt.date(2026, 1, 2),
    "duration": dt.timedelta(days=40, microseconds=1),
    "id": uuid.UUID(int=1),
    "set": {1, 2},
    "tuple": (1, "two"),
    "colour": Colour.RED,
    "point": Point(1, 2.0),
    "text": "dots . slashes / and \u2603",
}


def serializer() -> Serializer:
    """Knows the types above."""
    return Serializer([Colour, Point])


def steps() -> dict[str, Step]:
    """The steps, by the names that the stored blueprints use: as releases before names by place had called them."""

    async def values(ctx: Ctx) -> Any:
        await ctx.context.set("name", "set")
        await ctx.context.delete("gone")
        return VALUES

    async def items(ctx: Ctx) -> list[int]:
        return [1, 2, 3]

    async def add(ctx: Ctx) -> int:
        return int(ctx.input) + 1

    async def one(ctx: Ctx) -> int:
        return 1

    async def long(ctx: Ctx) -> list[str]:
        return [uuid.uuid5(uuid.NAMESPACE_OID, str(number)).hex for number in range(300)]

    async def second_time(ctx: Ctx) -> str:
        if ctx.attempt == 1:
            raise ValueError("the first time")
        return "at last"

    async def echo(ctx: Ctx) -> Any:
        return ctx.input

    return {step.__name__: step for step in (values, items, add, one, long, second_time, echo)}


def flow() -> FlowBuilder:
    """Every construct, and each of them with something left to do."""
    inner = create_flow("inner").node("in", "add").wait("ask").edge("in", "ask")
    golden = (
        create_flow("golden").node("values", "values").node("items", "items").node("one", "one").node("long", "long")
    )
    golden = golden.batch("each", "add").edge("items", "each")
    golden = golden.node("step", "add").loop("again", start="step", end="step", condition="result.output < 4")
    golden = golden.edge("one", "step").edge("step", "again")
    golden = golden.subflow("call", inner).edge("one", "call")
    golden = golden.node("flaky", "second_time", retries=RetryPolicy(max_attempts=2, delay=3600, jitter=0))
    golden = golden.sleep("nap", "40d").node("first", "echo", join="any").edge("nap", "first").edge("items", "first")
    golden = golden.node("yes", "echo").node("no", "echo")
    golden = golden.edge("one", "yes", condition="result.output == 1").edge("one", "no", condition="result.output != 1")
    golden = golden.sleep("rest", "1d").node("end", "echo")
    for node in ("rest", "values", "long", "each", "again", "call", "flaky", "first", "yes", "no"):
        golden = golden.edge(node, "end")
    return golden


def world(clock: VirtualClock) -> InMemoryBackend:
    """A backend in memory that does what it is asked for."""
    return InMemoryBackend(clock=clock, weaknesses=Weaknesses.none(), store_limits=LIMITS)


async def write() -> dict[str, Any]:
    """Run it until only waits and timers are left, and give all that is stored then."""
    clock = VirtualClock()
    backend = world(clock)
    built = flow()
    async with backend:
        client = Client(backend, flows=[built], serializer=serializer(), clock=clock)
        await client.start(built, {"gone": 1, "kept": VALUES}, run_id=RUN, tags={"for": "ever"}, timeout=90 * 86400.0)
        await backend.queue.send([Message(json.dumps({"runId": RUN, "blueprintId": "golden", "nodeId": "one"}))])
        runtime = FlowRuntime([built], registry=steps(), serializer=serializer(), clock=clock)
        worker = Worker(backend, runtime, concurrency=1, reconcile=False)
        working = asyncio.ensure_future(worker.run())
        await clock.sleep(60)
        worker.stop()
        await working
        inside, standing = backend._world, await backend.status.get(RUN)
        assert standing is not None
        facts = {key: record.newest for key, record in inside.facts._records.items() if record.newest is not None}
        values = {key: record.newest for key, record in inside.values._records.items() if record.newest is not None}
        return {
            "time": clock.now(),
            "facts": [[run, key, fact.writer, fact.job, fact.body.hex()] for (run, key), fact in facts.items()],
            "values": [
                [run, name, value.position, None if value.body is None else value.body.hex()]
                for (run, name), value in values.items()
            ],
            "status": attrs.asdict(standing),
            "messages": [message.body for message in inside.messages._messages],
        }


async def load(data: dict[str, Any], clock: VirtualClock) -> InMemoryBackend:
    """A backend, open, in which all of that is stored."""
    backend = world(clock)
    await backend.open()
    for run, key, writer, job, body in data["facts"]:
        await backend.context.put(run, key, Fact(bytes.fromhex(body), writer, job))
    for run, name, position, body in data["values"]:
        value = PositionedValue(position, None if body is None else bytes.fromhex(body))
        await backend.context.apply(run, {name: value})
    await backend.status.create(RunStatus(**data["status"]))
    await backend.queue.send([Message(body) for body in data["messages"]])
    return backend


def main() -> None:
    """Write the file of the present format."""
    # The traceback of a failed attempt names files of whoever writes this.
    with seeded("golden"), mock.patch("traceback.format_exception", return_value=["ValueError: the first time\n"]):
        data = asyncio.run(write())
    FOLDER.mkdir(exist_ok=True)
    (FOLDER / f"format-{FORMAT}.json").write_text(json.dumps(data, indent=1) + "\n")


if __name__ == "__main__":
    main()
