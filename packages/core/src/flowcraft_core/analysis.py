"""Facts about a blueprint's shape that hold before anything is compiled or run."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

import attrs

from .blueprint import LOOP_CONTROLLER, Blueprint, Edge


@attrs.frozen
class BlueprintAnalysis:
    """The shape of a blueprint.

    Attributes:
        start_node_ids: Nodes that nothing leads to, where a run begins; a loop's way back does not count, and a
            fallback is never one.
        terminal_node_ids: Nodes that lead to nothing, where a run ends; likewise.
        cycles: The cycles, those of declared loops included; each as node ids with the first repeated at the end.
        node_count: How many nodes there are.
        edge_count: How many edges there are.
        depth: How many nodes the longest way has, with each loop walked once; 0 if a cycle is not a declared loop.
        is_dag: Whether there are no cycles.
    """

    start_node_ids: tuple[str, ...]
    terminal_node_ids: tuple[str, ...]
    cycles: tuple[tuple[str, ...], ...]
    node_count: int
    edge_count: int
    depth: int
    is_dag: bool


def analyze_blueprint(blueprint: Blueprint) -> BlueprintAnalysis:
    """Describe a blueprint's shape, in time linear in it; edges to nodes that do not exist are ignored."""
    node_ids = [node.id for node in blueprint.nodes]
    fallbacks = {node.config.fallback for node in blueprint.nodes if node.config and node.config.fallback}
    forward = _forward_edges(blueprint)
    targets = {edge.target for edge in forward}
    sources = {edge.source for edge in forward}
    cycles = check_for_cycles(blueprint)
    return BlueprintAnalysis(
        start_node_ids=tuple(n for n in node_ids if n not in targets and n not in fallbacks),
        terminal_node_ids=tuple(n for n in node_ids if n not in sources and n not in fallbacks),
        cycles=tuple(cycles),
        node_count=len(node_ids),
        edge_count=len(blueprint.edges),
        depth=_depth(node_ids, forward),
        is_dag=not cycles,
    )


def check_for_cycles(blueprint: Blueprint) -> list[tuple[str, ...]]:
    """The cycles of a blueprint, one per edge that closes one; each as node ids with the first repeated at the end."""
    after = _adjacency(blueprint.edges)
    cycles: list[tuple[str, ...]] = []
    done: set[str] = set()
    for node in blueprint.nodes:
        if node.id in done:
            continue
        path = [node.id]
        places = {node.id: 0}
        ways = [iter(after.get(node.id, ()))]
        while ways:
            following = next(ways[-1], None)
            if following is None:
                ways.pop()
                last = path.pop()
                del places[last]
                done.add(last)
            elif following in places:
                cycles.append((*path[places[following] :], following))
            elif following not in done:
                places[following] = len(path)
                path.append(following)
                ways.append(iter(after.get(following, ())))
    return cycles


def _forward_edges(blueprint: Blueprint) -> list[Edge]:
    """The edges without the declared loops' ways back."""
    known = {node.id for node in blueprint.nodes}
    controllers = {node.id for node in blueprint.nodes if node.uses == LOOP_CONTROLLER}
    return [
        edge
        for edge in blueprint.edges
        if edge.source in known
        and edge.target in known
        and not (edge.source in controllers and edge.action == "continue")
    ]


def _adjacency(edges: Iterable[Edge]) -> dict[str, list[str]]:
    after: dict[str, list[str]] = defaultdict(list)
    for edge in edges:
        after[edge.source].append(edge.target)
    return after


def _depth(node_ids: list[str], edges: list[Edge]) -> int:
    after = _adjacency(edges)
    waits_for = dict.fromkeys(node_ids, 0)
    for edge in edges:
        waits_for[edge.target] += 1
    depths = {node_id: 1 for node_id, count in waits_for.items() if count == 0}
    order = list(depths)
    for node_id in order:  # grows while it is walked
        for following in after.get(node_id, ()):
            depths[following] = max(depths.get(following, 0), depths[node_id] + 1)
            waits_for[following] -= 1
            if waits_for[following] == 0:
                order.append(following)
    return max(depths.values(), default=0) if len(order) == len(node_ids) else 0
