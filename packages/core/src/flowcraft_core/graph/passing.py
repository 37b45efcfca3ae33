"""What is kept of the items of batches that have ended and were let go of: what a run's result has of them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from .facts import NodeError, Outcome
from .failures import Handled
from .instances import Instance, ScopeState
from .positions import Position
from .scopes import Kind

#: Context values that were set, each with where.
Values = dict[str, tuple[Position, Any]]


class Tally:
    """Counts the items that are let go of, and keeps what they leave to the run.

    An item is kept as it is if it has set context values and something in it has lost a race: only all of it says which
    of them count.

    Attributes:
        steps: How many steps in them have an outcome.
        handled: The failures in them that edges have taken over.
        values: The context values that they have set for the run, the greatest position of each name, by the batch:
            where it stands, and its exit. They count if the batch does.
    """

    def __init__(self) -> None:
        self.begin()

    def begin(self) -> None:
        """Begin again with nothing."""
        self.steps = 0
        self.handled: list[Handled] = []
        self.values: dict[tuple[ScopeState, int], Values] = {}

    def lets_go(self, item: ScopeState) -> bool:
        """Take in what an item that has ended leaves; False if it is to be kept."""
        inside, parent, batch = list(item.walk()), item.parent, item.construct
        assert parent is not None  # an item lies in a batch
        assert batch is not None
        set_ = [found for scope in inside for found in self._set_in(scope)]
        if set_ and any(scope.unneeded for scope in inside):
            return False
        for scope in inside:
            for index, outcome in scope.outcomes.items():
                self._take_in(scope.at(index), outcome)
            for construct in scope.scope.constructs:
                self.values.pop((scope, construct.exit), None)
        if set_:
            latest = self.values.setdefault((parent, batch.exit), {})
            for name, position, value in set_:
                if name not in latest or latest[name][0] <= position:
                    latest[name] = position, value
        return True

    def _take_in(self, instance: Instance, outcome: Outcome) -> None:
        if outcome.void:
            return
        self.steps += instance.vertex.kind is Kind.STEP
        if outcome.error is not None and outcome.handled:
            self.handled.append(told(instance, outcome.error))

    def _set_in(self, scope: ScopeState) -> Iterator[tuple[str, Position, Any]]:
        """What instances of a scope, and of items that were let go of in it, have set for the run."""
        if scope.namespace.parent is not None:
            return
        for index, outcome in scope.outcomes.items():
            for name, value in (outcome.sets or {}).items():
                yield name, scope.position(scope.scope.vertices[index]), value
        for construct in scope.scope.constructs:
            for name, (position, value) in self.values.get((scope, construct.exit), {}).items():
                yield name, position, value


def told(instance: Instance, error: NodeError) -> Handled:
    """A failure with what orders it among others."""
    return instance.scope.position(instance.vertex), instance.key, error
