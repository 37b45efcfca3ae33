"""The graphs that are measured: their edges, and the flows that have them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

from flowcraft_core import FlowBuilder, NodeContext, Step, SyncNodeContext, create_flow
from flowcraft_core.durable import StoredResult

#: The numbers of source and target of each edge; nodes are numbered from 0, each after those that lead to it.
Edges: TypeAlias = Sequence[tuple[int, int]]


def chain(nodes: int) -> Edges:
    """Each node follows the one before."""
    return [(node - 1, node) for node in range(1, nodes)]


def fan(nodes: int) -> Edges:
    """One node, then all but two side by side, then one that joins them."""
    last = nodes - 1
    return [(0, node) for node in range(1, last)] + [(node, last) for node in range(1, last)]


def diamonds(nodes: int) -> Edges:
    """Diamonds in a row: one node, then two side by side, then one that joins them and begins the next."""
    edges: list[tuple[int, int]] = []
    for first in range(0, nodes - 3, 3):
        edges += [(first, first + 1), (first, first + 2), (first + 1, first + 3), (first + 2, first + 3)]
    return edges


SHAPES: dict[str, Callable[[int], Edges]] = {"chain": chain, "fan": fan}


#: How long the chain is that fails, and is undone.
UNDONE = 20

#: What an undo may cost in requests, beside its step: its message (sent, received and acknowledged), its record, three
#: reads (of the attempts before, of whether it is done, of what it opens), three notes, so that nobody does it twice.
MOST_PER_UNDO = 11.0


def undo_chain(nodes: int, *, undone: bool = True) -> FlowBuilder:
    """A chain of which the last node fails; each of the others is undone then, or names no undo."""
    flow = create_flow("undo chain" if undone else "failing chain")
    for node in range(nodes):
        flow.node(f"{node}", awaited_step if node < nodes - 1 else _fails, undo=_undo if undone else None)
        if node:
            flow.edge(f"{node - 1}", f"{node}")
    return flow


def require_end(shape: str, nodes: int, result: StoredResult[Any]) -> None:
    """See that a run did what is counted of it.

    Raises:
        RuntimeError: It did not.
    """
    should = "failed" if shape in ("undo chain", "failing chain") else "completed"
    undone = nodes - 1 if shape == "undo chain" else 0
    if result.status != should or result.steps != nodes or len(result.undone) != undone:
        did = f"{result.status}, {result.steps} steps, {len(result.undone)} undone: {result.reason}"
        raise RuntimeError(f"{shape} of {nodes} nodes: {did}")


def per_undo(undo: dict[str, Any], failing: dict[str, Any]) -> float:
    """What an undo costs in requests: what a chain with undos costs more than the same one without."""
    requests = (undo["requests_per_node"] - failing["requests_per_node"]) * undo["nodes"] / (undo["nodes"] - 1)
    return float(requests)


async def _fails(ctx: NodeContext[Any, Any]) -> None:
    raise ValueError("and what was done is undone")


async def _undo(ctx: NodeContext[Any, Any]) -> None:
    """Undoes nothing, in the event loop."""


async def awaited_step(ctx: NodeContext[Any, Any]) -> int:
    """A step that does nothing, in the event loop."""
    return 1


def plain_step(ctx: SyncNodeContext[Any, Any]) -> int:
    """A step that does nothing, in a thread."""
    return 1


def flow_of(shape: str, nodes: int, step: Step) -> FlowBuilder:
    """A flow of that shape and size, not yet compiled."""
    return flow_with(SHAPES[shape](nodes), nodes, step, f"{shape}-{nodes}")


def flow_with(edges: Edges, nodes: int, step: Step, flow_id: str) -> FlowBuilder:
    """A flow with those edges, not yet compiled."""
    flow = create_flow(flow_id)
    for node in range(nodes):
        flow.node(str(node), step)
    for source, target in edges:
        flow.edge(str(source), str(target))
    return flow


def batch_of(items: int, lanes: int | None = None) -> FlowBuilder:
    """A node that gives so many items, and a batch of them, so many of which are under way at most."""

    async def give(ctx: NodeContext[Any, Any]) -> list[int]:
        return list(range(items))

    flow = create_flow(f"batch-{items}").node("items", give).batch("each", awaited_step, concurrency=lanes)
    return flow.edge("items", "each")
