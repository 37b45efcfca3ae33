"""The builder: what it writes, and what it refuses."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from flowcraft_core import BlueprintError, ConfigurationError, NodeContext, RetryPolicy, SyncNodeContext, create_flow


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
