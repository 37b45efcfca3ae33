"""What a flow may do that is seldom meant. Nothing is refused for it: hints are for people, before anything runs."""

from __future__ import annotations

from collections.abc import Iterator

from .scopes import Graph, Kind, Link, Scope, Vertex


def hints_of(graph: Graph) -> list[str]:
    """Hints at joins of all edges that may go on without the input of a node whose failure was handled.

    Where a failure is handled, the node's other edges are skipped and hold up nothing. So a join behind them goes on
    with what its other edges bring, unless what handles the failure leads to it, too. Takes a walk through its scope
    for each node with edges on failure or always.

    Args:
        graph: A compiled blueprint. Those that it calls have hints of their own.

    Returns:
        A text for each such node and join, with a remedy; none if there is nothing to say.
    """
    return [hint for scope in _scopes(graph.root) for vertex in scope.vertices for hint in _hints_at(scope, vertex)]


def _scopes(scope: Scope) -> Iterator[Scope]:
    yield scope
    for construct in scope.constructs:
        if construct.body is not None:
            yield from _scopes(construct.body)


def _hints_at(scope: Scope, failing: Vertex) -> Iterator[str]:
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
            yield _text(failing, without)


def _ways_in(scope: Scope, vertex: Vertex) -> tuple[Link, ...]:
    """The edges that lead to a vertex; to a construct's exit those that lead to the construct."""
    if vertex.kind is Kind.EXIT and vertex.construct is not None:
        return scope.vertices[vertex.construct.entry].incoming
    return vertex.incoming


def _text(failing: Vertex, without: list[Link]) -> str:
    here = without[0].target_id  # of a loop the node that its edges are drawn to
    names = " and ".join(dict.fromkeys(repr(link.source_id) for link in without))
    handlers = " or ".join(dict.fromkeys(repr(link.target_id) for link in failing.out if link.on != "success"))
    return (
        f"node {here!r}: it may go on without {names}, where a failure of {failing.id!r} is handled by {handlers}: let "
        f"what follows {handlers} lead to {here!r}, too, unless it can do without"
    )
