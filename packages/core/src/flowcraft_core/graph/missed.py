"""Joins that may go on without a node whose failure was handled: allowed, and seldom meant."""

from __future__ import annotations

from collections.abc import Iterator

from ..rules import Problem
from ..rules.graphs import FAILURE_MISSED
from .scopes import Graph, Kind, Link, Scope, Vertex


def failures_missed(graph: Graph) -> list[Problem]:
    """Warnings of joins of all edges that may go on without the input of a node whose failure was handled.

    Where a failure is handled, the node's other edges are skipped and hold up nothing. So a join behind them goes on
    with what its other edges bring, unless what handles the failure leads to it, too. Takes a walk through its scope
    for each node with edges on failure or always.

    Args:
        graph: A compiled blueprint. Those that it calls have warnings of their own.

    Returns:
        One for each such node and join; none if there is nothing to say.
    """
    return [found for scope in graph.scopes() for vertex in scope.vertices for found in _missed(scope, vertex)]


def _missed(scope: Scope, failing: Vertex) -> Iterator[Problem]:
    if not failing.catches:
        return
    skipped = {id(link) for link in failing.out if link.on == "success"}
    handling = {id(link) for link in failing.out if link.on != "success"}
    for index in scope.order[scope.order.index(failing.index) + 1 :]:
        vertex = scope.vertices[index]
        incoming = _ways_in(scope, vertex)
        without = [link for link in incoming if id(link) in skipped]
        handled = any(id(link) in handling for link in incoming)
        if handled:
            handling.update(id(link) for link in vertex.out)
        elif incoming and len(without) == len(incoming):
            skipped.update(id(link) for link in vertex.out)
        elif without and not vertex.quorum and vertex.kind is not Kind.EXIT:
            yield _problem(failing, without)


def _ways_in(scope: Scope, vertex: Vertex) -> tuple[Link, ...]:
    """The edges that lead to a vertex; to a construct's exit those that lead to the construct."""
    if vertex.kind is Kind.EXIT and vertex.construct is not None:
        return scope.vertices[vertex.construct.entry].incoming
    return vertex.incoming


def _problem(failing: Vertex, without: list[Link]) -> Problem:
    here = without[0].target_id  # of a loop the node that its edges are drawn to
    names = " and ".join(dict.fromkeys(repr(link.source_id) for link in without))
    handlers = " or ".join(dict.fromkeys(repr(link.target_id) for link in failing.out if link.on != "success"))
    text = (
        f"node {here!r}: it may go on without {names}, where a failure of {failing.id!r} is handled by {handlers}: let "
        f"what follows {handlers} lead to {here!r}, too, unless it can do without"
    )
    return FAILURE_MISSED.at(here, text)
