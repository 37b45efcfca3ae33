"""What a description keeps of the items of large batches: those that it shows, and of all others how many are where."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from ...graph.instances import ScopeState
from ...graph.lanes import lanes_of
from ...graph.passing import Tally
from ...graph.scopes import Construct
from ...graph.standing import InstanceState, state_of_ended

if TYPE_CHECKING:
    pass


class Folded(Tally):
    """Keeps the items that are shown, and those before them in their lanes; counts the instances of all others."""

    def __init__(self, inside: str, first: int, many: int) -> None:
        """Keep nothing yet.

        Args:
            inside: The key of what is opened.
            first: The first item that is shown, if that is a batch.
            many: How many are shown at most.
        """
        super().__init__()
        self._inside, self._first, self._many = inside, first, many

    def begin(self) -> None:
        """See ``Tally``."""
        super().begin()
        self._counts: dict[tuple[ScopeState, int], Counter[InstanceState]] = {}

    def lets_go(self, item: ScopeState) -> bool:
        """See ``Tally``."""
        parent, batch = item.parent, item.construct
        assert parent is not None  # an item lies in a batch
        assert batch is not None
        if self._is_shown(item, parent, batch) or not super().lets_go(item):
            return False
        for scope in item.walk():
            for construct in scope.scope.constructs:
                self._counts.pop((scope, construct.entry), None)
        self._counts.setdefault((parent, batch.entry), Counter()).update(state_of_ended(item))
        return True

    def counts(self, scope: ScopeState, batch: Construct) -> Counter[InstanceState]:
        """How many instances of the items of a batch that were let go of are in each state."""
        return Counter(self._counts.get((scope, batch.entry), {}))

    def _is_shown(self, item: ScopeState, parent: ScopeState, batch: Construct) -> bool:
        if self._inside == item.prefix[:-1] or self._inside.startswith(item.prefix):
            return True
        vertices = parent.scope.vertices
        names = {parent.prefix + batch.key, parent.key(vertices[batch.entry]), parent.key(vertices[batch.exit])}
        index, lanes = item.index or 0, lanes_of(parent.outcomes[batch.entry])
        shown = range(self._first, self._first + self._many)
        return self._inside in names and (index in shown or index + lanes in shown)
