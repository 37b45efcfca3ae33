"""Nodes that nothing leads to, joins that cannot fire, and inputs that a second edge has turned into dicts."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from typing import TypeAlias

from ..annotations import UNKNOWN
from ..decorated.calls import FunctionCall
from ..graph.scopes import Kind, Link, Scope, Vertex
from ..rules import Problem
from ..rules.graphs import DICT_OF_BRANCHES, DUPLICATE_EDGE, JOIN_NEVER_FIRES, ORPHAN, UNREACHABLE
from .subject import Subject, codes_of

# Joins of more edges than this are not looked at: their subsets are too many.
_MOST_EDGES = 12
# What a step's code has that goes through a dict.
_OF_DICTS = frozenset({"get", "items", "keys", "values", "update"})

#: For nodes that must have given an action for something to happen: which they may have been.
Needed: TypeAlias = Mapping[int, frozenset[str]]


def orphans(subject: Subject) -> Iterator[Problem]:
    """Nodes without edges in a flow that has others."""
    root = subject.graph.root
    alone = [vertex for vertex in root.vertices if _is_alone(root, vertex)]
    count = sum(vertex.kind is not Kind.EXIT for vertex in root.vertices)
    if count > 1 and subject.is_drawn:
        for vertex in alone:
            text = (
                f"no edge leads to node {vertex.id!r}, and none from it: draw the one that was forgotten, or remove it"
            )
            yield ORPHAN.at(vertex.id, text)


def _is_alone(scope: Scope, vertex: Vertex) -> bool:
    if vertex.kind is Kind.EXIT or vertex.incoming:
        return False
    last = scope.vertices[vertex.construct.exit] if vertex.construct is not None else vertex
    return not last.out


def unreachable(subject: Subject) -> Iterator[Problem]:
    """Nodes to which no edge can be taken, since the conditions on them never hold."""
    for scope in subject.graph.scopes():
        for vertex in scope.vertices:
            if vertex.incoming and all(map(_never_holds, vertex.incoming)):
                sources = " and ".join(dict.fromkeys(repr(link.source_id) for link in vertex.incoming))
                target = vertex.incoming[0].target_id
                text = (
                    f"node {target!r} never runs: no condition on its edges from {sources} can hold; mend or remove it"
                )
                yield UNREACHABLE.at(target, text)


def _never_holds(link: Link) -> bool:
    condition = link.condition
    return condition is not None and not condition.names and not condition.evaluate({})


# --- joins ------------------------------------------------------------------------------------------------------------


def joins_that_never_fire(subject: Subject) -> Iterator[Problem]:
    """Joins of more edges than can be taken in one run."""
    for scope in subject.graph.scopes():
        needed: dict[int, Needed] = {}
        for index in scope.order:
            vertex = scope.vertices[index]
            ways = [_needed_along(needed, link) for link in vertex.incoming]
            if vertex.kind is Kind.EXIT and vertex.construct is not None:
                ways = [needed[vertex.construct.entry]]
            needed[index] = _either(ways)
            possible = [(link, way) for link, way in zip(vertex.incoming, ways, strict=False) if not _never_holds(link)]
            if vertex.quorum > 1 and len(possible) <= _MOST_EDGES and _most(possible) < vertex.quorum:
                names = ", ".join(repr(link.source_id) for link in vertex.incoming)
                text = (
                    f"node {vertex.id!r} joins {vertex.quorum} of its edges from {names}, and at most "
                    f"{_most(possible)} can be taken in one run, since they exclude each other: join fewer"
                )
                yield JOIN_NEVER_FIRES.at(vertex.id, text)


def _needed_along(needed: Mapping[int, Needed], link: Link) -> Needed:
    """What an edge needs to be taken."""
    before = needed[link.source]
    if link.action is None or link.on != "success":
        return before
    return {**before, link.source: frozenset({link.action})}


def _either(ways: Sequence[Needed]) -> Needed:
    """What is needed if one of several ways is enough."""
    if not ways:
        return {}
    sources = set.intersection(*(set(way) for way in ways))
    return {source: frozenset().union(*(way[source] for way in ways)) for source in sources}


def _most(ways: Sequence[tuple[Link, Needed]]) -> int:
    """How many of some edges, of different sources, can be taken in one run, as far as actions say."""
    for count in range(len(ways), 0, -1):
        for some in itertools.combinations(ways, count):
            if len({link.source for link, _ in some}) == count and _go_together([way for _, way in some]):
                return count
    return 0


def _go_together(ways: Sequence[Needed]) -> bool:
    return all(
        one[source] & other[source]
        for one, other in itertools.combinations(ways, 2)
        for source in one.keys() & other.keys()
    )


# --- inputs -----------------------------------------------------------------------------------------------------------


def dicts_of_branches(subject: Subject) -> Iterator[Problem]:
    """Joins of all edges in steps that say nothing of a dict."""
    for scope in subject.graph.scopes():
        for vertex in scope.vertices:
            sources = list(dict.fromkeys(link.source_id for link in vertex.incoming))
            if len(sources) < 2 or vertex.quorum or not vertex.is_called or vertex.inputs is not None:
                continue
            step = subject.find(vertex.node.uses)
            if step is None or isinstance(step.step, FunctionCall) or _knows(step.step, sources):
                continue
            if subject.fitting.input_of(vertex.node) is not UNKNOWN:  # it takes a dict, or building would refuse it
                continue
            names = ", ".join(map(repr, sources))
            text = (
                f"node {vertex.id!r} is a join of {names}, so its input is a dict by source: annotate it "
                "(SyncNodeContext[dict[str, Any]]), say inputs=, or make it join='any'"
            )
            yield DICT_OF_BRANCHES.at(vertex.id, text)


def _knows(step: object, sources: Sequence[str]) -> bool:
    """Whether a step's code shows that it expects a dict by source; or cannot be looked at."""
    codes = codes_of(step)
    names = {name for code in codes for name in code.co_names}
    texts = {text for code in codes for text in code.co_consts if isinstance(text, str)}
    return not codes or "input" not in names or bool(names & _OF_DICTS) or not texts.isdisjoint(sources)


def edges_drawn_twice(subject: Subject) -> Iterator[Problem]:
    """Edges between the same nodes that are taken in the same case."""
    drawn: set[tuple[str | None, ...]] = set()
    for edge in subject.graph.blueprint.edges:
        case = edge.source, edge.target, edge.action, edge.condition, edge.on or "success"
        if case in drawn:
            text = ": it is there twice, so both are taken: leave one out"
            yield DUPLICATE_EDGE.along(edge.source, edge.target, text)
        drawn.add(case)
