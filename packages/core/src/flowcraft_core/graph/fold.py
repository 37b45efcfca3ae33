"""A run's results, folded from its outcomes: what lost a race counts only where it lies on the winner's way."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from .facts import DELETED
from .instances import Instance, ScopeState
from .items import unpacked
from .passing import Tally
from .positions import INITIAL, Position
from .state import RunState


def outputs_of(state: RunState) -> dict[str, Any]:
    """The output of each node of the run's own blueprint, by node id; of a node in a loop, the last pass's."""
    counted = _Counted(state)
    outputs: dict[str, Any] = {}
    waiting = [state.root]
    while waiting:
        scope = waiting.pop()
        by_index = {index: node_id for node_id, index in scope.scope.by_id.items()}
        for index, outcome in scope.outcomes.items():
            node_id = by_index.get(index)
            if node_id is not None and outcome.error is None and not outcome.void and counted(scope, index):
                outputs[node_id] = outcome.output
        for construct in scope.scope.constructs:
            if construct.kind == "loop" and construct.entry in scope.inside:
                passes = scope.inside[construct.entry]
                waiting.append(passes[max(passes)])
    return outputs


def context_of(state: RunState, passed: Tally | None = None) -> dict[str, Any]:
    """The run's context values, by name: of two setters the one with the greater position.

    Args:
        state: What all facts say.
        passed: What the items of batches have left that are not in it any more.
    """
    counted = _Counted(state)
    latest: dict[str, tuple[Position, Any]] = {name: (INITIAL, value) for name, value in state.context.items()}
    for scope, vertex in state.root.setters:
        if not counted(scope, vertex.index):
            continue
        position = scope.position(vertex)
        for name, value in (scope.outcomes[vertex.index].sets or {}).items():
            if name not in latest or latest[name][0] <= position:
                latest[name] = (position, value)
    for (scope, exit_), values in ({} if passed is None else passed.values).items():
        for name, (position, value) in values.items() if counted(scope, exit_) else ():
            if name not in latest or latest[name][0] <= position:
                latest[name] = (position, value)
    return {name: value for name, (_, value) in latest.items() if value is not DELETED}


class _Counted:
    """Whether an outcome counts: neither it nor a construct around it is unneeded, or what is lies on a claimed way."""

    def __init__(self, state: RunState) -> None:
        self._kept: set[tuple[int, int]] = set()
        self._unneeded = False
        for scope in unpacked(state.root):
            self._unneeded = self._unneeded or bool(scope.unneeded)
            # The last joins first: one that is unneeded has lost, and what led to it too, unless it led on to a winner.
            vertices = scope.scope.vertices
            for index in sorted(scope.claims, key=lambda join: vertices[join].depth, reverse=True):
                if index in scope.fired and (index not in scope.unneeded or (id(scope), index) in self._kept):
                    self._keep(scope, [link.source for link in scope.winners(vertices[index])])

    def __call__(self, scope: ScopeState, index: int) -> bool:
        if not self._unneeded:
            return True
        around: ScopeState | None = scope
        while around is not None:
            if index in around.unneeded and (id(around), index) not in self._kept:
                return False
            index = around.construct.exit if around.construct else -1
            around = around.parent
        return True

    def _keep(self, scope: ScopeState, waiting: list[int]) -> None:
        while waiting:
            index = waiting.pop()
            if (id(scope), index) in self._kept:
                continue
            self._kept.add((id(scope), index))
            vertex = scope.scope.vertices[index]
            if vertex.construct is not None and index == vertex.construct.exit:
                waiting.append(vertex.construct.entry)
                continue
            for link in scope.winners(vertex) or vertex.incoming:
                outcome = scope.outcomes.get(link.source)
                if outcome is not None and link.place in outcome.taken:
                    waiting.append(link.source)


def instances(state: RunState) -> Iterator[Instance]:
    """Every instance that has an outcome, and no void one, scope by scope."""
    for scope in state.root.walk():
        for index, outcome in scope.outcomes.items():
            if not outcome.void:
                yield Instance(scope, scope.scope.vertices[index])


def claims(state: RunState) -> Iterator[tuple[str, tuple[int, ...]]]:
    """The key of every join of some that has fired, with the places of the winning edges among its incoming ones.

    Which of them holds which slot means nothing once all stand. What was claimed of a join that has not fired is no
    part of the result: as long as slots are left, the same edges claim them again.
    """
    for scope in unpacked(state.root):
        for index, slots in scope.claims.items():
            if index in scope.fired:
                yield scope.key(scope.scope.vertices[index]), tuple(sorted(slots.values()))
