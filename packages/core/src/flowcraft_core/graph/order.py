"""Puts a scope's vertices in order, and derives what follows from the order: depths, starts, ends, shelter."""

from __future__ import annotations

from collections.abc import Iterator

from ..rules import Problem, graphs
from .scopes import Kind, Scope, Vertex


def put_in_order(scope: Scope, problems: list[Problem]) -> None:
    """Fill in what follows from the order; a cycle is added to ``problems``."""
    vertices = scope.vertices
    waits_for = [len(vertex.incoming) + (vertex.kind is Kind.EXIT) for vertex in vertices]
    order = [vertex.index for vertex in vertices if waits_for[vertex.index] == 0]
    for index in order:  # grows while it is walked
        vertex = vertices[index]
        for following in _following(vertex):
            # A construct counts as one: its exit is no deeper than its entry.
            step = 0 if vertex.kind is Kind.ENTRY else 1
            vertices[following].depth = max(vertices[following].depth, vertex.depth + step)
            waits_for[following] -= 1
            if waits_for[following] == 0:
                order.append(following)
    if len(order) < len(vertices):
        cycle = _cycle(scope, {index for index, count in enumerate(waits_for) if count > 0})
        text = f"nodes {' -> '.join(map(repr, cycle))} form a cycle: declare it with loop(), or break it"
        problems.append(graphs.UNDECLARED_CYCLE.at(cycle[0], text))
        return
    scope.order = order
    scope.starts = tuple(v.index for v in vertices if not v.incoming and v.kind is not Kind.EXIT)
    for vertex in vertices:
        vertex.is_end = vertex.kind is not Kind.ENTRY and all(link.on == "failure" for link in vertex.out)
    scope.ends = tuple(vertex.index for vertex in vertices if vertex.is_end)
    last = set(scope.starts)
    for index in order:
        if index in last:
            last.update(_following(vertices[index], failures=False))
    scope.last = tuple(index for index in scope.ends if index in last)
    for index in reversed(order):
        ways_on = list(_following(vertices[index], failures=False))
        vertices[index].sheltered = bool(ways_on) and all(
            vertices[target].quorum or vertices[target].sheltered for target in ways_on
        )


def _following(vertex: Vertex, *, failures: bool = True) -> Iterator[int]:
    if vertex.kind is Kind.ENTRY and vertex.construct is not None:
        yield vertex.construct.exit
    for link in vertex.out:
        if failures or link.on != "failure":
            yield link.target


def _cycle(scope: Scope, unordered: set[int]) -> list[str]:
    # Every vertex that was not reached waits for another one that was not: going backwards must meet a cycle.
    before = {
        target: index for index in unordered for target in _following(scope.vertices[index]) if target in unordered
    }
    index = next(iter(before))
    path: dict[int, None] = {}
    while index not in path:
        path[index] = None
        index = before[index]
    steps = list(path)
    cycle = [*steps[steps.index(index) :], index]
    names = [scope.vertices[step].id for step in reversed(cycle)]
    return [name for place, name in enumerate(names) if place == 0 or names[place - 1] != name]
