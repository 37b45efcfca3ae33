"""Makes joins of several edges out of joins of any, in flows that are drawn already, inside and around everything.

They follow from a chance of their own: a seed's flow is what it was, but for them. What is sure to be settled before a
join of any is so before one of several.
"""

from __future__ import annotations

import random

import attrs

from .flows import AnyNode, Batch, Call, Flow, Loop, joins_some

# One of so many flows has none, the same that have no edges on failure.
_WITHOUT = 8

# So often a join of any is made one of so many edges as is drawn then.
_SEVERAL = 0.45


def with_joins_of_several(flow: Flow, seed: int) -> Flow:
    """The flow with joins of k of their edges.

    Args:
        flow: A drawn flow.
        seed: Its seed.
    """
    if seed % _WITHOUT == _WITHOUT - 1:
        return flow
    return _graph(flow, random.Random(f"joins of several {seed}"))  # noqa: S311 - to be repeated


def _graph(flow: Flow, chance: random.Random) -> Flow:
    return attrs.evolve(flow, nodes=tuple(_node(flow, node, chance) for node in flow.nodes))


def _node(flow: Flow, node: AnyNode, chance: random.Random) -> AnyNode:
    match node:
        case Loop():
            node = attrs.evolve(node, body=_graph(node.body, chance))
        case Batch(worker=Flow() as worker):
            node = attrs.evolve(node, worker=_graph(worker, chance))
        case Call():
            node = attrs.evolve(node, flow=_graph(node.flow, chance))
    if not joins_some(flow, node) or chance.random() > _SEVERAL:
        return node
    sources = {edge.source for edge in flow.into(node.id)}
    return attrs.evolve(node, join=chance.randint(1, len(sources)))
