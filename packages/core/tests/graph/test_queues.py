"""Which queue a job goes to, and which names can be a queue's."""

from __future__ import annotations

from typing import Any

import pytest
from flowcraft_core import Blueprint, BlueprintError, ConfigurationError, NodeContext, create_flow
from flowcraft_core.decorated import Flow
from flowcraft_core.errors import UnknownQueueError
from flowcraft_core.graph.compile import compile_blueprint
from flowcraft_core.graph.queues import is_bound, queue_of_start, queues_of
from flowcraft_core.queues import DeclaredQueues, require_queue


async def step(ctx: NodeContext[Any, Any]) -> Any: ...


def test_a_queue_stands_in_the_json_and_comes_back_from_it() -> None:
    flow = create_flow("f", queue="bulk").node("a", step, queue="gpu").batch("b", step, queue="urgent")
    flow.node("p", step).loop("l", start="p", end="p", condition="false", queue="gpu")
    flow.subflow("s", create_flow("inner").node("n", step), queue="urgent")
    flow.edge("a", "b").edge("b", "p").edge("l", "s")
    data = flow.to_blueprint().to_dict()
    queues = {node["id"]: node.get("config", {}).get("queue") for node in data["nodes"]}
    assert (data["queue"], queues) == ("bulk", {"a": "gpu", "b": "urgent", "p": None, "l": "gpu", "s": "urgent"})
    assert Blueprint.from_json(data).to_dict() == data


def test_a_decorated_flow_says_the_same() -> None:
    inner = Flow[int, int]("inner")

    @inner.step(queue="gpu")
    async def n(x: int = inner.input) -> int:
        return x

    inner.returns(n.output)
    flow = Flow[list[int], list[int]]("f", queue="bulk")

    @flow.batch(flow.input, queue="urgent")
    async def each(item: int) -> int:
        return item

    calls = flow.call_each(inner, each.output, queue="gpu")
    flow.returns(calls.output)
    data = flow.to_blueprint().to_dict()
    queues = {node["id"]: node.get("config", {}).get("queue") for node in data["nodes"]}
    assert (data["queue"], queues) == ("bulk", {"each": "urgent", "inner": "gpu"})
    assert inner.to_blueprint().nodes[0].config.queue == "gpu"  # type: ignore[union-attr]


def test_the_first_job_goes_to_the_queue_of_the_only_first_node_else_to_the_runs_or_the_flows() -> None:
    one = create_flow("one", queue="bulk").node("a", step, queue="gpu").node("b", step).edge("a", "b").compile()
    two = create_flow("two", queue="bulk").node("a", step, queue="gpu").node("b", step).compile()
    none = create_flow("none").node("a", step).compile()
    assert [queue_of_start(graph, None) for graph in (one, two, none)] == ["gpu", "bulk", "default"]
    assert [queue_of_start(graph, "urgent") for graph in (one, two, none)] == ["gpu", "urgent", "urgent"]


def test_the_queues_of_a_run_are_told_with_what_names_them() -> None:
    flow = create_flow("f", queue="bulk").node("a", step).batch("b", step, queue="gpu").edge("a", "b")
    assert queues_of({"f": flow.compile()}, "urgent") == {
        "urgent": "the run",
        "bulk": "flow 'f'",
        "gpu": "node 'b' of flow 'f'",
    }


def test_only_steps_are_bound_to_their_queue() -> None:
    graph = create_flow("f").node("a", step).wait("w").sleep("s", 1).batch("b", step).compile()
    assert {vertex.key for vertex in graph.root.vertices if is_bound(vertex)} == {"a"}


@pytest.mark.parametrize("name", ["", "a b", "-a", "ä", "a" * 81, "a/b", 5])
def test_what_cannot_be_a_queues_name_is_refused_where_it_is_given(name: Any) -> None:
    with pytest.raises(ConfigurationError, match="node 'a': queue must be a queue's name, not"):
        create_flow("f").node("a", step, queue=name)
    with pytest.raises(ConfigurationError, match="flow 'f': queue must be a queue's name"):
        create_flow("f", queue=name)
    if isinstance(name, str):
        data = {"id": "f", "queue": name, "nodes": [{"id": "a", "uses": "x", "config": {"queue": name}}], "edges": []}
        with pytest.raises(BlueprintError) as refused:
            compile_blueprint(Blueprint.from_json(data))
        assert [problem.text.split(" must")[0] for problem in refused.value.problems] == [
            "its queue",
            "node 'a': queue",
        ]


def test_a_fallback_has_no_queue_of_its_own() -> None:
    flow = create_flow("f").node("a", step, fallback="b").node("b", step, queue="gpu")
    with pytest.raises(BlueprintError, match=r"'b' is a fallback, which runs where the node does.*give 'a' the queue"):
        flow.to_blueprint()


async def test_declared_queues_are_those_and_no_others() -> None:
    queues = DeclaredQueues("Mine(queues={...})", {"gpu": 1, "bulk": 2})
    assert (queues.named("gpu"), await queues.names()) == (1, ["bulk", "gpu"])
    with pytest.raises(UnknownQueueError, match=r"no queue 'tpu'; there are: default, bulk, gpu\. Further ones: Mine"):
        queues.named("tpu")
    with pytest.raises(ConfigurationError, match="'default' is the name of the queue that there is anyway"):
        DeclaredQueues("Mine(queues={...})", {"default": 1})
    with pytest.raises(ConfigurationError, match="a key must be a queue's name, not 'a b'"):
        DeclaredQueues("Mine(queues={...})", {"a b": 1})
    assert require_queue("it", "a.b-C_9") == "a.b-C_9"
