"""Makes passes fail beside the way to their verdict, in loops of flows that are drawn already.

It follows from a chance of its own: a seed's flow is what it was, but for that. Only loops with a way on that is always
to be taken after a failure get such a pass: there the run goes on, and the failure must not be lost.
"""

from __future__ import annotations

import random

import attrs

from .flows import AnyNode, Batch, Call, Edge, Flow, Loop, Step, Turn, joins_some

# In so many of these loops a pass may fail.
_FAILING = 0.5


def with_failing_passes(flow: Flow, seed: int) -> Flow:
    """The flow, with failures in bodies of loops that do not block the way to the verdict.

    Args:
        flow: A drawn flow.
        seed: Its seed.
    """
    return _graph(flow, random.Random(f"failing passes {seed}"))  # noqa: S311 - to be repeated


def _graph(flow: Flow, chance: random.Random) -> Flow:
    return attrs.evolve(flow, nodes=tuple(_node(flow, node, chance) for node in flow.nodes))


def _node(flow: Flow, node: AnyNode, chance: random.Random) -> AnyNode:
    match node:
        case Loop():
            node = attrs.evolve(node, body=_graph(node.body, chance))
            is_caught = any(e.source == node.id and e.on != "success" and e.condition is None for e in flow.edges)
            return attrs.evolve(node, body=_failing(node, chance)) if is_caught else node
        case Batch(worker=Flow() as worker):
            return attrs.evolve(node, worker=_graph(worker, chance))
        case Call():
            return attrs.evolve(node, flow=_graph(node.flow, chance))
    return node


def _failing(loop: Loop, chance: random.Random) -> Flow:
    """A body with a step that fails in one pass, and what it blocks: that has an edge on failure alone."""
    body, last = loop.body, loop.body.nodes[-1]
    is_drawn, first = chance.random() < _FAILING, chance.random() < 0.5
    if not is_drawn or len(body.nodes) < 2 or not isinstance(last, Step) or joins_some(body, last):
        return body
    turns = (Turn(fails=True), Turn()) if first else (Turn(), Turn(fails=True))
    fails, blocked = Step(f"{loop.id}f", turns), Step(f"{loop.id}b")
    start = body.start().id
    ways = (Edge(start, fails.id), Edge(fails.id, blocked.id), Edge(blocked.id, last.id, on="failure"))
    return attrs.evolve(body, nodes=(*body.nodes[:-1], fails, blocked, last), edges=(*body.edges, *ways))
