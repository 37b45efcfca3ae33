"""The graphs that are measured: their edges, and the flows that have them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

from flowcraft_core import FlowBuilder, NodeContext, Step, SyncNodeContext, create_flow

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
