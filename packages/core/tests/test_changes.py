"""In what blueprints differ, and that there is nothing else."""

from __future__ import annotations

import copy
from typing import Any

from flowcraft_core import Blueprint
from hypothesis import given
from hypothesis import strategies as st

BEFORE: dict[str, Any] = {
    "id": "orders",
    "nodes": [
        {"id": "fetch", "uses": "fetch", "params": {"url": "a", "depth": 1}},
        {"id": "check", "uses": "check"},
        {"id": "old", "uses": "old"},
    ],
    "edges": [
        {"source": "fetch", "target": "check", "action": "ok"},
        {"source": "fetch", "target": "check", "action": "maybe"},
        {"source": "check", "target": "old"},
    ],
    "metadata": {"version": "1"},
}
AFTER: dict[str, Any] = {
    "id": "orders",
    "nodes": [
        {"id": "fetch", "uses": "fetch", "params": {"url": "b", "depth": 1}, "config": {"maxRetries": 3}},
        {"id": "check", "uses": "check_all", "config": None},
        {"id": "new", "uses": "new"},
    ],
    "edges": [
        {"source": "fetch", "target": "check", "action": "ok", "condition": "result.ok"},
        {"source": "fetch", "target": "check", "action": "maybe"},
        {"source": "check", "target": "new"},
    ],
    "metadata": {"version": "2"},
    "queue": "gpu",
}


def diff(first: dict[str, Any], second: dict[str, Any]) -> list[str]:
    return [str(change) for change in Blueprint.from_json(first).diff(Blueprint.from_json(second))]


def test_changes_are_told_field_by_field() -> None:
    assert diff(BEFORE, AFTER) == [
        '~ blueprint: metadata.version: "1" -> "2"',
        '~ blueprint: queue: none -> "gpu"',
        '~ node fetch: params.url: "a" -> "b"',
        '~ node fetch: config: none -> {"maxRetries": 3}',
        '~ node check: uses: "check" -> "check_all"',
        '- node old: {"uses": "old"}',
        '+ node new: {"uses": "new"}',
        '~ edge fetch -> check: condition: none -> "result.ok"',
        "- edge check -> old",
        "+ edge check -> new",
    ]


def test_a_change_says_what_was_there_and_what_is() -> None:
    (change, *_) = Blueprint.from_json(BEFORE).diff(Blueprint.from_json(AFTER))
    assert (change.kind, change.what, change.at, change.field) == ("changed", "blueprint", "", "metadata.version")
    assert (change.before, change.after) == ("1", "2")


def test_another_order_is_a_change_of_its_own() -> None:
    turned = {**BEFORE, "nodes": BEFORE["nodes"][::-1]}
    assert diff(BEFORE, turned) == ["~ nodes stand in another order"]


def test_the_other_way_round_it_is_the_other_way_round() -> None:
    there = Blueprint.from_json(BEFORE).diff(Blueprint.from_json(AFTER))
    back = Blueprint.from_json(AFTER).diff(Blueprint.from_json(BEFORE))
    assert {(change.at, change.field) for change in there} == {(change.at, change.field) for change in back}


def test_numbers_of_another_kind_are_another_value() -> None:
    node = {"id": "a", "uses": "u", "params": {"n": 1}}
    other = {"id": "a", "uses": "u", "params": {"n": True}}
    assert diff({"id": "b", "nodes": [node]}, {"id": "b", "nodes": [other]}) == ["~ node a: params.n: 1 -> true"]


_NODE = st.fixed_dictionaries(
    {"id": st.sampled_from("ab"), "uses": st.sampled_from("uv")},
    optional={
        "params": st.none() | st.dictionaries(st.sampled_from("xy"), st.integers(0, 1) | st.booleans(), max_size=2),
        "config": st.none() | st.fixed_dictionaries({}, optional={"maxRetries": st.integers(1, 2)}),
        "label": st.sampled_from("kl"),
    },
)
_EDGE = st.fixed_dictionaries(
    {"source": st.sampled_from("ab"), "target": st.sampled_from("ab")}, optional={"action": st.sampled_from("st")}
)
_BLUEPRINT = st.fixed_dictionaries(
    {"id": st.sampled_from("pq"), "nodes": st.lists(_NODE, max_size=3)},
    optional={"edges": st.lists(_EDGE, max_size=3), "queue": st.none() | st.sampled_from("ab")},
)


def without_nulls(data: Any, depth: int = 0) -> Any:
    """What a blueprint says, where what is null is not there, and no edges are no edges."""
    kept = {name: value for name, value in data.items() if value is not None and not (name == "edges" and not value)}
    lists = {name: [without_nulls(item) for item in kept[name]] for name in ("nodes", "edges") if name in kept}
    return {**kept, **lists}


@given(_BLUEPRINT, _BLUEPRINT)
def test_there_is_no_change_exactly_where_nothing_differs(one: dict[str, Any], other: dict[str, Any]) -> None:
    same = [Blueprint.from_json(without_nulls(each)).content_hash() for each in (one, other)]
    assert (diff(one, other) == []) == (same[0] == same[1])
    assert diff(one, copy.deepcopy(one)) == []
