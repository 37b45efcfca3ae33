"""Forks: which of a run's facts a new run may keep, if it is to begin again from some instances."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from .instances import Instance
from .scopes import Kind
from .state import RunState


def dropped(instances: Iterable[Instance]) -> set[tuple[int, int]]:
    """The instances, and all that follows from them, as pairs of ``id(scope)`` and vertex index.

    What follows are the ways on, the insides of constructs that follow, the constructs around and what follows from
    them, and the later passes of a loop.
    """
    found: set[tuple[int, int]] = set()
    waiting = list(instances)
    while waiting:
        scope, vertex = waiting.pop()
        if (id(scope), vertex.index) in found:
            continue
        found.add((id(scope), vertex.index))
        vertices = scope.scope.vertices
        waiting.extend(Instance(scope, vertices[link.target]) for link in vertex.out)
        if vertex.kind is Kind.ENTRY and vertex.construct is not None:
            waiting.append(Instance(scope, vertices[vertex.construct.exit]))
            for inside in scope.inside.get(vertex.construct.entry, {}).values():
                waiting.extend(inside.instances())
        elif vertex.is_end and scope.parent is not None and scope.construct is not None:
            waiting.append(Instance(scope.parent, scope.parent.scope.vertices[scope.construct.exit]))
            if scope.construct.kind == "loop":
                for index, later in scope.parent.inside[scope.construct.entry].items():
                    if index > (scope.index or 0):
                        waiting.extend(later.instances())
    return found


def kept_claims(state: RunState, without: set[tuple[int, int]]) -> Iterator[tuple[Instance, tuple[int, ...]]]:
    """The joins of some that edges have claimed whose sources are kept, with the places of these edges.

    They are to hold the first slots, whichever they held: else an edge would find a free one before its own.
    """
    for scope in state.root.walk():
        for index, slots in scope.claims.items():
            join = scope.scope.vertices[index]
            places = (slots[slot] for slot in sorted(slots))
            if kept := tuple(place for place in places if (id(scope), join.incoming[place].source) not in without):
                yield Instance(scope, join), kept
