"""Why something fails without being run; and why a run has failed: every failure that its facts tell uncontained.

The first failure that nothing contains fails a run at once, and nothing new is started. What was in flight may end all
the same, and may fail, too; and two may fail before either is seen. All of them are told, in the order of their
positions, which is that of the flow and not that of time: so who knows the same facts tells the same.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TypeAlias

from .facts import NodeError
from .instances import Instance, Mark, ScopeState
from .items import Items, unpacked
from .lanes import total_of
from .paths import path_to
from .positions import Position
from .scopes import Kind, Vertex

#: A failure that edges have taken over, with what orders it among others: the position, and the key, of who failed.
Handled: TypeAlias = tuple[Position, str, NodeError]

#: The type of the error of a join that goes on with some of its edges, and got fewer.
JOIN_ERROR = "JoinError"


def errors_of(root: ScopeState) -> tuple[NodeError, ...]:
    """The failures that fail a run, each once, by position.

    Args:
        root: The run's own scope, in a state that was fed facts.
    """
    return tuple(error for error, _ in _told(root))


def paths_of(root: ScopeState) -> dict[str, tuple[str, ...]]:
    """By which ways a run came to the failures that fail it, by their keys; see ``path_to``."""
    found = {}
    for error, instance in _told(root):
        path = path_to(instance)
        found[error.key] = path if path[-1] == error.key else (*path, error.key)
    return found


def handled(ended: Iterable[Instance], more: Iterable[Handled] = ()) -> tuple[NodeError, ...]:
    """The failures that edges have taken over, each once, by position.

    Args:
        ended: Instances that have outcomes.
        more: Failures of others.
    """
    found = [
        (instance.scope.position(instance.vertex), instance.key, error)
        for instance in ended
        if (error := instance.outcome.error) is not None and instance.outcome.handled
    ]
    found += more
    return tuple(dict.fromkeys(error for _, _, error in sorted(found, key=lambda told: told[:2])))


def failed(root: ScopeState) -> list[Instance]:
    """The instances whose own failures they are, by position; a join that lacks edges was never run, and is none."""
    return [instance for error, instance in _told(root) if error.attempts]


def lacking(root: ScopeState) -> list[Instance]:
    """The joins that fail a run since too few edges lead to them, by position."""
    return [instance for error, instance in _told(root) if error.type == JOIN_ERROR and not error.attempts]


def is_contained(scope: ScopeState) -> bool:
    """Whether a failure that leaves this scope is held by a construct around it."""
    while scope.parent is not None and scope.construct is not None:
        construct, scope = scope.construct, scope.parent
        exit_ = scope.scope.vertices[construct.exit]
        if construct.tolerant or exit_.sheltered or exit_.catches:
            return True
    return False


def causes(scope: ScopeState, vertex: Vertex) -> tuple[NodeError, ...]:
    """The failures for which a construct or a join of some fails without being run; none where it does not.

    Args:
        scope: Where it stands.
        vertex: The join, or the construct's exit, about which the facts decide.
    """
    construct = vertex.construct
    if vertex.kind is Kind.EXIT and construct is not None:
        if scope.marks.get(construct.entry) is Mark.BLOCKED:
            return scope.blame[construct.entry]
        return tuple(dict.fromkeys(_failed_inside(scope, vertex)))
    if vertex.quorum and vertex.index not in scope.fired:
        return blamed(scope, vertex) or _lacking(scope, vertex)
    return ()


def blamed(scope: ScopeState, target: Vertex) -> tuple[NodeError, ...]:
    """The failures behind the edges that are blocked, of those to a vertex."""
    links = (link for link in target.incoming if scope.mark_of(link) is Mark.BLOCKED)
    return tuple(dict.fromkeys(error for link in links for error in scope.blame.get(link.source, ())))


def _lacking(scope: ScopeState, join: Vertex) -> tuple[NodeError, ...]:
    """A join's own failure: every edge is resolved, none is blocked, and some are taken, but fewer than it needs."""
    marks = [(link.source_id, scope.mark_of(link)) for link in join.incoming]
    taken = dict.fromkeys(source for source, mark in marks if mark is Mark.TAKEN)
    if not 0 < len(taken) < join.quorum or any(mark is None for _, mark in marks):
        return ()
    message = f"it goes on with {join.quorum} of its edges, and only {', '.join(map(repr, taken))} led to it"
    return (NodeError(scope.key(join), join.id, JOIN_ERROR, message, attempts=0),)


def _failed_inside(scope: ScopeState, exit_: Vertex) -> Iterable[NodeError]:
    construct = exit_.construct
    assert construct is not None  # an exit always has one
    insides = scope.inside.get(construct.entry, {})
    if construct.kind == "batch":
        entry, failed = scope.outcomes.get(construct.entry), scope.failed_items.get(construct.entry, ())
        if entry is None or construct.tolerates(len(failed), total_of(entry)):
            return ()
        return [error for index in sorted(failed) for error in insides[index].errors]
    return insides[max(insides)].errors if insides else ()


def _told(root: ScopeState) -> list[tuple[NodeError, Instance]]:
    errors = {error.key: error for scope in unpacked(root) if not is_contained(scope) for error in _inside(scope)}
    if not errors:
        return []
    found: dict[str, tuple[NodeError, Instance]] = {}
    for scope in unpacked(root):
        for index, outcome in scope.outcomes.items():
            error, instance = outcome.error, scope.at(index)
            # Its own instance's, or, where that has not been read, a construct's around it that tells of it.
            if (
                error is not None
                and error == errors.get(error.key)
                and (error.key not in found or error.key == instance.key)
            ):
                found[error.key] = error, instance
        for index, behind in scope.blame.items():
            join = scope.at(index)
            if index not in scope.outcomes and (own := errors.get(join.key)) in behind:
                found[join.key] = own, join
    return sorted(found.values(), key=lambda told: (told[1].scope.position(told[1].vertex), told[1].key))


def _inside(scope: ScopeState) -> Iterator[NodeError]:
    for vertex in scope.failures:
        yield from _behind(scope, vertex)


def _behind(scope: ScopeState, vertex: Vertex) -> Iterator[NodeError]:
    """The failures behind a failed vertex: for a construct those inside it, also such as came after it had failed."""
    own = scope.outcomes.get(vertex.index)
    is_derived = own is None or own.error is None or own.error.key != scope.key(vertex)
    if vertex.kind is Kind.EXIT and vertex.construct is not None and is_derived:
        insides = scope.inside.get(vertex.construct.entry, {})
        for inside in (insides.loose if isinstance(insides, Items) else insides).values():
            yield from _inside(inside)
    yield from scope.blame[vertex.index]  # of what was not looked into, that is all
