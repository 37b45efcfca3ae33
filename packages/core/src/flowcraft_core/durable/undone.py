"""What is stored of the undos of a run: that an instance was undone, and the attempts at that which failed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import Any

from ..clock import Clock
from ..graph.facts import Suspension, Undone
from ..graph.instances import Instance
from ..graph.records import suspension_from_record, undone_from_record
from ..graph.state import RunState
from ..graph.undoing import Undoing
from .ends import ABANDONED_KEY, UNDO
from .storage import Records, read_once_visible, reading

# So many suspensions of one undo are looked for at once.
_SUSPENSIONS = 4

# Why, where nobody has said so.
_NO_REASON = "no reason was given"


async def undone_of(records: Records, run_id: str, state: RunState) -> tuple[dict[str, Undone], str | None]:
    """What was undone of a run, by the instances' keys, in the order in which that ended; and as ``undone_among``."""
    by_position = sorted(_with_undo(state), key=lambda instance: instance.scope.position(instance.vertex), reverse=True)
    undone, abandoned = await undone_among(records, run_id, [instance.key for instance in by_position])
    return {each.key: each for each in sorted(undone, key=lambda each: each.ended)}, abandoned


async def undone_among(records: Records, run_id: str, keys: Sequence[str]) -> tuple[list[Undone], str | None]:
    """What was undone of some instances, by their keys; and why no more is to be, or None if all is."""
    found = await records.get_all(run_id, [*(key + UNDO for key in keys), ABANDONED_KEY])
    undone = []
    for key in keys:
        if key + UNDO in found:
            with reading(run_id, key + UNDO):
                undone.append(undone_from_record(found[key + UNDO]))
    with reading(run_id, ABANDONED_KEY):
        abandoned = str(found[ABANDONED_KEY]["reason"] or _NO_REASON) if ABANDONED_KEY in found else None
    return undone, abandoned


async def suspended(records: Records, run_id: str, key: str) -> Suspension | None:
    """The last suspension of an instance's undo."""
    last, number = None, 1
    while True:
        keys = [f"{key}{UNDO}:attempt:{each}" for each in range(number, number + _SUSPENSIONS)]
        found = await records.get_all(run_id, keys)
        for each in keys:
            if each not in found:
                return last
            last = suspension_of(run_id, each, found[each])
        number += _SUSPENSIONS


async def settled_undone(
    records: Records, run_id: str, state: RunState, clock: Clock, *, has_ended: bool
) -> tuple[dict[str, Undone], str | None]:
    """``undone_of``, once it can be seen: of a run that has ended badly nothing is left to undo.

    Nor is it of a call that is undone.
    """
    undone_there = [*([state.root] if has_ended else []), *(scope for scope in state.root.walk() if scope.undone)]

    def is_over(found: tuple[dict[str, Undone], str | None]) -> bool:
        undone, abandoned = found
        return abandoned is not None or not any(Undoing(each, set(undone)).ready() for each in undone_there)

    read = partial(undone_of, records, run_id, state)
    return await read_once_visible(read, records.store, clock, is_all=is_over)


def void_instances(state: RunState) -> list[Instance]:
    """The instances that were voided as the run was stopped: they may have been under way."""
    return [scope.at(index) for scope in state.root.walk() for index, outcome in scope.outcomes.items() if outcome.void]


async def undo_keys(records: Records, run_id: str, instances: Iterable[Instance]) -> list[str]:
    """The keys of all facts that there may be of the undos of instances."""
    keys: list[str] = []
    for instance in instances:
        if instance.vertex.undo is not None:
            keys += [instance.key + UNDO, *(await _suspension_keys(records, run_id, instance.key))]
    return keys


async def _suspension_keys(records: Records, run_id: str, key: str) -> list[str]:
    keys: list[str] = []
    while True:
        some = [f"{key}{UNDO}:attempt:{each}" for each in range(len(keys) + 1, len(keys) + 1 + _SUSPENSIONS)]
        found = await records.get_all(run_id, some)
        keys += some
        if some[-1] not in found:
            return keys


def _with_undo(state: RunState) -> Iterable[Instance]:
    for scope in state.root.walk():
        for index in scope.outcomes:
            if scope.scope.vertices[index].undo is not None:
                yield scope.at(index)


def suspension_key(key: str, suspension: Suspension) -> str:
    """Where the suspension of an attempt at an instance's undo stands."""
    return f"{key}{UNDO}:attempt:{suspension.attempt + suspension.deferred}"


def suspension_of(run_id: str, key: str, record: Mapping[str, Any]) -> Suspension:
    """A suspension, as it is stored under a key."""
    with reading(run_id, key):
        return suspension_from_record(record)
