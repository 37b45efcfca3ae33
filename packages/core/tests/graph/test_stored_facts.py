"""Facts as they are stored: read back they are what they were, and their fields are called what they were called."""

from __future__ import annotations

import json
from typing import Any

import attrs
import pytest
from flowcraft_core.graph.facts import DELETED, OUTPUT, Answer, NodeError, Outcome, Suspension
from flowcraft_core.graph.records import (
    ANSWER,
    answer_from_record,
    answer_to_record,
    outcome_from_record,
    outcome_to_record,
    suspension_from_record,
    suspension_to_record,
)

ERROR = NodeError("a[1].b", "b", "ValueError", "it is so", attempts=3, traceback="Traceback: here")

#: By what they are for: an outcome, and what is stored of it.
OUTCOMES: dict[str, tuple[Outcome, dict[str, Any]]] = {
    "nothing": (Outcome(), {"attempts": 1, "started": 0.0, "ended": 0.0}),
    "a result": (
        Outcome(output=[1], action="go", taken={0: OUTPUT, 3: "other", 4: None}, attempts=2, started=5.0, ended=7.5),
        {
            "output": ["encoded", [1]],
            "action": "go",
            "taken": [[0], [3, ["encoded", "other"]], [4, ["encoded", None]]],
            "attempts": 2,
            "started": 5.0,
            "ended": 7.5,
        },
    ),
    "a failure": (
        Outcome(error=ERROR, attempts=3, started=1.0, ended=2.0),
        {"error": attrs.asdict(ERROR), "attempts": 3, "started": 1.0, "ended": 2.0},
    ),
    "values that were set and deleted": (
        Outcome(sets={"x": 1, "none": None, "gone": DELETED}),
        {
            "sets": {"x": ["encoded", 1], "none": ["encoded", None]},
            "deletes": ["gone"],
            "attempts": 1,
            "started": 0.0,
            "ended": 0.0,
        },
    ),
    "nothing but deleted": (
        Outcome(sets={"gone": DELETED}),
        {"sets": {}, "deletes": ["gone"], "attempts": 1, "started": 0.0, "ended": 0.0},
    ),
    "no values": (Outcome(sets={}), {"sets": {}, "attempts": 1, "started": 0.0, "ended": 0.0}),
    "an entry": (
        Outcome(items=(1, None), blueprint="f" * 64, context={"c": 2}, taken={}),
        {
            "items": [["encoded", 1], ["encoded", None]],
            "blueprint": "f" * 64,
            "context": {"c": ["encoded", 2]},
            "attempts": 1,
            "started": 0.0,
            "ended": 0.0,
        },
    ),
    "an entry without items": (
        Outcome(items=(), context={}),
        {"items": [], "context": {}, "attempts": 1, "started": 0.0, "ended": 0.0},
    ),
    "a loop's exit": (Outcome(passes=4), {"passes": 4, "attempts": 1, "started": 0.0, "ended": 0.0}),
    "a fallback's": (
        Outcome(output=0, via="spare"),
        {"output": ["encoded", 0], "via": "spare", "attempts": 1, "started": 0.0, "ended": 0.0},
    ),
}
SUSPENSIONS = (
    Suspension("wait"),
    Suspension("sleep", due=12.5, queued=True),
    Suspension("retry", due=1.0, attempt=2, standing_in=True, queued=True, error=ERROR),
)


def encode(value: Any) -> Any:
    return ["encoded", value]


def decode(data: Any) -> Any:
    assert data[0] == "encoded"
    return data[1]


def same(one: Outcome, other: Outcome) -> bool:
    """Also in what does not count for equality."""
    return attrs.asdict(one, recurse=False) == attrs.asdict(other, recurse=False) and (
        getattr(one.error, "traceback", None) == getattr(other.error, "traceback", None)
    )


@pytest.mark.parametrize("name", OUTCOMES)
def test_an_outcome_is_stored_in_these_words_and_read_back(name: str) -> None:
    outcome, stored = OUTCOMES[name]
    record = outcome_to_record(outcome, encode)
    assert record == stored
    assert same(outcome_from_record(json.loads(json.dumps(record)), decode), outcome)


def test_what_is_left_out_has_its_default() -> None:
    assert same(outcome_from_record({}, decode), Outcome())


def test_an_answer_is_stored_as_what_no_suspension_is_and_read_back() -> None:
    for answer in (Answer(), Answer({"a": 1}, "yes", 12.5)):
        record = answer_to_record(answer, lambda value: value)
        assert record["kind"] == ANSWER
        assert answer_from_record(record, lambda value: value) == answer
        with pytest.raises(ValueError, match="kind"):
            suspension_from_record(record)
    with pytest.raises(ValueError, match="action"):
        answer_from_record({"kind": ANSWER, "action": 5}, lambda value: value)


@pytest.mark.parametrize("suspension", SUSPENSIONS, ids=lambda suspension: suspension.kind)
def test_a_suspension_is_stored_by_the_names_of_its_fields_and_read_back(suspension: Suspension) -> None:
    record = json.loads(json.dumps(suspension_to_record(suspension)))
    assert record.keys() == {"kind", "due", "attempt", "standing_in", "queued", "error"}
    again = suspension_from_record(record)
    assert again == suspension
    assert (again.error and again.error.traceback) == (suspension.error and suspension.error.traceback)


def test_a_suspension_without_an_error_of_an_earlier_release_is_read() -> None:
    assert suspension_from_record({"kind": "sleep", "due": 3.0, "attempt": 0}) == Suspension("sleep", due=3.0)


def test_a_fallbacks_suspension_keeps_why_it_stands_in() -> None:
    suspension = Suspension(
        "retry", due=1.0, attempt=2, standing_in=True, error=ERROR, primary_error=attrs.evolve(ERROR, key="p")
    )
    record = json.loads(json.dumps(suspension_to_record(suspension)))
    assert record["primary_error"]["key"] == "p"
    assert suspension_from_record(record) == suspension


def test_what_a_suspension_leaves_out_has_its_default() -> None:
    assert suspension_from_record({"kind": "wait"}) == Suspension("wait")


@pytest.mark.parametrize("field", ["kind", "due", "attempt", "standing_in", "queued", "error", "primary_error"])
def test_a_field_of_a_suspension_that_cannot_be_is_refused_by_its_name(field: str) -> None:
    with pytest.raises(ValueError, match=rf"\b{field}\b"):
        suspension_from_record({"kind": "retry", field: [field]})
