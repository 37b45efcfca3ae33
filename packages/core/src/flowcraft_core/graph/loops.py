"""Which nodes are a loop's body, and whether loops nest.

A loop is declared by its controller: one edge from the body's end node into it, and one edge with the action
``continue`` from it back to the start node. The body is every node on a way from the start to the end. It may be
entered only at its start (or through the controller, which then asks the condition before the first pass too), and
left only through the controller.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence

import attrs

from ..blueprint import LOOP_CONTROLLER, Edge, Node
from ..rules import Problem, constructs


@attrs.frozen
class Loop:
    """A declared loop.

    Attributes:
        id: The controller's id.
        start: Where a pass begins.
        end: Where a pass ends.
        body: The nodes of a pass, the controllers of inner loops included, its own not.
        checks_first: Some edge enters at the controller.
    """

    id: str
    start: str
    end: str
    body: frozenset[str]
    checks_first: bool


def find_loops(
    nodes: Mapping[str, Node], edges: Sequence[Edge], gathers: Mapping[str, str], problems: list[Problem]
) -> dict[str, Loop]:
    """The loops by controller id, the outer before the inner; what is wrong with them is added to ``problems``."""
    controllers = [node.id for node in nodes.values() if node.uses == LOOP_CONTROLLER]
    _refuse_feedback(controllers, edges, problems)
    if problems:
        return {}
    after: dict[str, list[str]] = defaultdict(list)
    before: dict[str, list[str]] = defaultdict(list)
    for source, target in [(edge.source, edge.target) for edge in edges] + list(gathers.items()):
        after[source].append(target)
        before[target].append(source)
    loops = []
    for controller in controllers:
        loop = _find_loop(controller, edges, after, before, problems)
        if loop is not None:
            loops.append(loop)
    loops.sort(key=lambda loop: -len(loop.body))
    if not problems:
        _check_borders(loops, edges, problems)
    return {loop.id: loop for loop in loops}


def _refuse_feedback(controllers: Sequence[str], edges: Sequence[Edge], problems: list[Problem]) -> None:
    """Add to ``problems`` the edges on failure, or always, that would lead from one pass of a loop to the next."""
    around = {edge.target: edge.source for edge in edges if edge.source in controllers and edge.action == "continue"}
    forward: dict[str, list[str]] = defaultdict(list)
    for edge in edges:
        forward[edge.source].append(edge.target)
    inside = {loop: _reach(start, forward, stop=loop) for start, loop in around.items()}
    problems += [
        constructs.LOOP_FAILURE_EDGE.along(
            edge.source,
            edge.target,
            f": an edge on {edge.on!r} cannot end a pass of loop {edge.target!r}: draw it from {edge.target!r}, which "
            "fails when its body does",
        )
        for edge in edges
        if edge.on in ("failure", "always") and edge.source in inside.get(edge.target, ())
    ]


def enclosing_loops(loops: Mapping[str, Loop]) -> dict[str, list[str]]:
    """For each node of a body, the loops around it, from the outside in."""
    around: dict[str, list[str]] = defaultdict(list)
    for loop in loops.values():  # find_loops gives the outer before the inner
        for node_id in loop.body:
            around[node_id].append(loop.id)
    return around


def _find_loop(
    controller: str,
    edges: Sequence[Edge],
    after: Mapping[str, list[str]],
    before: Mapping[str, list[str]],
    problems: list[Problem],
) -> Loop | None:
    starts = [edge.target for edge in edges if edge.source == controller and edge.action == "continue"]
    if len(starts) != 1:
        text = (
            f"loop {controller!r} has {len(starts) or 'no'} edges with the action 'continue': draw exactly one, from "
            "the loop to its start node"
        )
        problems.append(constructs.LOOP_WITHOUT_START.at(controller, text))
        return None
    start = starts[0]
    if start == controller:
        text = f"loop {controller!r} begins with itself: lead its edge 'continue' to the first node of its body"
        problems.append(constructs.LOOP_OF_ITSELF.at(controller, text))
        return None
    forward = _reach(start, after, stop=controller)
    ends = sorted({source for source in before.get(controller, ()) if source in forward})
    if len(ends) != 1:
        text = (
            f"loop {controller!r} is reached from {len(ends) or 'no'} nodes of its body ({', '.join(ends) or 'none'}): "
            "let exactly one end node, that its start leads to, have an edge to the loop"
        )
        problems.append(constructs.LOOP_WITHOUT_END.at(controller, text))
        return None
    body = _reach(ends[0], before, stop=controller, within=forward)
    return Loop(
        id=controller,
        start=start,
        end=ends[0],
        body=frozenset(body),
        checks_first=any(source not in body for source in before.get(controller, ())),
    )


def _reach(first: str, neighbours: Mapping[str, list[str]], *, stop: str, within: set[str] | None = None) -> set[str]:
    seen = {first}
    waiting = [first]
    while waiting:
        for node_id in neighbours.get(waiting.pop(), ()):
            if node_id not in seen and node_id != stop and (within is None or node_id in within):
                seen.add(node_id)
                waiting.append(node_id)
    return seen


def _check_borders(loops: Sequence[Loop], edges: Sequence[Edge], problems: list[Problem]) -> None:
    by_id = {loop.id: loop for loop in loops}
    around = enclosing_loops(by_id)
    for loop in loops:
        # Around the controller stand the loops in which this one is nested; its body has those, and itself.
        outside = set(around.get(loop.id, ()))
        for node_id in loop.body:
            crossing = [other for other in around[node_id] if other != loop.id and other not in outside]
            for other in crossing:
                if not by_id[other].body < loop.body or other not in loop.body:
                    problems.append(_not_nested(loop.id, other, node_id))
        if problems:
            return
    for edge in edges:
        for loop_id in around.get(edge.source, ()):
            if edge.target not in by_id[loop_id].body and edge.target != loop_id and edge.on in ("failure", "always"):
                text = (
                    f": an edge on {edge.on!r} cannot leave the body of loop {loop_id!r}: draw it from {loop_id!r}, "
                    "which fails when its body does"
                )
                problems.append(constructs.LOOP_FAILURE_EDGE.along(edge.source, edge.target, text))
            elif edge.target not in by_id[loop_id].body and edge.target != loop_id:
                text = (
                    f" leaves the body of loop {loop_id!r}: a loop is left only through its controller, so draw the "
                    f"edge from {loop_id!r}, or lead it to {by_id[loop_id].end!r}"
                )
                problems.append(constructs.LOOP_LEFT_IN_THE_MIDDLE.along(edge.source, edge.target, text))
        for loop_id in around.get(edge.target, ()):
            loop = by_id[loop_id]
            if edge.source not in loop.body and edge.target != loop.start:
                text = (
                    f" enters the body of loop {loop_id!r} in the middle: lead it to the start node {loop.start!r} or "
                    f"to {loop_id!r}"
                )
                problems.append(constructs.LOOP_ENTERED_IN_THE_MIDDLE.along(edge.source, edge.target, text))
    if not problems:
        # A loop inside another has fewer nodes: so no two lie inside each other, by way of their controllers.
        problems += [
            _not_nested(loop.id, other, loop.id)
            for loop in loops
            for other in around.get(loop.id, ())
            if not loop.body < by_id[other].body
        ]


def _not_nested(one: str, other: str, shared: str) -> Problem:
    text = (
        f"loops {one!r} and {other!r} share node {shared!r} but neither lies wholly inside the other: nest them, or "
        "give each its own nodes"
    )
    return constructs.LOOPS_NOT_NESTED.at(shared, text)
