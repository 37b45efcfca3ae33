"""The builder: what it writes, and what it refuses."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from datetime import date, timedelta
from decimal import Decimal
from enum import Enum, IntEnum
from types import MappingProxyType
from typing import Any

import pytest
from flowcraft_core import (
    Blueprint,
    BlueprintError,
    ConfigurationError,
    Flow,
    FlowRuntime,
    NodeContext,
    NodeResult,
    RetryPolicy,
    SyncNodeContext,
    create_flow,
)
from flowcraft_core.blueprint import Edge, Node, NodeConfig
from flowcraft_core.builder import FlowBuilder
from flowcraft_core.errors import FlowcraftError
from flowcraft_core.graph.compile import compile_blueprint
from flowcraft_core.linting import lint
from hypothesis import given
from hypothesis import strategies as st


async def step(ctx: NodeContext[Any, Any]) -> None: ...


def other(ctx: SyncNodeContext[Any, Any]) -> None: ...


def test_a_flow_becomes_a_blueprint_in_flowcrafts_field_names() -> None:
    inner = create_flow("inner").node("n", step)
    flow = (
        create_flow("f")
        .metadata(version="2")
        .node("a", step, params={"x": 1}, timeout=1.5, fallback="spare", lease=True)
        .node("spare", other)
        .node("b", step, inputs={"x": "a.y"}, join="any", retries=2)
        .batch("pages", other, items="list", output="texts", retries=1, tolerated_failure_count=2)
        .batch("calls", inner, tolerated_failure_percentage=10, concurrency=5)
        .subflow("sub", inner, inputs={"x": "a"}, outputs={"y": "n"})
        .wait("approval", timeout=timedelta(minutes=1))
        .sleep("pause", "40d")
        .sleep("nap", 0.25)
        .loop("again", start="b", end="b", condition="count < 5")
        .edge("a", "b", action="go", condition="result.output > 1", transform="input")
        .edge("again", "pause")
        .edge("a", "sub")
    )
    assert flow.to_blueprint().to_dict() == {
        "id": "f",
        "metadata": {"version": "2"},
        "nodes": [
            {
                "id": "a",
                "uses": "f/a",
                "params": {"x": 1},
                "config": {"timeout": 1500, "fallback": "spare", "lease": True},
            },
            {"id": "spare", "uses": "f/spare"},
            {"id": "b", "uses": "f/b", "inputs": {"x": "a.y"}, "config": {"maxRetries": 3, "joinStrategy": "any"}},
            {
                "id": "pages",
                "uses": "batch",
                "inputs": "list",
                "params": {"workerUsesKey": "f/pages/worker", "outputKey": "texts", "toleratedFailureCount": 2},
                "config": {"maxRetries": 2},
            },
            {
                "id": "calls",
                "uses": "batch",
                "params": {"workerBlueprintId": "inner", "concurrency": 5, "toleratedFailurePercentage": 10},
            },
            {
                "id": "sub",
                "uses": "subflow",
                "params": {"blueprintId": "inner", "inputs": {"x": "a"}, "outputs": {"y": "n"}},
            },
            {"id": "approval", "uses": "wait", "config": {"timeout": 60000}},
            {"id": "pause", "uses": "sleep", "params": {"duration": "40d"}},
            {"id": "nap", "uses": "sleep", "params": {"duration": 250}},
            {
                "id": "again",
                "uses": "loop-controller",
                "params": {"condition": "count < 5"},
                "config": {"joinStrategy": "any"},
            },
        ],
        "edges": [
            {"source": "a", "target": "b", "action": "go", "condition": "result.output > 1", "transform": "input"},
            {"source": "again", "target": "pause", "action": "break"},
            {"source": "a", "target": "sub"},
            {"source": "b", "target": "again"},
            {"source": "again", "target": "b", "action": "continue"},
        ],
    }


def test_a_retry_policy_is_written_in_milliseconds() -> None:
    policy = RetryPolicy(
        max_attempts=4, delay=0.5, backoff=3, max_delay=60, jitter=0.2, non_retryable=(KeyError, "Other")
    )
    node = create_flow("f").node("a", step, retries=policy).to_blueprint().nodes[0]
    assert node.config is not None
    assert RetryPolicy.from_config(node.config) == RetryPolicy(
        max_attempts=4, delay=0.5, backoff=3, max_delay=60, jitter=0.2, non_retryable=("KeyError", "Other")
    )


def test_steps_are_named_by_their_places_in_the_flow() -> None:
    flow = create_flow("f").node("a", other).node("b", other).node("c", "named").node("d/1", lambda ctx: None)
    flow.batch("e", lambda ctx: None)
    assert [node.uses for node in flow.to_blueprint().nodes] == ["f/a", "f/b", "named", "f/d%2F1", "batch"]
    assert sorted(flow.implementations) == ["f/a", "f/b", "f/d%2F1", "f/e/worker"]


def test_a_fallback_may_be_a_step() -> None:
    flow = create_flow("f").node("a", step, fallback=other)
    assert flow.to_blueprint().nodes[0].config.fallback == "f/a/fallback"  # type: ignore[union-attr]


def test_a_change_after_building_is_seen() -> None:
    flow = create_flow("f").node("a", step)
    first = flow.to_blueprint()
    assert flow.to_blueprint() is first
    assert len(flow.node("b", step).to_blueprint().nodes) == 2


def test_what_cannot_mean_anything_is_refused_all_at_once() -> None:
    flow = create_flow("f").node("a", step).node("a", step).edge("a", "b").edge("c", "a")
    with pytest.raises(BlueprintError) as refused:
        flow.to_blueprint()
    assert refused.value.blueprint_id == "f"
    assert len(refused.value.problems) == 3
    assert "'f'" in str(refused.value)


def test_bad_settings_are_named() -> None:
    with pytest.raises(ConfigurationError, match=r"'nap'.*'5 minutes'"):
        create_flow("f").sleep("nap", "5 minutes")
    with pytest.raises(ConfigurationError, match="give retries and timeout to that flow's nodes"):
        create_flow("f").batch("b", create_flow("g"), retries=1)
    with pytest.raises(ConfigurationError, match="max_attempts must be a whole number of at least 1"):
        RetryPolicy(max_attempts=0)
    with pytest.raises(ConfigurationError, match="jitter must be a number of at least 0 and of at most 1"):
        RetryPolicy(jitter=2)


# --- what a blueprint can hold ----------------------------------------------------------------------------------------


class Shade(str, Enum):  # noqa: UP042 - as programs for older Pythons have it
    RED = "red"


class Size(IntEnum):
    BIG = 3


ITSELF: dict[str, Any] = {}
ITSELF |= {"a": ITSELF, "b": ITSELF}

_LEAVES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=3),
    st.sampled_from([Shade.RED, Size.BIG, b"x", date(2026, 1, 1), Decimal(1), {1}, step, object(), ITSELF]),
)
_VALUES = st.recursive(
    _LEAVES,
    lambda inner: st.one_of(
        st.lists(inner, max_size=2),
        st.lists(inner, max_size=2).map(tuple),
        st.dictionaries(st.one_of(st.text(max_size=2), st.integers(8, 11), st.none(), st.just(Shade.RED)), inner),
        st.dictionaries(st.text(max_size=2), inner, max_size=2).map(MappingProxyType),
    ),
    max_leaves=5,
)
TAKERS: dict[str, Callable[[Any], FlowBuilder]] = {
    "a flow's id": lambda value: create_flow(value).node("a", step),
    "params": lambda value: create_flow("f").node("a", step, params=value),
    "a parameter": lambda value: create_flow("f").node("a", step, params={"x": value}),
    "metadata": lambda value: create_flow("f").metadata(x=value).node("a", step),
    "inputs": lambda value: create_flow("f").node("a", step, inputs=value),
    "a node's id": lambda value: create_flow("f").node(value, step),
    "a step's name": lambda value: create_flow("f").node("a", value),
    "action": lambda value: create_flow("f").node("a", step).node("b", step).edge("a", "b", action=value),
    "condition": lambda value: create_flow("f").node("a", step).node("b", step).edge("a", "b", condition=value),
    "transform": lambda value: create_flow("f").node("a", step).node("b", step).edge("a", "b", transform=value),
    "source": lambda value: create_flow("f").node("a", step).node("b", step).edge(value, "b"),
    "a loop": lambda value: create_flow("f").node("a", step).loop("l", start="a", end="a", condition=value),
    "a loop's start": lambda value: create_flow("f").node("a", step).loop("l", start=value, end="a", condition="true"),
    "output": lambda value: create_flow("f").node("a", step).batch("b", step, output=value).edge("a", "b"),
    "items": lambda value: create_flow("f").batch("b", step, items=value),
    "a called flow": lambda value: create_flow("f").subflow("s", value),
    "a call's inputs": lambda value: create_flow("f").subflow("s", "g", inputs=value),
    "a call's outputs": lambda value: create_flow("f").subflow("s", "g", outputs=value),
    "a wait's timeout": lambda value: create_flow("f").wait("w", timeout=value),
    "a fallback": lambda value: create_flow("f").node("a", step, fallback=value),
    "an undo": lambda value: create_flow("f").node("a", step, undo=value),
    "a join": lambda value: create_flow("f").node("a", step, join=value),
}


@given(st.sampled_from(sorted(TAKERS)), _VALUES)
def test_what_is_given_is_refused_by_name_or_has_one_hash_everywhere(taker: str, value: Any) -> None:
    with contextlib.suppress(FlowcraftError):
        blueprint = TAKERS[taker](value).to_blueprint()
        again = Blueprint.from_json(blueprint.to_json())
        assert again == blueprint
        assert again.content_hash() == blueprint.content_hash()


@pytest.mark.parametrize(
    ("taker", "value", "place"),
    [
        ("params", {"since": [date(2026, 1, 1)]}, r"node 'a': params.since\[0\] must be JSON data, not datetime.date"),
        ("params", {"names": {9: "nine"}}, "node 'a': params.names must be JSON data, whose keys are text, .* key 9"),
        ("params", ITSELF, r"node 'a': params.*.a nests more than 100 levels deep, or contains itself"),
        ("a parameter", {10**5000}, "node 'a': params.x must be JSON data, not a set"),
        ("a parameter", [10**5000], r"node 'a': params.x\[0\] must be JSON data, and is a number of too many digits"),
        ("metadata", float("nan"), "metadata.x must be JSON data, not nan"),
        ("inputs", ["x"], "node 'a': inputs must be an object"),
        ("action", 5, "edge 'a' -> 'b': action must be a string, not 5"),
        ("condition", lambda result: True, "edge 'a' -> 'b': condition must be a string"),
        ("transform", lambda result: result, "edge 'a' -> 'b': transform must be a string"),
        ("a loop", lambda result: True, "node 'l': params.condition must be"),
        ("a call's outputs", ["x"], "node 's': outputs must map names to names"),
        ("output", 5, "node 'b': params.outputKey must be a string, not 5"),
    ],
)
def test_what_no_blueprint_can_hold_is_refused_where_it_is_described(taker: str, value: Any, place: str) -> None:
    with pytest.raises(BlueprintError, match=place) as refused:
        TAKERS[taker](value)
    assert "blueprint 'f'" in str(refused.value)


@pytest.mark.parametrize(
    "blueprint",
    [
        Blueprint("f", (Node("a", "u", {"x": {1}}),)),
        Blueprint("f", (Node("a", "u", ITSELF),)),
        Blueprint("f", (Node("a", "u", extra={"x": {9: 1}}),)),
        Blueprint("f", (Node("a", "u", config=NodeConfig(fallback=5)),)),  # type: ignore[arg-type]
        Blueprint("f", (Node("a", "u"),), (Edge("a", "a", condition=step),)),  # type: ignore[arg-type]
        Blueprint("f", (Node("a", "u"),), metadata={"x": b"x"}),
        Blueprint("f", (Node("a", "batch", {"workerUsesKey": "w", "outputKey": ["q"]}),)),
    ],
)
def test_a_blueprint_made_by_hand_is_held_to_the_same(blueprint: Blueprint) -> None:
    with pytest.raises(BlueprintError, match="FC003"):
        compile_blueprint(blueprint)
    assert [problem.code for problem in lint(blueprint)] == ["FC003"]


def test_a_decorated_flow_names_metadata_that_is_no_data() -> None:
    flow = Flow[int, int]("f", since=date(2026, 1, 1))
    flow.returns(flow.step(name="a")(lambda: 1).output)
    with pytest.raises(BlueprintError, match=r"'f'.*\n.*metadata.since must be JSON data"):
        flow.to_blueprint()


def test_what_a_step_does_to_its_parameters_stays_with_the_attempt() -> None:
    given: dict[str, Any] = {"kind": "x", "seen": []}

    def spoil(ctx: SyncNodeContext[Any, Any]) -> Any:
        params: Any = ctx.params
        params["seen"].append(ctx.attempt)
        kind = params.pop("kind")
        if ctx.attempt < 3:
            raise ValueError
        return [kind, params["seen"]]

    flow = create_flow("f").node("a", spoil, params=given, retries=2)
    before = flow.to_blueprint().content_hash()
    given["seen"].append("late")
    runtime = FlowRuntime([flow])
    assert [runtime.run_sync(flow).outputs["a"] for _ in range(2)] == [["x", [3]]] * 2
    assert Blueprint.from_json(flow.to_blueprint().to_json()).content_hash() == before


def test_flows_that_call_themselves_or_each_other_are_compiled() -> None:
    def stop(ctx: SyncNodeContext[Any, Any]) -> NodeResult[int]:
        return NodeResult(1, action="stop")

    itself = create_flow("itself").node("a", stop)
    itself.subflow("again", itself).edge("a", "again", action="go")
    one, other = create_flow("one").node("a", stop), create_flow("other").node("a", stop)
    one.subflow("call", other).edge("a", "call", action="go")
    other.subflow("call", one).edge("a", "call", action="go")
    for flow in (itself, one, other):
        assert FlowRuntime([flow]).run_sync(flow).outputs["a"] == 1
        assert flow.to_mermaid()
        assert not [problem for problem in lint(flow) if problem.rule.severity == "error"]
