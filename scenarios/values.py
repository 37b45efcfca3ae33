"""Scenarios 33, 34, 36 and 37: what flows through a run, how large it may be, and what it may be called."""

from __future__ import annotations

import dataclasses
import itertools
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from uuid import UUID

import attrs
import expect
from backend import Backend
from durable_backend import Durable
from flowcraft_core import create_flow
from scenario import Scenario
from small_steps import AsyncStep, Context, echo, gives, sets

TYPES = Scenario(
    id=33, title="Outputs of every kind arrive as they left, types included; what cannot be stored is named"
)
SIZES = Scenario(
    id=34, title="Outputs of 450 KB and of 5 MB, eighty of 4 KB in a row, forty of 200 KB at once: complete"
)
COST = Scenario(
    id=36,
    title="A chain grows from 10 to 100 to 1,000 nodes: a node costs no more at its end than at its beginning",
    absent={"in-process": "a node costs no requests here; its time along a chain is what the benchmark measures"},
)
NAMES = Scenario(
    id=37, title="Ids and names have dots, slashes, spaces, emoji, 300 characters: they work, and stay apart"
)


# --- types and sizes --------------------------------------------------------------------------------------------------


@dataclasses.dataclass
class _Point:
    x: int
    y: float


@attrs.frozen
class _Size:
    width: Decimal
    corners: tuple[_Point, ...]


_VALUES: dict[str, object] = {
    "none": None,
    "true": True,
    "integer": 3,
    "float": 3.0,
    "large": 10**40,
    "small": 5e-324,
    "text": "naïve 🦜",
    "date": date(2024, 2, 29),
    "time": time(23, 59, 59, 999_999),
    "moment": datetime(2024, 2, 29, 12, 0, tzinfo=timezone(timedelta(hours=5, minutes=45))),
    "span": timedelta(days=40, microseconds=1),
    "decimal": Decimal("0.10"),
    "bytes": b"\x00\xff",
    "set": {1, 2, 3},
    "frozen": frozenset({"a", "b"}),
    "tuple": (1, (2.0, "three")),
    "uuid": UUID(int=7),
    "dataclass": _Point(1, 2.0),
    "attrs": _Size(Decimal(1), (_Point(0, 0.0),)),
    "nested": [{"rows": [(date(2024, 1, 1), {Decimal(1)})]}, [], {}],
    "keys": {1: "one", (1, 2): "two", None: "none"},
}


@TYPES.check
async def of_every_kind(backend: Backend) -> None:
    """A later node gets the very values, equal and of the same types; after a restart too."""
    backend.register(_Point, _Size)
    seen: dict[str, object] = {}

    async def look(ctx: Context) -> object:
        seen.update(ctx.input)
        return ctx.input

    flow = create_flow("kinds").node("give", gives(_VALUES)).wait("pause").node("look", look, inputs="give")
    run = await backend.launch(flow.edge("give", "pause").edge("pause", "look"))
    for restarted in (False, True):
        if restarted:
            await run.restart()
        expect.identical("the output", (await run.result()).outputs["give"], _VALUES)
    await run.resume("pause")
    result = await run.result()
    expect.completed(result)
    expect.identical("what the next node got", seen, _VALUES)
    expect.identical("the output", result.outputs["look"], _VALUES)


@TYPES.check
async def that_cannot_be_stored(backend: Backend) -> None:
    """That node fails, and the error names it and the type."""
    result = await backend.run(
        create_flow("odd").node("good", gives(1)).node("bad", gives([object()])).edge("good", "bad")
    )
    expect.failed(result, "bad")
    expect.equal("the error", result.errors[0].type, "SerializationError")
    expect.mentions("the error", result.errors[0].message, "'bad'", "type object")


@SIZES.check
async def one_large_output(backend: Backend) -> None:
    """All of it arrives, after a restart too."""
    for size in (450_000, 5_000_000):
        text = "".join(map(str, itertools.islice(itertools.count(), size // 6)))[:size].ljust(size, ".")
        flow = create_flow("large").node("give", gives(text)).wait("pause").node("look", echo, inputs="give")
        run = await backend.launch(flow.edge("give", "pause").edge("pause", "look"))
        await run.restart()
        await run.resume("pause")
        result = await run.result()
        expect.completed(result)
        expect.equal("whether all of it arrived", result.outputs["look"] == text, True)


@SIZES.check
async def eighty_in_a_row(backend: Backend) -> None:
    """Every output is there."""

    async def extend(ctx: Context) -> str:
        return f"{ctx.node_id}:{'x' * 4_000}"

    flow = create_flow("row").node("n0", extend)
    for number in range(1, 80):
        flow.node(f"n{number}", extend).edge(f"n{number - 1}", f"n{number}")
    result = await backend.run(flow)
    expect.completed(result)
    expect.equal("the outputs", result.outputs, {f"n{n}": f"n{n}:{'x' * 4_000}" for n in range(80)})


@SIZES.check
async def forty_at_once(backend: Backend) -> None:
    """The join sees all of them."""

    async def measure(ctx: Context) -> int:
        return sum(map(len, ctx.input.values()))

    flow = create_flow("fan").node("start", gives(0)).node("meet", measure)
    for number in range(40):
        flow.node(f"n{number}", gives(f"{number:02}" * 100_000)).edge("start", f"n{number}").edge(f"n{number}", "meet")
    result = await backend.run(flow)
    expect.completed(result)
    expect.equal("the characters that the join saw", result.outputs["meet"], 40 * 200_000)


@COST.check_durable
async def in_requests(backend: Durable) -> None:
    """A chain of ten times the nodes costs no more requests per node; receives that bring nothing apart."""
    costs: list[float] = []
    for length in (10, 100, 1_000):
        flow = create_flow(f"row of {length}").node("n0", gives("x" * 4_000))
        for number in range(1, length):
            flow.node(f"n{number}", echo).edge(f"n{number - 1}", f"n{number}")
        backend.deploy(flow)
        await backend.staff(2, reconcile=False)
        await backend.clock.sleep(4 * backend.beat)  # the old workers have left
        backend.calls.clear()
        client = await backend.client()
        run_id = (await client.start(flow.id)).run_id
        run = backend.run_of(run_id)
        expect.completed(await run.result())
        # Looking for the result is the check's.
        counted = sum(number for call, number in backend.calls.items() if call not in _NOT_THE_RUNS)
        costs.append(counted / length)
    for longer, shorter in ((costs[1], costs[0]), (costs[2], costs[1])):
        expect.at_most("requests per node in a longer chain", longer, shorter)
    expect.at_most("requests per node in a chain of 1,000", costs[2], 1.5)


_NOT_THE_RUNS = ("queue.receive.empty", "status.get")


# --- names ------------------------------------------------------------------------------------------------------------

_NAMES = (
    "dots.and.dots",
    "a/slash",
    "two words",
    "🦜",
    "e\u0301",  # the same to the eye as the next one
    "\u00e9",
    "x" * 300,
    "item[0]",
    "call:entry",
    "100%",
    "%2F",
    "'quotes\"",
    "a\\b",
    "a\nline",
    "$type",
    "__proto__",
    "result",
)


@NAMES.check
async def of_everything_at_once(backend: Backend) -> None:
    """As flow, run, node and context value, all in one run, which goes on after a restart."""

    def note(name: str) -> AsyncStep:
        return sets(backend.clock, 0, **{name: f"value of {name}"})

    for name in _NAMES:
        flow = create_flow(name).wait(f"wait {name}")
        before = f"wait {name}"
        for node in _NAMES:
            flow.node(node, note(node)).edge(before, node)
            before = node
        run = await backend.launch(flow, run_id=name)
        await run.restart()
        await run.resume(f"wait {name}")
        result = await run.result()
        expect.completed(result)
        expect.equal("the run's id", result.run_id, name)
        expect.equal("the nodes that ran", [entry.node_id for entry in result.trace], [f"wait {name}", *_NAMES])
        expect.equal("how many keys they have", len(set(expect.keys(result))), len(_NAMES) + 1)
        expect.equal("the context", result.context, {node: f"value of {node}" for node in _NAMES})


@NAMES.check
async def that_would_look_alike_in_a_key(backend: Backend) -> None:
    """Every instance has a key of its own."""
    item = create_flow("item").node("b", echo)
    flow = create_flow("alike").node("list", gives([1])).subflow("a", item).node("a/b", echo).node("a:entry", echo)
    flow.batch("c", item).node("c[0]", echo).node("c[0]/b", echo).edge("list", "a").edge("list", "c")
    result = await backend.run(flow, item)
    expect.completed(result)
    expect.equal("how many keys there are", len(set(expect.keys(result))), len(result.trace))
