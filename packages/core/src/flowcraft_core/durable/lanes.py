"""Where the lanes of a batch stand, for whoever reads all facts: found by bisection on the starts of their items.

The next item of a lane begins when the one before it has ended, so those that have begun come first in each lane. Going
from one to the next would take a request per item; this takes one per halving, for all lanes together.
"""

from __future__ import annotations

from collections.abc import Iterable

from ..graph.facts import Outcome
from ..graph.instances import ScopeState
from ..graph.lanes import lanes_of, total_of
from ..graph.scopes import Construct
from ..graph.state import RunState
from .runs import RunRecord
from .storage import Records


class BegunItems:
    """Makes a whole state know of the items that have begun, batch by batch, so that their facts are read together."""

    def __init__(
        self,
        record: RunRecord,
        records: Records,
        state: RunState,
        known: dict[str, Outcome],
        *,
        top: ScopeState,
        due_only: bool,
    ) -> None:
        """Look for nothing yet.

        Args:
            record: The run's record.
            records: Where facts are read.
            state: A whole state.
            known: By key, the outcomes that were read; those that are read here are added.
            top: Inside of what batches are looked for.
            due_only: Items that have ended by those behind them are none of those that are wanted.
        """
        self._record = record
        self._records = records
        self._state = state
        self._known = known
        self._top = top
        self._due_only = due_only and record.redrive_of is None
        self._looked: set[tuple[int, int]] = set()

    async def find(self) -> None:
        """Look at the batches that were entered since the last time, but for those that begin all items at once."""
        for scope in list(self._top.walk()):
            for batch in scope.scope.constructs:
                entry = scope.outcomes.get(batch.entry)
                if batch.kind != "batch" or entry is None or (id(scope), batch.entry) in self._looked:
                    continue
                self._looked.add((id(scope), batch.entry))
                total, lanes = total_of(entry), lanes_of(entry)
                if lanes < total:
                    await self._find(scope, batch, total, lanes)

    async def _find(self, scope: ScopeState, batch: Construct, total: int, lanes: int) -> None:
        if self._record.redrive_of is not None:
            # What was begun again from may lie anywhere before items that are kept.
            begun = sorted(await self._begun(scope, batch, range(total)))
        else:
            ends = await self._ends(scope, batch, total, lanes)
            if self._due_only and sum(ends) < total:  # else the gather may be due, which goes by every item
                self._state.pass_items(scope, batch, ends)
                return
            begun = [index for lane, end in enumerate(ends) for index in range(lane, total, lanes)[:end]]
        for index in begun:
            self._state.child(scope, batch, index)

    async def _ends(self, scope: ScopeState, batch: Construct, total: int, lanes: int) -> list[int]:
        """How many items have begun, of each lane."""
        low = [0] * lanes
        high = [len(range(lane, total, lanes)) for lane in range(lanes)]
        while asked := {lane: (low[lane] + high[lane]) // 2 for lane in range(lanes) if low[lane] < high[lane]}:
            begun = await self._begun(scope, batch, [lane + lanes * place for lane, place in asked.items()])
            for lane, place in asked.items():
                if lane + lanes * place in begun:
                    low[lane] = place + 1
                else:
                    high[lane] = place
        return low

    async def _begun(self, scope: ScopeState, batch: Construct, items: Iterable[int]) -> set[int]:
        """Those of the items of which a start has an outcome."""
        starts: dict[str, int] = {}
        for index in items:
            item = self._state.imagined(scope, batch, index)
            starts.update((item.key(item.scope.vertices[start]), index) for start in item.scope.starts)
        found = await self._records.outcomes(self._record.run_id, starts)
        self._known.update((key, stored.value) for key, stored in found.items())
        return {starts[key] for key in found}


def with_all_items(state: RunState) -> RunState:
    """The same state, in which also the items are known that no lane of their batch has come to yet."""
    for scope in state.root.walk():
        for batch in scope.scope.constructs:
            entry = scope.outcomes.get(batch.entry)
            if batch.kind == "batch" and entry is not None:
                for index in range(total_of(entry)):
                    state.child(scope, batch, index)
    return state
