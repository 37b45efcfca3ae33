"""What workers say of a run's instances, as notes and back: what is under way, and what is passed on. Pure."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import attrs

from .said import PassedOn, UnderWay

_INDEX = re.compile(r"\[\d+\]")

#: Of one run a worker tells so many steps at most, those that have been at work the longest.
MOST_AT_WORK = 100


@attrs.frozen
class Hints:
    """What workers say of a run.

    Attributes:
        under_way: By key: what is at work.
        passed_on: By ``pattern_of`` the key: what is passed on.
        limited: By key: the limits for a place under which something waits.
    """

    under_way: Mapping[str, UnderWay] = attrs.field(factory=dict)
    passed_on: Mapping[str, PassedOn] = attrs.field(factory=dict)
    limited: Mapping[str, tuple[str, ...]] = attrs.field(factory=dict)


def pattern_of(key: str) -> str:
    """An instance's key without its indexes: the same for all items and passes."""
    return _INDEX.sub("", key)


def note_of_work(worker: str, steps: Iterable[UnderWay], now: float) -> dict[str, Any]:
    """What a worker says of the steps of one run that are at work with it; with none that it has no more."""
    longest = sorted(steps, key=lambda step: step.since)[:MOST_AT_WORK]
    return {
        "worker": worker,
        "seen": now,
        "at": [[step.key, step.since, step.attempt, step.fraction, step.message] for step in longest],
    }


def under_way(notes: Iterable[Mapping[str, Any]], *, since: float) -> dict[str, UnderWay]:
    """By key what is at work, by what each worker said last.

    Args:
        notes: The notes, in any order.
        since: What was said earlier than this is not true any more.
    """
    latest: dict[str, Mapping[str, Any]] = {}
    for note in notes:
        worker, seen = note.get("worker"), _number(note.get("seen"))
        if isinstance(worker, str) and seen >= max(since, _number(latest.get(worker, {}).get("seen"))):
            latest[worker] = note
    found: dict[str, UnderWay] = {}
    for worker, note in latest.items():
        for entry in _list(note.get("at")):
            step = _step(worker, _number(note.get("seen")), entry)
            # Two may be at one: one of them does not know that the other has taken over. The later is the one to see.
            if step is not None and (step.key not in found or found[step.key].since < step.since):
                found[step.key] = step
    return found


def note_of_passing_on(told: PassedOn) -> dict[str, Any]:
    """What a worker says of a job that it passes on."""
    return attrs.asdict(told)


def passed_on(notes: Iterable[Mapping[str, Any]], *, since: float) -> dict[str, PassedOn]:
    """What is passed on, by the pattern of the keys; of each what was said last."""
    found: dict[str, PassedOn] = {}
    for note in notes:
        texts = {name: note.get(name) for name in ("node_id", "reason", "worker", "key")}
        if not all(isinstance(text, str) for text in texts.values()):
            continue
        told = PassedOn(**texts, since=_number(note.get("since")), seen=_number(note.get("seen")))  # type: ignore[arg-type]
        pattern = pattern_of(told.key)
        if told.seen >= since and (pattern not in found or found[pattern].seen < told.seen):
            found[pattern] = told
    return found


def _step(worker: str, seen: float, entry: Any) -> UnderWay | None:
    match entry:
        case [str(key), int() | float() as since, int(attempt), fraction, message]:
            return UnderWay(
                key=key,
                worker=worker,
                since=float(since),
                attempt=attempt,
                seen=seen,
                fraction=float(fraction) if isinstance(fraction, (int, float)) else None,
                message=message if isinstance(message, str) else None,
            )
    return None


def _list(value: Any) -> Sequence[Any]:
    return value if isinstance(value, list) else ()


def _number(value: Any) -> float:
    return float(value) if isinstance(value, (int, float)) and math.isfinite(value) else 0.0
