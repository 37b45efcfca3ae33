"""Where an instance stands by the facts: one word for it. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Literal, Protocol, TypeAlias

import attrs

from .facts import Suspension
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
#: ``unneeded``      it has lost a race: it need not run, and if it has ended all the same, that counts nowhere
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
    "unneeded",
    "void",
]

_SUSPENDED: Mapping[str, InstanceState] = {"wait": "waiting", "sleep": "sleeping", "retry": "retrying"}


class Folded(Protocol):
    """What is known of the items of batches that were let go of."""

    def counts(self, scope: ScopeState, batch: Construct) -> Counter[InstanceState]:
        """How many of their instances are in each state."""


@attrs.frozen(eq=False)
class Standing:
    """What the facts of a run say of each of its instances.

    Attributes:
        suspensions: The last suspension of those that are suspended, by key.
        to_run: What the state has as its frontier, ready or to be claimed, as pairs of ``id(scope)`` and index.
        passed: What is known of the items of batches that were let go of.
    """

    suspensions: Mapping[str, Suspension]
    to_run: frozenset[tuple[int, int]]
    passed: Folded | None = None

    @classmethod
    def of(cls, state: RunState, suspensions: Mapping[str, Suspension], passed: Folded | None = None) -> Standing:
        """What a whole state says, with the suspensions of what is ready in it, and what it was let go of."""
        frontier = [(id(scope), vertex.index) for scope, vertex in state.ready]
        claimed = [(id(scope), vertex.index) for scope, vertex, _ in state.wanted]
        return cls(suspensions, frozenset((*frontier, *claimed)), passed)

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
        if exit_ in ("done", "failed", "handled", "unneeded", "ready", "void"):
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
        if scope.is_unneeded(vertex):
            return "unneeded"
        if index in scope.blame:
            return "failed"  # a join, or the exit of a construct, that nothing contains
        if (id(scope), index) not in self.to_run:
            return "pending"
        suspension = self.suspensions.get(scope.key(vertex))
        return "ready" if suspension is None else _SUSPENDED[suspension.kind]


def state_of_ended(item: ScopeState) -> Iterator[InstanceState]:
    """Where each instance stands that is shown of an item that has ended, in which nothing is left to be run."""
    standing = Standing({}, frozenset())
    return (standing.of_instance(instance) for instance in shown(item))


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
