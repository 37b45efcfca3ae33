"""Records as they are read: any JSON in any field is a value of the right type, or refused by the field's name."""

from __future__ import annotations

import json
from typing import Any

import attrs
import pytest
from flowcraft_core import SerializationError, Serializer
from flowcraft_core.graph.facts import DELETED, OUTPUT, NodeError, Outcome, Suspension
from flowcraft_core.graph.pages import Pages
from flowcraft_core.graph.records import (
    outcome_from_record,
    outcome_to_record,
    suspension_from_record,
    suspension_to_record,
)
from hypothesis import given
from hypothesis import strategies as st

SERIALIZER = Serializer()
ERROR = NodeError("a[1].b", "b", "ValueError", "no", 2, "traceback")
FULL = Outcome(
    output={"x": [1, (2, 3)]},
    action="go",
    error=ERROR,
    taken={0: OUTPUT, 2: {"carried": 1}},
    sets={"name": 1, "gone": DELETED},
    items=(1, "two"),
    lanes=1,
    blueprint="hash",
    context={"c": 1},
    passes=3,
    via="fallback",
    attempts=2,
    started=1.5,
    ended=2.5,
)
SUSPENDED = Suspension("retry", 12.5, 1, True, True, ERROR)

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.just(10**400),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


def _stored(data: dict[str, Any]) -> dict[str, Any]:
    stored: dict[str, Any] = json.loads(json.dumps(data))
    return stored


OUTCOME_RECORD = _stored(outcome_to_record(FULL, SERIALIZER.to_data))
SUSPENSION_RECORD = _stored(suspension_to_record(SUSPENDED))


def changed(record: dict[str, Any]) -> st.SearchStrategy[dict[str, Any]]:
    """The record with some of its fields, those of its error among them, replaced by any JSON, or gone."""

    @st.composite
    def build(draw: st.DrawFn) -> dict[str, Any]:
        data = json.loads(json.dumps(record))
        for _ in range(draw(st.integers(1, 2))):
            inside = data["error"] if isinstance(data.get("error"), dict) and draw(st.booleans()) else data
            field = draw(st.sampled_from([*sorted(record), *sorted(record["error"]), "other"]))
            if draw(st.booleans()):
                inside[field] = draw(JSON)
            else:
                inside.pop(field, None)
        return data  # type: ignore[no-any-return]

    return build()


def test_what_is_written_is_read() -> None:
    assert outcome_from_record(OUTCOME_RECORD, SERIALIZER.from_data) == FULL
    assert suspension_from_record(SUSPENSION_RECORD) == SUSPENDED
    assert outcome_from_record({}, SERIALIZER.from_data) == Outcome()


@given(changed(OUTCOME_RECORD) | st.dictionaries(st.text(max_size=5), JSON, max_size=3))
def test_an_outcome_has_the_types_that_it_says_or_is_refused_by_name(record: dict[str, Any]) -> None:
    try:
        outcome = outcome_from_record(record, SERIALIZER.from_data)
    except (ValueError, SerializationError) as error:
        assert str(error)  # noqa: PT017 - either is right
        return
    for value, kind in ((outcome.action, str), (outcome.blueprint, str), (outcome.via, str), (outcome.passes, int)):
        assert value is None or type(value) is kind
    assert outcome.error is None or _is_error(outcome.error)
    assert all(type(place) is int and place >= 0 for place in outcome.taken)
    for named in (outcome.sets, outcome.context):
        assert named is None or (type(named) is dict and all(type(name) is str for name in named))
    assert outcome.items is None or type(outcome.items) in (tuple, Pages)
    assert type(outcome.attempts) is int
    assert _is_time(outcome.started)
    assert _is_time(outcome.ended)


@given(changed(SUSPENSION_RECORD) | st.dictionaries(st.text(max_size=5), JSON, max_size=3))
def test_a_suspension_has_the_types_that_it_says_or_is_refused_by_name(record: dict[str, Any]) -> None:
    try:
        suspension = suspension_from_record(record)
    except ValueError as error:
        assert str(error)  # noqa: PT017
        return
    assert suspension.kind in ("wait", "sleep", "retry")
    assert suspension.due is None or _is_time(suspension.due)
    assert (type(suspension.attempt), type(suspension.standing_in), type(suspension.queued)) == (int, bool, bool)
    assert suspension.error is None or _is_error(suspension.error)


def _is_error(error: NodeError) -> bool:
    texts = [error.key, error.node_id, error.type, error.message, error.traceback or ""]
    return all(type(text) is str for text in texts) and type(attrs.asdict(error)["attempts"]) is int


def _is_time(value: float) -> bool:
    return type(value) is float and 0 <= value <= 1e11


@pytest.mark.parametrize("field", ["items", "output"])
def test_what_says_where_pages_are_comes_back(field: str) -> None:
    pages: dict[str, Any] = {field: Pages(7, 2, "token")}
    stored = Outcome(page_size=3, **pages)
    record = outcome_to_record(stored, SERIALIZER.to_data)
    assert outcome_from_record(json.loads(json.dumps(record)), SERIALIZER.from_data) == stored


@pytest.mark.parametrize(
    "pages",
    [
        None,
        [],
        {"total": 1, "size": 1},
        {"total": 0, "size": 1, "token": "t"},
        {"total": 1, "size": 0, "token": "t"},
        {"total": 2**50, "size": 1, "token": "t"},
        {"total": 1, "size": 1, "token": 1},
    ],
)
def test_pages_that_cannot_be_are_refused_by_name(pages: object) -> None:
    with pytest.raises(ValueError, match="output_pages"):
        outcome_from_record({"output_pages": pages}, SERIALIZER.from_data)
