"""Removes all that is stored of a run, in an order in which it can be begun again wherever it was cut off."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from typing import TypeAlias

import attrs

from ..errors import BlueprintError, ConfigurationError, SerializationError
from ..graph.instances import ScopeState
from ..graph.lanes import total_of
from ..graph.positions import INITIAL, Position
from ..graph.scopes import Construct
from ..ports import HandWrittenRuns, RunStatus
from .answers import ANSWERED, noted_answers
from .ends import ABANDONED_KEY, END_KEY, UNDONE_KEY, undoes
from .runs import FORK_KEY, FORKED, RECORD_KEY, REDRIVEN_KEY, TRACE_KEY
from .scheduling.standing import note_purged
from .shared_context import outside_names
from .storage import OUTSIDE, Records, StaleReadError, claim_keys, outside_of
from .stored_runs import FINAL, LINKS_READ, StoredRuns
from .suspensions import answer_key
from .undone import undo_keys
from .whole import WholeReading

# So many items of a batch are removed at a time.
_ITEMS_AT_ONCE = 200

# By so many seconds clocks may differ: a run that ended longer ago has nothing that is not visible yet.
_CLOCKS_DIFFER = 600.0

# A blueprint that was lost is not visible however long it is waited for.
_UNREADABLE = (SerializationError, BlueprintError, StaleReadError)

# What is stored of a call that was undone, behind its root.
_OF_CALLS = (UNDONE_KEY, END_KEY)


async def purge(stored: StoredRuns, run_id: str, *, damaged: bool = False) -> None:
    """See ``Client.purge``."""
    if damaged:
        records = attrs.evolve(stored.records, cache=None, damaged=set())
        stored = attrs.evolve(stored, records=records, runs=attrs.evolve(stored.runs, records=records))
    status = await stored.backend.status.get(run_id)
    is_under_way = status is not None and status.state not in FINAL
    if status is not None and is_under_way and not (damaged and await _is_damaged(stored, status)):
        raise ConfigurationError(f"run {run_id!r} is {status.state}: cancel it before it is purged")
    if status is not None and stored.clock.now() - status.updated < _CLOCKS_DIFFER:
        await stored.clock.sleep(stored.backend.context.limits.staleness)  # what is not seen is not removed
    try:
        record = await stored.runs.get(run_id)
    except _UNREADABLE:
        if not damaged:
            raise
        record = None
    outside = await outside_names(stored.records, run_id)
    first = (INITIAL, outside_of(INITIAL))
    await stored.records.delete_values(run_id, [(name, position) for name in outside for position in first])
    if record is not None:
        # What is under way, and cannot be read, is not waited for: it would never be seen at its end.
        reading = await stored.reading(record, None if is_under_way else status, due_only=True)
        of_calls = _OF_CALLS if undoes(record) else ()
        await _Purge(stored.records, run_id, reading, frozenset(outside), of_calls).inside([reading.state.root])
    if record is not None and record.schedule is not None:  # or who was about to start it would do so again
        await note_purged(stored, *record.schedule, run_id)
    # What leads to other things goes after them: a note to the next one, the record to all facts.
    groups = [[f"{OUTSIDE}{number}"] for number in reversed(range(len(outside)))]
    noted = await noted_answers(stored.records, run_id)
    groups += [[answer_key(key) for key in noted], *([f"{ANSWERED}{number}"] for number in reversed(range(len(noted))))]
    # Links, the last ones first, as they are found one after the other; and such as may not be visible yet.
    links = [f"{FORKED}{number}" for number in range(len(await stored.forked_as(run_id)) + LINKS_READ)]
    groups += [links[first : first + LINKS_READ] for first in reversed(range(0, len(links), LINKS_READ))]
    for group in (*groups, [ABANDONED_KEY, END_KEY, FORK_KEY, REDRIVEN_KEY, TRACE_KEY, RECORD_KEY]):
        await stored.records.delete(run_id, group)
    by_hand: HandWrittenRuns | None = getattr(stored.backend, "by_hand", None)
    if by_hand is not None:
        await by_hand.delete(run_id)
    await stored.backend.status.delete(run_id)


async def _is_damaged(stored: StoredRuns, status: RunStatus) -> bool:
    """Whether something of a run cannot be read, so that it may never come to an end, not even by a cancel."""
    try:
        record = await stored.settled(lambda: stored.runs.get(status.run_id))
        if record is not None:
            await stored.reading(record, status, due_only=True)
    except _UNREADABLE:
        return True
    return bool(stored.records.damaged)


@attrs.frozen(eq=False)
class _Purge:
    """Removes what is stored of the instances of a run.

    What leads to other things goes after them: an outcome after what is inside, and after what is later in its scope.
    A batch's items are gone through some at a time, begun or not: where a purge was cut off, those may be gone after
    whose end the others of their lane begin.

    Attributes:
        records: Where the facts are.
        run_id: The run.
        reading: What has read them.
        outside: The context values that were set from outside of the run.
        of_calls: What may be stored of calls, behind their roots.
    """

    records: Records
    run_id: str
    reading: WholeReading
    outside: frozenset[str]
    of_calls: Sequence[str]

    async def inside(self, around: Sequence[ScopeState]) -> None:
        """Remove all that is stored of some scopes that share a place, and of what is inside of them."""
        parts = sorted(_parts(around), key=lambda part: part[0], reverse=True)
        for _, group in itertools.groupby(parts, lambda part: part[0]):
            scopes: list[ScopeState] = []
            for _, scope, batch in group:
                if batch is None:
                    scopes.append(scope)
                else:
                    await self._items(scope, batch)
            await self._remove(scopes)

    async def _items(self, scope: ScopeState, batch: Construct) -> None:
        total = total_of(scope.outcomes[batch.entry])
        for first in range(0, total, _ITEMS_AT_ONCE):
            items = await self.reading.items(scope, batch, range(first, min(first + _ITEMS_AT_ONCE, total)))
            await self.inside(items)
            for item in items:
                self.reading.forget(item)

    async def _remove(self, scopes: Sequence[ScopeState]) -> None:
        """Remove the values that were set in some scopes, then their facts."""
        sets = [one for scope in scopes for one in self._sets_in(scope)]
        sets += [(name, outside_of(position)) for name, position in sets if name in self.outside]
        if sets:
            await self.records.delete_values(self.run_id, sets)
        if scopes:
            await self.records.delete(self.run_id, await _keys_of(self.records, self.run_id, scopes, self.of_calls))

    def _sets_in(self, scope: ScopeState) -> Iterable[tuple[str, Position]]:
        """The context values that were set in a scope, with the positions of their setters.

        Also of what nothing leads to any more, as what is inside was removed before.
        """
        for instance in scope.instances():
            outcome = self.reading.outcome_of(instance)
            for name in () if outcome is None else outcome.sets or ():
                yield scope.namespace.prefix + name, scope.position(instance.vertex)


_Place: TypeAlias = tuple[tuple[int, int, int], ...]


def _parts(around: Iterable[ScopeState]) -> Iterable[tuple[_Place, ScopeState, Construct | None]]:
    """Scopes, those inside of them, and batches in the place of their items: each with its place."""
    waiting = list(around)
    while waiting:
        scope = waiting.pop()
        yield _place(scope), scope, None
        for construct in scope.scope.constructs:
            if construct.kind != "batch":
                waiting.extend(scope.inside.get(construct.entry, {}).values())
            elif construct.entry in scope.outcomes:
                entry = scope.scope.vertices[construct.entry]
                yield (*_place(scope), (entry.depth, entry.index, 0)), scope, construct


def _place(scope: ScopeState) -> _Place:
    """Where an instance of a scope stands in the order in which they are found; the items of a batch share a place.

    A scope is found by facts of the one around it, of constructs before it there, and of earlier passes.
    """
    place: list[tuple[int, int, int]] = []
    while scope.parent is not None and scope.construct is not None:
        entry = scope.parent.scope.vertices[scope.construct.entry]
        index = 0 if scope.construct.kind == "batch" else scope.index or 0
        place.append((entry.depth, entry.index, index))
        scope = scope.parent
    return tuple(reversed(place))


async def _keys_of(records: Records, run_id: str, scopes: Iterable[ScopeState], of_calls: Iterable[str]) -> list[str]:
    """The keys of all facts that instances in these scopes may have, and these scopes themselves."""
    scopes = list(scopes)
    instances = [instance for scope in scopes for instance in scope.instances()]
    keys = [instance.key for instance in instances]
    keys += [key for instance in instances for key in claim_keys(instance)]
    keys += await undo_keys(records, run_id, instances)
    keys += [scope.prefix + key for scope in scopes if scope.prefix and scope.scope.namespace for key in of_calls]
    return keys + await records.suspension_keys(run_id, instances)
