"""Which instance a key is of, by the blueprints alone: also one that nobody has come to yet, or never will."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator

import attrs

from ..blueprint import WAIT
from ..errors import UnknownWaitError
from .keys import STEP_IN, escape, scope_prefix
from .scopes import Construct, Graph, Scope, Vertex

# So many waits are looked at, and so many named, where a key names none.
_MOST_SEEN, _MOST_NAMED = 1_000, 10


@attrs.frozen
class WaitAddress:
    """A wait's instance, reached or not.

    Attributes:
        key: Its key.
        vertex: The wait.
        is_inside: It is inside a loop, a batch or a subflow: whether there is such an instance, facts must tell.
    """

    key: str
    vertex: Vertex
    is_inside: bool


def wait_at(graph: Graph, graphs: Callable[[str], Graph], key: str) -> WaitAddress:
    """The wait that a key names.

    Args:
        graph: The run's blueprint.
        graphs: Finds the blueprints of subflows by id.
        key: The wait's instance key, or the id of a wait of the run's own flow.

    Raises:
        UnknownWaitError: The blueprints have no such wait; the message says what there is instead.
    """
    found = _vertex_at(graph, graphs, key) or _vertex_at(graph, graphs, escape(key))
    if found is None:
        raise UnknownWaitError(_what_there_is(graph, graphs, key))
    if found.vertex.node.uses != WAIT:
        uses = found.vertex.node.uses
        raise UnknownWaitError(f"node {key!r} is no wait (it uses {uses!r}); only waits are answered")
    return found


def _vertex_at(graph: Graph, graphs: Callable[[str], Graph], key: str) -> WaitAddress | None:
    scope, prefix, rest = graph.root, "", key
    while True:
        index = scope.by_key.get(rest)
        if index is not None:
            return WaitAddress(prefix + rest, scope.vertices[index], scope is not graph.root)
        step = STEP_IN.match(rest)
        construct = scope.by_construct.get(step[1]) if step else None
        if step is None or construct is None or (step[2] is None) is not (construct.kind == "subflow"):
            return None
        scope, rest = _inside(construct, graphs), rest[step.end() :]
        position = None if step[2] is None else int(step[2])
        prefix = scope_prefix(prefix, construct.key, position, namespace=scope.namespace)


def _what_there_is(graph: Graph, graphs: Callable[[str], Graph], key: str) -> str:
    waits = list(itertools.islice(_waits(graph.root, graphs, "", (graph.blueprint.id,)), _MOST_SEEN))
    of_node = [place for place, node_id in waits if node_id == key]
    shown = ", ".join((of_node or [place for place, _ in waits])[:_MOST_NAMED]) or "none"
    if of_node:
        return f"wait {key!r} is inside a loop, a batch or a subflow: name its instance by its key, as in {shown}"
    return f"there is no wait {key!r}; those of flow {graph.blueprint.id!r} are, by key: {shown}"


def _waits(
    scope: Scope, graphs: Callable[[str], Graph], prefix: str, around: tuple[str, ...]
) -> Iterator[tuple[str, str]]:
    """The waits of a scope and of all inside, by the key of the first instance and the node's id.

    A flow that calls itself is gone into once.
    """
    for vertex in scope.vertices:
        if vertex.node.uses == WAIT:
            yield prefix + vertex.key, vertex.id
    for construct in scope.constructs:
        inside = _inside(construct, graphs)
        if construct.body is None and inside.blueprint in around:
            continue
        first = None if construct.kind == "subflow" else 0
        within = scope_prefix(prefix, construct.key, first, namespace=inside.namespace)
        yield from _waits(inside, graphs, within, (*around, inside.blueprint))


def _inside(construct: Construct, graphs: Callable[[str], Graph]) -> Scope:
    return construct.body or graphs(construct.calls or "").root
