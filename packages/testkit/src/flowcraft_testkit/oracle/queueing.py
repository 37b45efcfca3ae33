"""Puts nodes of drawn flows on queues, and has the workers of a stage serve some of them each."""

from __future__ import annotations

import zlib
from collections.abc import Mapping

import attrs
from flowcraft_core.blueprint import SLEEP, WAIT, Blueprint, Node, NodeConfig

#: What runs and nodes may name; the default one is named, too, so that it stands against what is around.
QUEUES = ("gpu", "urgent", "default")

# Most nodes, and flows, name none.
_OF_NODES = (None, None, None, None, "gpu", "urgent", None, "default")
_OF_FLOWS = (None, None, "gpu", "urgent")

#: What each of several workers serves, in the order of its priority: of any two in a row, every queue.
_SERVED = (("default", "gpu"), ("urgent", "default"), ("gpu", "urgent"), ("urgent", "gpu", "default"))


def with_queues(blueprints: Mapping[str, Blueprint]) -> dict[str, Blueprint]:
    """The same flows, with nodes and flows that name queues: which follows from their ids, however they shrink."""
    return {flow_id: _queued(blueprint) for flow_id, blueprint in blueprints.items()}


def served_by(worker: int, workers: int) -> tuple[str, ...]:
    """What the so-manieth of some workers serves; one that is alone serves all."""
    return QUEUES if workers == 1 else _SERVED[worker % len(_SERVED)]


def _queued(blueprint: Blueprint) -> Blueprint:
    fallbacks = {node.config.fallback for node in blueprint.nodes if node.config is not None}
    nodes = [node if node.id in fallbacks else _with_queue(node, blueprint.id) for node in blueprint.nodes]
    return attrs.evolve(blueprint, nodes=tuple(nodes), queue=_OF_FLOWS[_number(blueprint.id) % len(_OF_FLOWS)])


def _with_queue(node: Node, flow_id: str) -> Node:
    queue = _OF_NODES[_number(f"{flow_id}/{node.id}") % len(_OF_NODES)]
    if queue is None or node.uses in (WAIT, SLEEP):
        return node
    return attrs.evolve(node, config=attrs.evolve(node.config or NodeConfig(), queue=queue))


def _number(text: str) -> int:
    return zlib.crc32(text.encode())
