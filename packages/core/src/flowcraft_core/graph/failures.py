"""Why a run has failed: every failure that its facts tell and that nothing contains.

The first failure that nothing contains fails a run at once, and nothing new is started. What was in flight may end all
the same, and may fail, too; and two may fail before either is seen. All of them are told, in the order of their
positions, which is that of the flow and not that of time: so who knows the same facts tells the same.
"""

from __future__ import annotations

from collections.abc import Iterator

from .facts import NodeError
from .instances import Instance, ScopeState
from .scopes import Kind, Vertex


def errors_of(root: ScopeState) -> tuple[NodeError, ...]:
    """The failures that fail a run, each once, by position.

    Args:
        root: The run's own scope, in a state that was fed facts.
    """
    return tuple(error for error, _ in _told(root))


def failed(root: ScopeState) -> list[Instance]:
    """The instances whose own failures they are, by position."""
    return [instance for _, instance in _told(root)]


def is_contained(scope: ScopeState) -> bool:
    """Whether a failure that leaves this scope is held by a construct around it."""
    while scope.parent is not None and scope.construct is not None:
        construct, scope = scope.construct, scope.parent
        if construct.tolerant or scope.scope.vertices[construct.exit].sheltered:
            return True
    return False


def _told(root: ScopeState) -> list[tuple[NodeError, Instance]]:
    errors = {error.key: error for scope in root.walk() if not is_contained(scope) for error in _inside(scope)}
    if not errors:
        return []
    found = [
        (error, instance)
        for scope in root.walk()
        for instance in scope.instances()
        if instance.vertex.index in scope.outcomes
        and (error := instance.outcome.error) is not None
        and error == errors.get(instance.key)
    ]
    return sorted(found, key=lambda told: (told[1].scope.position(told[1].vertex), told[1].key))


def _inside(scope: ScopeState) -> Iterator[NodeError]:
    for vertex in scope.failures:
        yield from _behind(scope, vertex)


def _behind(scope: ScopeState, vertex: Vertex) -> Iterator[NodeError]:
    """The failures behind a failed vertex: for a construct those inside it, also such as came after it had failed."""
    if vertex.kind is Kind.EXIT and vertex.construct is not None and vertex.index not in scope.outcomes:
        insides = scope.inside.get(vertex.construct.entry, {})
        if insides:
            for inside in insides.values():
                yield from _inside(inside)
            return
    yield from scope.blame[vertex.index]
