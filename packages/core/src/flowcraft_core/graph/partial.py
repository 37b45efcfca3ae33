"""For a state that knows some of a run's facts: where an instance stands, and which facts would tell more.

A question is asked in rounds: ``settle`` decides what can be decided and names what is missing, the caller looks that
up and has the state ``learn`` it, until the answer is there or nothing more is to be found. What is not there may only
not be visible yet.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from typing import NamedTuple

from .decisions import last_pass, outputs_named
from .instances import Arrival, Instance, Mark, ScopeState
from .keys import STEP_IN
from .lanes import item_before, total_of
from .scopes import Construct, Kind, Reference, Vertex
from .state import RunState, goes_in

# So many vertices are looked at to find out whether a join waits for an instance.
_LOOKED_AT = 1_000


class Unknown(NamedTuple):
    """An instance whose outcome must be known before the one that was asked for can be found."""

    instance: Instance


def find(state: RunState, key: str) -> Instance | Unknown | None:
    """The instance with a key.

    Returns:
        The instance; or which outcome must be added first; or None if the run has no such instance.
    """
    found = _find(state, key)
    return None if isinstance(found, ScopeState) else found


def find_call(state: RunState, prefix: str) -> ScopeState | Unknown | None:
    """The call inside of which keys begin with a prefix.

    Returns:
        The call; or which outcome must be added first; or None if the run has no such call.
    """
    found = _find(state, prefix)
    return None if isinstance(found, Instance) else found


def _find(state: RunState, key: str) -> Instance | ScopeState | Unknown | None:
    scope, rest = state.root, key
    while True:
        index = scope.scope.by_key.get(rest)
        if index is not None:
            return Instance(scope, scope.scope.vertices[index])
        match = STEP_IN.match(rest)
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
        if construct.kind == "batch" and (position or 0) >= total_of(outcome):
            return None
        scope = state.child(scope, construct, position)
        rest = rest[match.end() :]
        if not rest:
            # `retry_loop[2]` is the verdict of a pass
            if construct.kind == "loop" and not match[3]:
                return Instance(scope, scope.scope.vertices[construct.verdict])
            return scope if match[3] == "/" and scope.scope.namespace else None


def is_decided(state: RunState, instance: Instance) -> bool:
    """Whether the known facts say that the instance is to run."""
    return state.decide(*instance) is Mark.TAKEN


def needs(state: RunState, instance: Instance) -> list[Instance]:
    """The instances whose outcomes decide about this one, or are its input, and are not known.

    What they say may show that more is needed.
    """
    scope, vertex = instance
    if len(vertex.incoming) == 1 and vertex.incoming[0].source in scope.outcomes:
        return named(state, instance)  # as a chain goes on
    found = [scope.at(link.source) for link in scope.winners(vertex) or vertex.incoming]
    if not vertex.incoming and scope.parent is not None and scope.construct is not None:
        construct, parent = scope.construct, scope.parent
        found.append(parent.at(construct.entry))
        if construct.kind == "loop" and scope.index and construct.entry in parent.outcomes:
            found.append(state.child(parent, construct, scope.index - 1).at(construct.verdict))
    return [*_unknown(found), *_before(state, instance), *named(state, instance)]


def waits_for(state: RunState, instance: Instance) -> ScopeState | None:
    """What must have ended before an instance can begin: the item before it in its lane, or the pass before.

    None of a pass whose only end is its verdict, which says all that there is to know; nor of an item of which nothing
    more is kept than that it has ended.
    """
    parent, construct, index = instance.scope.parent, instance.scope.construct, behind(instance)
    if parent is None or construct is None or index is None or parent.has_passed(construct, index):
        return None
    return state.child(parent, construct, index)


def behind(instance: Instance) -> int | None:
    """The index of the item or pass that must have ended before an instance can begin, if there is one."""
    scope, vertex = instance
    parent, construct = scope.parent, scope.construct
    if vertex.incoming or parent is None or construct is None or construct.entry not in parent.outcomes:
        return None
    if construct.kind == "loop" and scope.index and len(scope.scope.ends) > 1:
        return scope.index - 1
    return item_before(scope)


def _before(state: RunState, instance: Instance) -> list[Instance]:
    waited = waits_for(state, instance)
    return [] if waited is None or state.has_ended(waited) else settle(state, waited, None)


def named(state: RunState, instance: Instance) -> list[Instance]:
    """The instances whose outputs this one names, in its inputs or in an expression, and which are not known.

    Those that are known to be dead or blocked have no outputs, and are not among them.
    """
    scope, vertex = instance
    if not names_any(vertex):
        return []
    names = [name.removeprefix("_outputs.") for name in _named_in_expressions(vertex)]
    found = (other for name in names for other in _by_id(state, instance, scope, name))
    return [*awaited(state, instance), *_unknown(found)]


def names_any(vertex: Vertex) -> bool:
    """Whether an instance of a vertex may name anything, in its inputs or in an expression."""
    return vertex.inputs is not None or vertex.construct is not None or bool(_named_in_expressions(vertex))


def looks_into(instance: Instance, node_id: str) -> bool:
    """Whether a part of what a node gave is needed for an instance, or for its edges, beside the whole as its input."""
    if not instance.vertex.is_called or node_id in {
        n.removeprefix("_outputs.") for n in _named_in_expressions(instance.vertex)
    }:
        return True
    return any(
        reference.node == node_id and reference.path
        for _, references in _references(instance)
        for reference in references
    )


def awaited(state: RunState, instance: Instance) -> list[Instance]:
    """Those of the ``named`` that must have been resolved before: what inputs and the outputs of a call may name."""
    found = (
        named
        for around, references in _references(instance)
        for reference in references
        if reference.node is not None
        for named in _by_id(state, instance, around, reference.node)
    )
    return list(_unknown(found))


def unresolved(state: RunState, scope: ScopeState, vertex: Vertex | None) -> list[Instance]:
    """All that is not resolved on the ways to a join, an exit or (without a vertex) a scope's end, and itself.

    Of large batches the items are left out, which are too many to be looked at at once. Each comes after what leads to
    it, so that a ``decide`` about one after the other says all that can be said. Most of those that were passed by have
    no outcome to be found.
    """
    found: list[Instance] = []
    seen: set[tuple[int, int]] = set()
    waiting = [(scope.at(index), False) for index in (scope.scope.ends if vertex is None else (vertex.index,))]
    while waiting:
        instance, before_is_done = waiting.pop()
        around, current = instance
        if before_is_done:
            found.append(instance)
            continue
        if (id(around), current.index) in seen or current.index in around.outcomes or current.index in around.marks:
            continue
        seen.add((id(around), current.index))
        waiting.append((instance, True))
        waiting.extend((around.at(link.source), False) for link in current.incoming)
        if current.kind is Kind.EXIT and current.construct is not None:
            insides = () if is_large(instance) else _insides(state, around, current.construct)
            for inside in insides:
                waiting.extend((inside.at(end), False) for end in inside.scope.ends)
            waiting.append((around.at(current.construct.entry), False))
    return found


def settle(state: RunState, scope: ScopeState, vertex: Vertex | None) -> list[Instance]:
    """Decide, from what is known, about all that leads to a join, an exit or (without a vertex) a scope's end.

    Returns:
        What is still not resolved: the instances whose outcomes could tell more.
    """
    found = unresolved(state, scope, vertex)
    for instance in found:
        state.decide(*instance)
    if any(instance.vertex.index in instance.scope.marks for instance in found):
        return unresolved(state, scope, vertex)
    return found  # nothing was decided


def is_large(instance: Instance) -> bool:
    """Whether it is the exit of a batch whose items are known to be stored in pages."""
    scope, vertex = instance
    if vertex.kind is not Kind.EXIT or vertex.construct is None or vertex.construct.kind != "batch":
        return False
    entry = scope.outcomes.get(vertex.construct.entry)
    return entry is not None and entry.page_size is not None


def joins_ahead(instance: Instance) -> list[Instance]:
    """The joins of some in which all ways on from an instance end, so that they may make it unneeded."""
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
        elif not vertex.is_end:
            for link in vertex.out:
                target = Instance(scope, scope.scope.vertices[link.target])
                quorum = target.vertex.quorum
                # If it needs all its sources, nothing is left behind when it fires.
                is_race = quorum > 0 and quorum < len({way.source for way in target.vertex.incoming})
                (found if is_race else waiting).append(target)
        elif scope.parent is None or scope.construct is None:
            return []
        else:
            waiting.append(Instance(scope.parent, scope.parent.scope.vertices[scope.construct.exit]))
    return list(dict.fromkeys(found))


def _insides(state: RunState, scope: ScopeState, construct: Construct) -> Iterable[ScopeState]:
    """The scope instances of a construct that there are by what is known."""
    entry = scope.outcomes.get(construct.entry)
    if entry is None or not goes_in(construct, entry):
        return
    if construct.kind == "batch":
        yield from (state.child(scope, construct, index) for index in range(total_of(entry)))
    elif construct.kind == "subflow":
        yield state.child(scope, construct, None)
    else:
        inside = state.child(scope, construct, 0)
        yield inside
        while state.goes_on(inside, construct):
            inside = state.child(scope, construct, (inside.index or 0) + 1)
            yield inside


def context_names(instance: Instance) -> Iterator[tuple[ScopeState, frozenset[str]]]:
    """The names that deciding about an instance may look up among the context values, each with where it stands."""
    scope, vertex = instance
    if names := frozenset(_named_in_expressions(vertex)):
        yield scope, names
    for around, references in _references(instance):
        if texts := frozenset(text for reference in references for text in (reference.text, reference.name)):
            yield around, texts


def _unknown(instances: Iterable[Instance]) -> Iterator[Instance]:
    return (
        instance
        for instance in instances
        if instance.vertex.index not in instance.scope.outcomes and instance.vertex.index not in instance.scope.marks
    )


def _references(instance: Instance) -> Iterator[tuple[ScopeState, Collection[Reference]]]:
    """What an instance names explicitly, with the scope from which it is seen."""
    scope, vertex = instance
    if vertex.inputs is not None:
        yield scope, [vertex.inputs] if isinstance(vertex.inputs, Reference) else vertex.inputs.values()
    construct = vertex.construct
    if construct is not None and vertex.kind is Kind.ENTRY:
        yield scope, (construct.inputs or {}).values()
    elif construct is not None and construct.kind == "subflow" and vertex.kind is Kind.EXIT:
        inside = scope.inside.get(construct.entry, {}).get(0)
        if inside is not None:
            yield inside, (outputs_named(inside, vertex) or {}).values()


def _named_in_expressions(vertex: Vertex) -> tuple[str, ...]:
    """The context values and outputs that deciding about an instance may name; looked for once."""
    if vertex.names is None:
        vertex.names = tuple(_names_in_expressions(vertex))
    return vertex.names


def _names_in_expressions(vertex: Vertex) -> Iterator[str]:
    links = list(vertex.out)
    construct = vertex.construct
    if construct is not None and construct.kind == "loop" and vertex.kind in (Kind.VERDICT, Kind.ENTRY):
        if construct.condition is not None:
            yield from construct.condition.context_names or ()
        if construct.feedback is not None:
            links.append(construct.feedback)
        links.extend(construct.leaving)
    for link in links:
        for expression in (link.condition, link.transform):
            for name in () if expression is None else expression.context_names or ():
                if link.on == "success" or name != "error":  # which on those edges is given
                    yield name


def _by_id(state: RunState, asker: Instance, scope: ScopeState, node_id: str) -> Iterator[Instance]:
    """The instance of a node that is seen from a scope, or those of loops around it which must be known first."""
    around: ScopeState | None = scope
    while around is not None:
        inside = around
        while True:
            index = inside.scope.by_id.get(node_id)
            if index is not None:
                yield inside.at(index)
                return
            loop = inside.scope.inner.get(node_id)
            if loop is None:
                break
            yield inside.at(loop.entry)
            # Of a loop that is about to be left, or whose last pass came to nothing, all passes are known by then.
            last = last_pass(inside, loop)
            if (inside, loop.exit) != (asker.scope, asker.vertex.index) and loop.exit not in inside.marks:
                yield inside.at(loop.exit)
                left = inside.outcomes.get(loop.exit)
                passes = left.passes if left is not None and loop.entry in inside.outcomes else None
                last = state.child(inside, loop, passes - 1) if passes else None
            if last is None:
                return
            inside = last
        around = None if around.scope.namespace else around.parent


def holds_up(instance: Instance, arrival: Arrival) -> bool:
    """Whether a join cannot be decided before an instance has ended, since another of its ways in waits for that.

    Only what waits for certain counts: a join of some may go on without what leads to it. What would take long to find
    is not looked for.
    """
    scope, vertex = instance
    while scope is not arrival.scope:
        parent, construct = scope.parent, scope.construct
        if parent is None or construct is None:
            return False
        scope, vertex = parent, parent.scope.vertices[construct.exit]
    vertices, join = scope.scope.vertices, arrival.vertex
    if join is None:
        waiting = [end for end in scope.scope.ends if not scope.is_resolved(end)]
    elif join.kind is Kind.EXIT:
        return False  # what arrives is a lane, which waits for no other
    else:
        waiting = [link.source for link in join.incoming if scope.mark_of(link) is None]
    seen = set(waiting)
    while waiting and len(seen) <= _LOOKED_AT:
        current = vertices[waiting.pop()]
        if current is vertex:
            return True
        if current.quorum or current.depth < vertex.depth:
            continue
        if current.kind is Kind.EXIT and current.construct is not None:
            sources = {current.construct.entry}
        else:
            sources = {link.source for link in current.incoming}
        waiting.extend(sources - seen)
        seen |= sources
    return False


def arrived(arrival: Arrival) -> list[Arrival]:
    """The arrivals at the same join that the known facts tell of."""
    scope, vertex = arrival.scope, arrival.vertex
    if vertex is None:
        known = [scope.is_resolved(end) for end in scope.scope.ends]
    elif vertex.kind is Kind.EXIT and vertex.construct is not None:
        items = scope.inside.get(vertex.construct.entry, {})
        total, lanes = total_of(scope.outcomes[vertex.construct.entry]), arrival.total
        # Of every item: where a run was begun again from one of them, those behind it may have ended before it does.
        known = [
            all(
                scope.has_passed(vertex.construct, index) or (index in items and items[index].ended)
                for index in range(lane, total, lanes)
            )
            for lane in range(lanes)
        ]
    else:
        known = [scope.mark_of(link) is not None for link in vertex.incoming]
    return [arrival._replace(member=member) for member, is_known in enumerate(known) if is_known]
