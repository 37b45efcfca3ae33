"""Removes all that is stored of a run, in an order in which it can be begun again wherever it was cut off."""

from __future__ import annotations

import itertools
from collections.abc import Iterable

from ..errors import ConfigurationError
from ..graph.instances import ScopeState
from ..graph.positions import INITIAL, Position
from ..ports import HandWrittenRuns
from .answers import ANSWERED, noted_answers
from .ends import ABANDONED_KEY, END_KEY, UNDONE_KEY
from .lanes import with_all_items
from .parks import answer_key
from .runs import FORK_KEY, FORKED, RECORD_KEY, REDRIVEN_KEY, TRACE_KEY
from .scheduling.standing import note_purged
from .shared_context import outside_names
from .storage import OUTSIDE, Records, claim_keys, outside_of
from .stored_runs import FINAL, LINKS_READ, StoredRuns
from .undone import undo_keys

# What is stored of a call that was undone, behind its root.
_OF_CALLS = (UNDONE_KEY, END_KEY)


async def purge(stored: StoredRuns, run_id: str) -> None:
    """See ``Client.purge``."""
    status = await stored.backend.status.get(run_id)
    if status is not None and status.state not in FINAL:
        raise ConfigurationError(f"run {run_id!r} is {status.state}: cancel it before it is purged")
    record = await stored.runs.get(run_id)
    outside = await outside_names(stored.records, run_id)
    scopes: list[ScopeState] = []
    if record is not None:
        # All items: where a purge was cut off, those may be gone after whose end the others of their lane begin.
        state = with_all_items(await stored.state(record, status))
        scopes = sorted(state.root.walk(), key=_place, reverse=True)
    sets = [(name, INITIAL) for name in outside] + [one for scope in scopes for one in _sets_in(scope)]
    sets += [(name, outside_of(position)) for name, position in sets if name in outside]
    await stored.records.delete_values(run_id, sets)
    if record is not None and record.schedule is not None:  # or who was about to start it would do so again
        await note_purged(stored, *record.schedule, run_id)
    # What leads to other things goes after them: facts to scopes, a note to the next one, the record to all facts.
    groups = [await _keys_of(stored.records, run_id, group) for _, group in itertools.groupby(scopes, _place)]
    groups += [[f"{OUTSIDE}{number}"] for number in reversed(range(len(outside)))]
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


def _place(scope: ScopeState) -> tuple[tuple[int, int, int], ...]:
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


async def _keys_of(records: Records, run_id: str, scopes: Iterable[ScopeState]) -> list[str]:
    """The keys of all facts that instances in these scopes may have, and these scopes themselves."""
    scopes = list(scopes)
    instances = [instance for scope in scopes for instance in scope.instances()]
    keys = [instance.key for instance in instances]
    keys += [key for instance in instances for key in claim_keys(instance)]
    keys += await undo_keys(records, run_id, instances)
    keys += [scope.prefix + key for scope in scopes if scope.prefix and scope.scope.namespace for key in _OF_CALLS]
    return keys + await records.park_keys(run_id, instances)


def _sets_in(scope: ScopeState) -> Iterable[tuple[str, Position]]:
    """The context values that were set in a scope, with the positions of their setters."""
    for vertex in scope.scope.vertices:
        outcome = scope.outcomes.get(vertex.index)
        if outcome is not None and outcome.sets:
            for name in outcome.sets:
                yield scope.namespace.prefix + name, scope.position(vertex)
