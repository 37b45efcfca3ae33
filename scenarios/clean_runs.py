"""Flows of every kind, and what they give when nothing goes wrong."""

from __future__ import annotations

from typing import Any

import expect
from flowcraft_core import FlowBuilder, FlowRuntime, RunResult, create_flow
from small_steps import adds, double, echo, fails, gives, total


def flows() -> list[FlowBuilder]:
    """A flow of each kind, without waits and without times."""
    chain = create_flow("chain").node("a", gives(1)).node("b", double).node("c", double).edge("a", "b").edge("b", "c")
    fan = create_flow("fan").node("start", gives(1)).node("meet", total)
    for name in ("x", "y", "z"):
        fan.node(name, double).edge("start", name).edge(name, "meet")
    fork = create_flow("fork").node("ask", gives(1)).node("yes", echo).node("no", fails("the way not taken"))
    fork.node("end", echo).edge("ask", "yes", condition="input > 0").edge("ask", "no", condition="input < 0")
    fork.edge("yes", "end").edge("no", "end")
    loop = (
        create_flow("loop").node("tick", adds("count")).loop("again", start="tick", end="tick", condition="count < 3")
    )
    loop.node("end", echo).edge("again", "end")
    batch = create_flow("batch").node("list", gives([1, 2, 3])).batch("each", double).node("sum", total)
    batch.edge("list", "each").edge("each", "sum")
    race = create_flow("race").node("start", gives(1)).node("p", gives("first")).node("q", gives("first"))
    race.node("first", echo, join="any").edge("start", "p").edge("start", "q").edge("p", "first").edge("q", "first")
    failing = create_flow("failing").node("start", gives(1)).node("bad", fails("broken")).edge("start", "bad")
    caught = (
        create_flow("caught").node("list", gives([1, 2])).batch("each", fails("broken")).node("bad", fails("worse"))
    )
    caught.node("one", echo).node("end", echo, join="any").node("not", echo).edge("list", "each").edge("each", "not")
    caught.edge("each", "one", on="failure", transform="error.message").edge("one", "bad").edge(
        "bad", "end", on="always"
    )
    return [chain, fan, fork, loop, batch, race, failing, caught]


async def clean_run(flow: FlowBuilder) -> RunResult:
    """The result in this process, where nothing is lost or doubled."""
    return await FlowRuntime([flow]).run(flow)


def same(what: str, result: RunResult, expected: RunResult) -> None:
    """Two runs ended alike, and each instance has one outcome; which of a race's mirrors won is left open."""

    def seen(one: RunResult) -> Any:
        outputs = {node: value for node, value in one.outputs.items() if node not in ("p", "q")}
        return one.status, outputs, one.context, [error.message for error in one.errors]

    expect.equal(what, seen(result), seen(expected))
    keys = expect.keys(result)
    expect.equal(f"{what}: instances with an outcome", len(keys), len(set(keys)))
