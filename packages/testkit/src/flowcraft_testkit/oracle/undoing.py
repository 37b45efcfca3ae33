"""Draws what undoes steps, into flows that are drawn already, inside everything.

It follows from a chance of its own: a seed's flow is what it was, but for that.
"""

from __future__ import annotations

import random

import attrs

from .flows import AnyNode, Batch, Call, Flow, Loop, Step, UndoName
from .places import Place

# One of so many flows has none.
_WITHOUT = 4

# What undoes steps seldom fails, and half of them are not undone.
_UNDOS: tuple[UndoName | None, ...] = ("undo", "undo", "undo later", "undo never", None, None, None)

_UNSURE = 0.3


def with_undos(flow: Flow, seed: int) -> Flow:
    """The flow, in which about half of the steps are undone if the run fails.

    Args:
        flow: A drawn flow.
        seed: Its seed.
    """
    if seed % _WITHOUT == _WITHOUT - 1:
        return flow
    return _graph(Place(flow, ""), random.Random(f"undos {seed}"))  # noqa: S311 - to be repeated


def _graph(place: Place, chance: random.Random) -> Flow:
    return attrs.evolve(place.flow, nodes=tuple(_node(place, node, chance) for node in place.flow.nodes))


def _node(place: Place, node: AnyNode, chance: random.Random) -> AnyNode:
    match node:
        case Step() | Batch(worker=tuple()):
            return attrs.evolve(node, undo=chance.choice(_UNDOS), unsure=chance.random() < _UNSURE)
        case Batch(worker=Flow() as worker):
            return attrs.evolve(node, worker=_graph(Place(worker, "", place, node), chance))
        case Loop():
            return attrs.evolve(node, body=_graph(Place(node.body, "", place, node), chance))
        case Call():
            return attrs.evolve(node, flow=_graph(Place(node.flow, "", place, node), chance))
    return node
