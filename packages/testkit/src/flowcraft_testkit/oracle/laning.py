"""Draws how many items of a batch are under way at most, into flows that are drawn already.

It follows from a chance of its own: a seed's flow is what it was, but for that.
"""

from __future__ import annotations

import random

import attrs

from .flows import AnyNode, Batch, Call, Flow, Loop

# Lists have at most three items: so there are lanes of one item, of two and of three.
_CONCURRENCIES = (None, None, 1, 1, 2, 2, 3)


def with_lanes(flow: Flow, seed: int) -> Flow:
    """The flow, with lanes in more than half of its batches.

    Args:
        flow: A drawn flow.
        seed: Its seed.
    """
    return _graph(flow, random.Random(f"lanes {seed}"))  # noqa: S311 - to be repeated


def _graph(flow: Flow, chance: random.Random) -> Flow:
    return attrs.evolve(flow, nodes=tuple(_node(node, chance) for node in flow.nodes))


def _node(node: AnyNode, chance: random.Random) -> AnyNode:
    match node:
        case Batch():
            worker = _graph(node.worker, chance) if isinstance(node.worker, Flow) else node.worker
            return attrs.evolve(node, worker=worker, concurrency=chance.choice(_CONCURRENCIES))
        case Loop():
            return attrs.evolve(node, body=_graph(node.body, chance))
        case Call():
            return attrs.evolve(node, flow=_graph(node.flow, chance))
    return node
