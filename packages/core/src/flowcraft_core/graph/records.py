"""Facts as plain data and back, for whatever stores them. Values inside are left to the serializer.

What is read may be anything: each field is looked at, so that a fact has the types that it says, or there is none.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import attrs

from .facts import DELETED, OUTPUT, Answer, NodeError, Outcome, Suspension, Undone
from .pages import Pages

T = TypeVar("T")
Convert = Callable[[Any], Any]

#: The kind of a record that is an answer, and no suspension.
ANSWER = "answer"

# A batch that could be opened has fewer items: what says more is damaged, and nobody counts up to it.
_MOST_ITEMS = 10_000_000

# No clock shows a later time.
_LATEST = 1e11

# What an outcome says that says no more than most.
_COMMON = frozenset(("output", "taken", "attempts", "started", "ended", "worker"))

# Plain fields of outcomes that most have not.
_SELDOM = ("worker", "action", "blueprint", "lanes", "page_size", "passes", "via")


def outcome_to_record(outcome: Outcome, encode: Convert) -> dict[str, Any]:
    """An outcome as a JSON object; fields at their defaults are left out.

    Args:
        outcome: The outcome.
        encode: Turns a value into JSON data.
    """
    record: dict[str, Any] = {
        "attempts": outcome.attempts,
        "started": outcome.started,
        "ended": outcome.ended,
    }
    for name in _SELDOM:
        if (value := getattr(outcome, name)) is not None:
            record[name] = value
    if outcome.taken:
        # An edge that carries the output as it is does not store it again.
        taken = outcome.taken.items()
        record["taken"] = [[place] if value is OUTPUT else [place, encode(value)] for place, value in taken]
    if outcome.untaken:
        record["untaken"] = [[place, why] for place, why in outcome.untaken.items()]
    if outcome.void:
        record["void"] = True
    if outcome.error is not None:
        record["error"] = attrs.asdict(outcome.error)
    if outcome.primary_error is not None:
        record["primary_error"] = attrs.asdict(outcome.primary_error)
    if isinstance(outcome.output, Pages):
        record["output_pages"] = attrs.asdict(outcome.output)
    elif outcome.output is not None:
        record["output"] = encode(outcome.output)
    if isinstance(outcome.items, Pages):
        record["pages"] = attrs.asdict(outcome.items)
    elif outcome.items is not None:
        record["items"] = [encode(item) for item in outcome.items]
    if outcome.sets is not None:
        record["sets"] = {name: encode(value) for name, value in outcome.sets.items() if value is not DELETED}
        if deletes := [name for name, value in outcome.sets.items() if value is DELETED]:
            record["deletes"] = deletes
    if outcome.context is not None:
        record["context"] = {name: encode(value) for name, value in outcome.context.items()}
    return record


def outcome_from_record(record: Mapping[str, Any], decode: Convert) -> Outcome:
    """The outcome that a record stands for; the inverse of ``outcome_to_record``.

    Raises:
        ValueError: A field is not what it must be; the message names it.
        SerializationError: A value cannot be decoded.
    """
    said: dict[str, Any] = {
        "output": decode(record["output"]) if "output" in record else None,
        "taken": dict(_taken(entry, decode) for entry in _list(record.get("taken", []), "taken")),
        "attempts": _count(record.get("attempts", 1), "attempts"),
        "started": _time(record.get("started", 0.0), "started"),
        "ended": _time(record.get("ended", 0.0), "ended"),
        "worker": _maybe(record, "worker", _text),
    }
    if record.keys() <= _COMMON:
        return Outcome(**said)
    if "output_pages" in record:
        said["output"] = _pages(record["output_pages"], "output_pages")
    sets = None
    if "sets" in record or "deletes" in record:
        sets = _values(record.get("sets", {}), "sets", decode)
        sets.update((_text(name, "deletes"), DELETED) for name in _list(record.get("deletes", []), "deletes"))
    return Outcome(
        **said,
        action=_maybe(record, "action", _text),
        error=_maybe(record, "error", _error),
        untaken=_maybe(
            record, "untaken", lambda entries, name: dict(_untaken(entry) for entry in _list(entries, name))
        ),
        sets=sets,
        items=_maybe(record, "pages", _pages)
        or _maybe(record, "items", lambda items, name: tuple(decode(item) for item in _list(items, name))),
        page_size=_maybe(record, "page_size", _size),
        lanes=_maybe(record, "lanes", _count),
        blueprint=_maybe(record, "blueprint", _text),
        context=_maybe(record, "context", lambda values, name: _values(values, name, decode)),
        passes=_maybe(record, "passes", _count),
        via=_maybe(record, "via", _text),
        primary_error=_maybe(record, "primary_error", _error),
        void=_flag(record.get("void", False), "void"),
    )


def suspension_to_record(suspension: Suspension) -> dict[str, Any]:
    """A suspension as a JSON object."""
    record = attrs.asdict(suspension)
    for name in ("primary_error", "deferred", "started", "ended", "worker"):
        if not record[name]:
            del record[name]
    return record


def suspension_from_record(record: Mapping[str, Any]) -> Suspension:
    """The suspension that a record stands for; the inverse of ``suspension_to_record``.

    Raises:
        ValueError: A field is not what it must be; the message names it.
    """
    kind = record.get("kind")
    if kind not in ("wait", "sleep", "retry"):
        raise _wrong("kind", "'wait', 'sleep' or 'retry'", kind)
    return Suspension(
        kind=kind,
        due=_maybe(record, "due", _time),
        attempt=_count(record.get("attempt", 0), "attempt"),
        standing_in=_flag(record.get("standing_in", False), "standing_in"),
        queued=_flag(record.get("queued", False), "queued"),
        error=_maybe(record, "error", _error),
        primary_error=_maybe(record, "primary_error", _error),
        deferred=_count(record.get("deferred", 0), "deferred"),
        started=_time(record.get("started", 0.0), "started"),
        ended=_time(record.get("ended", 0.0), "ended"),
        worker=_maybe(record, "worker", _text),
    )


def answer_to_record(answer: Answer, encode: Convert) -> dict[str, Any]:
    """An answer as a JSON object that no suspension is."""
    record = {"kind": ANSWER, "output": encode(answer.output), "action": answer.action, "given": answer.given}
    return {name: value for name, value in record.items() if value is not None}


def answer_from_record(record: Mapping[str, Any], decode: Convert) -> Answer:
    """The answer that a record stands for; the inverse of ``answer_to_record``.

    Raises:
        ValueError: A field is not what it must be; the message names it.
        SerializationError: The output cannot be decoded.
    """
    return Answer(
        output=decode(record["output"]) if "output" in record else None,
        action=_maybe(record, "action", _text),
        given=_time(record.get("given", 0.0), "given"),
    )


# --- field by field ---------------------------------------------------------------------------------------------------


def _wrong(name: str, wanted: str, value: Any) -> ValueError:
    return ValueError(f"its {name} must be {wanted}, not {value!r:.80}")


def _maybe(record: Mapping[str, Any], name: str, read: Callable[[Any, str], T]) -> T | None:
    value = record.get(name)
    return None if value is None else read(value, name)


def _text(value: Any, name: str) -> str:
    if type(value) is not str:
        raise _wrong(name, "text", value)
    return value


def _list(value: Any, name: str) -> list[Any]:
    if type(value) is not list:
        raise _wrong(name, "a list", value)
    return value


def _values(value: Any, name: str, decode: Convert) -> dict[str, Any]:
    if type(value) is not dict:
        raise _wrong(name, "an object", value)
    return {member: decode(inner) for member, inner in value.items()}


def _size(value: Any, name: str) -> int:
    if type(value) is not int or not 0 < value < 2**53:
        raise _wrong(name, "a whole number of at least 1", value)
    return value


def _pages(value: Any, name: str) -> Pages:
    if type(value) is not dict or value.keys() != {"total", "size", "token"}:
        raise _wrong(name, "an object with total, size and token", value)
    total, size = _count(value["total"], f"{name}.total"), _size(value["size"], f"{name}.size")
    if not 0 < total <= _MOST_ITEMS:
        raise _wrong(name, f"of 1 to {_MOST_ITEMS} items", value)
    return Pages(total, size, _text(value["token"], f"{name}.token"))


def _count(value: Any, name: str) -> int:
    if type(value) is not int or not 0 <= value < 2**53:
        raise _wrong(name, "a whole number of at least 0", value)
    return value


def _flag(value: Any, name: str) -> bool:
    if type(value) is not bool:
        raise _wrong(name, "true or false", value)
    return value


def _time(value: Any, name: str) -> float:
    if type(value) not in (int, float) or not 0 <= value <= _LATEST:
        raise _wrong(name, "a time, in seconds since the epoch", value)
    return float(value)


def undone_from_record(record: Mapping[str, Any]) -> Undone:
    """What was undone, from its record.

    Raises:
        ValueError: It is none.
    """
    return Undone(
        key=_text(record.get("key"), "key"),
        node_id=_text(record.get("node_id"), "node_id"),
        error=None if record.get("error") is None else _error(record["error"], "error"),
        attempts=_count(record.get("attempts", 1), "attempts"),
        started=_time(record.get("started", 0.0), "started"),
        ended=_time(record.get("ended", 0.0), "ended"),
    )


def _taken(entry: Any, decode: Convert) -> tuple[int, Any]:
    match entry:
        case [place]:
            return _count(place, "taken"), OUTPUT
        case [place, value]:
            return _count(place, "taken"), decode(value)
    raise _wrong("taken", "a list of places and values", entry)


def _untaken(entry: Any) -> tuple[int, str]:
    match entry:
        case [place, why]:
            return _count(place, "untaken"), _text(why, "untaken")
    raise _wrong("untaken", "a list of places and reasons", entry)


def _error(value: Any, name: str) -> NodeError:
    if type(value) is not dict:
        raise _wrong(name, "an object", value)
    return NodeError(
        key=_text(value.get("key"), f"{name}.key"),
        node_id=_text(value.get("node_id"), f"{name}.node_id"),
        type=_text(value.get("type"), f"{name}.type"),
        message=_text(value.get("message"), f"{name}.message"),
        attempts=_count(value.get("attempts", 1), f"{name}.attempts"),
        traceback=_maybe(value, "traceback", lambda text, _: _text(text, f"{name}.traceback")),
    )
