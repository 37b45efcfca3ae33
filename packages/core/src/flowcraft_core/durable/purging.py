"""Removes all that is stored of a run."""

from __future__ import annotations

from ..errors import ConfigurationError
from ..graph.positions import INITIAL, Position
from ..graph.state import RunState
from ..ports import HandWrittenRuns
from .parks import park_keys
from .runs import RECORD_KEY
from .shared_context import outside_names
from .storage import CLAIM_SUFFIX, OUTSIDE, outside_of
from .stored_runs import FINAL, StoredRuns


async def purge(stored: StoredRuns, run_id: str) -> None:
    """See ``Client.purge``. The status goes last: while it is there, the purge can be made again."""
    status = await stored.backend.status.get(run_id)
    if status is not None and status.state not in FINAL:
        raise ConfigurationError(f"run {run_id!r} is {status.state}: cancel it before it is purged")
    record = await stored.runs.get(run_id)
    outside = await outside_names(stored.records, run_id)
    keys = [RECORD_KEY, *(f"{OUTSIDE}{number}" for number in range(len(outside)))]
    sets: list[tuple[str, Position]] = [(name, INITIAL) for name in outside]
    if record is not None:
        facts, values = _written(await stored.state(record, status))
        keys += facts
        sets += values
    sets += [(name, outside_of(position)) for name, position in sets if name in outside]
    await stored.records.delete(run_id, keys, sets)
    by_hand: HandWrittenRuns | None = getattr(stored.backend, "by_hand", None)
    if by_hand is not None:
        await by_hand.delete(run_id)
    await stored.backend.status.delete(run_id)


def _written(state: RunState) -> tuple[list[str], list[tuple[str, Position]]]:
    """The keys that facts of a run may have, and the context values that were set, with the positions of setters."""
    keys: list[str] = []
    sets: list[tuple[str, Position]] = []
    for instance in (found for scope in state.root.walk() for found in scope.instances()):
        keys += [instance.key, *park_keys(instance)]
        if instance.vertex.joins_any:
            keys.append(instance.key + CLAIM_SUFFIX)
        outcome = instance.scope.outcomes.get(instance.vertex.index)
        if outcome is not None and outcome.sets:
            prefix, position = instance.scope.namespace.prefix, instance.scope.position(instance.vertex)
            sets += [(prefix + name, position) for name in outcome.sets]
    return keys, sets
