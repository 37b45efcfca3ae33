"""Draws how many items of a batch are under way at most, how many a page has, and reducers, into flows that are there.

It follows from a chance of its own: a seed's flow is what it was, but for that.
"""

from __future__ import annotations

import random
from typing import Any, TypeAlias

import attrs

from .flows import AnyNode, Batch, Call, Flow, Loop

# Lists have at most three items: so there are lanes of one item, of two and of three.
_CONCURRENCIES = (None, None, 1, 1, 2, 2, 3)

# And pages of one item, of two, or none: with two items on pages of three, or with none that is said.
_PAGE_SIZES = (None, 1, 1, 2, 2, 3)

# A quarter of them is reduced.
_REDUCED = (False, False, False, True)


def with_lanes(flow: Flow, seed: int) -> Flow:
    """The flow, with lanes and pages in more than half of its batches, and reducers in some.

    Args:
        flow: A drawn flow.
        seed: Its seed.
    """
    laned = _graph(flow, random.Random(f"lanes {seed}"), "concurrency", _CONCURRENCIES)  # noqa: S311 - to be repeated
    paged = _graph(laned, random.Random(f"pages {seed}"), "page_size", _PAGE_SIZES)  # noqa: S311 - likewise
    return _graph(paged, random.Random(f"reduce {seed}"), "reduce", _REDUCED)  # noqa: S311 - likewise


_Sizes: TypeAlias = tuple[int | bool | None, ...]


def _graph(flow: Flow, chance: random.Random, name: str, sizes: _Sizes) -> Flow:
    return attrs.evolve(flow, nodes=tuple(_node(node, chance, name, sizes) for node in flow.nodes))


def _node(node: AnyNode, chance: random.Random, name: str, sizes: _Sizes) -> AnyNode:
    match node:
        case Batch():
            worker = _graph(node.worker, chance, name, sizes) if isinstance(node.worker, Flow) else node.worker
            said: dict[str, Any] = {"worker": worker, name: chance.choice(sizes)}
            return attrs.evolve(node, **said)
        case Loop():
            return attrs.evolve(node, body=_graph(node.body, chance, name, sizes))
        case Call():
            return attrs.evolve(node, flow=_graph(node.flow, chance, name, sizes))
    return node
