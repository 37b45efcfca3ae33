"""Has nodes of drawn flows name limits, which changes nothing of what a run comes to."""

from __future__ import annotations

import zlib
from collections.abc import Mapping

import attrs
from flowcraft_core import Limit
from flowcraft_core.blueprint import SLEEP, WAIT, Blueprint, Node, NodeConfig

#: What there is: so little that jobs have to wait for it.
LIMITS = (Limit("one", concurrency=1), Limit("two", concurrency=2), Limit("rare", rate=3, per=5.0))

# Most name none.
_OF_NODES = (None, None, None, None, None, None, "one", "two", "rare", ("one", "rare"))


def with_limits(blueprints: Mapping[str, Blueprint]) -> dict[str, Blueprint]:
    """The same flows, with nodes, constructs among them, that name limits: which follows from their ids."""
    return {flow_id: _limited(blueprint) for flow_id, blueprint in blueprints.items()}


def _limited(blueprint: Blueprint) -> Blueprint:
    configs = [node.config for node in blueprint.nodes if node.config is not None]
    standing_in = {config.fallback for config in configs} | {config.undo for config in configs}
    nodes = [node if node.id in standing_in else _with_limit(node, blueprint.id) for node in blueprint.nodes]
    return attrs.evolve(blueprint, nodes=tuple(nodes))


def _with_limit(node: Node, flow_id: str) -> Node:
    limit = _OF_NODES[zlib.crc32(f"limits {flow_id}/{node.id}".encode()) % len(_OF_NODES)]
    if limit is None or node.uses in (WAIT, SLEEP):
        return node
    return attrs.evolve(node, config=attrs.evolve(node.config or NodeConfig(), limit=limit))
