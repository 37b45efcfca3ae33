"""The schema of blueprints accepts what the reader accepts, and nothing else."""

from __future__ import annotations

import json
from typing import Any

import jsonschema
import pytest
from flowcraft_core import Blueprint, BlueprintError
from flowcraft_core.blueprint import FIELD_NAMES, FIELDS, REQUIRED, Edge, Node, NodeConfig
from flowcraft_core.schema import blueprint_schema
from hypothesis import given, settings
from hypothesis import strategies as st

SCHEMA = blueprint_schema()
VALIDATOR = jsonschema.Draft202012Validator(SCHEMA)

# What may stand anywhere, right or wrong: no NaN, which JSON has not.
_NUMBERS = st.integers(-2, 5) | st.sampled_from([-1.5, -0.0, 0.0, 0.5, 2.0, 1e300])
_SCALARS = st.none() | st.booleans() | _NUMBERS | st.sampled_from(["", "a", "all", "any", "failure", "always", "on"])
_ANY = st.recursive(
    _SCALARS,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(["a", "id"]), inner, max_size=2),
)
_RIGHT: dict[str, st.SearchStrategy[Any]] = {
    "config": st.deferred(lambda: _of(NodeConfig)),
    "nodes": st.lists(st.deferred(lambda: _of(Node)), max_size=2),
    "edges": st.lists(st.deferred(lambda: _of(Edge)), max_size=2),
}


def _of(cls: type) -> st.SearchStrategy[dict[str, Any]]:
    """An object with some of a class's fields: most are what they should be, some are anything."""
    fields = {name: _RIGHT.get(name, st.text("ab", min_size=1)) | _ANY for _, name, _ in FIELDS[cls]}
    required = {name: _RIGHT.get(name, st.text("ab", min_size=1)) for name in REQUIRED.get(cls, ())}
    return st.builds(
        lambda must, may, keeps: {**(must if keeps else {}), **may},
        st.fixed_dictionaries(required),
        st.fixed_dictionaries({}, optional={**fields, "unknown": _ANY}),
        st.integers(0, 9).map(bool),
    )


def reads(data: Any) -> bool:
    try:
        Blueprint.from_json(data)
    except BlueprintError:
        return False
    return True


@given(_of(Blueprint))
@settings(max_examples=300, deadline=None)
def test_the_schema_accepts_what_is_read_and_nothing_else(data: dict[str, Any]) -> None:
    assert VALIDATOR.is_valid(data) == reads(data)


@pytest.mark.parametrize("cls", [NodeConfig, Node, Edge])
@pytest.mark.parametrize(
    "value", [None, True, -1, 0, 1, 1.0, 1.5, "", "all", "failure", [], ["a"], [1], [-1], {}, {"a": "b"}, {"a": 1}]
)
def test_each_field_takes_in_the_schema_what_it_takes_when_read(cls: type, value: object) -> None:
    for name in FIELD_NAMES[cls]:
        node: dict[str, Any] = {"id": "a", "uses": "u"}
        edge: dict[str, Any] = {"source": "a", "target": "a"}
        if cls is NodeConfig:
            node["config"] = {name: value}
        else:
            (node if cls is Node else edge)[name] = value
        data = {"id": "b", "nodes": [node], "edges": [edge]}
        assert VALIDATOR.is_valid(data) == reads(data), (name, value)


@pytest.mark.parametrize("data", [None, [], "x", 3, {}, {"id": "a"}, {"nodes": []}, {"id": "a", "nodes": None}])
def test_what_is_no_blueprint_at_all_is_none_for_both(data: object) -> None:
    assert not VALIDATOR.is_valid(data)
    assert not reads(json.dumps(data))


def test_the_schema_is_one_and_says_of_each_field_what_it_is() -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    for part in (SCHEMA, *SCHEMA["$defs"].values()):
        assert all(field["description"] for field in part["properties"].values())
    assert json.loads(json.dumps(SCHEMA)) == SCHEMA
