"""What blueprints put together is measured before it is copied: in one pass, and only what is repeated counts."""

from __future__ import annotations

from typing import Any

import attrs
import pytest
from flowcraft_core import Blueprint, FlowRuntime, NodeContext
from flowcraft_core.graph.sizes import MAX_CHARACTERS, MAX_VALUES, TooLargeError, require_modest

Ctx = NodeContext[Any, Any]


def repeated(value: Any, times: int, levels: int) -> Any:
    for _ in range(levels):
        value = [value] * times
    return value


@attrs.frozen
class Holder:
    inside: Any


@pytest.mark.parametrize(
    "value",
    [
        repeated(1, 100, 20),
        repeated("x", 100, 4),
        repeated({"a": (1, 2)}, 120, 4),
        {"a": repeated(1, 120, 3), "b": [repeated(1, 120, 3)] * 2},
        [Holder(repeated(1, 1000, 1))] * 3000,
        ["x" * 2**20] * 66,
        [b"x" * 2**20] * 66,
    ],
    ids=["deep", "texts", "objects", "two", "instances", "characters", "bytes"],
)
def test_what_is_the_same_again_and_again_is_refused(value: Any) -> None:
    with pytest.raises(TooLargeError, match=r"what it makes would be \d+ values"):
        require_modest(value, "what it makes")


def test_what_is_really_there_is_not_refused_however_much_it_is() -> None:
    require_modest(list(range(MAX_VALUES + 10)), "it")
    require_modest([[number] for number in range(MAX_VALUES // 2 + 10)], "it")
    require_modest("x" * (MAX_CHARACTERS + 1), "it")
    require_modest([repeated(1, 100, 3)], "it")
    around: list[Any] = []
    around.append(around)
    require_modest(around, "it")  # refused where it is copied


async def _same(ctx: Ctx) -> Any:
    return ctx.input


async def _one(ctx: Ctx) -> int:
    return 1


def _chain(length: int, **of_node: Any) -> list[dict[str, Any]]:
    return [{"id": "n0", "uses": "one"}, *({"id": f"n{n}", "uses": "same", **of_node} for n in range(1, length))]


async def test_transforms_that_multiply_fail_their_node_by_name() -> None:
    transform = "[" + ",".join(["input"] * 120) + "]"
    edges = [{"source": f"n{n}", "target": f"n{n + 1}", "transform": transform} for n in range(5)]
    flow = Blueprint.from_json({"id": "bomb", "nodes": _chain(6), "edges": edges})
    result = await FlowRuntime(blueprints=[flow], registry={"same": _same, "one": _one}).run("bomb")
    assert result.status == "failed"
    assert "the transforms of node 'n3'" in str(result.errors[0])


async def test_edges_of_one_node_count_together() -> None:
    """Each transform alone is within the bound, and all of them are stored in one outcome."""
    transform = "[" + ",".join(["input"] * 120) + "]"
    nodes = [*_chain(4), *({"id": f"e{n}", "uses": "same"} for n in range(3))]
    edges = [{"source": f"n{n}", "target": f"n{n + 1}", "transform": transform} for n in range(2)]
    edges += [{"source": "n2", "target": f"e{n}", "transform": transform} for n in range(3)]
    edges += [{"source": "n2", "target": "n3", "condition": "false"}]
    flow = Blueprint.from_json({"id": "bomb", "nodes": nodes, "edges": edges})
    result = await FlowRuntime(blueprints=[flow], registry={"same": _same, "one": _one}).run("bomb")
    assert "the transforms of node 'n2'" in str(result.errors[0])


async def test_inputs_that_multiply_fail_their_node_by_name() -> None:
    nodes: list[dict[str, Any]] = [{"id": "n0", "uses": "one"}]
    for place in range(1, 6):
        inputs = {f"name{number}": f"n{place - 1}" for number in range(120)}
        nodes.append({"id": f"n{place}", "uses": "same", "inputs": inputs})
    edges = [{"source": f"n{n}", "target": f"n{n + 1}"} for n in range(5)]
    flow = Blueprint.from_json({"id": "bomb", "nodes": nodes, "edges": edges})
    result = await FlowRuntime(blueprints=[flow], registry={"same": _same, "one": _one}).run("bomb")
    assert result.status == "failed"
    assert "the inputs of node 'n4'" in str(result.errors[0])
