"""For a state that knows some of a run's facts: where an instance stands, and which facts would tell more."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from ..expressions import Expression
from .instances import Arrival, Instance, ScopeState
from .scopes import Construct, Kind, Reference, Vertex
from .state import RunState

_STEP_IN = re.compile(r"([^\[\]./:]+)(?:\[(\d{1,12})\])?([./]|$)")


class Unknown(NamedTuple):
    """An instance whose outcome must be known before the one that was asked for can be found."""

    instance: Instance


def find(state: RunState, key: str) -> Instance | Unknown | None:
    """The instance with a key.

    Returns:
        The instance; or which outcome must be added first; or None if the run has no such instance.
    """
    scope, rest = state.root, key
    while True:
        index = scope.scope.by_key.get(rest)
        if index is not None:
            return Instance(scope, scope.scope.vertices[index])
        match = _STEP_IN.match(rest)
        construct = scope.scope.by_construct.get(match[1]) if match else None
        if match is None or construct is None:
            return None
        entry = Instance(scope, scope.scope.vertices[construct.entry])
        outcome = scope.outcomes.get(construct.entry)
        if outcome is None:
            return Unknown(entry)
        position = None if match[2] is None else int(match[2])
        if (position is None) is not (construct.kind == "subflow"):
            return None
        if construct.kind == "batch" and (position or 0) >= len(outcome.items or ()):
            return None
        scope = state.child(scope, construct, position)
        rest = rest[match.end() :]
        if not rest:
            # `retry_loop[2]` is the verdict of a pass
            is_verdict = construct.kind == "loop" and not match[3]
            return Instance(scope, scope.scope.vertices[construct.verdict]) if is_verdict else None


def is_decided(instance: Instance) -> bool:
    """Whether the known facts say that the instance is to run."""
    scope, vertex = instance
    if vertex.index in scope.decided:
        return True
    # The start of a scope is ready as soon as the scope exists, and `find` has looked for that.
    return not vertex.incoming and vertex.kind is not Kind.EXIT


def needs(state: RunState, instance: Instance) -> Iterator[Instance]:
    """The instances whose outcomes decide about this one, or are its input, and are not known.

    What they say may show that more is needed.
    """
    scope, vertex = instance
    for link in vertex.incoming:
        yield from _unknown(scope, link.source)
    if not vertex.incoming and scope.parent is not None and scope.construct is not None:
        construct, parent = scope.construct, scope.parent
        yield from _unknown(parent, construct.entry)
        if construct.kind == "loop" and scope.index and construct.entry in parent.outcomes:
            yield from _unknown(state.child(parent, construct, scope.index - 1), construct.verdict)
    for node_id in _named(vertex):
        yield from _by_id(state, scope, node_id)


def missing(state: RunState, scope: ScopeState, vertex: Vertex | None) -> list[Instance]:
    """The instances whose outcomes could resolve a join, a construct's exit, or (without a vertex) a scope's end.

    All that is not resolved on the ways to it; most of it has no outcome to be found, if it was passed by.
    """
    found: list[Instance] = []
    seen: set[tuple[int, int]] = set()
    waiting = [(scope, index) for index in (scope.scope.ends if vertex is None else (vertex.index,))]
    while waiting:
        around, index = waiting.pop()
        if (id(around), index) in seen or index in around.outcomes or index in around.marks:
            continue
        seen.add((id(around), index))
        current = around.scope.vertices[index]
        # The join itself too: whoever has run it already leaves nothing to be done.
        found.append(Instance(around, current))
        waiting.extend((around, link.source) for link in current.incoming)
        if current.kind is Kind.EXIT and current.construct is not None:
            waiting.append((around, current.construct.entry))
            for inside in _insides(state, around, current.construct):
                waiting.extend((inside, end) for end in inside.scope.ends)
    return found


def joins_ahead(instance: Instance) -> list[Instance]:
    """The ``any`` joins in which all ways on from an instance end, and which may make it moot; none if one leads on."""
    found: list[Instance] = []
    seen: set[tuple[int, int]] = set()
    waiting = [instance]
    while waiting:
        scope, vertex = waiting.pop()
        if (id(scope), vertex.index) in seen:
            continue
        seen.add((id(scope), vertex.index))
        if vertex.kind is Kind.ENTRY and vertex.construct is not None:
            waiting.append(Instance(scope, scope.scope.vertices[vertex.construct.exit]))
        elif vertex.out:
            for link in vertex.out:
                target = Instance(scope, scope.scope.vertices[link.target])
                is_race = target.vertex.joins_any and len({way.source for way in target.vertex.incoming}) > 1
                (found if is_race else waiting).append(target)
        elif scope.parent is None or scope.construct is None:
            return []
        else:
            waiting.append(Instance(scope.parent, scope.parent.scope.vertices[scope.construct.exit]))
    return list(dict.fromkeys(found))


def _insides(state: RunState, scope: ScopeState, construct: Construct) -> Iterable[ScopeState]:
    """The scope instances of a construct that there are by what is known; a loop's later passes open as they do."""
    entry = scope.outcomes.get(construct.entry)
    if entry is None or entry.error is not None:
        return ()
    if construct.kind == "batch":
        for index in range(len(entry.items or ())):
            state.child(scope, construct, index)
    elif construct.kind == "subflow":
        state.child(scope, construct, None)
    elif entry.action != "break":
        state.child(scope, construct, 0)
    return list(scope.inside.get(construct.entry, {}).values())


def context_names(vertex: Vertex) -> frozenset[str]:
    """The names that deciding about this vertex's instance may look up among the context values."""
    names: set[str] = set()
    for expression in _expressions(vertex):
        names |= expression.context_names or frozenset()
    for reference in _references(vertex):
        names.add(reference.text)
        names.add(reference.name)
    return frozenset(names)


def _unknown(scope: ScopeState, index: int) -> Iterator[Instance]:
    if index not in scope.outcomes and index not in scope.marks:
        yield Instance(scope, scope.scope.vertices[index])


def _named(vertex: Vertex) -> Iterator[str]:
    for reference in _references(vertex):
        if reference.node is not None:
            yield reference.node
    for expression in _expressions(vertex):
        for name in expression.context_names or ():
            yield name.removeprefix("_outputs.")


def _references(vertex: Vertex) -> Iterator[Reference]:
    if isinstance(vertex.inputs, Reference):
        yield vertex.inputs
    elif vertex.inputs is not None:
        yield from vertex.inputs.values()
    if vertex.kind is Kind.ENTRY and vertex.construct is not None:
        yield from (vertex.construct.inputs or {}).values()


def _expressions(vertex: Vertex) -> Iterator[Expression]:
    links = list(vertex.out)
    construct = vertex.construct
    if construct is not None and construct.kind == "loop" and vertex.kind in (Kind.VERDICT, Kind.ENTRY):
        if construct.condition is not None:
            yield construct.condition
        if construct.feedback is not None:
            links.append(construct.feedback)
        links.extend(construct.leaving)
    for link in links:
        for expression in (link.condition, link.transform):
            if expression is not None:
                yield expression


def _by_id(state: RunState, scope: ScopeState, node_id: str) -> Iterator[Instance]:
    around: ScopeState | None = scope
    while around is not None:
        inside: ScopeState | None = around
        while inside is not None:
            index = inside.scope.by_id.get(node_id)
            if index is not None:
                yield from _unknown(inside, index)
                return
            loop = inside.scope.inner.get(node_id)
            if loop is None:
                break
            yield from _unknown(inside, loop.exit)
            left = inside.outcomes.get(loop.exit)
            inside = state.child(inside, loop, left.passes - 1) if left is not None and left.passes else None
        around = None if around.scope.namespace else around.parent


def arrived(arrival: Arrival) -> list[Arrival]:
    """The arrivals at the same join that the known facts tell of."""
    scope, vertex = arrival.scope, arrival.vertex
    if vertex is None:
        known = [_is_resolved(scope, end) for end in scope.scope.ends]
    elif vertex.kind is Kind.EXIT and vertex.construct is not None:
        items = scope.inside.get(vertex.construct.entry, {})
        known = [index in items and items[index].ended for index in range(arrival.total)]
    else:
        known = [_is_resolved(scope, link.source) for link in vertex.incoming]
    return [arrival._replace(member=member) for member, is_known in enumerate(known) if is_known]


def _is_resolved(scope: ScopeState, index: int) -> bool:
    return index in scope.outcomes or index in scope.marks
