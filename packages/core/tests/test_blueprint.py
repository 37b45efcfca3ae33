"""Blueprints as data: lossless in Flowcraft's field names, refused with the field's name when misshapen."""

from __future__ import annotations

import contextlib
import json
from typing import Any

import pytest
from flowcraft_core import Blueprint, BlueprintError, Node, NodeConfig, analyze_blueprint, check_for_cycles
from hypothesis import given
from hypothesis import strategies as st

FULL: dict[str, Any] = {
    "id": "orders",
    "nodes": [
        {
            "id": "fetch",
            "uses": "fetchOrder",
            "params": {"url": "https://example.org", "depth": 1.5},
            "inputs": {"id": "order.id"},
            "config": {
                "maxRetries": 3,
                "retryDelay": 250,
                "timeout": 5000,
                "fallback": "cached",
                "joinStrategy": "any",
                "laterSetting": {"kept": True},
            },
            "_sourceLocation": {"file": "a.ts", "line": 3, "column": 1},
        },
        {"id": "cached", "uses": "fetchCached", "inputs": "order.id", "params": None},
    ],
    "edges": [
        {"source": "fetch", "target": "end", "action": "ok", "condition": "a < 1", "transform": "input.x", "label": "x"}
    ],
    "metadata": {"version": "7", "cycleEntryPoints": ["fetch"]},
    "owner": "team",
}


def test_what_is_read_is_written_back() -> None:
    assert Blueprint.from_json(json.dumps(FULL)).to_dict() == FULL
    assert json.loads(Blueprint.from_json(FULL).to_json()) == FULL


def test_attributes_have_python_names() -> None:
    node = Blueprint.from_json(FULL).nodes[0]
    assert node.config is not None
    assert (node.config.max_retries, node.config.join_strategy, node.config.fallback) == (3, "any", "cached")
    assert node.config.extra == {"laterSetting": {"kept": True}}


def test_a_count_may_come_as_javascript_writes_it() -> None:
    config = {"maxRetries": 3.0}
    blueprint = Blueprint.from_json({"id": "b", "nodes": [{"id": "a", "uses": "u", "config": config}]})
    assert blueprint.nodes[0].config == NodeConfig(max_retries=3)


def test_the_hash_tells_contents_apart_and_not_the_order_of_fields() -> None:
    first = Blueprint.from_json(FULL)
    turned = Blueprint.from_json(dict(reversed(list(FULL.items()))))
    assert first.content_hash() == turned.content_hash()
    assert first.content_hash() != Blueprint.from_json({**FULL, "owner": "other"}).content_hash()
    assert len(first.content_hash()) == 64


@pytest.mark.parametrize(
    ("source", "problem"),
    [
        ("{", "not JSON"),
        ("[" * 100_000, "not JSON"),
        (b"\xff", "not JSON"),
        ("[]", "a JSON object, not list"),
        ({}, "no 'id'"),
        ({"id": "b"}, "no 'nodes'"),
        ({"id": 3, "nodes": []}, "blueprint.id must be a string, not 3"),
        ({"id": "", "nodes": []}, "blueprint.id must not be empty"),
        ({"id": "b", "nodes": {}}, "blueprint.nodes must be an array"),
        ({"id": "b", "nodes": [3]}, r"blueprint.nodes\[0\] must be an object"),
        ({"id": "b", "nodes": [{"id": "a"}]}, r"blueprint.nodes\[0\] has no 'uses'"),
        ({"id": "b", "nodes": [{"id": "a", "uses": "u", "inputs": 3}]}, r"nodes\[0\].inputs must be an object"),
        ({"id": "b", "nodes": [{"id": "a", "uses": "u", "inputs": {"x": 1}}]}, r"inputs.x must be a string"),
        ({"id": "b", "nodes": [{"id": "a", "uses": "u", "config": {"maxRetries": 1.5}}]}, "a whole number, not 1.5"),
        ({"id": "b", "nodes": [{"id": "a", "uses": "u", "config": {"timeout": True}}]}, "timeout must be a number"),
        ({"id": "b", "nodes": [{"id": "a", "uses": "u", "config": {"timeout": -1}}]}, "of at least 0, not -1"),
        (
            {"id": "b", "nodes": [{"id": "a", "uses": "u", "config": {"joinStrategy": "some"}}]},
            "'all', 'any' or a whole",
        ),
        ({"id": "b", "nodes": [{"id": "a", "uses": "u", "config": {"joinStrategy": 0}}]}, "number from 1, not 0"),
        ({"id": "b", "nodes": [{"id": "a", "uses": "u", "config": {"joinStrategy": True}}]}, "number from 1, not True"),
        ({"id": "b", "nodes": [{"id": "a", "uses": "u", "config": {"lease": 1}}]}, "true or false, not 1"),
        ({"id": "b", "nodes": [], "edges": [{"source": "a"}]}, r"edges\[0\] has no 'target'"),
        ('{"id": "b", "nodes": [], "metadata": {"x": NaN}}', "blueprint.metadata.x must be JSON data, not nan"),
        ({"id": "b", "nodes": [{"id": "a", "uses": "u", "params": {9: 1}}]}, "params must be .* the key 9"),
        (
            {"id": "b", "nodes": [{"id": "a", "uses": "batch", "params": {"outputKey": 5}}]},
            "params.outputKey must be a",
        ),
    ],
)
def test_a_misshapen_field_is_named(source: Any, problem: str) -> None:
    with pytest.raises(BlueprintError, match=problem):
        Blueprint.from_json(source)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
names = st.text(min_size=1, max_size=8)
nodes = st.fixed_dictionaries(
    {"id": names, "uses": names},
    optional={
        "params": st.dictionaries(st.text(max_size=5), json_values, max_size=3),
        "inputs": names | st.dictionaries(names, names, max_size=3) | st.none(),
        "config": st.fixed_dictionaries(
            {}, optional={"maxRetries": st.integers(0, 9), "timeout": st.floats(0, 1e9), "other": json_values}
        ),
        "other": json_values,
    },
)
edges = st.fixed_dictionaries(
    {"source": names, "target": names},
    optional={"action": names | st.none(), "condition": st.text(), "transform": st.text(), "other": json_values},
)


@given(
    st.fixed_dictionaries(
        {"id": names, "nodes": st.lists(nodes, max_size=4), "edges": st.lists(edges, max_size=4)},
        optional={"metadata": st.dictionaries(names, json_values, max_size=2), "other": json_values},
    )
)
def test_any_blueprint_is_lossless_both_ways(data: dict[str, Any]) -> None:
    blueprint = Blueprint.from_json(data)
    assert blueprint.to_dict() == data
    assert Blueprint.from_json(blueprint.to_json()) == blueprint


@given(json_values)
def test_any_json_is_read_or_refused_by_name(data: Any) -> None:
    for source in (data, {"id": "b", "nodes": data}, {"id": "b", "nodes": [data], "edges": data}):
        with contextlib.suppress(BlueprintError):
            Blueprint.from_json(source)


def graph(*pairs: str, loops: tuple[str, ...] = (), fallbacks: tuple[str, ...] = ()) -> Blueprint:
    ids = dict.fromkeys(node_id for pair in pairs for node_id in pair.split())
    return Blueprint.from_json(
        {
            "id": "g",
            "nodes": [
                {"id": n, "uses": "loop-controller" if n in loops else "u", "config": {"fallback": fallbacks[0]}}
                if fallbacks and n != fallbacks[0]
                else {"id": n, "uses": "loop-controller" if n in loops else "u"}
                for n in ids
            ],
            "edges": [
                {"source": s, "target": t, **({"action": "continue"} if s in loops and t != "out" else {})}
                for s, t in (pair.split() for pair in pairs if " " in pair)
            ],
        }
    )


class TestAnalysis:
    def test_finds_starts_ends_and_depth(self) -> None:
        analysis = analyze_blueprint(graph("a c", "b c", "c d", "a d", "d e", "d f", "alone"))
        assert analysis.start_node_ids == ("a", "b", "alone")
        assert analysis.terminal_node_ids == ("e", "f", "alone")
        assert (analysis.depth, analysis.is_dag, analysis.cycles) == (4, True, ())
        assert (analysis.node_count, analysis.edge_count) == (7, 6)

    def test_walks_a_declared_loop_once(self) -> None:
        analysis = analyze_blueprint(graph("a b", "b loop", "loop a", "loop out", loops=("loop",)))
        assert analysis.start_node_ids == ("a",)
        assert analysis.terminal_node_ids == ("out",)
        assert (analysis.depth, analysis.is_dag) == (4, False)
        assert analysis.cycles == (("a", "b", "loop", "a"),)

    def test_names_each_cycle(self) -> None:
        assert check_for_cycles(graph("a b", "b c", "c a", "c d", "d d")) == [("a", "b", "c", "a"), ("d", "d")]
        assert check_for_cycles(graph("a b", "a c", "b d", "c d")) == []
        assert analyze_blueprint(graph("a b", "b a")).depth == 0

    def test_leaves_fallbacks_out_of_starts_and_ends(self) -> None:
        analysis = analyze_blueprint(graph("a b", "spare", fallbacks=("spare",)))
        assert (analysis.start_node_ids, analysis.terminal_node_ids) == (("a",), ("b",))

    def test_needs_no_recursion(self) -> None:
        blueprint = graph(*(f"n{i} n{i + 1}" for i in range(20_000)))
        assert analyze_blueprint(blueprint).depth == 20_001

    def test_takes_an_empty_blueprint(self) -> None:
        analysis = analyze_blueprint(Blueprint("empty"))
        assert (analysis.depth, analysis.start_node_ids, analysis.is_dag) == (0, (), True)

    def test_ignores_edges_to_nothing(self) -> None:
        blueprint = Blueprint.from_json(
            {"id": "g", "nodes": [{"id": "a", "uses": "u"}], "edges": [{"source": "a", "target": "missing"}]}
        )
        assert analyze_blueprint(blueprint).terminal_node_ids == ("a",)


def test_a_blueprint_has_data_of_its_own() -> None:
    given: dict[str, Any] = {"tags": ["a"], "pair": (1, 2)}
    made = Blueprint("b", (Node("a", "u", given, extra={"mine": given}),), metadata=given)
    read = Blueprint.from_json(made.to_dict())
    hashes = made.content_hash(), read.content_hash()
    given["tags"].append("late")
    made.to_dict()["nodes"][0]["params"] = {}
    assert (made.content_hash(), read.content_hash()) == hashes
    assert made.nodes[0].params == {"tags": ["a"], "pair": [1, 2]}


def test_nodes_are_values() -> None:
    assert Node("a", "u") == Node("a", "u")
    with pytest.raises(AttributeError):
        Node("a", "u").id = "b"  # type: ignore[misc]
