"""Where an instance stands by the facts: one word for it. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Literal, TypeAlias

import attrs

from .facts import Park
from .instances import Instance, Mark, ScopeState
from .scopes import Construct, Kind, Vertex
from .state import RunState, goes_in

#: Where an instance stands by the facts:
#:
#: ============  ====================================================================================================
#: ``done``      it has completed
#: ``failed``    it has failed for good, contained or not
#: ``handled``   it has failed for good, and an edge on failure, or always, has taken that over
#: ``running``   a loop, batch or subflow that was entered, and whose insides have not ended
#: ``ready``     it is to run: it is under way, or waits for a worker
#: ``waiting``   a wait that can be resumed
#: ``sleeping``  a sleep whose time has not come, as far as is known
#: ``retrying``  its last attempt has failed, and there will be another one
#: ``pending``   what leads to it is not resolved
#: ``dead``      none of the ways to it was taken: it will not run
#: ``blocked``   what leads to it has failed, and the failure is contained: it will not run
#: ``moot``      it has lost a race: it need not run, and if it has ended all the same, that counts nowhere
#: ``void``      its run was stopped before it had an outcome: it is as if it never was
#: ============  ====================================================================================================
#:
#: In a run that has ended, what was ready, waiting, sleeping or retrying stays so: a fork goes on with it.
InstanceState: TypeAlias = Literal[
    "done",
    "failed",
    "handled",
    "running",
    "ready",
    "waiting",
    "sleeping",
    "retrying",
    "pending",
    "dead",
    "blocked",
    "moot",
    "void",
]

_PARKED: Mapping[str, InstanceState] = {"wait": "waiting", "sleep": "sleeping", "retry": "retrying"}


@attrs.frozen(eq=False)
class Standing:
    """What the facts of a run say of each of its instances.

    Attributes:
        state: A whole state.
        parks: The last park of those that are parked, by key.
        to_run: What the state has as its frontier, ready or to be claimed, as pairs of ``id(scope)`` and index.
    """

    state: RunState
    parks: Mapping[str, Park]
    to_run: frozenset[tuple[int, int]]

    @classmethod
    def of(cls, state: RunState, parks: Mapping[str, Park]) -> Standing:
        """What a whole state says, with the parks of what is ready in it."""
        frontier = [(id(scope), vertex.index) for scope, vertex in state.ready]
        claimed = [(id(scope), vertex.index) for scope, vertex, _ in state.wanted]
        return cls(state, parks, frozenset((*frontier, *claimed)))

    def of_instance(self, instance: Instance) -> InstanceState:
        """Where an instance stands; of a construct, ask with its entry or its exit."""
        scope, vertex = instance
        if vertex.kind in (Kind.ENTRY, Kind.EXIT) and vertex.construct is not None:
            return self._construct(scope, vertex)
        return self._vertex(scope, vertex)

    def _construct(self, scope: ScopeState, vertex: Vertex) -> InstanceState:
        construct = vertex.construct
        assert construct is not None  # the caller has looked
        vertices = scope.scope.vertices
        exit_ = self._vertex(scope, vertices[construct.exit])
        if exit_ in ("done", "failed", "handled", "moot", "ready", "void"):
            return exit_
        entry = scope.outcomes.get(construct.entry)
        if entry is None or entry.void or entry.error is not None:
            return self._vertex(scope, vertices[construct.entry])
        if exit_ == "blocked":  # by what is inside: it has failed, and that is contained
            return "failed"
        return "running" if exit_ == "pending" and goes_in(construct, entry) else exit_

    def _vertex(self, scope: ScopeState, vertex: Vertex) -> InstanceState:
        index = vertex.index
        outcome = scope.outcomes.get(index)
        if outcome is not None:
            if outcome.void:
                return "void"
            return "done" if outcome.error is None else "handled" if outcome.handled else "failed"
        mark = scope.marks.get(index)
        if mark is Mark.BLOCKED and vertex.quorum:
            return "failed"  # with all the errors behind its ways, or its own
        if mark is not None and mark is not Mark.TAKEN:
            return "dead" if mark is Mark.SKIPPED else "blocked"
        if scope.is_moot(vertex):
            return "moot"
        if index in scope.blame:
            return "failed"  # a join, or the exit of a construct, that nothing contains
        if (id(scope), index) not in self.to_run:
            return "pending"
        park = self.parks.get(scope.key(vertex))
        return "ready" if park is None else _PARKED[park.kind]


def shown(scope: ScopeState) -> Iterator[Instance]:
    """The instances of a scope as people see them, in the order of the flow: a construct once, by its exit."""
    vertices = scope.scope.vertices
    for index in scope.scope.order:
        vertex = vertices[index]
        if vertex.kind is Kind.ENTRY and vertex.construct is not None:
            yield Instance(scope, vertices[vertex.construct.exit])
        elif vertex.kind is not Kind.EXIT:
            yield Instance(scope, vertex)


def insides(scope: ScopeState, construct: Construct) -> list[ScopeState]:
    """The items, passes or calls of a construct that are known, in order."""
    known = scope.inside.get(construct.entry, {})
    return [known[index] for index in sorted(known)]
