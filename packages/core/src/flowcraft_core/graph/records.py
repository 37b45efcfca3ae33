"""Facts as plain data and back, for whatever stores them. Values inside are left to the serializer."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import attrs

from .facts import DELETED, OUTPUT, NodeError, Outcome, Park

Convert = Callable[[Any], Any]


def outcome_to_record(outcome: Outcome, encode: Convert) -> dict[str, Any]:
    """An outcome as a JSON object; fields at their defaults are left out.

    Args:
        outcome: The outcome.
        encode: Turns a value into JSON data.
    """
    record: dict[str, Any] = {
        "action": outcome.action,
        "blueprint": outcome.blueprint,
        "passes": outcome.passes,
        "via": outcome.via,
        "attempts": outcome.attempts,
        "started": outcome.started,
        "ended": outcome.ended,
        # An edge that carries the output as it is does not store it again.
        "taken": [[place] if value is OUTPUT else [place, encode(value)] for place, value in outcome.taken.items()],
    }
    if outcome.error is not None:
        record["error"] = attrs.asdict(outcome.error)
    if outcome.primary_error is not None:
        record["primary_error"] = attrs.asdict(outcome.primary_error)
    if outcome.output is not None:
        record["output"] = encode(outcome.output)
    if outcome.items is not None:
        record["items"] = [encode(item) for item in outcome.items]
    if outcome.sets is not None:
        record["sets"] = {name: encode(value) for name, value in outcome.sets.items() if value is not DELETED}
        record["deletes"] = [name for name, value in outcome.sets.items() if value is DELETED]
    if outcome.context is not None:
        record["context"] = {name: encode(value) for name, value in outcome.context.items()}
    return {
        name: value
        for name, value in record.items()
        if value is not None and not (name in ("taken", "deletes") and not value)
    }


def outcome_from_record(record: Mapping[str, Any], decode: Convert) -> Outcome:
    """The outcome that a record stands for; the inverse of ``outcome_to_record``."""
    items, context = record.get("items"), record.get("context")
    sets = None
    if "sets" in record or "deletes" in record:
        sets = {name: decode(value) for name, value in record.get("sets", {}).items()}
        sets.update(dict.fromkeys(record.get("deletes", ()), DELETED))
    return Outcome(
        output=decode(record["output"]) if "output" in record else None,
        action=record.get("action"),
        error=_error(record, "error"),
        taken={entry[0]: decode(entry[1]) if len(entry) > 1 else OUTPUT for entry in record.get("taken", ())},
        sets=sets,
        items=None if items is None else tuple(decode(item) for item in items),
        blueprint=record.get("blueprint"),
        context=None if context is None else {name: decode(value) for name, value in context.items()},
        passes=record.get("passes"),
        via=record.get("via"),
        primary_error=_error(record, "primary_error"),
        attempts=record.get("attempts", 1),
        started=record.get("started", 0.0),
        ended=record.get("ended", 0.0),
    )


def park_to_record(park: Park) -> dict[str, Any]:
    """A park record as a JSON object."""
    record = attrs.asdict(park)
    if park.primary_error is None:
        del record["primary_error"]
    return record


def park_from_record(record: Mapping[str, Any]) -> Park:
    """The park that a record stands for; the inverse of ``park_to_record``."""
    errors = {name: _error(record, name) for name in ("error", "primary_error")}
    return Park(**{**record, **errors})


def _error(record: Mapping[str, Any], name: str) -> NodeError | None:
    error = record.get(name)
    return None if error is None else NodeError(**error)
