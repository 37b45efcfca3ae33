"""Graphs of pydantic-graph, by its builder."""

from __future__ import annotations

import importlib
from collections.abc import Awaitable, Callable
from typing import Any

# Not to be found where the types are checked.
_module: Any = importlib.import_module("pydantic_graph")

SETTINGS = "GraphBuilder(auto_instrument=False), a graph built once, items by map, loops by decision"
WAYS = ("awaited",)


async def _step(ctx: Any) -> int:
    return int(ctx.inputs) + 1


async def _sum_of(ctx: Any) -> int:
    return sum(ctx.inputs)


def prepare(shape: str, nodes: int, way: str) -> Callable[[], Awaitable[int]]:
    """What runs a graph of that shape and size once, and gives its result."""
    builder = _module.GraphBuilder(name=shape, input_type=int, output_type=int, auto_instrument=False)
    {"chain": _chain, "fan": _fan, "batch": _batch, "loop": _loop}[shape](builder, nodes)
    graph = builder.build()

    async def once() -> int:
        return int(await graph.run(inputs=0))

    return once


def _chain(g: Any, nodes: int) -> None:
    before = g.start_node
    for node in range(nodes):
        step = g.step(_step, node_id=f"n{node}")
        g.add(g.edge_from(before).to(step))
        before = step
    g.add(g.edge_from(before).to(g.end_node))


def _fan(g: Any, nodes: int) -> None:
    first, last = g.step(_step, node_id="first"), g.step(_sum_of, node_id="last")
    middle = [g.step(_step, node_id=f"n{node}") for node in range(nodes - 2)]
    join = g.join(_module.reduce_list_append, initial_factory=list)
    g.add(g.edge_from(g.start_node).to(first), g.edge_from(first).to(*middle))
    g.add(g.edge_from(*middle).to(join), g.edge_from(join).to(last), g.edge_from(last).to(g.end_node))


def _batch(g: Any, nodes: int) -> None:
    async def list_items(ctx: Any) -> list[int]:
        return [0] * (nodes - 2)

    items, each = g.step(list_items, node_id="items"), g.step(_step, node_id="each")
    last, join = g.step(_sum_of, node_id="last"), g.join(_module.reduce_list_append, initial_factory=list)
    g.add(g.edge_from(g.start_node).to(items), g.edge_from(items).map().to(each), g.edge_from(each).to(join))
    g.add(g.edge_from(join).to(last), g.edge_from(last).to(g.end_node))


def _loop(g: Any, nodes: int) -> None:
    begin, one, two, last = (g.step(_step, node_id=name) for name in ("begin", "one", "two", "last"))
    again = g.decision().branch(g.match(int, matches=lambda value: value < nodes - 1).to(one))
    again = again.branch(g.match(int).to(last))
    g.add(g.edge_from(g.start_node).to(begin), g.edge_from(begin).to(one), g.edge_from(one).to(two))
    g.add(g.edge_from(two).to(again), g.edge_from(last).to(g.end_node))
