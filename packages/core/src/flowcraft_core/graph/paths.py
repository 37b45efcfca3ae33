"""By which way a run has come to an instance, for people.

The way goes back from the instance by the edges that were taken. Where several led to a node, it is the one that is
longest, counted in nodes of the scope; of several such the first in the blueprint's order: so who knows the same facts
tells the same. A loop, a batch or a call that was gone through is one stop; inside of the one that is still under way,
the keys name the pass or the item.
"""

from __future__ import annotations

from collections.abc import Iterator

from .instances import Instance, Mark, ScopeState
from .scopes import Kind, Vertex

# Of longer ways the beginning and the end are told.
_FIRST, _LAST = 4, 12


def path_to(instance: Instance) -> tuple[str, ...]:
    """The keys of the instances that led to one, from the run's start on, its own at the end.

    Of a way of more than 16 the first 4 and the last 12 are given, and between them how many there are more.
    """
    keys = list(_back_from(*instance))[::-1]
    if (left_out := len(keys) - _FIRST - _LAST) <= 0:
        return tuple(keys)
    return (*keys[:_FIRST], f"({left_out} more)", *keys[-_LAST:])


def _back_from(scope: ScopeState, vertex: Vertex) -> Iterator[str]:
    yield scope.key(vertex)
    while True:
        if vertex.kind is Kind.EXIT and vertex.construct is not None:
            vertex = scope.scope.vertices[vertex.construct.entry]
        before = _before(scope, vertex)
        if before is not None:
            vertex = before
            yield scope.key(vertex)
        elif scope.parent is not None and scope.construct is not None:
            # Where a scope begins, the way goes on before the construct that it belongs to.
            vertex, scope = scope.parent.scope.vertices[scope.construct.entry], scope.parent
        else:
            return


def _before(scope: ScopeState, vertex: Vertex) -> Vertex | None:
    links = scope.winners(vertex) or [link for link in vertex.incoming if scope.mark_of(link) is Mark.TAKEN]
    sources = [scope.scope.vertices[link.source] for link in links]
    return max(sources, key=lambda source: source.depth, default=None)
